/*
 * huge_pages.h - pages of 2 MB for all that malloc gives.
 *
 * A network's weights are read once per run.  In pages of 4 KB that needs many
 * translations of addresses, and how long these take depends on where earlier
 * work has left room in the machine's memory: two processes of one program
 * differ.  ResNet-18 at 64x64 on an AMD EPYC in a virtual machine took 6.4 to
 * 7.8 ms of processor time in a process that had verified it before, 5.6 to
 * 7.3 ms in one that had not, and with huge pages 4.7 to 4.9 ms in both.
 *
 * glibc uses them only if it is told so before a program starts; so the program
 * starts itself again.  Where the kernel or the C library has none, all stays
 * as it is.
 */
#ifndef HARNESS_HUGE_PAGES_H
#define HARNESS_HUGE_PAGES_H

#include <stdbool.h>

/* Starts this program again with them: for the beginning of main.  Returns
 * where it has them, cannot have them, or the environment has GLIBC_TUNABLES:
 * then the user has chosen. */
void huge_pages_start(char **argv);

/* True if this process has them. */
bool huge_pages_used(void);

/* NULL if it has; else why not, and what to do. */
const char *huge_pages_lacking(void);

/* For a child that becomes another program: it gets the environment that the
 * user has set. */
void huge_pages_forget(void);

#endif
