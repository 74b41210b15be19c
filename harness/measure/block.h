/*
 * block.h - the parts of a sweep that is measured: cases in blocks, and which
 * of them are compared; for the files of measure() (measure.c, pairs.c,
 * rounds.c).
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
    int round;         /* continues from block to block, so rounds differ */
    int lane;          /* whose turn it was */
    const Trial *last; /* sampled */
    Sched *sched;
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
    bool stored; /* before this start: nothing is to be done */
} Entry;

/*
 * A claim that is measured: that case b takes so much of the time of case a.
 * Its samples come in quads, a b b a, so that the two are neighbours in time
 * and what drifts evenly cancels.  Or, without a, the time of b, of which a
 * sample is taken in each round of all that are alone.
 */
enum { ALONE = -1 };
typedef struct Pair {
    int a, b; /* entries of the block; a may be ALONE                */
    int n;    /* quads, or rounds, so far                            */
    int look; /* how many there are when the interval is looked at   */
    bool settled;
    double half;     /* half width of the interval when last looked at ... */
    int looked;      /* ... and how many there were then                   */
    double spent_ns; /* on the wall, per case                              */
} Pair;

/* Cases side by side; entries of one case are neighbours. */
typedef struct Block {
    Entry *at;
    int n;
    Pair *pair;
    int npairs;
    int drops;    /* how often a case of a pair has failed        */
    int *list;    /* room for the pairs of a quad, and their entries */
    double began; /* seconds_spent at which sampling did             */
    double until; /* seconds_spent at which it must come to an end */
    double part;  /* of what its samples may take, so far: the share of the
                     processes that have begun (processes.c) */
    bool lost;    /* a case has made the device useless: it ends here */
} Block;

/* Frees what a block holds, prepared or not. */
void block_free(Block *b);

/* True once the user has asked to stop. */
bool sweep_stopped(const Sweeper *s);

/* Seconds since the budget began to be spent. */
double seconds_spent(const Sweeper *s);

/* Notes that a case has failed in such a way that its device is lost. */
void block_look_at_device(const Sweeper *s, Block *b, const Trial *a);

/* Runs something on a device with memory of its own, which has done nothing
 * while the last case was prepared. */
void block_wake(const Sweeper *s, Block *b);

/* Samples the cases of a block that is prepared until all its pairs are
 * settled, or their time or the block's is up. */
int block_sample(Sweeper *s, Block *b);

/* rounds.c, for block_sample: the same of pairs that are found, and in b->part
 * of their time. */
int block_sample_part(Sweeper *s, Block *b);

/* processes.c, for block_sample: the other parts, in fresh processes; and
 * whether a case can be measured there. */
int block_sample_elsewhere(Sweeper *s, Block *b);
bool block_can_move(const Block *b);

/* ---- pairs.c ------------------------------------------------------------ */

/* True if it is sampled: it is not stored, and nothing went wrong. */
bool entry_is_sampled(const Entry *e);

/* Finds which cases are compared with which; what is compared with nothing is
 * alone.  The rules stand in pairs.c. */
void pairs_find(Block *b, const Protocol *p);

/* Another process begins: each pair is to be looked at again when it has some
 * quads or rounds of that one. */
void pairs_begin_part(Block *b);

/* A case has failed: what was compared with it is alone from now on. */
void pairs_drop(Block *b, int failed);

/* True if a pair has time left and may have more samples. */
bool pair_has_time(const Pair *p, const Block *b, const Protocol *protocol);

/* True if it has as few that they must be taken in any case. */
bool pair_lacks_least(const Pair *p);

/* Computes the interval, and whether it is narrow enough. */
void pair_look(Pair *p, const Block *b, const Protocol *protocol);

/* How much it wants the next quad: the half width of its interval by now, more
 * than any where there is none yet; below 0: it wants none. */
double pair_need(const Pair *p, const Block *b, const Protocol *protocol);

/* True if all that is claimed about a case is settled: as the b of its pairs,
 * or as the a if it is the b of none. */
bool entry_is_settled(const Block *b, int i);

/* Fills in which cases of a block that was cut short are not results: cut[i].
 * Those that are compared share their fate. */
void pairs_cut(const Block *b, const Protocol *protocol, bool *cut);

#endif
