/*
 * trial_peer.c - a case that another program runs, compared with ours.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/check/agreement.h"
#include "harness/check/verify.h"
#include "harness/measure/trial.h"
#include "kernels/core/err.h"

/* Where they are further apart than both may err, against the floors of
 * gradients, and where roundings make as much. */
static int allow_roundings(Trial *a, Agreement *worst,
                           const Safetensors *theirs, Ours *ours,
                           const Checker *with)
{
    if (!(worst->rel_l2 > 2 * a->limit))
        return OK;
    TRY(verify_other_floors(a->c, with));
    ours->ref = *with->ref;
    TRY(agreement_find(worst, theirs, ours));
    if (!(worst->rel_l2 > 2 * a->limit))
        return OK;
    return verify_other(&a->limit, a->c, worst->rel_l2 / 2, with);
}

/* The peer's outputs against ours, which were verified: the same network,
 * then.  Twice the limit, because both may err. */
static int compare(Trial *a, const Safetensors *theirs, const Trial *ours,
                   const Checker *with)
{
    Ours to = { ours->graph, ours->plan, ours->first, a->c, NULL };
    Agreement worst;

    TRY(agreement_find(&worst, theirs, &to));
    a->limit = ours->limit;
    snprintf(a->verified_at, sizeof(a->verified_at), "%dx%dx%dx%d", a->c->batch,
             a->c->channels, a->c->height, a->c->width);
    TRY(allow_roundings(a, &worst, theirs, &to, with));
    a->rel_l2 = worst.rel_l2;
    if (!(a->rel_l2 <= 2 * a->limit)) {
        a->status = STATUS_WRONG;
        snprintf(a->message, sizeof(a->message),
                 "differs from attnbench's %s by %.2g, limit %.2g",
                 worst.output, a->rel_l2, 2 * a->limit);
    }
    return OK;
}

int trial_prepare_peer(Trial *a, const Trial *ours, const Checker *with)
{
    Safetensors *theirs = NULL;
    double params;
    int err;

    if (!ours || !trial_ok(ours) || !ours->plan)
        return fail(ERR_UNSUPPORTED, "attnbench itself could not run it, so "
                                     "there is nothing to compare with");
    err = peer_case(a->peer, a->id, a->c, &theirs, &params);
    a->held = err != ERR_UNSUPPORTED; /* also with a file that is none */
    if (!err && params != a->params)
        err = fail(ERR_UNSUPPORTED, "has %.0f parameters where ours has %.0f",
                   params, a->params);
    if (!err)
        err = compare(a, theirs, ours, with);
    st_close(theirs);
    return err;
}

void trial_hand_over(Trial *a, Peer *other, int process, const Checker *with)
{
    Trial there = *a;
    int err;

    there.peer = other;
    err = trial_prepare_peer(&there, a, with);
    a->peer = other;
    a->held = there.held;
    a->process = process;
    a->launches = a->reps;
    if (err) {
        trial_give_up(a, err);
    } else if (!trial_ok(&there)) {
        a->status = there.status;
        memcpy(a->message, there.message, sizeof(a->message));
        trial_release(a);
    }
}

void trial_take_back(Trial *a)
{
    if (a->held)
        peer_drop(a->peer, a->id);
    a->held = false;
    a->peer = NULL;
    a->process = 0;
    a->launches = a->reps / a->each;
}
