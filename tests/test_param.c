/*
 * test_param.c - settings by their table: text in, struct, text out.
 */
#include <stdio.h>
#include <string.h>

#include "kernels/core/param.h"
#include "tests/sample.h"
#include "tests/test.h"

static const char *color(int i)
{
    static const char *const names[] = { "crimson", "green", "resnet50",
                                         "resnet101", NULL };

    return names[i];
}

CHOICES(order, "first", "second")

typedef struct Settings {
    int reduction, order;
    ParamInts kernels;
    ParamName color, title;
} Settings;

static const Param table[] = {
    PARAM_INT(Settings, reduction, 16, 1, 1024, "r"),
    PARAM_INTS(Settings, kernels, "3,5,7,9", 1, 31, "k"),
    PARAM_NAME(Settings, color, "green", color, "one of a list"),
    PARAM_NAME(Settings, title, "", NULL, "any text"),
    PARAM_CHOICE(Settings, order, "second", order_choice, "which of a list"),
    PARAM_END,
};

TEST(param, defaults_are_those_of_the_table)
{
    Settings s;

    memset(&s, 0xff, sizeof(s));
    param_defaults(table, &s);
    CHECK(s.reduction == 16 && s.order == 1);
    CHECK(s.kernels.n == 4 && s.kernels.at[0] == 3 && s.kernels.at[3] == 9);
    CHECK(strcmp(s.color.text, "green") == 0 && s.title.text[0] == '\0');
    for (const Param *p = table; p->name; p++)
        CHECK(param_is_default(p, &s));
}

TEST(param, what_does_not_fit_is_refused_with_a_sentence)
{
    static const struct {
        const char *name, *text, *sentence;
    } wrong[] = {
        { "reduction", "0", "reduction=0 is out of range: 1 to 1024" },
        { "reduction", "1025", "reduction=1025 is out of range: 1 to 1024" },
        { "reduction", "99999999999999999999",
          "reduction=99999999999999999999 is out of range: 1 to 1024" },
        { "reduction", "", "reduction: '' is not an integer" },
        { "reduction", "4x", "reduction: '4x' is not an integer" },
        { "reduction", "4.5", "reduction: '4.5' is not an integer" },
        { "reduction", "4,8", "reduction: '4,8' is a list; give one integer" },
        { "kernels", "3,x", "kernels: 'x' is not an integer" },
        { "kernels", "3,", "kernels: '' is not an integer" },
        { "kernels", "3,32", "kernels=32 is out of range: 1 to 31" },
        { "kernels", "1,1,1,1,1,1,1,1,1",
          "kernels: '1,1,1,1,1,1,1,1,1' has more than 8 values" },
        { "color", "gren", "unknown color 'gren'; did you mean 'green'?" },
        { "color", "resnet5",
          "unknown color 'resnet5'; did you mean 'resnet50'?" },
        { "color", "zebra",
          "unknown color 'zebra'; choose from crimson, green, resnet50, "
          "resnet101" },
        { "order", "", "unknown order ''; choose from first, second" },
        { "order", "frist", "unknown order 'frist'; did you mean 'first'?" },
    };
    Settings s, before;

    param_defaults(table, &s);
    before = s;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(param_set(param_find(table, wrong[i].name), &s, wrong[i].text) ==
              ERR_INPUT);
        CHECK_MSG(strcmp(err_message(), wrong[i].sentence) == 0,
                  "'%s', not '%s'", err_message(), wrong[i].sentence);
        CHECK(memcmp(&s, &before, sizeof(s)) == 0);
    }
}

TEST(param, a_long_name_is_refused)
{
    char name[100];
    Settings s;

    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    param_defaults(table, &s);
    CHECK(param_set(param_find(table, "title"), &s, name) == ERR_INPUT);
    CHECK(strstr(err_message(), "longer than 63 characters"));
}

TEST(param, unknown_names_are_not_found)
{
    CHECK(param_find(table, "kernels") == &table[1]);
    CHECK(param_find(table, "kernel") == NULL);
    CHECK(param_find(NULL, "kernels") == NULL);
}

/* Random settings survive text -> struct -> text. */
TEST(param, text_of_a_struct_sets_an_equal_struct)
{
    uint64_t state = 7;

    for (int i = 0; i < 200; i++) {
        Settings a, b;
        char text[PARAM_TEXT_MAX], again[PARAM_TEXT_MAX];

        param_defaults(table, &a);
        param_defaults(table, &b);
        a.reduction = 1 + sample_below(&state, 1024);
        a.kernels = (ParamInts){ .n = 1 + sample_below(&state, 8) };
        for (int k = 0; k < a.kernels.n; k++)
            a.kernels.at[k] = 1 + sample_below(&state, 31);
        param_set(&table[2], &a, color(sample_below(&state, 4)));
        a.order = sample_below(&state, 2);
        for (const Param *p = table; p->name; p++) {
            CHECK(param_set(p, &b, param_text(p, &a, text)) == OK);
            CHECK(strcmp(param_text(p, &b, again), text) == 0);
        }
        CHECK(memcmp(&a, &b, sizeof(a)) == 0);
    }
}

TEST(param, flags_leave_out_defaults)
{
    char text[200];
    Settings s;

    param_defaults(table, &s);
    CHECK(param_flags(table, &s, false, text, sizeof(text)) == 0);
    CHECK(text[0] == '\0');
    s.reduction = 4;
    param_set(&table[1], &s, "5");
    CHECK(param_flags(table, &s, false, text, sizeof(text)) == strlen(text));
    CHECK(strcmp(text, " --reduction=4 --kernels=5") == 0);
    param_flags(table, &s, true, text, sizeof(text));
    CHECK(strcmp(text, " --reduction=4 --kernels=5 --color=green --title= "
                       "--order=second") == 0);
}

TEST(param, json_has_every_field)
{
    char text[200];
    Settings s;

    param_defaults(table, &s);
    param_json(table, &s, text, sizeof(text));
    CHECK(strcmp(text,
                 "{\"reduction\":16,\"kernels\":[3,5,7,9],"
                 "\"color\":\"green\",\"title\":\"\",\"order\":\"second\"}") ==
          0);
    CHECK(param_json(NULL, &s, text, sizeof(text)) == 2);
    CHECK(strcmp(text, "{}") == 0);
}

/* Like snprintf: cut off, never written beyond, the full length returned. */
TEST(param, short_buffers_are_filled_and_no_more)
{
    char full[200], text[200];
    Settings s;

    param_defaults(table, &s);
    s.reduction = 4;
    for (size_t size = 1; size < 20; size++) {
        const size_t n = param_json(table, &s, full, sizeof(full));

        memset(text, '#', sizeof(text));
        CHECK(param_json(table, &s, text, size) == n);
        CHECK(strncmp(text, full, size - 1) == 0 && text[size - 1] == '\0');
        CHECK(text[size] == '#');
        memset(text, '#', sizeof(text));
        CHECK(param_flags(table, &s, false, text, size) == 14);
        CHECK(text[size] == '#');
    }
}

TEST(param, distance_counts_single_edits)
{
    CHECK(name_distance("scsa", "scsa") == 0);
    CHECK(name_distance("scsa", "scs") == 1);
    CHECK(name_distance("scsa", "sca") == 1);
    CHECK(name_distance("", "eca") == 3);
    CHECK(name_distance("se_conv", "seconv") == 1);
}

TEST(param, words_are_quoted_where_a_shell_would_split_them)
{
    static const char *const words[][2] = {
        { "results/a.db", "results/a.db" },
        { "", "''" },
        { "my data.db", "'my data.db'" },
        { "it's", "'it'\\''s'" },
        { "$HOME", "'$HOME'" },
    };
    char word[64];

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        CHECK(param_word(word, sizeof(word), words[i][0]) ==
              strlen(words[i][1]));
        CHECK_MSG(strcmp(word, words[i][1]) == 0, "%s", word);
        CHECK(param_word(NULL, 0, words[i][0]) == strlen(words[i][1]));
    }
    CHECK(param_word(word, 4, "a b c") == 7 && strcmp(word, "'a ") == 0);
}

/* A path has no limit, and any characters. */
TEST(param, a_path_in_flags_is_whole_and_quoted)
{
    typedef struct Holder {
        const char *path;
    } Holder;
    static const Param table[] = { PARAM_PATH(Holder, path, "", ""),
                                   PARAM_END };
    char path[400], text[512];
    Holder h = { path };

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    path[7] = ' ';
    CHECK(param_flags(table, &h, false, text, sizeof(text)) ==
          strlen(" --path=''") + 399);
    CHECK(strncmp(text, " --path='xxxxxxx x", 18) == 0);
    CHECK(text[strlen(text) - 1] == '\'' && strstr(text, path));
}
