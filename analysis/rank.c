/*
 * rank.c - Kendall's tau-b, and how sure of it samples can be.
 *
 * Source: M. G. Kendall, "The treatment of ties in ranking problems",
 * Biometrika 33, 1945 (tau-b); B. Efron, R. J. Tibshirani, "An Introduction to
 * the Bootstrap", 1993, chapter 13 (percentile intervals).
 */
#include "analysis/rank.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/draw.h"
#include "analysis/stats.h"

static int sign(double v)
{
    return (v > 0) - (v < 0);
}

double kendall_tau(const double *x, const double *y, int n)
{
    double agree = 0, of_x = 0, of_y = 0;

    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) {
            const int a = sign(x[i] - x[k]), b = sign(y[i] - y[k]);

            agree += a * b;
            of_x += a * a; /* pairs that x does not tie */
            of_y += b * b;
        }
    return of_x > 0 && of_y > 0 ? agree / sqrt(of_x * of_y) : NAN;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof(*x), ascending);
    return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

/* Tau of one resample; chosen and drawn have room for the samples of one. */
static double resample(const RankSamples *s, const double *known,
                       double *medians, double *drawn, int *chosen,
                       uint64_t *state)
{
    for (int i = 0; i < s->n; i++) {
        const int m = s->count[i];

        for (int k = 0; k < m && (!i || !s->paired); k++)
            chosen[k] = draw_below(state, m);
        for (int k = 0; k < m; k++)
            drawn[k] = s->value[i][chosen[k]];
        medians[i] = median(drawn, m);
    }
    return kendall_tau(medians, known, s->n);
}

/* The middle 95 % of taus; those that ties leave without a tau are no part. */
static void percentiles(Rank *r, double *tau, int n)
{
    int kept = 0;

    for (int i = 0; i < n; i++)
        if (!isnan(tau[i]))
            tau[kept++] = tau[i];
    if (!kept)
        return;
    qsort(tau, (size_t)kept, sizeof(*tau), ascending);
    r->lo = tau[(int)(0.025 * (kept - 1))];
    r->hi = tau[kept - 1 - (int)(0.025 * (kept - 1))];
}

Rank rank_agreement(const RankSamples *s, const double *known, uint64_t seed)
{
    Rank r = { s->n, NAN, NAN, NAN };
    double *medians = malloc((size_t)(s->n + 1) * sizeof(*medians));
    double *tau = malloc(RANK_RESAMPLES * sizeof(*tau)), *drawn;
    int most = 0, least = s->n ? s->count[0] : 0, *chosen;

    for (int i = 0; i < s->n; i++) {
        most = s->count[i] > most ? s->count[i] : most;
        least = s->count[i] < least ? s->count[i] : least;
    }
    drawn = malloc((size_t)(most + 1) * sizeof(*drawn));
    chosen = malloc((size_t)(most + 1) * sizeof(*chosen));
    if (medians && tau && drawn && chosen && least > 0) {
        for (int i = 0; i < s->n; i++)
            medians[i] = stats_of(s->value[i], s->count[i]).median;
        r.tau = kendall_tau(medians, known, s->n);
        for (int i = 0; i < RANK_RESAMPLES && least >= RANK_LEAST; i++)
            tau[i] = resample(s, known, medians, drawn, chosen, &seed);
        if (least >= RANK_LEAST)
            percentiles(&r, tau, RANK_RESAMPLES);
    }
    free(medians);
    free(tau);
    free(drawn);
    free(chosen);
    return r;
}
