/*
 * small_groups.c - conv2d whose groups have 1, 2, 4, 8 or 16 channels each way
 *
 *   y[o] = act(b[o] + z[o] + sum over taps and i of x[g n + i] w[o,i])
 *
 * with o in group g of n channels: EMA's convolutions, where w is shared by
 * the groups, and grouped convolutions at large.  2 n flops a number and tap:
 * bound by multiply-adds.
 *
 *   rotate   channels stay in their lanes: for d = 0 to n - 1 the vector of x
 *            with lanes l and l^d exchanged is multiplied by w[o, o^d], packed
 *            per lane.  A shuffle a multiply-add, no sum across lanes.  Several
 *            vectors at once hide latencies; shared weights are loaded once
 *            for them.  Needs C to be a multiple of LANES.
 */
#include "kernels/cpu/simd/simd.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    V = 4,          /* vectors at once                                   */
    GROUP_MAX = 16, /* channels of a group: beyond, oneDNN has full ones */
};

typedef struct SmallGroups {
    size_t n;        /* channels of a group                               */
    size_t w_vector; /* from one vector of channels to the next; 0: shared */
    size_t w_tap;    /* from one tap to the next                          */
    float *bias, *w; /* C; (taps, n, C or LANES)                          */
} SmallGroups;

/* Lane l gets lane l ^ d.  d must be a constant after inlining. */
INLINE Vec exchange(Vec v, size_t d)
{
#if LANES == 16
#define EXCHANGE(d)                                                       \
    case d:                                                               \
        return __builtin_shufflevector(                                   \
            v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d, \
            8 ^ d, 9 ^ d, 10 ^ d, 11 ^ d, 12 ^ d, 13 ^ d, 14 ^ d, 15 ^ d);
#elif LANES == 8
#define EXCHANGE(d)                                                      \
    case d:                                                              \
        return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, \
                                       4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d);
#else
#define EXCHANGE(d) \
    case d:         \
        return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d);
#endif
    switch (d) {
        EXCHANGE(1)
        EXCHANGE(2)
        EXCHANGE(3)
#if LANES >= 8
        EXCHANGE(4)
        EXCHANGE(5)
        EXCHANGE(6)
        EXCHANGE(7)
#endif
#if LANES >= 16
        EXCHANGE(8)
        EXCHANGE(9)
        EXCHANGE(10)
        EXCHANGE(11)
        EXCHANGE(12)
        EXCHANGE(13)
        EXCHANGE(14)
        EXCHANGE(15)
#endif
    }
    return v;
#undef EXCHANGE
}

/*
 * One tap: sum[k] += the group's product for vectors first to first + v - 1 of
 * a position x.  n and v are constants.  Where a group is wider than a vector,
 * d also exchanges vectors.
 */
INLINE void add_tap(Vec *sum, const float *x, const float *w, size_t w_vector,
                    size_t first, size_t n, size_t v)
{
    for (size_t d = 0; d < n; d++)
        for (size_t k = 0; k < v; k++) {
            const size_t from = (first + k) ^ (d / LANES);
            const float *weight = w + (first + k) * w_vector * n + d * LANES;

            sum[k] +=
                exchange(load(x + from * LANES), d % LANES) * load(weight);
        }
}

/* Window rows top to bottom - 1, columns left to right - 1, of one output. */
typedef struct Window {
    const float *x, *z; /* x: at the window's first number inside the map */
    float *y;
    size_t top, bottom, left, right;
} Window;

INLINE void output(const Tensor *out, const SmallGroups *s, const Window *p,
                   size_t first, size_t n, size_t v)
{
    const Conv2dAttr *a = out->attr;
    const size_t C = (size_t)out->dim[1], W = (size_t)out->src[0]->dim[3],
                 kw = (size_t)out->src[1]->dim[3];
    Vec sum[V];

    for (size_t k = 0; k < v; k++)
        sum[k] = load(s->bias + (first + k) * LANES);
    for (size_t r = p->top; r < p->bottom; r++)
        for (size_t q = p->left; q < p->right; q++)
            add_tap(sum, p->x + ((r - p->top) * W + q - p->left) * C,
                    s->w + (r * kw + q) * s->w_tap, s->w_vector, first, n, v);
    for (size_t k = 0; k < v; k++) {
        const size_t at = (first + k) * LANES;
        Vec y = sum[k];

        if (p->z)
            y += load(p->z + at);
        if (a->act != ACT_NONE)
            for (int i = 0; i < LANES; i++)
                y[i] = act_of(a->act, y[i]);
        store(p->y + at, y);
    }
}

INLINE void outputs(const Tensor *out, const SmallGroups *s, const Window *p,
                    size_t n)
{
    const size_t vectors = (size_t)out->dim[1] / LANES;
    size_t first = 0;

    for (; first + V <= vectors; first += V)
        output(out, s, p, first, n, V);
    for (; first < vectors; first++)
        output(out, s, p, first, n, 1);
}

/* Clips the window that begins at `from`, outside the map if negative. */
static void clip(int from, int k, int size, size_t *begin, size_t *end)
{
    const int last = from + k < size ? k : size - from;

    *begin = from < 0 ? (size_t)-from : 0;
    *end = last > (int)*begin ? (size_t)last : *begin;
}

static Window window(const Tensor *out, size_t u)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *x = out->src[0], *w = out->src[1], *z = out->src[3];
    const size_t C = (size_t)x->dim[1], O = (size_t)out->dim[1];
    const int j = (int)(u % (size_t)out->dim[3]);
    const int i = (int)(u / (size_t)out->dim[3] % (size_t)out->dim[2]);
    const int h = i * a->stride - a->pad_h, l = j * a->stride - a->pad_w;
    const size_t image = u / tensor_positions(out) * tensor_positions(x);
    Window p = {
        .z = z ? (const float *)z->data + u * O : NULL,
        .y = (float *)out->data + u * O,
    };

    clip(h, w->dim[2], x->dim[2], &p.top, &p.bottom);
    clip(l, w->dim[3], x->dim[3], &p.left, &p.right);
    p.x = (const float *)x->data +
          (image + (size_t)(h + (int)p.top) * (size_t)x->dim[3] +
           (size_t)(l + (int)p.left)) *
              C;
    return p;
}

static void rotate_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const SmallGroups *s = state;

    for (size_t u = begin; u < end; u++) {
        const Window p = window(out, u);

        switch (s->n) {
        case 1:
            outputs(out, s, &p, 1);
            break;
        case 2:
            outputs(out, s, &p, 2);
            break;
        case 4:
            outputs(out, s, &p, 4);
            break;
        case 8:
            outputs(out, s, &p, 8);
            break;
        case 16:
            outputs(out, s, &p, 16);
            break;
        }
    }
}

static bool rotate_supports(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const int C = out->src[0]->dim[1], n = C / a->groups;

    return a->groups > 1 && out->dim[1] == C && C % LANES == 0 &&
           n <= GROUP_MAX && (n & (n - 1)) == 0 && is_weight(out->src[1]) &&
           (!out->src[2] || is_weight(out->src[2]));
}

/* Lane c of the d-th weight of a tap is that of output c and input c^d. */
static int rotate_plan(Device *dev, const Tensor *out, void **state)
{
    const Conv2dAttr *a = out->attr;
    const float *w = weight_host(out->src[1]), *b = weight_host(out->src[2]);
    const size_t C = (size_t)out->dim[1], n = C / (size_t)a->groups;
    const size_t taps = (size_t)(out->src[1]->dim[2] * out->src[1]->dim[3]);
    const bool once = a->shared && n <= LANES;
    const size_t width = once ? LANES : C;
    SmallGroups *s;
    float *to;

    (void)dev;
    TRY(state_new(state,
                  sizeof(*s) + (C + taps * n * width) * sizeof(float) + 64));
    s = *state;
    s->n = n;
    s->w_vector = once ? 0 : LANES;
    s->w_tap = n * width;
    s->bias = (float *)(s + 1);
    s->w = s->bias + C;
    for (size_t c = 0; c < C; c++)
        s->bias[c] = b ? b[a->shared ? c % n : c] : 0;
    to = s->w;
    for (size_t t = 0; t < taps; t++)
        for (size_t first = 0; first < width; first += LANES)
            for (size_t d = 0; d < n; d++)
                for (size_t c = first; c < first + LANES; c++) {
                    const size_t o = a->shared ? c % n : c;

                    *to++ = w[(o * n + ((c % n) ^ d)) * taps + t];
                }
    return OK;
}

static int rotate_run(Device *dev, const Tensor *out, void *state)
{
    const SmallGroups *s = state;
    const Tensor *w = out->src[1];
    const double macs =
        (double)tensor_count(out) * (double)s->n * w->dim[2] * w->dim[3];

    return split(dev, out, state,
                 (Split){ rotate_range, tensor_rows(out), macs / 4 });
}

const Kernel SIMD(conv2d_small_groups) = {
    .op = &conv2d_def,
    .name = "rotate",
    .supports = rotate_supports,
    .plan = rotate_plan,
    .run = rotate_run,
    .packs = 1 << 1 | 1 << 2,
};
