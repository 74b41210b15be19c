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

/* The four convolutions, of the means that sums are, for the vectors of
 * channels c to end - 1. */
static void filter_strip(const Scsa *s, const Strip *t, float scale, size_t c,
                         size_t end)
{
    for (; c < end; c += LANES) {
        const size_t taps = s->span[c / LANES];
        const size_t skip = (s->taps - taps) / 2 * s->row + c;

        filter_vector(s->row, t->gate + c, t->sums + skip, t->L,
                      s->filter + skip, taps, load(s->filter_bias + c), scale);
    }
}

/* Filtered strips to gates: group norm of quarters, sigmoid. */
static void finish_gates(const Scsa *s, const Work *w, const Strip *t,
                         NormWeights weights, size_t c, size_t end)
{
    const Norm norm = { t->moments, s->C, t->L, QUARTERS, weights, s->eps };

    set_affine(&norm, (NormRows){ w->mean, w->scale, w->shift }, c, end);
    for (size_t l = 0; l < t->L; l++) {
        float *gate = t->gate + l * s->row;

#pragma omp simd
        for (size_t k = c; k < end; k++)
            gate[k] =
                sigmoid_of((gate[k] - w->mean[k]) * w->scale[k] + w->shift[k]);
    }
}

#endif
