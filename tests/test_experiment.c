/*
 * test_experiment.c - experiments as lists of cases, and as mistakes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/experiments/experiment.h"
#include "harness/files/json.h"
#include "tests/test.h"

/* Writes text to a file of this test's own and reads it as an experiment. */
static int read_text(Experiment *e, const char *text, const Flag *flags,
                     int nflags)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/experiment.json", test_tmpdir());
    f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    return experiment_read(e, path, flags, nflags);
}

static int holds(const Experiment *e, const char *repeat)
{
    char text[CASE_TEXT];
    int n = 0;

    for (int i = 0; i < e->ncases; i++)
        n += strcmp(case_print(&e->cases[i], text), repeat) == 0;
    return n;
}

/* ---- what an experiment says ------------------------------------------ */

TEST(experiment, lists_are_multiplied)
{
    Experiment e;

    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\", \"question\": \"Why?\","
                      " \"module\": [\"se\", \"eca\"], \"batch\": 2,"
                      " \"channels\": [64, 128, 256]}",
                      NULL, 0) == OK);
    CHECK(e.ncases == 6);
    CHECK(strcmp(e.experiment, "x") == 0);
    CHECK(strcmp(e.question, "Why?") == 0);
    CHECK(holds(&e, "attnbench run --module=se --batch=2") == 1);
    CHECK(holds(&e, "attnbench run --module=eca --batch=2 --channels=256") ==
          1);
    for (int i = 0; i < e.ncases; i++)
        CHECK(e.cases[i].height == 56 && e.cases[i].channels >= 64);
    experiment_free(&e);
}

/* eca has no reduction: it gives one case, not one for each value. */
TEST(experiment, a_modules_setting_counts_for_the_modules_that_have_it)
{
    Experiment e;

    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\", \"reduction\": [4, 8],"
                      " \"module\": [\"se\", \"eca\", \"cbam\"]}",
                      NULL, 0) == OK);
    CHECK(e.ncases == 5);
    CHECK(holds(&e, "attnbench run --module=eca") == 1);
    CHECK(holds(&e, "attnbench run --module=se --reduction=4") == 1);
    CHECK(holds(&e, "attnbench run --module=cbam --reduction=8") == 1);
    experiment_free(&e);
}

TEST(experiment, cases_belong_together_and_are_crossed_with_the_rest)
{
    Experiment e;

    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\", \"module\": [\"se\", \"ca\"],"
                      " \"cases\": [{\"channels\": 64, \"height\": 56},"
                      "             {\"channels\": [128, 256],"
                      "              \"height\": 28}]}",
                      NULL, 0) == OK);
    CHECK(e.ncases == 6);
    CHECK(holds(&e, "attnbench run --module=se") == 1);
    CHECK(holds(&e, "attnbench run --module=ca --channels=256 --height=28") ==
          1);
    CHECK(holds(&e, "attnbench run --module=ca --channels=64 --height=28") ==
          0);
    experiment_free(&e);
}

TEST(experiment, a_list_as_a_value_is_one_value)
{
    Experiment e;

    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\", \"module\": \"scsa\","
                      " \"group_kernel_sizes\": [3, 3, 5, 5]}",
                      NULL, 0) == OK);
    CHECK(e.ncases == 1);
    CHECK(holds(&e, "attnbench run --module=scsa "
                    "--group_kernel_sizes=3,3,5,5") == 1);
    experiment_free(&e);

    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\", \"module\": \"scsa\","
                      " \"group_kernel_sizes\": [[3, 5, 7, 9], [3, 3, 5, 5]]}",
                      NULL, 0) == OK);
    CHECK(e.ncases == 2);
    experiment_free(&e);
}

/* The first case has module at place 0, and so on, `first` before them. */
static void check_modules(Experiment *e, const char *first, int ncases)
{
    int at = 0, n = 0;

    while (zoo_at(n))
        n++;
    CHECK_MSG(e->ncases == n + ncases, "%d cases of %d modules", e->ncases, n);
    if (first)
        CHECK(strcmp(e->cases[at++].module.text, first) == 0);
    for (int i = 0; i < n; i++) {
        if (first && strcmp(zoo_name(i), first) == 0)
            continue;
        CHECK_MSG(strcmp(e->cases[at].module.text, zoo_name(i)) == 0,
                  "case %d is of %s", at, e->cases[at].module.text);
        at++;
    }
    experiment_free(e);
}

TEST(experiment, all_is_every_module_in_the_order_of_the_zoo)
{
    Flag flag = { "module", "all" };
    Experiment e;

    REQUIRE(read_text(&e, "{\"experiment\": \"x\", \"module\": \"all\"}", NULL,
                      0) == OK);
    check_modules(&e, NULL, 0);
    REQUIRE(experiment_read(&e, NULL, &flag, 1) == OK);
    check_modules(&e, NULL, 0);
}

TEST(experiment, all_stands_beside_names_that_come_before_it)
{
    const Flag flags[] = { { "module", "none,all" },
                           { "backbone", "resnet18" } };
    Experiment e;

    REQUIRE(read_text(
                &e, "{\"experiment\": \"x\", \"module\": [\"scsa\", \"all\"]}",
                NULL, 0) == OK);
    check_modules(&e, "scsa", 0);
    REQUIRE(experiment_read(&e, NULL, flags, 2) == OK);
    check_modules(&e, "none", 1);
    CHECK(read_text(&e,
                    "{\"experiment\": \"x\",\n"
                    " \"module\": [\"none\", \"all\", \"se\"]}",
                    NULL, 0) == ERR_INPUT);
    CHECK(strstr(err_message(), ":2:28: module: se is in the list twice"));
}

/* Values after it are still found where the file has them. */
TEST(experiment, what_is_wrong_beside_all_is_found)
{
    Experiment e;

    CHECK(read_text(&e,
                    "{\"experiment\": \"x\",\n"
                    " \"module\": [\"all\", \"scss\"]}",
                    NULL, 0) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), ":2:20: unknown module 'scss'"), "%s",
              err_message());
    CHECK(read_text(&e, "{\"experiment\": \"x\",\n \"backbone\": [\"all\"]}",
                    NULL, 0) == ERR_INPUT);
    CHECK(strstr(err_message(), "unknown backbone 'all'"));
}

/* The objects overlap; the case is measured once. */
TEST(experiment, a_case_that_is_said_twice_is_there_once)
{
    Experiment e;

    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\", \"module\": \"se\","
                      " \"cases\": [{\"channels\": [64, 128]},"
                      "             {\"channels\": [128, 256]}]}",
                      NULL, 0) == OK);
    CHECK(e.ncases == 3);
    CHECK(holds(&e, "attnbench run --module=se --channels=128") == 1);
    experiment_free(&e);
}

TEST(experiment, arms_are_copies_on_purpose)
{
    Experiment e;

    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\", \"backbone\": \"resnet18\","
                      " \"copy\": [0, 1]}",
                      NULL, 0) == OK);
    CHECK(e.ncases == 2);
    CHECK(holds(&e, "attnbench run --backbone=resnet18 --copy=1") == 1);
    experiment_free(&e);
}

/* ---- flags ------------------------------------------------------------- */

TEST(experiment, flags_replace_what_the_file_says)
{
    const Flag flags[] = { { "channels", "96" }, { "batch", "1,2" } };
    Experiment e;

    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\", \"module\": [\"se\", \"ca\"],"
                      " \"batch\": 8,"
                      " \"cases\": [{\"channels\": [64, 128]},"
                      "             {\"channels\": 256, \"height\": 7}]}",
                      flags, 2) == OK);
    CHECK(e.ncases == 2 * 2 * 2);
    CHECK(holds(&e, "attnbench run --module=se --channels=96") == 1);
    CHECK(holds(&e, "attnbench run --module=ca --batch=2 --channels=96 "
                    "--height=7") == 1);
    experiment_free(&e);
}

TEST(experiment, flags_alone_make_cases)
{
    const Flag flags[] = { { "module", "se,eca,scsa" },
                           { "channels", "64,128" },
                           { "group_kernel_sizes", "3,3,3,3" } };
    Experiment e;

    REQUIRE(experiment_read(&e, NULL, flags, 3) == OK);
    CHECK(e.ncases == 6);
    CHECK(holds(&e, "attnbench run --module=scsa --channels=128 "
                    "--group_kernel_sizes=3,3,3,3") == 1);
    experiment_free(&e);
}

/* cpca has no fused op: a list skips it, and asking for nothing else does not. */
TEST(experiment, a_list_of_impl_means_fused_where_there_is_one)
{
    const Flag both[] = { { "module", "none,cpca,scsa" },
                          { "impl", "composed,fused" },
                          { "backbone", "resnet18" } };
    const Flag fused[] = { { "module", "cpca,scsa" }, { "impl", "fused" } };
    Experiment e;

    REQUIRE(experiment_read(&e, NULL, both, 3) == OK);
    CHECK(e.ncases == 4);
    CHECK(holds(&e, "attnbench run --backbone=resnet18") == 1);
    CHECK(holds(&e, "attnbench run --backbone=resnet18 --module=cpca") == 1);
    CHECK(holds(&e, "attnbench run --backbone=resnet18 --module=scsa "
                    "--impl=fused") == 1);
    experiment_free(&e);
    REQUIRE(experiment_read(&e, NULL, fused, 2) == OK);
    CHECK(e.ncases == 2);
    CHECK(holds(&e, "attnbench run --module=cpca --impl=fused") == 1);
    experiment_free(&e);

    /* The list may stand outside and the modules within, or before them. */
    REQUIRE(read_text(&e,
                      "{\"experiment\": \"x\","
                      " \"impl\": [\"fused\", \"composed\"],"
                      " \"cases\": [{\"module\": [\"cpca\", \"scsa\"]}]}",
                      NULL, 0) == OK);
    CHECK(e.ncases == 3);
    experiment_free(&e);
}

TEST(experiment, flags_are_checked_like_keys)
{
    const Flag setting[] = { { "module", "eca" }, { "reduction", "16" } };
    const Flag range[] = { { "module", "se" }, { "batch", "8,0" } };
    Experiment e;

    CHECK(experiment_read(&e, NULL, setting, 2) == ERR_INPUT);
    CHECK(strstr(err_message(), "no module here has a setting 'reduction'"));
    CHECK(experiment_read(&e, NULL, range, 2) == ERR_INPUT);
    CHECK(strstr(err_message(), "batch=0 is out of range"));
}

/* A file whose name has a comma cannot be given by it. */
TEST(experiment, a_comma_in_a_files_name_is_explained)
{
    const Flag flags[] = { { "backbone", "resnet18" },
                           { "weights", "seeded,/nowhere/b.safetensors" } };
    Experiment e;

    CHECK(experiment_read(&e, NULL, flags, 2) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(),
                     "--weights=seeded,/nowhere/b.safetensors: no file "
                     "'/nowhere/b.safetensors'") &&
                  strstr(err_message(), "symlink"),
              "%s", err_message());
}

/* A repeat line, given to attnbench, is the case again. */
TEST(experiment, a_repeat_line_repeats_the_case)
{
    const Flag flags[] = { { "module", "cbam" },
                           { "reduction", "8" },
                           { "batch", "4" } };
    char a[CASE_TEXT], b[CASE_TEXT];
    Experiment once, again;

    REQUIRE(read_text(&once,
                      "{\"experiment\": \"x\", \"module\": \"cbam\","
                      " \"batch\": 4, \"reduction\": 8}",
                      NULL, 0) == OK);
    REQUIRE(experiment_read(&again, NULL, flags, 3) == OK);
    CHECK(strcmp(case_print(&once.cases[0], a),
                 case_print(&again.cases[0], b)) == 0);
    CHECK(memcmp(&once.cases[0], &again.cases[0], sizeof(Case)) == 0);
    experiment_free(&once);
    experiment_free(&again);
}

/* ---- the hash by which a sweep is known again --------------------------- */

TEST(experiment, the_hash_tells_lists_of_cases_apart)
{
    const Flag eight[] = { { "module", "se" }, { "batch", "8" } };
    const Flag nine[] = { { "module", "se" }, { "batch", "9" } };
    Experiment a, b, c;

    REQUIRE(experiment_read(&a, NULL, eight, 2) == OK);
    REQUIRE(experiment_read(&b, NULL, nine, 2) == OK);
    REQUIRE(experiment_read(&c, NULL, eight, 2) == OK);
    CHECK(strcmp(a.cases_hash, b.cases_hash) != 0);
    CHECK(strcmp(a.cases_hash, c.cases_hash) == 0);
    CHECK(strlen(a.cases_hash) == 16);
    experiment_free(&a);
    experiment_free(&b);
    experiment_free(&c);
}

TEST(experiment, the_most_cases_there_may_be_are_read)
{
    Experiment e;
    Flag flags[] = { { "module", "se" },
                     { "batch", NULL },
                     { "copy", "0,1,2,3,4,5,6,7,8,9" } };
    char *list = malloc(100000), *at = list;

    for (int i = 1; i <= 10000; i++)
        at += sprintf(at, i > 1 ? ",%d" : "%d", i);
    flags[1].value = list;
    REQUIRE(experiment_read(&e, NULL, flags, 3) == OK);
    CHECK(e.ncases == EXPERIMENT_CASES_MAX);
    experiment_free(&e);
    free(list);
}

/* ---- mistakes ------------------------------------------------------------ */

static const struct {
    const char *file, *sentence;
} bad[] = {
    /* not JSON */
    { "empty", "1:1: unexpected end of file" },
    { "only_spaces", "3:1: unexpected end of file" },
    { "truncated", "3:25: unexpected end of file" },
    { "trailing_garbage", "5:1: did not expect 'hello' here" },
    { "two_documents", "5:1: did not expect '{' here" },
    { "trailing_comma", "3:25: a comma before ']': remove it" },
    { "missing_comma", "4:3: a comma is missing before this" },
    { "comment", "3:18: JSON has no comments" },
    { "single_quotes", "3:4: strings take double quotes" },
    { "nan", "4:12: did not expect 'NaN' here" },
    { "infinity", "4:12: did not expect '-Infinity' here" },
    { "bad_escape", "3:16: did not expect '\\x41' here" },
    { "byte_order_mark", "1:1: the file starts with a byte order mark" },
    { "latin1", "3:18: byte 0xef is not UTF-8" },
    { "overlong_utf8", "3:16: byte 0xc0 is not UTF-8" },
    { "lone_surrogate", "3:16: byte 0xed is not UTF-8" },
    { "zero_byte", "3:17: a zero byte" },
    { "newline_in_string", "3:19: a string runs past the end of its line" },
    { "deep", "3:28: nested deeper than 16" },
    { "key_twice", "5:3: duplicate key 'batch'" },

    /* not an experiment */
    { "not_an_object", "1:1: an experiment is an object, not a list" },
    { "no_name", "1:1: missing key \"experiment\"" },
    { "bad_name", "2:3: experiment '../../etc/passwd' may have" },
    { "long_name", "2:3: experiment is longer than 63 bytes" },
    { "name_is_number", "2:3: experiment needs a string, got a number" },
    { "long_question", "3:3: question is longer than 255 bytes" },
    { "cases_no_list", "4:3: cases needs a list of objects, got an object" },
    { "cases_empty", "4:3: cases: an empty list" },
    { "cases_of_numbers", "4:13: cases needs a list of objects" },
    { "cases_unknown_key", "6:6: unknown setting 'hieght'; did you mean "
                           "'height'?" },
    { "cases_and_top", "5:14: 'channels' is set both in a case and outside" },
    { "too_many_cases", "1:1: lists multiply to more than 100000 cases" },

    /* not a setting, or not a value of it */
    { "unknown_key", "4:3: unknown setting 'chanels'; did you mean "
                     "'channels'?" },
    { "unknown_key_far", "4:3: unknown setting 'temperature'" },
    { "unknown_module", "3:21: unknown module 'scss'; did you mean" },
    { "unknown_backbone", "3:3: unknown backbone 'resnet5o'; did you mean "
                          "'resnet50'?" },
    { "string_for_integer", "4:3: batch needs an integer, got a string" },
    { "integer_for_string", "3:3: module needs a string, got a number" },
    { "null_value", "4:3: batch needs an integer, got null" },
    { "true_value", "4:16: batch needs an integer, got true or false" },
    { "object_value", "4:3: channels needs an integer, got an object" },
    { "fraction", "4:3: batch=1.5 is not an integer" },
    { "integer_overflow", "4:3: channels=4294967360 is out of range" },
    { "float_overflow", "4:3: channels=inf is out of range" },
    { "negative", "4:16: batch=-8 is out of range: 1 to 65536" },
    { "zero_batch", "4:3: batch=0 is out of range: 1 to 65536" },
    { "empty_list", "3:3: module: an empty list" },
    { "value_twice", "4:25: channels: 64 is in the list twice" },
    { "nested_list", "4:16: channels needs an integer, got a list" },
    { "long_list", "4:3: group_kernel_sizes: more than 8 values" },
    { "setting_of_no_module", "4:3: no module here has a setting" },
    { "setting_of_plain", "4:3: no module here has a setting 'reduction'" },
    { "setting_out_of_range", "4:3: se: reduction=0 is out of range: 1 to" },
    { "nothing_to_run", "1:1: nothing to run" },
    { "wrong_channels", "1:1: resnet50 takes images of 3 channels, got" },
};
enum { NBAD = sizeof(bad) / sizeof(bad[0]) };

TEST(experiment, mistakes_are_refused_with_their_sentence)
{
    for (int i = 0; i < NBAD; i++) {
        char path[256];
        Experiment e;
        int err;

        snprintf(path, sizeof(path), "tests/bad/experiments/%s.json",
                 bad[i].file);
        err = experiment_read(&e, path, NULL, 0);
        CHECK_MSG(err == ERR_INPUT, "%s: error %d", path, err);
        CHECK_MSG(strncmp(err_message(), path, strlen(path)) == 0,
                  "%s is not named: %s", path, err_message());
        CHECK_MSG(strstr(err_message(), bad[i].sentence), "%s: got '%s'",
                  bad[i].sentence, err_message());
        CHECK(e.cases == NULL);
    }
}

TEST(experiment, a_file_that_is_not_there_is_named)
{
    Experiment e;

    CHECK(experiment_read(&e, "no/such.json", NULL, 0) == ERR_IO);
    CHECK(strstr(err_message(), "no/such.json: No such file"));
    CHECK(experiment_read(&e, "tests", NULL, 0) != OK);
    CHECK(strstr(err_message(), "tests"));
}

/* Every file cut off at every byte is refused or still an experiment, and
 * never more than that. */
TEST(experiment, no_prefix_of_a_file_does_harm)
{
    static const char text[] =
        "{\"experiment\": \"x\", \"question\": \"W\\u00e4re es so?\",\n"
        " \"module\": [\"se\", \"scsa\"], \"group_kernel_sizes\": [3,5,7,9],\n"
        " \"cases\": [{\"channels\": 64}, {\"batch\": [1, 2]}]}\n";
    char cut[sizeof(text)];
    Experiment e;
    int whole = 0;

    for (size_t n = 0; n < sizeof(text); n++) {
        memcpy(cut, text, n);
        cut[n] = '\0';
        if (read_text(&e, cut, NULL, 0) == OK) {
            whole++;
            experiment_free(&e);
        } else {
            CHECK(strstr(err_message(), "experiment.json:"));
        }
    }
    CHECK(whole == 2); /* with and without the last newline */
}

/* ---- positions ------------------------------------------------------------ */

TEST(json, an_items_position_is_that_of_its_key_or_value)
{
    Json j;
    const cJSON *a, *b;

    REQUIRE(json_parse(&j, "f",
                       "{ \"a\\\"{\" : [1,\n  \"]\", {\"b\": 2}]\n}") == OK);
    a = j.root->child;
    b = cJSON_GetArrayItem(a, 2)->child;
    CHECK(json_fail(&j, j.root, "here") == ERR_INPUT);
    CHECK(strcmp(err_message(), "f:1:1: here") == 0);
    json_fail(&j, a, "here");
    CHECK(strcmp(err_message(), "f:1:3: here") == 0);
    json_fail(&j, cJSON_GetArrayItem(a, 1), "here");
    CHECK(strcmp(err_message(), "f:2:3: here") == 0);
    json_fail(&j, b, "here");
    CHECK(strcmp(err_message(), "f:2:9: here") == 0);
    json_free(&j);
}
