/*
 * pairs.c - which cases of a block are compared with which, and when that is
 * settled.
 *
 * In a lane, a network with a module is compared with the plain network (or, if
 * that is not measured, with the first of them), with a fused module also with
 * the composed one, and a second copy of the plain network with the first: A/A.
 * A peer's case is compared with ours.  With Protocol.to_first each case is
 * compared with the first.  Modules alone are compared with nothing but a
 * peer's: their rounds are short, so all cases of a round are neighbours in
 * time.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/cost.h"
#include "analysis/stats.h"
#include "harness/measure/block.h"
#include "kernels/core/err.h"

enum {
    LEAST_ROUNDS = 3, /* even of a case that has no time left ... */
    LEAST_QUADS = 2,  /* ... and of a pair                        */
    LEAST_OF_PART =
        STATS_LEAST,  /* quads or rounds of a process that has time */
    LEAST_WORTH = 16, /* independent samples that a median settles with: of
                         fewer, who stops when an interval is narrow is right
                         too seldom (tests/test_coverage.c) */
};

bool entry_is_sampled(const Entry *e)
{
    return !e->stored && trial_ok(&e->arm);
}

/* With how many others a case is compared at most. */
enum { MOST_OF_ONE = 3 };

/* ---- which are compared ------------------------------------------------- */

static bool is_network(const Case *c)
{
    return strcmp(c->backbone.text, "none") != 0;
}

static bool is_plain(const Case *c)
{
    return strcmp(c->module.text, "none") == 0 && !c->copy;
}

/* True if two cases are the same network measured in the same way, in all that
 * does not belong to the module. */
static bool same_network(const Case *x, const Case *y)
{
    static const char *const same[] = { "backbone", "form",   "graph",
                                        "backend",  "dtype",  "batch",
                                        "channels", "height", "width",
                                        "pass",     "state",  "threads" };

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        if (!param_equal(param_find(case_params, same[i]), x, y))
            return false;
    return true;
}

/* The entry of a lane whose case was given first, before cases were sorted. */
static int first_of(const Block *b, int lane)
{
    int first = ALONE;

    for (int k = 0; k < b->n; k++)
        if (b->at[k].lane == lane &&
            (first == ALONE || b->at[k].arm.c < b->at[first].arm.c))
            first = k;
    return first;
}

/* The entry of its lane that an entry is compared with, or ALONE. */
static int base_of(const Block *b, int i, const Protocol *p)
{
    const Entry *e = &b->at[i];
    int plain = ALONE, first = ALONE, base;

    if (p->to_first)
        return first_of(b, e->lane) == i ? ALONE : first_of(b, e->lane);
    for (int k = 0; is_network(e->arm.c) && k < b->n; k++) {
        const Entry *other = &b->at[k];

        if (other->lane != e->lane || !entry_is_sampled(other) ||
            !same_network(other->arm.c, e->arm.c))
            continue;
        if (is_plain(other->arm.c))
            plain = plain == ALONE ? k : plain;
        else if (first == ALONE)
            first = k;
    }
    base = plain == ALONE ? first : plain;
    return base == i || is_plain(e->arm.c) ? ALONE : base;
}

/* True if y differs from a fused x in nothing but impl. */
static bool is_composed_of(const Case *y, const Case *x)
{
    for (const Param *p = case_params; p->name; p++)
        if (strcmp(p->name, "impl") && !param_equal(p, x, y))
            return false;
    return y->impl == IMPL_COMPOSED && !strcmp(x->settings, y->settings);
}

/* The same network with the module composed, of a fused one, or ALONE. */
static int composed_of(const Block *b, int i)
{
    const Entry *e = &b->at[i];

    if (e->arm.c->impl != IMPL_FUSED || !is_network(e->arm.c))
        return ALONE;
    for (int k = 0; k < b->n; k++)
        if (b->at[k].lane == e->lane &&
            is_composed_of(b->at[k].arm.c, e->arm.c))
            return k;
    return ALONE;
}

/* The first look after n quads or rounds: where the looks' error is shared
 * (analysis/interval.h), not before min_samples, and at the last sample. */
static int look_after(const Pair *pair, int n, const Protocol *p)
{
    const int last =
        pair->a == ALONE ? p->max_samples : (p->max_samples + 1) / 2;
    const int least = n < p->min_samples - 1 ? p->min_samples - 1 : n;
    const int look = next_look(least);

    return n < last && look > last ? last : look;
}

static void add(Block *b, int a, int i, const Protocol *p)
{
    Pair *pair = &b->pair[b->npairs++];

    *pair = (Pair){ .a = a, .b = i, .half = INFINITY };
    pair->look = look_after(pair, 0, p);
}

/* Adds a pair unless there is no such case, or either is not sampled. */
static void add_pair(Block *b, int a, int i, const Protocol *p)
{
    if (a != i && a != ALONE && entry_is_sampled(&b->at[a]) &&
        entry_is_sampled(&b->at[i]))
        add(b, a, i, p);
}

static bool is_paired(const Block *b, int i)
{
    for (const Pair *p = b->pair; p < b->pair + b->npairs; p++)
        if (p->a == i || p->b == i)
            return true;
    return false;
}

void pairs_find(Block *b, const Protocol *p)
{
    b->pair = calloc((size_t)b->n * MOST_OF_ONE + 1, sizeof(*b->pair));
    b->list = calloc((size_t)b->n * 2 * MOST_OF_ONE + 1, sizeof(*b->list));
    BUG_IF(!b->pair || !b->list);
    for (int i = 0; i < b->n; i++) {
        const int ours = i - b->at[i].lane; /* the first lane's */
        const int first = base_of(b, i, p), composed = composed_of(b, i);

        add_pair(b, first, i, p);
        if (composed != first)
            add_pair(b, composed, i, p);
        add_pair(b, ours, i, p);
    }
    for (int i = 0; i < b->n; i++)
        if (entry_is_sampled(&b->at[i]) && !is_paired(b, i))
            add(b, ALONE, i, p);
}

void pairs_begin_part(Block *b)
{
    for (Pair *p = b->pair; p < b->pair + b->npairs; p++) {
        p->settled = false;
        p->look = p->n + LEAST_OF_PART;
    }
}

void pairs_drop(Block *b, int failed)
{
    b->drops++;
    for (Pair *p = b->pair; p < b->pair + b->npairs; p++) {
        const int other = p->a == failed ? p->b : p->a;

        if (p->a != failed && p->b != failed)
            continue;
        *p = (Pair){ .a = ALONE, .b = other, .half = INFINITY };
        if (other != ALONE)
            p->n = p->look = b->at[other].arm.n;
    }
    for (int i = b->npairs - 1; i >= 0; i--)
        if (b->pair[i].b == ALONE)
            b->pair[i] = b->pair[--b->npairs];
}

/* ---- when they are settled ---------------------------------------------- */

bool measure_converged(const Protocol *p, const double *ns, int n)
{
    Stats stats;

    if (n < p->min_samples)
        return false;
    stats = stats_of(ns, n);
    return stats.n == n && stats.worth >= LEAST_WORTH &&
           stats_half_width(&stats) <= p->target;
}

bool pair_has_time(const Pair *p, const Block *b, const Protocol *protocol)
{
    if (pair_lacks_least(p))
        return true;
    /* The case that all were to be compared with has failed, or all others. */
    if (protocol->to_first && p->a == ALONE)
        return false;
    return p->spent_ns < protocol->limit * 1e9 * b->part &&
           b->at[p->b].arm.n < protocol->max_samples * b->part;
}

bool pair_lacks_least(const Pair *p)
{
    return p->n < (p->a == ALONE ? LEAST_ROUNDS : LEAST_QUADS);
}

static void look_at_median(Pair *p, const Trial *x, const Protocol *protocol)
{
    const Stats stats = stats_of(x->ns, x->n);

    p->half = stats.n == x->n ? stats_half_width(&stats) : INFINITY;
    p->settled = measure_converged(protocol, x->ns, x->n);
}

static void look_at_ratio(Pair *p, const Trial *a, const Trial *x,
                          const Protocol *protocol)
{
    const Series base = trial_series(a), with = trial_series(x);
    const Ratio r = paired_of(&with, &base).ratio;

    p->half = r.n ? (r.hi - r.lo) / 2 / r.ratio : INFINITY;
    p->settled = r.n && p->n >= protocol->min_samples &&
                 (p->half <= protocol->target ||
                  (protocol->to_first && gate_is_clear(&protocol->gate, &r)));
}

void pair_look(Pair *p, const Block *b, const Protocol *protocol)
{
    const Trial *x = &b->at[p->b].arm;

    if (p->a == ALONE)
        look_at_median(p, x, protocol);
    else
        look_at_ratio(p, &b->at[p->a].arm, x, protocol);
    p->looked = p->n;
    p->look = look_after(p, p->n, protocol);
}

double pair_need(const Pair *p, const Block *b, const Protocol *protocol)
{
    if (!pair_has_time(p, b, protocol) || p->settled)
        return -1;
    if (!p->looked || isinf(p->half))
        return 1e9 / (1 + p->n);
    return p->half * sqrt((double)p->looked / p->n);
}

bool entry_is_settled(const Block *b, int i)
{
    bool is_b = false, settled = true;

    for (int k = 0; k < b->npairs; k++)
        is_b |= b->pair[k].b == i;
    for (int k = 0; k < b->npairs; k++)
        if (b->pair[k].b == i || (!is_b && b->pair[k].a == i))
            settled &= b->pair[k].settled;
    return settled;
}

void pairs_cut(const Block *b, const Protocol *protocol, bool *cut)
{
    bool more = true;

    for (int i = 0; i < b->npairs; i++) {
        const Pair *p = &b->pair[i];

        if (!p->settled && pair_has_time(p, b, protocol))
            cut[p->b] = true;
    }
    while (more) {
        more = false;
        for (int i = 0; i < b->npairs; i++) {
            const Pair *p = &b->pair[i];

            if (p->a == ALONE || cut[p->a] == cut[p->b])
                continue;
            cut[p->a] = cut[p->b] = more = true;
        }
    }
}
