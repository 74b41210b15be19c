/*
 * paired.c - ratios round by round, so that what hits a whole round cancels.
 *
 * Ratios are taken as logarithms: then a over b is the mirror image of b over
 * a, and copies of one case have logs that are symmetric about 0, which is all
 * that the signed-rank interval asks for.
 *
 * Source: B. Chen, J. Revels, "Robust benchmarking in noisy environments",
 * arXiv:1608.04295, 2016 (minima); T. Kalibera, R. Jones, "Rigorous
 * benchmarking in reasonable time", ISMM 2013 (processes); for the rest see
 * interval.c and serial.c.
 */
#include "analysis/paired.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "analysis/serial.h"
#include "kernels/core/err.h"

/* ---- rounds -------------------------------------------------------------- */

typedef struct Timed {
    int round;
    double log, least; /* mean of the logs, smallest */
} Timed;

/* Rounds that two cases have in common, in order. */
typedef struct Common {
    double *log, *a, *b; /* log ratio, smallest of each; n of them */
    int n;
} Common;

static int by_round(const void *a, const void *b)
{
    const Timed *s = a, *t = b;

    return (s->round > t->round) - (s->round < t->round);
}

/* One entry per round, in order of rounds; at (n) is filled.  Returns their
 * number. */
static int by_rounds(Timed *at, const double *x, const int *round, int n)
{
    int rounds = 0;

    for (int i = 0; i < n; i++)
        at[i] = (Timed){ round[i], log(x[i]), x[i] };
    qsort(at, (size_t)n, sizeof(*at), by_round);
    for (int i = 0, m; i < n; i += m) {
        Timed t = at[i];

        for (m = 1; i + m < n && at[i + m].round == t.round; m++) {
            t.log += at[i + m].log;
            t.least = fmin(t.least, at[i + m].least);
        }
        t.log /= m;
        at[rounds++] = t;
    }
    return rounds;
}

static void common_free(Common *c)
{
    free(c->log);
    free(c->a);
    free(c->b);
}

/* Rounds of both, by walking the two lists; n is 0 if there is no memory. */
static void common_find(Common *c, const Timed *at, int na, const Timed *bt,
                        int nb)
{
    for (int i = 0, j = 0; i < na && j < nb;) {
        if (at[i].round == bt[j].round) {
            c->log[c->n] = at[i].log - bt[j].log;
            c->a[c->n] = at[i].least;
            c->b[c->n++] = bt[j].least;
        }
        if (at[i].round <= bt[j].round)
            i++;
        else
            j++;
    }
}

static Common common_rounds(const double *a, const int *round_a, int na,
                            const double *b, const int *round_b, int nb)
{
    Common c = { NULL, NULL, NULL, 0 };
    Timed *at, *bt;

    if (na <= 0 || nb <= 0)
        return c;
    at = malloc((size_t)na * sizeof(*at));
    bt = malloc((size_t)nb * sizeof(*bt));
    c.log = malloc((size_t)na * sizeof(*c.log));
    c.a = malloc((size_t)na * sizeof(*c.a));
    c.b = malloc((size_t)na * sizeof(*c.b));
    if (at && bt && c.log && c.a && c.b)
        common_find(&c, at, by_rounds(at, a, round_a, na), bt,
                    by_rounds(bt, b, round_b, nb));
    free(at);
    free(bt);
    return c;
}

/* ---- ratios -------------------------------------------------------------- */

/* How much wider than for independent logs; 1 unless neighbours in time are
 * correlated beyond two standard errors.  0 if there is no memory. */
static double stretch_of(const double *logs, int n)
{
    double *rank = malloc((size_t)n * sizeof(*rank));
    double *sorted = malloc((size_t)n * sizeof(*sorted)), stretch = 0;

    if (rank && sorted && !serial_ranks(rank, sorted, logs, n))
        stretch = fabs(serial_correlation(rank, n)) > 2 / sqrt(n)
                      ? serial_stretch(rank, n, alpha_spent(n))
                      : 1;
    free(rank);
    free(sorted);
    return stretch;
}

Ratio ratio_of_logs(const double *logs, int n)
{
    const Interval i = hodges_lehmann(logs, n, alpha_spent(n));
    const double stretch = isnan(i.centre)   ? 0 /* nothing to stretch */
                           : n < STATS_LEAST ? 1 /* the range          */
                                             : stretch_of(logs, n);

    if (stretch < 1)
        return (Ratio){ 0, NAN, NAN, NAN };
    return (Ratio){ n, exp(i.centre),
                    exp(i.centre - stretch * (i.centre - i.lo)),
                    exp(i.centre + stretch * (i.hi - i.centre)) };
}

/* ---- processes ----------------------------------------------------------- */

/* Processes that count: later ones add nothing to the interval. */
enum { MOST_PROCESSES = 64 };

/* The centre of each process's logs, which are neighbours. */
static int centres_of(double centre[MOST_PROCESSES], const double *logs,
                      const int *process, int n)
{
    int count = 0;

    for (int i = 0, m; i < n && count < MOST_PROCESSES; i += m) {
        for (m = 1; i + m < n && (!process || process[i + m] == process[i]);)
            m++;
        centre[count++] = hodges_lehmann(logs + i, m, alpha_spent(m)).centre;
    }
    return count;
}

int processes_apart(double *apart, const double *logs, const int *process,
                    int n)
{
    double centre[MOST_PROCESSES], least = INFINITY, most = -INFINITY;
    const int count = centres_of(centre, logs, process, n);

    for (int i = 0; i < count; i++) {
        least = fmin(least, centre[i]);
        most = fmax(most, centre[i]);
    }
    *apart = count ? exp(most - least) : 1;
    return count;
}

static double mean_of(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

/* Half of the interval of the mean of x, by Student's t. */
static double student_half(const double *x, int n)
{
    const double mean = mean_of(x, n);
    double squares = 0;

    for (int i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    return student_point(n - 1, 0.05) * sqrt(squares / (n - 1) / n);
}

double processes_half(const double *logs, const int *process, int n)
{
    double centre[MOST_PROCESSES];
    const int count = centres_of(centre, logs, process, n);

    return count < 2 ? 0 : student_half(centre, count);
}

/* The logs as if all processes had the same centre: what is left is noise, and
 * a step from one process to the next is no drift. */
static Ratio ratio_within(const double *logs, const int *process, int n,
                          const double *centre)
{
    double *rest = malloc((size_t)(n + 1) * sizeof(*rest));
    Ratio r = { 0, NAN, NAN, NAN };
    int k = 0;

    for (int i = 0; rest && i < n; i++) {
        k += i && process[i] != process[i - 1];
        rest[i] = logs[i] - centre[k < MOST_PROCESSES ? k : MOST_PROCESSES - 1];
    }
    if (rest)
        r = ratio_of_logs(rest, n);
    free(rest);
    return r;
}

Ratio ratio_of_processes(const double *logs, const int *process, int n)
{
    double centre[MOST_PROCESSES], mean, half;
    const int count = centres_of(centre, logs, process, n);
    Ratio r;

    if (count < 2)
        return ratio_of_logs(logs, n);
    r = ratio_within(logs, process, n, centre);
    mean = mean_of(centre, count);
    half = student_half(centre, count);
    return (Ratio){ r.n, exp(mean),
                    exp(fmin(mean - half, mean + log(r.lo / r.ratio))),
                    exp(fmax(mean + half, mean + log(r.hi / r.ratio))) };
}

/* ---- by rounds ----------------------------------------------------------- */

Ratio ratio_paired(const double *a, const int *round_a, int na, const double *b,
                   const int *round_b, int nb)
{
    Common c = common_rounds(a, round_a, na, b, round_b, nb);
    const Ratio r = ratio_of_logs(c.log, c.n);

    common_free(&c);
    return r;
}

Ratio ratio_over(const Ratio *a, const Ratio *b)
{
    const double ratio = a->ratio / b->ratio;
    const double down = hypot(log(a->ratio / a->lo), log(b->hi / b->ratio));
    const double up = hypot(log(a->hi / a->ratio), log(b->ratio / b->lo));

    if (!a->n || !b->n)
        return (Ratio){ 0, NAN, NAN, NAN };
    return (Ratio){ a->n < b->n ? a->n : b->n, ratio, ratio * exp(-down),
                    ratio * exp(up) };
}

double ratio_of_minima(const double *a, const int *round_a, int na,
                       const double *b, const int *round_b, int nb)
{
    Common c = common_rounds(a, round_a, na, b, round_b, nb);
    double least_a = INFINITY, least_b = INFINITY;

    for (int i = 0; i < c.n; i++) {
        least_a = fmin(least_a, c.a[i]);
        least_b = fmin(least_b, c.b[i]);
    }
    common_free(&c);
    return least_a / least_b; /* NAN without a round */
}

bool minima_disagree(const Ratio *r, double minima)
{
    return r->n >= STATS_LEAST && (minima < r->lo || minima > r->hi);
}

bool ratio_is_off(double other, const Ratio *r)
{
    return fabs(other - r->ratio) >= 0.0005 && (other < r->lo || other > r->hi);
}

int rounds_until(const Ratio *r, double half_width)
{
    const double half = (log(r->hi) - log(r->lo)) / 2;
    const double z = normal_point(alpha_spent(r->n));
    double least = r->n; /* of the rounds that share a level */

    if (r->n < STATS_LEAST || !isfinite(half))
        return -1;
    while (least < INT_MAX) {
        const double end = next_look((int)least);
        const double scale = normal_point(alpha_spent((int)least)) / z;
        const double wanted =
            ceil(r->n * pow(half * scale / half_width, 2) - 1e-9);

        if (wanted < end)
            return (int)(fmax(wanted, least) - r->n);
        least = end;
    }
    return -1;
}

/* ---- verdicts ------------------------------------------------------------ */

Verdict ratio_verdict_within(const Ratio *r, double delta)
{
    if (r->n < STATS_LEAST)
        return NOT_RESOLVED;
    if (delta > 0 && r->lo >= 1 / (1 + delta) && r->hi <= 1 + delta)
        return SAME;
    return r->hi < 1 ? FASTER : r->lo > 1 ? SLOWER : NOT_RESOLVED;
}

Verdict ratio_verdict(const Ratio *r)
{
    return ratio_verdict_within(r, 0);
}

const char *verdict_name(Verdict v)
{
    static const char *const names[] = {
        [NOT_RESOLVED] = "not resolved",
        [FASTER] = "faster",
        [SLOWER] = "slower",
        [SAME] = "same",
    };

    return names[v];
}
