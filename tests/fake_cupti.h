/*
 * fake_cupti.h - a CUPTI over no GPU: it checks the order of calls, and has a
 * value for every metric.
 */
#ifndef TESTS_FAKE_CUPTI_H
#define TESTS_FAKE_CUPTI_H

#include <stdbool.h>

#include "kernels/cupti/cupti.h"

enum { FAKE_RANGES = 1024 };

typedef struct FakeCupti {
    /* Set by the test. */
    const char *chip;
    int passes;        /* that each session takes                    */
    const char *fails; /* the call that refuses, by cupti.h's id     */
    int code;          /* with this                                  */
    const char *lacks; /* the metric that the chip does not have     */
    const char *blank; /* the metric that has no value               */
    int virtual_gpu;   /* what it says of that: CUPTI_SUPPORTED, ... */
    size_t dropped;

    /* Seen by the test. */
    char calls[4096];           /* one after the other, while there is room */
    const char *wrong;          /* the first call out of order, or NULL    */
    int sessions, starts, open; /* open: objects that are not closed */
    size_t most_ranges;

    /* Its own. */
    bool enabled, configured, started, pushed;
    int pass;
    char range[FAKE_RANGES][16];
    int nranges;
} FakeCupti;

/* A new one, and the table of its functions. */
FakeCupti *fake_cupti(Cupti *out);

#endif
