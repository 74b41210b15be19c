/*
 * test_zoo.c - the modules: case files, settings, parameters, refusals
 *
 * Consequences of their equations are tested in test_zoo_equations.c.
 */
#include "attention_zoo/zoo.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "harness/network/case.h"
#include "harness/network/network.h"
#include "tests/test.h"

/* ---- case files --------------------------------------------------------- */

static void check_module_cases(const char *backend, const char *graph)
{
    int modules[32] = { 0 };
    glob_t files;
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "backend", backend) == OK);
    REQUIRE(case_set(&how, "graph", graph) == OK);
    REQUIRE(glob("tests/cases/*.safetensors", 0, NULL, &files) == 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        const char *path = files.gl_pathv[i], *name = strrchr(path, '/') + 1;
        Verified v;

        if (strncmp(name, "resnet", 6) == 0)
            continue;
        verify_file(&v, path, &how, NULL, NULL);
        CHECK_MSG(v.verdict == VERIFY_PASSED,
                  "attnbench verify --backend=%s --graph=%s %s: %s (%g)",
                  backend, graph, path, v.why, v.rel_l2);
        for (int m = 0; zoo_at(m); m++) {
            const size_t n = strlen(zoo_name(m));

            modules[m] += strncmp(name, zoo_name(m), n) == 0 &&
                          (!strncmp(name + n, "_c64", 4) ||
                           !strncmp(name + n, "_odd", 4) ||
                           !strncmp(name + n, "_settings", 9));
        }
    }
    for (int m = 0; zoo_at(m); m++)
        CHECK_MSG(modules[m] >= 3, "%s has %d case files", zoo_name(m),
                  modules[m]);
    globfree(&files);
}

TEST(zoo, definitions_agree_with_pytorch)
{
    check_module_cases("ref", "as_written");
}

TEST(zoo, cpu_agrees_with_pytorch)
{
    check_module_cases("cpu", "as_written");
}

TEST(zoo, folded_cpu_agrees_with_pytorch)
{
    check_module_cases("cpu", "folded");
}

/* ---- settings, parameters, refusals ------------------------------------- */

static Graph *build_alone(const char *module, const char *settings, int c,
                          int h, int w)
{
    char text[256], *save = NULL;
    Case k;
    Graph *g;

    case_defaults(&k);
    CHECK(case_set(&k, "module", module) == OK);
    snprintf(text, sizeof(text), "%s", settings);
    for (char *s = strtok_r(text, " ", &save); s;
         s = strtok_r(NULL, " ", &save)) {
        char *value = strchr(s, '=');

        *value++ = '\0';
        CHECK_MSG(case_set(&k, s, value) == OK, "%s", err_message());
    }
    k.channels = c;
    k.height = h;
    k.width = w;
    if (network_build(&g, &k, NULL, TAPS_NONE))
        return NULL;
    CHECK_MSG(graph_params(g) == case_module_weights(&k, c),
              "%s %s at %d channels: %.0f parameters, weights() says %.0f",
              module, settings, c, graph_params(g), case_module_weights(&k, c));
    CHECK_MSG(tensor_same_dims(graph_find(g, "input"),
                               graph_output_named(g, "output")),
              "%s changes the shape", module);
    return g;
}

/* By a rule that it names, and never at the widths of every ResNet. */
static void check_refusal(const char *module, int channels)
{
    char start[PARAM_NAME_MAX + 2];

    snprintf(start, sizeof(start), "%s: ", module);
    CHECK_MSG(!strncmp(err_message(), start, strlen(start)) &&
                  strstr(err_message(), "channels"),
              "'%s' does not tell the rule", err_message());
    CHECK_MSG(channels % 128, "%s refuses %d channels", module, channels);
}

TEST(zoo, parameters_are_as_many_as_the_formula_says)
{
    static const int channels[] = { 64, 96, 128, 256, 512, 1024, 2048 };
    static const char *const other[][2] = {
        { "se", "reduction=4" },
        { "se_conv", "reduction=8" },
        { "eca", "kernel_size=7" },
        { "fca", "reduction=2 dct_h=7 dct_w=21" },
        { "cpca", "reduction=32" },
        { "cbam", "reduction=4 kernel_size=3" },
        { "ca", "reduction=4" },
        { "ela", "kernel_size=5 groups=32" },
        { "ema", "factor=8" },
        { "sa", "group_num=8" },
        { "scsa", "group_kernel_sizes=1,3,3,21 window_size=3 head_num=8" },
    };

    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
        for (int m = 0; zoo_at(m); m++) {
            Graph *g = build_alone(zoo_name(m), "", channels[i], 7, 7);

            if (!g)
                check_refusal(zoo_name(m), channels[i]);
            graph_free(g);
        }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        Graph *g = build_alone(other[i][0], other[i][1], 64, 14, 15);

        CHECK_MSG(g != NULL, "%s", err_message());
        graph_free(g);
    }
}

/* The Params column of the paper's Table 2, as what a module adds to
 * ResNet-50: at 4C channels after the block, at C within it. */
TEST(zoo, parameters_are_those_of_table_2)
{
    static const struct {
        const char *module;
        int scale;
        double added;
    } rows[] = {
        { "eca", 4, 48 },        { "se_conv", 4, 2516832 },
        { "fca", 4, 2514944 },   { "cpca", 1, 1837804 },
        { "afgca", 1, 1261338 }, { "cbam", 4, 2516512 },
        { "sa", 4, 708 },        { "ela", 1, 33984 },
        { "ca", 1, 135344 },     { "ema", 1, 12752 },
        { "scsa", 1, 60416 },
    };
    static const int blocks[] = { 3, 4, 6, 3 };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double added = 0;
        Case c;

        case_defaults(&c);
        CHECK(case_set(&c, "module", rows[i].module) == OK);
        for (int stage = 0; stage < 4; stage++)
            added += blocks[stage] *
                     case_module_weights(&c, (64 << stage) * rows[i].scale);
        CHECK_MSG(added == rows[i].added, "%s: %.0f, wants %.0f",
                  rows[i].module, added, rows[i].added);
    }
}

TEST(zoo, shapes_that_a_module_cannot_take_are_refused_by_name)
{
    static const struct {
        const char *module, *settings;
        int c, h, w;
        const char *says;
    } rows[] = {
        { "se", "reduction=4", 10, 7, 7,
          "se: reduction=4 does not divide channels=10: reduction=2 would" },
        { "se_conv", "", 72, 7, 7,
          "se_conv: reduction=16 does not divide channels=72: reduction=12 "
          "would" },
        { "eca", "kernel_size=4", 64, 7, 7,
          "eca: kernel_size=4 must be odd: 3 would do" },
        { "fca", "", 72, 7, 7,
          "fca: channels=72 is not divisible by 16: 64 or 80 is" },
        { "fca", "reduction=7", 64, 7, 7,
          "fca: reduction=7 does not divide channels=64: reduction=4 would" },
        { "fca", "", 64, 6, 9,
          "fca: dct_h=6, dct_w=9 must be at least 7: the frequencies are of "
          "a 7x7 grid" },
        { "cpca", "", 24, 7, 7,
          "cpca: reduction=16 does not divide channels=24: reduction=12 "
          "would" },
        { "cbam", "kernel_size=6", 64, 7, 7,
          "cbam: kernel_size=6 must be odd: 5 would do" },
        { "ela", "kernel_size=2", 64, 7, 7,
          "ela: kernel_size=2 must be odd: 1 would do" },
        { "ela", "", 72, 7, 7,
          "ela: groups=16 does not divide channels=72: groups=12 would" },
        { "ema", "", 48, 7, 7,
          "ema: factor=32 does not divide channels=48: factor=24 would" },
        { "sa", "", 64, 7, 7,
          "sa: group_num=64 needs channels divisible by 128, got 64: "
          "group_num=32 would do" },
        { "sa", "", 33, 7, 7,
          "sa: channels=33 is not divisible by 2: 32 or 34 is" },
        { "fca", "", 8, 7, 7, "fca: channels=8 is not divisible by 16: 16 is" },
        { "scsa", "", 66, 7, 7,
          "scsa: channels=66 is not divisible by 4: 64 or 68 is" },
        { "scsa", "", 64, 6, 9,
          "scsa: window_size=7 needs a map of at least 7x7, got 6x9: "
          "window_size=6 would do" },
        { "scsa", "window_size=0", 64, 7, 7,
          "scsa: window_size=0 must be positive, or -1" },
        { "scsa", "head_num=3", 64, 7, 7,
          "scsa: head_num=3 does not divide channels=64: head_num=2 would" },
        { "scsa", "group_kernel_sizes=3,5,7,9,11", 64, 7, 7,
          "scsa: group_kernel_sizes wants 1 to 4 sizes, got 5" },
        { "scsa", "group_kernel_sizes=3,5,7,8", 64, 7, 7,
          "scsa: group_kernel_sizes must be odd, got 8" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Graph *g = build_alone(rows[i].module, rows[i].settings, rows[i].c,
                               rows[i].h, rows[i].w);

        CHECK_MSG(g == NULL && strcmp(err_message(), rows[i].says) == 0,
                  "%s %s: said '%s'", rows[i].module, rows[i].settings,
                  err_message());
        graph_free(g);
    }
}

static int eca_kernel(int c)
{
    Graph *g = build_alone("eca", "", c, 7, 7);
    const int k = g ? graph_find(g, "conv.weight")->dim[2] : -1;

    graph_free(g);
    return k;
}

TEST(zoo, eca_sees_neighbours_from_96_channels_on)
{
    CHECK(eca_kernel(64) == 1);
    CHECK(eca_kernel(95) == 1);
    CHECK(eca_kernel(96) == 3);
    CHECK(eca_kernel(2048) == 3);
}

static int afgca_kernel(int c)
{
    Graph *g = build_alone("afgca", "", c, 7, 7);
    const int k = g ? graph_find(g, "conv1.weight")->dim[2] : -1;

    graph_free(g);
    return k;
}

TEST(zoo, afgca_sees_more_neighbours_with_more_channels)
{
    static const int known[][2] = { { 64, 3 },  { 128, 5 },  { 256, 5 },
                                    { 512, 5 }, { 1024, 5 }, { 2048, 7 } };

    for (int i = 0; i < 6; i++)
        CHECK_MSG(afgca_kernel(known[i][0]) == known[i][1], "%d: %d",
                  known[i][0], afgca_kernel(known[i][0]));
}

TEST(zoo, fca_takes_its_size_from_the_stage_unless_told)
{
    for (int stage = 0; stage < 4; stage++) {
        char text[PARAM_TEXT_MAX];
        _Alignas(16) unsigned char settings[SETTINGS_MAX];
        const Module *m = &fca_module;
        Case c;

        case_defaults(&c);
        CHECK(case_set(&c, "module", "fca") == OK);
        CHECK(case_set(&c, "dct_w", "21") == OK);
        CHECK(case_own_settings(&c, settings) == OK);
        m->at_stage(settings, stage);
        param_text(param_find(m->params, "dct_h"), settings, text);
        CHECK_MSG(atoi(text) == 56 >> stage, "stage %d: %s", stage, text);
        param_text(param_find(m->params, "dct_w"), settings, text);
        CHECK(atoi(text) == 21);
    }
}

TEST(zoo, every_module_says_what_it_is)
{
    for (int i = 0; zoo_at(i); i++) {
        const Module *m = zoo_at(i);

        CHECK(zoo_find(m->name) == m && zoo_name(i) == m->name);
        CHECK(m->title && m->paper && m->build && m->weights);
        CHECK_MSG(!strcmp(m->type, "Channel") || !strcmp(m->type, "Spatial") ||
                      !strcmp(m->type, "Hybrid"),
                  "%s has type %s", m->name, m->type);
        CHECK(m->settings_size <= SETTINGS_MAX && m->gates >= 0);
        CHECK(!m->params == !m->settings_size);
    }
    CHECK(zoo_find("none") == NULL && zoo_find("all") == NULL);
}
