/*
 * floor.c - measures the floor, and predicts from it what quads of passes will
 * resolve.
 *
 * One kernel of 0.7 ms says little of a pass of 60 ms: most kernels meet none
 * of the bursts that every pass meets several of, and the bursts of a pass
 * average out.  So kernels in a row are added up to passes, and quads of those
 * are judged just as the quads of a sweep will be, by the interval of their
 * Hodges-Lehmann centre.
 *
 * A kernel reads 2 MiB per thread, which a cache holds.  Arithmetic on 4 KiB
 * takes twice as long while a neighbour in the host uses the same core, and
 * networks do not.  Of 62 predictions for ResNet-50 and MobileNetV2, with
 * passes of 7 to 170 ms, on two virtual CPUs of an AMD EPYC (alone in the
 * guest, or with others that took up to three quarters of it), 85 % were right
 * to within a factor of two, and their geometric mean was right; of 36 by
 * arithmetic, 58 %, and 1.25 times too wide.
 *
 * Passes that are too long for half a second are predicted from shorter ones:
 * the spread falls as one over the square root of their length, which is exact
 * for disturbances that know nothing of each other.
 */
#include "harness/measure/floor.h"

#include <limits.h>
#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "analysis/interval.h"
#include "harness/devices/environment.h"
#include "harness/devices/others.h"
#include "harness/devices/sched.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cpu/cgroup.h"
#include "kernels/cpu/team.h"

enum {
    PAGE = 4096,
    NUMBERS = 1 << 19, /* 2 MiB per thread: as layers have, and in a cache */
    LINE = 16,         /* numbers of a cache line */
    QUAD = 4,
    QUADS_SEEN = 4, /* at least, apart from each other */
    MOST_QUADS = 300,
    LEAST_KERNELS = QUADS_SEEN * QUAD,
    MOST_PLANNED = 1000000, /* quads of one pair */
};

static const double KERNEL_NS = 7e5;
static const double WARM_UP_NS = 3e7; /* what a pause cools down and evicts */
static const double MEASURE_NS = 5e8;
static const double MAD_SIGMA = 1.4826; /* MAD to sigma, if it were normal */

/* ---- measuring ---------------------------------------------------------- */

typedef struct Work {
    const Team *team;
    float *x; /* NUMBERS for each thread */
    int rounds;
} Work;

/* Sum of one number of each cache line; four do not wait for each other. */
static float read_all(const float *x)
{
    float a = 0, b = 0, c = 0, d = 0;

    for (int i = 0; i < NUMBERS; i += 4 * LINE) {
        a += x[i];
        b += x[i + LINE];
        c += x[i + 2 * LINE];
        d += x[i + 3 * LINE];
    }
    return a + b + c + d;
}

/* All threads do the same and wait for each other, as in an op. */
static double run_kernel(const Work *w)
{
    const double start = host_now_ns();

#pragma omp parallel num_threads(w->team->threads)
    {
        const float *x = w->x + (size_t)omp_get_thread_num() * NUMBERS;

        for (int r = 0; r < w->rounds; r++) {
            volatile float sum = read_all(x); /* each round counts */

            (void)sum;
        }
    }
    return host_now_ns() - start;
}

/* Chooses rounds by the fastest of short tries: most of those, other programs
 * leave alone. */
static void choose_rounds(Work *w)
{
    enum { TRIES = 50, TRY_ROUNDS = 1 };
    double fastest = INFINITY;

    w->rounds = TRY_ROUNDS;
    for (int i = 0; i < TRIES; i++)
        fastest = fmin(fastest, run_kernel(w));
    w->rounds = (int)fmin(ceil(TRY_ROUNDS * KERNEL_NS / fastest), INT_MAX);
}

static double clock_cost(void)
{
    enum { READINGS = 1000 };
    const double start = host_now_ns();
    double last = start;

    for (int i = 0; i < READINGS; i++)
        last = host_now_ns();
    return (last - start) / READINGS;
}

static void run_kernels(Floor *f, Work *w, Sched *sched)
{
    double start = host_now_ns(), wall;
    SchedCount before, after;

    choose_rounds(w);
    while (host_now_ns() - start < WARM_UP_NS)
        run_kernel(w);
    sched_read(sched, &before);
    start = host_now_ns();
    while (f->n < FLOOR_KERNELS &&
           (f->n < LEAST_KERNELS || host_now_ns() - start < MEASURE_NS))
        f->ns[f->n++] = run_kernel(w);
    sched_read(sched, &after);
    wall = after.at_ns - before.at_ns;
    f->switches = (double)(after.switches - before.switches) * 1e9 / wall;
    f->delay = (after.run_delay_ns - before.run_delay_ns) / wall;
    f->steal = (after.steal_ns - before.steal_ns) / wall;
}

static int run_team(Floor *f, int threads)
{
    Work w = { 0 };
    Sched *sched;
    Team team;

    TRY(team_open(&team, threads, false));
    f->threads = team.threads;
    w.team = &team;
    w.x = aligned_alloc(PAGE, (size_t)team.threads * NUMBERS * sizeof(float));
    BUG_IF(!w.x);
#pragma omp parallel for num_threads(team.threads) schedule(static)
    for (int t = 0; t < team.threads; t++) /* each has its own near it */
        for (int i = 0; i < NUMBERS; i++)
            w.x[(size_t)t * NUMBERS + (size_t)i] = 1;
    sched = sched_open("/proc");
    run_kernels(f, &w, sched);
    sched_close(sched);
    free(w.x);
    team_close(&team);
    return OK;
}

int floor_measure(Floor *out, int threads)
{
    GroupLimits before, after;
    CpuTime start, end;

    *out = (Floor){ .cores = environment_cores(), .clock_ns = clock_cost() };
    group_limits(&before, "");
    cpu_time(&start, "/proc/stat");
    TRY(run_team(out, threads));
    cpu_time(&end, "/proc/stat");
    group_limits(&after, "");
    out->others = others_between(&start, &end);
    if (out->steal > 0) /* what the host runs is counted there too */
        out->others = fmax(out->others - out->steal, 0);
    out->quota = after.cpus;
    out->throttled = after.throttled - before.throttled;
    return OK;
}

/* ---- spread ------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof(*x), ascending);
    return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

static double total_ns(const Floor *f)
{
    double sum = 0;

    for (int i = 0; i < f->n; i++)
        sum += f->ns[i];
    return sum;
}

double floor_spread(const Floor *f, double distance_ns)
{
    const double mean = total_ns(f) / f->n;
    const int lag =
        (int)fmin(fmax(round(distance_ns / mean), 1), f->n / 2); /* kernels */
    const int n = f->n - lag;
    double x[FLOOR_KERNELS], middle;

    if (n < STATS_LEAST)
        return NAN;
    for (int i = 0; i < n; i++)
        x[i] = log(f->ns[i + lag] / f->ns[i]);
    middle = median(x, n);
    for (int i = 0; i < n; i++)
        x[i] = fabs(x[i] - middle);
    return MAD_SIGMA * median(x, n) / sqrt(2);
}

/* ---- quads -------------------------------------------------------------- */

/* Quads of passes, as far as they were seen. */
typedef struct Quads {
    double log[MOST_QUADS]; /* log ratios, of quads that overlap */
    int n;
    double scale;  /* of the interval of longer passes, at most 1 */
    double slower; /* a pass is, than where nothing disturbs it */
} Quads;

/* Least time of m kernels in a row; up_to[i] is the time of all before i. */
static double fastest_row(const double *up_to, int n, int m)
{
    double least = INFINITY;

    for (int i = 0; i + m <= n; i++)
        least = fmin(least, up_to[i + m] - up_to[i]);
    return least;
}

/* Time of one kernel in the fastest pass: of as many in a row, up to half of
 * what was measured, as take pass_ns where they are fastest.  A single kernel
 * may be far faster than any pass is, as when a neighbour leaves the core for a
 * millisecond. */
static double kernel_in_pass(const double *up_to, int n, double pass_ns)
{
    double kernel = fastest_row(up_to, n, 1);

    for (int m = 2; m <= n / 2; m++) {
        const double least = fastest_row(up_to, n, m);

        if (least > pass_ns)
            break;
        kernel = least / m;
    }
    return kernel;
}

/* Log ratio of the quad of passes of m kernels that begins at t. */
static double quad_log(const double *t, int m)
{
    const double a1 = t[m] - t[0], b1 = t[2 * m] - t[m];
    const double b2 = t[3 * m] - t[2 * m], a2 = t[4 * m] - t[3 * m];

    return log(b1 * b2 / (a1 * a2)) / 2;
}

/* False where too little was measured. */
static bool see_quads(Quads *q, const Floor *f, double pass_ns)
{
    double up_to[FLOOR_KERNELS + 1] = { 0 }, kernel, wanted;
    int m, starts;

    if (f->n < LEAST_KERNELS)
        return false;
    for (int i = 0; i < f->n; i++)
        up_to[i + 1] = up_to[i] + f->ns[i];
    kernel = kernel_in_pass(up_to, f->n, pass_ns);
    wanted = fmax(pass_ns / kernel, 1); /* kernels in a pass */
    m = (int)fmin(round(wanted), f->n / (QUADS_SEEN * QUAD));
    starts = f->n - QUAD * m + 1;
    q->n = 0;
    q->scale = sqrt(m / fmax(wanted, m));
    q->slower = up_to[f->n] / f->n / kernel;
    for (int i = 0; i < starts; i += (starts - 1) / MOST_QUADS + 1)
        q->log[q->n++] = quad_log(up_to + i, m);
    return true;
}

/*
 * Half the interval after n quads.  It leaves out a certain part of the
 * averages of their pairs at either end, some 1/2 - z / sqrt(3n), and of the
 * averages of the quads that were seen the same part is left out at the level
 * whose z is sqrt(seen / n) times as large.  So the distribution need not be
 * known: where most quads are alike and few are hit, it is far from normal.
 */
static double half_of(const Quads *q, int n)
{
    const double z = normal_point(alpha_spent(n)) * sqrt((double)q->n / n);
    const Interval i = hodges_lehmann(q->log, q->n, erfc(z / sqrt(2)));

    return n < STATS_LEAST ? NAN : (i.hi - i.lo) / 2 * q->scale;
}

double floor_half_log(const Floor *f, double pass_ns, int n)
{
    Quads q;

    return see_quads(&q, f, pass_ns) ? half_of(&q, n) : NAN;
}

/* ---- a sweep ------------------------------------------------------------- */

double floor_most_seconds(const FloorPlan *p)
{
    const double most = 2 * p->limit * p->pairs;

    return p->budget > 0 ? fmin(p->budget, most) : most;
}

/* Seconds that a quad of each pair takes. */
static double seconds_each(const Quads *q, const FloorPlan *p)
{
    return p->pairs * QUAD * p->pass_ns * q->slower * 1e-9;
}

int floor_quads(const Floor *f, const FloorPlan *p)
{
    Quads q;

    return see_quads(&q, f, p->pass_ns)
               ? (int)fmin(floor_most_seconds(p) / seconds_each(&q, p), INT_MAX)
               : 0;
}

double floor_half_width(const Floor *f, const FloorPlan *p)
{
    return exp(floor_half_log(f, p->pass_ns, floor_quads(f, p))) - 1;
}

double floor_seconds(const Floor *f, const FloorPlan *p, double half_width)
{
    Quads q;

    if (!see_quads(&q, f, p->pass_ns))
        return NAN;
    for (int n = STATS_LEAST; n < MOST_PLANNED; n += 1 + n / 32)
        if (half_of(&q, n) <= log(1 + half_width))
            return n * seconds_each(&q, p);
    return NAN;
}
