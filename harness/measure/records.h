/*
 * records.h - the modules' share of a network's time on a GPU, by the GPU's own
 * records of each kernel: steps of a GPU cannot be timed inside a pass without
 * slowing it down (steps.h is for the CPU).
 */
#ifndef HARNESS_RECORDS_H
#define HARNESS_RECORDS_H

#include "kernels/core/plan.h"

/*
 * Runs the plan of a network n times, apart from all that is timed, and fills
 * in the share that its modules' kernels have in the time of all kernels, of
 * each run.  NANs where the device keeps no records, where no step is a
 * module's, or where a step is a module's and the network's at once.
 */
int records_shares(double *share, int n, Plan *plan, Device *dev);

#endif
