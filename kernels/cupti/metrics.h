/*
 * metrics.h - which of CUPTI's metrics make up which quantity, chip by chip.
 *
 * Plain data and arithmetic: no GPU and no CUPTI is needed.  The names are
 * CUPTI's; whether a chip has them is tested against the installed CUPTI.
 */
#ifndef CUDA_METRICS_H
#define CUDA_METRICS_H

#include <stdbool.h>

#include "kernels/core/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Metrics counted together.  Instructions are counted by patched code, tensor
 * operations by a group of counters of their own; neither shares a pass with
 * anything else. */
typedef enum MetricSet {
    SET_MEMORY,
    SET_INSTRUCTIONS,
    SET_TENSOR,
    NSETS
} MetricSet;

enum { MAX_METRICS = 16 }; /* of one set */

typedef struct Metric {
    MetricSet set;
    const char *quantity; /* a name of results/profile.h, or CUPTI's    */
    const char *name;     /* CUPTI's, with its rollup                   */
    double factor;        /* what one of it adds to the quantity        */
    bool sums;            /* over steps: bytes do, and occupancy doesn't */
    unsigned chips;       /* bit i: for the i-th family of chips        */
    unsigned dtypes;      /* bit d: where the network is of Dtype d     */
} Metric;

/* The i-th chip that there are metrics for: "GH100"; NULL past the end. */
const char *metrics_chip(int i);

/* A set's metrics for a chip and dtype into out; returns how many, 0 for a chip
 * that is not in the table. */
int metrics_of(const Metric *out[MAX_METRICS], MetricSet set, const char *chip,
               Dtype dtype);

/* The i-th of all metrics, whatever the chip; NULL past the end. */
const Metric *metrics_at(int i);

/* The sum of factor times value over the n metrics of a quantity: values[i] is
 * of m[i].  NAN, and *missing the name of a metric that has no value, if there
 * is one. */
double metrics_quantity(const Metric *const *m, const double *values, int n,
                        const char *quantity, const char **missing);

#ifdef __cplusplus
}
#endif

#endif
