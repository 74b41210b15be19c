/*
 * interrupt.h - Ctrl-C, and SIGTERM: the first brings the work to an end, the
 * second ends the program at once.
 */
#ifndef HARNESS_INTERRUPT_H
#define HARNESS_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* From now on the signals set the flag. */
void interrupt_listen(void);

/* The flag, for those who look at it while they wait. */
const volatile sig_atomic_t *interrupt_flag(void);
bool interrupt_asked(void);

/* ERR_IO and a sentence, where the work at hand is given up because of it. */
int interrupt_fail(void);

/* Ends the program as the shell expects of one that a signal stopped. */
void interrupt_end(void);

#endif
