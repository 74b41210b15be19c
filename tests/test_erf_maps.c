/*
 * test_erf_maps.c - effective receptive fields that are known exactly.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/attribution/erf.h"
#include "harness/devices/backends.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
#include "kernels/ops/ops.h"
#include "tests/fake_device.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

enum { SIDE = 17 };

/* ---- networks of our own ---------------------------------------------------- */

/* k x k of equal weights. */
static Tensor *uniform_conv(Graph *g, Tensor *x, int k)
{
    const Conv2dAttr attr = { .pad_h = k / 2, .pad_w = k / 2 };
    Tensor *w;

    graph_scope(g, "conv%d", x ? x->id : 0);
    w = graph_weight(g, "weight", DIMS(1, 1, k, k));
    graph_end_scope(g);
    if (!w || graph_alloc_host(w) != OK)
        return NULL;
    for (int i = 0; i < k * k; i++)
        w->host[i] = 0.25f;
    return op_conv2d(g, x, w, NULL, &attr);
}

typedef Tensor *Net(Graph *g, Tensor *x);

static Tensor *one_conv(Graph *g, Tensor *x)
{
    return uniform_conv(g, x, 5);
}

static Tensor *four_convs(Graph *g, Tensor *x)
{
    for (int i = 0; i < 4; i++)
        x = uniform_conv(g, x, 3);
    return x;
}

/* mean(x) at every place, and nothing else. */
static Tensor *global_mean(Graph *g, Tensor *x)
{
    return op_add(g, op_scale_shift(g, x, 0, 0),
                  op_global_avg_pool(g, x, SQUEEZE_MEAN));
}

static Tensor *strided(Graph *g, Tensor *x)
{
    return op_avg_pool2d(g, uniform_conv(g, x, 3), 2, 2);
}

static Net *net;
static double loss_scale;

static int build_net(Graph **out, const Case *c, const WeightValues *values,
                     const char *const *tap, int n)
{
    Graph *g = graph_new();
    Tensor *y =
        net(g, graph_input(g, "input",
                           DIMS(c->batch, c->channels, c->height, c->width)));

    (void)values;
    graph_output(g, tap[n - 1], y);
    *out = g;
    return graph_error(g);
}

/* The usual network, its taps times loss_scale. */
static int build_scaled(Graph **out, const Case *c, const WeightValues *values,
                        const char *const *tap, int n)
{
    const char *const name = "layer2";
    Graph *g;

    (void)tap;
    (void)n;
    *out = NULL;
    TRY(network_build_tapped(&g, c, values, &name, 1));
    graph_output(g, "scaled",
                 op_scale_shift(g, graph_output_at(g, 0, NULL), loss_scale, 0));
    *out = g;
    return graph_error(g);
}

/* ---- what is asked ---------------------------------------------------------- */

static ErfAsk an_ask(const char *tap)
{
    return (ErfAsk){ .protocol = erf_protocol_find("attnbench"),
                     .tap = { tap },
                     .taps = 1,
                     .draws = 2,
                     .sets = 1,
                     .seed = 1 };
}

static Case a_network(const char *settings, int batch)
{
    Case c = stored_case(settings);

    c.batch = batch;
    return c;
}

/* Opens a device of the definitions; fails the test if it cannot. */
static bool run_erf(Erf *erf, const Case *c, const ErfAsk *ask)
{
    Device *dev;
    int err;

    BUG_IF(backend_open(&dev, "ref", NULL) != OK);
    err = erf_run(erf, c, ask, dev);
    backend_close(dev);
    if (err)
        test_failed(__FILE__, __LINE__, "%s", err_message());
    return err == OK;
}

static Erf run_net(Net *of, int side)
{
    Case c = a_network("module=se channels=64 height=8 width=8", 2);
    ErfAsk ask = an_ask("output");
    Erf e;

    c.channels = 1;
    c.height = c.width = side;
    net = of;
    ask.build = build_net;
    run_erf(&e, &c, &ask);
    return e;
}

/* ---- exact answers -------------------------------------------------------- */

TEST(erf_maps, of_one_convolution_is_its_square)
{
    Erf e = run_net(one_conv, SIDE);
    const int middle = SIDE / 2;

    REQUIRE(e.part[0].map != NULL);
    CHECK(e.parts == 1 && e.n == 2);
    CHECK(e.y == middle && e.x == middle);
    CHECK(e.field.rows.last - e.field.rows.first + 1 == 5 && !e.field.whole);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            const bool inside = abs(i - middle) <= 2 && abs(j - middle) <= 2;
            const float v = e.part[0].map[i * SIDE + j];

            CHECK(inside ? fabsf(v - 0.04f) < 1e-8f : v == 0);
        }
    CHECK(e.part[0].number[ERF_luo_side].value == 5);
    CHECK(e.part[0].number[ERF_luo_ratio].value == 1);
    CHECK(e.part[0].number[ERF_area_99].value == 25.0 / (SIDE * SIDE));
    erf_free(&e, 1);
}

/* 1 4 10 16 19 16 10 4 1, (1 + z + z^2)^4, in both directions. */
TEST(erf_maps, of_stacked_convolutions_is_their_convolution)
{
    static const int power[] = { 1, 4, 10, 16, 19, 16, 10, 4, 1 };
    Erf e = run_net(four_convs, SIDE);

    REQUIRE(e.part[0].map != NULL);
    CHECK(e.field.rows.first == SIDE / 2 - 4);
    CHECK(e.field.columns.last == SIDE / 2 + 4);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            const int y = i - SIDE / 2 + 4, x = j - SIDE / 2 + 4;
            const double wanted = y < 0 || x < 0 || y > 8 || x > 8
                                      ? 0
                                      : power[y] * power[x] / 6561.0;

            CHECK(fabs(e.part[0].map[i * SIDE + j] - wanted) <= 1e-7 * wanted);
        }
    /* a sum of four uniforms of variance 2/3 */
    CHECK(fabs(e.part[0].number[ERF_sigma_y].value - sqrt(8 / 3.0)) < 1e-6);
    erf_free(&e, 1);
}

TEST(erf_maps, of_a_global_mean_is_flat)
{
    Erf e = run_net(global_mean, SIDE);

    REQUIRE(e.part[0].map != NULL);
    CHECK(e.field.whole && reach_within(&e.field, true, SIDE) == SIDE);
    for (int i = 0; i < SIDE * SIDE; i++)
        CHECK(fabs(e.part[0].map[i] * SIDE * SIDE - 1) < 1e-6);
    CHECK(e.part[0].number[ERF_luo_ratio].value == 1);
    erf_free(&e, 1);
}

/* Pooling by two of 16 rows leaves eight; the middle two read rows 6 to 9 of the
 * convolution. */
TEST(erf_maps, of_even_maps_is_the_mean_of_four_units)
{
    static const double of_row[] = { 1, 2, 3, 3, 2, 1 };
    Erf e = run_net(strided, 16);

    REQUIRE(e.part[0].map != NULL);
    CHECK(e.rows == 8 && e.y == 7.5 && e.x == 7.5);
    CHECK(e.field.rows.first == 5 && e.field.rows.last == 10);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) {
            const bool inside = i >= 5 && i <= 10 && j >= 5 && j <= 10;
            const double wanted =
                inside ? of_row[i - 5] * of_row[j - 5] / 144 : 0;

            CHECK(fabs(e.part[0].map[i * 16 + j] - wanted) <= 1e-7);
        }
    erf_free(&e, 1);
}

/* ---- modules --------------------------------------------------------------- */

static Erf run_module(const char *settings)
{
    const Case c = a_network(settings, 2);
    const ErfAsk ask = an_ask("output");
    Erf e;

    run_erf(&e, &c, &ask);
    return e;
}

/* Coordinate attention weighs a place by means of its row and of its column;
 * past its gates there is that place alone. */
TEST(erf_maps, of_coordinate_attention_is_a_cross)
{
    Erf e = run_module("module=ca channels=32 height=17 width=17");
    const int middle = SIDE / 2;

    REQUIRE(e.part[ERF_GATES].map != NULL);
    CHECK(e.parts == ERF_PARTS);
    CHECK(e.field.whole && !e.past_gates.whole);
    CHECK(e.past_gates.rows.first == middle && e.y == middle);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            const int at = i * SIDE + j;
            const bool on_cross = i == middle || j == middle;
            const bool at_centre = i == middle && j == middle;

            CHECK((e.part[ERF_WHOLE].map[at] > 0) == on_cross);
            CHECK((e.part[ERF_PAST_GATES].map[at] > 0) == at_centre);
            if (!at_centre)
                CHECK(e.part[ERF_GATES].map[at] == e.part[ERF_WHOLE].map[at]);
        }
    CHECK(e.part[ERF_PAST_GATES].number[ERF_luo_side].value == 1);
    erf_free(&e, 1);
}

/* The norms of the strips add a pedestal to the cross, and the strips'
 * convolutions make its arms as wide as they are. */
static void check_cross_and_pedestal(const char *settings)
{
    Erf e = run_module(settings);
    const int middle = SIDE / 2;
    double cross = 0, rest = 0;

    REQUIRE(e.part[ERF_GATES].map != NULL);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            const float v = e.part[ERF_GATES].map[i * SIDE + j];

            CHECK_MSG(v > 0, "%s: nothing at %d,%d", settings, i, j);
            if (i != middle && j != middle)
                rest += v / (SIDE - 1) / (SIDE - 1);
            else if (i != middle || j != middle)
                cross += v / 2 / (SIDE - 1);
        }
    CHECK_MSG(cross > 1.5 * rest, "%s: %g on the cross, %g off it", settings,
              cross, rest);
    erf_free(&e, 1);
}

TEST(erf_maps, of_strip_attention_is_a_cross_and_a_pedestal)
{
    check_cross_and_pedestal("module=ela channels=32 height=17 width=17");
    check_cross_and_pedestal("module=scsa channels=32 height=17 width=17");
}

TEST(erf_maps, of_squeeze_and_excitation_is_a_point_and_a_pedestal)
{
    Erf e = run_module("module=se channels=32 height=17 width=17");
    const int middle = SIDE * SIDE / 2;
    const float *v = e.part[ERF_GATES].map;
    double shares;

    REQUIRE(v != NULL);
    for (int i = 0; i < SIDE * SIDE; i++)
        CHECK(fabsf(v[i] - v[0]) <= 1e-5f * v[0]);
    CHECK(e.part[ERF_PAST_GATES].map[middle] > 0);
    CHECK(e.part[ERF_PAST_GATES].map[0] == 0);
    shares = e.part[ERF_PAST_GATES].number[ERF_mass_share].value +
             e.part[ERF_GATES].number[ERF_mass_share].value;
    CHECK(fabs(shares - 1) < 1e-9);
    CHECK(e.part[ERF_WHOLE].number[ERF_mass_share].value == 1);
    erf_free(&e, 1);
}

/* ---- networks -------------------------------------------------------------- */

#define SMALL "backbone=resnet18 height=32 width=32 "

/* Sum of the middle unit over channels, with all of the input moved by step. */
static double loss(const Case *c, const char *tap, double step)
{
    const WeightValues values = { .seed = 1 };
    float input[3 * 32 * 32], *out[1] = { NULL };
    double sum = 0;
    const Tensor *t;
    Device *dev;
    Graph *g;

    BUG_IF(network_build_tapped(&g, c, &values, &tap, 1) != OK);
    BUG_IF(backend_open(&dev, "ref", NULL) != OK);
    seed_input(input, 3 * 32 * 32, "input", 1);
    for (int i = 0; i < 3 * 32 * 32; i++)
        input[i] += (float)step;
    BUG_IF(network_run(out, g, dev, false, (float *[]){ input }) != OK);
    t = graph_output_at(g, 0, NULL);
    for (int k = 0; k < t->dim[1]; k++)
        for (int i = 0; i < 4; i++)
            sum += out[0][(k * t->dim[2] + (t->dim[2] - 1) / 2 + i / 2) *
                              t->dim[3] +
                          (t->dim[3] - 1) / 2 + i % 2] /
                   4;
    free(out[0]);
    backend_close(dev);
    graph_free(g);
    return sum;
}

TEST(erf_maps, of_signs_sum_to_a_directional_derivative)
{
    static const char *const cases[] = { SMALL, SMALL "module=ca",
                                         SMALL "graph=folded module=se" };
    const double step = 1e-4;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const Case c = a_network(cases[i], 1);
        ErfAsk ask = an_ask("layer2");
        double sum = 0, wanted;
        Erf e;

        ask.rule = ERF_SIGNED;
        ask.draws = 1;
        REQUIRE(run_erf(&e, &c, &ask));
        for (int k = 0; k < 32 * 32; k++)
            sum += e.part[0].map[k];
        wanted =
            (loss(&c, "layer2", step) - loss(&c, "layer2", -step)) / (2 * step);
        CHECK_MSG(fabs(sum - wanted) <= 5e-3 * fabs(wanted), "%s: %g, not %g",
                  cases[i], sum, wanted);
        erf_free(&e, 1);
    }
}

TEST(erf_maps, no_scale_of_the_loss_changes_a_number)
{
    const Case c = a_network(SMALL "module=se", 2);
    ErfProtocol raw = *erf_protocol_find("attnbench");
    ErfAsk ask = an_ask("scaled");
    Erf e[3];

    raw.each_alike = false; /* or the scale is gone at once */
    ask.protocol = &raw;
    ask.build = build_scaled;
    for (int i = 0; i < 3; i++) {
        loss_scale = pow(1e6, i - 1);
        REQUIRE(run_erf(&e[i], &c, &ask));
    }
    for (int i = 0; i < 3; i += 2)
        for (int p = 0; p < ERF_PARTS; p++)
            for (int k = 0; k < ERF_NUMBERS; k++) {
                const double a = e[1].part[p].number[k].value;
                const double b = e[i].part[p].number[k].value;

                CHECK_MSG(fabs(a - b) <= 1e-6 * fmax(fabs(a), 1e-3),
                          "%s is %.9g and %.9g", erf_number_name(k), a, b);
            }
    CHECK_MSG(fabs(e[2].peak / e[1].peak - 1e6) < 10, "%.9g and %.9g",
              e[1].peak, e[2].peak);
    for (int i = 0; i < 3; i++)
        erf_free(&e[i], 1);
}

/* By a device whose pooling is wrong. */
TEST(erf_maps, of_what_the_definition_does_not_give_are_refused)
{
    const Case c =
        a_network("backbone=resnet18 height=33 width=33 graph=folded", 2);
    const ErfAsk ask = an_ask("layer2");
    FakeDevice *fake = fake_open();
    Erf e;

    REQUIRE(erf_run(&e, &c, &ask, &fake->base) == OK);
    CHECK_MSG(e.rel_l2 <= e.limit && e.limit <= 1e-2, "%g, limit %g", e.rel_l2,
              e.limit);
    erf_free(&e, 1);
    fake->factor = 1.5f;
    fake->only = &max_pool2d_def;
    CHECK(erf_run(&e, &c, &ask, &fake->base) == ERR_DEVICE);
    CHECK_MSG(strstr(err_message(), "differs from the definition by ") &&
                  strstr(err_message(), "max_pool2d by any, "),
              "%s", err_message());
    erf_free(&e, 1);
    fake_backend.close(&fake->base);
}

/* Several taps, sets and batches give what each alone does. */
TEST(erf_maps, do_not_depend_on_how_draws_are_run)
{
    ErfAsk both = an_ask("layer2"), one = an_ask("layer1.0");
    Case c = a_network(SMALL "module=se", 1);
    Erf e[2], alone;

    both.tap[1] = "layer1.0";
    both.taps = 2;
    both.draws = one.draws = 3;
    both.sets = one.sets = 2;
    REQUIRE(run_erf(e, &c, &both));
    c.batch = 2; /* of two draws, and of one */
    REQUIRE(run_erf(&alone, &c, &one));
    CHECK(e[1].n == 2 && alone.n == 2);
    CHECK(!strcmp(alone.layer, "layer1.0.act2"));
    for (int k = 0; k < 32 * 32; k++)
        CHECK(fabsf(e[1].part[ERF_GATES].map[k] -
                    alone.part[ERF_GATES].map[k]) <= 1e-7f);
    CHECK(e[1].part[0].number[ERF_area_50].lo ==
          alone.part[0].number[ERF_area_50].lo);
    erf_free(e, 2);
    erf_free(&alone, 1);
}

/* Nothing varies where there is one draw of one network. */
TEST(erf_maps, one_draw_has_no_interval)
{
    const Case c = a_network(SMALL, 1);
    ErfAsk ask = an_ask("layer2");
    char text[ERF_TEXT];
    Erf e;

    ask.draws = ask.sets = 1;
    REQUIRE(run_erf(&e, &c, &ask));
    erf_describe(text, &e, &c, &ask);
    check_holds(text, "; 1 draw of uniform noise, 1 set of seeded weights");
    check_holds(text, ", f32; 1 draw: no interval");
    erf_free(&e, 1);
    ask.draws = 2;
    REQUIRE(run_erf(&e, &c, &ask));
    erf_describe(text, &e, &c, &ask);
    check_holds(text, "; 2 draws of uniform noise, 1 set of seeded weights");
    check_holds(text, ", f32; intervals over 2 draws");
    erf_free(&e, 1);
}

TEST(erf_maps, protocols_differ_as_they_say)
{
    const Case c = a_network(SMALL, 2);
    ErfAsk ask = an_ask("layer2");
    Erf ours, theirs;
    char text[ERF_TEXT];

    REQUIRE(run_erf(&ours, &c, &ask));
    ask.protocol = erf_protocol_find("replknet");
    ask.rule = ask.protocol->rule;
    REQUIRE(run_erf(&theirs, &c, &ask));
    CHECK(theirs.y == 16 && theirs.x == 16);
    CHECK(ours.y == 12); /* units 1 and 2 of stride 8 */
    for (int i = 0; i < 32 * 32; i++)
        CHECK(theirs.part[0].map[i] <= (float)log10(theirs.peak + 1) + 1e-6f);
    erf_describe(text, &theirs, &c, &ask);
    CHECK_MSG(strstr(text, "replknet: unit (2,2) of the 4x4 units of layer2 "
                           "(layer2.1.act2, 128 channels, where positive)"),
              "%s", text);
    CHECK_MSG(strstr(text, "log10(x + 1); squares about (16,16)"), "%s", text);
    erf_free(&theirs, 1);
    ask.protocol = erf_protocol_find("scsa");
    REQUIRE(run_erf(&theirs, &c, &ask));
    CHECK(theirs.y == 8); /* unit 1 */
    erf_free(&theirs, 1);
    erf_free(&ours, 1);
}

/* ---- the theoretical field -------------------------------------------------- */

/* 1 + the sum of (k - 1) times the stride so far. */
TEST(erf_field, is_that_of_the_published_networks)
{
    static const struct {
        const char *settings, *tap;
        int side;
        double middle;
    } taps[] = {
        { "backbone=resnet18", "layer4", 435, 96 },
        { "backbone=resnet50", "layer4", 427, 96 },
        { "backbone=resnet50", "layer3", 267 + 16, 104 },
        { "backbone=resnet50 graph=folded", "layer4", 427, 96 },
        { "backbone=resnet50", "maxpool", 11 + 4, 110 },
    };

    for (size_t i = 0; i < sizeof(taps) / sizeof(*taps); i++) {
        Case c = a_network(taps[i].settings, 1);
        Graph *g;
        Reach f, units = { 0 };
        const Tensor *t;

        c.height = c.width = 224;
        REQUIRE(network_build_tapped(&g, &c, NULL, &taps[i].tap, 1) == OK);
        t = graph_output_at(g, 0, NULL);
        units.rows = units.columns =
            (Extent){ (t->dim[2] - 1) / 2, t->dim[2] / 2 };
        reach_of(&f, g, t, graph_find(g, "input"), &units, NULL);
        CHECK_MSG(f.rows.last - f.rows.first + 1 == taps[i].side,
                  "%s: %d to %d", taps[i].settings, f.rows.first, f.rows.last);
        CHECK((f.rows.last + f.rows.first) / 2.0 == taps[i].middle);
        CHECK(f.columns.first == f.rows.first && !f.whole);
        CHECK(reach_within(&f, true, 224) ==
              (taps[i].side > 224 ? 224 : taps[i].side));
        graph_free(g);
    }
}

/* Where a map is not zero, in rows; a mask of -100 leaves e^-100. */
static Extent support(const float *map, int height, int width)
{
    Extent rows = { height, -1 };
    float peak = 0;

    for (int i = 0; i < height * width; i++)
        peak = fmaxf(peak, map[i]);
    for (int i = 0; i < height * width; i++)
        if (map[i] > peak * 1e-20f) {
            rows.first = i / width < rows.first ? i / width : rows.first;
            rows.last = i / width;
        }
    return rows;
}

/* Swin's stages have windows of 7x7, which every other block shifts by 3: of
 * stage 1, units 27 and 28 read 24 to 30, these 21 to 34, four pixels each. */
TEST(erf_field, of_shifted_windows_is_where_gradients_are)
{
    static const Extent rows[] = { { 84, 139 }, { 28, 195 } };
    const ErfAsk ask = { .protocol = erf_protocol_at(0),
                         .tap = { "stage1", "stage2" },
                         .taps = 2,
                         .draws = 1,
                         .sets = 1,
                         .seed = 1 };
    Case c = a_network("backbone=swin_t", 1);
    Erf erf[2];

    c.height = c.width = 224;
    REQUIRE(run_erf(erf, &c, &ask));
    for (int i = 0; i < 2; i++) {
        const Extent seen = support(erf[i].part[0].map, 224, 224);
        const Reach *f = &erf[i].field;

        CHECK(!f->whole);
        CHECK_MSG(f->rows.first == rows[i].first &&
                      f->rows.last == rows[i].last,
                  "stage%d: %d to %d", i + 1, f->rows.first, f->rows.last);
        CHECK(f->columns.first == f->rows.first &&
              f->columns.last == f->rows.last);
        CHECK_MSG(seen.first == rows[i].first && seen.last == rows[i].last,
                  "stage%d: gradients at %d to %d", i + 1, seen.first,
                  seen.last);
    }
    erf_free(erf, 2);
}
