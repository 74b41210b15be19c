/*
 * depthwise.c - each channel with its own filter: dwconv1d on strips, conv2d
 * with groups = C = O on maps
 *
 *   y[i,j,c] = act(b[c] + z[i,j,c] + sum over u,v of
 *                  x[i s + u - p_h, j s + v - p_w, c] w[u,v,c])
 *
 * 2 flops for each number of x loaded: bound by loads from the L1 cache, or
 * by bytes if the filter is small.  Weights are packed as (kh,kw,C).
 *
 *   tiles   up to T outputs whose windows are clipped alike are summed at
 *           once for LANES channels, so that a weight is loaded once for T
 *           products.  For 1 x k filters those are T rows of one column, else
 *           T columns of one row; columns at the left and right border, whose
 *           windows differ, are done one by one, four vectors at a time.
 *           Starves on fewer than LANES channels.
 *   one_channel   dwconv1d with C = 1 (ECA): vectors along L.
 */
#include "kernels/cpu/simd/simd.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    T = 8,    /* outputs of a tile: as many sums as hide the latency of FMA  */
    ROWS = 8, /* rows of the result in a unit: their windows share x in L1   */
};

typedef struct Depthwise {
    size_t C, H, W, out_h, out_w;
    size_t kh, kw, pad_h, pad_w, stride;
    size_t inner_begin, inner_end; /* columns whose windows are whole */
    Activation act;
    float *bias, *w;
} Depthwise;

/* The taps of a window that are inside the map: rows x columns. */
typedef struct Taps {
    const float *x, *w, *z;
    float *y;
    size_t rows, columns, x_row, w_row; /* strides: numbers */
} Taps;

static Vec act_vec(Activation act, Vec v)
{
    if (act != ACT_NONE)
        for (int i = 0; i < LANES; i++)
            v[i] = act_of(act, v[i]);
    return v;
}

/*
 * t outputs, each `xs` further in x and `ys` in y, times v vectors; t and v
 * are constants.  n is LANES, or fewer for the last channels.
 */
INLINE void tile(const Depthwise *d, const Taps *p, size_t c, size_t t,
                 size_t v, size_t xs, size_t ys, size_t n)
{
    Vec sum[T];

    for (size_t k = 0; k < v; k++)
        for (size_t i = 0; i < t; i++)
            sum[k * t + i] = load(d->bias + c + k * LANES);
    for (size_t r = 0; r < p->rows; r++) {
        const float *x = p->x + r * p->x_row + c;
        const float *w = p->w + r * p->w_row + c;

        for (size_t q = 0; q < p->columns; q++, x += d->C, w += d->C)
            for (size_t k = 0; k < v; k++) {
                const Vec f =
                    n == LANES ? load(w + k * LANES) : load_part(w, n);

                for (size_t i = 0; i < t; i++) {
                    const float *at = x + i * xs + k * LANES;

                    sum[k * t + i] +=
                        (n == LANES ? load(at) : load_part(at, n)) * f;
                }
            }
    }
    for (size_t k = 0; k < v; k++)
        for (size_t i = 0; i < t; i++) {
            const size_t at = i * ys + c + k * LANES;
            Vec s = sum[k * t + i];

            if (p->z)
                s += n == LANES ? load(p->z + at) : load_part(p->z + at, n);
            s = act_vec(d->act, s);
            if (n == LANES)
                store(p->y + at, s);
            else
                store_part(p->y + at, s, n);
        }
}

/* t <= T outputs, all vectors of them one after another. */
static void tiles(const Depthwise *d, const Taps *p, size_t c, size_t t,
                  size_t xs, size_t ys)
{
    const size_t n = min_size(LANES, d->C - c);

    if (n < LANES) {
        for (size_t i = 0; i < t; i++) {
            const Taps one = { p->x + i * xs, p->w,    p->z ? p->z + i * ys : 0,
                               p->y + i * ys, p->rows, p->columns,
                               p->x_row,      p->w_row };

            tile(d, &one, c, 1, 1, 0, 0, n);
        }
        return;
    }
    switch (t) {
#define CASE(k)                             \
    case k:                                 \
        tile(d, p, c, k, 1, xs, ys, LANES); \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
#undef CASE
    }
}

/* One output, channels c to the end. */
static void one_output(const Depthwise *d, const Taps *p)
{
    size_t c = 0;

    for (; c + 4 * LANES <= d->C; c += 4 * LANES)
        tile(d, p, c, 1, 4, 0, 0, LANES);
    for (; c < d->C; c += LANES)
        tiles(d, p, c, 1, 0, 0);
}

/* limit - a, or 0. */
static size_t below(size_t a, size_t limit)
{
    return a < limit ? limit - a : 0;
}

/* The window of output (i,j) of image n. */
static Taps window(const Depthwise *d, const Tensor *out, size_t n, size_t i,
                   size_t j)
{
    const size_t h = i * d->stride, w = j * d->stride; /* in the padded map */
    const size_t top = h < d->pad_h ? d->pad_h - h : 0;
    const size_t left = w < d->pad_w ? d->pad_w - w : 0;
    const size_t bottom = min_size(d->kh, below(h, d->H + d->pad_h));
    const size_t right = min_size(d->kw, below(w, d->W + d->pad_w));
    const size_t y = ((n * d->out_h + i) * d->out_w + j) * d->C;
    const size_t row = h + top - d->pad_h, column = w + left - d->pad_w;
    const Tensor *z = out->op == &conv2d_def ? out->src[3] : NULL;

    return (Taps){
        .x = (const float *)out->src[0]->data +
             ((n * d->H + row) * d->W + column) * d->C,
        .w = d->w + (top * d->kw + left) * d->C,
        .z = z ? (const float *)z->data + y : NULL,
        .y = (float *)out->data + y,
        .rows = bottom > top ? bottom - top : 0,
        .columns = right > left ? right - left : 0,
        .x_row = d->W * d->C,
        .w_row = d->kw * d->C,
    };
}

/* Rows i to i + rows - 1 of a result whose filter is 1 x k. */
static void down_columns(const Depthwise *d, const Tensor *out, size_t n,
                         size_t i, size_t rows)
{
    for (size_t c = 0; c < d->C; c += LANES)
        for (size_t j = 0; j < d->out_w; j++) {
            const Taps p = window(d, out, n, i, j);

            tiles(d, &p, c, rows, d->stride * d->W * d->C, d->out_w * d->C);
        }
}

static void along_rows(const Depthwise *d, const Tensor *out, size_t n,
                       size_t i, size_t rows)
{
    for (size_t c = 0; c < d->C; c += LANES)
        for (size_t j = d->inner_begin; j < d->inner_end; j += T)
            for (size_t r = i; r < i + rows; r++) {
                const Taps p = window(d, out, n, r, j);

                tiles(d, &p, c, min_size(T, d->inner_end - j), d->stride * d->C,
                      d->C);
            }
    for (size_t r = i; r < i + rows; r++)
        for (size_t j = 0; j < d->out_w; j++) {
            const Taps p = window(d, out, n, r, j);

            if (j < d->inner_begin || j >= d->inner_end)
                one_output(d, &p);
        }
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Depthwise *d = state;
    const size_t units = ceil_div(d->out_h, ROWS);

    for (size_t u = begin; u < end; u++) {
        const size_t n = u / units, i = u % units * ROWS;
        const size_t rows = min_size(ROWS, d->out_h - i);

        if (d->kh == 1 && !d->pad_h && d->out_h > 1)
            down_columns(d, out, n, i, rows);
        else
            along_rows(d, out, n, i, rows);
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Depthwise *d = state;
    const double macs =
        (double)tensor_count(out) * (double)d->kh * (double)d->kw;

    return split(dev, out, state,
                 (Split){ range, (size_t)out->dim[0] * ceil_div(d->out_h, ROWS),
                          macs / 4 });
}

/* Fills in what follows from the dims, and packs w (C,1,taps) and b. */
static int plan_depthwise(void **state, Depthwise d, const Tensor *out)
{
    const float *w = weight_host(out->src[1]), *b = weight_host(out->src[2]);
    const size_t taps = d.kh * d.kw, reach = d.W + d.pad_w;
    Depthwise *s;

    d.inner_begin = min_size(ceil_div(d.pad_w, d.stride), d.out_w);
    d.inner_end =
        reach < d.kw ? 0 : min_size((reach - d.kw) / d.stride + 1, d.out_w);
    if (d.inner_end < d.inner_begin)
        d.inner_end = d.inner_begin;
    /* The bias is read in whole vectors. */
    TRY(state_new(state,
                  sizeof(d) + (taps * d.C + d.C + LANES) * sizeof(float)));
    s = *state;
    d.w = (float *)(s + 1);
    d.bias = d.w + taps * d.C;
    *s = d;
    for (size_t t = 0; t < taps; t++)
        for (size_t c = 0; c < d.C; c++)
            d.w[t * d.C + c] = w[c * taps + t];
    for (size_t c = 0; c < d.C + LANES; c++)
        d.bias[c] = b && c < d.C ? b[c] : 0;
    return OK;
}

static bool weights_known(const Tensor *out)
{
    return is_weight(out->src[1]) && (!out->src[2] || is_weight(out->src[2]));
}

static int plan_strip(Device *dev, const Tensor *out, void **state)
{
    const size_t L = (size_t)out->dim[2], k = (size_t)out->src[1]->dim[2];

    (void)dev;
    return plan_depthwise(state,
                          (Depthwise){ .C = (size_t)out->dim[1],
                                       .H = 1,
                                       .W = L,
                                       .out_h = 1,
                                       .out_w = L,
                                       .kh = 1,
                                       .kw = k,
                                       .pad_w = k / 2,
                                       .stride = 1 },
                          out);
}

static bool map_supports(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const int C = out->src[0]->dim[1];

    return weights_known(out) && !a->shared && a->groups == C &&
           out->dim[1] == C;
}

static int plan_map(Device *dev, const Tensor *out, void **state)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *x = out->src[0], *w = out->src[1];

    (void)dev;
    return plan_depthwise(state,
                          (Depthwise){ .C = (size_t)x->dim[1],
                                       .H = (size_t)x->dim[2],
                                       .W = (size_t)x->dim[3],
                                       .out_h = (size_t)out->dim[2],
                                       .out_w = (size_t)out->dim[3],
                                       .kh = (size_t)w->dim[2],
                                       .kw = (size_t)w->dim[3],
                                       .pad_h = (size_t)a->pad_h,
                                       .pad_w = (size_t)a->pad_w,
                                       .stride = (size_t)a->stride,
                                       .act = a->act },
                          out);
}

static bool one_channel_supports(const Tensor *out)
{
    return out->dim[1] == 1;
}

static void one_channel_range(const Tensor *out, const void *state,
                              size_t begin, size_t end)
{
    const size_t L = (size_t)out->dim[2], k = (size_t)out->src[1]->dim[2];
    const float *w = out->src[1]->data,
                *b = out->src[2] ? out->src[2]->data : NULL;

    (void)state;
    for (size_t n = begin; n < end; n++) {
        const float *x = (const float *)out->src[0]->data + n * L;
        float *y = (float *)out->data + n * L;

        for (size_t l = 0; l < L; l++)
            y[l] = b ? *b : 0;
        for (size_t t = 0; t < k; t++) {
            const size_t from = t < k / 2 ? min_size(k / 2 - t, L) : 0;
            const size_t to = min_size(L, L + k / 2 - min_size(t, L + k / 2));

#pragma omp simd
            for (size_t l = from; l < to; l++)
                y[l] += w[t] * x[l + t - k / 2];
        }
    }
}

static int one_channel_run(Device *dev, const Tensor *out, void *state)
{
    const double macs = (double)tensor_count(out) * out->src[1]->dim[2];

    return split(dev, out, state,
                 (Split){ one_channel_range, (size_t)out->dim[0], macs / 4 });
}

const Kernel SIMD(dwconv1d_one_channel) = {
    .op = &dwconv1d_def,
    .name = "one_channel",
    .supports = one_channel_supports,
    .run = one_channel_run,
};

const Kernel SIMD(dwconv1d) = {
    .op = &dwconv1d_def,
    .name = "tiles",
    .supports = weights_known,
    .plan = plan_strip,
    .run = run,
    .packs = 1 << 1 | 1 << 2,
};

const Kernel SIMD(conv2d_depthwise) = {
    .op = &conv2d_def,
    .name = "tiles",
    .supports = map_supports,
    .plan = plan_map,
    .run = run,
    .packs = 1 << 1 | 1 << 2,
};
