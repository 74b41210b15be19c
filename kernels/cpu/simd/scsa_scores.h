/*
 * scsa_scores.h - the channel attention of the fused SCSA, without its matrix
 *
 *   attention[c] = sigmoid(sum over j of softmax(q[c] . k[j]) mean(v[j]))
 *
 * The mean over positions commutes with the product, so v is one number a
 * channel, and scores are used up as they are made: C^2 exponentials per image,
 * which bind.  Lanes are channels c, so nothing is summed across them.  For
 * every vector of c, by |q| |k|, the longest of each, which no score exceeds:
 *
 *   plain     up to NEAR, exp() needs no maximum
 *   shifted   above, its scores are kept until their maxima are known
 *   series    one window, up to SERIES_NEAR: a score is q times k, and the
 *             sums over j of exp(q k) and exp(q k) v are functions of one
 *             number, q, whose Taylor series has coefficients that all c
 *             share: C numbers and not C^2.  About the mean of k, which
 *             changes no softmax, as then the sum of exp() is at least 1 a
 *             term, and roundings stay small next to it.  Pays from SERIES_MIN
 *             channels of a head on.
 */
#ifndef SIMD_SCSA_SCORES_H
#define SIMD_SCSA_SCORES_H

#include <float.h>

#include "kernels/cpu/simd/rows.h"
#include "kernels/cpu/simd/scsa_gates.h"

enum {
    KEYS = 8,        /* j at once: this many sums hide the latency    */
    NEAR = 64,       /* e^64 times any number of channels is a float  */
    DEGREE = 20,     /* 4^21 / 21! is 9e-8                            */
    SERIES_NEAR = 4, /* of |q k|                                      */
    SERIES_MIN = 64,
    SUMMED = 32, /* products summed in float before they are added */
};

/* exp(x) for |x| <= 87, as exp_minus of math.h; NaN gives NaN. */
INLINE Vec exp_vec(Vec x)
{
    typedef uint32_t Bits __attribute__((vector_size(LANES * 4)));
    const float round = 0x1.8p23f; /* added, its last bit is worth 1 */
    const Vec shifted = x * 0x1.715476p0f + round;
    const Vec n = shifted - round;
    const Vec r = x - n * 0.693359375f - n * -2.12194440e-4f;
    Vec p = splat(1.9875691500e-4f);

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1;
    return p * (Vec)(((Bits)shifted + 127) << 23); /* round's last 9 bits: 0 */
}

/* Where one vector of rows of scores is computed from. */
typedef struct Rows {
    const float *q; /* (windows,row), at its first channel        */
    const float *k; /* (windows,row), at the head's first channel */
    const float *v; /* the head's means                           */
    size_t keys;    /* channels of the head                       */
    size_t windows, row;
    float *scores; /* (keys,LANES): scratch */
} Rows;

/* Scores with n channels from j on; n is a constant. */
INLINE void score(Vec *sum, const Rows *r, size_t j, const size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] = splat(0);
    for (size_t from = 0; from < r->windows; from += SUMMED) {
        const size_t to = min_size(from + SUMMED, r->windows);
        Vec part[KEYS];

        for (size_t i = 0; i < n; i++)
            part[i] = splat(0);
        for (size_t p = from; p < to; p++) {
            const Vec q = load(r->q + p * r->row);

            for (size_t i = 0; i < n; i++)
                part[i] += q * r->k[p * r->row + j + i];
        }
        for (size_t i = 0; i < n; i++)
            sum[i] += part[i];
    }
}

/* ---- plain --------------------------------------------------------------- */

/* The sums over j of exp(score) and of exp(score) v. */
typedef struct Sums {
    Vec one, v;
} Sums;

/* Adds n channels from j on; n is a constant. */
INLINE void add_plain(Sums *sums, const Rows *r, size_t j, const size_t n)
{
    Vec e[KEYS];

    score(e, r, j, n);
    for (size_t i = 0; i < n; i++) {
        e[i] = exp_vec(e[i]);
        sums->one += e[i];
        sums->v += e[i] * r->v[j + i];
    }
}

static Vec attend_plain(const Rows *r)
{
    Sums sums = { splat(0), splat(0) };
    size_t j = 0;

    for (; j + KEYS <= r->keys; j += KEYS)
        add_plain(&sums, r, j, KEYS);
    for (; j < r->keys; j++)
        add_plain(&sums, r, j, 1);
    return sums.v / sums.one;
}

/* ---- shifted ------------------------------------------------------------- */

/* Keeps the scores with n channels from j on; n is a constant. */
INLINE Vec keep_scores(Vec most, const Rows *r, size_t j, const size_t n)
{
    Vec e[KEYS];

    score(e, r, j, n);
    for (size_t i = 0; i < n; i++) {
        store(r->scores + (j + i) * LANES, e[i]);
        most = larger(most, e[i]);
    }
    return most;
}

static Vec attend_shifted(const Rows *r)
{
    const Vec least = splat(-87); /* e^-87 is nothing next to e^0 */
    Sums sums = { splat(0), splat(0) };
    Vec most = splat(-INFINITY);
    size_t j = 0;

    for (; j + KEYS <= r->keys; j += KEYS)
        most = keep_scores(most, r, j, KEYS);
    for (; j < r->keys; j++)
        most = keep_scores(most, r, j, 1);
    for (j = 0; j < r->keys; j++) {
        const Vec d = load(r->scores + j * LANES) - most;
        const VecInt low = d < least; /* not so for NaN */
        const Vec e =
            exp_vec((Vec)((low & (VecInt)least) | (~low & (VecInt)d)));

        sums.one += e;
        sums.v += e * r->v[j];
    }
    return sums.v / sums.one;
}

/* ---- series -------------------------------------------------------------- */

/* Coefficients of the sums over j of exp(t u[j]) and exp(t u[j]) v[j], where
 * u = (k - mean) / most lies within -1 and 1, and t is q times most. */
typedef struct Series {
    float most;
    float one[DEGREE + 1], v[DEGREE + 1];
} Series;

/* All lanes, or the first n, then zeros. */
INLINE Vec load_first(const float *p, size_t n)
{
    return n >= LANES ? load(p) : load_part(p, n);
}

static void set_series(Series *a, const Rows *r)
{
    const float mean = sum_floats(r->k, r->keys) / (float)r->keys;
    Vec one[DEGREE + 1], with_v[DEGREE + 1], most = splat(FLT_MIN);
    double factorial = 1;
    float ones[LANES];

    for (size_t n = 0; n <= DEGREE; n++)
        one[n] = with_v[n] = splat(0);
    for (size_t l = 0; l < LANES; l++)
        ones[l] = 1;
    for (size_t j = 0; j < r->keys; j += LANES) {
        const size_t n = r->keys - j;
        const Vec d = load_first(r->k + j, n) - load_first(ones, n) * mean;

        most = larger(larger(most, d), -d);
    }
    a->most = max_lane(most);
    for (size_t j = 0; j < r->keys; j += LANES) {
        const size_t n = r->keys - j;
        const Vec x = load_first(r->v + j, n);
        Vec power = load_first(ones, n);
        const Vec u = (load_first(r->k + j, n) - power * mean) / a->most;

        for (size_t i = 0; i <= DEGREE; i++, power *= u) {
            one[i] += power;
            with_v[i] += power * x;
        }
    }
    for (size_t n = 0; n <= DEGREE; n++) {
        factorial *= n ? (double)n : 1;
        a->one[n] = (float)(sum_lanes(one[n]) / factorial);
        a->v[n] = (float)(sum_lanes(with_v[n]) / factorial);
    }
}

static Vec attend_series(const Series *a, Vec q)
{
    const Vec t = q * a->most;
    Vec one = splat(a->one[DEGREE]), v = splat(a->v[DEGREE]);

    for (size_t n = DEGREE; n-- > 0;) {
        one = one * t + a->one[n];
        v = v * t + a->v[n];
    }
    return v / one;
}

/* ---- all of it ----------------------------------------------------------- */

/* x_p of channels c to end - 1, as sums, to q, k and the means of v. */
static void project(const Scsa *s, const Work *w, size_t c, size_t end)
{
    const size_t P = windows_of(s);
    const double area = (double)s->window_h * (double)s->window_w;
    const Norm norm = { w->moments, s->C, P, 1, s->norm, s->eps * area * area };

    set_affine(&norm, (NormRows){ w->mean, w->scale, w->shift }, c, end);
    for (; c < end; c += LANES) {
        const Vec mean = load(w->mean + c), scale = load(w->scale + c),
                  shift = load(w->shift + c);
        const Vec to_q = load(s->q + c), to_k = load(s->k + c);
        const Vec first = load(w->moments.first + c),
                  sum = load(w->moments.sum + c);
        Vec squares = splat(0);

        store(w->mean_v + c, ((first - mean + sum / (float)P) * scale + shift) *
                                 load(s->v + c));
        for (size_t p = c; p < P * s->row + c; p += s->row) {
            const Vec x = (load(w->pooled + p) - mean) * scale + shift;

            squares += x * x;
            store(w->q + p, x * to_q);
            store(w->pooled + p, x * to_k);
        }
        store(w->squares + c, squares);
    }
}

/* The longest of n projections of x_p, whose squared lengths these are; NaN if
 * any is. */
static float longest(const float *scale, const float *squares, size_t n)
{
    Vec most = splat(0);

    for (size_t c = 0; c < n; c += LANES) {
        const Vec a = load_first(scale + c, n - c);

        most = max_vec(most, a * a * load_first(squares + c, n - c));
    }
    return sqrtf(max_lane(most));
}

/* Values that all vectors of a head share. */
typedef struct Head {
    size_t number;
    float longest_k, series_to; /* the longest q for which there is a series */
    Series series;
} Head;

static void enter_head(Head *h, const Scsa *s, const Work *w, const Rows *r,
                       size_t number)
{
    const size_t c = number * s->width;

    if (h->number == number)
        return;
    h->number = number;
    h->longest_k = longest(s->k + c, w->squares + c, s->width);
    h->series_to = -1;
    if (r->windows == 1 && r->keys >= SERIES_MIN) {
        set_series(&h->series, r);
        h->series_to = SERIES_NEAR / h->series.most;
    }
}

/* Vectors of channels of one head. */
static inline size_t vectors_of(const Scsa *s)
{
    return ceil_div(s->width, LANES);
}

/* The attention of vectors begin to end - 1 of those of all heads. */
static void attend_all(const Scsa *s, const Work *w, float *scores,
                       size_t begin, size_t end)
{
    Head h = { .number = s->heads };

    for (size_t u = begin; u < end; u++) {
        const size_t first = u / vectors_of(s) * s->width;
        const size_t from = u % vectors_of(s) * LANES, c = first + from;
        const size_t n = min_size(LANES, s->width - from);
        const Rows r = { w->q + c, w->pooled + first, w->mean_v + first,
                         s->width, windows_of(s),     s->row,
                         scores };
        const float q = longest(s->q + c, w->squares + c, n);
        float y[LANES];

        enter_head(&h, s, w, &r, u / vectors_of(s));
        store(y, q <= h.series_to          ? attend_series(&h.series, load(r.q))
                 : q * h.longest_k <= NEAR ? attend_plain(&r)
                                           : attend_shifted(&r));
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            w->attention[c + i] = sigmoid_of(y[i]);
    }
}

#endif
