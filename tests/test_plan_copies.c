/*
 * test_plan_copies.c - copies of a plan compute what the plan computes, each in
 * memory of its own.
 *
 * To show the latter, all memory of the copies that are not to run is filled
 * with NaN before one does.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/core/plan.h"
#include "tests/eval.h"
#include "tests/fake_device.h"
#include "tests/on_simt.h"
#include "tests/stored.h"
#include "tests/test.h"

enum { COPIES = 3, MOST_OUTPUTS = 256 };

static size_t bytes_of(const Plan *plan, const Graph *g)
{
    size_t bytes = plan_arena_bytes(plan);

    for (int i = 0; i < graph_size(g); i++)
        if (tensor_is_weight(graph_at(g, i)))
            bytes += tensor_bytes(graph_at(g, i));
    return bytes;
}

static void set_inputs(Plan *plan, const Graph *g)
{
    for (int i = 0; network_input(g, i); i++) {
        Tensor *t = network_input(g, i);
        float *x = malloc(tensor_count(t) * sizeof(*x));

        BUG_IF(!x);
        network_seed_input(x, t, 1);
        CHECK(plan_set(plan, t, x) == OK);
        free(x);
    }
}

/* Fills the memory of all tensors of the copy in use. */
static void spoil(Device *dev, const Graph *g)
{
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        void *bad = malloc(tensor_bytes(t));

        BUG_IF(!bad);
        memset(bad, 0xff, tensor_bytes(t)); /* a NaN in every dtype */
        if (tensor_storage(t)->data)        /* else it is packed, and dropped */
            CHECK(dev->backend->upload(dev, t->data, bad, tensor_bytes(t)) ==
                  OK);
        free(bad);
    }
}

static void forget(float **values, int n)
{
    for (int i = 0; i < n; i++)
        free(values[i]);
}

/* Runs copy i twice after copies before it were spoilt; its outputs. */
static void run_copy(float **values, Plan *plan, const Graph *g, int i)
{
    float *first[MOST_OUTPUTS];

    plan_use(plan, i);
    CHECK_MSG(network_run_plan(first, plan, g) == OK, "%s", err_message());
    CHECK_MSG(network_run_plan(values, plan, g) == OK, "%s", err_message());
    forget(first, graph_outputs(g));
}

static void check_same_outputs(float *const *got, float *const *want,
                               const Graph *g, const char *what)
{
    for (int i = 0; i < graph_outputs(g); i++) {
        const char *name;
        const size_t n = tensor_count(graph_output_at(g, i, &name));
        bool finite = true;

        for (size_t k = 0; k < n; k++)
            finite &= isfinite(want[i][k]) != 0;
        CHECK_MSG(finite, "%s: %s is not finite", what, name);
        CHECK_MSG(!memcmp(got[i], want[i], n * sizeof(float)),
                  "%s: %s differs: %g, not %g", what, name, got[i][0],
                  want[i][0]);
    }
}

/* The first copy is the plan: what it computes is right by other tests. */
static void check_copies(Device *dev, const Case *c, const char *what)
{
    const WeightValues values = { .seed = 1 };
    float *want[MOST_OUTPUTS], *got[MOST_OUTPUTS];
    Plan *plan;
    Graph *g;

    REQUIRE(network_build(&g, c, &values, TAPS_NONE) == OK);
    BUG_IF(graph_outputs(g) > MOST_OUTPUTS);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    CHECK_MSG(plan_copies(plan, (COPIES - 1) * bytes_of(plan, g) + 1) == OK,
              "%s: %s", what, err_message());
    CHECK(plan_ncopies(plan) == COPIES);
    plan_drop_packed(plan);
    set_inputs(plan, g);
    run_copy(want, plan, g, 0);
    spoil(dev, g);
    for (int i = 1; i < COPIES; i++) {
        run_copy(got, plan, g, i);
        check_same_outputs(got, want, g, what);
        forget(got, graph_outputs(g));
        spoil(dev, g);
    }
    forget(want, graph_outputs(g));
    plan_free(plan);
    graph_free(g);
}

static void check_modules(Device *dev, const char *how)
{
    for (int m = 0; zoo_at(m); m++) {
        Case c = stored_case(how);

        REQUIRE(case_set(&c, "module", zoo_name(m)) == OK);
        check_copies(dev, &c, zoo_name(m));
    }
}

TEST(plan_copies, compute_what_the_plan_does)
{
    FakeDevice *fake = fake_open();

    check_modules(&fake->base, "module=se channels=128 height=7 width=7 "
                               "dtype=f16");
    check_modules(&fake->base, "module=se channels=128 height=7 width=7 "
                               "pass=backward");
    fake_backend.close(&fake->base);
}

/* Where steps have memory of their own: packed weights, tables. */
TEST(plan_copies, compute_it_with_the_cuda_kernels)
{
    const Case fused = stored_case("module=scsa impl=fused channels=64 "
                                   "height=8 width=8 batch=2 dtype=f16");
    Device *dev = simt_device();

    check_modules(dev, "module=se channels=128 height=7 width=7");
    check_copies(dev, &fused, "scsa, fused");
    simt_device_close(dev);
}

/* Each from the first values of its weights, which are its own. */
TEST(plan_copies, are_trained_one_by_one)
{
    static const char *const modules[] = { "scsa", "cpca", "fca" };
    FakeDevice *fake = fake_open();
    Device *dev = simt_device();

    for (int i = 0; i < 3; i++) {
        Case c = stored_case("module=se channels=32 height=7 width=7 batch=4 "
                             "pass=train");

        REQUIRE(case_set(&c, "module", modules[i]) == OK);
        check_copies(&fake->base, &c, modules[i]);
        check_copies(dev, &c, modules[i]);
    }
    simt_device_close(dev);
    fake_backend.close(&fake->base);
}

/* Where a weight's memory is the host's: copies have their own, of what is not
 * packed from there again and again. */
TEST(plan_copies, compute_it_on_the_cpu)
{
    Case c = stored_case("module=scsa channels=64 height=8 width=8 batch=4");
    Graph *g;
    Plan *plan;
    Device *dev;

    REQUIRE(backend_open(&dev, "cpu", &(DeviceSettings){ 1, "" }) == OK);
    check_copies(dev, &c, "forward");
    c.pass = PASS_BACKWARD;
    check_copies(dev, &c, "backward");
    c.pass = PASS_TRAIN;
    REQUIRE(network_build(&g, &c, &(WeightValues){ .seed = 1 }, TAPS_NONE) ==
            OK);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    CHECK(plan_copies(plan, 1) == ERR_UNSUPPORTED);
    CHECK(strstr(err_message(), "packed from the host's memory"));
    plan_free(plan);
    graph_free(g);
    backend_close(dev);
}

/* ---- how many ----------------------------------------------------------- */

/* A relu of 32 numbers: 128 bytes for x, as many for y. */
static Plan *small_plan(Device *dev, Graph *g)
{
    Plan *plan = NULL;

    graph_output(g, "y", op_relu(g, graph_input(g, "x", DIMS(1, 32))));
    BUG_IF(plan_new(&plan, dev, g));
    BUG_IF(plan_arena_bytes(plan) != 256);
    return plan;
}

static int copies_for(size_t bytes)
{
    FakeDevice *fake = fake_open();
    Graph *g = graph_new();
    Plan *plan = small_plan(&fake->base, g);
    const int err = plan_copies(plan, bytes), n = plan_ncopies(plan);

    plan_free(plan);
    graph_free(g);
    fake_backend.close(&fake->base);
    return err ? err : n;
}

TEST(plan_copies, are_two_or_what_fills_the_bytes)
{
    CHECK(copies_for(1) == 2);
    CHECK(copies_for(512) == 2);
    CHECK(copies_for(513) == 3);
    CHECK(copies_for(2560) == 10);
    CHECK(copies_for((size_t)256 << 14) == 1 << 14);
    CHECK(copies_for(((size_t)256 << 14) + 1) == ERR_UNSUPPORTED);
    CHECK_MSG(!strcmp(err_message(),
                      "256 bytes of activations and weights are too few to "
                      "fill 4.0 MiB: more than 16384 copies of them would have "
                      "to be run in turn"),
              "%s", err_message());
}

TEST(plan_copies, take_turns)
{
    FakeDevice *fake = fake_open();
    Graph *g = graph_new();
    Plan *plan = small_plan(&fake->base, g);
    const Tensor *x = graph_at(g, 0);
    void *at[4];

    plan_use_next(plan); /* without copies: nothing */
    REQUIRE(plan_copies(plan, 4 * 256) == OK);
    for (int i = 0; i < 4; i++, plan_use_next(plan)) {
        at[i] = x->data;
        for (int k = 0; k < i; k++)
            CHECK(labs((char *)at[k] - (char *)at[i]) >= 256);
    }
    CHECK(x->data == at[0]);
    plan_free(plan);
    graph_free(g);
    fake_backend.close(&fake->base);
}

/* ---- memory ------------------------------------------------------------- */

static int allocated, refuse_after;

static int count_alloc(Device *dev, void **out, size_t bytes)
{
    *out = NULL;
    if (refuse_after-- == 0)
        return fail(ERR_MEMORY, "no memory at all");
    allocated++;
    return host_alloc(dev, out, bytes);
}

static void count_release(Device *dev, void *p)
{
    allocated -= p != NULL;
    host_release(dev, p);
}

/* A plan that could not be copied runs as before, and nothing is left. */
TEST(plan_copies, for_which_there_is_no_memory)
{
    FakeDevice *fake = fake_open();
    Graph *g = graph_new();
    Backend counts = fake_backend;
    const float x[32] = { -1, 2 };
    float y[32];
    Plan *plan;

    counts.alloc = count_alloc;
    counts.release = count_release;
    fake->base.backend = &counts;
    refuse_after = -1;
    allocated = 0;
    plan = small_plan(&fake->base, g);
    refuse_after = 0;
    CHECK(plan_copies(plan, 2560) == ERR_MEMORY);
    CHECK_MSG(!strcmp(err_message(), "10 copies of 0.0 MiB of activations and "
                                     "weights, to be run in turn: no memory at "
                                     "all"),
              "%s", err_message());
    CHECK(plan_ncopies(plan) == 1 && allocated == 1);
    CHECK(plan_set(plan, graph_at(g, 0), x) == OK && plan_run(plan) == OK);
    CHECK(plan_get(plan, graph_output_named(g, "y"), y) == OK);
    CHECK(y[0] == 0 && y[1] == 2);
    refuse_after = -1;
    CHECK(plan_copies(plan, 2560) == OK && allocated == 2);
    plan_free(plan);
    CHECK(allocated == 0);
    graph_free(g);
    fake_backend.close(&fake->base);
}
