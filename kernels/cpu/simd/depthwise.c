/*
 * depthwise.c - conv2d with one channel per group, in bf16
 *
 *   y[n,c,i,j] = act(b[c] + z[n,c,i,j] + sum over u,v of
 *                    x[n,c, i s + u - p_h, j s + v - p_w] w[c,u,v])
 *
 * 2 kh kw flops per number: bound by multiply-adds, or where windows are
 * columns by loads, each of which is widened for one of them.  oneDNN has the
 * better kernel in f32, and in bf16 without AMX: it comes first there.
 *
 *   columns   WIDTH results of a row at once for LANES channels, so that a
 *             weight is loaded once for as many products.  Columns outside the
 *             map point to zeros, rows outside it are left out.  Starves below
 *             LANES channels, and where WIDTH is far from dividing the row.
 */
#include "kernels/cpu/simd/tiles.h"

enum {
    WIDTH = 7,  /* divides 7, 14, 28, 56; sums enough to hide latency */
    REACH = 64, /* columns that a block may see: pointers on stack    */
};

typedef struct Depthwise {
    _Alignas(64) size_t padded; /* C rounded up to vectors              */
    float *bias, *w;            /* padded; (kh,kw,padded)               */
    Elem *zeros;                /* padded                               */
} Depthwise;

static bool supports(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;

    return a->groups == out->src[0]->dim[1] && a->groups == out->dim[1] &&
           (WIDTH - 1) * a->stride + out->src[1]->dim[3] <= REACH &&
           weights_known(out);
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const Tensor *weight = out->src[1];
    const float *w = weight_host(weight), *b = weight_host(out->src[2]);
    const size_t taps = (size_t)(weight->dim[2] * weight->dim[3]);
    const size_t C = (size_t)out->dim[1], own = (size_t)weight->dim[0];
    const size_t padded = ceil_div(C, LANES) * LANES;
    Depthwise *s;

    (void)dev;
    TRY(state_new(state, sizeof(*s) + (taps + 1) * padded * sizeof(float) +
                             padded * sizeof(Elem)));
    s = *state;
    s->padded = padded;
    s->bias = (float *)(s + 1);
    s->w = s->bias + padded;
    s->zeros = (Elem *)(s->w + taps * padded);
    for (size_t c = 0; c < padded; c++) {
        s->bias[c] = b && c < C ? b[c % own] : 0;
        s->zeros[c] = elem(0);
        for (size_t t = 0; t < taps; t++)
            s->w[t * padded + c] = c < C ? w[c % own * taps + t] : 0;
    }
    return OK;
}

/* Up to WIDTH results of a row, and what they are made of. */
typedef struct Block {
    const Elem *x, *z; /* x: the first row of the map that is seen */
    Elem *y;
    size_t top, rows; /* of the filter, inside the map */
    size_t width;     /* how many results              */
    const Elem *column[REACH];
} Block;

/* A vector of channels, of which n are there. */
INLINE Vec load_channels(const Elem *p, size_t n)
{
    return n == LANES ? load_elems(p) : load_elems_part(p, n);
}

/* Row u of the map at column k, from channel c on.  Zeros are the same in
 * every row. */
INLINE Vec load_column(const Tensor *out, const Depthwise *s, const Block *b,
                       size_t k, size_t u, size_t c, const size_t n)
{
    const size_t row = (size_t)(out->src[0]->dim[3] * out->dim[1]);
    const Elem *x = b->column[k];

    return load_channels(x + (x == s->zeros ? 0 : u * row) + c, n);
}

/* Adds row u of the filter, w, where every column serves its neighbours: one
 * is loaded for WIDTH products.  Column k is in x[k % WIDTH]. */
INLINE void add_dense_row(Vec *sum, const Tensor *out, const Depthwise *s,
                          const Block *b, const float *w, size_t u, size_t c,
                          const size_t n)
{
    const size_t kw = (size_t)out->src[1]->dim[3];
    Vec x[WIDTH];

    UNROLL
    for (size_t k = 0; k < WIDTH - 1; k++)
        x[k] = load_column(out, s, b, k, u, c, n);
    for (size_t from = 0; from < kw; from += WIDTH)
        UNROLL
    for (size_t d = 0; d < WIDTH; d++, w += s->padded) {
        if (from + d == kw)
            return;
        x[(d + WIDTH - 1) % WIDTH] =
            load_column(out, s, b, from + d + WIDTH - 1, u, c, n);
        UNROLL
        for (size_t i = 0; i < WIDTH; i++)
            sum[i] += load(w) * x[(i + d) % WIDTH];
    }
}

/* The same, where a column serves one result alone. */
INLINE void add_sparse_row(Vec *sum, const Tensor *out, const Depthwise *s,
                           const Block *b, const float *w, size_t u, size_t c,
                           const size_t n)
{
    const size_t kw = (size_t)out->src[1]->dim[3],
                 stride = (size_t)((const Conv2dAttr *)out->attr)->stride;

    for (size_t v = 0; v < kw; v++, w += s->padded)
        UNROLL
    for (size_t i = 0; i < WIDTH; i++)
        sum[i] += load(w) * load_column(out, s, b, i * stride + v, u, c, n);
}

/* n channels from c on. */
INLINE void vector(const Tensor *out, const Depthwise *s, const Block *b,
                   size_t c, const size_t n)
{
    const Conv2dAttr *a = out->attr;
    const size_t C = (size_t)out->dim[1], kw = (size_t)out->src[1]->dim[3];
    const bool dense = a->stride == 1 && kw > 1;
    Vec sum[WIDTH];

    for (size_t i = 0; i < WIDTH; i++)
        sum[i] = load(s->bias + c);
    for (size_t u = 0; u < b->rows; u++) {
        const float *w = s->w + (b->top + u) * kw * s->padded + c;

        if (dense)
            add_dense_row(sum, out, s, b, w, u, c, n);
        else
            add_sparse_row(sum, out, s, b, w, u, c, n);
    }
    for (size_t i = 0; i < b->width; i++) {
        if (b->z)
            sum[i] += load_channels(b->z + i * C + c, n);
        sum[i] = activate(sum[i], a->act);
        if (n == LANES)
            store_elems(b->y + i * C + c, sum[i]);
        else
            store_elems_part(b->y + i * C + c, sum[i], n);
    }
}

/* Block u of all rows of all images. */
static Block block_at(const Tensor *out, const Depthwise *s, size_t u)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *x = out->src[0], *z = out->src[3];
    const size_t C = (size_t)out->dim[1], H = (size_t)x->dim[2],
                 W = (size_t)x->dim[3], out_h = (size_t)out->dim[2],
                 out_w = (size_t)out->dim[3], kh = (size_t)out->src[1]->dim[2],
                 pad_h = (size_t)a->pad_h, pad_w = (size_t)a->pad_w,
                 stride = (size_t)a->stride;
    const size_t blocks = ceil_div(out_w, WIDTH), j = u % blocks * WIDTH,
                 i = u / blocks % out_h, n = u / blocks / out_h;
    const size_t first = i * stride, reach = H + pad_h;
    const size_t top = first < pad_h ? min_size(pad_h - first, kh) : 0;
    const size_t bottom = first < reach ? min_size(kh, reach - first) : 0;
    const size_t at = ((n * out_h + i) * out_w + j) * C;
    Block b = {
        .z = z ? (const Elem *)z->data + at : NULL,
        .y = (Elem *)out->data + at,
        .top = top,
        .rows = bottom > top ? bottom - top : 0,
        .width = min_size(WIDTH, out_w - j),
    };

    if (b.rows)
        b.x = (const Elem *)x->data + (n * H + first + top - pad_h) * W * C;
    for (size_t k = 0; k < (WIDTH - 1) * stride + (size_t)out->src[1]->dim[3];
         k++) {
        const size_t from = j * stride + k;

        b.column[k] = !b.rows || from < pad_w || from - pad_w >= W
                          ? s->zeros
                          : b.x + (from - pad_w) * C;
    }
    return b;
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const size_t C = (size_t)out->dim[1];

    for (size_t u = begin; u < end; u++) {
        const Block b = block_at(out, state, u);
        size_t c = 0;

        for (; c + LANES <= C; c += LANES)
            vector(out, state, &b, c, LANES);
        if (c < C)
            vector(out, state, &b, c, C - c);
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Tensor *w = out->src[1];
    const size_t blocks = ceil_div((size_t)out->dim[3], WIDTH);
    const double macs = (double)tensor_count(out) * w->dim[2] * w->dim[3];

    return split(dev, out, state,
                 (Split){ range, (size_t)(out->dim[0] * out->dim[2]) * blocks,
                          macs / 4 });
}

const Kernel SIMD(conv2d_depthwise) = {
    .op = &conv2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "depthwise",
    .supports = supports,
    .plan = plan,
    .run = run,
    .inplace = 1 << 3,
    .packs = 1 << 1 | 1 << 2,
};
