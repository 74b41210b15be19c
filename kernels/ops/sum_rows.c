/*
 * sum_rows.c - y[n, g K + k] = sum over m of x[n,g,m,k]
 *
 * The column sums of a stack of matrices, as the vector whose channels they
 * are: AFGCA sums its outer products so.  Bound by bytes.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0];
    char dims[DIMS_TEXT];

    TRY(want_rank(x, "x", 4, 4));
    if (x->layout != ROW_MAJOR)
        return fail(ERR_INPUT, "x %s is a map, wants a stack of matrices",
                    tensor_dims_text(x, dims));
    return shape_dims(out, DIMS(x->dim[0], x->dim[1] * x->dim[3]));
}

static Cost cost(const Tensor *out)
{
    return (Cost){
        .flops = (double)tensor_count(out->src[0]) - (double)tensor_count(out),
        .bytes = bytes_once(out),
    };
}

static int ref(const Tensor *out)
{
    const size_t M = (size_t)out->src[0]->dim[2],
                 K = (size_t)out->src[0]->dim[3];
    const size_t matrices = tensor_count(out) / K;

    for (size_t i = 0; i < matrices; i++)
        for (size_t k = 0; k < K; k++) {
            const float *x = (float *)out->src[0]->data + i * M * K + k;
            double sum = 0;

            for (size_t m = 0; m < M; m++)
                sum += x[m * K];
            ((float *)out->data)[i * K + k] = (float)sum;
        }
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const Tensor *x = out->src[0];

    if (!wants[0])
        return;
    dy = op_view_stack(g, dy, DIMS(x->dim[0], x->dim[1], 1, x->dim[3]));
    grad[0] = op_expand(g, dy, dims_of(x), 1);
}

const Op sum_rows_def = {
    .name = "sum_rows",
    .sources = 1,
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .tol_f32 = 3e-6,
};

Tensor *op_sum_rows(Graph *g, Tensor *x)
{
    return graph_apply(g, &sum_rows_def, NULL, &x);
}
