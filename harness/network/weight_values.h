/*
 * weight_values.h - where the values of a network's weights come from: their
 * names, or a file.
 */
#ifndef HARNESS_WEIGHT_VALUES_H
#define HARNESS_WEIGHT_VALUES_H

#include <stdint.h>

#include "harness/backbones/backbones.h"
#include "harness/files/safetensors.h"

typedef struct WeightValues {
    uint64_t seed;    /* seeded values (harness/network/seed.h) ...          */
    double norm_gain; /* ... of a network's norms; 0: 1              */
    const Safetensors *file; /* ... or, if not NULL, this file's            */
    const char *prefix;      /* before each name in the file                */
    void (*older)(char older[MAX_NAME], const char *name); /* the name that a
                                weight has there; NULL: its own             */
    Form form; /* whose weights they are                      */

    bool whole;         /* nothing else may be in the file ...              */
    const char *unused; /* ... but what begins so (NULL: nothing does), and
                           counters and tables that PyTorch keeps besides   */
} WeightValues;

/*
 * Gives every weight and buffer of g its value.  From a file: nothing is loaded
 * unless all are there, of the right shape and of floats; what is missing,
 * superfluous, or different is listed (ERR_INPUT).  The first tensor that holds
 * a NaN or an infinity is named (ERR_INPUT): bf16 kernels promise nothing for
 * such numbers, and results from them mean nothing.
 */
int weight_values_give(Graph *g, const WeightValues *values);

/* The same without giving values: ERR_INPUT with the list if they do not fit.
 */
int weight_values_check(const Graph *g, const WeightValues *values);

/* Weight t in the file; NULL if it is not there. */
const StTensor *weight_values_find(const Tensor *t, const WeightValues *values);

/* How many weights of g are not in the file. */
int weight_values_missing(const Graph *g, const WeightValues *values);

#endif
