/*
 * interrupt.c - hears of signals.
 */
#include "harness/devices/interrupt.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"

/* The one global: there is no other way to hear of a signal. */
static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
    stop = signal;
}

void interrupt_listen(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    action.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

const volatile sig_atomic_t *interrupt_flag(void)
{
    return &stop;
}

bool interrupt_asked(void)
{
    return stop != 0;
}

static const char given_up[] = "interrupted";

int interrupt_fail(void)
{
    return fail(ERR_STOPPED, "%s", given_up);
}

void interrupt_end(void)
{
    signal(stop, SIG_DFL);
    raise(stop);
}

int interrupt_finish(int err, const char *db)
{
    if (err != ERR_STOPPED)
        return err;
    if (strcmp(err_message(), given_up)) /* it says what is lost */
        fprintf(stderr, "%s\n", err_message());
    fprintf(stderr, "interrupted: what was finished is stored in %s\n", db);
    interrupt_end();
    return err;
}
