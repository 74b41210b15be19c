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

/* The flag, for code that looks at it while it waits. */
const volatile sig_atomic_t *interrupt_flag(void);
bool interrupt_asked(void);

/* ERR_STOPPED and a sentence, where work is stopped because of a signal.  Any
 * other error has another cause, even if a signal has come. */
int interrupt_fail(void);

/* Ends the program as shells expect after a signal. */
void interrupt_end(void);

/* For the end of a command that keeps its results in db: where err is
 * ERR_STOPPED, says that they are kept and ends the program; else returns err,
 * which main prints. */
int interrupt_finish(int err, const char *db);

#endif
