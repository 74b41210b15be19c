/*
 * rounds.c - samples a block: in each round one of every case that still wants
 * one, in an order of its own.
 */
#include <math.h>
#include <time.h>

#include "analysis/stats.h"
#include "harness/devices/backends.h"
#include "harness/measure/block.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "results/begun.h"

enum {
    LEAST_SAMPLES = 3, /* even of a case that has no time left */
};

/* libgomp's threads spin for some 10 ms after their work; while they do, the
 * other program has no cores. */
#define SLEEP_NS 20000000L

/* A block may take an hour: in it, a note after so long that we are alive. */
enum { SEEN_S = 120 };

/* ---- small things ---------------------------------------------------- */

/* Marsaglia's xorshift64*. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

static void shuffle(int *x, int n, uint64_t *random)
{
    for (int i = n - 1; i > 0; i--) {
        const int k = (int)((random_next(random) >> 33) % (uint64_t)(i + 1));
        const int t = x[i];

        x[i] = x[k];
        x[k] = t;
    }
}

bool sweep_stopped(const Sweeper *s)
{
    return s->protocol->stop && *s->protocol->stop;
}

double seconds_spent(const Sweeper *s)
{
    return (host_now_ns() - s->protocol->started_ns) * 1e-9;
}

bool measure_converged(const Protocol *p, const double *ns, int n)
{
    Stats stats;

    if (n < p->min_samples)
        return false;
    stats = stats_of(ns, n);
    return stats.n == n && stats_half_width(&stats) <= p->target;
}

void block_look_at_device(const Sweeper *s, Block *b, const Trial *a)
{
    b->lost |= a->status == STATUS_FAILED && backend_lost(s->dev);
}

/* ---- who wants a sample ------------------------------------------------ */

static bool has_time(const Sweeper *s, const Entry *e)
{
    const Trial *a = &e->arm;

    return a->n < LEAST_SAMPLES || (a->spent_ns < s->protocol->limit * 1e9 &&
                                    a->n < s->protocol->max_samples);
}

bool entry_active(const Sweeper *s, const Entry *e)
{
    return !e->stored && trial_ok(&e->arm) && has_time(s, e);
}

static void look(const Sweeper *s, Entry *e)
{
    e->settled = measure_converged(s->protocol, e->arm.ns, e->arm.n);
    e->look = e->arm.n + 1 + e->arm.n / 8;
}

/* True if no case wants another sample.  Intervals that were narrow enough
 * when they were looked at are looked at once more: samples have come since. */
static bool done(const Sweeper *s, Block *b)
{
    for (int again = 0; again < 2; again++)
        for (int i = 0; i < b->n; i++) {
            Entry *e = &b->at[i];

            if (entry_active(s, e) && again)
                look(s, e);
            if (entry_active(s, e) && !e->settled)
                return false;
        }
    return true;
}

/* True if its time is up, and each case has the least that there must be. */
static bool out_of_time(const Sweeper *s, const Block *b)
{
    if (seconds_spent(s) < b->until)
        return false;
    for (int i = 0; i < b->n; i++)
        if (entry_active(s, &b->at[i]) && b->at[i].arm.n < LEAST_SAMPLES)
            return false;
    return true;
}

/* A device with memory of its own has done nothing while the last case was
 * prepared. */
void block_wake(const Sweeper *s, Block *b)
{
    for (int i = 0; i < b->n && !b->lost; i++) {
        Trial *a = &b->at[i].arm;

        if (b->at[i].stored || b->at[i].lane || !trial_ok(a) || !a->plan ||
            a->dev->backend->host_memory)
            continue;
        trial_wake(a, AWAKE_NS);
        block_look_at_device(s, b, a);
        return;
    }
}

/* Threads of one program may still spin when the other's turn comes. */
static void take_turn(Sweeper *s, int lane)
{
    if (lane != s->lane)
        nanosleep(&(struct timespec){ 0, SLEEP_NS }, NULL);
    s->lane = lane;
}

static int count_settled(const Sweeper *s, const Block *b)
{
    int n = 0;

    for (int i = 0; i < b->n; i++)
        n += b->at[i].settled || !entry_active(s, &b->at[i]);
    return n;
}

/* One sample of each case that still has time; lane by lane, because a change
 * of programs costs a pause. */
static void one_round(Sweeper *s, Block *b)
{
    const int first = s->nlanes > 1 ? (int)(random_next(&s->random) >> 63) : 0;
    Step step = { "measuring", NULL, b->n, count_settled(s, b) };

    for (int l = 0; l < s->nlanes && !sweep_stopped(s) && !b->lost; l++) {
        const int lane = (first + l) % s->nlanes;
        int n = 0;

        for (int i = 0; i < b->n; i++)
            if (b->at[i].lane == lane && entry_active(s, &b->at[i]))
                b->order[n++] = i;
        shuffle(b->order, n, &s->random);
        if (n)
            take_turn(s, lane);
        for (int k = 0; k < n && !sweep_stopped(s) && !b->lost; k++) {
            Entry *e = &b->at[b->order[k]];

            step.arm = &e->arm;
            s->listener->step(s->listener->arg, &step);
            trial_sample(&e->arm, s->round);
            block_look_at_device(s, b, &e->arm);
            if (trial_ok(&e->arm) && e->arm.n >= e->look)
                look(s, e);
        }
    }
    s->round++;
}

static int note_seen(Sweeper *s)
{
    if (seconds_spent(s) - s->seen_s < SEEN_S)
        return OK;
    s->seen_s = seconds_spent(s);
    for (int i = 0; i < s->all_lanes->n; i++)
        TRY(store_seen(s->store, s->all_lanes->at[i].sweep_id));
    return OK;
}

int block_sample(Sweeper *s, Block *b)
{
    int err = OK;

    while (!err && !sweep_stopped(s) && !b->lost && !done(s, b) &&
           !out_of_time(s, b)) {
        one_round(s, b);
        err = note_seen(s);
    }
    return err;
}
