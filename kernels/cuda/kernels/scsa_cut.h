/*
 * scsa_cut.h - how the kernel "cluster" cuts an image: into blocks, their
 *              threads and their shared memory
 */
#ifndef CUDA_SCSA_CUT_H
#define CUDA_SCSA_CUT_H

#include "kernels/cuda/kernels/scsa.h"

enum {
    MAX_BLOCKS = 8, /* in a cluster, on any device that has clusters       */
    THREADS = 512,  /* at most, and one at least for each column of packs  */
    STAGES = 4,     /* of the map on its way                               */
    LINE = 128,     /* bytes of shared memory that one cycle reads         */
};

/* How an image is cut, and where what is in a block's shared memory. */
typedef struct Cut {
    int blocks;          /* of the cluster: 4 or 8                        */
    int channels, packs; /* of a block; packs of N channels at a position */
    int threads;
    int active;        /* clusters that the card runs at once             */
    int row_groups;    /* threads that share a column of packs            */
    int row_splits;    /* ... that share the sum of a row, for one pack   */
    int window_splits; /* ... that share a window, by rows, for one pack  */
    Divider by_packs, by_channels, by_C, by_row_splits, by_P, by_PW;

    /* In floats from the start, where the map is; bytes of all. */
    unsigned attn_h, attn_w, x_p, moments, gate, weights, work;
    size_t bytes, map_bytes;
    size_t run_bytes; /* that are neighbours in device memory */
} Cut;

/* Room for n floats, at an address that packs may have. */
static inline unsigned place(size_t *floats, size_t n)
{
    const size_t begin = *floats;

    *floats += (n + 3) / 4 * 4;
    return (unsigned)begin;
}

/* Where everything is, from the end of the map on. */
static inline void lay_out(Cut *cut, const Scsa &s)
{
    const size_t channels = (size_t)cut->channels;
    const size_t H = (size_t)s.H, W = (size_t)s.W, P = (size_t)s.P;
    const size_t C = (size_t)s.C, warps = (size_t)cut->threads / WARP;
    size_t floats = ceil_div(cut->map_bytes, 16) * 4;
    const size_t strips =
        ((size_t)cut->row_splits * H + (size_t)cut->row_groups * W) * channels;
    const size_t windows = (size_t)cut->window_splits * P * channels;
    size_t work = strips > windows ? strips : windows;
    int k = 0;

    for (int i = 0; i < SCSA_QUARTERS; i++)
        k = s.k[i] > k ? s.k[i] : k;
    cut->attn_h = place(&floats, H * channels);
    cut->attn_w = place(&floats, W * channels);
    cut->x_p = place(&floats, P * channels);
    cut->moments = place(&floats, 3 * warps * sizeof(Moments) / sizeof(float));
    cut->gate = place(&floats, channels);
    cut->weights = place(&floats, (5 + (size_t)k) * channels + 5 * C);
    cut->work = place(&floats, work > P * C ? work : P * C);
    cut->bytes = floats * sizeof(float);
}

/* False if that many blocks of at most `threads` cannot have the image, with so
 * much memory each. */
static inline bool cut_image(Cut *cut, const Tensor *out, int blocks,
                             int threads, size_t limit)
{
    const Scsa s = scsa_of(out);
    const size_t size = dtype_size(out->dtype);
    const size_t row_bytes = (size_t)s.W * (size_t)(s.C / blocks) * size;
    int columns;

    if (s.C % blocks || row_bytes * (size_t)s.H > limit)
        return false;
    *cut = {};
    cut->blocks = blocks;
    cut->channels = s.C / blocks;
    cut->packs = cut->channels;
    if (whole_packs(out->dtype, (size_t)cut->channels))
        cut->packs /= (int)(16 / size);
    cut->map_bytes = row_bytes * (size_t)s.H;
    cut->run_bytes = (size_t)cut->channels * size;
    columns = s.W * cut->packs;
    if (columns > threads)
        return false;
    cut->row_groups = least(s.H, at_least_1(threads / columns));
    cut->threads =
        (int)ceil_div((size_t)(cut->row_groups * columns), WARP) * WARP;
    cut->row_splits =
        least(s.W, at_least_1(LINE / (cut->channels * (int)size)));
    cut->window_splits =
        least(s.window_h, at_least_1(cut->threads / (s.P * cut->packs)));
    cut->by_packs = divider((size_t)cut->packs);
    cut->by_channels = divider((size_t)cut->channels);
    cut->by_C = divider((size_t)s.C);
    cut->by_row_splits = divider((size_t)cut->row_splits);
    cut->by_P = divider((size_t)s.P);
    cut->by_PW = divider((size_t)s.PW);
    lay_out(cut, s);
    return cut->bytes <= limit;
}

#endif
