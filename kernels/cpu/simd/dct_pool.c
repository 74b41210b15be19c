/*
 * dct_pool.c - y[n,c] = sum over h,w of x[n,c,h,w] B(h,u,H) B(w,v,W), (u,v)
 * being the frequency of c's group of channels
 *
 * Bound by the bytes of x, read once: the basis is separable, so that the
 * tables are a row of the map (W C numbers, which stay in the L1 or L2 cache)
 * and a column (H C), instead of the whole map.
 *
 *   rows   for every row of the map the sum over w, then its part of the sum
 *          over h.  A unit is one image and BLOCK channels.
 */
#include "kernels/cpu/simd/dct.h"
#include "kernels/cpu/simd/rows.h"

enum { BLOCK = 64 }; /* channels: four lines of the cache a position */

static int plan(Device *dev, const Tensor *out, void **state)
{
    const Tensor *x = out->src[0];

    (void)dev;
    return dct_tables(state, out->attr, x);
}

static void block(const Tensor *out, const float *basis, size_t n, size_t c)
{
    const size_t C = (size_t)out->dim[1], H = (size_t)out->src[0]->dim[2],
                 W = (size_t)out->src[0]->dim[3];
    const size_t width = min_size(BLOCK, C - c);
    const float *along_h = basis + c, *along_w = basis + H * C + c;
    const Elem *x = (const Elem *)out->src[0]->data + n * H * W * C + c;
    Elem *y = (Elem *)out->data + n * C + c;
    float total[BLOCK] = { 0 }, acc[BLOCK];

    for (size_t h = 0; h < H; h++, x += W * C, along_h += C) {
        memset(acc, 0, sizeof(acc));
        add_row_products(acc, x, along_w, W, C, width);
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            total[k] += acc[k] * along_h[k];
    }
#pragma omp simd
    for (size_t k = 0; k < width; k++)
        y[k] = elem(total[k]);
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const size_t blocks = ceil_div((size_t)out->dim[1], BLOCK);

    for (size_t u = begin; u < end; u++)
        block(out, state, u / blocks, u % blocks * BLOCK);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const size_t blocks = ceil_div((size_t)out->dim[1], BLOCK);

    return split(dev, out, state,
                 (Split){ range, (size_t)out->dim[0] * blocks,
                          2.0 * (double)tensor_count(out->src[0]) });
}

const Kernel SIMD(dct_pool) = {
    .op = &dct_pool_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .plan = plan,
    .run = run,
};
