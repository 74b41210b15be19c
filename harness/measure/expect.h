/*
 * expect.h - what a sweep may expect of this machine as it is now, said before
 * an hour is spent on it.
 */
#ifndef HARNESS_EXPECT_H
#define HARNESS_EXPECT_H

#include <stdio.h>

#include "harness/measure/floor.h"
#include "harness/measure/measure.h"

/*
 * Pairs of networks on the CPU that a sweep is to compare, as far as is known
 * before they are prepared (by the rules of pairs.c): pass_ns is a guess from
 * their FLOPs, for as many threads.  lanes: 2 with a peer.  pairs is 0 if it
 * compares none.
 */
void expect_plan(FloorPlan *plan, const Experiment *e, const Protocol *p,
                 int lanes, int threads);

/*
 * Prints what such a sweep resolves (floor.h), which takes half a second: where
 * it may take 20 s or more.  Of another sweep prints that other programs
 * disturb it, if they do; a load average below half a CPU is believed, so that
 * a quiet machine costs no wait.  load: the 1-minute average.
 */
void expect_say(FILE *out, const Experiment *e, const Protocol *p, int lanes,
                double load);

#endif
