/*
 * culprit.c - compares every step of a graph with its definition.
 */
#include "harness/check/culprit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/check/verify.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"

/* An error below this is rounding in f32; in short types all are more. */
static const double ROUNDING = 1e-6;

/* How much more a step has to be off than what it reads. */
static const double STANDS_OUT = 10;

/* Results of the steps of a graph; NULL where a tensor is no step. */
typedef struct Run {
    float **value; /* by tensor id  */
    const char **kernel;
} Run;

static bool is_step(const Tensor *t)
{
    return t->role == ROLE_NODE && !t->op->view && !t->op->updates;
}

static int run_new(Run *run, const Graph *g)
{
    const size_t n = (size_t)graph_size(g) + 1;

    run->value = calloc(n, sizeof(*run->value));
    run->kernel = calloc(n, sizeof(*run->kernel));
    return run->value && run->kernel ? OK : fail(ERR_MEMORY, "no memory");
}

static void run_free(Run *run, const Graph *g)
{
    for (int i = 0; run->value && i < graph_size(g); i++)
        free(run->value[i]);
    free(run->value);
    free(run->kernel);
}

static int read_steps(Run *run, Plan *plan)
{
    for (int i = 0; i < plan_steps(plan); i++) {
        const Kernel *kernel;
        const Tensor *t = plan_step(plan, i, &kernel);

        if (!is_step(t))
            continue;
        run->value[t->id] = malloc(tensor_count(t) * sizeof(float));
        if (!run->value[t->id])
            return fail(ERR_MEMORY, "no memory for %zu numbers",
                        tensor_count(t));
        run->kernel[t->id] = kernel->name;
        TRY(plan_get(plan, t, run->value[t->id]));
    }
    return OK;
}

static int run_steps(Run *run, Graph *g, Device *dev, float *const *inputs)
{
    Plan *plan = NULL;
    int err = plan_new(&plan, dev, g);

    for (int i = 0; !err && network_input(g, i); i++)
        err = plan_set(plan, network_input(g, i), inputs[i]);
    if (!err)
        err = plan_run(plan);
    if (!err)
        err = read_steps(run, plan);
    plan_free(plan);
    return err;
}

/* 0 for what should be 0: a rounding of its terms says nothing. */
static double error_of(const Tensor *t, const Run *got, const Run *want)
{
    const size_t n = tensor_count(tensor_storage(t));
    const float *x, *y;
    double error;

    t = tensor_storage(t);
    x = got->value[t->id];
    y = want->value[t->id];
    if (!x || !y)
        return 0;
    error = verify_error(x, y, n);
    if (isinf(error) && isfinite(verify_error_beside(x, y, n, 1)))
        return 0;
    return error;
}

/* Error of t relative to that of what it reads: INFINITY where t is the first
 * that is not finite, 0 where it has that from what it reads. */
static double growth_of(const Tensor *t, const Run *got, const Run *want)
{
    const double own = error_of(t, got, want);
    double before = ROUNDING;

    for (int k = 0; k < MAX_SRC; k++) {
        const double e = t->src[k] ? error_of(t->src[k], got, want) : 0;

        if (!isfinite(e))
            return 0;
        before = fmax(before, e);
    }
    return isfinite(own) ? own / before : INFINITY;
}

static const Tensor *find(const Graph *g, const Run *got, const Run *want)
{
    const Tensor *worst = NULL;
    double most = STANDS_OUT;

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        const double growth = is_step(t) ? growth_of(t, got, want) : 0;

        if (growth > most) {
            worst = t;
            most = growth;
        }
    }
    return worst;
}

static void name_step(char text[CULPRIT_TEXT], const Tensor *t, const Run *got,
                      const Run *want)
{
    char dims[DIMS_TEXT];

    snprintf(text, CULPRIT_TEXT, "%.100s%s%s by %s, %s, off by %.2g", t->name,
             t->name[0] ? ": " : "", t->op->name, got->kernel[t->id],
             tensor_dims_text(t, dims), error_of(t, got, want));
}

static int compare(char text[CULPRIT_TEXT], Graph *g, Device *dev,
                   float *const *inputs, Run *got, Run *want)
{
    Device *ref;
    const Tensor *t;
    int err;

    TRY(run_new(got, g));
    TRY(run_new(want, g));
    TRY(run_steps(got, g, dev, inputs));
    TRY(ref_backend.open(&ref, NULL));
    err = run_steps(want, g, ref, inputs);
    ref_backend.close(ref);
    t = err ? NULL : find(g, got, want);
    if (t)
        name_step(text, t, got, want);
    return err;
}

void culprit_find(char text[CULPRIT_TEXT], Graph *g, Device *dev,
                  float *const *inputs)
{
    Run got = { NULL }, want = { NULL };
    char name[24];

    text[0] = '\0';
    if (graph_is_training(g)) /* the first run changes what the second reads */
        return;
    for (int i = 0; i < graph_size(g); i++) {
        snprintf(name, sizeof(name), "step %d", i);
        if (is_step(graph_at(g, i)))
            graph_output(g, name, graph_at(g, i));
    }
    (void)compare(text, g, dev, inputs, &got, &want);
    run_free(&got, g);
    run_free(&want, g);
}
