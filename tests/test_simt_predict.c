/*
 * test_simt_predict.c - predicted times: the arithmetic on counts made by hand,
 * and what modules ask of memory, by the checked build alone.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "harness/devices/backends.h"
#include "harness/devices/plugin.h"
#include "harness/explain/predict.h"
#include "harness/explain/predict_say.h"
#include "tests/on_simt.h"
#include "tests/test.h"

static CardFacts h200(void)
{
    CardFacts card;

    param_defaults(card_params, &card);
    return card;
}

/* ---- a launch, by hand ---------------------------------------------------- */

/* 132 blocks that copy 1320 sectors each. */
static SimtCounts a_copy(void)
{
    SimtCounts c = { .blocks = 132, .threads = 256, .cluster = 1 };

    c.image_read = c.written = 132 * 1320 * 32;
    c.loads.cycles = c.stores.cycles = 132 * 330;
    c.block_cycles = 660;
    c.rounds = 1;
    return c;
}

TEST(simt_predict, bytes_are_divided_by_the_bandwidth_of_where_they_are)
{
    const CardFacts card = h200();
    const SimtCounts c = a_copy();
    const double bytes = 2 * 132 * 1320 * 32.0;
    Bound bound;

    CHECK(fabs(predict_launch(&c, &card, 1, 132, 0, false, &bound) -
               (bytes / 4300 + 600)) < 1e-6);
    CHECK(fabs(predict_launch(&c, &card, 1, 132, 0, true, &bound) -
               (bytes / 5500 + 600)) < 1e-6);
    CHECK(fabs(predict_launch(&c, &card, 8, 132, 0, false, &bound) -
               (8 * bytes / 4300 + 600)) < 1e-6);
    CHECK(bound == BOUND_BYTES);
}

TEST(simt_predict, weights_are_read_once_however_large_the_batch)
{
    const CardFacts card = h200();
    SimtCounts c = a_copy();
    Bound bound;
    double before, after;

    before = predict_launch(&c, &card, 32, 4, 0, false, &bound);
    c.weight_read = 4300e3;
    after = predict_launch(&c, &card, 32, 4, 0, false, &bound);
    CHECK(fabs(after - before - 1e3) < 1e-6);
}

TEST(simt_predict, the_busiest_multiprocessor_sets_the_time)
{
    const CardFacts card = h200();
    SimtCounts c = { .blocks = 5, .block_cycles = 1980 };
    Bound bound;

    c.shared.cycles = 5 * 1980;
    /* on four multiprocessors one has two blocks, of 1 us each */
    CHECK(fabs(predict_launch(&c, &card, 1, 4, 0, true, &bound) - 2e3) < 1e-6);
    CHECK(bound == BOUND_LAUNCH); /* 2.5 us */
    CHECK(fabs(predict_launch(&c, &card, 1, 5, 0, true, &bound) - 1e3) < 1e-6);
    c.shared.cycles += 1980; /* one block has twice as many */
    c.block_cycles = 2 * 1980;
    CHECK(fabs(predict_launch(&c, &card, 1, 5, 0, true, &bound) - 2e3) < 1e-6);
}

/* One image ran on one multiprocessor; with 264 of them each has two. */
TEST(simt_predict, more_images_than_multiprocessors_take_turns)
{
    const CardFacts card = h200();
    const SimtCounts c = { .blocks = 1,
                           .block_cycles = 1980,
                           .shared = { .cycles = 1980 } };
    Bound bound;

    CHECK(fabs(predict_launch(&c, &card, 132, 1, 0, true, &bound) - 1e3) <
          1e-6);
    CHECK(fabs(predict_launch(&c, &card, 264, 1, 0, true, &bound) - 2e3) <
          1e-6);
}

TEST(simt_predict, waits_and_meetings_are_added_and_arithmetic_is_not)
{
    const CardFacts card = h200();
    SimtCounts c = a_copy();
    Bound bound;
    const double none = predict_launch(&c, &card, 1, 132, 0, true, &bound);

    c.rounds = 4;
    c.cluster_syncs = 2;
    CHECK(fabs(predict_launch(&c, &card, 1, 132, 0, true, &bound) - none -
               (3 * 600 + 2 * 500)) < 1e-6);
    c.rounds = 1;
    c.cluster_syncs = 0;
    CHECK(predict_launch(&c, &card, 1, 132, 1e6, true, &bound) == none);
    CHECK(predict_launch(&c, &card, 1, 132, 1e12, true, &bound) > 10e6);
    CHECK(bound == BOUND_FLOPS);
}

static const char *card_file(const char *text)
{
    static char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/card.csv", test_tmpdir());
    f = fopen(path, "w");
    BUG_IF(!f);
    fputs(text, f);
    fclose(f);
    return path;
}

TEST(simt_predict, a_card_is_what_its_probe_wrote)
{
    CardFacts card;

    REQUIRE(card_read(&card, card_file("key,value\nlaunch_ns,1800\n"
                                       "clusters_of_4,31\nsms,108\n")) == OK);
    CHECK(card.launch_ns == 1800 && card.sms == 108);
    CHECK(card.node_ns == h200().node_ns);
    CHECK(card_read(&card, card_file("key,value\nsms,none\n")) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "card.csv:2"), "%s", err_message());
    CHECK(card_read(&card, card_file("a,b\n1,2\n")) == ERR_INPUT);
    CHECK(card_read(&card, "/nowhere/card.csv") != OK);
}

TEST(simt_predict, the_backend_model_measures_nothing_and_says_so)
{
    const Model *model;
    Device *dev;

    CHECK(backend_open(&dev, "model", NULL) == ERR_UNSUPPORTED && !dev);
    CHECK_MSG(strstr(err_message(), "attnbench why --backend=model"), "%s",
              err_message());
    setenv("ATTNBENCH_MODEL", "/nowhere/attnbench_model.so", 1);
    CHECK(model_load(&model) == ERR_UNSUPPORTED && !model);
    CHECK_MSG(strstr(err_message(), "/nowhere/"), "%s", err_message());
}

/* ---- modules --------------------------------------------------------------- */

static void predict(Predicted *p, const char *flags[][2])
{
    const CardFacts card = h200();
    Case c;

    if (!simt_is_checked())
        SKIP("the plain build counts nothing");
    case_defaults(&c);
    for (int i = 0; flags[i][0]; i++)
        BUG_IF(case_set(&c, flags[i][0], flags[i][1]) != OK);
    BUG_IF(case_complete(&c) != OK);
    if (predict_case(p, &c, &simt_model, &card) != OK) {
        char reports[1000];

        simt_take_errors(reports, sizeof(reports));
        fprintf(stderr, "%s\n%s\n", err_message(), reports);
        BUG_IF("it cannot be predicted");
    }
}

TEST(simt_predict, se_reads_its_map_twice_and_writes_it_once)
{
    Predicted p;

    predict(&p, (const char *[][2]){ { "module", "se" },
                                     { "dtype", "f16" },
                                     { "batch", "32" },
                                     { 0 } });
    CHECK_MSG(p.all.launches == 6, "%d", p.all.launches);
    CHECK_MSG(fabs(p.maps - 3) < 0.05, "%g", p.maps);
    CHECK(p.all.ns - p.all.graph_ns == 6 * 1300.0);
    predicted_free(&p, &simt_model);
}

/* Whatever the batch is, a multiprocessor has the same to do. */
TEST(simt_predict, twice_the_batch_moves_twice_the_bytes)
{
    Predicted one, two;

    predict(&one, (const char *[][2]){
                      { "module", "eca" }, { "batch", "11" }, { 0 } });
    predict(&two, (const char *[][2]){
                      { "module", "eca" }, { "batch", "22" }, { 0 } });
    CHECK_MSG(fabs(two.all.bytes / one.all.bytes - 2) < 0.01, "%g of %g",
              two.all.bytes, one.all.bytes);
    predicted_free(&one, &simt_model);
    predicted_free(&two, &simt_model);
}

/* The weights, read once for all images, are the rest. */
TEST(simt_predict, fused_scsa_is_one_kernel_that_moves_two_maps)
{
    static const double most[] = { 2.01, 2.01, 2.02, 2.08 };
    static const char *const shapes[][2] = {
        { "64", "56" }, { "128", "28" }, { "256", "14" }, { "512", "7" }
    };

    for (int i = 0; i < 4; i++)
        for (int half = 0; half < 2; half++) {
            Predicted p;

            predict(&p, (const char *[][2]){ { "module", "scsa" },
                                             { "impl", "fused" },
                                             { "dtype", half ? "f16" : "f32" },
                                             { "batch", "32" },
                                             { "channels", shapes[i][0] },
                                             { "height", shapes[i][1] },
                                             { "width", shapes[i][1] },
                                             { 0 } });
            CHECK(p.all.launches == 1);
            CHECK_MSG(p.maps < most[i], "%s: %g maps", shapes[i][0], p.maps);
            CHECK_MSG(p.all.sectors < 1.05, "%s: sectors %g", shapes[i][0],
                      p.all.sectors);
            predicted_free(&p, &simt_model);
        }
}

/* By the kernel "gate", which reads a map once and writes it once. */
TEST(simt_predict, fused_gates_are_one_kernel_that_moves_two_maps)
{
    static const char *const modules[] = { "se",    "se_conv", "eca", "fca",
                                           "afgca", "cbam",    "sa",  "ela",
                                           "ca",    "ema" };

    for (int i = 0; i < 10; i++) {
        Predicted p;

        predict(&p, (const char *[][2]){ { "module", modules[i] },
                                         { "impl", "fused" },
                                         { "dtype", "f16" },
                                         { "batch", "32" },
                                         { "channels", "128" },
                                         { "height", "28" },
                                         { "width", "28" },
                                         { 0 } });
        CHECK_MSG(p.all.launches == 1, "%s: %d launches", modules[i],
                  p.all.launches);
        CHECK_MSG(p.maps < 2.3, "%s: %g maps", modules[i], p.maps);
        CHECK_MSG(p.all.sectors < 1.05, "%s: sectors %g", modules[i],
                  p.all.sectors);
        predicted_free(&p, &simt_model);
    }
}

/* ---- the table that is kept ----------------------------------------------- */

static double cell(const Csv *csv, const char *column)
{
    return strtod(csv->cell[csv_column(csv, column)], NULL);
}

static bool is_cell(const Csv *csv, const char *column, const char *text)
{
    return !strcmp(csv->cell[csv_column(csv, column)], text);
}

/* A row of the smallest maps, which take least to run. */
static void check_row(const Csv *csv)
{
    Predicted p;

    predict(&p, (const char *[][2]){
                    { "module", csv->cell[csv_column(csv, "module")] },
                    { "impl", csv->cell[csv_column(csv, "impl")] },
                    { "dtype", "f16" },
                    { "batch", "32" },
                    { "channels", "512" },
                    { "height", "7" },
                    { "width", "7" },
                    { 0 } });
    CHECK_MSG(
        fabs(p.all.ns / 1e3 / cell(csv, "predicted_stream_us") - 1) < 0.05,
        "%s %s: %.1f us, and kernels/cuda/MODEL.csv has %.1f; make it again: "
        "see kernels/README.md",
        csv->cell[0], csv->cell[1], p.all.ns / 1e3,
        cell(csv, "predicted_stream_us"));
    predicted_free(&p, &simt_model);
}

TEST(simt_predict, the_table_is_of_these_kernels)
{
    static char text[1 << 16];
    FILE *f = fopen("kernels/cuda/MODEL.csv", "r");
    int checked = 0;
    bool more;
    Csv csv;

    if (!f)
        SKIP("run me in the project's root folder");
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    REQUIRE(csv_open(&csv, "kernels/cuda/MODEL.csv", text) == OK);
    while (csv_next(&csv, &more) == OK && more)
        if (is_cell(&csv, "dtype", "f16") && is_cell(&csv, "batch", "32") &&
            is_cell(&csv, "channels", "512")) {
            check_row(&csv);
            checked++;
        }
    CHECK_MSG(checked == 23, "%d rows", checked);
}

/* ---- kernels that stream --------------------------------------------------- */

/* The most that an op's kernel may ask for, in multiples of the ideal. */
typedef struct Most {
    const char *op;
    double sectors, waves;
} Most;

/* Ops whose kernels only stream, where channels are whole packs. */
static const Most streams[] = {
    { "mul", 1.05, 1 },
    { "global_avg_pool", 1.05, 1.6 },
    { "global_max_pool", 1.05, 1.6 },
    { "mean_h", 1.05, 1.6 },
    { "mean_w", 1.05, 1.6 },
    { "sigmoid", 1.05, 1 },
    { "relu", 1.05, 1 },
    { NULL },
};

/* Ops of modules that cut their channels into groups of one or two. */
static const Most of_small_groups[] = {
    { "group_norm", 1.1, 1.5 },
    { "slice", 2.05, 2.05 }, /* of each line every other number */
    { "channel_shuffle", 1.05, 2.05 },
    { "matmul", 1.05, 1 },
    { "mul", 1.05, 1 },
    { NULL },
};

/* Predicts a module on f16 maps; how many of its steps the table has. */
static int check_most(const Most *most, const char *module,
                      const char *channels, const char *side)
{
    Predicted p;
    int found = 0;

    predict(&p, (const char *[][2]){ { "module", module },
                                     { "channels", channels },
                                     { "height", side },
                                     { "width", side },
                                     { "dtype", "f16" },
                                     { "batch", "32" },
                                     { 0 } });
    for (int i = 0; i < p.nsteps; i++)
        for (const Most *m = most; m->op; m++) {
            const PredictedStep *s = &p.step[i];
            char dims[DIMS_TEXT];

            if (strcmp(s->out->op->name, m->op) || tensor_count(s->out) < 4096)
                continue;
            found++;
            CHECK_MSG(!(s->sectors > m->sectors) && !(s->waves > m->waves),
                      "%s: %s %s: sectors %.2f, wavefronts %.2f", module, m->op,
                      tensor_dims_text(s->out, dims), s->sectors, s->waves);
        }
    predicted_free(&p, &simt_model);
    return found;
}

TEST(simt_predict, kernels_that_stream_ask_for_little_more_than_they_need)
{
    static const char *const modules[] = { "se", "eca", "ca", "ela", "afgca" };

    for (int i = 0; i < 5; i++)
        CHECK(check_most(streams, modules[i], "64", "56") > 0);
}

TEST(simt_predict, small_groups_of_channels_cost_no_more_than_their_bytes)
{
    CHECK(check_most(of_small_groups, "ema", "64", "56") >= 3);
    CHECK(check_most(of_small_groups, "sa", "128", "28") >= 4);
    CHECK(check_most(of_small_groups, "sa", "256", "14") >= 4);
}

/* From memory, even where L2 would hold all. */
TEST(simt_predict, a_cold_run_takes_longer)
{
    Predicted hot, cold;

    predict(&hot, (const char *[][2]){ { "module", "eca" }, { 0 } });
    predict(&cold, (const char *[][2]){
                       { "module", "eca" }, { "state", "cold" }, { 0 } });
    CHECK(cold.all.ns > hot.all.ns && cold.all.bytes == hot.all.bytes);
    predicted_free(&hot, &simt_model);
    predicted_free(&cold, &simt_model);
}

/* 51 MB of map: L2 holds none of it until it is read again. */
TEST(simt_predict, a_batch_that_l2_cannot_hold_is_never_hot)
{
    Predicted hot, cold;

    predict(&hot, (const char *[][2]){
                      { "module", "eca" }, { "batch", "64" }, { 0 } });
    predict(&cold, (const char *[][2]){ { "module", "eca" },
                                        { "batch", "64" },
                                        { "state", "cold" },
                                        { 0 } });
    CHECK(cold.all.ns == hot.all.ns);
    predicted_free(&hot, &simt_model);
    predicted_free(&cold, &simt_model);
}

TEST(simt_predict, whole_networks_and_gradients_are_refused)
{
    const CardFacts card = h200();
    Predicted p;
    Case c;

    if (!simt_is_checked())
        SKIP("the plain build counts nothing");
    case_defaults(&c);
    BUG_IF(case_set(&c, "backbone", "resnet18") || case_complete(&c));
    CHECK(predict_case(&p, &c, &simt_model, &card) == ERR_UNSUPPORTED);
    predicted_free(&p, &simt_model);
    case_defaults(&c);
    BUG_IF(case_set(&c, "module", "se") || case_set(&c, "pass", "train") ||
           case_complete(&c));
    CHECK(predict_case(&p, &c, &simt_model, &card) == ERR_UNSUPPORTED);
    predicted_free(&p, &simt_model);
}
