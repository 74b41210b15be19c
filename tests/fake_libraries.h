/*
 * fake_libraries.h - cuBLASLt and the running part of cuDNN on the host, so
 * that the kernels made of them run without a GPU.
 *
 * Built where the headers are (WITH_CUDNN).  What is cuDNN's own is asked of
 * the real cuDNN, for a card that is only described.
 */
#ifndef TESTS_FAKE_LIBRARIES_H
#define TESTS_FAKE_LIBRARIES_H

#include "kernels/core/backend.h"

/* conv2d, linear and matmul of the libraries, then definitions for whatever
 * they refuse; NULL where it was not built.  Time is what the launches are said
 * to take. */
extern const Backend *const fake_libraries;

/* Behaviour of the fakes, and a record of calls.  One for all devices.
 * Engines of cuDNN are numbered from 0, in the order tried, algorithms of
 * cuBLASLt from here. */
enum { FAKE_ALGORITHM = 100 };
typedef struct FakeCalls {
    int launches;  /* of cuDNN and of cuBLASLt                   */
    int fastest;   /* which engine or algorithm takes least time */
    int broken;    /* number of the first of each that fail      */
    bool refusing; /* cuBLASLt has no algorithm                  */
    int compute;   /* cuBLASLt's type of the last product's sums */
} FakeCalls;
extern FakeCalls fake_calls;

/* Moves the device's workspace to where there is more of it. */
int fake_grow(Device *dev);

/* A launch of the i-th engine or algorithm.  Whether it has to compute anything:
 * what is only tried need not. */
bool fake_launched(int i);

#endif
