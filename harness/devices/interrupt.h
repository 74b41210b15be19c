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

/* ERR_STOPPED and a sentence, where the work at hand is given up because of it.
 * Any other error is none of the signal's, even if one has come. */
int interrupt_fail(void);

/* Ends the program as the shell expects of one that a signal stopped. */
void interrupt_end(void);

/* For the end of a command that keeps its results in db: where err is
 * ERR_STOPPED, says that they are kept and ends the program; else returns err,
 * which main prints. */
int interrupt_finish(int err, const char *db);

#endif
