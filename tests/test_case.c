/*
 * test_case.c - cases and flags: what they accept, refuse, print and say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/network/case.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "tests/test.h"

/* A command like run: one setting of its own, and those of a case. */
typedef struct RunSettings {
    int fresh;
    const char *db;
} RunSettings;

static const Param run_params[] = {
    PARAM_INT(RunSettings, fresh, 0, 0, 1, "begin again"),
    PARAM_PATH(RunSettings, db, "results/attnbench.db", "the database"),
    PARAM_END,
};

static const Usage run_usage = {
    .name = "run",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what = "Measures.",
    .params = run_params,
    .takes_case = true,
};

enum { MAX_WORDS = 64 };

/* Reads a printed line back, as the command line would. */
static int parse_line(const char *line, Case *c)
{
    char copy[CASE_TEXT], *word[MAX_WORDS];
    RunSettings s;
    Flags f;
    int n = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w = strtok(copy, " "); w && n < MAX_WORDS; w = strtok(NULL, " "))
        word[n++] = w;
    CHECK(n >= 2 && !strcmp(word[0], "attnbench") && !strcmp(word[1], "run"));
    case_defaults(c);
    TRY(flags_parse(&f, &run_usage, &s, n - 2, word + 2));
    return flags_case(&f, c);
}

static uint64_t state = 1;

static int below(int n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int)((state >> 33) % (uint64_t)n);
}

/* Any value that the table allows, as text. */
static void any_value(const Param *p, char text[PARAM_TEXT_MAX])
{
    int n = 0;

    switch (p->kind) {
    case PARAM_KIND_INT:
        snprintf(text, PARAM_TEXT_MAX, "%d",
                 p->min + below(p->max - p->min + 1));
        break;
    case PARAM_KIND_INTS:
        for (int i = 0, k = 1 + below(PARAM_INTS_MAX); i < k; i++)
            n += snprintf(text + n, (size_t)(PARAM_TEXT_MAX - n), "%s%d",
                          i ? "," : "", p->min + below(p->max - p->min + 1));
        break;
    case PARAM_KIND_REAL:
        snprintf(text, PARAM_TEXT_MAX, "%.15g",
                 p->min + below(1000) * 1e-3 * (p->max - p->min));
        break;
    case PARAM_KIND_NAME:
    case PARAM_KIND_CHOICE:
        while (p->choice(n))
            n++;
        snprintf(text, PARAM_TEXT_MAX, "%s", p->choice(below(n)));
        break;
    case PARAM_KIND_FILE:
        snprintf(text, PARAM_TEXT_MAX, below(2) ? "seeded" : "a/%d.safetensors",
                 below(1000));
        break;
    case PARAM_KIND_PATH:
    case PARAM_KIND_TEXT:
    case PARAM_KIND_LONG:
        break;
    }
}

static void randomise(Case *c, const Param *table)
{
    char value[PARAM_TEXT_MAX];
    Param known;

    for (const Param *p = table; p && p->name; p++) {
        if (strcmp(p->name, "module") == 0 || below(2))
            continue;
        known = case_setting(p);
        any_value(&known, value);
        CHECK_MSG(case_set(c, p->name, value) == OK, "%s=%s: %s", p->name,
                  value, err_message());
    }
}

/* As a peer gets it. */
static void check_json(const Case *c)
{
    char text[CASE_JSON], reordered[CASE_JSON + 32];
    Case again;

    CHECK_MSG(case_read_json(&again, case_json(c, text)) == OK, "%s: %s", text,
              err_message());
    CHECK_MSG(memcmp(c, &again, sizeof(*c)) == 0, "%s", text);
    /* The settings of a module may come before it. */
    snprintf(reordered, sizeof(reordered), "{\"settings\":%s,%.*s}",
             c->settings, (int)(strstr(text, ",\"settings\"") - text - 1),
             text + 1);
    CHECK_MSG(case_read_json(&again, reordered) == OK &&
                  memcmp(c, &again, sizeof(*c)) == 0,
              "%s", reordered);
}

TEST(case, a_printed_line_parses_back_to_the_same_case)
{
    char open[CASE_TEXT], complete[CASE_TEXT];

    for (int i = 0; i < 2000; i++) {
        const char *module = zoo_name(i % 13);
        Case c, again;

        case_defaults(&c);
        CHECK(case_set(&c, "module", module ? module : "none") == OK);
        randomise(&c, case_params);
        randomise(&c, module ? zoo_find(module)->params : NULL);
        if (strcmp(c.backbone.text, "none"))
            c.channels = 0;
        case_print(&c, open);
        if (case_complete(&c) != OK)
            continue;
        case_print(&c, complete);
        CHECK_MSG(!strcmp(open, complete), "%s\nis not\n%s", open, complete);
        REQUIRE(parse_line(complete, &again) == OK);
        REQUIRE(case_complete(&again) == OK);
        CHECK_MSG(memcmp(&c, &again, sizeof(c)) == 0, "%s", complete);
        check_json(&c);
    }
}

TEST(case, impl_says_nothing_of_a_plain_network)
{
    char text[CASE_TEXT];
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", "resnet18") == OK);
    CHECK(case_set(&c, "impl", "fused") == OK);
    CHECK(!strcmp(case_print(&c, text), "attnbench run --backbone=resnet18"));
    REQUIRE(case_complete(&c) == OK);
    CHECK(c.impl == IMPL_COMPOSED);
    CHECK(case_set(&c, "module", "scsa") == OK);
    CHECK(case_set(&c, "impl", "fused") == OK);
    CHECK(!strcmp(case_print(&c, text),
                  "attnbench run --backbone=resnet18 --module=scsa "
                  "--impl=fused"));
}

TEST(case, prints_what_is_not_default_and_nothing_else)
{
    char text[CASE_TEXT];
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "module", "scsa") == OK);
    CHECK(case_complete(&c) == OK);
    CHECK(!strcmp(case_print(&c, text), "attnbench run --module=scsa"));
    CHECK(case_set(&c, "channels", "128") == OK);
    CHECK(case_set(&c, "group_kernel_sizes", "3,3,3,3") == OK);
    CHECK(!strcmp(case_print(&c, text),
                  "attnbench run --module=scsa --channels=128 "
                  "--group_kernel_sizes=3,3,3,3"));
}

TEST(case, is_completed_by_its_backbone)
{
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", "resnet50") == OK);
    CHECK(case_set(&c, "height", "160") == OK);
    CHECK(case_complete(&c) == OK);
    CHECK(c.channels == 3 && c.height == 160 && c.width == 224);

    case_defaults(&c);
    CHECK(case_set(&c, "module", "se") == OK);
    CHECK(case_complete(&c) == OK);
    CHECK(c.channels == 64 && c.height == 56 && c.width == 56);
}

/* It is part of the seeded values: a row says which, the line does not. */
TEST(case, norm_gain_is_completed_where_norms_are_seeded)
{
    char text[CASE_TEXT];
    Case c;

    case_defaults(&c);
    REQUIRE(case_set(&c, "module", "scsa") == OK);
    REQUIRE(case_set(&c, "norm_gain", "2") == OK);
    CHECK(!strcmp(case_print(&c, text), "attnbench run --module=scsa"));
    REQUIRE(case_complete(&c) == OK);
    CHECK(c.norm_gain == 0);

    REQUIRE(case_set(&c, "backbone", "mobilenetv2_100") == OK);
    c.channels = c.height = c.width = 0;
    REQUIRE(case_complete(&c) == OK);
    CHECK_MSG(c.norm_gain == 2, "%g", c.norm_gain);
    CHECK(!strcmp(case_print(&c, text), "attnbench run "
                                        "--backbone=mobilenetv2_100 "
                                        "--module=scsa"));
    REQUIRE(case_set(&c, "norm_gain", "1.1") == OK);
    REQUIRE(case_complete(&c) == OK);
    CHECK(c.norm_gain == 1.1);
    CHECK_MSG(strstr(case_print(&c, text), " --norm_gain=1.1"), "%s", text);

    REQUIRE(case_set(&c, "weights", "a.safetensors") == OK);
    REQUIRE(case_complete(&c) == OK);
    CHECK(c.norm_gain == 0);
}

TEST(case, setting_the_module_gives_it_its_defaults)
{
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "module", "se") == OK);
    CHECK(case_set(&c, "reduction", "4") == OK);
    CHECK(!strcmp(c.settings, "{\"reduction\":4}"));
    CHECK(case_set(&c, "module", "se") == OK);
    CHECK(!strcmp(c.settings, "{\"reduction\":16}"));
    CHECK(case_set(&c, "module", "none") == OK);
    CHECK(!strcmp(c.settings, "{}"));
}

TEST(case, refuses_with_a_sentence_that_names_it)
{
    static const struct {
        const char *module, *key, *value, *says;
    } bad[] = {
        { "none", "chanels", "64",
          "unknown setting 'chanels'; did you mean 'channels'?" },
        { "se", "reductoin", "4",
          "unknown setting 'reductoin'; did you mean 'reduction'?" },
        { "se", "xyzzy", "4",
          "unknown setting 'xyzzy'; 'attnbench list settings' shows them" },
        { "se", "group_num", "4", "se has no setting 'group_num' (sa has)" },
        { "none", "reduction", "4",
          "module=none has no setting 'reduction' (se has)" },
        { "se", "reduction", "0",
          "se: reduction=0 is out of range: 1 to 1024" },
        { "se", "reduction", "four",
          "se: reduction: 'four' is not an integer" },
        { "se", "reduction", "4,8",
          "se: reduction: '4,8' is a list; give one integer" },
        { "none", "batch", "0", "batch=0 is out of range: 1 to 65536" },
        { "none", "norm_gain", "101",
          "norm_gain=101 is out of range: 0 to 100" },
        { "none", "norm_gain", "-0.5",
          "norm_gain=-0.5 is out of range: 0 to 100" },
        { "none", "norm_gain", "nan", "norm_gain: 'nan' is not a number" },
        { "none", "norm_gain", "0x2", "norm_gain: '0x2' is not a number" },
        { "none", "norm_gain", "1,2", "norm_gain: '1,2' is not a number" },
        { "none", "norm_gain", "", "norm_gain: '' is not a number" },
        { "none", "batch", "99999999999999999999",
          "batch=99999999999999999999 is out of range: 1 to 65536" },
        { "none", "batch", "", "batch: '' is not an integer" },
        { "none", "module", "scas",
          "unknown module 'scas'; did you mean 'scsa'?" },
        { "none", "backbone", "resnet5",
          "unknown backbone 'resnet5'; did you mean 'resnet50'?" },
        { "none", "dtype", "f64",
          "unknown dtype 'f64'; choose from f32, tf32, f16, bf16" },
        { "none", "state", "warm",
          "unknown state 'warm'; choose from hot, cold, graph" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        Case c, before;

        case_defaults(&c);
        CHECK(case_set(&c, "module", bad[i].module) == OK);
        before = c;
        CHECK(case_set(&c, bad[i].key, bad[i].value) == ERR_INPUT);
        CHECK_MSG(!strcmp(err_message(), bad[i].says), "%s", err_message());
        CHECK(memcmp(&c, &before, sizeof(c)) == 0);
    }
}

/* A database that somebody changed: the default in its place would be another
 * network under the same name. */
TEST(case, refuses_a_stored_setting_that_no_flag_can_have)
{
    static const struct {
        const char *settings, *says;
    } bad[] = {
        { "{\"reduction\":0}", "se: stored settings {\"reduction\":0}: "
                               "reduction=0 is out of range: 1 to 1024" },
        { "{\"reduction\":2.5}", "reduction: '2.5' is not an integer" },
        { "{\"reduction\":true}",
          "reduction is not a number, a list or a name" },
        { "{\"ratio\":4}", "no setting has this name: 'ratio'" },
        { "{\"reduction\":", "this is not a JSON object" },
        { "[16]", "this is not a JSON object" },
    };
    const WeightValues values = { .seed = 1 };
    Graph *g;
    Case c;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        case_defaults(&c);
        REQUIRE(case_set(&c, "module", "se") == OK);
        REQUIRE(case_complete(&c) == OK);
        snprintf(c.settings, sizeof(c.settings), "%s", bad[i].settings);
        CHECK(network_build(&g, &c, &values, TAPS_NONE) == ERR_INPUT);
        CHECK_MSG(strstr(err_message(), bad[i].says), "%s", err_message());
        CHECK(case_set(&c, "reduction", "4") == ERR_INPUT);
    }
}

TEST(case, refuses_what_does_not_go_together)
{
    Case c;

    case_defaults(&c);
    CHECK(case_complete(&c) == ERR_INPUT);
    CHECK(strstr(err_message(), "nothing to run"));
    CHECK(case_set(&c, "backbone", "resnet18") == OK);
    CHECK(case_set(&c, "channels", "64") == OK);
    CHECK(case_complete(&c) == ERR_INPUT);
    CHECK(strstr(err_message(), "resnet18 takes images of 3 channels, "
                                "got channels=64"));
}

TEST(flags, order_does_not_matter)
{
    char *argv[] = { "--reduction=4", "exp.json", "--fresh", "--module=se",
                     "--db=a=b" };
    RunSettings s;
    Flags f;
    Case c;

    REQUIRE(flags_parse(&f, &run_usage, &s, 5, argv) == OK);
    CHECK(s.fresh == 1 && !strcmp(s.db, "a=b"));
    CHECK(f.nargs == 1 && !strcmp(f.arg[0], "exp.json"));
    case_defaults(&c);
    REQUIRE(flags_case(&f, &c) == OK);
    CHECK(!strcmp(c.settings, "{\"reduction\":4}"));
}

TEST(flags, the_last_of_two_counts)
{
    char *argv[] = { "--module=se", "--channels=32", "--module=ca",
                     "--channels=64" };
    RunSettings s;
    Flags f;
    Case c;

    REQUIRE(flags_parse(&f, &run_usage, &s, 4, argv) == OK);
    case_defaults(&c);
    REQUIRE(flags_case(&f, &c) == OK);
    CHECK(!strcmp(c.module.text, "ca"));
    CHECK(c.channels == 64);
}

TEST(flags, refuse_with_a_sentence_that_names_them)
{
    static const struct {
        const char *arg, *says;
    } bad[] = {
        { "--frsh", "unknown setting 'frsh'; did you mean 'fresh'?" },
        { "--bach=4", "unknown setting 'bach'; did you mean 'batch'?" },
        { "--reductio=4",
          "unknown setting 'reductio'; did you mean 'reduction'?" },
        { "--qqqqqq",
          "unknown setting 'qqqqqq'; 'attnbench run --help' lists them" },
        { "--batch", "--batch needs a value: --batch=..." },
        { "--db", "--db needs a value: --db=..." },
        { "--fresh=2", "fresh=2 is out of range: 0 to 1" },
        { "-j", "'-j' is not a setting; settings are written --name=value" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[64], *argv[] = { text };
        RunSettings s;
        Flags f;

        snprintf(text, sizeof(text), "%s", bad[i].arg);
        CHECK(flags_parse(&f, &run_usage, &s, 1, argv) == ERR_INPUT);
        CHECK_MSG(!strcmp(err_message(), bad[i].says), "%s", err_message());
    }
}

TEST(flags, count_arguments)
{
    static const Usage one = { .name = "verify",
                               .args = "FILE",
                               .min_args = 1,
                               .max_args = 1,
                               .what = "" };
    char *argv[] = { "a", "b" };
    Flags f;

    CHECK(flags_parse(&f, &one, NULL, 0, argv) == ERR_INPUT);
    CHECK(strstr(err_message(), "FILE is missing"));
    CHECK(flags_parse(&f, &one, NULL, 1, argv) == OK);
    CHECK(flags_parse(&f, &one, NULL, 2, argv) == ERR_INPUT);
    CHECK(strstr(err_message(), "unexpected argument 'b'"));
}

TEST(flags, help_shows_every_setting_in_80_columns)
{
    char path[256], line[256], *argv[] = { "--help", "--module=scsa" };
    static char text[1 << 16];
    const Param *tables[] = { run_params, case_params, scsa_module.params };
    RunSettings s;
    size_t n = 0;
    Flags f;
    FILE *out;

    snprintf(path, sizeof(path), "%s/help", test_tmpdir());
    out = fopen(path, "w+");
    REQUIRE(out != NULL);
    REQUIRE(flags_parse(&f, &run_usage, &s, 2, argv) == OK);
    CHECK(f.help);
    CHECK(flags_help(&f, &run_usage, out) == OK);
    rewind(out);
    while (fgets(line, sizeof(line), out)) {
        CHECK_MSG(strlen(line) <= 81, "too wide: %s", line);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", line);
    }
    fclose(out);
    for (int k = 0; k < 3; k++)
        for (const Param *p = tables[k]; p->name; p++) {
            snprintf(line, sizeof(line), "  --%s", p->name);
            CHECK_MSG(strstr(text, line), "%s is not there", p->name);
        }
}

TEST(case, a_setting_of_an_old_name_is_refused_with_the_new_one)
{
    char *argv[] = { "--module=se", "--arm=1" };
    RunSettings s;
    Flags f;
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "arm", "1") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "unknown setting 'arm'; did you mean "
                                    "'copy'?"),
              "%s", err_message());
    CHECK(flags_parse(&f, &run_usage, &s, 2, argv) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "did you mean 'copy'?"), "%s",
              err_message());
}

/* The record cannot see the lists that it has the names of. */
TEST(case, choices_of_the_record_are_those_of_the_program)
{
    const Param *dtype = param_find(case_params, "dtype");
    const Param *backend = param_find(case_params, "backend");

    for (int i = 0; i < NDTYPES; i++)
        CHECK(!strcmp(dtype->choice(i), dtype_name((Dtype)i)));
    CHECK(!dtype->choice(NDTYPES));
    for (int i = 0; backend->choice(i); i++)
        CHECK(backend_name(i) && !strcmp(backend->choice(i), backend_name(i)));
    CHECK(!backend_name(ON_MODEL + 1));
}
