/*
 * compare.c - pairs runs, and says what may be said of them.
 */
#include "analysis/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

/* ---- what two runs have in common ---------------------------------------- */

bool run_same_machine(const Run *a, const Run *b)
{
    return !strcmp(a->cpu, b->cpu) && !strcmp(a->gpu, b->gpu) &&
           a->cores == b->cores;
}

bool run_same_build(const Run *a, const Run *b)
{
    return !strcmp(a->git_commit, b->git_commit) && a->dirty == b->dirty &&
           !strcmp(a->program, b->program) && !strcmp(a->source, b->source);
}

static bool is_network(const Run *r)
{
    return strcmp(r->c.backbone.text, "none") != 0;
}

static bool is_plain(const Run *r)
{
    return is_network(r) && !strcmp(r->c.module.text, "none");
}

/* True if r is the network plain with a module in it, in the same sweep. */
static bool is_plain_of(const Run *plain, const Run *r)
{
    static const char *const same[] = { "backbone", "form",   "graph",
                                        "backend",  "dtype",  "batch",
                                        "channels", "height", "width",
                                        "pass",     "state",  "threads" };

    if (!is_plain(plain) || !is_network(r) || is_plain(r) ||
        strcmp(plain->source, r->source) || run_compare_start(plain, r))
        return false;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        if (!param_equal(param_find(case_params, same[i]), &plain->c, &r->c))
            return false;
    return true;
}

/* ---- two runs ------------------------------------------------------------ */

static const Ratio none = { 0, NAN, NAN, NAN };

static Apart apart(const Run *a, const Run *b, const Paired *p)
{
    if (!run_same_machine(a, b))
        return OTHER_MACHINE;
    if (run_compare_start(a, b) == 0 && p->all.n)
        return INTERLEAVED;
    return run_same_build(a, b) ? OTHER_TIME : OTHER_BUILD;
}

static double sampled_ns(const Run *r)
{
    double sum = 0;

    for (int i = 0; i < r->time.n; i++)
        sum += r->ns[i] * r->o.reps;
    return sum;
}

static void judge(Compared *c, const RatioGate *g)
{
    c->answer = gate_answer(g, &c->ratio);
    c->more = c->apart == INTERLEAVED ? gate_rounds(g, &c->ratio) : -1;
    c->more_s = NAN;
    if (c->apart == INTERLEAVED)
        c->verdict = ratio_verdict_within(&c->ratio, g->delta);
    if (!g->limited && c->apart == INTERLEAVED && c->verdict == NOT_RESOLVED)
        c->more = rounds_until(&c->ratio, fabs(log(c->ratio.ratio)));
    if (c->paired.processes > 1 && c->more > 0)
        c->more = -1; /* more rounds of the same processes would not do */
    if (c->more > 0)
        c->more_s = 1e-9 * c->more * (sampled_ns(c->a) + sampled_ns(c->b)) /
                    c->paired.all.n;
}

void compare_runs(Compared *out, const Run *a, const Run *b, const RatioGate *g)
{
    const Series of_a = run_series(a), of_b = run_series(b);

    *out = (Compared){
        .a = a,
        .b = b,
        .paired = paired_of(&of_b, &of_a),
        .ratio = { 0, b->time.median / a->time.median, b->time.lo / a->time.hi,
                   b->time.hi / a->time.lo },
        .direct_a = direct_of(&of_a),
        .direct_b = direct_of(&of_b),
        .indirect = none,
    };
    out->apart = apart(a, b, &out->paired);
    if (out->apart == INTERLEAVED) {
        out->ratio = out->paired.ratio;
        if (is_plain_of(a, b))
            out->indirect = cost_of(&of_a, &of_b).indirect;
        else if (is_plain_of(b, a))
            out->indirect = cost_of(&of_b, &of_a).indirect;
    }
    judge(out, g);
}

Ratio compare_to_plain(const RunList *list, const Run *r)
{
    const Series with = run_series(r);

    for (int i = 0; i < list->n; i++) {
        const Run *p = &list->at[i];
        Series plain;
        Ratio q;

        if (!run_is_ok(p) || p->c.copy || !is_plain_of(p, r))
            continue;
        plain = run_series(p);
        q = paired_of(&plain, &with).ratio;
        if (q.n)
            return q;
    }
    return none;
}

/* ---- which are of one case ----------------------------------------------- */

static int by_case(const Run *x, const Run *y, bool by_source)
{
    int d = strcmp(x->o.repeat, y->o.repeat);

    if (!d)
        d = strcmp(x->o.weights_hash, y->o.weights_hash);
    return d || !by_source ? d : strcmp(x->source, y->source);
}

/* Ids rise in the order of storing. */
static int by_case_and_id(const void *a, const void *b)
{
    const Run *x = *(const Run *const *)a, *y = *(const Run *const *)b;
    const int d = by_case(x, y, true);

    return d ? d : (x->id > y->id) - (x->id < y->id);
}

/* The latest run of each case, sorted; at (list->n) is filled. */
static int latest(const Run **at, const RunList *list, bool by_source)
{
    int all = 0, n = 0;

    for (int i = 0; i < list->n; i++)
        if (run_is_ok(&list->at[i]))
            at[all++] = &list->at[i];
    qsort(at, (size_t)all, sizeof(*at), by_case_and_id);
    for (int i = 0; i < all; i++)
        if (i + 1 == all || by_case(at[i], at[i + 1], by_source))
            at[n++] = at[i];
    return n;
}

int compare_match(Match **out, int *n, int alone[2], const RunList *a,
                  const RunList *b, bool by_source)
{
    const Run **at = malloc((size_t)(a->n + 1) * sizeof(*at));
    const Run **bt = malloc((size_t)(b->n + 1) * sizeof(*bt));
    int na, nb;

    *n = 0;
    *out = malloc((size_t)(a->n + 1) * sizeof(**out));
    if (!at || !bt || !*out) {
        free(at);
        free(bt);
        free(*out);
        *out = NULL;
        return fail(ERR_MEMORY, "no memory for %d runs", a->n + b->n);
    }
    na = latest(at, a, by_source);
    nb = latest(bt, b, by_source);
    for (int i = 0, k = 0; i < na && k < nb;) {
        const int d = by_case(at[i], bt[k], by_source);

        if (!d)
            (*out)[(*n)++] = (Match){ at[i], bt[k] };
        i += d <= 0;
        k += d >= 0;
    }
    alone[0] = na - *n;
    alone[1] = nb - *n;
    free(at);
    free(bt);
    return OK;
}
