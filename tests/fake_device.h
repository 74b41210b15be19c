/*
 * fake_device.h - a device as a GPU is to the harness, without one.
 *
 * It computes every op by its definition, from and to storage of any dtype;
 * it has recordings, and it knows its clock and temperature.  By its own clock
 * every launch takes a microsecond.  What it does can be told to be wrong.
 */
#ifndef TESTS_FAKE_DEVICE_H
#define TESTS_FAKE_DEVICE_H

#include "kernels/core/backend.h"

typedef struct FakeDevice {
    Device base;

    /* To be set before it is used. */
    float factor;      /* on the first number of every result; 1: right */
    const Op *only;    /* whose results those are; NULL: every op's     */
    bool no_recording; /* as if the device had no state=graph           */
    bool no_clock;     /* its clock cannot be read                      */

    /* Calls that it received. */
    int launches;   /* kernels run, those of replays included */
    int replays;    /* of recordings                          */
    int timings;    /* of its clock, begun                    */
    int evictions;  /* of caches                              */
    int conditions; /* how often it was asked for them        */

    int started;                     /* launches until then */
    struct FakeRecording *recording; /* being made; or NULL */
} FakeDevice;

extern const Backend fake_backend;

/* Close it by fake_backend.close. */
FakeDevice *fake_open(void);

#endif
