/*
 * session_rows.c - what a session of counters says: quantities of steps and of
 * their sum; of known work, as a factor; and reasons.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/cupti/session.h"

enum { NAME = 96, REASON = 512 };

static void say(const Session *s, int step, const char *quantity, double value,
                const char *reason)
{
    s->counting->take(s->counting->arg,
                      &(Counted){ step, quantity, value, reason });
}

bool session_repeats(const Session *s, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(s->metric[k]->quantity, s->metric[i]->quantity) == 0)
            return true;
    return false;
}

/* The value, or NAN and the reason. */
static double value_of(const Session *s, const double *values,
                       const char *quantity, char reason[REASON])
{
    const char *missing;
    const double value =
        metrics_quantity(s->metric, values, s->n, quantity, &missing);

    reason[0] = '\0';
    if (missing)
        snprintf(reason, REASON, "counters: CUPTI has no value of %s", missing);
    return value;
}

void session_say(const Session *s, int step, const double *values)
{
    for (int i = 0; i < s->n; i++) {
        const char *quantity = s->metric[i]->quantity;
        char reason[REASON];
        double value;

        if (session_repeats(s, i) || (step == ALL_STEPS && !s->metric[i]->sums))
            continue;
        value = value_of(s, values, quantity, reason);
        say(s, step, quantity, value, reason);
    }
}

/* ---- known work --------------------------------------------------------- */

static const Known *find_known(const Session *s, const char *quantity)
{
    const Calibration *c = s->calibration;

    for (int i = 0; c && i < c->n; i++)
        if (c->known[i].set == s->set &&
            strcmp(c->known[i].quantity, quantity) == 0)
            return &c->known[i];
    return NULL;
}

static void say_factor(const Session *s, const char *quantity, double factor,
                       const char *reason)
{
    char name[NAME];

    snprintf(name, sizeof(name), "calibration_%s", quantity);
    say(s, ALL_STEPS, name, factor, reason);
}

void session_say_calibration(const Session *s)
{
    for (int i = 0; i < s->n; i++) {
        const char *quantity = s->metric[i]->quantity;
        const Known *known = find_known(s, quantity);
        char reason[REASON];
        double value;

        if (!known || session_repeats(s, i))
            continue;
        value = value_of(s, s->of_known, quantity, reason);
        if (s->calibrated)
            say_factor(s, quantity, value / known->amount, reason);
        else
            say_factor(s, quantity, NAN, s->calibration->reason);
    }
}

/* ---- refusals ----------------------------------------------------------- */

void session_say_refused(const Session *s, const char *quantity,
                         const char *reason)
{
    say(s, ALL_STEPS, quantity, NAN, reason);
    if (find_known(s, quantity))
        say_factor(s, quantity, NAN, reason);
}

void session_say_all_refused(const Session *s, const char *reason)
{
    for (int i = 0; i < s->n; i++)
        if (!session_repeats(s, i))
            session_say_refused(s, s->metric[i]->quantity, reason);
}
