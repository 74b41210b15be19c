/*
 * test_slice.c - choosing among runs, and refusing to mix them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/slice.h"
#include "tests/test.h"

enum { RUNS = 8 };

/* se and eca at 64 and 128 channels, batch 1 and 8; no samples. */
static RunList eight_runs(void)
{
    RunList list = { calloc(RUNS, sizeof(Run)), RUNS };

    for (int i = 0; i < RUNS; i++) {
        Run *r = &list.at[i];

        snprintf(r->experiment, sizeof(r->experiment), "e");
        snprintf(r->c.module.text, sizeof(r->c.module.text), "%s",
                 i & 1 ? "se" : "eca");
        snprintf(r->c.settings, sizeof(r->c.settings), "{}");
        r->c.channels = i & 2 ? 64 : 128;
        r->c.batch = i & 4 ? 1 : 8;
    }
    return list;
}

static void check_message(const char *wanted)
{
    CHECK_MSG(!strcmp(err_message(), wanted), "%s", err_message());
}

TEST(slice, an_unknown_column_names_its_nearest)
{
    RunList list = eight_runs();

    CHECK(slice_keep(&list, &(Wanted){ "chanels", "64" }, 1) == ERR_INPUT);
    check_message("runs have no column 'chanels'; did you mean 'channels'?");
    free(list.at);
}

TEST(slice, a_value_that_no_run_has_names_those_there_are)
{
    RunList list = eight_runs();

    CHECK(slice_keep(&list, &(Wanted){ "batch", "2" }, 1) == ERR_INPUT);
    check_message("no run has batch=2; the runs have 8, 1");
    free(list.at);
}

TEST(slice, keeps_in_order_what_has_all_values_wanted)
{
    const Wanted wanted[] = { { "module", "se" }, { "batch", "1,8" } };
    RunList list = eight_runs();

    REQUIRE(slice_keep(&list, wanted, 2) == OK);
    CHECK(list.n == 4);
    CHECK(list.at[0].c.batch == 8 && list.at[3].c.batch == 1);
    for (int i = 0; i < list.n; i++)
        CHECK(!strcmp(list.at[i].c.module.text, "se"));
    free(list.at);
}

TEST(slice, all_modules_are_wanted_but_no_plain_networks)
{
    const Wanted all = { "module", "all" }, both = { "module", "none,all" };
    const Wanted other = { "backbone", "all" };

    CHECK(slice_wants(&all, "se") && slice_wants(&all, "of_another_zoo"));
    CHECK(!slice_wants(&all, "none") && slice_wants(&both, "none"));
    CHECK(slice_wants(&both, "se") && !slice_wants(&other, "resnet18"));
}

TEST(slice, a_modules_setting_counts_for_the_modules_that_have_it)
{
    RunList list = eight_runs();

    for (int i = 0; i < RUNS; i++)
        if (i & 1)
            snprintf(list.at[i].c.settings, sizeof(list.at[i].c.settings),
                     "{\"reduction\":%d,\"sizes\":[3,5]}", i & 2 ? 4 : 16);
    CHECK(slice_keep(&list, &(Wanted){ "reduction", "8" }, 1) == ERR_INPUT);
    check_message("no run has reduction=8; the runs have 16, 4");
    free(list.at);
    list = eight_runs();
    for (int i = 0; i < RUNS; i++)
        if (i & 1)
            snprintf(list.at[i].c.settings, sizeof(list.at[i].c.settings),
                     "{\"reduction\":%d,\"sizes\":[3,5]}", i & 2 ? 4 : 16);
    REQUIRE(slice_keep(&list, &(Wanted){ "reduction", "4" }, 1) == OK);
    CHECK(list.n == 6); /* eca has none: all four stay */
    REQUIRE(slice_keep(&list, &(Wanted){ "sizes", "3,5" }, 1) == OK);
    CHECK(list.n == 6);
    free(list.at);
}

TEST(slice, a_label_has_the_settings_that_are_not_defaults)
{
    Run r = { .c.settings = "{\"a\":4,\"b\":[3,5],\"c\":\"on\",\"d\":16}",
              .o.repeat = "attnbench run --module=x --batch=2 --a=4 --b=3,5 "
                          "--c=on" };
    char text[SLICE_TEXT];

    CHECK(!strcmp(settings_label(&r, text), "a=4 b=3,5 c=on"));
    strcpy(r.o.repeat, "attnbench run --module=x --batch=2");
    CHECK(!strcmp(settings_label(&r, text), ""));
    strcpy(r.o.repeat, "attnbench run --module=x --batch=2 --a=4");
    strcpy(r.c.settings, "{}");
    CHECK(!strcmp(settings_label(&r, text), ""));
}

TEST(slice, mixing_is_refused_with_the_flag_that_chooses)
{
    static const char *const axes[] = { "module", "channels", NULL };
    RunList list = eight_runs();

    CHECK(slice_single(&list, axes) == ERR_INPUT);
    check_message("experiment 'e' has more than one batch (8, 1); choose with "
                  "--batch=");
    REQUIRE(slice_keep(&list, &(Wanted){ "batch", "8" }, 1) == OK);
    CHECK(slice_single(&list, axes) == OK);
    free(list.at);
}

TEST(slice, split_gives_every_run_once)
{
    static const char *const axes[] = { "channels", NULL };
    RunList list = eight_runs(), *part;
    int n, total = 0;

    REQUIRE(slice_split(&part, &n, &list, axes) == OK);
    CHECK(n == 4);
    for (int i = 0; i < n; i++) {
        total += part[i].n;
        for (int k = 1; k < part[i].n; k++)
            CHECK(slice_same(&part[i].at[0], &part[i].at[k], axes));
    }
    CHECK(total == RUNS);
    free(part);
    free(list.at);
}

TEST(slice, settings_matter_only_at_the_same_shape)
{
    RunList list = eight_runs();

    CHECK(!slice_settings_matter(&list, "se"));
    for (int i = 0; i < RUNS; i++)
        snprintf(list.at[i].c.settings, sizeof(list.at[i].c.settings),
                 "{\"dct_h\":%d}", list.at[i].c.channels);
    CHECK(!slice_settings_matter(&list, "se"));
    list.at[1].c.channels = list.at[3].c.channels;
    CHECK(slice_settings_matter(&list, "se"));
    CHECK(!slice_settings_matter(&list, "eca"));
    free(list.at);
}

TEST(slice, labels_are_the_papers)
{
    char text[LABEL_MAX];

    CHECK(!strcmp(module_label("scsa", text), "SCSA"));
    CHECK(!strcmp(module_label("se_conv", text), "SE-conv"));
    CHECK(!strcmp(module_label("none", text), "plain"));
}
