/*
 * arm.h - one case on its way from settings to samples.
 *
 * An arm is prepared (counted, verified, planned, warmed), sampled again and
 * again, and then gives the outcome that is stored.  What goes wrong on the
 * way is its status, not an error: the sweep continues.  It does not decide
 * when to sample or when to stop; measure.c does.
 */
#ifndef HARNESS_ARM_H
#define HARNESS_ARM_H

#include <stdbool.h>

#include "harness/check/reference.h"
#include "harness/files/hash.h"
#include "harness/measure/peer.h"
#include "harness/network/case.h"
#include "kernels/core/graph.h"
#include "kernels/core/plan.h"
#include "results/store.h"

typedef struct Arm {
    const Case *c;
    Peer *peer; /* who runs it; NULL: this program */
    int id;     /* its number there                */

    /* While it is prepared. */
    Device *dev;
    Graph *graph;
    Plan *plan;
    float **first;     /* outputs of the first steps of training, or NULL */
    bool held;         /* the peer has it */
    int rewarm;        /* runs before each sample, not timed */
    double fastest_ns; /* of the runs that warmed it up */

    /* Samples. */
    int reps, n, capacity;
    int threads_used; /* 0: a peer's, or a device without threads */
    double *ns;
    int *round;
    Moment *moment;  /* the device after each, where it knows; or NULL */
    double spent_ns; /* on the wall, all that sampling took */

    /* Outcome. */
    int status; /* STATUS_OK until something else is known */
    char message[512], repeat[CASE_TEXT], verified_at[64];
    char weights_hash[HASH_TEXT]; /* "": seeded                  */
    double rel_l2, limit;         /* the error, and the largest that is right */
    bool converged;
    double params, macs, flops, paper_flops, transcendentals, bytes;
    double arena_bytes;
} Arm;

/* An arm that is not prepared yet. */
void arm_init(Arm *a, const Case *c, Peer *peer, int id);

/* Does all that is slow: afterwards a->status says whether it can be sampled.
 * warmup_ns: how long to run it before that, at least twice.  with->dev stays
 * open as long as the arm; ours is for a peer's arm what its output must agree
 * with: the same case, prepared here (NULL: nothing to compare with). */
void arm_prepare(Arm *a, const Checker *with, double warmup_ns,
                 const Arm *ours);

/* Runs one that is prepared a while longer, and chooses again how many runs
 * make a sample. */
void arm_warm_up(Arm *a, double warmup_ns);

/* Turns an error into what becomes of the arm, and releases it. */
void arm_give_up(Arm *a, int err);

/* Runs it for so long on the wall, for nothing but the device's clock. */
void arm_wake(Arm *a, double for_ns);

/* Adds one sample, in this round of the sweep. */
void arm_sample(Arm *a, int round);

/* Adds one that the caller took, of one run. */
void arm_add(Arm *a, double ns, int round);

/* Drops all samples, because of what is said of them; the arm has failed. */
void arm_discard(Arm *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Gives back all but samples and outcome. */
void arm_release(Arm *a);
void arm_free(Arm *a);

bool arm_ok(const Arm *a);

/* Outcome to store; borrows from the arm. */
Outcome arm_outcome(const Arm *a);

/* The samples, which stay the arm's. */
Samples arm_samples(const Arm *a);

#endif
