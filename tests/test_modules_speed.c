/*
 * test_modules_speed.c - modules as one op against their floor, a copy of the
 * map, and against their composed form; only in make speed, and needs a quiet
 * machine.  MODULE=se restricts it.
 *
 * Batch 8 at the stages of ResNet-50, f32, all cores; medians.  Copy and fused
 * take turns in one process, each after a run of its own that is not timed;
 * then fused and composed, as the tensors of composed would push the map that
 * is copied out of the cache.  "in place" is what a network does: the result
 * is written over its source, which nobody reads again.  Compared with
 * PyTorch: see kernels/cpu/SPEED.md.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "kernels/core/host.h"
#include "kernels/core/plan.h"
#include "kernels/cpu/cpu.h"
#include "tests/sample.h"
#include "tests/test.h"

enum { N = 8, ROUNDS = 201 };

/* A module on one map: the kernel of the fused op, and a plan of the graph. */
typedef struct Bench {
    Device *dev;
    Graph *fused, *composed;
    Tensor *x, *y;
    const Kernel *kernel;
    void *state;
    Plan *plan;
} Bench;

/* A stage of ResNet-50. */
typedef struct Stage {
    int C, size;
} Stage;

/* Settings as they are there; SA has half as many groups at the first. */
static void settle(const Module *module, void *settings, Stage s)
{
    const bool few = !strcmp(module->name, "sa") && s.C < 128;

    if (module->params)
        param_defaults(module->params, settings);
    if (few)
        BUG_IF(param_set(param_find(module->params, "group_num"), settings,
                         "32") != OK);
}

static Tensor *build(Graph *g, const Module *module, bool fused, Stage s,
                     Tensor **x)
{
    _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };
    uint64_t state = 7;
    Tensor *y;

    settle(module, settings, s);
    *x = graph_input(g, "input", DIMS(N, s.C, s.size, s.size));
    y = fused ? zoo_fuse(g, module, *x, settings)
              : module->build(g, *x, settings);
    BUG_IF(!y);
    graph_output(g, "output", y);
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (!tensor_is_weight(t))
            continue;
        BUG_IF(graph_alloc_host(t) != OK);
        sample_fill(&state, t->host, tensor_count(t));
        for (size_t k = 0; t->role == ROLE_BUFFER && k < tensor_count(t); k++)
            t->host[k] = 1 + t->host[k] / 2;
    }
    return y;
}

static void allocate(Device *dev, Tensor *t)
{
    uint64_t state = 5;

    BUG_IF(dev->backend->alloc(dev, &t->data, tensor_bytes(t)) != OK);
    sample_fill(&state, t->data, tensor_count(t));
}

static void bench_open(Bench *b, const Module *module, Stage s)
{
    Tensor *x;

    *b = (Bench){ .fused = graph_new(), .composed = graph_new() };
    BUG_IF(cpu_backend.open(&b->dev, &(DeviceSettings){ .isa = "" }) != OK);
    b->y = build(b->fused, module, true, s, &b->x);
    allocate(b->dev, b->x);
    allocate(b->dev, b->y);
    for (const Kernel *const *k = b->dev->kernels; *k && !b->kernel; k++)
        b->kernel = kernel_takes(*k, b->y) ? *k : NULL;
    BUG_IF(!b->kernel || b->kernel->plan(b->dev, b->y, &b->state) != OK);
    build(b->composed, module, false, s, &x);
    BUG_IF(plan_new(&b->plan, b->dev, b->composed) != OK);
    BUG_IF(plan_set(b->plan, x, b->x->data) != OK);
}

static void bench_close(Bench *b)
{
    plan_free(b->plan);
    if (b->kernel->release)
        b->kernel->release(b->state);
    else
        free(b->state);
    b->dev->backend->release(b->dev, b->x->data);
    b->dev->backend->release(b->dev, b->y->data);
    graph_free(b->fused);
    graph_free(b->composed);
    b->dev->backend->close(b->dev);
}

/* ---- the four ------------------------------------------------------------ */

static void copy(const Bench *b)
{
    const size_t bytes = tensor_bytes(b->x);

#pragma omp parallel num_threads(b->dev->threads)
    {
        const size_t n = (size_t)omp_get_num_threads();
        const size_t i = (size_t)omp_get_thread_num();
        const size_t begin = bytes * i / n, end = bytes * (i + 1) / n;

        memcpy((char *)b->y->data + begin, (char *)b->x->data + begin,
               end - begin);
    }
}

static void fused(const Bench *b)
{
    BUG_IF(b->kernel->run(b->dev, b->y, b->state) != OK);
}

/* Over y, which is used up: gates are below 1. */
static void in_place(const Bench *b)
{
    void *x = b->x->data;

    if (!(b->kernel->inplace & 1))
        return;
    b->x->data = b->y->data;
    BUG_IF(b->kernel->run(b->dev, b->y, b->state) != OK);
    b->x->data = x;
}

static void composed(const Bench *b)
{
    BUG_IF(plan_run(b->plan) != OK);
}

enum { IN_PLACE, COPY, FUSED, COMPOSED, NLANES };
static void (*const lanes[])(const Bench *b) = {
    [IN_PLACE] = in_place,
    [COPY] = copy,
    [FUSED] = fused,
    [COMPOSED] = composed,
};

/* ---- medians ------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Times lanes first to last, interleaved. */
static void measure(const Bench *b, double *median, int first, int last)
{
    static double ns[NLANES][ROUNDS];

    b->dev->backend->clock_start(b->dev);
    for (int r = 0; r < ROUNDS; r++)
        for (int k = first; k <= last; k++) {
            double start;

            lanes[k](b);
            start = host_now_ns();
            lanes[k](b);
            ns[k][r] = host_now_ns() - start;
        }
    for (int k = first; k <= last; k++) {
        qsort(ns[k], ROUNDS, sizeof(ns[k][0]), ascending);
        median[k] = ns[k][ROUNDS / 2];
    }
}

static void say(const Module *module, Stage s)
{
    double ns[NLANES], composed[NLANES];
    Bench b;

    bench_open(&b, module, s);
    measure(&b, ns, IN_PLACE, FUSED);
    measure(&b, composed, FUSED, COMPOSED);
    printf("    %-8s %3dx%2dx%2d %8.1f %7.1f %9.1f %9.1f %11.2f %14.2f\n",
           module->name, s.C, s.size, s.size, ns[COPY] / 1e3, ns[FUSED] / 1e3,
           ns[IN_PLACE] / 1e3, composed[COMPOSED] / 1e3, ns[FUSED] / ns[COPY],
           composed[COMPOSED] / composed[FUSED]);
    fflush(stdout);
    bench_close(&b);
}

TEST(modules_speed, fused_next_to_a_copy_and_composed)
{
    static const Stage stages[] = {
        { 64, 56 }, { 128, 28 }, { 256, 14 }, { 512, 7 }
    };
    const char *only = getenv("MODULE");
    const Module *module;

    if (!getenv("SPEED"))
        SKIP("a benchmark: make speed");
    printf("    us, batch %d:          copy   fused  in place  composed "
           " fused/copy composed/fused\n",
           N);
    for (int i = 0; (module = zoo_at(i)); i++)
        for (size_t k = 0; k < sizeof(stages) / sizeof(stages[0]); k++)
            if (zoo_can_fuse(module) && (!only || !strcmp(only, module->name)))
                say(module, stages[k]);
}
