/*
 * cost.c - joins the samples of two cases by their rounds.
 */
#include "analysis/cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One round of a case: means over its samples. */
typedef struct Round {
    int round;
    double log_ns;
    double log_outside; /* log(1 - share of the modules' steps); NAN */
    bool disturbed;
} Round;

/* Rounds that two cases have in common, as logarithms of ratios. */
typedef struct Joined {
    int n, clean, inside, inside_clean;
    double *all;      /* log(time of a / time of b)     */
    double *quiet;    /* the same of undisturbed rounds */
    double *indirect; /* all - direct                   */
    double *beyond;   /* the same of undisturbed rounds */
} Joined;

static int by_round(const void *a, const void *b)
{
    const Round *x = a, *y = b;

    return (x->round > y->round) - (x->round < y->round);
}

/* Fills at (n); returns how many rounds there are. */
static int rounds_of(Round *at, const Series *s)
{
    int rounds = 0;

    for (int i = 0; i < s->n; i++)
        at[i] = (Round){
            .round = s->round[i],
            .log_ns = log(s->ns[i]),
            .log_outside =
                s->module_ns ? log(1 - s->module_ns[i] / s->ns[i]) : NAN,
            .disturbed = s->disturbed && s->disturbed[i],
        };
    qsort(at, (size_t)s->n, sizeof(*at), by_round);
    for (int i = 0, m; i < s->n; i += m) {
        Round r = at[i];

        for (m = 1; i + m < s->n && at[i + m].round == r.round; m++) {
            r.log_ns += at[i + m].log_ns;
            r.log_outside += at[i + m].log_outside;
            r.disturbed |= at[i + m].disturbed;
        }
        r.log_ns /= m;
        r.log_outside /= m;
        at[rounds++] = r;
    }
    return rounds;
}

static void join_round(Joined *j, const Round *a, const Round *b)
{
    const double y = a->log_ns - b->log_ns;
    const bool clean = !a->disturbed && !b->disturbed;

    j->all[j->n++] = y;
    if (clean)
        j->quiet[j->clean++] = y;
    if (isnan(b->log_outside))
        return;
    j->indirect[j->inside++] = y - b->log_outside;
    if (clean)
        j->beyond[j->inside_clean++] = y - b->log_outside;
}

static bool joined_new(Joined *j, int n)
{
    const size_t bytes = (size_t)(n + 1) * sizeof(double);

    *j = (Joined){ .all = malloc(bytes),
                   .quiet = malloc(bytes),
                   .indirect = malloc(bytes),
                   .beyond = malloc(bytes) };
    return j->all && j->quiet && j->indirect && j->beyond;
}

static void joined_free(Joined *j)
{
    free(j->all);
    free(j->quiet);
    free(j->indirect);
    free(j->beyond);
}

/* Without memory there is no round in common. */
static void join(Joined *j, const Series *a, const Series *b)
{
    Round *at = malloc((size_t)(a->n + 1) * sizeof(*at));
    Round *bt = malloc((size_t)(b->n + 1) * sizeof(*bt));

    if (joined_new(j, a->n < b->n ? a->n : b->n) && at && bt) {
        const int na = rounds_of(at, a), nb = rounds_of(bt, b);

        for (int i = 0, k = 0; i < na && k < nb;) {
            if (at[i].round == bt[k].round)
                join_round(j, &at[i], &bt[k]);
            if (at[i].round <= bt[k].round)
                i++;
            else
                k++;
        }
    }
    free(at);
    free(bt);
}

/* True if a number of undisturbed rounds, of n, can stand for all. */
static bool is_enough(int clean, int n)
{
    return 2 * clean >= n && clean >= STATS_LEAST;
}

static Paired paired_from(const Joined *j, const Series *a, const Series *b)
{
    Paired p = { .all = ratio_of_logs(j->all, j->n),
                 .minima = ratio_of_minima(a->ns, a->round, a->n, b->ns,
                                           b->round, b->n) };

    p.ratio = p.all;
    p.disturbed = j->n - j->clean;
    if (j->clean < j->n && is_enough(j->clean, j->n)) {
        p.ratio = ratio_of_logs(j->quiet, j->clean);
        p.left_out = p.disturbed;
    }
    return p;
}

Paired paired_of(const Series *a, const Series *b)
{
    Joined j;
    Paired p;

    join(&j, a, b);
    p = paired_from(&j, a, b);
    joined_free(&j);
    return p;
}

/* The logs that count, in front: the undisturbed, if they are enough. */
static int keep_quiet(double *y, const bool *disturbed, int n)
{
    int clean = 0, kept = 0;

    for (int i = 0; i < n; i++)
        clean += !disturbed[i];
    if (!is_enough(clean, n))
        return n;
    for (int i = 0; i < n; i++)
        if (!disturbed[i])
            y[kept++] = y[i];
    return kept;
}

Ratio direct_of(const Series *with)
{
    const size_t room = (size_t)(with->n + 1);
    Round *at = malloc(room * sizeof(*at));
    double *y = malloc(room * sizeof(*y));
    bool *disturbed = malloc(room * sizeof(*disturbed));
    int n = 0;
    Ratio r;

    if (at && y && disturbed && with->module_ns) {
        const int rounds = rounds_of(at, with);

        for (int i = 0; i < rounds; i++)
            if (!isnan(at[i].log_outside)) {
                disturbed[n] = at[i].disturbed;
                y[n++] = at[i].log_outside;
            }
        n = keep_quiet(y, disturbed, n);
    }
    r = ratio_of_logs(y, n);
    free(at);
    free(y);
    free(disturbed);
    return r;
}

ModuleCost cost_of(const Series *plain, const Series *with)
{
    ModuleCost c;
    Joined j;

    join(&j, plain, with);
    c = (ModuleCost){ .paired = paired_from(&j, plain, with),
                      .direct = direct_of(with) };
    c.indirect = c.paired.left_out ? ratio_of_logs(j.beyond, j.inside_clean)
                                   : ratio_of_logs(j.indirect, j.inside);
    joined_free(&j);
    return c;
}

double cost_percent(double ratio)
{
    return 100 * (1 - ratio);
}
