/*
 * linear.c - y[r,o] = b[o] + sum over i of x[r,i] w[o,i], for every row r
 *
 * The classifier, the bottlenecks of SE and FCA, and (over the rows of a map)
 * every projection of a transformer.
 */
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0], *w = out->src[1];

    TRY(want_rows(x, 2, 4));
    TRY(want_rank(w, "w", 2, 2));
    TRY(want_dims(w, "w", DIMS(w->dim[0], x->dim[1])));
    TRY(want_dims(out->src[2], "b", DIMS(w->dim[0])));
    TRY(shape_like(out, x));
    out->dim[1] = w->dim[0];
    return OK;
}

static Cost cost(const Tensor *out)
{
    const double n = (double)tensor_count(out);
    const double macs = n * out->src[1]->dim[1];

    return (Cost){
        .macs = macs,
        .flops = 2 * macs + (out->src[2] ? n : 0),
        .bytes = bytes_once(out),
        .paper_flops = macs,
    };
}

/* w (O,I) as [i][o] in double. */
static double *by_input(const Tensor *w)
{
    const size_t O = (size_t)w->dim[0], I = (size_t)w->dim[1];
    const float *src = w->data;
    double *dst = ref_doubles(O * I);

    if (!dst)
        return NULL;
    for (size_t o = 0; o < O; o++)
        for (size_t i = 0; i < I; i++)
            dst[i * O + o] = src[o * I + i];
    return dst;
}

static int ref(const Tensor *out)
{
    const Tensor *x = out->src[0], *b = out->src[2];
    const size_t rows = tensor_rows(out), I = (size_t)x->dim[1],
                 O = (size_t)out->dim[1];
    double *w = by_input(out->src[1]);
    bool missing = !w;

#pragma omp parallel if (cost(out).macs > SMALL_WORK) reduction(|| : missing)
    {
        double *acc = malloc(O * sizeof(*acc));

        missing = !w || !acc;
#pragma omp for
        for (size_t r = 0; r < rows; r++) {
            const float *xr = (float *)x->data + r * I;
            float *y = (float *)out->data + r * O;

            if (missing)
                continue;
            for (size_t o = 0; o < O; o++)
                acc[o] = b ? ((float *)b->data)[o] : 0;
            for (size_t i = 0; i < I; i++)
#pragma omp simd
                for (size_t o = 0; o < O; o++)
                    acc[o] += xr[i] * w[i * O + o];
            for (size_t o = 0; o < O; o++)
                y[o] = (float)acc[o];
        }
        free(acc);
    }
    free(w);
    return missing ? fail(ERR_MEMORY, "no memory for a row of %zu sums", O)
                   : OK;
}

/* That of a 1x1 convolution. */
static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    Tensor *x = as_map(g, out->src[0]), *w = out->src[1];

    dy = as_map(g, dy);
    if (wants[0]) {
        Tensor *as_kernel = op_view(g, w, DIMS(w->dim[0], w->dim[1], 1, 1));

        grad[0] =
            op_conv2d_grad_x(g, dy, as_kernel, x->dim[2], x->dim[3], NULL);
        grad[0] = op_view(g, grad[0], dims_of(out->src[0]));
    }
    if (wants[1])
        grad[1] =
            op_view(g, op_conv2d_grad_w(g, x, dy, 1, 1, NULL), dims_of(w));
    if (wants[2])
        grad[2] = bias_grad(g, dy, w->dim[0]);
}

const Op linear_def = {
    .name = "linear",
    .sources = 2,
    .optional = 1,
    .layer = true,
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach_same,
    .tol_f32 = 3e-6,
};

Tensor *op_linear(Graph *g, Tensor *x, Tensor *w, Tensor *b)
{
    return graph_apply(g, &linear_def, NULL, (Tensor *[]){ x, w, b });
}
