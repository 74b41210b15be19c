/*
 * scsa_gates.h - from the sums of strips to gates, and the group norms of the
 * fused SCSA
 *
 * Bound by latency: a few thousand numbers per image.  Every loop is over
 * vectors of channels, which no quarter has to fill: a vector that two
 * quarters share takes the longer filter, whose outer taps are 0 for one.
 */
#ifndef SIMD_SCSA_GATES_H
#define SIMD_SCSA_GATES_H

#include "kernels/cpu/simd/math.h"
#include "kernels/cpu/simd/scsa.h"

enum {
    LENGTH = 7,   /* of a strip at once: divides 7, 14, 28 and 56 */
    PARTIAL = 64, /* rows whose moments are summed before they are added */
};

/* n positions of one vector of channels; n is a constant. */
INLINE void filter_block(const Scsa *s, float *y, const float *x,
                         const float *filter, size_t taps, Vec bias,
                         float scale, const size_t n)
{
    Vec sum[LENGTH];

    for (size_t i = 0; i < n; i++)
        sum[i] = splat(0);
    for (size_t t = 0; t < taps; t++) {
        const Vec weight = load(filter + t * s->row);

        for (size_t i = 0; i < n; i++)
            sum[i] += weight * load(x + (i + t) * s->row);
    }
    for (size_t i = 0; i < n; i++)
        store(y + i * s->row, sum[i] * scale + bias);
}

/* The four convolutions, of the means that sums are, for the vectors of
 * channels c to end - 1. */
static void filter_strip(const Scsa *s, const Strip *t, float scale, size_t c,
                         size_t end)
{
    for (; c < end; c += LANES) {
        const size_t taps = s->span[c / LANES];
        const size_t skip = (s->taps - taps) / 2 * s->row + c;
        const Vec bias = load(s->filter_bias + c);
        size_t l = 0;

        for (; l + LENGTH <= t->L; l += LENGTH)
            filter_block(s, t->gate + l * s->row + c,
                         t->sums + l * s->row + skip, s->filter + skip, taps,
                         bias, scale, LENGTH);
        for (; l < t->L; l++)
            filter_block(s, t->gate + l * s->row + c,
                         t->sums + l * s->row + skip, s->filter + skip, taps,
                         bias, scale, 1);
    }
}

/* The moments of rows of x, for the vectors of channels c to end - 1. */
static void take_moments(const Scsa *s, Moments m, const float *x, size_t rows,
                         size_t c, size_t end)
{
    for (; c < end; c += LANES) {
        const Vec first = load(x + c);
        Vec sum = splat(0), squares = sum;

        for (size_t from = 0; from < rows; from += PARTIAL) {
            const size_t to = min_size(from + PARTIAL, rows);
            Vec s1 = splat(0), s2 = s1;

            for (size_t r = from; r < to; r++) {
                const Vec d = load(x + r * s->row + c) - first;

                s1 += d;
                s2 += d * d;
            }
            sum += s1;
            squares += s2;
        }
        store(m.first + c, first);
        store(m.sum + c, sum);
        store(m.squares + c, squares);
    }
}

/* The mean of `size` channels, and one over their deviation. */
typedef struct Normal {
    double mean, scale;
} Normal;

/* Moments of channels first to first + size - 1, over `rows` rows. */
static Normal join_moments(Moments m, size_t first, size_t size, size_t rows,
                           double eps)
{
    const double part = 1 / (double)rows, n = (double)size;
    double mean = 0, var = 0;

#pragma omp simd reduction(+ : mean)
    for (size_t k = first; k < first + size; k++)
        mean += m.first[k] + m.sum[k] * part;
    mean /= n;
    /* Each channel's own variance, and its mean's distance from the group's. */
#pragma omp simd reduction(+ : var)
    for (size_t k = first; k < first + size; k++) {
        const double d = m.sum[k] * part, apart = m.first[k] + d - mean;

        var += m.squares[k] * part - d * d + apart * apart;
    }
    return (Normal){ mean, 1 / sqrt((var < 0 ? 0 : var / n) + eps) };
}

/* A group norm over `rows` rows, whose moments were taken. */
typedef struct Norm {
    Moments moments;
    size_t rows, groups;
    NormWeights weights;
    double eps;
} Norm;

/* For channels c to end - 1, what takes x to (x - mean) * scale + shift.  Each
 * thread that has a channel of a group joins the moments of all of it. */
static void set_affine(const Scsa *s, const Work *w, const Norm *n, size_t c,
                       size_t end)
{
    const size_t size = s->C / n->groups;

    end = min_size(end, s->C);
    for (size_t g = c / size * size; g < end; g += size) {
        const Normal normal =
            join_moments(n->moments, g, size, n->rows, n->eps);
        const float near = (float)normal.mean;
        const float rest = (float)(normal.mean - near);
        const size_t to = min_size(g + size, end);

#pragma omp simd
        for (size_t k = g > c ? g : c; k < to; k++) {
            const float scale = (float)(normal.scale * n->weights.weight[k]);

            w->mean[k] = near;
            w->scale[k] = scale;
            w->shift[k] = n->weights.bias[k] - rest * scale;
        }
    }
}

/* Filtered strips to gates: group norm of quarters, sigmoid. */
static void finish_gates(const Scsa *s, const Work *w, const Strip *t,
                         NormWeights weights, size_t c, size_t end)
{
    const Norm norm = { t->moments, t->L, QUARTERS, weights, s->eps };

    set_affine(s, w, &norm, c, end);
    for (size_t l = 0; l < t->L; l++) {
        float *gate = t->gate + l * s->row;

#pragma omp simd
        for (size_t k = c; k < end; k++)
            gate[k] =
                sigmoid_of((gate[k] - w->mean[k]) * w->scale[k] + w->shift[k]);
    }
}

#endif
