/*
 * order.h - what the checker asks about the order of two blocks.
 */
#ifndef SIMT_ORDER_H
#define SIMT_ORDER_H

#include <vector>

#include "kernels/simt/state.h"

/* An interval: whose, and after how many cluster.syncs.  A cluster is known by
 * its first block: it is asked for at every access, and a division is slow. */
struct Interval {
    unsigned block, cluster, cluster_syncs;
};

static inline unsigned cluster_of(const Block *b)
{
    return b->index - b->rank;
}

/* Those of this launch; numbers continue from launch to launch. */
extern std::vector<Interval> intervals;
extern uint32_t first_of_launch;

static inline bool before_launch(uint32_t interval)
{
    return interval < first_of_launch;
}

/* The block's index in the grid; of this launch. */
static inline unsigned interval_block(uint32_t interval)
{
    return intervals[interval - first_of_launch].block;
}

static inline unsigned interval_cluster(uint32_t interval)
{
    return intervals[interval - first_of_launch].cluster;
}

/* True if b's cluster has been in a cluster.sync since, if it is b's. */
static inline bool cluster_synced(uint32_t interval, const Block *b)
{
    const Interval *i = &intervals[interval - first_of_launch];

    return i->cluster == cluster_of(b) &&
           i->cluster_syncs < launch.cluster_syncs;
}

/* True if what a thread did in an interval of another block was published to
 * b; several: other threads did it, too. */
bool published(uint32_t interval, unsigned thread, bool several,
               const Block *b);

/* The running thread's atomic on p: publishes, and sees what was published. */
void order_atomic(void *p);

#endif
