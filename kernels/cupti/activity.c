/*
 * activity.c - launches and their times, from CUPTI's activity records.
 *
 * CUPTI notes each call into the runtime or the driver, and each kernel, copy
 * or memset with the number of the call that launched it.  Calls within a step
 * also get a number of ours, which says the step: so a library's launches are
 * found, too, whatever it calls.  Records come in any order, some of them on a
 * thread of CUPTI's; nothing is made of them before all are there.
 *
 * Rounds: one that is not looked at, in which CUPTI prepares each kernel, then
 * ROUNDS.  A time is the median over rounds of a name's sum within the step;
 * its number of launches must be the same in all rounds, or records are
 * missing.  Traced kernels may be slower than others, short ones most: these
 * times say how a step's time divides, not how long the step takes.
 *
 * CUPTI is not finalised, because a session of counters may follow; it keeps no
 * records once their kinds are disabled.
 */
#include "kernels/cupti/activity.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cupti/kernel_name.h"

enum { ROUNDS = 3, BUFFER_BYTES = 4 << 20, ALIGNMENT = 8 };

/* A call's step, or what a launch was. */
typedef struct Record {
    uint32_t correlation; /* the call                                */
    bool is_launch;
    uint64_t turn;    /* round * steps + step, of a call             */
    const char *name; /* of a launch, as CUPTI has it                */
    double ns;        /* of a launch; NAN: there was no time for it  */
} Record;

typedef struct Records {
    Record *at;
    size_t n, room, dropped;
} Records;

/* A launch in a step, in a round that counts, from 0. */
typedef struct Launch {
    int step, round;
    double ns;
    char name[KERNEL_NAME];
} Launch;

typedef struct Trace {
    const CuptiActivity *cupti;
    const Counting *counting;
    int (*wait)(void *arg);
    void *wait_arg;
    void *subscriber;
    int enabled; /* kinds */
    Records records;
    Launch *launch; /* by step and name */
    int n;
} Trace;

static const int kinds[] = {
    CUPTI_CONCURRENT_KERNEL, CUPTI_MEMCPY, CUPTI_MEMSET,
    CUPTI_RUNTIME,           CUPTI_DRIVER, CUPTI_EXTERNAL_CORRELATION,
};
enum { NKINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* ---- records, as they come ---------------------------------------------- */

/* CUPTI's callbacks have no argument, hence these.  A buffer that comes back
 * when nobody listens any more is only released. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Trace *listening;

static void listen(Trace *t)
{
    pthread_mutex_lock(&lock);
    BUG_IF(t && listening);
    listening = t;
    pthread_mutex_unlock(&lock);
}

static void keep(Records *r, const Record *record)
{
    if (r->n == r->room) {
        const size_t room = r->room ? 2 * r->room : 1024;
        Record *at = realloc(r->at, room * sizeof(*at));

        if (!at) {
            r->dropped++;
            return;
        }
        r->at = at;
        r->room = room;
    }
    r->at[r->n++] = *record;
}

static void keep_launch(Records *r, uint32_t correlation, const char *name,
                        uint64_t start, uint64_t end)
{
    const double ns = start && end >= start ? (double)(end - start) : NAN;

    keep(r, &(Record){ .correlation = correlation,
                       .is_launch = true,
                       .name = name ? name : "(no name)",
                       .ns = ns });
}

static void read_record(Records *r, const CuptiRecord *record)
{
    const CuptiKernelRecord *kernel = (const void *)record;
    const CuptiMemoryRecord *memory = (const void *)record;
    const CuptiExternalRecord *call = (const void *)record;

    if (record->kind == CUPTI_CONCURRENT_KERNEL)
        keep_launch(r, kernel->correlation, kernel->name, kernel->start,
                    kernel->end);
    else if (record->kind == CUPTI_MEMCPY || record->kind == CUPTI_MEMSET)
        keep_launch(r, memory->correlation,
                    record->kind == CUPTI_MEMCPY ? "memcpy" : "memset",
                    memory->start, memory->end);
    else if (record->kind == CUPTI_EXTERNAL_CORRELATION &&
             call->external_kind == CUPTI_CUSTOM0)
        keep(r,
             &(Record){ .correlation = call->correlation, .turn = call->id });
}

static void read_buffer(Trace *t, uint8_t *buffer, size_t filled)
{
    CuptiRecord *record = NULL;
    int code;

    while (!(code = t->cupti->next(buffer, filled, &record)))
        read_record(&t->records, record);
    t->records.dropped += code != CUPTI_NO_MORE;
}

static void gets_buffer(uint8_t **buffer, size_t *bytes, size_t *records)
{
    *buffer = aligned_alloc(ALIGNMENT, BUFFER_BYTES);
    *bytes = *buffer ? BUFFER_BYTES : 0;
    *records = 0; /* as many as it holds */
}

static void filled_buffer(void *context, uint32_t stream, uint8_t *buffer,
                          size_t bytes, size_t filled)
{
    (void)context;
    (void)stream;
    (void)bytes;
    pthread_mutex_lock(&lock);
    if (listening && buffer && filled)
        read_buffer(listening, buffer, filled);
    pthread_mutex_unlock(&lock);
    free(buffer);
}

/* A subscriber is what keeps other tools out; it asks to hear of no call. */
static void hears_nothing(void *arg, int domain, uint32_t call,
                          const void *data)
{
    (void)arg;
    (void)domain;
    (void)call;
    (void)data;
}

/* ---- running ------------------------------------------------------------- */

/* Calls a function of CUPTI's, or fails by its name. */
#define CALL(t, id, ...) \
    TRY(cupti_check((t)->cupti->id(__VA_ARGS__), "CUPTI's " #id))

static int trace_open(Trace *t)
{
    CALL(t, subscribe, &t->subscriber, hears_nothing, NULL);
    CALL(t, buffers, gets_buffer, filled_buffer);
    for (; t->enabled < NKINDS; t->enabled++)
        CALL(t, enable, kinds[t->enabled]);
    return OK;
}

static void trace_close(Trace *t)
{
    while (t->enabled)
        t->cupti->disable(kinds[--t->enabled]);
    if (t->subscriber)
        t->cupti->unsubscribe(t->subscriber);
    t->subscriber = NULL;
}

static int run_step(Trace *t, int round, int step)
{
    const Counting *c = t->counting;
    uint64_t turn = (uint64_t)round * (uint64_t)c->steps + (uint64_t)step;
    int err, code;

    if (c->before)
        TRY(c->before(c->arg, step));
    CALL(t, push, CUPTI_CUSTOM0, turn);
    err = c->launch(c->arg, step);
    code = t->cupti->pop(CUPTI_CUSTOM0, &turn);
    return err ? err : cupti_check(code, "CUPTI's pop");
}

static int run_rounds(Trace *t)
{
    for (int round = 0; round < 1 + ROUNDS; round++)
        for (int step = 0; step < t->counting->steps; step++)
            TRY(run_step(t, round, step));
    return OK;
}

/* The buffers come back even if a launch failed. */
static int run(Trace *t)
{
    int err = trace_open(t), code;

    if (err)
        return err;
    err = run_rounds(t);
    if (!err)
        err = t->wait(t->wait_arg);
    code = t->cupti->flush(0);
    return err ? err : cupti_check(code, "CUPTI's flush");
}

static int collect(Trace *t)
{
    size_t dropped = 0;
    int err;

    listen(t);
    err = run(t);
    if (!err)
        err = cupti_check(t->cupti->dropped(NULL, 0, &dropped),
                          "CUPTI's dropped");
    trace_close(t);
    listen(NULL);
    t->records.dropped += dropped;
    return err;
}

/* ---- from records to launches ------------------------------------------- */

/* Sorts by correlation, the call first. */
static int by_call(const void *a, const void *b)
{
    const Record *x = a, *y = b;

    if (x->correlation != y->correlation)
        return x->correlation < y->correlation ? -1 : 1;
    return (int)x->is_launch - (int)y->is_launch;
}

static int by_name(const void *a, const void *b)
{
    const Launch *x = a, *y = b;

    return x->step != y->step ? x->step - y->step : strcmp(x->name, y->name);
}

/* A launch of the first round has only prepared; what was launched between the
 * steps is of no call of theirs. */
static void join(Trace *t)
{
    const uint64_t steps = (uint64_t)t->counting->steps;
    const Record *call = NULL;

    for (size_t i = 0; i < t->records.n; i++) {
        const Record *r = &t->records.at[i];
        Launch *launch = &t->launch[t->n];

        if (!r->is_launch)
            call = r;
        if (!r->is_launch || !call || call->correlation != r->correlation ||
            call->turn < steps || call->turn >= (1 + ROUNDS) * steps)
            continue;
        launch->step = (int)(call->turn % steps);
        launch->round = (int)(call->turn / steps) - 1;
        launch->ns = r->ns;
        kernel_name(launch->name, r->name);
        t->n++;
    }
}

static int attribute(Trace *t)
{
    Records *r = &t->records;

    if (r->dropped)
        return fail(ERR_UNSUPPORTED,
                    "launches: CUPTI dropped %zu records of them for want of "
                    "memory; free some, of the host and of the GPU",
                    r->dropped);
    t->launch = calloc(r->n + 1, sizeof(*t->launch));
    if (!t->launch)
        return fail(ERR_MEMORY, "no memory for launches");
    if (r->n)
        qsort(r->at, r->n, sizeof(*r->at), by_call);
    join(t);
    qsort(t->launch, (size_t)t->n, sizeof(*t->launch), by_name);
    return t->n ? OK
                : fail(ERR_UNSUPPORTED, "launches: CUPTI has no record of any; "
                                        "driver and CUPTI may not go "
                                        "together; update the older one");
}

/* ---- what is said -------------------------------------------------------- */

/* All launches of a name within a step. */
typedef struct Group {
    int step, launches; /* a round */
    const char *name;
    double ns[ROUNDS];
    int end; /* of t->launch: where the next group begins */
} Group;

static int group_from(Group *g, const Trace *t, int i)
{
    const Launch *first = &t->launch[i];
    int in_round[ROUNDS] = { 0 };

    *g = (Group){ .step = first->step, .name = first->name };
    for (; i < t->n && t->launch[i].step == g->step &&
           strcmp(t->launch[i].name, g->name) == 0;
         i++) {
        g->ns[t->launch[i].round] += t->launch[i].ns;
        in_round[t->launch[i].round]++;
    }
    g->end = i;
    g->launches = in_round[0];
    for (int round = 0; round < ROUNDS; round++) {
        if (isnan(g->ns[round]))
            return fail(ERR_UNSUPPORTED,
                        "launches: the GPU had no memory to time %s; free "
                        "some, or profile a smaller batch",
                        g->name);
        if (in_round[round] != g->launches)
            return fail(ERR_UNSUPPORTED,
                        "launches: %d of %s in a round of step %d, %d in "
                        "another; profile again, with nothing else on the GPU",
                        g->launches, g->name, g->step, in_round[round]);
    }
    return OK;
}

static double median_of_three(const double ns[ROUNDS])
{
    const double low = fmin(ns[0], ns[1]), high = fmax(ns[0], ns[1]);

    _Static_assert(ROUNDS == 3, "this is of three");
    return fmax(low, fmin(high, ns[2]));
}

static void say(const Counting *c, int step, const char *launch, int launches)
{
    c->take(c->arg, &(Counted){ .step = step,
                                .quantity = "launches",
                                .value = launches,
                                .reason = "",
                                .launch = launch });
}

static void say_group(const Counting *c, const Group *g)
{
    say(c, g->step, g->name, g->launches);
    c->take(c->arg, &(Counted){ .step = g->step,
                                .quantity = "time_ns",
                                .value = median_of_three(g->ns),
                                .reason = "",
                                .launch = g->name,
                                .timed = true });
}

/* Nothing before all is known to be in order. */
static int say_all(const Trace *t)
{
    const Counting *c = t->counting;
    int i = 0;
    Group g;

    for (int k = 0; k < t->n; k = g.end)
        TRY(group_from(&g, t, k));
    for (int step = 0; step < c->steps; step++) {
        int launches = 0;

        for (; i < t->n && t->launch[i].step == step; i = g.end) {
            group_from(&g, t, i);
            say_group(c, &g);
            launches += g.launches;
        }
        say(c, step, NULL, launches);
    }
    say(c, ALL_STEPS, NULL, t->n / ROUNDS);
    return OK;
}

static int refuse(const Counting *c)
{
    c->take(c->arg, &(Counted){ .step = ALL_STEPS,
                                .quantity = "launches",
                                .value = NAN,
                                .reason = err_message() });
    return OK;
}

int activity_count_by(const CuptiActivity *cupti, const Counting *c,
                      int (*wait)(void *arg), void *arg)
{
    Trace t = { .cupti = cupti, .counting = c, .wait = wait, .wait_arg = arg };
    int err = collect(&t);

    if (!err)
        err = attribute(&t);
    if (!err)
        err = say_all(&t);
    free(t.records.at);
    free(t.launch);
    return err == ERR_UNSUPPORTED ? refuse(c) : err;
}

int activity_count(const Counting *c, int (*wait)(void *arg), void *arg)
{
    CuptiActivity activity;
    Cupti cupti;
    int err;

    if (!cupti_context()) {
        fail(ERR_UNSUPPORTED, "counters: the driver has no context here");
        return refuse(c);
    }
    if (cupti_open(&cupti))
        return refuse(c);
    err = cupti_activity_find(&activity, &cupti);
    err = err ? refuse(c) : activity_count_by(&activity, c, wait, arg);
    cupti_close(&cupti);
    return err;
}
