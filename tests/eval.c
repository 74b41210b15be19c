/*
 * eval.c - runs small graphs on the definitions, for tests.
 */
#include "tests/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/plan.h"
#include "tests/sample.h"
#include "tests/test.h"

void eval_values(float *x, size_t n, const char *name)
{
    const size_t length = strlen(name);
    uint64_t state = 1;

    for (const char *p = name; *p; p++)
        state = state * 31 + (unsigned char)*p;
    sample_fill(&state, x, n);
    if (length >= 3 && strcmp(name + length - 3, "var") == 0)
        for (size_t i = 0; i < n; i++)
            x[i] = 1 + x[i] / 2;
}

void eval_fill(Graph *g)
{
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (!tensor_is_weight(t) || t->host)
            continue;
        BUG_IF(graph_alloc_host(t) != OK);
        eval_values(t->host, tensor_count(t), t->name);
    }
}

Tensor *eval_weight(Graph *g, const char *name, Dims dims, const float *values)
{
    Tensor *t = graph_weight(g, name, dims);

    if (!t)
        return NULL;
    BUG_IF(graph_alloc_host(t) != OK);
    memcpy(t->host, values, tensor_count(t) * sizeof(float));
    return t;
}

Tensor *eval_constant(Graph *g, const char *name, Dims dims, float value)
{
    Tensor *t = graph_weight(g, name, dims);

    if (!t)
        return NULL;
    BUG_IF(graph_alloc_host(t) != OK);
    for (size_t i = 0; i < tensor_count(t); i++)
        t->host[i] = value;
    return t;
}

static int run(Device *dev, Graph *g, Tensor *t, float *result)
{
    Plan *plan;
    int err;

    TRY(plan_new(&plan, dev, g));
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *x = graph_at(g, i);
        float *values;

        if (x->role != ROLE_INPUT)
            continue;
        values = malloc(tensor_count(x) * sizeof(float));
        BUG_IF(!values);
        eval_values(values, tensor_count(x), x->name);
        BUG_IF(plan_set(plan, x, values) != OK);
        free(values);
    }
    err = plan_run(plan);
    if (!err)
        err = plan_get(plan, t, result);
    plan_free(plan);
    return err;
}

float *eval_on(const Backend *backend, Graph *g, Tensor *t)
{
    const DeviceSettings settings = { 0, "" };
    Device *dev = NULL;
    float *result = NULL;
    int err = graph_error(g);

    if (!err)
        err = backend->open(&dev, &settings);
    if (!err) {
        eval_fill(g);
        graph_output(g, "evaluated", t);
        result = malloc(tensor_count(t) * sizeof(float));
        BUG_IF(!result);
        err = run(dev, g, t, result);
        backend->close(dev);
    }
    CHECK_MSG(!err, "%s", err_message());
    if (!err)
        return result;
    free(result);
    return NULL;
}

float *eval(Graph *g, Tensor *t)
{
    return eval_on(&ref_backend, g, t);
}

double eval_error(const float *a, const float *b, size_t n)
{
    double error = 0, norm = 0;

    for (size_t i = 0; i < n; i++) {
        error += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    return error == 0 ? 0 : sqrt(error / norm);
}

void eval_same(const char *file, int line, Graph *g, Tensor *a, Tensor *b,
               double tol)
{
    char one[DIMS_TEXT], other[DIMS_TEXT];
    float *x, *y;
    double error;

    if (graph_error(g)) {
        test_failed(file, line, "%s", err_message());
        return;
    }
    if (!tensor_same_dims(a, b)) {
        test_failed(file, line, "dims %s and %s", tensor_dims_text(a, one),
                    tensor_dims_text(b, other));
        return;
    }
    x = eval(g, a);
    y = eval(g, b);
    error = x && y ? eval_error(x, y, tensor_count(a)) : 0;
    if (!(error <= tol))
        test_failed(file, line,
                    "they differ: relative L2 error %.3g, allowed "
                    "%.3g",
                    error, tol);
    free(x);
    free(y);
}
