/*
 * test_training.c - steps of training: what they compute, and that the next
 * step knows of the last.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "harness/devices/backends.h"
#include "harness/network/network.h"
#include "harness/network/passes.h"
#include "kernels/core/plan.h"
#include "tests/eval.h"
#include "tests/fake_device.h"
#include "tests/on_simt.h"
#include "tests/stored.h"
#include "tests/test.h"

enum { ROWS = 3, IN = 5, OUT = 4 };

/* y = x w^T, as a linear or a 1x1, after which w <- w - dw. */
typedef struct Drift {
    Graph *g;
    Tensor *x, *dw, *w, *y;
} Drift;

static Drift drift_new(const Op *op)
{
    const int rank = op == &linear_def ? 2 : 4;
    const Dims dims = { rank, { OUT, IN, 1, 1 } };
    const SgdAttr all = { .rate = 1 };
    Drift d = { .g = graph_new() };
    Tensor *v = graph_buffer(d.g, "v", dims);

    d.x = graph_input(d.g, "x", (Dims){ rank, { ROWS, IN, 1, 1 } });
    d.dw = graph_input(d.g, "dw", dims);
    d.dw->layout = ROW_MAJOR;
    d.w = graph_weight(d.g, "w", dims);
    d.y = op == &linear_def ? op_linear(d.g, d.x, d.w, NULL)
                            : op_conv2d(d.g, d.x, d.w, NULL, NULL);
    op_sgd(d.g, d.w, d.dw, v, &all);
    graph_output(d.g, "y", d.y);
    eval_fill(d.g);
    memset(v->host, 0, tensor_count(v) * sizeof(float));
    return d;
}

typedef struct DriftValues {
    float x[ROWS * IN], dw[OUT * IN], y[ROWS * OUT];
} DriftValues;

/* The inputs, and what the last of the given number of runs is to make of
 * them. */
static DriftValues drift_values(const Drift *d, int runs)
{
    DriftValues v = { .y = { 0 } };

    eval_values(v.x, ROWS * IN, "x");
    eval_values(v.dw, OUT * IN, "dw");
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++)
            for (int i = 0; i < IN; i++)
                v.y[r * OUT + o] +=
                    v.x[r * IN + i] * (d->w->host[o * IN + i] -
                                       (float)(runs - 1) * v.dw[o * IN + i]);
    return v;
}

/* Every other run with a clock between its steps, where that can be. */
static int run_either(Plan *plan, const Device *dev, int i)
{
    double at[8];

    BUG_IF(plan_steps(plan) >= 8);
    return i % 2 && dev->backend->host_memory ? plan_run_marked(plan, at)
                                              : plan_run(plan);
}

static double drift_error(Device *dev, const Op *op, int runs, bool drop)
{
    Drift d = drift_new(op);
    const DriftValues v = drift_values(&d, runs);
    float got[ROWS * OUT];
    Plan *plan;

    BUG_IF(plan_new(&plan, dev, d.g));
    if (drop)
        plan_drop_packed(plan);
    BUG_IF(plan_set(plan, d.x, v.x) || plan_set(plan, d.dw, v.dw));
    for (int i = 0; i < runs; i++)
        BUG_IF(run_either(plan, dev, i));
    BUG_IF(plan_get(plan, d.y, got));
    plan_free(plan);
    graph_free(d.g);
    return eval_error(got, v.y, ROWS * OUT);
}

static void check_drift(Device *dev)
{
    for (int runs = 1; runs < 5; runs++)
        for (int drop = 0; drop < 2; drop++) {
            CHECK(drift_error(dev, &linear_def, runs, drop) < 1e-6);
            CHECK(drift_error(dev, &conv2d_def, runs, drop) < 1e-6);
        }
}

TEST(training, a_run_computes_with_the_weights_of_the_last)
{
    static const char *const names[] = { "ref", "cpu" };

    for (int i = 0; i < 2; i++) {
        Device *dev;

        REQUIRE(backend_open(&dev, names[i], NULL) == OK);
        check_drift(dev);
        backend_close(dev);
    }
}

/* Where weights are packed on the device, from what is there. */
TEST(training, so_does_a_run_on_a_device_with_its_own_memory)
{
    Device *dev = simt_device();

    check_drift(dev);
    simt_device_close(dev);
}

/* A recording is told to a device that says it can, and runs it instead. */
static struct Telling {
    const Drift *drift;
    bool as_it_was;
} telling;

/* The warm-up run leaves no trace; then a run changes the weights. */
static int record_begin(Device *dev)
{
    const Tensor *w = telling.drift->w;
    float values[OUT * IN], dw[OUT * IN];

    BUG_IF(dev->backend->download(dev, values, w->data, sizeof(values)));
    telling.as_it_was = !memcmp(values, w->host, sizeof(values));
    eval_values(dw, OUT * IN, "dw");
    for (int i = 0; i < OUT * IN; i++)
        values[i] -= dw[i];
    return dev->backend->upload(dev, w->data, values, sizeof(values));
}

static int record_end(Device *dev, void **recording)
{
    (void)dev;
    *recording = NULL;
    return OK;
}

/* How far what is recorded is from a second run. */
static int record_drift(Device *dev, const Op *op, double *error)
{
    Drift d = drift_new(op);
    const DriftValues v = drift_values(&d, 2);
    const Backend *own = dev->backend;
    Backend records = *own;
    float got[ROWS * OUT];
    Plan *plan;
    int err;

    telling = (struct Telling){ &d, false };
    records.record_begin = record_begin;
    records.record_end = record_end;
    dev->backend = &records;
    BUG_IF(plan_new(&plan, dev, d.g) || plan_set(plan, d.x, v.x) ||
           plan_set(plan, d.dw, v.dw));
    err = plan_record(plan, 1);
    BUG_IF(plan_get(plan, d.y, got));
    *error = eval_error(got, v.y, ROWS * OUT);
    plan_free(plan);
    dev->backend = own;
    graph_free(d.g);
    return err;
}

TEST(training, weights_that_are_packed_on_the_host_are_not_recorded)
{
    double error;
    Device *dev;

    REQUIRE(backend_open(&dev, "cpu", NULL) == OK);
    CHECK(record_drift(dev, &linear_def, &error) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "no state=graph of pass=train"), "%s",
              err_message());
    backend_close(dev);
}

/* A recording begins with packing the weights as they are then. */
TEST(training, weights_that_are_packed_on_the_device_are_recorded)
{
    double error;
    Device *dev = simt_device();

    CHECK(record_drift(dev, &conv2d_def, &error) == OK);
    CHECK(telling.as_it_was);
    CHECK(error < 1e-6);
    simt_device_close(dev);
}

/* Three steps from the first values, in three replays or in one. */
TEST(training, a_recording_of_three_runs_is_three_steps)
{
    const Case c = stored_case("module=eca channels=16 height=8 width=8 "
                               "batch=4 pass=train");
    const WeightValues values = { .seed = 1 };
    enum { MOST = 8 };
    float *in_three[MOST], *got, *x;
    FakeDevice *fake = fake_open();
    Plan *plan;
    Graph *g;

    REQUIRE(network_build(&g, &c, &values, TAPS_NONE) == OK);
    REQUIRE(graph_outputs(g) <= MOST);
    REQUIRE(plan_new(&plan, &fake->base, g) == OK);
    for (int i = 0; network_input(g, i); i++) {
        x = malloc(tensor_count(network_input(g, i)) * sizeof(*x));
        BUG_IF(!x);
        network_seed_input(x, network_input(g, i), 1);
        CHECK(plan_set(plan, network_input(g, i), x) == OK);
        free(x);
    }
    REQUIRE(plan_record(plan, 1) == OK);
    REQUIRE(network_run_plan(in_three, plan, g) == OK && fake->replays == 3);
    REQUIRE(plan_record(plan, 3) == OK);
    CHECK(plan_run(plan) == OK && fake->replays == 4);
    for (int i = 0; i < graph_outputs(g); i++) {
        const Tensor *t = graph_output_at(g, i, NULL);

        got = malloc(tensor_count(t) * sizeof(*got));
        BUG_IF(!got);
        CHECK(plan_get(plan, t, got) == OK);
        CHECK_MSG(!memcmp(got, in_three[i], tensor_count(t) * sizeof(*got)),
                  "output %d: %g, not %g", i, got[0], in_three[i][0]);
        free(got);
        free(in_three[i]);
    }
    plan_free(plan);
    graph_free(g);
    fake_backend.close(&fake->base);
}

/* torch.optim.SGD: v = 0.9 v + dw + 0.1 w, w = w - 0.5 v. */
TEST(training, descent_has_momentum_and_decay)
{
    const SgdAttr sgd = { .rate = 0.5, .momentum = 0.9, .decay = 0.1 };
    const float w0 = 2, v0 = 3, dw0 = 5;
    Graph *g = graph_new();
    Tensor *w = eval_weight(g, "w", DIMS(1), &w0),
           *v = eval_weight(g, "v", DIMS(1), &v0),
           *dw = eval_weight(g, "dw", DIMS(1), &dw0);
    float *y = eval(g, op_sgd(g, w, dw, v, &sgd));

    CHECK(fabs(y[0] - (2 - 0.5 * (0.9 * 3 + 5 + 0.1 * 2))) < 1e-6);
    free(y);
    graph_free(g);
}

TEST(training, cross_entropy_of_equal_logits_is_the_log_of_their_number)
{
    Graph *g = graph_new();
    const float one[] = { 0, 0, 1, 0, 1, 0, 0, 0 };
    Tensor *x = eval_constant(g, "x", DIMS(2, 4), 7),
           *t = eval_weight(g, "t", DIMS(2, 4), one);
    float *y = eval(g, op_cross_entropy(g, x, t));

    CHECK(fabs(y[0] - log(4)) < 1e-6);
    free(y);
    graph_free(g);
}

/* Uses the batch's own statistics: mean 0 and variance 1. */
TEST(training, batch_norm_takes_the_statistics_of_the_batch)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(3, 2, 4, 5)), *y;
    Tensor *one = eval_constant(g, "one", DIMS(2), 1),
           *zero = eval_constant(g, "zero", DIMS(2), 0);
    float *values;

    graph_set_training(g);
    y = op_batch_norm(g, x, one, zero, zero, one, 1e-5);
    REQUIRE(graph_error(g) == OK);
    CHECK(tensor_same_dims(x, y));
    values = eval(g, y);
    for (int c = 0; c < 2; c++) {
        double sum = 0, squares = 0;

        for (int n = 0; n < 3; n++)
            for (int i = 0; i < 20; i++) {
                const double v = values[(n * 2 + c) * 20 + i];

                sum += v;
                squares += v * v;
            }
        CHECK(fabs(sum / 60) < 1e-5 && fabs(squares / 60 - 1) < 1e-3);
    }
    free(values);
    graph_free(g);
}

static void check_case(const char *backbone, const char *module,
                       const char *pass)
{
    const bool alone = strcmp(backbone, "none") == 0;
    Comparison v;
    Case c;

    case_defaults(&c);
    REQUIRE(case_set(&c, "backbone", backbone) == OK);
    REQUIRE(case_set(&c, "module", module) == OK);
    REQUIRE(case_set(&c, "pass", pass) == OK);
    c.batch = alone ? 4 : 2; /* of fewer, norms of 1x1 maps have no gradient */
    c.channels = alone ? 128 : 0;
    c.height = c.width = alone ? 14 : 64;
    REQUIRE(case_complete(&c) == OK);
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, NULL) == OK);
    CHECK_MSG(v.rel_l2 <= v.limit, "%s with %s, pass=%s: %g of %g", backbone,
              module, pass, v.rel_l2, v.limit);
}

TEST(training, steps_of_modules_agree_with_their_definition)
{
    for (int i = 0; zoo_at(i); i++) {
        check_case("none", zoo_name(i), "backward");
        check_case("none", zoo_name(i), "train");
    }
}

TEST(training, steps_of_networks_agree_with_their_definition)
{
    check_case("resnet18", "se", "input_grad");
    check_case("resnet18", "se", "backward");
    check_case("resnet18", "se", "train");
    check_case("mobilenetv2_100", "none", "backward");
}
