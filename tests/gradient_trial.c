/*
 * gradient_trial.c - a gradient times a direction, and the difference along it
 *
 * This file, the ops and the graph are compiled with float as double, and known
 * to the others by gradient_trial() alone: see tests.mk.
 */
#include "tests/gradient_trial.h"

#include <stdio.h>

#include "kernels/core/err.h"
#include "kernels/ops/grad.h"
#include "tests/kernel_cases.h"
#include "tests/sample.h"

enum { MOST = 6000 }; /* numbers in all, so that all cases take a second */

static const double STEP = 1e-5;

/* On either side of every corner; variances are positive. */
static void fill(const KernelCase *c, const Tensor *t, int k, uint64_t *state)
{
    const double most = k                                                 ? 1
                        : c->op == &relu6_def || c->op == &hard_swish_def ? 8
                                                                          : 3;
    float *x = t->data;

    for (size_t i = 0; i < tensor_count(t); i++) {
        x[i] = most * sample_float(state);
        if (k >= 0 &&
            (c->src[k].variance || (c->op == &batch_norm_def && k == 4)))
            x[i] = 1 + x[i] / 2;
    }
}

static void allocate(Tensor *t)
{
    t->data = t->op && t->op->view ? t->src[0]->data
                                   : calloc(tensor_count(t) + 1, sizeof(float));
    if (!t->data)
        abort();
}

static void run(const Graph *g, int from, int to)
{
    for (int i = from; i < to; i++) {
        const Tensor *t = graph_at(g, i);

        if (t->role == ROLE_NODE && !t->op->view)
            BUG_IF(t->op->ref(t));
    }
}

static double product(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double length(const float *a, size_t n)
{
    return sqrt(product(a, a, n));
}

/* out times dy, with src moved along v. */
static double along(const Tensor *out, const Tensor *dy, const Tensor *src,
                    const float *v, double step)
{
    const size_t n = tensor_count(src);
    float *x = src->data, *was = malloc(n * sizeof(*was));
    double value;

    if (!was)
        abort();
    memcpy(was, x, n * sizeof(*was));
    for (size_t i = 0; i < n; i++)
        x[i] += step * v[i];
    BUG_IF(out->op->ref(out));
    memcpy(x, was, n * sizeof(*was));
    free(was);
    value = product(out->data, dy->data, tensor_count(out));
    return value;
}

static double error_of(const Tensor *out, const Tensor *dy, const Tensor *src,
                       const Tensor *grad, uint64_t *state)
{
    const size_t n = tensor_count(src);
    float *v = malloc(n * sizeof(*v));
    double stated, seen, scale;

    if (!v)
        abort();
    sample_fill(state, v, n);
    stated = grad ? product(grad->data, v, n) : 0;
    /* of fourth order */
    seen =
        (8 * (along(out, dy, src, v, STEP) - along(out, dy, src, v, -STEP)) -
         along(out, dy, src, v, 2 * STEP) + along(out, dy, src, v, -2 * STEP)) /
        (12 * STEP);
    scale = (length(dy->data, tensor_count(dy)) / 1e3 +
             (grad ? length(grad->data, n) : 0)) *
            length(v, n) / sqrt((double)n);
    free(v);
    return fabs(stated - seen) / scale;
}

static bool has_rule(const Op *op)
{
    return op->grad || op->compose;
}

/* Sources without a gradient: the stored statistics of a batch norm,
 * targets. */
static bool is_given(const Tensor *out, int k)
{
    return out->src[k]->role == ROLE_BUFFER ||
           (out->op == &batch_norm_def && k >= 3) ||
           (out->op == &cross_entropy_def && k == 1);
}

static int sources_of(const Tensor *out, Tensor *wrt[MAX_SRC])
{
    int n = 0;

    for (int k = 0; k < MAX_SRC; k++)
        if (out->src[k] && !is_given(out, k))
            wrt[n++] = out->src[k];
    return n;
}

static void compare(GradientTrial *t, const KernelCase *c, Graph *g,
                    Tensor *out)
{
    Tensor *wrt[MAX_SRC], *grads[MAX_SRC];
    const int n = sources_of(out, wrt);
    Dims dims = { .rank = out->rank };
    uint64_t state = 1;
    Tensor *dy;

    memcpy(dims.dim, out->dim, sizeof(dims.dim));
    dy = graph_input(g, "dy", dims);
    dy->layout = out->layout;
    graph_grad(g, &(Gradient){ .of = out, .dy = dy, .wrt = wrt, .n = n },
               grads);
    t->tried = true;
    if (graph_error(g)) {
        snprintf(t->message, sizeof(t->message), "%s", err_message());
        return;
    }
    for (int i = 0; i < graph_size(g); i++)
        allocate(graph_at(g, i));
    for (int k = 0; k < MAX_SRC; k++)
        if (out->src[k])
            fill(c, out->src[k], k, &state);
    fill(c, dy, -1, &state);
    run(g, 0, graph_size(g));
    for (int i = 0; i < n; i++) {
        const double error = error_of(out, dy, wrt[i], grads[i], &state);

        if (grads[i] && !tensor_same_dims(grads[i], wrt[i]))
            snprintf(t->message, sizeof(t->message),
                     "the gradient of source %d has other dims", i);
        if (!(error <= t->error)) {
            t->error = error;
            t->source = i;
        }
    }
}

static void release(Graph *g)
{
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (!(t->op && t->op->view))
            free(t->data);
        t->data = NULL;
    }
    graph_free(g);
}

GradientTrial gradient_trial(int i)
{
    const KernelCase *c = kernel_case_at(i);
    Tensor *src[MAX_SRC], *out;
    GradientTrial t = { 0 };
    size_t numbers = 0;
    Graph *g;

    if (!c)
        return t;
    t.op = c->op->name;
    t.why = c->why;
    g = graph_new();
    for (int k = 0; k < MAX_SRC; k++) {
        src[k] = kernel_case_source(g, c, k);
        numbers += src[k] ? tensor_count(src[k]) : 0;
    }
    out = graph_apply(g, c->op, c->attr, src);
    if (out && has_rule(c->op) && numbers + tensor_count(out) <= MOST)
        compare(&t, c, g, out);
    release(g);
    return t;
}
