/*
 * begun.h - cases that may have ended a process: when they are begun again,
 * with others or alone, and when they are given up, so that every sweep ends.
 */
#ifndef HARNESS_BEGUN_H
#define HARNESS_BEGUN_H

#include "harness/measure/measure.h"

/* One case in the sweep of a lane. */
typedef struct Begun {
    int lane;
    const char *repeat;
} Begun;

/* Notes that these n are under way now, and no others; kept before it returns.
 */
int begun_note(Store *s, const Lanes *lanes, const Begun *cases, int n);

/* Cuts a block of these cases so that one that was under way, with others, at
 * two ends is alone. */
int begun_cut(Store *s, const Lanes *lanes, const Case *const *c, int *ncases);

/* Takes from a list the cases that were under way at two ends, and alone at the
 * last.  Of each, in each lane that has no row of it, give_up makes one. */
typedef int BegunGiveUp(void *arg, const Case *c, int lane, int kills);
int begun_give_up(Store *s, const Lanes *lanes, const Case **c, int *n,
                  BegunGiveUp *give_up, void *arg);

#endif
