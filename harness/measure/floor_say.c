/*
 * floor_say.c - the floor as a sentence: what will be resolved, and what would
 * help.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/interval.h"
#include "harness/devices/others.h"
#include "harness/measure/floor.h"

/* Less than this share is no cause that one would look for. */
static const double NOTEWORTHY = 0.01;

/* As cmd_doctor.c has it: no fast clock source. */
static const double SLOW_CLOCK_NS = 200;

static const double LONGEST_SECONDS = 28800; /* a night */

static const double WITHIN = 1.05; /* of the target is printed as equal to it */

/* Half widths below it are never promised: other errors are larger.  Above, a
 * number would help nobody. */
static const double LEAST_SAID = 0.001, MOST_SAID = 0.5;

typedef struct Text {
    char *at;
    size_t n;
} Text;

static void add(Text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(Text *t, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->at + t->n, FLOOR_TEXT - t->n, format, args);
    va_end(args);
    t->n += n > 0 ? (size_t)n : 0;
    if (t->n >= FLOOR_TEXT)
        t->n = FLOOR_TEXT - 1;
}

/* A step of the second digit: of 1234, 100; at least 1. */
static double second_digit(double x)
{
    return pow(10, fmax(floor(log10(x)) - 1, 0));
}

static double two_digits_up(double x)
{
    return ceil(x / second_digit(x)) * second_digit(x);
}

/* ---- what disturbs, and what would help ---------------------------------- */

static void say_quota(Text *t, const Floor *f)
{
    const int whole = (int)fmin(f->quota, f->threads);

    if (!(f->throttled > 0))
        return;
    add(t,
        "; a quota of %.3g CPUs stops this process: lift it (docker --cpus, "
        "CPUQuota)",
        f->quota);
    if (whole >= 1 && whole < f->threads)
        add(t, " or give --threads=%d", whole);
}

static void say_others(Text *t, const Floor *f)
{
    if (others_are_busy(f->others))
        add(t, "; other programs use %.1f of %d core%s: wait%s", f->others,
            f->cores, f->cores == 1 ? "" : "s",
            f->threads > 1 ? ", or give --threads=1, which is far less "
                             "disturbed"
                           : "");
    else if (f->delay > NOTEWORTHY * f->threads && !(f->throttled > 0))
        add(t, "; threads wait %.0f %% of the time for a CPU",
            100 * f->delay / f->threads);
}

static void say_host(Text *t, const Floor *f)
{
    if (f->steal > NOTEWORTHY * f->cores)
        add(t, "; the host of this virtual machine takes %.0f %% of its CPUs",
            100 * f->steal / f->cores);
    if (f->clock_ns > SLOW_CLOCK_NS)
        add(t, "; reading the clock takes %.0f ns", f->clock_ns);
}

/* The flags that give the sweep the time. */
static void say_time(Text *t, const Floor *f, const FloorPlan *p, double target)
{
    const double seconds = floor_seconds(f, p, target);

    if (!(seconds <= LONGEST_SECONDS)) {
        add(t, "; %.3g %% is out of reach while it is so noisy", 100 * target);
        return;
    }
    add(t, "; for %.3g %%,", 100 * target);
    if (p->budget > 0 && seconds > p->budget)
        add(t, " --budget=%.0f", two_digits_up(seconds));
    if (seconds > 2 * p->limit * p->pairs)
        add(t, " --limit=%.0f", two_digits_up(seconds / 2 / p->pairs));
}

/* ---- the sentence ------------------------------------------------------- */

static void say_resolved(Text *t, const Floor *f, const FloorPlan *p)
{
    const double half = floor_half_width(f, p), ms = p->pass_ns * 1e-6;
    const double digit = second_digit(ms);

    if (isnan(half)) {
        add(t,
            "%.0f s are too short to resolve anything: they are enough for %d "
            "of the %d rounds that each comparison needs",
            floor_most_seconds(p), floor_quads(f, p), STATS_LEAST);
        return;
    }
    if (half > MOST_SAID)
        add(t, "this machine resolves nothing below %.0f %%", 100 * MOST_SAID);
    else
        add(t, "this machine resolves differences of %.2g %%",
            100 * fmax(half, LEAST_SAID));
    add(t, " in %.0f s, with %d comparison%s and passes of about %.*f ms",
        floor_most_seconds(p), p->pairs, p->pairs == 1 ? "" : "s",
        ms < 10 ? 1 : 0, ms < 10 ? ms : round(ms / digit) * digit);
}

char *floor_say(char text[FLOOR_TEXT], const Floor *f, const FloorPlan *p,
                double target)
{
    Text t = { text, 0 };

    text[0] = '\0';
    if (isnan(floor_half_log(f, p->pass_ns, STATS_LEAST)))
        return text;
    say_resolved(&t, f, p);
    if (floor_half_width(f, p) <= WITHIN * target)
        return text;
    say_time(&t, f, p, target);
    say_quota(&t, f);
    say_others(&t, f);
    say_host(&t, f);
    return text;
}
