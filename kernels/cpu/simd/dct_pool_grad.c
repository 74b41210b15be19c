/*
 * dct_pool_grad.c - dx[n,c,h,w] = dy[n,c] B(h,u,H) B(w,v,W), (u,v) being the
 * frequency of c's group of channels
 *
 * Bound by the bytes of dx, which are only written.
 *
 *   rows   a unit is a row of the map, whose part of the product is taken first
 *          (the tables are those of dct_pool.c).
 */
#include "kernels/cpu/simd/dct.h"

enum { BLOCK = 1024 }; /* channels whose product is on stack */

static int plan(Device *dev, const Tensor *out, void **state)
{
    const DctPoolGradAttr *a = out->attr;

    (void)dev;
    return dct_tables(state, &a->dct, out);
}

/* `width` channels of a row of W positions. */
static void row(float *dx, const float *dy, const float *along_h,
                const float *along_w, size_t W, size_t C, size_t width)
{
    float product[BLOCK];

    for (size_t k = 0; k < width; k++)
        product[k] = dy[k] * along_h[k];
    for (size_t w = 0; w < W; w++, dx += C, along_w += C)
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            dx[k] = product[k] * along_w[k];
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const size_t C = (size_t)out->dim[1], H = (size_t)out->dim[2],
                 W = (size_t)out->dim[3];
    const float *along_h = state, *along_w = along_h + H * C;

    for (size_t u = begin; u < end; u++)
        for (size_t c = 0; c < C; c += BLOCK)
            row((float *)out->data + u * W * C + c,
                (const float *)out->src[0]->data + u / H * C + c,
                along_h + u % H * C + c, along_w + c, W, C,
                min_size(BLOCK, C - c));
}

static int run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ range, (size_t)(out->dim[0] * out->dim[2]),
                          (double)tensor_count(out) });
}

const Kernel SIMD(dct_pool_grad) = {
    .op = &dct_pool_grad_def,
    .name = "rows",
    .plan = plan,
    .run = run,
};
