/*
 * interrupt.c - hears of signals.
 */
#include "harness/interrupt.h"

#include <stddef.h>

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

int interrupt_fail(void)
{
    return fail(ERR_IO, "interrupted");
}

void interrupt_end(void)
{
    signal(stop, SIG_DFL);
    raise(stop);
}
