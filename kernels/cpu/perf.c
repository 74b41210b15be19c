/*
 * perf.c - a group of events of each thread, read before and after each step.
 *
 * Events that were opened for one thread do not count another, and OpenMP may
 * replace its threads; so it is asked before each step who they are, and again
 * after it: a step that lost one is not counted.  What does not fit into one
 * group is counted in another run of all steps.
 *
 * A refusal is no error: what was to be counted then has a reason.
 */
#include "kernels/cpu/perf.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "kernels/cpu/device.h"

enum { REASON = 240 };

/* Result of one read of a group: PERF_FORMAT_GROUP and both times. */
typedef struct Reading {
    uint64_t n, enabled_ns, running_ns, value[PERF_GROUP];
} Reading;

/* Results so far. */
typedef struct Tally {
    const Counting *counting;
    double *value; /* [step][quantity], NAN: not counted           */
    double *ns;    /* [step] that the threads ran, where cycles are */
    double *share; /* [step] the least that a group was on          */
    char reason[PERF_QUANTITIES][REASON]; /* "": nothing failed     */
    bool counted[PERF_QUANTITIES];        /* there are events       */
    bool refused[PERF_QUANTITIES];        /* and no step has values */
} Tally;

/* A group of events on each thread. */
typedef struct Session {
    const PerfSystem *system;
    const Team *team;
    Tally *tally;
    PerfEvent event[PERF_GROUP];
    int n;
    int *tid, *now;  /* of the threads: as opened, and as they are */
    int *fd;         /* [thread][event]                            */
    int open;        /* of fd                                      */
    Reading *before; /* [thread]                                   */
} Session;

/* ---- the kernel ---------------------------------------------------------- */

static int kernel_open(struct perf_event_attr *attr, int tid, int group)
{
    return (int)syscall(SYS_perf_event_open, attr, tid, -1, group,
                        PERF_FLAG_FD_CLOEXEC);
}

static PerfSystem this_system(void)
{
    return (PerfSystem){ kernel_open, read, close, perf_processor() };
}

/* Why it did not open. */
static int refused(int code)
{
    const char *why = strerror(code);

    switch (code) {
    case EACCES:
        why = "kernel.perf_event_paranoid keeps them from this user; sudo "
              "sysctl kernel.perf_event_paranoid=2";
        break;
    case EPERM:
        why = "this container, or the kernel's lockdown, forbids perf events; "
              "docker run --cap-add=PERFMON, or run outside of it";
        break;
    case ENOSYS:
        why = "this sandbox, or this kernel, has no perf events; run outside "
              "of it";
        break;
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
        why = "this machine shows no hardware counters, as most virtual ones; "
              "run on the host, or ask its owner for a virtual PMU";
        break;
    case EINVAL:
        why = "this kernel does not know the processor's event; a newer one "
              "may";
        break;
    case EBUSY:
        why = "another program has them to itself; stop it (perf, the NMI "
              "watchdog)";
        break;
    case EMFILE:
        why = "they take more files than this process may open; ulimit -n "
              "65536";
        break;
    case ESRCH:
        why = "OpenMP ended one of its threads; run again";
        break;
    }
    return fail(ERR_UNSUPPORTED, "counters: %s", why);
}

/* Counts in user space, from now on. */
static int open_event(int *fd, const PerfSystem *system, const PerfEvent *e,
                      int tid, int group)
{
    struct perf_event_attr attr = {
        .type = e->type,
        .size = sizeof(attr),
        .config = e->config,
        .read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
                       PERF_FORMAT_TOTAL_TIME_RUNNING,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };

    *fd = system->open(&attr, tid, group);
    return *fd < 0 ? refused(errno) : OK;
}

int perf_may_count(const PerfSystem *system)
{
    const PerfSystem this = this_system();
    PerfEvent event[PERF_GROUP];
    int fd;

    system = system ? system : &this;
    perf_group(event, &system->processor, F32, 0);
    TRY(open_event(&fd, system, &event[0], 0, -1));
    system->close(fd);
    return OK;
}

/* ---- a group on every thread --------------------------------------------- */

static void session_shut(Session *s)
{
    while (s->open > 0)
        s->system->close(s->fd[--s->open]);
}

static int session_open(Session *s)
{
    session_shut(s);
    memcpy(s->tid, s->now, (size_t)s->team->threads * sizeof(*s->tid));
    for (int t = 0; t < s->team->threads; t++) {
        const int *leader = &s->fd[t * s->n];

        for (int e = 0; e < s->n; e++) {
            TRY(open_event(&s->fd[s->open], s->system, &s->event[e], s->tid[t],
                           e ? *leader : -1));
            s->open++;
        }
    }
    return OK;
}

/* True if the team's threads are still those that were opened. */
static bool same_threads(Session *s)
{
    team_tids(s->team, s->now);
    return s->open > 0 &&
           !memcmp(s->now, s->tid, (size_t)s->team->threads * sizeof(*s->now));
}

static int read_thread(Reading *out, const Session *s, int thread)
{
    const size_t bytes = (size_t)(3 + s->n) * sizeof(uint64_t);
    const ssize_t got =
        s->system->read(s->fd[thread * s->n], out, sizeof(*out));

    if (got != (ssize_t)bytes || out->n != (uint64_t)s->n)
        return fail(ERR_UNSUPPORTED,
                    "counters: the kernel gave %zd bytes of %zu that were "
                    "counted; another program may have taken them, run again",
                    got, bytes);
    return OK;
}

/* Adds what thread t did since before; false if its counters were never on. */
static bool add_thread(const Session *s, int step, int t, const Reading *now)
{
    const Reading *was = &s->before[t];
    const double enabled = (double)(now->enabled_ns - was->enabled_ns);
    const double running = (double)(now->running_ns - was->running_ns);
    Tally *tally = s->tally;

    if (enabled <= 0) /* it slept */
        return true;
    if (running <= 0)
        return false;
    for (int e = 0; e < s->n; e++) {
        const PerfQuantity q = s->event[e].quantity;
        const double n = (double)(now->value[e] - was->value[e]);

        tally->value[step * PERF_QUANTITIES + q] +=
            s->event[e].factor * n * enabled / running;
        if (q == PERF_CYCLES)
            tally->ns[step] += enabled;
    }
    if (running / enabled < tally->share[step])
        tally->share[step] = running / enabled;
    return true;
}

/* The step is not counted: why, of all that the group has. */
static void lose(const Session *s, int step, const char *reason)
{
    for (int e = 0; e < s->n; e++) {
        const PerfQuantity q = s->event[e].quantity;

        s->tally->value[step * PERF_QUANTITIES + q] = NAN;
        snprintf(s->tally->reason[q], REASON, "%s", reason);
    }
}

static int read_after(const Session *s, int step)
{
    for (int t = 0; t < s->team->threads; t++) {
        Reading now;

        TRY(read_thread(&now, s, t));
        if (!add_thread(s, step, t, &now))
            return fail(ERR_UNSUPPORTED,
                        "counters: others had them all the time; stop perf "
                        "and the NMI watchdog (sudo sysctl "
                        "kernel.nmi_watchdog=0)");
    }
    return OK;
}

/* ---- runs ---------------------------------------------------------------- */

/* Runs a step and counts it: an error of the run, or what could not be read,
 * by then noted. */
static int count_step(Session *s, int step)
{
    const Counting *c = s->tally->counting;
    int err = OK;

    for (int t = 0; !err && t < s->team->threads; t++)
        err = read_thread(&s->before[t], s, t);
    if (err)
        lose(s, step, err_message());
    TRY(c->launch(c->arg, step));
    if (!err && read_after(s, step))
        lose(s, step, err_message());
    if (!same_threads(s))
        lose(s, step, "counters: OpenMP replaced its threads; run again");
    return OK;
}

static void refuse(const Session *s, const char *reason)
{
    for (int e = 0; e < s->n; e++) {
        const PerfQuantity q = s->event[e].quantity;

        snprintf(s->tally->reason[q], REASON, "%s", reason);
        s->tally->refused[q] = true;
    }
}

/* A refusal ends it, and is the reason of all that the group has. */
static int count_steps(Session *s)
{
    const Counting *c = s->tally->counting;

    for (int i = 0; i < c->steps; i++) {
        if (c->before)
            TRY(c->before(c->arg, i));
        if (!same_threads(s) && session_open(s)) {
            refuse(s, err_message());
            return OK;
        }
        TRY(count_step(s, i));
    }
    return OK;
}

/* True if the quantity is asked for: "", or among "a,b". */
static bool wanted(const Counting *c, const char *name)
{
    const size_t n = strlen(name);

    for (const char *at = c->metrics; *at; at += strspn(at, ",")) {
        const size_t length = strcspn(at, ",");

        if (length == n && !strncmp(at, name, n))
            return true;
        at += length;
    }
    return !c->metrics[0];
}

/* True if the group is worth a run: some of it is asked for, and nothing of it
 * was refused to an earlier one. */
static bool begin_group(const Session *s)
{
    Tally *t = s->tally;
    bool any = false, refused = false;

    for (int e = 0; e < s->n; e++) {
        const PerfQuantity q = s->event[e].quantity;

        t->counted[q] = true;
        refused |= t->refused[q];
        any |= wanted(t->counting, perf_quantity_name(q)) ||
               (q == PERF_CYCLES &&
                wanted(t->counting, perf_quantity_name(PERF_CLOCK_MHZ)));
    }
    return any && !refused;
}

static int count_groups(Session *s)
{
    const Dtype dtype = s->tally->counting->dtype;
    int err = OK;

    for (int i = 0; !err; i++) {
        s->n = perf_group(s->event, &s->system->processor, dtype, i);
        if (!s->n)
            break;
        if (begin_group(s))
            err = count_steps(s);
        session_shut(s);
    }
    return err;
}

/* ---- what is said -------------------------------------------------------- */

static void say(const Counting *c, int step, const char *quantity, double value,
                const char *reason)
{
    c->take(c->arg, &(Counted){ .step = step,
                                .quantity = quantity,
                                .value = value,
                                .reason = isnan(value) ? reason : "" });
}

/* Reports each step, and all: a sum, or for the clock a mean. */
static void say_quantity(const Tally *t, PerfQuantity q)
{
    const PerfQuantity of = q == PERF_CLOCK_MHZ ? PERF_CYCLES : q;
    const char *name = perf_quantity_name(q), *reason = t->reason[of];
    double sum = 0, ns = 0;

    if (!wanted(t->counting, name))
        return;
    if (!t->counted[of])
        reason = "counters: no event is known here that counts the operations "
                 "of this processor in this dtype";
    if (!t->counted[of] || t->refused[of]) {
        say(t->counting, ALL_STEPS, name, NAN, reason);
        return;
    }
    if (!reason[0])
        reason = "counters: no thread ran";
    for (int i = 0; i < t->counting->steps; i++) {
        const double value = t->value[i * PERF_QUANTITIES + of];
        const double per = q == PERF_CLOCK_MHZ ? t->ns[i] / 1e3 : 1;

        say(t->counting, i, name, value / per, reason);
        sum += value;
        ns += t->ns[i];
    }
    say(t->counting, ALL_STEPS, name,
        q == PERF_CLOCK_MHZ ? sum / ns * 1e3 : sum, reason);
}

/* The share that was counted, where it was not all. */
static void say_shares(const Tally *t)
{
    double least = 1;

    for (int i = 0; i < t->counting->steps; i++) {
        if (t->share[i] < 1)
            say(t->counting, i, "counted_share", t->share[i], "");
        least = t->share[i] < least ? t->share[i] : least;
    }
    if (least < 1)
        say(t->counting, ALL_STEPS, "counted_share", least, "");
}

/* Reports each name asked for that is none of ours. */
static void say_unknown(const Counting *c)
{
    char name[64];

    for (const char *at = c->metrics; *at; at += strspn(at, ",")) {
        const size_t length = strcspn(at, ",");
        bool known = false;

        snprintf(name, sizeof(name), "%.*s", (int)length, at);
        for (int q = 0; q < PERF_QUANTITIES; q++)
            known |= !strcmp(name, perf_quantity_name((PerfQuantity)q));
        if (!known)
            say(c, ALL_STEPS, name, NAN,
                "counters: the backend cpu has cycles, instructions, "
                "cache_misses, flops and clock_mhz");
        at += length;
    }
}

static void say_all(const Tally *t)
{
    for (int q = 0; q < PERF_QUANTITIES; q++)
        say_quantity(t, (PerfQuantity)q);
    say_shares(t);
    say_unknown(t->counting);
}

/* ---- all of it ----------------------------------------------------------- */

static bool tally_new(Tally *t, const Counting *c)
{
    const size_t steps = (size_t)c->steps + 1;

    *t = (Tally){ .counting = c };
    t->value = calloc(steps * PERF_QUANTITIES, sizeof(*t->value));
    t->ns = calloc(steps, sizeof(*t->ns));
    t->share = calloc(steps, sizeof(*t->share));
    for (size_t i = 0; t->share && i < steps; i++)
        t->share[i] = 1;
    return t->value && t->ns && t->share;
}

static void tally_free(Tally *t)
{
    free(t->value);
    free(t->ns);
    free(t->share);
}

static bool session_new(Session *s, const PerfSystem *system, const Team *team,
                        Tally *tally)
{
    const size_t threads = (size_t)team->threads;

    *s = (Session){ .system = system, .team = team, .tally = tally };
    s->tid = calloc(threads, sizeof(*s->tid));
    s->now = calloc(threads, sizeof(*s->now));
    s->fd = calloc(threads * PERF_GROUP, sizeof(*s->fd));
    s->before = calloc(threads, sizeof(*s->before));
    return s->tid && s->now && s->fd && s->before;
}

static void session_free(Session *s)
{
    session_shut(s);
    free(s->tid);
    free(s->now);
    free(s->fd);
    free(s->before);
}

int perf_count_by(const PerfSystem *system, Device *dev, const Counting *c)
{
    const Team *team = &cpu_device(dev)->team;
    Session s = { 0 };
    Tally tally;
    int err;

    if (tally_new(&tally, c) && session_new(&s, system, team, &tally)) {
        team_enter(team);
        err = count_groups(&s);
        if (!err)
            say_all(&tally);
    } else {
        err = fail(ERR_MEMORY, "no memory to count %d steps", c->steps);
    }
    session_free(&s);
    tally_free(&tally);
    return err;
}

int perf_count(Device *dev, const Counting *c)
{
    const PerfSystem this = this_system();

    return perf_count_by(&this, dev, c);
}
