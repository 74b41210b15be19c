/*
 * trial.h - one case on its way from settings to samples.
 *
 * An arm is prepared (counted, verified, planned, warmed), sampled again and
 * again, and then gives the outcome that is stored.  What goes wrong on the
 * way is its status, not an error: the sweep continues.  It does not decide
 * when to sample or when to stop; rounds.c does.
 */
#ifndef HARNESS_TRIAL_H
#define HARNESS_TRIAL_H

#include <stdbool.h>

#include "analysis/cost.h"
#include "harness/check/reference.h"
#include "harness/devices/sched.h"
#include "harness/files/hash.h"
#include "harness/measure/peer.h"
#include "harness/measure/steps.h"
#include "harness/network/case.h"
#include "kernels/core/graph.h"
#include "kernels/core/plan.h"
#include "results/store.h"

typedef struct Trial {
    const Case *c;
    Peer *peer; /* who runs it; NULL: this program */
    int id;     /* its number there                */

    /* While it is prepared. */
    Device *dev;
    Graph *graph;
    Plan *plan;
    float **first;     /* outputs of the first steps of training, or NULL */
    bool held;         /* the peer has it */
    int each;          /* runs in one launch: more in a recording */
    int launches;      /* timed together in a sample */
    int rewarm;        /* launches before each sample, not timed */
    Steps *steps;      /* of a network, where they can be timed; or NULL */
    Sched *sched;      /* asked around each sample; or NULL */
    double from_ns;    /* since when started_ns of a sample counts; or NAN */
    double fastest_ns; /* of the runs that warmed it up */
    int process;       /* of a run in several, that which takes the samples */

    /* Samples. */
    int reps; /* runs in each */
    int n, capacity;
    int threads_used; /* 0: a peer's, or a device without threads */
    double *ns;
    int *round;
    Telemetry *telemetry; /* of each, where it is known         */
    bool *disturbed;      /* by the scheduler (analysis/disturbed.h) */
    double spent_ns;      /* on the wall, all that sampling took */

    /* Outcome. */
    int status;   /* STATUS_OK until something else is known */
    bool stopped; /* that it failed is not its fault: its peer was stopped */
    char message[512], repeat[CASE_TEXT], verified_at[64];
    char weights_hash[HASH_TEXT]; /* "": seeded                  */
    double rel_l2, limit;         /* the error, and the largest that is right */
    bool converged;
    double params, macs, flops, paper_flops, transcendentals, bytes;
    double arena_bytes;
} Trial;

/* An arm that is not prepared yet. */
void trial_init(Trial *a, const Case *c, Peer *peer, int id);

/* Does all that is slow: afterwards a->status says whether it can be sampled.
 * warmup_ns: how long to run it before that, at least twice.  with->dev stays
 * open as long as the arm; ours is for a peer's arm what its output must agree
 * with: the same case, prepared here (NULL: nothing to compare with). */
void trial_prepare(Trial *a, const Checker *with, double warmup_ns,
                   const Trial *ours);

/* For one that another program asked for, which compares its outputs: builds
 * and plans it without a comparison of ours (of state=cold there is one, since
 * copies must agree within its limit).  The caller releases it, whatever comes
 * of it. */
int trial_build(Trial *a, const Checker *with);

/* Runs what was built at least that many times, in whole recordings, each time
 * cold where its state is; nanoseconds of one run, and what is known of them
 * together, whose text the caller frees. */
int trial_time(Trial *a, PeerRuns runs, double *ns, Telemetry *known);

/* Runs one that is prepared a while longer, and chooses again how many runs
 * make a sample. */
void trial_warm_up(Trial *a, double warmup_ns);

/* From now on samples say what the scheduler did, and when they began: sched,
 * which is borrowed, and the beginning of the sweep on the host's clock. */
void trial_watch(Trial *a, Sched *sched, double from_ns);

/* Turns an error into what becomes of the arm, and releases it. */
void trial_give_up(Trial *a, int err);

/* Runs it for that long in wall time, only to raise the device's clock. */
void trial_wake(Trial *a, double for_ns);

/* Takes a sample without keeping it, after warm launches that are not timed:
 * the nanoseconds of one run, and what is known of it, of which known has the
 * rest. */
int trial_take(Trial *a, int warm, double *ns, Telemetry *known);

/* Adds one sample, in this round of the sweep.  warm: it was the last that ran,
 * so its caches and threads are as a hot case wants them. */
void trial_sample(Trial *a, int round, bool warm);

/* Lets another process of this program take the samples from now on, one that
 * was started for it, and holds it under its id; as many runs make a sample as
 * before.  Its outputs must agree with those of the plan, which stays.  What
 * goes wrong is the arm's status. */
void trial_hand_over(Trial *a, Peer *other, int process, const Checker *with);

/* Ends that. */
void trial_take_back(Trial *a);

/* On a GPU: adds to its first samples the share of the modules' steps, by the
 * GPU's records of as many more runs (records.h). */
void trial_record_modules(Trial *a);

/* Adds one that the caller took, of one run. */
void trial_add(Trial *a, double ns, int round);

/* Drops all samples, because of what is said of them; the arm has failed. */
void arm_discard(Trial *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Gives back all but samples and outcome. */
void trial_release(Trial *a);
void trial_free(Trial *a);

bool trial_ok(const Trial *a);

/* trial_peer.c, for trial_prepare: has the peer prepare it, and compares. */
int trial_prepare_peer(Trial *a, const Trial *ours, const Checker *with);

/* Outcome to store; borrows from the arm. */
Outcome trial_outcome(const Trial *a);

/* The samples, which stay the arm's. */
Samples trial_samples(const Trial *a);

/* The same to be compared with those of another trial. */
Series trial_series(const Trial *a);

#endif
