/*
 * test_real_shapes.c - every op of every module and of ResNet-50, at the shapes
 * at which they use it: a GPU against the CPU.
 *
 * Each step of the networks is a graph of its own here, with random sources,
 * and runs on both devices as a plan would run it.  The CPU's kernels are those
 * that the definitions have vouched for; the definitions themselves would take
 * minutes.  Skipped without a GPU; that the comparison sees what is wrong is
 * tested on a device that is not there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/network/network.h"
#include "kernels/core/plan.h"
#include "kernels/cpu/cpu.h"
#include "tests/fake_device.h"
#include "tests/sample.h"
#include "tests/test.h"

enum { SEEN_MAX = 4096, BATCH = 8 };

/* The ResNets' stages, where modules stand. */
static const int stages[][2] = {
    { 64, 56 }, { 128, 28 }, { 256, 14 }, { 512, 7 }
};

typedef struct Check {
    Device *dev, *cpu;
    Dtype dtype;
    char *seen[SEEN_MAX]; /* what was compared already, as text */
    int nseen, nwrong;
    bool quiet; /* wrong steps are counted, and no failures of the test */
} Check;

/* An op with its sources' shapes and its attributes, as text. */
static char *describe(const Tensor *t)
{
    char *text = NULL, dims[DIMS_TEXT];
    size_t size;
    FILE *f = open_memstream(&text, &size);

    BUG_IF(!f);
    fprintf(f, "%s", t->op->name);
    for (int k = 0; k < MAX_SRC; k++)
        if (t->src[k])
            fprintf(f, " %s%s%s", tensor_is_weight(t->src[k]) ? "w" : "",
                    t->src[k]->layout == ROW_MAJOR ? "r" : "",
                    tensor_dims_text(t->src[k], dims));
        else if (k < t->op->sources + t->op->optional)
            fprintf(f, " -");
    for (size_t i = 0; i < t->op->attr_size; i++)
        fprintf(f, "%s%02x", i ? "" : " ", ((const unsigned char *)t->attr)[i]);
    fclose(f);
    return text;
}

static bool is_new(Check *c, const Tensor *t)
{
    char *text = describe(t);

    for (int i = 0; i < c->nseen; i++)
        if (!strcmp(c->seen[i], text)) {
            free(text);
            return false;
        }
    BUG_IF(c->nseen == SEEN_MAX);
    c->seen[c->nseen++] = text;
    return true;
}

/* In [-1,1), or variances in [0.5,1.5), as dtype has them. */
static float *values_of(const Check *c, const Op *op, const Tensor *t, int k,
                        uint64_t *state)
{
    const size_t n = tensor_count(t);
    float *x = malloc(n * sizeof(*x));

    BUG_IF(!x);
    sample_fill(state, x, n);
    for (size_t i = 0; i < n; i++) {
        if (op == &batch_norm_def && k == 4)
            x[i] = 1 + x[i] / 2;
        if (c->dtype != TF32)
            x[i] = dtype_round(c->dtype, x[i]);
    }
    return x;
}

/* The step alone: a graph whose sources are inputs and weights. */
typedef struct Alone {
    Graph *g;
    Tensor *src[MAX_SRC], *out;
    float *values[MAX_SRC];
} Alone;

static void alone_make(Alone *a, const Check *c, const Tensor *t)
{
    uint64_t state = 1;

    *a = (Alone){ .g = graph_new() };
    for (int k = 0; k < MAX_SRC; k++) {
        const Tensor *s = t->src[k];
        Dims dims = { 0 };
        char name[24];

        if (!s)
            continue;
        snprintf(name, sizeof(name), "source%d", k);
        dims.rank = s->rank;
        memcpy(dims.dim, s->dim, sizeof(s->dim));
        a->src[k] = tensor_is_weight(s) ? graph_weight(a->g, name, dims)
                                        : graph_input(a->g, name, dims);
        a->src[k]->layout = s->layout;
        a->values[k] = values_of(c, t->op, s, k, &state);
    }
    a->out = graph_apply(a->g, t->op, t->attr, a->src);
    BUG_IF(!a->out);
    graph_output(a->g, "out", a->out);
}

static void alone_free(Alone *a)
{
    for (int k = 0; k < MAX_SRC; k++)
        free(a->values[k]);
    graph_free(a->g);
}

/* The step on dev, in dtype; PyTorch's order, to be freed.  NULL: failed. */
static float *run_on(const Alone *a, Device *dev, Dtype dtype)
{
    float *y = malloc(tensor_count(a->out) * sizeof(*y));
    Plan *plan = NULL;
    int err = OK;

    BUG_IF(!y);
    graph_set_dtype(a->g, dtype);
    for (int k = 0; k < MAX_SRC && !err; k++)
        if (a->src[k] && tensor_is_weight(a->src[k])) {
            err = graph_alloc_host(a->src[k]);
            if (!err)
                memcpy(a->src[k]->host, a->values[k],
                       tensor_count(a->src[k]) * sizeof(float));
        }
    if (!err)
        err = plan_new(&plan, dev, a->g);
    for (int k = 0; k < MAX_SRC && !err; k++)
        if (a->src[k] && !tensor_is_weight(a->src[k]))
            err = plan_set(plan, a->src[k], a->values[k]);
    if (!err)
        err = plan_run(plan);
    if (!err)
        err = plan_get(plan, a->out, y);
    plan_free(plan);
    if (!err)
        return y;
    free(y);
    return NULL;
}

/* Allowed error: in f32 twice what the op allows, because both have errors; in
 * other types twice what rounding the result costs, and at least half of the
 * type's rounding (tests/test_kernels.c). */
static double allowed(const Check *c, const Op *op, const float *want, size_t n)
{
    double error = 0, norm = 0;

    if (c->dtype == F32)
        return 2 * op->tol_f32;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)dtype_round(c->dtype, want[i]) - want[i];

        error += d * d;
        norm += (double)want[i] * want[i];
    }
    error = error > 0 ? sqrt(error / norm) : 0;
    return fmax(2 * error, dtype_epsilon(c->dtype) / 2);
}

static void wrong(Check *c, const Tensor *t, const char *where,
                  const char *what)
{
    char dims[DIMS_TEXT];

    c->nwrong++;
    if (!c->quiet)
        test_failed(__FILE__, __LINE__, "%s: %s -> %s in %s: %s", where,
                    t->op->name, tensor_dims_text(t, dims),
                    dtype_name(c->dtype), what);
}

static void compare(Check *c, const Tensor *t, const char *where,
                    const float *got, const float *want)
{
    const size_t n = tensor_count(t);
    const double limit = allowed(c, t->op, want, n);
    double error = 0, norm = 0;
    char what[80];

    for (size_t i = 0; i < n; i++) {
        const double d = (double)got[i] - want[i];

        error += d * d;
        norm += (double)want[i] * want[i];
    }
    error = error == 0 ? 0 : sqrt(error / norm);
    snprintf(what, sizeof(what), "error %.2g, allowed %.2g", error, limit);
    if (!(error <= limit))
        wrong(c, t, where, what);
}

static void check_step(Check *c, const Tensor *t, const char *where)
{
    float *want, *got = NULL;
    Alone a;

    if (t->role != ROLE_NODE || t->op->view || !is_new(c, t))
        return;
    alone_make(&a, c, t);
    want = run_on(&a, c->cpu, F32);
    if (want)
        got = run_on(&a, c->dev, c->dtype);
    if (got)
        compare(c, t, where, got, want);
    else
        wrong(c, t, where, err_message());
    free(want);
    free(got);
    alone_free(&a);
}

static void check_network(Check *c, const Case *network)
{
    char where[CASE_TEXT];
    Graph *g;

    if (network_build(&g, network, NULL, TAPS_NONE) == ERR_UNSUPPORTED)
        return; /* there is no such fused op */
    if (!g)
        return; /* a module that refuses this shape */
    case_print(network, where);
    for (int i = 0; i < graph_size(g); i++)
        check_step(c, graph_at(g, i), where);
    graph_free(g);
}

static Case module_case(const char *module, const char *impl, int batch,
                        const int stage[2])
{
    Case c;

    case_defaults(&c);
    BUG_IF(case_set(&c, "module", module) || case_set(&c, "impl", impl));
    c.batch = batch;
    c.channels = stage[0];
    c.height = c.width = stage[1];
    BUG_IF(case_complete(&c));
    return c;
}

static void check_modules(Check *c, int batch)
{
    static const char *const impls[] = { "composed", "fused" };

    for (size_t s = 0; s < sizeof(stages) / sizeof(stages[0]); s++)
        for (int m = 0; zoo_at(m); m++)
            for (int i = 0; i < 2; i++) {
                const Case one =
                    module_case(zoo_name(m), impls[i], batch, stages[s]);

                check_network(c, &one);
            }
}

static void check_resnet(Check *c)
{
    static const char *const graphs[] = { "as_written", "folded" };
    Case net;

    case_defaults(&net);
    BUG_IF(case_set(&net, "backbone", "resnet50"));
    net.batch = BATCH;
    BUG_IF(case_complete(&net));
    for (int i = 0; i < 2; i++) {
        BUG_IF(case_set(&net, "graph", graphs[i]));
        check_network(c, &net);
    }
}

static void end(Check *c)
{
    for (int i = 0; i < c->nseen; i++)
        free(c->seen[i]);
    backend_close(c->dev);
    backend_close(c->cpu);
}

static void check_gpu(Dtype dtype, void (*check)(Check *c))
{
    Check c = { .dtype = dtype };

    if (backend_open(&c.dev, "cuda", NULL))
        SKIP(err_message());
    REQUIRE(cpu_backend.open(&c.cpu, &(DeviceSettings){ .isa = "" }) == OK);
    check(&c);
    CHECK_MSG(c.nseen > 20, "only %d steps", c.nseen);
    printf("    compared: %d steps\n", c.nseen);
    end(&c);
}

static void modules(Check *c)
{
    check_modules(c, BATCH);
}

/* As many images as the experiments have at most. */
static void scsa(Check *c)
{
    static const char *const impls[] = { "composed", "fused" };

    for (size_t s = 0; s < sizeof(stages) / sizeof(stages[0]); s++)
        for (int i = 0; i < 2; i++) {
            const Case one = module_case("scsa", impls[i], 32, stages[s]);

            check_network(c, &one);
        }
}

TEST(real_shapes, modules_in_f32_agree_with_the_cpu)
{
    check_gpu(F32, modules);
}

TEST(real_shapes, modules_in_f16_agree_with_the_cpu)
{
    check_gpu(F16, modules);
}

TEST(real_shapes, modules_in_bf16_agree_with_the_cpu)
{
    check_gpu(BF16, modules);
}

TEST(real_shapes, resnet50_in_f32_agrees_with_the_cpu)
{
    check_gpu(F32, check_resnet);
}

TEST(real_shapes, resnet50_in_tf32_agrees_with_the_cpu)
{
    check_gpu(TF32, check_resnet);
}

TEST(real_shapes, resnet50_in_f16_agrees_with_the_cpu)
{
    check_gpu(F16, check_resnet);
}

TEST(real_shapes, scsa_of_32_images_in_f16_agrees_with_the_cpu)
{
    check_gpu(F16, scsa);
}

/* ---- the comparison itself ---------------------------------------------- */

/* Result for a small module on a device that is not there. */
static Check small(float factor, Dtype dtype)
{
    FakeDevice *fake = fake_open();
    Check c = { .dev = &fake->base, .dtype = dtype, .quiet = true };
    const Case one = module_case("cbam", "composed", 2, (int[]){ 32, 9 });

    fake->factor = factor;
    BUG_IF(cpu_backend.open(&c.cpu, &(DeviceSettings){ .isa = "" }));
    check_network(&c, &one);
    end(&c);
    return c;
}

TEST(real_shapes, every_step_is_compared_and_what_is_right_passes)
{
    for (int d = 0; d < NDTYPES; d++) {
        const Check c = small(1, (Dtype)d);

        CHECK_MSG(c.nseen > 8 && c.nwrong == 0, "%s: %d of %d are wrong",
                  dtype_name((Dtype)d), c.nwrong, c.nseen);
    }
}

/* One number of each result is half as large again, unless it is 0. */
TEST(real_shapes, one_wrong_number_of_a_step_is_seen)
{
    for (int d = 0; d < NDTYPES; d++) {
        const Check c = small(1.5f, (Dtype)d);

        CHECK_MSG(c.nwrong >= c.nseen - 3, "%s: only %d of %d are wrong",
                  dtype_name((Dtype)d), c.nwrong, c.nseen);
    }
}
