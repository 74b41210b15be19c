/*
 * fake_activity.h - CUPTI's activity records over no GPU: a launch leaves the
 * records that it would, and they come back last first, on a thread of their
 * own, in several buffers.
 */
#ifndef TESTS_FAKE_ACTIVITY_H
#define TESTS_FAKE_ACTIVITY_H

#include <stdbool.h>

#include "kernels/cupti/cupti_activity.h"

enum { FAKE_RECORDS = 32768, FAKE_KINDS = 64 };

typedef struct FakeActivity {
    /* Set by the test. */
    const char *fails; /* the call that refuses, by its id                */
    int code;          /* with this                                       */
    size_t dropped;    /* records                                         */
    int a_buffer;      /* records of each                                 */
    int untimed, lost; /* the launch that has no times, no record; from 1 */
    bool damaged;      /* the last buffer                                 */
    bool holds_one;    /* a buffer, and gives it back late                */

    /* Seen by the test. */
    char calls[512];   /* one after the other, without pushes and pops */
    const char *wrong; /* the first call out of order, or NULL         */
    int buffers, lent; /* taken; and not given back                    */
    bool subscribed;
    int enabled; /* kinds */

    /* Its own. */
    CuptiGetsBuffer *gets;
    CuptiFilledBuffer *filled;
    bool kind[FAKE_KINDS];
    uint64_t id, time;
    bool pushed;
    uint32_t correlation;
    int launches;
    uint8_t *held;
} FakeActivity;

/* A new one, and the table of its functions. */
FakeActivity *fake_activity(CuptiActivity *out);

/* A call that launches: by way of the runtime, which then calls the driver, or,
 * as libraries do, of the driver alone. */
typedef enum FakeWay { BY_RUNTIME, BY_DRIVER } FakeWay;
void fake_activity_launch(FakeWay way, int kind, const char *symbol,
                          uint64_t ns);

/* Gives back the buffer that was held. */
void fake_activity_late(void);

#endif
