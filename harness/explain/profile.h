/*
 * profile.h - where the time of a plan goes, step by step.
 */
#ifndef HARNESS_PROFILE_H
#define HARNESS_PROFILE_H

#include "analysis/paired.h"
#include "kernels/core/op.h"
#include "kernels/core/plan.h"
#include "results/profile.h"

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
    double *times;     /* ns of step i in round r: times[r * n + i] */
    double *whole;     /* ns of each round's run with no clock inside */
    double sum_ns;     /* of the steps, each timed apart     */
    double whole_ns;   /* median of the whole                 */
    double outside_ns; /* of steps that are no convolution or linear */
} Profile;

/* The case to profile, and how. */
typedef struct Profiling {
    Device *dev;
    Plan *plan;
    Dtype dtype;
    double seconds;      /* about so long, and at least five rounds          */
    const char *metrics; /* "": the usual counters; else names, "a,b"        */
    bool cold; /* no run finds anything of its own in the caches (states.h);
                  a step finds what those before it left                    */
} Profiling;

/* Runs a plan, whole and step by step in alternation.  Its input is set; its
 * tensors are borrowed. */
int profile_plan(Profile *out, const Profiling *how);
void profile_free(Profile *p);

/*
 * The same of n plans together, how[i] into *out[i], for as long as all their
 * seconds: every round takes each plan in turn, in reverse order every other
 * time, so that what a machine does to the one it does to the others.  A plan's
 * turn begins with untimed runs that leave the caches as its state has them.
 * All have equally many rounds, six at least; on an error none has any.
 */
int profile_together(Profile *const *out, const Profiling *how, int n);

/* The share of the steps that are not the modules', by rounds, as in cost.h:
 * the throughput that their own steps leave.  n is 0 where the plan has none,
 * and where they cannot be told apart. */
Ratio profile_direct(const Profile *p);

/* Says so if the run as a whole and the sum of its steps are more than 20 %
 * apart, which profiles of a quiet machine are not; "" if they are not.
 * Returns text. */
enum { PROFILE_GAP = 256 };
char *profile_gap(const Profile *p, const Device *dev, char text[PROFILE_GAP]);

/* Its steps, slowest first; the caller frees the list, not the steps. */
const ProfileStep **profile_slowest(const Profile *p);

/*
 * The profile of graph g as rows for the database: of each step its time, what
 * its op states of itself, and fp32_flops where that is known (fp32.h); of the
 * whole run the same, and
 *   compulsory_bytes   inputs, outputs and weights, each once
 *   compulsory_read_bytes   inputs and weights, each once
 *   working_set_bytes  what one run leaves for the next: activations, weights;
 *                      none of a cold one
 *   cache_bytes        of the last cache before memory, where it is known;
 *   private_cache_bytes   and of those before it that cores have to themselves
 * Free it by stored_profile_free.
 */
void profile_rows(StoredProfile *out, const Profile *p, const Graph *g,
                  const Profiling *how, double arena_bytes);

/* Adds what hardware counters say of the plan's steps, where the device has
 * any: runs them again, and is not to be called between timings. */
int profile_count(StoredProfile *rows, const Profiling *how);

#endif
