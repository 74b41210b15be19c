/*
 * agreement.h - whether a peer computes what this program does.
 */
#ifndef HARNESS_AGREEMENT_H
#define HARNESS_AGREEMENT_H

#include "harness/check/reference.h"
#include "harness/files/safetensors.h"
#include "kernels/core/plan.h"

/* Outputs of our plan of a graph, from seeded weights. */
typedef struct Ours {
    const Graph *g;
    Plan *plan;
    float *const *first; /* an array for each output, of the first steps of
                          * training, where there were more since; or NULL */
    const Case *c;
    const Reference *ref; /* of c: a gradient is measured against its floor,
                           * where that is more; NULL: against ours alone */
} Ours;

typedef struct Agreement {
    double rel_l2;         /* the worst            */
    char output[MAX_NAME]; /* the one that has it  */
} Agreement;

/* Compares all outputs of ours with those of theirs, by name.  ERR_UNSUPPORTED
 * names one that is not there, or is of another size. */
int agreement_find(Agreement *out, const Safetensors *theirs, const Ours *ours);

#endif
