/*
 * dwconv1d.c - y[n,c,l] = b[c] + sum over t of x[n,c,l + t - k/2] w[c,t]
 *
 * On the strips of ELA and SCSA, and over the channels in ECA and AFGCA.  2 k
 * flops per number, on so few numbers that the cost of a call shows.
 *
 *   columns       LENGTH positions at once for LANES channels, so that a weight
 *                 is loaded once for as many products.  Positions outside the
 *                 strip point to zeros, hence borders are no special case.
 *                 Starves below LANES channels.
 *   one_channel   C = 1: vectors along L.
 */
#include "kernels/cpu/simd/simd.h"

enum {
    LENGTH = 7,  /* divides 7, 14, 28 and 56; sums enough to hide latency */
    TAPS = 32,   /* taps at a time: pointers on stack                     */
    BLOCK = 512, /* results of one channel at a time: sums on stack */
};

typedef struct Strip {
    _Alignas(64) size_t C; /* and so is what follows the struct */
    size_t L, k;
    Elem *zeros;     /* C rounded up to vectors         */
    float *bias, *w; /* the same; (k,C), and one vector */
} Strip;

static int plan(Device *dev, const Tensor *out, void **state)
{
    const float *w = weight_host(out->src[1]), *b = weight_host(out->src[2]);
    const size_t C = (size_t)out->dim[1], k = (size_t)out->src[1]->dim[2];
    const size_t padded = ceil_div(C, LANES) * LANES;
    Strip *s;

    (void)dev;
    TRY(state_new(state, sizeof(*s) + padded * (sizeof(Elem) + sizeof(float)) +
                             (k * C + LANES) * sizeof(float)));
    s = *state;
    *s = (Strip){ .C = C, .L = (size_t)out->dim[2], .k = k };
    s->bias = (float *)(s + 1);
    s->w = s->bias + padded;
    s->zeros = (Elem *)(s->w + k * C + LANES);
    for (size_t c = 0; c < padded; c++) {
        s->bias[c] = b && c < C ? b[c] : 0;
        s->zeros[c] = elem(0);
    }
    for (size_t t = 0; t < k; t++)
        for (size_t c = 0; c < C; c++)
            s->w[t * C + c] = w[c * k + t];
    return OK;
}

/* LENGTH positions of channels c to c + width - 1, width <= LANES, from the
 * columns of x; `taps` of the filter from w.  Adds to sum. */
INLINE void add_taps(Vec *sum, const Elem *const *column, const float *w,
                     size_t c, size_t C, size_t taps, size_t width)
{
    for (size_t t = 0; t < taps; t++) {
        const Vec weight = load(w + t * C + c);

        for (size_t i = 0; i < LENGTH; i++)
            sum[i] +=
                weight * (width == LANES
                              ? load_elems(column[i + t] + c)
                              : load_elems_part(column[i + t] + c, width));
    }
}

/* Taps from first on, at most TAPS, of positions l on: sums start from the
 * bias, or from what earlier taps left in y. */
static void block(const Strip *s, Elem *y, const Elem *x, size_t l,
                  size_t first)
{
    const size_t C = s->C, half = s->k / 2, n = min_size(LENGTH, s->L - l);
    const size_t taps = min_size(TAPS, s->k - first);
    const Elem *column[LENGTH + TAPS];
    Vec sum[LENGTH];

    for (size_t i = 0; i < LENGTH + taps - 1; i++) {
        const size_t at = l + i + first;

        column[i] =
            at < half || at - half >= s->L ? s->zeros : x + (at - half) * C;
    }
    y += l * C;
    for (size_t c = 0; c < C; c += LANES) {
        const size_t width = min_size(LANES, C - c);

        for (size_t i = 0; i < LENGTH; i++)
            sum[i] = first == 0 || i >= n
                         ? load(s->bias + c)
                         : load_elems_part(y + i * C + c, width);
        if (width == LANES)
            add_taps(sum, column, s->w + first * C, c, C, taps, LANES);
        else
            add_taps(sum, column, s->w + first * C, c, C, taps, width);
        for (size_t i = 0; i < n; i++)
            if (width == LANES)
                store_elems(y + i * C + c, sum[i]);
            else
                store_elems_part(y + i * C + c, sum[i], width);
    }
}

/* Units are blocks of LENGTH positions of all images. */
static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Strip *s = state;
    const size_t blocks = ceil_div(s->L, LENGTH);

    for (size_t u = begin; u < end; u++) {
        const size_t image = u / blocks * s->L * s->C;

        for (size_t first = 0; first < s->k; first += TAPS)
            block(s, (Elem *)out->data + image,
                  (const Elem *)out->src[0]->data + image, u % blocks * LENGTH,
                  first);
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Strip *s = state;
    const double macs = (double)tensor_count(out) * (double)s->k;

    return split(dev, out, state,
                 (Split){ range, (size_t)out->dim[0] * ceil_div(s->L, LENGTH),
                          macs / 4 });
}

static bool one_channel_supports(const Tensor *out)
{
    return out->dim[1] == 1;
}

/* Up to BLOCK results of one strip, from position l on. */
static void one_channel_block(const Tensor *out, Elem *y, const Elem *x,
                              size_t l, size_t n)
{
    const size_t L = (size_t)out->dim[2], k = (size_t)out->src[1]->dim[2];
    const Elem *w = out->src[1]->data,
               *b = out->src[2] ? out->src[2]->data : NULL;
    float sum[BLOCK];

    for (size_t i = 0; i < n; i++)
        sum[i] = b ? number(*b) : 0;
    for (size_t t = 0; t < k; t++) {
        const size_t half = k / 2; /* x of result i is at l + i + t - half */
        const size_t low = half > l + t ? half - l - t : 0;
        const size_t high = L + half > l + t ? L + half - l - t : 0;
        const float weight = number(w[t]);

#pragma omp simd
        for (size_t i = low; i < min_size(n, high); i++)
            sum[i] += weight * number(x[l + i + t - half]);
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[l + i] = elem(sum[i]);
}

/* Units are strips. */
static void one_channel_range(const Tensor *out, const void *state,
                              size_t begin, size_t end)
{
    const size_t L = (size_t)out->dim[2];

    (void)state;
    for (size_t n = begin; n < end; n++)
        for (size_t l = 0; l < L; l += BLOCK)
            one_channel_block(out, (Elem *)out->data + n * L,
                              (const Elem *)out->src[0]->data + n * L, l,
                              min_size(BLOCK, L - l));
}

static int one_channel_run(Device *dev, const Tensor *out, void *state)
{
    const double macs = (double)tensor_count(out) * out->src[1]->dim[2];

    return split(dev, out, state,
                 (Split){ one_channel_range, (size_t)out->dim[0], macs / 4 });
}

const Kernel SIMD(dwconv1d_one_channel) = {
    .op = &dwconv1d_def,
    .dtypes = SIMD_DTYPES,
    .name = "one_channel",
    .supports = one_channel_supports,
    .run = one_channel_run,
};

const Kernel SIMD(dwconv1d) = {
    .op = &dwconv1d_def,
    .dtypes = SIMD_DTYPES,
    .name = "columns",
    .supports = weights_known,
    .plan = plan,
    .run = run,
    .packs = 1 << 1 | 1 << 2,
};
