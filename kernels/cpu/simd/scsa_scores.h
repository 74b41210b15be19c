/*
 * scsa_scores.h - the channel attention of the fused SCSA, without its matrix
 *
 *   attention[c] = sigmoid(sum over j of softmax(q[c] . k[j]) mean(v[j]))
 *
 * The mean over positions commutes with the product, so v is one number a
 * channel, and a row of scores is used up as it is made: C^2 exponentials an
 * image, which bind.  Lanes are channels c, so nothing is summed across them.
 *
 *   plain     |q| |k| bounds every score; up to NEAR, exp() needs no maximum
 *   shifted   above, a first round over j finds the maxima
 *   series    one window: a score is q times k, and the sums over j of
 *             exp(q k) and exp(q k) v are functions of one number, q.  Where
 *             their Taylor series of DEGREE is exact in float, its
 *             coefficients are sums over j that all c share: C numbers and not
 *             C^2.  Pays from SERIES_MIN channels of a head on.
 */
#ifndef SIMD_SCSA_SCORES_H
#define SIMD_SCSA_SCORES_H

#include "kernels/cpu/simd/rows.h"
#include "kernels/cpu/simd/scsa_gates.h"

enum {
    KEYS = 8,        /* j at once: so many sums hide the latency           */
    NEAR = 64,       /* e^64 times any number of channels is a float       */
    DEGREE = 16,     /* 2^17 / 17! is 4e-10                                */
    SERIES_NEAR = 2, /* of |q k|                                           */
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
    const float *q; /* (windows,row), at its first channel       */
    const float *k; /* (windows,row), at the head's first channel */
    const float *v; /* the head's means                          */
    size_t keys;    /* channels of the head                      */
    size_t windows, row;
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

/* Adds n channels from j on to the sums of exp and exp v; n is a constant. */
INLINE void add_scores(Vec *sum, const Rows *r, size_t j, Vec most,
                       bool shifted, const size_t n)
{
    const Vec least = splat(-87);
    Vec e[KEYS];

    score(e, r, j, n);
    for (size_t i = 0; i < n; i++) {
        if (shifted) {
            const VecInt low = (e[i] -= most) < least;

            e[i] = (Vec)(((VecInt)least & low) | ((VecInt)e[i] & ~low));
        }
        e[i] = exp_vec(e[i]);
        sum[0] += e[i];
        sum[1] += e[i] * r->v[j + i];
    }
}

INLINE Vec attend(const Rows *r, Vec most, const bool shifted)
{
    Vec sum[2] = { splat(0), splat(0) };
    size_t j = 0;

    for (; j + KEYS <= r->keys; j += KEYS)
        add_scores(sum, r, j, most, shifted, KEYS);
    for (; j < r->keys; j++)
        add_scores(sum, r, j, most, shifted, 1);
    return sum[1] / sum[0];
}

static Vec attend_plain(const Rows *r)
{
    return attend(r, splat(0), false);
}

static Vec attend_shifted(const Rows *r)
{
    Vec most = splat(-INFINITY), s;

    for (size_t j = 0; j < r->keys; j++) {
        score(&s, r, j, 1);
        most = max_vec(most, s);
    }
    return attend(r, most, true);
}

/* ---- series -------------------------------------------------------------- */

/* Coefficients of the sums over j of exp(t k[j] / most) and exp() v[j]. */
typedef struct Series {
    float most;
    float one[DEGREE + 1], v[DEGREE + 1];
} Series;

static void set_series(Series *a, const float *k, const float *v, size_t keys,
                       float most)
{
    Vec one[DEGREE + 1], with_v[DEGREE + 1];
    float factorial = 1, in[LANES];

    for (size_t n = 0; n <= DEGREE; n++)
        one[n] = with_v[n] = splat(0);
    for (size_t l = 0; l < LANES; l++)
        in[l] = 1;
    for (size_t j = 0; j < keys; j += LANES) {
        const size_t left = min_size(LANES, keys - j);
        const bool all = left == LANES;
        const Vec u = (all ? load(k + j) : load_part(k + j, left)) / most;
        const Vec x = all ? load(v + j) : load_part(v + j, left);
        Vec power = all ? load(in) : load_part(in, left);

        for (size_t n = 0; n <= DEGREE; n++, power *= u) {
            one[n] += power;
            with_v[n] += power * x;
        }
    }
    a->most = most;
    for (size_t n = 0; n <= DEGREE; n++) {
        factorial *= n ? (float)n : 1;
        a->one[n] = sum_lanes(one[n]) / factorial;
        a->v[n] = sum_lanes(with_v[n]) / factorial;
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
    const Norm norm = { w->moments, P, 1, s->norm, s->eps * area * area };

    set_affine(s, w, &norm, c, end);
#pragma omp simd
    for (size_t k = c; k < end; k++) {
        const float mean = w->moments.first[k] + w->moments.sum[k] / (float)P;

        w->mean_v[k] =
            s->v[k] * ((mean - w->mean[k]) * w->scale[k] + w->shift[k]);
        w->squares[k] = 0;
    }
    for (size_t p = 0; p < P; p++) {
        float *x = w->pooled + p * s->row, *q = w->q + p * s->row;

#pragma omp simd
        for (size_t k = c; k < end; k++) {
            const float y = (x[k] - w->mean[k]) * w->scale[k] + w->shift[k];

            w->squares[k] += y * y;
            q[k] = y * s->q[k];
            x[k] = y * s->k[k];
        }
    }
}

/* The longest q and the longest k. */
typedef struct Longest {
    float q, k;
} Longest;

static Longest longest(const Scsa *s, const Work *w)
{
    Vec q = splat(0), k = q;

    for (size_t c = 0; c < s->row; c += LANES) {
        const Vec squares = load(w->squares + c);
        const Vec a = load(s->q + c), b = load(s->k + c);

        q = max_vec(q, a * a * squares);
        k = max_vec(k, b * b * squares);
    }
    return (Longest){ sqrtf(max_lane(q)), sqrtf(max_lane(k)) };
}

/* Vectors of channels of one head. */
static inline size_t vectors_of(const Scsa *s)
{
    return ceil_div(s->width, LANES);
}

/* The attention of vectors begin to end - 1 of those of all heads. */
static void attend_all(const Scsa *s, const Work *w, size_t begin, size_t end)
{
    const Longest most = longest(s, w);
    const float bound = most.q * most.k;
    const bool near = bound <= NEAR; /* not so for NaN */
    const bool series = windows_of(s) == 1 && s->width >= SERIES_MIN &&
                        bound <= SERIES_NEAR && most.k > 0;
    size_t have = s->heads; /* the head that a is of */
    Series a = { 0 };

    for (size_t u = begin; u < end; u++) {
        const size_t head = u / vectors_of(s), first = head * s->width;
        const size_t from = u % vectors_of(s) * LANES;
        const Rows r = { w->q + first + from, w->pooled + first,
                         w->mean_v + first,   s->width,
                         windows_of(s),       s->row };
        const size_t n = min_size(LANES, s->width - from);
        float *to = w->attention + first + from;
        Vec y;

        if (series && head != have) {
            have = head;
            set_series(&a, r.k, r.v, r.keys, most.k);
        }
        y = series ? attend_series(&a, load(r.q))
            : near ? attend_plain(&r)
                   : attend_shifted(&r);
        if (n == LANES)
            store(to, y);
        else
            store_part(to, y, n);
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            to[i] = sigmoid_of(to[i]);
    }
}

#endif
