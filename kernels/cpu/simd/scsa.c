/*
 * scsa.c - SCSA as one op (attention_zoo/scsa.c has its equations and graph)
 *
 *   y = x * attn_h * attn_w * attention,  gates from x's row and column means,
 *   attention from window means of what they leave
 *
 * Bound by bytes, and by exponentials where windows are few and channels many:
 * C^2 per image.  Algebra first: both strip means take one read of x; the mean
 * of a window is a sum of x times two gates: x * attn_h * attn_w is not stored;
 * the norm of x_p absorbs the window's area; v is needed by its means only; no
 * C x C matrix exists (scsa_scores.h).
 *
 *   three_passes  x is read for the strips, again for the windows, again to
 *                 write y: where an image fits the second-level cache of a
 *                 core, once from memory.  Threads take images, each with
 *                 scratch of its own, as long as there is one for each; those
 *                 that are left over are shared: channels by lines of the
 *                 cache, and rows in the last pass, with a barrier between
 *                 steps.  The result has the same bits for any number of
 *                 threads.  Starves on one small image, whose five barriers
 *                 take as long as its arithmetic, and where C / 16 is less
 *                 than the threads.
 */
#include "kernels/cpu/simd/scsa.h"

#include "kernels/cpu/simd/scsa_gates.h"
#include "kernels/cpu/simd/scsa_map.h"
#include "kernels/cpu/simd/scsa_scores.h"

static bool supports(const Tensor *out)
{
    for (int k = SCSA_DWC_WEIGHT; k < SCSA_SOURCES; k++)
        if (!is_weight(out->src[k]))
            return false;
    return true;
}

/* ---- plan ---------------------------------------------------------------- */

static Scsa sizes(const Tensor *out)
{
    const ScsaAttr *attr = out->attr;
    Scsa s = {
        .C = (size_t)out->dim[1],
        .H = (size_t)out->dim[2],
        .W = (size_t)out->dim[3],
        .heads = (size_t)attr->heads,
        .eps = attr->eps,
    };

    s.row = ceil_div(s.C, LINE) * LINE;
    s.width = s.C / s.heads;
    s.window_h = attr->window < 0 ? s.H : (size_t)attr->window;
    s.window_w = attr->window < 0 ? s.W : (size_t)attr->window;
    s.down = s.H / s.window_h;
    s.across = s.W / s.window_w;
    for (int i = 0; i < QUARTERS; i++)
        s.halo =
            s.halo < (size_t)attr->k[i] / 2 ? (size_t)attr->k[i] / 2 : s.halo;
    s.taps = 2 * s.halo + 1;
    s.scratch_rows = work_rows(&s);
    return s;
}

static void pack_filters(Scsa *s, const Tensor *out)
{
    const ScsaAttr *attr = out->attr;
    const size_t quarter = s->C / QUARTERS;

    for (size_t c = 0; c < s->C; c++) {
        const size_t i = c / quarter, k = (size_t)attr->k[i];
        const float *w = weight_host(out->src[SCSA_DWC_WEIGHT + i]);
        const float *b = weight_host(out->src[SCSA_DWC_BIAS + i]);

        for (size_t t = 0; t < k; t++)
            s->filter[(s->halo - k / 2 + t) * s->row + c] =
                w[c % quarter * k + t];
        s->filter_bias[c] = b[c % quarter];
        if (s->span[c / LANES] < k)
            s->span[c / LANES] = k;
    }
}

static void pack_scales(Scsa *s, const Tensor *out)
{
    const float root = (float)(1 / sqrt((double)s->width));
    const float *q = weight_host(out->src[SCSA_Q]);

    for (size_t c = 0; c < s->C; c++)
        s->q[c] = q[c] * root;
    memcpy(s->k, weight_host(out->src[SCSA_K]), s->C * sizeof(float));
    memcpy(s->v, weight_host(out->src[SCSA_V]), s->C * sizeof(float));
}

static void pack_norm(const Scsa *s, NormWeights to, const Tensor *const *from)
{
    memcpy(to.weight, weight_host(from[0]), s->C * sizeof(float));
    memcpy(to.bias, weight_host(from[1]), s->C * sizeof(float));
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    Scsa sizes_of = sizes(out), *s;
    const size_t packed = sizes_of.taps + 10;
    const size_t rows = packed + (size_t)dev->threads * sizes_of.scratch_rows;
    const size_t bytes = rows * sizes_of.row * sizeof(float);
    const Tensor *const *src = (const Tensor *const *)out->src;
    float *at;

    TRY(state_new(state,
                  sizeof(*s) + bytes + sizes_of.row / LANES * sizeof(size_t)));
    s = *state;
    *s = sizes_of;
    at = (float *)(s + 1);
    memset(at, 0, bytes);
#define TAKE(rows) take(&at, (rows)*s->row)
    s->filter = TAKE(s->taps);
    s->filter_bias = TAKE(1);
    s->norm_h = (NormWeights){ TAKE(1), TAKE(1) };
    s->norm_w = (NormWeights){ TAKE(1), TAKE(1) };
    s->norm = (NormWeights){ TAKE(1), TAKE(1) };
    s->q = TAKE(1);
    s->k = TAKE(1);
    s->v = TAKE(1);
    s->scratch = TAKE((size_t)dev->threads * s->scratch_rows);
#undef TAKE
    s->span = (size_t *)at;
    for (size_t v = 0; v < s->row / LANES; v++)
        s->span[v] = 1;
    pack_filters(s, out);
    pack_scales(s, out);
    pack_norm(s, s->norm_h, src + SCSA_NORM_H);
    pack_norm(s, s->norm_w, src + SCSA_NORM_W);
    pack_norm(s, s->norm, src + SCSA_NORM);
    return OK;
}

/* ---- one image ----------------------------------------------------------- */

typedef struct Image {
    const Scsa *s;
    Work w;
    const Elem *x;
    Elem *y;
} Image;

static Image image_at(const Scsa *s, const Tensor *out, size_t n, size_t thread)
{
    const size_t numbers = s->H * s->W * s->C;

    return (Image){ s, work_at(s, thread),
                    (const Elem *)out->src[SCSA_X]->data + n * numbers,
                    (Elem *)out->data + n * numbers };
}

/* A step does units begin to end - 1 and needs all of the step before.  Units
 * are lines of channels, unless it says otherwise. */
typedef void Step(const Image *m, size_t begin, size_t end);

static void strips(const Image *m, size_t begin, size_t end)
{
    const Scsa *s = m->s;
    const Work *w = &m->w;
    const size_t c = begin * LINE, to = end * LINE;

    sum_strips(s, w, m->x, c, min_size(to, s->C) - c);
    filter_strip(s, &w->h, 1 / (float)s->W, c, to);
    filter_strip(s, &w->w, 1 / (float)s->H, c, to);
    take_moments(s->row, w->h.moments, w->h.gate, s->H, c, to);
    take_moments(s->row, w->w.moments, w->w.gate, s->W, c, to);
}

static void windows(const Image *m, size_t begin, size_t end)
{
    const Scsa *s = m->s;
    const Work *w = &m->w;
    const size_t c = begin * LINE, to = end * LINE;

    finish_gates(s, w, &w->h, s->norm_h, c, to);
    finish_gates(s, w, &w->w, s->norm_w, c, to);
    sum_windows(s, w, m->x, c, min_size(to, s->C) - c);
    take_moments(s->row, w->moments, w->pooled, windows_of(s), c, to);
}

static void projections(const Image *m, size_t begin, size_t end)
{
    project(m->s, &m->w, begin * LINE, end * LINE);
}

/* Units are vectors of the channels of a head. */
static void attention(const Image *m, size_t begin, size_t end)
{
    const Work own = work_at(m->s, (size_t)omp_get_thread_num());

    attend_all(m->s, &m->w, own.scores, begin, end);
}

/* Units are rows of the map. */
static void result(const Image *m, size_t begin, size_t end)
{
    write_rows(m->s, &m->w, m->y, m->x, begin, end);
}

enum { STEPS = 5 };
static Step *const steps[STEPS] = { strips, windows, projections, attention,
                                    result };

static size_t units_of(const Scsa *s, size_t step)
{
    if (steps[step] == attention)
        return s->heads * vectors_of(s);
    return steps[step] == result ? s->H : s->row / LINE;
}

/* Numbers that a step moves, or multiply-adds / 4; of exp, about 4. */
static double work_of(const Scsa *s, size_t step)
{
    const double C = (double)s->C, P = (double)windows_of(s);

    if (steps[step] == attention)
        return C * (double)s->width * (4 + P / 4);
    return steps[step] == projections ? C * P : C * (double)s->H * (double)s->W;
}

/* ---- run ----------------------------------------------------------------- */

/* Units are images. */
static void images(const Tensor *out, const void *state, size_t begin,
                   size_t end)
{
    const Scsa *s = state;

    for (size_t n = begin; n < end; n++) {
        const Image m = image_at(s, out, n, (size_t)omp_get_thread_num());

        for (size_t i = 0; i < STEPS; i++)
            steps[i](&m, 0, units_of(s, i));
    }
}

/* A step of one image, for all threads. */
typedef struct Share {
    Image m;
    Step *step;
} Share;

static void share(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Share *a = state;

    (void)out;
    a->step(&a->m, begin, end);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Scsa *s = state;
    const size_t N = (size_t)out->dim[0], threads = (size_t)dev->threads;
    const size_t apart = N / threads * threads;

    if (apart)
        TRY(split(dev, out, s,
                  (Split){ images, apart, 3.0 * (double)tensor_count(out) }));
    for (size_t n = apart; n < N; n++)
        for (size_t i = 0; i < STEPS; i++) {
            const Share a = { image_at(s, out, n, 0), steps[i] };

            TRY(split(dev, out, &a,
                      (Split){ share, units_of(s, i), work_of(s, i) }));
        }
    return OK;
}

const Kernel SIMD(scsa) = {
    .op = &scsa_def,
    .dtypes = SIMD_DTYPES,
    .name = "three_passes",
    .supports = supports,
    .plan = plan,
    .run = run,
    .inplace = 1 << SCSA_X,
    .packs = ((1 << SCSA_SOURCES) - 1) & ~(1 << SCSA_X),
};
