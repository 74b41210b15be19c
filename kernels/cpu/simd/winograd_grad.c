/*
 * winograd_grad.c - conv2d_grad_w 3x3 of stride 1, with 16 multiplications
 * where the definition has 36
 *
 *     dw = A' [ sum over tiles of (G dy G') . (B' x B) ] A
 *
 * is made of tiles of 2x2 numbers of dy and of the 4x4 windows of x that they
 * were made of; the dot multiplies element by element: F(3x3,2x2) of Lavin and
 * Gray (see winograd.c), whose B it shares.  For each of the 16 elements that
 * is a sum of outer products over tiles (outer.h), bound by FLOPs.  A and B
 * hold 0 and +-1 only, G halves, so the error is about that of the plain sum.
 *
 *   winograd   A thread transforms a block of dy, then a panel of windows at a
 *              time, and adds up their products.  Starves where C and O are
 *              small, so that the transforms weigh more, and where tiles are
 *              few, because sums are 16/9 of the result.
 *
 * A NaN or an infinity in x makes a NaN of every tap of its channel.
 */
#include "kernels/cpu/simd/outer.h"
#include "kernels/cpu/simd/winograd.h"

enum {
    BLOCK_BYTES = 512 << 10, /* of what is multiplied: half a second-level
                              * cache */
    MIN_BLOCK = 64,          /* tiles: fewer would wait for sums */
    MAX_BLOCK = 128,
};

/* Followed by what the pointers point to. */
typedef struct State {
    Shares shares;         /* positions are tiles               */
    size_t windows, tiles; /* floats from one element to the next */
    size_t dy_step;        /* and from one tile of dy             */
    size_t element, part;  /* floats of sums: (O,C), [element](O,C) */
    float *zeros;          /* the more of O and C                 */
    float *work;           /* of each thread: windows, tiles of dy */
    size_t work_floats;
    float *sums; /* [part][element](O,C) */
} State;

/* Arguments of one run. */
typedef struct Job {
    const State *s;
    Map x, dy;
    float *windows, *tiles;
} Job;

/* As many tiles as fit into the cache with their windows. */
static size_t block_of(size_t O)
{
    const size_t fit = BLOCK_BYTES / sizeof(float) / ELEMENTS / (O + PANEL);

    return fit < MIN_BLOCK ? MIN_BLOCK : min_size(fit, MAX_BLOCK);
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const size_t O = (size_t)out->dim[0], C = (size_t)out->dim[1];
    const size_t threads = (size_t)dev->threads, zeros = O > C ? O : C;
    State s = { .dy_step = O + LINE, .element = O * C };
    const size_t head = ceil_div(sizeof(s), 64) * 64 / sizeof(float);

    s.shares = shares_of(dev, tiles_of(out->src[1]), C, block_of(O));
    s.windows = s.shares.block * s.shares.width + APART;
    s.tiles = s.shares.block * s.dy_step + APART;
    s.part = ELEMENTS * s.element;
    s.work_floats = ELEMENTS * (s.windows + s.tiles);
    TRY(state_new(state, (head + zeros + threads * s.work_floats +
                          s.shares.parts * s.part) *
                             sizeof(float)));
    s.zeros = (float *)*state + head;
    s.work = s.zeros + zeros;
    s.sums = s.work + threads * s.work_floats;
    memset(s.zeros, 0, zeros * sizeof(float));
    memcpy(*state, &s, sizeof(s));
    return OK;
}

/* ---- the steps of a block ------------------------------------------------ */

/* G d for one row or column d of a tile. */
INLINE void transform_tile(Vec *to, size_t step, Vec a, Vec b)
{
    const Vec half = splat(0.5F);

    to[0] = a;
    to[step] = half * (a + b);
    to[2 * step] = half * (a - b);
    to[3 * step] = b;
}

/* G dy G' of the i-th tile of the block, for all outputs. */
static void dy_of(const Job *j, size_t tile, size_t i)
{
    const float *pixel[TILE * TILE];
    float *to = j->tiles + i * j->s->dy_step;

    find_pixels(&j->dy, tile, TILE, pixel);
    for (size_t o = 0; o < j->dy.C; o += LANES) {
        Vec t[TILE * SIDE], v[ELEMENTS];

        UNROLL
        for (size_t k = 0; k < TILE; k++)
            transform_tile(t + k, TILE, load(pixel[k] + o),
                           load(pixel[TILE + k] + o));
        UNROLL
        for (size_t k = 0; k < SIDE; k++)
            transform_tile(v + k * SIDE, 1, t[k * TILE], t[k * TILE + 1]);
        UNROLL
        for (size_t e = 0; e < ELEMENTS; e++)
            store(to + e * j->s->tiles + o, v[e]);
    }
}

/* B' x B of the i-th tile of the block, channels first to past - 1. */
static void window_of(const Job *j, size_t tile, size_t i, size_t first,
                      size_t past)
{
    const float *pixel[ELEMENTS];
    float *to = j->windows + i * (past - first);

    find_pixels(&j->x, tile, SIDE, pixel);
    for (size_t c = first; c < past; c += LANES, to += LANES) {
        Vec v[ELEMENTS];

        transform_pixels(v, pixel, c);
        UNROLL
        for (size_t e = 0; e < ELEMENTS; e++)
            store(to + e * j->s->windows, v[e]);
    }
}

static void look_ahead(const Job *j, const Block *b, Ahead ahead[2])
{
    const size_t products = (b->last - b->panel) * ELEMENTS;
    const size_t n = b->end - b->begin, rows = j->dy.C;

    ahead[0] = ahead_of(tile_at(&j->x, b->end), tile_at(&j->x, b->next),
                        products, rows, n);
    ahead[1] = ahead_of(tile_at(&j->dy, b->end), tile_at(&j->dy, b->next),
                        products, rows, n);
}

static void block(const void *job, const Block *b)
{
    const Job *j = job;
    const State *s = j->s;
    Ahead ahead[2];
    Outer p = { .a_step = s->dy_step,
                .n = b->end - b->begin,
                .rows = j->dy.C,
                .sum_step = j->x.C,
                .first = b->first,
                .ahead = ahead };

    look_ahead(j, b, ahead);
    for (size_t i = 0; i < p.n; i++)
        dy_of(j, b->begin + i, i);
    for (size_t k = b->panel; k < b->last; k++) {
        const size_t first = k * s->shares.width;
        const size_t past = min_size(first + s->shares.width, j->x.C);

        p.b_step = past - first;
        for (size_t i = 0; i < p.n; i++)
            window_of(j, b->begin + i, i, first, past);
        for (size_t e = 0; e < ELEMENTS; e++) {
            p.a = j->tiles + e * s->tiles;
            p.b = j->windows + e * s->windows;
            p.sum = s->sums + b->part * s->part + e * s->element + first;
            outer_product(&p, p.b_step / LANES);
        }
    }
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const State *s = state;
    const Conv2dGradAttr *a = out->attr;
    float *work = s->work + (size_t)omp_get_thread_num() * s->work_floats;
    Job j = {
        .s = s,
        .x = map_of(out->src[0], out->src[1], s->zeros),
        .dy = map_of(out->src[1], out->src[1], s->zeros),
        .windows = work,
        .tiles = work + ELEMENTS * s->windows,
    };

    j.x.pad_h = a->conv.pad_h;
    j.x.pad_w = a->conv.pad_w;
    each_block(&s->shares, begin, end, block, &j);
}

/* ---- the result ---------------------------------------------------------- */

/* A' m for one row or column m of the sums. */
INLINE void transform_sums(Vec *to, size_t step, Vec a, Vec b, Vec c, Vec d)
{
    to[0] = a + b + c;
    to[step] = b - c;
    to[2 * step] = b + c - d;
}

/* A' m A of LANES filters. */
INLINE void filters_of(Vec *filter, const Vec *m)
{
    Vec t[KERNEL * SIDE];

    UNROLL
    for (size_t k = 0; k < SIDE; k++)
        transform_sums(t + k, SIDE, m[k], m[SIDE + k], m[2 * SIDE + k],
                       m[3 * SIDE + k]);
    UNROLL
    for (size_t k = 0; k < KERNEL; k++)
        transform_sums(filter + k * KERNEL, 1, t[k * SIDE], t[k * SIDE + 1],
                       t[k * SIDE + 2], t[k * SIDE + 3]);
}

/* Units are outputs. */
static void finish(const Tensor *out, const void *state, size_t begin,
                   size_t end)
{
    const State *s = state;
    const size_t C = (size_t)out->dim[1];

    for (size_t at = begin * C; at < end * C; at += LANES) {
        float *to = (float *)out->data + at * KERNEL * KERNEL;
        float taps[KERNEL * KERNEL][LANES];
        Vec m[ELEMENTS], filter[KERNEL * KERNEL];

        UNROLL
        for (size_t e = 0; e < ELEMENTS; e++)
            m[e] = load(s->sums + e * s->element + at);
        for (size_t p = 1; p < s->shares.parts; p++)
            UNROLL
        for (size_t e = 0; e < ELEMENTS; e++)
            m[e] += load(s->sums + p * s->part + e * s->element + at);
        filters_of(filter, m);
        UNROLL
        for (size_t t = 0; t < KERNEL * KERNEL; t++)
            store(taps[t], filter[t]);
        for (size_t c = 0; c < LANES; c++)
            for (size_t t = 0; t < KERNEL * KERNEL; t++)
                *to++ = taps[t][c];
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const State *s = state;
    const size_t units = s->shares.parts * s->shares.panels;
    const double tiles = (double)s->shares.positions;

    TRY(split(dev, out, state,
              (Split){ range, units, tiles * (double)s->part / 4 }));
    return split(dev, out, state,
                 (Split){ finish, (size_t)out->dim[0], (double)s->part });
}

static bool supports(const Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;

    return a->h == KERNEL && a->w == KERNEL && a->conv.stride == 1 &&
           a->conv.groups == 1 && out->dim[0] % LANES == 0 &&
           out->dim[1] % LANES == 0 && out->dim[0] >= MIN_CHANNELS &&
           out->dim[1] >= MIN_CHANNELS;
}

const Kernel SIMD(conv2d_grad_w_winograd) = {
    .op = &conv2d_grad_w_def,
    .name = "winograd",
    .supports = supports,
    .plan = plan,
    .run = run,
};
