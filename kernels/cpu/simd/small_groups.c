/*
 * small_groups.c - conv2d with 3 columns whose groups have 2, 4, 8 or 16
 * channels each way
 *
 *   y[o] = act(b[o] + z[o] + sum over taps and i of x[g n + i] w[o,i])
 *
 * with o in group g of n channels: EMA's 3x3, where w is shared by the groups,
 * and grouped convolutions at large.  18 n flops per number: bound by
 * multiply-adds.
 *
 *   rotate   channels stay in their lanes: for d = 0 to n - 1 the vector of x
 *            with lanes l and l^d exchanged is multiplied by w[o, o^d], packed
 *            per lane, so that nothing is summed across lanes.  WIDTH outputs
 *            of a row at once share the three weights of a row of the filter,
 *            and every exchanged vector serves three of them.  Columns outside
 *            the map point to zeros.  Starves where WIDTH is far from dividing
 *            the row, and needs C to be a multiple of LANES.
 */
#include "kernels/cpu/simd/lanes.h"

enum {
    WIDTH = 7, /* divides 7, 14, 28, 56; fits 16 registers */
    KW = 3,
    GROUP_MAX = 16, /* channels of a group: beyond, oneDNN fills its vectors */
};

typedef struct SmallGroups {
    _Alignas(64) size_t n; /* channels of a group; what follows the struct is
                              aligned like it                               */
    size_t w_vector; /* from one vector of channels to the next; 0: shared  */
    size_t w_row;    /* from one row of the filter to the next              */
    Elem *zeros;     /* C                                           */
    float *bias, *w; /* C; (kh, C or LANES, n, KW) in vectors       */
} SmallGroups;

/* Adds to WIDTH sums the product of the columns of one row, lanes exchanged
 * by the constant d, with the three weights at w. */
INLINE void add_row(Vec *sum, const Elem *const *column, size_t from,
                    const float *w, size_t d)
{
    const Vec w0 = load(w), w1 = load(w + LANES), w2 = load(w + 2 * LANES);
    Vec x[WIDTH + KW - 1];

    for (size_t i = 0; i < WIDTH + KW - 1; i++)
        x[i] = exchange(load_elems(column[i] + from), d);
    for (size_t i = 0; i < WIDTH; i++)
        sum[i] += x[i] * w0 + x[i + 1] * w1 + x[i + 2] * w2;
}

/* The same for all n of a group; n is a constant.  `at` is the first of LANES
 * channels.  Where a group is wider than a vector, vectors exchange too. */
INLINE void add_group(Vec *sum, const Elem *const *column, size_t at,
                      const float *w, size_t n)
{
#define ADD(d)                                                             \
    if (d < n)                                                             \
        add_row(sum, column, at ^ (d / LANES * LANES), w + d * KW * LANES, \
                d % LANES);
    ADD(0)
    ADD(1)
    ADD(2)
    ADD(3)
    ADD(4)
    ADD(5)
    ADD(6)
    ADD(7)
    ADD(8)
    ADD(9)
    ADD(10)
    ADD(11)
    ADD(12)
    ADD(13)
    ADD(14)
    ADD(15)
#undef ADD
}

/* Up to WIDTH outputs of one row: y is at their first, x at the first row of
 * the image that the window covers. */
typedef struct Block {
    const Elem *x, *z;
    Elem *y;
    size_t top, rows;     /* of the filter, inside the map     */
    size_t column, width; /* of the first output; how many     */
} Block;

static void store_block(const Tensor *out, const Block *b, const Vec *sum,
                        size_t at)
{
    const Conv2dAttr *a = out->attr;
    const size_t C = (size_t)out->dim[1];

    for (size_t i = 0; i < b->width; i++) {
        float y[LANES];

        store(y, b->z ? sum[i] + load_elems(b->z + i * C + at) : sum[i]);
        for (size_t k = 0; a->act != ACT_NONE && k < LANES; k++)
            y[k] = act_of(a->act, y[k]);
        store_elems(b->y + i * C + at, load(y));
    }
}

INLINE void block(const Tensor *out, const SmallGroups *s, const Block *b,
                  size_t n)
{
    const Conv2dAttr *a = out->attr;
    const size_t C = (size_t)out->dim[1], W = (size_t)out->src[0]->dim[3];
    const size_t pad = (size_t)a->pad_w;
    const Elem *column[WIDTH + KW - 1];

    for (size_t at = 0; at < C; at += LANES) {
        const float *w = s->w + b->top * s->w_row + at / LANES * s->w_vector;
        Vec sum[WIDTH];

        for (size_t i = 0; i < WIDTH; i++)
            sum[i] = load(s->bias + at);
        for (size_t r = 0; r < b->rows; r++, w += s->w_row) {
            for (size_t i = 0; i < WIDTH + KW - 1; i++) {
                const size_t from = b->column + i;

                column[i] = from < pad || from - pad >= W
                                ? s->zeros
                                : b->x + (r * W + from - pad) * C;
            }
            add_group(sum, column, at, w, n);
        }
        store_block(out, b, sum, at);
    }
}

/* Block u of all rows of all images. */
static Block block_at(const Tensor *out, size_t u)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *x = out->src[0], *z = out->src[3];
    const size_t C = (size_t)out->dim[1], H = (size_t)x->dim[2],
                 W = (size_t)x->dim[3], out_h = (size_t)out->dim[2],
                 out_w = (size_t)out->dim[3], kh = (size_t)out->src[1]->dim[2],
                 pad = (size_t)a->pad_h;
    const size_t blocks = ceil_div(out_w, WIDTH), i = u / blocks % out_h,
                 n = u / blocks / out_h, j = u % blocks * WIDTH;
    const size_t top = i < pad ? pad - i : 0, reach = H + pad;
    const size_t bottom = i < reach ? min_size(kh, reach - i) : 0;
    const size_t at = ((n * out_h + i) * out_w + j) * C;

    return (Block){
        .x = (const Elem *)x->data + (n * H + i + top - pad) * W * C,
        .z = z ? (const Elem *)z->data + at : NULL,
        .y = (Elem *)out->data + at,
        .top = top,
        .rows = bottom > top ? bottom - top : 0,
        .column = j,
        .width = min_size(WIDTH, out_w - j),
    };
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const SmallGroups *s = state;

    for (size_t u = begin; u < end; u++) {
        const Block b = block_at(out, u);

        switch (s->n) {
        case 2:
            block(out, s, &b, 2);
            break;
        case 4:
            block(out, s, &b, 4);
            break;
        case 8:
            block(out, s, &b, 8);
            break;
        case 16:
            block(out, s, &b, 16);
            break;
        }
    }
}

static bool supports(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const int C = out->src[0]->dim[1], n = C / a->groups;

    return out->src[1]->dim[3] == KW && a->stride == 1 && out->dim[1] == C &&
           C % LANES == 0 && n > 1 && n <= GROUP_MAX && (n & (n - 1)) == 0 &&
           weights_known(out);
}

/* Lane c of the d-th weight of a tap is that of output c and input c^d. */
static int plan(Device *dev, const Tensor *out, void **state)
{
    const Conv2dAttr *a = out->attr;
    const float *w = weight_host(out->src[1]), *b = weight_host(out->src[2]);
    const size_t C = (size_t)out->dim[1], n = C / (size_t)a->groups;
    const size_t kh = (size_t)out->src[1]->dim[2];
    const bool once = a->shared && n <= LANES;
    const size_t width = once ? LANES : C;
    SmallGroups *s;
    float *to;

    (void)dev;
    TRY(state_new(state, sizeof(*s) +
                             (C + kh * KW * n * width) * sizeof(float) +
                             C * sizeof(Elem)));
    s = *state;
    s->n = n;
    s->w_vector = once ? 0 : n * KW * LANES;
    s->w_row = n * KW * width;
    s->bias = (float *)(s + 1);
    s->w = s->bias + C;
    s->zeros = (Elem *)(s->w + kh * KW * n * width);
    for (size_t c = 0; c < C; c++) {
        s->zeros[c] = elem(0);
        s->bias[c] = b ? b[a->shared ? c % n : c] : 0;
    }
    to = s->w;
    for (size_t r = 0; r < kh; r++)
        for (size_t first = 0; first < width; first += LANES)
            for (size_t d = 0; d < n; d++)
                for (size_t q = 0; q < KW; q++)
                    for (size_t c = first; c < first + LANES; c++) {
                        const size_t o = a->shared ? c % n : c;

                        *to++ = w[((o * n + ((c % n) ^ d)) * kh + r) * KW + q];
                    }
    return OK;
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const SmallGroups *s = state;
    const double macs =
        (double)tensor_count(out) * (double)s->n * out->src[1]->dim[2] * KW;
    const size_t blocks = ceil_div((size_t)out->dim[3], WIDTH);

    return split(dev, out, state,
                 (Split){ range, (size_t)(out->dim[0] * out->dim[2]) * blocks,
                          macs / 4 });
}

const Kernel SIMD(conv2d_small_groups) = {
    .op = &conv2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "rotate",
    .supports = supports,
    .plan = plan,
    .run = run,
    .packs = 1 << 1 | 1 << 2,
};
