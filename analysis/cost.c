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
    int process;
    bool disturbed;
} Round;

/* Logarithms of ratios, and the process in which each was measured. */
typedef struct Logs {
    int n;
    double *y;
    int *process;
} Logs;

/* Rounds that two cases have in common. */
typedef struct Joined {
    Logs all;      /* log(time of a / time of b)     */
    Logs quiet;    /* the same of undisturbed rounds */
    Logs indirect; /* all - direct                   */
    Logs beyond;   /* the same of undisturbed rounds */
} Joined;

/* ---- logs ---------------------------------------------------------------- */

/* Room for n; false if there is no memory, and then room for none. */
static bool logs_new(Logs *l, int n)
{
    l->n = 0;
    l->y = malloc((size_t)(n + 1) * sizeof(*l->y));
    l->process = malloc((size_t)(n + 1) * sizeof(*l->process));
    return l->y && l->process;
}

static void logs_free(Logs *l)
{
    free(l->y);
    free(l->process);
}

static void logs_add(Logs *l, double y, int process)
{
    l->y[l->n] = y;
    l->process[l->n++] = process;
}

static Ratio ratio_of(const Logs *l)
{
    return ratio_of_processes(l->y, l->process, l->n);
}

/* ---- rounds -------------------------------------------------------------- */

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
            .process = s->process ? s->process[i] : 0,
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

    logs_add(&j->all, y, b->process);
    if (clean)
        logs_add(&j->quiet, y, b->process);
    if (isnan(b->log_outside))
        return;
    logs_add(&j->indirect, y - b->log_outside, b->process);
    if (clean)
        logs_add(&j->beyond, y - b->log_outside, b->process);
}

/* Room in all of them, whether there is memory for one or not. */
static bool joined_new(Joined *j, int n)
{
    const bool all = logs_new(&j->all, n), quiet = logs_new(&j->quiet, n);
    const bool in = logs_new(&j->indirect, n), out = logs_new(&j->beyond, n);

    return all && quiet && in && out;
}

static void joined_free(Joined *j)
{
    logs_free(&j->all);
    logs_free(&j->quiet);
    logs_free(&j->indirect);
    logs_free(&j->beyond);
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

/* The rounds that count: the undisturbed, if they are enough. */
static const Logs *counting(const Joined *j)
{
    return is_enough(j->quiet.n, j->all.n) ? &j->quiet : &j->all;
}

static Paired paired_from(const Joined *j, const Series *a, const Series *b)
{
    const Logs *counts = counting(j);
    Paired p = { .all = ratio_of(&j->all),
                 .disturbed = j->all.n - j->quiet.n,
                 .left_out = j->all.n - counts->n,
                 .minima = ratio_of_minima(a->ns, a->round, a->n, b->ns,
                                           b->round, b->n) };

    p.ratio = counts == &j->all ? p.all : ratio_of(counts);
    p.processes =
        processes_apart(&p.apart, counts->y, counts->process, counts->n);
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

int paired_ratios(double *y, const Series *a, const Series *b)
{
    const Logs *counts;
    Joined j;
    int n;

    join(&j, a, b);
    counts = counting(&j);
    n = counts->n;
    for (int i = 0; i < n; i++)
        y[i] = exp(counts->y[i]);
    joined_free(&j);
    return n;
}

/* Keeps the logs that count: the undisturbed, if they are enough. */
static void keep_quiet(Logs *l, const bool *disturbed)
{
    int clean = 0, n = l->n;

    for (int i = 0; i < n; i++)
        clean += !disturbed[i];
    if (!is_enough(clean, n))
        return;
    l->n = 0;
    for (int i = 0; i < n; i++)
        if (!disturbed[i])
            logs_add(l, l->y[i], l->process[i]);
}

Ratio direct_of(const Series *with)
{
    const size_t room = (size_t)(with->n + 1);
    Round *at = malloc(room * sizeof(*at));
    bool *disturbed = malloc(room * sizeof(*disturbed));
    Logs l;
    Ratio r;

    if (logs_new(&l, with->n) && at && disturbed && with->module_ns) {
        const int rounds = rounds_of(at, with);

        for (int i = 0; i < rounds; i++)
            if (!isnan(at[i].log_outside)) {
                disturbed[l.n] = at[i].disturbed;
                logs_add(&l, at[i].log_outside, at[i].process);
            }
        keep_quiet(&l, disturbed);
    }
    r = ratio_of(&l);
    free(at);
    free(disturbed);
    logs_free(&l);
    return r;
}

ModuleCost cost_of(const Series *plain, const Series *with)
{
    ModuleCost c;
    Joined j;

    join(&j, plain, with);
    c = (ModuleCost){ .paired = paired_from(&j, plain, with),
                      .direct = direct_of(with) };
    c.indirect = ratio_of(c.paired.left_out ? &j.beyond : &j.indirect);
    joined_free(&j);
    return c;
}

double cost_percent(double ratio)
{
    return 100 * (1 - ratio);
}
