/*
 * plan_updates.c - weights that a run updates, and copies of them that kernels
 * have packed.
 */
#include "kernels/core/err.h"
#include "kernels/core/plan_parts.h"
#include "kernels/core/transfer.h"

bool plan_is_updated(const Graph *g, const Tensor *weight)
{
    for (int i = weight->id + 1; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->op && t->op->updates && tensor_storage(t) == weight)
            return true;
    }
    return false;
}

static bool repacks(const Plan *p, const PlanStep *s)
{
    for (int k = 0; k < MAX_SRC; k++)
        if (s->out->src[k] && (s->kernel->packs >> k & 1) &&
            plan_is_updated(p->graph, tensor_storage(s->out->src[k])))
            return true;
    return false;
}

void plan_find_updates(Plan *p)
{
    for (int i = 0; i < p->nsteps; i++) {
        p->steps[i].repacks = repacks(p, &p->steps[i]);
        p->updates |= p->steps[i].out->op->updates;
    }
}

bool plan_packs_from_host(const Plan *p)
{
    for (int i = 0; i < p->nsteps; i++)
        if (p->steps[i].repacks && !p->steps[i].kernel->repack)
            return true;
    return false;
}

static int fetch_updated(const Plan *p)
{
    for (int i = 0; i < graph_size(p->graph); i++) {
        const Tensor *t = graph_at(p->graph, i);
        const Tensor *w = tensor_storage(t);

        if (t->op && t->op->updates && !plan_shares_host(p, w))
            TRY(transfer_down(p->dev, w, w->host));
    }
    return OK;
}

static int repack_step(Plan *p, PlanStep *s)
{
    if (s->kernel->repack)
        return s->kernel->repack(p->dev, s->out, s->state);
    plan_release_state(s);
    return s->kernel->plan(p->dev, s->out, &s->state);
}

int plan_repack(Plan *p)
{
    if (!p->stale)
        return OK;
    if (plan_packs_from_host(p))
        TRY(fetch_updated(p));
    for (int i = 0; i < p->nsteps; i++)
        if (p->steps[i].repacks)
            TRY(repack_step(p, &p->steps[i]));
    p->stale = false;
    return OK;
}

int plan_restore_updated(const Plan *p)
{
    for (int i = 0; i < graph_size(p->graph); i++) {
        const Tensor *t = graph_at(p->graph, i);

        if (tensor_is_weight(t) && plan_is_updated(p->graph, t))
            TRY(transfer_up(p->dev, t, t->host));
    }
    return OK;
}
