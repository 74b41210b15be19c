/*
 * profile.h - where the time of a plan goes, step by step.
 */
#ifndef HARNESS_PROFILE_H
#define HARNESS_PROFILE_H

#include "kernels/core/op.h"
#include "kernels/core/plan.h"

typedef struct ProfileStep {
    const Tensor *out;
    const Kernel *kernel;
    double ns; /* median over the rounds */
    Cost cost;
} ProfileStep;

typedef struct Profile {
    ProfileStep *step; /* in the order run */
    int n;
    int rounds;
    double sum_ns;     /* of the steps, each timed apart     */
    double whole_ns;   /* median of runs with no clock inside */
    double outside_ns; /* of steps that are no convolution or linear */
} Profile;

/* Runs plan, turn by turn whole and step by step, for about this long and at
 * least five rounds.  The plan's input is set; its tensors are borrowed. */
int profile_plan(Profile *out, Device *dev, Plan *plan, double seconds);
void profile_free(Profile *p);

/* All steps of one kind. */
typedef struct ProfileKind {
    const Op *op;
    int steps;
    double ns;
    Cost cost;
} ProfileKind;

/* The steps by kind of op, slowest first, into kinds (of p->n at most);
 * returns how many kinds there are. */
int profile_kinds(const Profile *p, ProfileKind *kinds);

#endif
