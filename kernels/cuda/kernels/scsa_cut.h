/*
 * scsa_cut.h - how the kernel "cluster" cuts an image: into blocks, their
 *              threads and their shared memory
 */
#ifndef CUDA_SCSA_CUT_H
#define CUDA_SCSA_CUT_H

#include "kernels/cuda/kernels/scsa.h"
#include "kernels/cuda/kernels/scsa_attend.h"

enum {
    MAX_BLOCKS = 8, /* in a cluster, on any device that has clusters       */
    THREADS = 512,  /* at most, and one at least for each column of packs  */
    STAGES = 4,     /* of the map on its way                               */
    LINE = 128,     /* bytes of shared memory that one cycle reads         */
    WINDOW_THREADS = 256,   /* for windows: more would read attn_w more often */
    MOMENTS = THREADS / 32, /* of a block, a warp each                     */
    RESERVED = 1024, /* bytes of shared memory that a block costs besides   */
};

/* How an image is cut, and where what is in a block's shared memory. */
typedef struct Cut {
    int blocks;          /* of the cluster: 4 or 8                        */
    int channels, packs; /* of a block; packs of N channels at a position */
    int threads;
    int active; /* clusters that the card runs at once */

    int row_groups;    /* threads that share a column of packs            */
    int row_splits;    /* ... that share the sum of a row, for one pack   */
    int window_splits; /* ... that share a window, by rows, for one pack  */
    int row_planes;    /* of row_groups - 1 sums, those that have room    */
    int window_planes; /* of window_splits - 1                            */
    int parts;         /* warps that share rows of the attention          */
    bool gathered;     /* there is room for all of x_p                    */
    int row_steps;     /* rows of a thread at most                        */
    Divider by_packs, by_channels, by_C, by_row_splits, by_P, by_PW, by_parts;
    int pair_groups; /* threads that share two columns, on the way out  */
    Divider by_column, by_pair; /* columns of packs, and pairs of them */

    /* In floats from the start, where the map is; bytes of all. */
    unsigned attn_h, x_p, moments, rows, gate, weights, attn_w, work;
    size_t weight_floats; /* of a block */
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

static inline size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Groups of ATTEND_ROWS channels that a block has at least one of. */
static inline int attend_groups(const Cut *cut)
{
    const bool whole = cut->channels % ATTEND_ROWS == 0;

    return (int)ceil_div((size_t)cut->channels, ATTEND_ROWS) + !whole;
}

/* Where everything is, from the end of the map to `work`, which has what is
 * left.  x_w is where attn_h comes later, x_h where x_p does. */
static inline size_t lay_out(Cut *cut, const Scsa &s)
{
    const size_t channels = (size_t)cut->channels;
    const size_t H = (size_t)s.H, W = (size_t)s.W, P = (size_t)s.P;
    const size_t rows = (size_t)(attend_groups(cut) * cut->parts * ATTEND_ROWS);
    size_t floats = ceil_div(cut->map_bytes, 16) * 4;
    int k = 0;

    for (int i = 0; i < SCSA_QUARTERS; i++)
        k = s.k[i] > k ? s.k[i] : k;
    cut->weight_floats =
        ceil_div((5 + (size_t)k) * channels + 5 * (size_t)s.C, 4) * 4;
    cut->attn_h = place(&floats, most(H, W) * channels);
    cut->x_p = place(&floats, most(H, P) * channels);
    cut->moments =
        place(&floats, (size_t)3 * MOMENTS * sizeof(Moments) / sizeof(float));
    cut->rows = place(&floats, rows * sizeof(SoftmaxMean) / sizeof(float));
    cut->gate = place(&floats, channels);
    cut->weights = place(&floats, cut->weight_floats);
    cut->attn_w = place(&floats, W * channels);
    cut->work = (unsigned)floats;
    return floats;
}

/* Gives `work` the floats that it can use, of those that are there. */
static inline void use_room(Cut *cut, const Scsa &s, size_t room)
{
    const size_t column = (size_t)(s.W * cut->channels);
    const size_t windows = (size_t)(s.P * cut->channels);
    const size_t all = (size_t)(s.P * s.C);
    size_t wanted = most(all, (size_t)(cut->window_splits - 1) * windows);

    if (cut->row_groups > 2)
        wanted = most(wanted, (size_t)(cut->row_groups - 2) * column);
    room = room < wanted ? room : wanted;
    cut->row_planes = least(cut->row_groups - 1, (int)(room / column) + 1);
    cut->window_planes = least(cut->window_splits - 1, (int)(room / windows));
    if (cut->window_planes == 0)
        cut->window_splits = 1;
    cut->gathered = room >= all;
    cut->bytes = (cut->work + room) * sizeof(float);
}

/* The largest power of two up to n. */
static inline int power_up_to(int n)
{
    int power = 1;

    while (2 * power <= n)
        power *= 2;
    return power;
}

/* How threads share the block's work. */
static inline void share_out(Cut *cut, const Scsa &s, int threads)
{
    const int columns = s.W * cut->packs;
    const int pairs = (s.W + 1) / 2 * cut->packs;
    const int run = (int)cut->run_bytes;

    cut->row_groups = least(s.H, at_least_1(threads / columns));
    cut->threads = threads; /* those without a column help elsewhere */
    if (cut->row_groups == s.H)
        cut->threads =
            (int)ceil_div((size_t)(cut->row_groups * columns), WARP) * WARP;
    cut->row_splits = 1;
    if (cut->packs <= WARP && power_up_to(cut->packs) == cut->packs)
        cut->row_splits = power_up_to(
            least(WARP / cut->packs, least(s.W, at_least_1(LINE / run))));
    cut->window_splits =
        least(s.window_h, at_least_1(least(WINDOW_THREADS, cut->threads) /
                                     (s.P * cut->packs)));
    cut->parts = at_least_1(least(cut->threads / WARP / attend_groups(cut),
                                  s.depth / (ATTEND_COLS * WARP)));
    cut->by_packs = divider((size_t)cut->packs);
    cut->by_channels = divider((size_t)cut->channels);
    cut->by_C = divider((size_t)s.C);
    cut->by_row_splits = divider((size_t)cut->row_splits);
    cut->by_P = divider((size_t)s.P);
    cut->by_PW = divider((size_t)s.PW);
    cut->row_steps = (int)ceil_div((size_t)s.H, (size_t)cut->row_groups);
    cut->by_column = divider((size_t)columns);
    cut->pair_groups = least(s.H, cut->threads / pairs);
    cut->by_pair = divider((size_t)pairs);
    cut->by_parts = divider((size_t)cut->parts);
}

/* The share of `limit` bytes of each of two blocks on a multiprocessor. */
static inline size_t half_of(size_t limit)
{
    return (limit + RESERVED) / 2 - RESERVED;
}

/* False if that many blocks of at most `threads` cannot have the image, with so
 * much memory each.  Blocks of half of THREADS keep to half of the memory, if
 * they can. */
static inline bool cut_image(Cut *cut, const Tensor *out, int blocks,
                             int threads, size_t limit)
{
    const Scsa s = scsa_of(out);
    const size_t size = dtype_size(out->dtype);
    bool packed;
    size_t least_bytes;

    *cut = {};
    if (s.C % blocks)
        return false;
    cut->blocks = blocks;
    cut->channels = s.C / blocks;
    cut->run_bytes = (size_t)cut->channels * size;
    cut->map_bytes = (size_t)(s.H * s.W) * cut->run_bytes;
    packed = whole_packs(out->dtype, (size_t)cut->channels);
    cut->packs = packed ? (int)(cut->run_bytes / 16) : cut->channels;
    if (s.W * cut->packs > threads || cut->map_bytes > limit)
        return false;
    share_out(cut, s, threads);
    least_bytes = lay_out(cut, s) * sizeof(float);
    if (!packed) /* others' x_p is not read in place */
        least_bytes += (size_t)(s.P * s.C) * sizeof(float);
    if (threads <= THREADS / 2 && least_bytes <= half_of(limit))
        limit = half_of(limit);
    if (least_bytes > limit)
        return false;
    use_room(cut, s, limit / sizeof(float) - cut->work);
    return true;
}

#endif
