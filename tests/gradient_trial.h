/*
 * gradient_trial.h - the gradient rules against central differences, in double
 */
#ifndef TESTS_GRADIENT_TRIAL_H
#define TESTS_GRADIENT_TRIAL_H

#include "kernels/ops/ops.h"

typedef struct GradientTrial {
    const char *op, *why; /* of the case; NULL past the last     */
    bool tried;           /* false: too large, or it has no rule */
    int source;           /* the worst of all sources            */
    double error;
    char message[256]; /* "", or why there is no gradient */
} GradientTrial;

/*
 * Takes the i-th of the cases of kernel_cases.h: for each source the gradient
 * times a random direction, against what the op itself does along it.  error is
 * their distance, over the lengths of both vectors and the root of how many
 * numbers they have; a gradient counts as no shorter than a thousandth of dy.
 */
GradientTrial gradient_trial(int i);

#endif
