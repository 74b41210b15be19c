/*
 * warps.cpp - what lanes of a warp do together: __syncwarp, shuffles, ballots,
 * reductions.
 *
 * Lanes meet in an exchange: the first to come opens it, the others with the
 * same mask join it, the last wakes all.  It is free again when the last lane
 * has gone on; the values stay until then.
 */
#include <stdlib.h>

#include "kernels/simt/state.h"

/* Lets the lanes continue if all have come that they wait for. */
static void complete(Block *b, unsigned warp, Exchange *x)
{
    Warp *w = &b->warp[warp];

    if (!x->mask || x->leaving ||
        x->arrived != (x->mask & w->exist & ~w->returned))
        return;
    for (unsigned rest = x->arrived; rest; rest &= rest - 1) {
        Thread *t = &b->thread[warp * LANES + (unsigned)__builtin_ctz(rest)];

        if (t->state == IN_WARP)
            thread_wake(t);
    }
    x->leaving = x->arrived;
    if (x->mask & w->returned)
        simt_report(SIMT_MASK, x->file, x->line,
                    "the mask is %08x, but lanes %08x have returned", x->mask,
                    x->mask & w->returned);
    if (x->op == SIMT_SYNC)
        check_syncwarp(b, warp, x->arrived);
}

/* The exchange that waits for this lane, or a free one. */
static Exchange *find_exchange(Warp *w, unsigned mask, unsigned lane)
{
    Exchange *unused = NULL;

    for (unsigned i = 0; i < w->used; i++) {
        Exchange *x = &w->exchange[i];

        if (!x->mask)
            unused = x;
        else if (x->mask == mask && !x->leaving && !(x->arrived & lane))
            return x;
    }
    if (!unused) {
        BUG_IF(w->used == MAX_EXCHANGES);
        unused = &w->exchange[w->used++];
    }
    return unused;
}

SimtExchange simt_exchange(unsigned mask, SimtWarpOp op, const void *value,
                           size_t bytes, const char *file, int line)
{
    Thread *t = self();
    Warp *w = &t->in->warp[t->warp];
    const unsigned lane = 1u << t->lane;
    Exchange *x;
    SimtExchange all;

    if (!(mask & lane))
        simt_report(SIMT_MASK, file, line,
                    "lane %u is not in its own mask %08x", t->lane, mask);
    mask |= lane;
    x = find_exchange(w, mask, lane);
    if (!x->mask) {
        x->mask = mask;
        x->arrived = x->leaving = 0;
        x->op = op;
        x->file = file;
        x->line = line;
    } else if (x->op != op) {
        char others[PLACE_TEXT];

        place_text({ 0, x->file, x->line }, others);
        simt_report(SIMT_DIVERGENT_WARP, file, line,
                    "other lanes wait in another operation, at %s", others);
    }
    if (bytes)
        memcpy(x->value[t->lane], value, bytes);
    x->arrived |= lane;
    complete(t->in, t->warp, x);
    if (!x->leaving) {
        t->file = file;
        t->line = line;
        thread_sleep(t, IN_WARP);
        schedule();
    }
    all = { x->arrived, x->value };
    x->leaving &= ~lane;
    if (!x->leaving)
        x->mask = 0;
    return all;
}

void warp_leave(Thread *t)
{
    Warp *w = &t->in->warp[t->warp];

    w->returned |= 1u << t->lane;
    for (unsigned i = 0; i < w->used; i++)
        complete(t->in, t->warp, &w->exchange[i]);
}
