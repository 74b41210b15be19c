/*
 * block.h - the parts of a sweep that is measured: cases in blocks; for the
 * files of measure() (measure.c, rounds.c).
 */
#ifndef HARNESS_BLOCK_H
#define HARNESS_BLOCK_H

#include "harness/measure/measure.h"
#include "harness/measure/tuning_cache.h"

/* The first block finds a machine that was asleep: its clocks rise in this.  A
 * GPU falls asleep again while the reference of the next block is computed. */
#define AWAKE_NS 1e8

typedef struct Sweeper {
    const Experiment *e;
    const Protocol *protocol;
    Store *store;
    const Lanes *all_lanes;
    const struct Lane *lanes;
    int nlanes;
    const Listener *listener;
    Tally *tally;
    uint64_t random;
    int round; /* continues from block to block, so rounds differ */
    int lane;  /* whose turn it was */
    TuningCache tuning_cache;
    Device *dev;
    const Case *dev_case; /* what dev was opened for */
    bool faulted;         /* dev was lost, and is to be opened again */
    Reference *ref;       /* what the last case was compared with */
    Hashes hashes;        /* of files of weights, which many cases share */
    bool awake;
    double seen_s; /* seconds_spent when it was last noted as at work */
} Sweeper;

/* One case in one lane, within a block. */
typedef struct Entry {
    Trial arm;
    int lane;
    bool stored;  /* before this start: nothing is to be done */
    bool settled; /* when last looked at ...                  */
    int look;     /* ... and at how many samples to look next */
} Entry;

/* Cases side by side; entries of one case are neighbours. */
typedef struct Block {
    Entry *at;
    int n;
    int *order;
    double until; /* seconds_spent at which it must come to an end */
    bool lost;    /* a case has made the device useless: it ends here */
} Block;

/* True once the user has asked to stop. */
bool sweep_stopped(const Sweeper *s);

/* Seconds since the budget began to be spent. */
double seconds_spent(const Sweeper *s);

/* Notes that a case has failed in such a way that its device is lost. */
void block_look_at_device(const Sweeper *s, Block *b, const Trial *a);

/* True if a case may be sampled: it is not stored, nothing went wrong, and it
 * has time left. */
bool entry_active(const Sweeper *s, const Entry *e);

/* Runs something on a device with memory of its own, which has done nothing
 * while the last case was prepared. */
void block_wake(const Sweeper *s, Block *b);

/* Samples the cases of a block that is prepared, round by round, until all have
 * converged, or their time or the block's is up. */
int block_sample(Sweeper *s, Block *b);

#endif
