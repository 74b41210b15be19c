/*
 * measure.c - blocks of cases: prepared, sampled (rounds.c), stored.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/devices/environment.h"
#include "harness/measure/begun.h"
#include "harness/measure/block.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "results/begun.h"

/* Part of the memory that must stay free for what is not ours. */
#define MEMORY_RESERVE 0.25

/* ---- which cases share a block ---------------------------------------- */

static bool same_device(const Case *a, const Case *b)
{
    return a->backend == b->backend && a->threads == b->threads;
}

/* Cases that differ in nothing but these belong together: what is compared
 * with what. */
static int by_group(const Case *x, const Case *y)
{
    const int pair[][2] = { { x->threads, y->threads },
                            { x->channels, y->channels },
                            { x->height, y->height },
                            { x->width, y->width },
                            { x->batch, y->batch } };
    int d = x->backend - y->backend;

    if (!d)
        d = strcmp(x->backbone.text, y->backbone.text);
    for (size_t i = 0; !d && i < sizeof(pair) / sizeof(pair[0]); i++)
        d = (pair[i][0] > pair[i][1]) - (pair[i][0] < pair[i][1]);
    return d;
}

static int by_group_and_place(const void *a, const void *b)
{
    const Case *x = *(const Case *const *)a, *y = *(const Case *const *)b;
    const int d = by_group(x, y);

    return d ? d : (x > y) - (x < y);
}

/* How many of the n sorted cases make the next block: whole groups as long as
 * they fit, or of the first as many whole modules, or as much as does. */
static int block_size(const Case *const *c, int n, int most)
{
    int fits = 0, modules = 0;

    for (int i = 1; i <= n && i <= most; i++) {
        if (i == n || by_group(c[i - 1], c[i]) != 0)
            fits = i;
        if (i == n || strcmp(c[i - 1]->module.text, c[i]->module.text) != 0)
            modules = i;
        if (i < n && !same_device(c[i], c[0]))
            break;
    }
    return fits ? fits : modules ? modules : n < most ? n : most;
}

/* ---- preparing -------------------------------------------------------- */

void block_free(Block *b)
{
    for (int i = 0; i < b->n; i++)
        trial_free(&b->at[i].arm);
    free(b->at);
    free(b->pair);
    free(b->list);
}

static int block_new(Block *b, const Sweeper *s, const Case *const *c,
                     int ncases)
{
    *b = (Block){ .n = ncases * s->nlanes };
    b->at = calloc((size_t)b->n, sizeof(*b->at));
    BUG_IF(!b->at);
    for (int i = 0; i < b->n; i++) {
        Entry *e = &b->at[i];

        e->lane = i % s->nlanes;
        trial_init(&e->arm, c[i / s->nlanes], s->lanes[e->lane].peer, i);
        TRY(store_has_run(s->store, s->lanes[e->lane].sweep_id, e->arm.repeat,
                          &e->stored));
    }
    return OK;
}

static void close_device(Sweeper *s)
{
    backend_close(s->dev);
    s->dev = NULL;
}

static int open_device(Sweeper *s, const Case *c)
{
    if (s->dev && same_device(c, s->dev_case))
        return OK;
    close_device(s);
    s->dev_case = c;
    return backend_open(&s->dev, case_name("backend", c->backend),
                        &(DeviceSettings){ .threads = c->threads,
                                           .isa = "",
                                           .notes = &s->tuning_cache.notes });
}

/* Notes n entries from this one on as under way, those that are not stored; it
 * is done before they are, and not between two samples. */
static int note(Sweeper *s, const Block *b, int first, int n)
{
    Begun *cases = malloc((size_t)(n + 1) * sizeof(*cases));
    int k = 0, err;

    BUG_IF(!cases);
    for (const Entry *e = &b->at[first]; e < &b->at[first + n]; e++)
        if (!e->stored || n == 1)
            cases[k++] = (Begun){ e->lane, e->arm.repeat };
    err = begun_note(s->store, s->all_lanes, cases, k);
    free(cases);
    return err;
}

/* A peer's arm is compared with ours, which is the entry before.  It has run
 * when it is warmed up: what ends the process then is nothing of the case's. */
static int prepare_entry(Sweeper *s, Block *b, int i)
{
    double warmup_ns = s->protocol->warmup * 1e9;
    Entry *e = &b->at[i];

    if (!s->awake && warmup_ns < AWAKE_NS)
        warmup_ns = AWAKE_NS;
    s->awake = true;
    TRY(note(s, b, i, 1));
    s->listener->step(s->listener->arg, &(Step){ "preparing", &e->arm, 0, 0 });
    trial_watch(&e->arm, s->sched, s->protocol->started_ns);
    trial_prepare(&e->arm, &(Checker){ s->dev, &s->ref, &s->hashes }, 0,
                  e->lane ? &b->at[i - e->lane].arm : NULL);
    TRY(note(s, b, i, 0));
    trial_warm_up(&e->arm, warmup_ns);
    block_look_at_device(s, b, &e->arm);
    return OK;
}

/* True if it is to be measured, or a peer's of the same case, for which ours is
 * prepared. */
static bool is_needed(const Sweeper *s, const Block *b, int i)
{
    const int end = b->at[i].lane ? i + 1 : i + s->nlanes;

    for (; i < end; i++)
        if (!b->at[i].stored)
            return true;
    return false;
}

/* A second process will hold the same. */
static double reserve_of(const Protocol *p)
{
    return p->processes > 1 ? (1 + MEMORY_RESERVE) / 2 : MEMORY_RESERVE;
}

/* Prepares cases as long as there is memory for their plans together; the
 * others are cut off the block. */
static int prepare(Sweeper *s, Block *b)
{
    const double reserve = reserve_of(s->protocol) * memory_available();
    const int err = open_device(s, b->at[0].arm.c);
    int i = 0;

    if (err && s->faulted)
        return fail(ERR_DEVICE,
                    "a case has made the device useless, and it does not open "
                    "again (%s); give the same command once more, which "
                    "measures what is missing",
                    err_message());
    s->faulted = false;
    for (int k = 0; err && k < b->n; k++)
        trial_give_up(&b->at[k].arm, err);
    if (err)
        return OK;
    while (i < b->n && !sweep_stopped(s) && !b->lost) {
        const int first = i;

        if (first && memory_available() < reserve)
            break;
        for (; i < first + s->nlanes; i++)
            if (is_needed(s, b, i))
                TRY(prepare_entry(s, b, i));
        if (first && b->at[first].arm.status == STATUS_OUT_OF_MEMORY) {
            i = first; /* it may fit when it is alone */
            break;
        }
    }
    for (int k = i; k < b->n; k++)
        trial_free(&b->at[k].arm);
    b->n = i;
    return note(s, b, 0, b->n);
}

/* ---- storing ---------------------------------------------------------- */

static void tally(Tally *t, const Trial *a)
{
    t->ok += trial_ok(a);
    t->not_converged += trial_ok(a) && !a->converged;
    if (a->status == STATUS_UNSUPPORTED)
        t->unsupported++;
    else if (a->status == STATUS_OUT_OF_MEMORY)
        t->out_of_memory++;
    else
        t->bad += !trial_ok(a);
}

static int commit(Sweeper *s, Entry *e, bool converged)
{
    const double began = host_now_ns();
    Trial *a = &e->arm;
    Outcome outcome;
    Samples samples;

    a->converged = trial_ok(a) && converged;
    outcome = trial_outcome(a);
    samples = trial_samples(a);
    TRY(store_run(s->store, s->lanes[e->lane].sweep_id, a->c, &outcome,
                  &samples));
    s->tally->store_ns += host_now_ns() - began;
    tally(s->tally, a);
    s->listener->done(s->listener->arg, a);
    return OK;
}

/* A peer that was at work when we were stopped did not fail. */
static bool was_stopped(const Trial *a)
{
    return a->stopped && a->status == STATUS_FAILED;
}

/* Only settled cases of an interrupted block are results. */
static int commit_block(Sweeper *s, Block *b)
{
    bool *cut = calloc((size_t)b->n + 1, sizeof(*cut));
    const bool short_cut = sweep_stopped(s) || b->lost;
    int err = OK;

    BUG_IF(!cut);
    if (short_cut)
        pairs_cut(b, s->protocol, cut);
    for (int i = 0; i < b->n && !err; i++) {
        Entry *e = &b->at[i];

        if (!e->stored && !(short_cut && was_stopped(&e->arm)) &&
            !(cut[i] && trial_ok(&e->arm)))
            err = commit(s, e, entry_is_settled(b, i));
    }
    free(cut);
    return err;
}

/* When a block that began then must end: its share of what was left of the
 * budget. */
static double share(const Sweeper *s, double began, int ncases, int left)
{
    if (s->protocol->budget <= 0)
        return INFINITY;
    return began + (s->protocol->budget - began) * ncases / left;
}

/* The device has lost all that it held, and with it the plans of all cases of
 * the block: those that have no row begin again, on a device that is opened
 * again.  The one that did it has its row, so it does it once. */
static int end_lost(Sweeper *s)
{
    s->faulted = true;
    close_device(s);
    return begun_note(s->store, s->all_lanes, NULL, 0);
}

/* Measures the first cases of a sorted list of n; *ncases becomes how many,
 * which may be fewer than they were to be: so its time is not known before.  0:
 * the device was lost, and some of them have their rows. */
static int measure_block(Sweeper *s, const Case *const *c, int n, int *ncases)
{
    const double from = seconds_spent(s);
    double began = host_now_ns();
    Block b;
    int err = block_new(&b, s, c, *ncases);

    if (!err)
        err = prepare(s, &b);
    b.until = share(s, from, b.n / s->nlanes, n);
    block_wake(s, &b);
    s->tally->prepare_ns += host_now_ns() - began;
    began = host_now_ns();
    if (!err)
        err = block_sample(s, &b);
    for (int i = 0; !err && i < b.n && !b.lost && !sweep_stopped(s); i++) {
        trial_record_modules(&b.at[i].arm);
        block_look_at_device(s, &b, &b.at[i].arm);
    }
    s->tally->sample_ns += host_now_ns() - began;
    if (!err)
        err = commit_block(s, &b);
    *ncases = b.lost ? 0 : b.n / s->nlanes;
    block_free(&b);
    return err || !b.lost ? err : end_lost(s);
}

/* A row that says what became of a case that ends the process. */
static int give_up(void *arg, const Case *c, int lane, int kills)
{
    Entry e = { .lane = lane };
    Sweeper *s = arg;
    int err;

    trial_init(&e.arm, c, s->lanes[lane].peer, 0);
    network_weights_hash(e.arm.weights_hash, c, &s->hashes);
    arm_discard(&e.arm,
                "killed: the process ended %d times while measuring this case",
                kills);
    err = commit(s, &e, false);
    trial_free(&e.arm);
    return err;
}

static int measure_all(Sweeper *s, const Case **c, int n)
{
    TRY(begun_give_up(s->store, s->all_lanes, c, &n, give_up, s));
    for (int i = 0; i < n && !sweep_stopped(s);) {
        int ncases = block_size(c + i, n - i, s->protocol->block);

        TRY(begun_cut(s->store, s->all_lanes, c + i, &ncases));
        TRY(measure_block(s, c + i, n - i, &ncases));
        i += ncases;
    }
    return OK;
}

/* The cases that a lane has no row of, sorted. */
static int list_missing(const Sweeper *s, const Case **c, int *n)
{
    char repeat[CASE_TEXT];

    *n = 0;
    for (int i = 0; i < s->e->ncases; i++) {
        bool all = true;

        case_print(&s->e->cases[i], repeat);
        for (int lane = 0; lane < s->nlanes && all; lane++)
            TRY(store_has_run(s->store, s->lanes[lane].sweep_id, repeat, &all));
        if (!all)
            c[(*n)++] = &s->e->cases[i];
    }
    qsort(c, (size_t)*n, sizeof(*c), by_group_and_place);
    return OK;
}

int measure(const Experiment *e, const Protocol *protocol, Store *store,
            const Lanes *lanes, const Listener *listener, Tally *result)
{
    const Case **c = malloc((size_t)(e->ncases + 1) * sizeof(*c));
    Sweeper s = { .e = e,
                  .protocol = protocol,
                  .store = store,
                  .all_lanes = lanes,
                  .lanes = lanes->at,
                  .nlanes = lanes->n,
                  .listener = listener,
                  .tally = result,
                  .random = protocol->seed | 1,
                  .sched = sched_open("/proc") };
    int n, err;

    BUG_IF(!c);
    *result = (Tally){ 0 };
    tuning_cache_init(&s.tuning_cache, store, lanes->at[0].sweep_id);
    err = list_missing(&s, c, &n);
    if (!err)
        err = measure_all(&s, c, n);
    for (int i = 0; !err && !sweep_stopped(&s) && !e->part && i < lanes->n; i++)
        err = store_sweep_end(store, lanes->at[i].sweep_id);
    result->interrupted = sweep_stopped(&s);
    reference_free(s.ref);
    hashes_free(&s.hashes);
    sched_close(s.sched);
    backend_close(s.dev);
    free(c);
    return err;
}
