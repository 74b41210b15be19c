/*
 * gemm.c - linear, its gradients and matmul as column-major products
 *
 * A matrix is given by two strides, one of which is 1: if that of the rows, it
 * is stored as BLAS wants it; if that of the columns, its transpose is.  Where
 * the result is the transpose of what is stored, y' = b' a' is computed.
 *
 * A stack's matrices follow each other; those of a map do not: images are
 * C x positions apart, groups C / groups within them.  Where images and groups
 * have no common stride, one call takes the groups of an image or the images of
 * a group, whichever needs fewer calls.
 */
#include "kernels/cuda/library/gemm.h"

#include "kernels/ops/ops.h"

/* Matrix stored as rows of n numbers: n by rows, as BLAS sees it. */
static GemmMatrix rows_of(int64_t rows, int64_t n, bool transposed)
{
    return (GemmMatrix){ n, rows, n, .transposed = transposed };
}

/* y' = w' x' of rows I wide, dx' = w dy' of rows O wide; dw' = x' dy, summed
 * over rows. */
Gemm gemm_of_linear(const Tensor *out)
{
    const bool of_x = out->op == &conv2d_grad_x_def;
    const bool of_w = out->op == &conv2d_grad_w_def;
    const Tensor *x = of_x ? out : out->src[0], *w = of_w ? out : out->src[1];
    const int64_t rows = (int64_t)tensor_rows(x);
    const int64_t O = w->dim[0], I = w->dim[1];
    Gemm g = { .a_source = 1, .b_source = 0, .batch = 1, .calls = 1 };

    if (of_w) {
        g.a_source = 0;
        g.b_source = 1;
        g.a = rows_of(rows, I, false);
        g.b = rows_of(rows, O, true);
        g.d = rows_of(O, I, false);
    } else {
        g.a = rows_of(O, I, !of_x);
        g.b = rows_of(rows, of_x ? O : I, false);
        g.d = rows_of(rows, of_x ? I : O, false);
    }
    g.m = g.d.rows;
    g.n = g.d.columns;
    g.k = of_w ? rows : of_x ? O : I;
    return g;
}

/* The matrices of an operand, one for each image and group. */
typedef struct Matrices {
    GemmMatrix matrix;
    int64_t image, group; /* strides */
} Matrices;

static bool is_stack(const Tensor *t)
{
    return t->rank == 4 && t->layout == ROW_MAJOR;
}

static Matrices matrices(const Tensor *t, int groups, bool transposed)
{
    const int64_t C = tensor_channels(t), P = (int64_t)tensor_positions(t);
    Matrices m = {
        .matrix = { C / groups, P, C, .transposed = transposed },
        .image = C * P,
        .group = C / groups,
    };

    if (is_stack(t)) {
        const int64_t M = t->dim[2], K = t->dim[3];

        m.matrix = (GemmMatrix){ K, M, K, .transposed = !transposed };
        m.image = C * M * K;
        m.group = M * K;
    }
    return m;
}

/* True if one stride leads through all the groups of all images. */
static bool is_even(const Matrices *m, int images, int groups)
{
    return images == 1 || groups == 1 || m->image == groups * m->group;
}

/* Divides images and groups among batch and calls. */
static void set_strides(GemmMatrix *out, const Matrices *m, int images,
                        int groups, bool even)
{
    *out = m->matrix;
    if (even) {
        out->batch = groups > 1 ? m->group : m->image;
        out->call = 0;
    } else if (groups <= images) {
        out->batch = m->image;
        out->call = m->group;
    } else {
        out->batch = m->group;
        out->call = m->image;
    }
}

Gemm gemm_of_matmul(const Tensor *out)
{
    const MatmulAttr *attr = out->attr;
    const int N = out->dim[0], G = attr->groups;
    const Matrices y = matrices(out, G, false);
    /* A stack holds rows of the result where columns should be. */
    const bool swap = y.matrix.transposed;
    const Matrices x[] = { matrices(out->src[0], G, attr->trans_a != swap),
                           matrices(out->src[1], G, attr->trans_b != swap) };
    const bool even =
        is_even(&x[0], N, G) && is_even(&x[1], N, G) && is_even(&y, N, G);
    Gemm g = {
        .a_source = swap,
        .b_source = !swap,
        .m = y.matrix.rows,
        .n = y.matrix.columns,
        .batch = even     ? N * G
                 : G <= N ? N
                          : G,
        .calls = even     ? 1
                 : G <= N ? G
                          : N,
    };

    set_strides(&g.a, &x[g.a_source], N, G, even);
    set_strides(&g.b, &x[g.b_source], N, G, even);
    set_strides(&g.d, &y, N, G, even);
    g.d.transposed = false;
    g.k = g.a.transposed ? g.a.rows : g.a.columns;
    return g;
}
