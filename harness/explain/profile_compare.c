/*
 * profile_compare.c - how two profiles differ, and how sure that is.
 *
 * A sum of a profile is one of medians, which bursts of other programs hardly
 * move: each hits a few steps of a round.  How far it may be off is found by
 * drawing rounds again (B. Efron, R. J. Tibshirani, "An Introduction to the
 * Bootstrap", 1993): a round that is drawn twice has twice the weight in the
 * medians of all its steps.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/draw.h"
#include "analysis/stats.h"
#include "harness/explain/profile_split.h"
#include "kernels/core/err.h"

/* Sums of one profile in a resample. */
typedef struct Resampled {
    const ProfileSums *of;
    int *weight; /* of each round: how often it was drawn */
    double *row; /* of each of its rows                    */
    double origin[ORIGINS], sum, whole;
} Resampled;

static Resampled resampled_new(const ProfileSums *of)
{
    Resampled r = { .of = of,
                    .weight = calloc((size_t)of->rounds + 1, sizeof(int)),
                    .row = calloc((size_t)of->rows.n + 1, sizeof(double)) };

    BUG_IF(!r.weight || !r.row);
    return r;
}

static void resampled_free(Resampled *r)
{
    free(r->row);
    free(r->weight);
}

static void draw_rounds(Resampled *r, uint64_t seed)
{
    const int n = r->of->rounds;

    memset(r->weight, 0, (size_t)n * sizeof(*r->weight));
    for (int i = 0; i < n; i++)
        r->weight[draw_below(&seed, n)]++;
}

/* Median of n times by weight, which come in order; weights add up to n. */
static double weighted_median(const Timed *t, int n, const int *weight)
{
    int i = 0, below = weight[t[0].round];
    double low;

    while (2 * below < n)
        below += weight[t[++i].round];
    low = t[i].ns;
    if (2 * below > n)
        return low;
    while (weight[t[++i].round] == 0)
        ;
    return (low + t[i].ns) / 2;
}

static void add_up(Resampled *r)
{
    const ProfileSums *s = r->of;

    memset(r->row, 0, (size_t)s->rows.n * sizeof(*r->row));
    memset(r->origin, 0, sizeof(r->origin));
    r->sum = 0;
    for (int i = 0; i <= s->steps; i++) {
        const Timed *times = s->times + (size_t)i * (size_t)s->rounds;
        const double ns = weighted_median(times, s->rounds, r->weight);

        if (i == s->steps) {
            r->whole = ns;
            break;
        }
        r->row[s->rows.of_step[i]] += ns;
        r->origin[s->origins.of_step[i]] += ns;
        r->sum += ns;
    }
}

/* ---- cells of the difference --------------------------------------------- */

/* A difference in all resamples. */
typedef struct Cell {
    Interval *out;
    double value[RESAMPLES];
} Cell;

typedef struct Cells {
    Cell *at;
    int n;
} Cells;

static void add_cell(Cells *cells, Interval *out, double centre)
{
    *out = (Interval){ .centre = centre };
    cells->at[cells->n++].out = out;
}

static double row_ns(const ProfileSums *s, int row)
{
    return row < 0 ? 0 : s->rows.row[row].ns;
}

/* The row of `in` that is called as the i-th of `of`. */
static int same_row(const ProfileSums *in, const ProfileSums *of, int i)
{
    return profile_row(&in->rows, of->rows.row[i].name);
}

/* All that are to be told, in the order of set_cells. */
static Cells cells_of(ProfileDifference *out, const ProfileSums *one,
                      const ProfileSums *other)
{
    const size_t most = (size_t)one->rows.n + (size_t)other->rows.n;
    Cells c = { malloc((most + ORIGINS + 2) * sizeof(*c.at)), 0 };

    BUG_IF(!c.at);
    for (int i = 0; i < one->rows.n; i++)
        add_cell(&c, &out->row[i],
                 row_ns(one, i) - row_ns(other, same_row(other, one, i)));
    for (int i = 0; i < other->rows.n; i++)
        add_cell(&c, &out->gone[i], -row_ns(other, i));
    for (int i = 0; i < ORIGINS; i++)
        add_cell(&c, &out->origin[i],
                 one->origins.row[i].ns - other->origins.row[i].ns);
    add_cell(&c, &out->sum, one->sum_ns - other->sum_ns);
    add_cell(&c, &out->whole, one->whole_ns - other->whole_ns);
    return c;
}

static void set_cells(Cells *c, int which, const Resampled *a,
                      const Resampled *b, const int *same)
{
    Cell *at = c->at;

    for (int i = 0; i < a->of->rows.n; i++)
        at++->value[which] = a->row[i] - (same[i] < 0 ? 0 : b->row[same[i]]);
    for (int i = 0; i < b->of->rows.n; i++)
        at++->value[which] = -b->row[i];
    for (int i = 0; i < ORIGINS; i++)
        at++->value[which] = a->origin[i] - b->origin[i];
    at++->value[which] = a->sum - b->sum;
    at++->value[which] = a->whole - b->whole;
    BUG_IF(at != c->at + c->n);
}

static void resample(Cells *c, const ProfileSums *one, const ProfileSums *other,
                     bool together)
{
    Resampled a = resampled_new(one), b = resampled_new(other);
    int *same = calloc((size_t)one->rows.n + 1, sizeof(*same));

    BUG_IF(!same || (together && one->rounds != other->rounds));
    for (int i = 0; i < one->rows.n; i++)
        same[i] = same_row(other, one, i);
    for (int k = 0; k < RESAMPLES; k++) {
        draw_rounds(&a, (uint64_t)k << 32);
        draw_rounds(&b, (uint64_t)(together ? k : k + RESAMPLES) << 32);
        add_up(&a);
        add_up(&b);
        set_cells(c, k, &a, &b, same);
    }
    free(same);
    resampled_free(&b);
    resampled_free(&a);
}

void profile_compare(ProfileDifference *out, const ProfileSums *one,
                     const ProfileSums *other, bool together)
{
    const int draws = one->rounds < other->rounds ? one->rounds : other->rounds;
    Cells c;

    out->row = calloc((size_t)one->rows.n + 1, sizeof(*out->row));
    out->gone = calloc((size_t)other->rows.n + 1, sizeof(*out->gone));
    BUG_IF(!out->row || !out->gone);
    c = cells_of(out, one, other);
    resample(&c, one, other, together);
    for (int i = 0; i < c.n; i++) {
        Interval *of = c.at[i].out;

        bootstrap_interval(c.at[i].value, RESAMPLES, draws, &of->lo, &of->hi);
    }
    free(c.at);
}

void profile_difference_free(ProfileDifference *d)
{
    free(d->row);
    free(d->gone);
    *d = (ProfileDifference){ NULL };
}
