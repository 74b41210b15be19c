/*
 * window_attention.c - y = softmax(q' k / sqrt d + bias) v in each window and
 * head
 *
 * 4 P^2 d operations and P^2 exponentials for the 4 P d numbers that it moves:
 * 12 operations a byte at P = 49 in float.  A core does that many in the time
 * that a byte takes from memory, so it is bound by both; an exp being worth
 * some 25 operations, it adds a fifth at d = 32.
 *
 *   head_in_cache   a thread takes one window and head.  k is transposed into
 *                   panels, v copied into panels, both for the tiles of
 *                   tiles.h; rows of window and map are told apart by a table
 *                   of positions, so that nothing is rolled or cut.  ROWS rows
 *                   of scores are made, exponentiated and multiplied by v at a
 *                   time: they, k and v are in the L1 cache.  The bias has been
 *                   looked up and masked at plan time, once for each kind of
 *                   window.  Meanwhile the next head's rows are prefetched:
 *                   no hardware foresees them.  Starves where d is no multiple
 *                   of a vector, and on windows of few positions.
 */
#include "kernels/cpu/simd/lanes.h"
#include "kernels/cpu/simd/math.h"
#include "kernels/cpu/simd/rows.h"
#include "kernels/cpu/simd/tiles.h"

enum {
    QKV = 3,
    LINE = 16, /* floats of a line of the cache */
};

typedef struct Attention {
    _Alignas(64) WindowAttr a;
    size_t C, heads;
    size_t d, depth;       /* channels of a head, and rounded up to vectors */
    size_t P, keys;        /* positions, and rounded up to vectors          */
    size_t windows, kinds; /* of one image                   */
    float scale;
    const float *bias;       /* (kinds,heads,P,keys), -inf beyond P */
    const int32_t *position; /* (windows,P)                         */
    float *scratch;          /* a Work for each thread              */
    size_t scratch_size;
} Attention;

/* Buffers of one thread. */
typedef struct Work {
    float *k;     /* panels of positions: (d,PANEL)    */
    float *v;     /* panels of channels: (P,PANEL)     */
    float *score; /* (ROWS,keys)                       */
    float *q;     /* (ROWS,depth), scaled              */
} Work;

static size_t round_up(size_t n, size_t to)
{
    return ceil_div(n, to) * to;
}

static Work work_at(const Attention *s, size_t thread)
{
    float *at = s->scratch + thread * s->scratch_size;
    Work w;

    w.k = at;
    w.v = w.k + round_up(s->P, PANEL) * s->d;
    w.score = w.v + round_up(s->d, PANEL) * s->P;
    w.q = w.score + ROWS * s->keys;
    return w;
}

/* ---- plan ---------------------------------------------------------------- */

static bool supports(const Tensor *out)
{
    return is_weight(out->src[1]);
}

static Attention sizes(const Tensor *out)
{
    const WindowAttentionAttr *attr = out->attr;
    Attention s = {
        .a = attr->window,
        .C = (size_t)out->dim[1],
        .heads = (size_t)attr->heads,
        .P = (size_t)(attr->window.h * attr->window.w),
        .windows = (size_t)window_count(&attr->window),
        .kinds = window_shifted(&attr->window) ? 4 : 1,
    };

    s.d = s.C / s.heads;
    s.depth = round_up(s.d, LANES);
    s.keys = round_up(s.P, LANES);
    s.scale = (float)(1 / sqrt((double)s.d));
    s.scratch_size =
        round_up(round_up(s.P, PANEL) * s.d + round_up(s.d, PANEL) * s.P +
                     ROWS * (s.keys + s.depth),
                 LINE);
    return s;
}

/* Windows are masked alike except those at the lower and the right edge. */
static size_t kind_of(const Attention *s, size_t window)
{
    const size_t down = (size_t)(s->a.map_h / s->a.h),
                 across = (size_t)(s->a.map_w / s->a.w);

    if (s->kinds == 1)
        return 0;
    return 2 * (window / across == down - 1) + (window % across == across - 1);
}

/* Any window of that kind; one of another where there is none. */
static int window_of_kind(const Attention *s, size_t kind)
{
    const int down = s->a.map_h / s->a.h, across = s->a.map_w / s->a.w;

    return (kind & 2 ? down - 1 : 0) * across + (kind & 1 ? across - 1 : 0);
}

static void fill_bias(const Attention *s, float *to, const float *table)
{
    for (size_t u = 0; u < s->kinds * s->heads * s->P; u++, to += s->keys) {
        const int window = window_of_kind(s, u / s->P / s->heads);
        const size_t h = u / s->P % s->heads;
        const int i = (int)(u % s->P);

        for (int j = 0; j < (int)s->keys; j++) {
            if (j >= (int)s->P) {
                to[j] = -INFINITY;
                continue;
            }
            to[j] = table[(size_t)window_offset(&s->a, i, j) * s->heads + h] +
                    window_mask(&s->a, window, i, j);
        }
    }
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    Attention of = sizes(out), *s;
    const size_t bias = round_up(of.kinds * of.heads * of.P * of.keys, LINE);
    const size_t positions = round_up(of.windows * of.P, LINE);
    const size_t scratch = (size_t)dev->threads * of.scratch_size;
    int32_t *position;
    float *at;

    TRY(state_new(state,
                  sizeof(*s) + (bias + positions + scratch) * sizeof(float)));
    s = *state;
    at = (float *)(s + 1);
    fill_bias(&of, at, weight_host(out->src[1]));
    of.bias = at;
    position = (int32_t *)(at + bias);
    for (size_t i = 0; i < of.windows * of.P; i++)
        position[i] = window_position(&of.a, (int)(i / of.P), (int)(i % of.P));
    of.position = position;
    of.scratch = at + bias + positions;
    memset(of.scratch, 0, scratch * sizeof(float));
    *s = of;
    return OK;
}

/* ---- one head of one window ---------------------------------------------- */

/* Memory that a head of a window reads and writes; rows of a map are a
 * number of positions from its first. */
typedef struct Head {
    const Elem *q, *k, *v; /* rows are 3 C apart */
    Elem *y;               /* rows are C apart   */
    const int32_t *position;
    const float *bias;
} Head;

/* The first n numbers at p, then zeros, or a vector of them. */
INLINE Vec load_some(const Elem *p, size_t n)
{
    return n >= LANES ? load_elems(p) : load_elems_part(p, n);
}

/* The first n numbers of v, or all; n is at least 1. */
INLINE void store_some(Elem *p, Vec v, size_t n)
{
    if (n >= LANES)
        store_elems(p, v);
    else
        for (size_t i = 0; i < LANES; i++)
            if (i < n)
                p[i] = elem(v[i]);
}

/* Lane l of v[i] to lane i of v[l], by halves: bit after bit of i and l is
 * swapped. */
INLINE void transpose(Vec *v)
{
    VecInt lane;

    UNROLL
    for (int l = 0; l < LANES; l++)
        lane[l] = l;
    UNROLL
    for (size_t d = 1; d < LANES; d *= 2) {
        const VecInt odd = (lane & (int32_t)d) != 0;

        UNROLL
        for (size_t i = 0; i < LANES; i++)
            if (!(i & d)) {
                const VecInt a = (VecInt)v[i], b = (VecInt)v[i + d];

                v[i] = (Vec)((odd & (VecInt)exchange((Vec)b, d)) | (~odd & a));
                v[i + d] =
                    (Vec)((odd & b) | (~odd & (VecInt)exchange((Vec)a, d)));
            }
    }
}

static void pack_keys(const Attention *s, float *to, const Head *h)
{
    for (size_t j = 0; j < s->P; j += LANES)
        for (size_t c = 0; c < s->d; c += LANES) {
            const size_t n = min_size(LANES, s->d - c);
            float *panel = to + j / PANEL * PANEL * s->d + j % PANEL;
            Vec v[LANES];

            for (size_t r = 0; r < LANES; r++) {
                /* The last row again for those that there are not: what comes
                 * of them is minus infinity. */
                const size_t row = min_size(j + r, s->P - 1);

                v[r] = load_some(
                    h->k + (size_t)h->position[row] * QKV * s->C + c, n);
            }
            transpose(v);
            for (size_t r = 0; r < n; r++)
                store(panel + (c + r) * PANEL, v[r]);
        }
}

static void pack_values(const Attention *s, float *to, const Head *h)
{
    for (size_t j = 0; j < s->P; j++) {
        const Elem *row = h->v + (size_t)h->position[j] * QKV * s->C;

        for (size_t c = 0; c < s->d; c += LANES)
            store(to + c / PANEL * PANEL * s->P + j * PANEL + c % PANEL,
                  load_some(row + c, s->d - c));
    }
}

static void pack_query(const Attention *s, float *to, const Elem *q)
{
    for (size_t c = 0; c < s->d; c += LANES)
        store(to + c, s->scale * load_some(q + c, s->d - c));
}

/* sum += x[row][c] w[c] for all c < n, of floats whatever tensors hold: scores
 * and exponentials are not rounded. */
INLINE void add_floats(Vec *sum, const float *const *x, const float *w,
                       size_t n, const size_t rows, const size_t nv)
{
    for (size_t c = 0; c < n; c++) {
        UNROLL
        for (size_t k = 0; k < rows * nv; k++)
            sum[k] += x[k / nv][c] * load(w + c * PANEL + k % nv * LANES);
    }
}

/* y[row] = q[row] k + bias[row], of nv vectors of positions. */
INLINE void score_tile(const Attention *s, float *y, const float *const *q,
                       const float *k, const float *bias, const size_t rows,
                       const size_t nv)
{
    Vec sum[ROWS * NV];

    clear_sums(sum, rows, nv);
    add_floats(sum, q, k, s->d, rows, nv);
    UNROLL
    for (size_t i = 0; i < rows * nv; i++) {
        const size_t at = i / nv * s->keys + i % nv * LANES;

        store(y + at, sum[i] + load(bias + at));
    }
}

/* Scores, n a multiple of a vector, to their exponentials; 1 / their sum. */
static float exponentials(float *y, size_t n)
{
    Vec most = load(y);
    float largest;

    for (size_t i = LANES; i < n; i += LANES)
        most = max_vec(most, load(y + i));
    largest = max_lane(most);
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = exp_of(y[i] - largest);
    return 1 / sum_floats(y, n);
}

/* y[row] = scale[row] p[row] v, of nv vectors of channels, n of them in all. */
INLINE void value_tile(const Attention *s, Elem *const *y,
                       const float *const *p, const float *scale,
                       const float *v, size_t n, const size_t rows,
                       const size_t nv)
{
    Vec sum[ROWS * NV];

    clear_sums(sum, rows, nv);
    add_floats(sum, p, v, s->P, rows, nv);
    UNROLL
    for (size_t i = 0; i < rows * nv; i++) {
        const size_t at = i % nv * LANES;

        store_some(y[i / nv] + at, scale[i / nv] * sum[i], n - at);
    }
}

/* Runs a statement with nv standing for the number of vectors, a constant. */
#define FOR_VECTORS(number, ...)       \
    switch (number) {                  \
    case 1: {                          \
        enum { nv = 1 };               \
        __VA_ARGS__;                   \
        break;                         \
    }                                  \
    case 2: {                          \
        enum { nv = 2 };               \
        __VA_ARGS__;                   \
        break;                         \
    }                                  \
    case 3: {                          \
        enum { nv = 3 < NV ? 3 : NV }; \
        __VA_ARGS__;                   \
        break;                         \
    }                                  \
    default: {                         \
        enum { nv = NV };              \
        __VA_ARGS__;                   \
    }                                  \
    }

/* Positions i to i + rows - 1 of the window. */
INLINE void attend(const Attention *s, const Work *w, const Head *h, size_t i,
                   const size_t rows)
{
    const float *q[ROWS], *p[ROWS];
    Elem *y[ROWS];
    float scale[ROWS];

    for (size_t r = 0; r < rows; r++) {
        q[r] = w->q + r * s->depth;
        pack_query(s, w->q + r * s->depth,
                   h->q + (size_t)h->position[i + r] * QKV * s->C);
        y[r] = h->y + (size_t)h->position[i + r] * s->C;
        p[r] = w->score + r * s->keys;
    }
    for (size_t j = 0; j < s->P; j += PANEL)
        FOR_VECTORS(min_size(NV, (s->keys - j) / LANES),
                    score_tile(s, w->score + j, q, w->k + j * s->d,
                               h->bias + i * s->keys + j, rows, nv))
    for (size_t r = 0; r < rows; r++)
        scale[r] = exponentials(w->score + r * s->keys, s->keys);
    for (size_t c = 0; c < s->d; c += PANEL) {
        const size_t n = s->d - c;

        FOR_VECTORS(min_size(NV, ceil_div(n, LANES)),
                    value_tile(s, y, p, scale, w->v + c * s->P, n, rows, nv))
        for (size_t r = 0; r < rows; r++)
            y[r] += PANEL;
    }
}

/* Head u of all windows of all images. */
static Head head_at(const Attention *s, const Tensor *out, size_t u)
{
    const size_t head = u % s->heads, window = u / s->heads % s->windows;
    const size_t image = u / s->heads / s->windows, map = s->windows * s->P;
    const Elem *qkv =
        (const Elem *)out->src[0]->data + image * map * QKV * s->C;

    return (Head){
        .q = qkv + head * s->d,
        .k = qkv + s->C + head * s->d,
        .v = qkv + 2 * s->C + head * s->d,
        .y = (Elem *)out->data + image * map * s->C + head * s->d,
        .position = s->position + window * s->P,
        .bias =
            s->bias + (kind_of(s, window) * s->heads + head) * s->P * s->keys,
    };
}

/* Rows i to i + rows - 1 of the head to come: too far apart for the hardware to
 * foresee. */
static void prefetch(const Attention *s, const Head *h, size_t i, size_t rows)
{
    for (; rows; rows--, i++) {
        const size_t at = (size_t)h->position[i] * QKV * s->C;

        for (size_t c = 0; c < s->d; c += LINE) {
            __builtin_prefetch(h->q + at + c);
            __builtin_prefetch(h->k + at + c);
            __builtin_prefetch(h->v + at + c);
        }
    }
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Attention *s = state;
    const Work w = work_at(s, (size_t)omp_get_thread_num());

    for (size_t u = begin; u < end; u++) {
        const Head h = head_at(s, out, u);
        const Head next = head_at(s, out, u + 1 < end ? u + 1 : u);
        size_t i = 0;

        pack_keys(s, w.k, &h);
        pack_values(s, w.v, &h);
        for (; i + ROWS <= s->P; i += ROWS) {
            prefetch(s, &next, i, ROWS);
            attend(s, &w, &h, i, ROWS);
        }
        prefetch(s, &next, i, s->P - i);
        for (; i < s->P; i++)
            attend(s, &w, &h, i, 1);
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Attention *s = state;
    const size_t units = (size_t)out->dim[0] * s->windows * s->heads;

    return split(dev, out, s,
                 (Split){ range, units,
                          (double)units * (double)(s->P * s->P) *
                              (double)(s->d + 16) / 2 });
}

const Kernel SIMD(window_attention) = {
    .op = &window_attention_def,
    .dtypes = SIMD_DTYPES,
    .name = "head_in_cache",
    .supports = supports,
    .plan = plan,
    .run = run,
    .packs = 1 << 1,
};
