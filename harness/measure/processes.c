/*
 * processes.c - the samples of a block, spread over fresh processes.
 *
 * Where a process lays out code, weights and activations in memory is decided
 * when it starts, and moves its times by one or two per cent for as long as it
 * lives.  Within one process no number of samples shows that.  So a part of the
 * samples is taken in this process, and as many in each of some others, one
 * after another: they run the same program, hold the same cases and are asked
 * for one sample at a time, as peers are.
 */
#include "harness/devices/backends.h"
#include "harness/measure/block.h"
#include "kernels/core/err.h"

/* In nanoseconds, at least: a fresh process's caches are cold. */
#define FRESH_NS 2e7

/* How long a fresh process may take to build one case. */
enum { ANSWER_S = 600 };

static bool can_move(const Entry *e)
{
    return !e->lane && entry_is_sampled(e) && e->arm.plan &&
           e->arm.dev->backend->host_memory;
}

bool block_can_move(const Block *b)
{
    for (int i = 0; i < b->n; i++)
        if (can_move(&b->at[i]))
            return true;
    return false;
}

/* Its arms are held by the other process from here on. */
static void hand_over(Sweeper *s, Block *b, Peer *other, int process)
{
    const double warmup_ns = s->protocol->warmup * 1e9;

    for (int i = 0; i < b->n && !sweep_stopped(s); i++) {
        Trial *a = &b->at[i].arm;

        if (!can_move(&b->at[i]))
            continue;
        s->listener->step(s->listener->arg, &(Step){ "preparing", a, 0, 0 });
        trial_hand_over(a, other, process,
                        &(Checker){ s->dev, &s->ref, &s->hashes });
        if (trial_ok(a))
            trial_wake(a, warmup_ns > FRESH_NS ? warmup_ns : FRESH_NS);
        if (!trial_ok(a))
            pairs_drop(b, i);
    }
}

static void take_back(Block *b, const Peer *other)
{
    for (int i = 0; i < b->n; i++)
        if (b->at[i].arm.peer == other)
            trial_take_back(&b->at[i].arm);
}

static int sample_in(Sweeper *s, Block *b, int process)
{
    const PeerLimits limits = { ANSWER_S, s->protocol->stop };
    Peer *other;
    int err;

    err = peer_open(&other, s->protocol->another, &limits);
    if (err)
        return sweep_stopped(s) ? OK : err;
    hand_over(s, b, other, process);
    s->last = NULL;
    pairs_begin_part(b);
    err = block_sample_part(s, b);
    take_back(b, other);
    peer_close(other);
    return err;
}

int block_sample_elsewhere(Sweeper *s, Block *b)
{
    const int processes = s->protocol->processes;

    for (int i = 1; i < processes && !sweep_stopped(s) && !b->lost; i++) {
        b->part = (i + 1.0) / processes;
        TRY(sample_in(s, b, i));
    }
    return OK;
}
