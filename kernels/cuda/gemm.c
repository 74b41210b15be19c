/*
 * gemm.c - linear and matmul as column-major products
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
#include "kernels/cuda/gemm.h"

#include "kernels/ops/ops.h"

Gemm gemm_of_linear(const Tensor *out)
{
    const int64_t rows = (int64_t)tensor_rows(out);
    const int64_t I = out->src[0]->dim[1], O = out->dim[1];

    return (Gemm){
        .a_source = 1,
        .b_source = 0,
        .a = { .rows = I, .columns = O, .ld = I, .transposed = true },
        .b = { .rows = I, .columns = rows, .ld = I },
        .d = { .rows = O, .columns = rows, .ld = O },
        .m = O,
        .n = rows,
        .k = I,
        .batch = 1,
        .calls = 1,
    };
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

/* Whether one stride leads through all the groups of all images. */
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
