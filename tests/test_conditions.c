/*
 * test_conditions.c - what captions and CSV say of a run: nothing that tells
 * cases apart is left out.
 */
#include "analysis/conditions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/tables.h"
#include "plots/plot.h"
#include "tests/databases.h"
#include "tests/drawn.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* Another value of a setting than c has; any other will do. */
static void change(Case *c, const Param *field)
{
    const Param with = case_setting(field), *p = &with;
    char value[PARAM_TEXT_MAX], other[PARAM_TEXT_MAX] = "";

    param_text(p, c, value);
    if (p->kind == PARAM_KIND_INT)
        snprintf(other, sizeof(other), "%d", atoi(value) + 1);
    else if (p->kind == PARAM_KIND_REAL)
        snprintf(other, sizeof(other), "%g", atof(value) + 1);
    else if (p->kind == PARAM_KIND_FILE)
        snprintf(other, sizeof(other), "a_b/se_long.safetensors");
    for (int i = 0; !other[0] && p->choice && p->choice(i); i++)
        if (strcmp(p->choice(i), value) && strcmp(p->choice(i), "none"))
            snprintf(other, sizeof(other), "%s", p->choice(i));
    BUG_IF(!other[0]);
    if (!strcmp(p->name, "module")) /* with its settings */
        BUG_IF(case_set(c, p->name, other));
    else
        BUG_IF(param_set(p, c, other));
}

/* One run of this case in a database of its own. */
static const char *store_one(const Case *c)
{
    const char *db = temp_path("one.db");
    Stored s;

    remove(db);
    s = stored_begin(db, "one", "attnbench");
    stored_add(&s, c, 1e6, "ok");
    stored_end(&s);
    return db;
}

/* The caption of the only run of a case, and its row of CSV. */
static char *describe(const Case *c, char **row)
{
    const RunFilter filter = { "one", NULL, 0 };
    char *text = malloc(CONDITIONS_TEXT), *csv = NULL;
    const char *db = store_one(c);
    Conditions conditions;
    RunList runs;
    size_t size;
    FILE *out = open_memstream(&csv, &size);
    const TableOptions o = { TABLE_CSV, "paper", "scsa", "none", out };
    Store *s;

    BUG_IF(!text || !out || store_open(&s, db, STORE_READ));
    BUG_IF(summary_read(&runs, s, &filter) || runs.n != 1);
    BUG_IF(conditions_read(&conditions, s, runs.at[0].sweep_id));
    conditions_where(&conditions, &runs, text);
    CHECK(strcmp(c->backbone.text, "none") ? !table_networks(s, &runs, &o)
                                           : !table_modules(s, &runs, &o));
    summary_free(&runs);
    store_close(s);
    fclose(out);
    *row = strchr(csv, '\n') ? strdup(strchr(csv, '\n') + 1) : strdup("");
    CHECK_MSG(strchr(*row, '\n'), "no row: %s", csv);
    free(csv);
    return text;
}

static void check_every_setting_shows(const char *settings)
{
    const Case base = stored_case(settings);
    char *row, *text = describe(&base, &row);

    for (const Param *p = case_params; p->name; p++) {
        char *other_row, *other;
        Case c = base;

        change(&c, p);
        other = describe(&c, &other_row);
        CHECK_MSG(strcmp(text, other), "%s: captions are the same: %s", p->name,
                  text);
        CHECK_MSG(strcmp(row, other_row), "%s: rows are the same: %s", p->name,
                  row);
        free(other);
        free(other_row);
    }
    free(text);
    free(row);
}

TEST(conditions, networks_that_differ_in_any_setting_read_differently)
{
    check_every_setting_shows("backbone=resnet50 module=scsa");
}

TEST(conditions, modules_that_differ_in_any_setting_read_differently)
{
    check_every_setting_shows("module=scsa channels=64 height=56 width=56");
}

/* A module's own settings are part of the case, too. */
TEST(conditions, settings_of_a_module_are_in_the_caption)
{
    const Case c = stored_case("module=se reduction=4");
    char *row, *text = describe(&c, &row);

    check_holds(text,
                "SE, reduction=4, composed, as written, cpu, f32, batch 1, "
                "64x56x56, ");
    check_holds(row, "\"{\"\"reduction\"\":4}\"");
    free(text);
    free(row);
}

TEST(conditions, a_gpu_is_named_if_it_was_used)
{
    Run run = { .c.backend = ON_CPU, .c.dtype = 0 };
    const RunList list = { &run, 1 };
    Conditions here = { .cpu = "a cpu", .gpu = "a gpu", .cores = 2 };
    char text[CONDITIONS_TEXT];

    CHECK(!strstr(conditions_where(&here, &list, text), "a gpu"));
    run.c.backend = ON_CUDA;
    check_holds(conditions_where(&here, &list, text), "a cpu, a gpu, 2 cores");
}

TEST(conditions, the_load_is_said_at_both_ends)
{
    Run run = { .c.backend = ON_CPU };
    const RunList list = { &run, 1 };
    Conditions here = {
        .cpu = "a cpu", .cores = 2, .load = 5.13, .load_end = 6
    };
    char text[CONDITIONS_TEXT];

    check_holds(conditions_where(&here, &list, text),
                "a cpu, 2 cores, load 5.1 at the start and 6 at the end; ");
    here.load = 9.96; /* no 1e+01 and no 1.3e+02 */
    here.load_end = 127.6;
    check_holds(conditions_where(&here, &list, text),
                "load 10 at the start and 128 at the end; ");
}

TEST(conditions, too_few_samples_have_no_interval)
{
    Run run[2] = { { .time = { .n = 3 } }, { .time = { .n = 30 } } };
    RunList list = { run, 1 };
    char text[SAMPLES_TEXT];

    CHECK(!strcmp(conditions_samples(&list, text),
                  "medians of n = 3 with the range of the samples (a 95 % "
                  "interval takes 6)"));
    list.n = 2;
    CHECK(!strcmp(conditions_samples(&list, text),
                  "medians of n = 3 to 30 with 95 % intervals (of fewer than 6 "
                  "samples their range)"));
    run[0].time.n = 30;
    CHECK(!strcmp(conditions_samples(&list, text),
                  "medians of n = 30 with 95 % intervals"));
}
