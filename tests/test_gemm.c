/*
 * test_gemm.c - linear and matmul as column-major products: the numbers that
 * BLAS would multiply, multiplied here in plain loops, against the ops'
 * definitions.
 */
#include "kernels/cuda/library/gemm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/eval.h"
#include "tests/kernel_cases.h"
#include "tests/test.h"

/* A case as a graph of one op, whose tensors have memory. */
static Tensor *build(Graph *g, const KernelCase *c)
{
    Tensor *src[MAX_SRC], *out;

    for (int k = 0; k < MAX_SRC; k++)
        src[k] = kernel_case_source(g, c, k);
    out = graph_apply(g, c->op, c->attr, src);
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);
        const size_t n = tensor_count(t);
        float *data = malloc(n * sizeof(*data));

        eval_values(data, n, t->name);
        t->data = data;
    }
    return out;
}

static void destroy(Graph *g)
{
    for (int i = 0; i < graph_size(g); i++)
        free(graph_at(g, i)->data);
    graph_free(g);
}

static size_t offset(const GemmMatrix *m, int call, int batch, int64_t row,
                     int64_t column)
{
    const int64_t i = m->transposed ? column : row;
    const int64_t j = m->transposed ? row : column;

    CHECK(i < m->rows && j < m->columns && m->ld >= m->rows);
    return (size_t)(i + j * m->ld + batch * m->batch + call * m->call);
}

static double inner(const Gemm *g, const Tensor *out, int call, int batch,
                    int64_t i, int64_t j)
{
    const float *a = out->src[g->a_source]->data;
    const float *b = out->src[g->b_source]->data;
    double sum = 0;

    for (int64_t k = 0; k < g->k; k++)
        sum += (double)a[offset(&g->a, call, batch, i, k)] *
               b[offset(&g->b, call, batch, k, j)];
    return sum;
}

/* Writes what BLAS would, into a NaN-filled y. */
static void multiply(const Gemm *g, const Tensor *out, double scale, float *y)
{
    const Tensor *bias = out->op == &linear_def ? out->src[2] : NULL;

    for (int call = 0; call < g->calls; call++)
        for (int batch = 0; batch < g->batch; batch++)
            for (int64_t i = 0; i < g->m; i++)
                for (int64_t j = 0; j < g->n; j++) {
                    float *d = &y[offset(&g->d, call, batch, i, j)];

                    CHECK_MSG(isnan(*d), "written twice");
                    *d = (float)(scale * inner(g, out, call, batch, i, j) +
                                 (bias ? ((float *)bias->data)[i] : 0));
                }
}

static void check_case(const KernelCase *c)
{
    Graph *graph = graph_new();
    const Tensor *out = build(graph, c);
    const bool matmul = c->op == &matmul_def;
    const Gemm g = matmul ? gemm_of_matmul(out) : gemm_of_linear(out);
    const double scale = matmul ? ((const MatmulAttr *)c->attr)->scale : 1;
    const size_t n = tensor_count(out);
    float *y = malloc(n * sizeof(*y)), *want = out->data;

    for (size_t i = 0; i < n; i++)
        y[i] = NAN;
    multiply(&g, out, scale, y);
    CHECK(c->op->ref(out) == OK);
    CHECK_MSG(eval_error(y, want, n) < 1e-6, "%s: %s", c->op->name, c->why);
    CHECK(!g.d.transposed);
    CHECK((size_t)(g.m * g.n) * (size_t)g.batch * (size_t)g.calls == n);
    free(y);
    destroy(graph);
}

TEST(gemm, multiplies_what_linear_and_matmul_do)
{
    int n = 0;

    for (int i = 0; kernel_case_at(i); i++) {
        const KernelCase *c = kernel_case_at(i);

        if (c->op != &linear_def && c->op != &matmul_def)
            continue;
        check_case(c);
        n++;
    }
    CHECK(n > 30);
}

/* Maps and filters whose gradients are those of a linear. */
static void check_gradient(const Op *op, Dims a, Dims b, int side)
{
    const Conv2dGradAttr attr = { { .stride = 1, .groups = 1 }, side, side };
    KernelCase c = { .op = op, .attr = &attr, .why = "of a linear" };

    c.src[0].rank = a.rank;
    c.src[1].rank = b.rank;
    memcpy(c.src[0].dim, a.dim, sizeof(a.dim));
    memcpy(c.src[1].dim, b.dim, sizeof(b.dim));
    check_case(&c);
}

TEST(gemm, multiplies_what_the_gradients_of_a_1x1_do)
{
    check_gradient(&conv2d_grad_x_def, DIMS(2, 7, 5, 5), DIMS(7, 3, 1, 1), 5);
    check_gradient(&conv2d_grad_x_def, DIMS(1, 3, 1, 1), DIMS(3, 8, 1, 1), 1);
    check_gradient(&conv2d_grad_w_def, DIMS(2, 7, 5, 5), DIMS(2, 3, 5, 5), 1);
    check_gradient(&conv2d_grad_w_def, DIMS(1, 3, 1, 1), DIMS(1, 8, 1, 1), 1);
}

static Gemm matmul_of(Dims a, Dims b, MatmulAttr attr, bool a_is_stack)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "a", a), *y = graph_input(g, "b", b);
    Gemm gemm;

    if (a_is_stack)
        x->layout = ROW_MAJOR;
    gemm = gemm_of_matmul(op_matmul(g, x, y, &attr));
    CHECK(graph_error(g) == OK);
    graph_free(g);
    return gemm;
}

TEST(gemm, one_call_where_one_stride_is_enough)
{
    const MatmulAttr scores = { .groups = 4, .trans_b = true };
    Gemm g;

    g = matmul_of(DIMS(8, 64, 49), DIMS(8, 64, 49),
                  (MatmulAttr){ .trans_b = 1 }, false);
    CHECK(g.calls == 1 && g.batch == 8); /* one group: a batch of images */
    g = matmul_of(DIMS(1, 64, 49), DIMS(1, 64, 49), scores, false);
    CHECK(g.calls == 1 && g.batch == 4); /* one image: a batch of groups */
    g = matmul_of(DIMS(8, 64), DIMS(8, 64), scores, false);
    CHECK(g.calls == 1 && g.batch == 32); /* one position: groups in a row */
}

TEST(gemm, else_the_fewest_calls)
{
    const MatmulAttr values = { .groups = 4, .strip = true };
    const Gemm many =
        matmul_of(DIMS(8, 4, 16, 16), DIMS(8, 64, 49), values, true);
    const Gemm few =
        matmul_of(DIMS(2, 4, 16, 16), DIMS(2, 64, 49), values, true);

    CHECK(many.calls == 4 && many.batch == 8);
    CHECK(few.calls == 2 && few.batch == 4);
}
