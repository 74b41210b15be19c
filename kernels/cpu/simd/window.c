/*
 * window.c - rows of channels to and from windows: window_partition,
 * window_reverse, patch_merge, patch_split; and window_bias
 *
 * No arithmetic, bound by bytes: each number is read once and written once.
 *
 *   runs    a row of a window is one run of the map, or two where the shift has
 *           rolled it over the edge; a patch is two runs of two positions each
 *           in the map, whose four rows of channels are copied apart.  memcpy
 *           does them: even the shortest is a hundred numbers in any Swin.
 *   table   window_bias, a number at a time: a few hundred thousand of them.
 */
#include "kernels/cpu/simd/simd.h"

/* Units are windows of all images; rows of C numbers go to or from the map. */
static void copy_windows(const Tensor *out, size_t begin, size_t end,
                         bool to_windows)
{
    const WindowAttr *a = out->attr;
    const size_t C = (size_t)out->dim[1], area = (size_t)(a->h * a->w);
    const size_t nw = (size_t)window_count(a);
    const size_t P = (size_t)a->map_h * (size_t)a->map_w;
    const Elem *x = out->src[0]->data;
    Elem *y = out->data;

    for (size_t u = begin; u < end; u++)
        for (int i = 0; i < a->h * a->w;) {
            const int at = window_position(a, (int)(u % nw), i);
            const int edge = a->map_w - at % a->map_w, row = a->w - i % a->w;
            const int n = row < edge ? row : edge;
            const size_t map = (u / nw * P + (size_t)at) * C;
            const size_t window = (u * area + (size_t)i) * C;

            memcpy(y + (to_windows ? window : map),
                   x + (to_windows ? map : window), (size_t)n * C * sizeof(*y));
            i += n;
        }
}

static void partition_range(const Tensor *out, const void *state, size_t begin,
                            size_t end)
{
    (void)state;
    copy_windows(out, begin, end, true);
}

static void reverse_range(const Tensor *out, const void *state, size_t begin,
                          size_t end)
{
    (void)state;
    copy_windows(out, begin, end, false);
}

static int partition_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ partition_range, (size_t)out->dim[0],
                          2.0 * (double)tensor_count(out) });
}

static int reverse_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ reverse_range, (size_t)out->src[0]->dim[0],
                          2.0 * (double)tensor_count(out) });
}

/* Units are rows of patches, of all images; up and down are the two rows of the
 * map that they are. */
static void copy_patches(Elem *patches, Elem *map, size_t rows, size_t W,
                         size_t C, bool to_patches)
{
    for (size_t r = 0; r < rows; r++, map += 2 * W * C)
        for (size_t w = 0; w < W; w++, patches += 2 * C) {
            Elem *up = map + w * C, *down = up + W * C;

            memcpy(to_patches ? patches : up, to_patches ? up : patches,
                   C * sizeof(*up));
            memcpy(to_patches ? patches + C : down,
                   to_patches ? down : patches + C, C * sizeof(*up));
        }
}

static void merge_range(const Tensor *out, const void *state, size_t begin,
                        size_t end)
{
    const Tensor *x = out->src[0];
    const size_t C = (size_t)x->dim[1], W = (size_t)x->dim[3];
    const size_t at = begin * 2 * W * C;

    (void)state;
    copy_patches((Elem *)out->data + at, (Elem *)x->data + at, end - begin, W,
                 C, true);
}

static void split_range(const Tensor *out, const void *state, size_t begin,
                        size_t end)
{
    const size_t C = (size_t)out->dim[1], W = (size_t)out->dim[3];
    const size_t at = begin * 2 * W * C;

    (void)state;
    copy_patches((Elem *)out->src[0]->data + at, (Elem *)out->data + at,
                 end - begin, W, C, false);
}

static int merge_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ merge_range, (size_t)(out->dim[0] * out->dim[2]),
                          2.0 * (double)tensor_count(out) });
}

static int split_run(Device *dev, const Tensor *out, void *state)
{
    const Tensor *x = out->src[0];

    return split(dev, out, state,
                 (Split){ split_range, (size_t)(x->dim[0] * x->dim[2]),
                          2.0 * (double)tensor_count(out) });
}

/* Units are matrices of the result: a window and a head each. */
static void bias_range(const Tensor *out, const void *state, size_t begin,
                       size_t end)
{
    const WindowAttr *a = out->attr;
    const size_t heads = (size_t)out->src[0]->dim[1];
    const int area = a->h * a->w;
    const Elem *table = out->src[0]->data;
    Elem *y = (Elem *)out->data + begin * (size_t)(area * area);

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const int k = (int)(u / heads);

        for (int i = 0; i < area; i++)
            for (int j = 0; j < area; j++)
                *y++ =
                    elem(number(table[(size_t)window_offset(a, i, j) * heads +
                                      u % heads]) +
                         window_mask(a, k, i, j));
    }
}

static int bias_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ bias_range, (size_t)out->dim[1],
                          32.0 * (double)tensor_count(out) });
}

const Kernel SIMD(window_partition) = {
    .op = &window_partition_def,
    .dtypes = SIMD_DTYPES,
    .name = "runs",
    .run = partition_run,
};

const Kernel SIMD(window_reverse) = {
    .op = &window_reverse_def,
    .dtypes = SIMD_DTYPES,
    .name = "runs",
    .run = reverse_run,
};

const Kernel SIMD(patch_merge) = {
    .op = &patch_merge_def,
    .dtypes = SIMD_DTYPES,
    .name = "runs",
    .run = merge_run,
};

const Kernel SIMD(patch_split) = {
    .op = &patch_split_def,
    .dtypes = SIMD_DTYPES,
    .name = "runs",
    .run = split_run,
};

const Kernel SIMD(window_bias) = {
    .op = &window_bias_def,
    .dtypes = SIMD_DTYPES,
    .name = "table",
    .run = bias_run,
};
