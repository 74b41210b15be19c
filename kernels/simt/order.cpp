/*
 * order.cpp - which accesses of two threads are in order: intervals of blocks,
 * clocks of lanes, and what blocks publish by __threadfence and an atomic.
 *
 * A fence publishes what its block did in earlier intervals, and what its own
 * thread did in this one; for that it counts as of its interval's end, so that
 * a write after the fence is missed.  Whether the reader has a fence of its own
 * after the atomic is not judged.
 */
#include <map>
#include <utility>

#include "kernels/simt/order.h"
#include "kernels/simt/traffic.h"

std::vector<Interval> intervals;
uint32_t first_of_launch = 1;

/* All before the interval, and the thread's part of it. */
struct Published {
    unsigned block;
    uint32_t interval;
    unsigned thread;
};

/* By address; and by block that saw it, and block that did it. */
static std::map<void *, std::vector<Published>> at_address;
static std::map<std::pair<unsigned, unsigned>, Published> seen_by;
static bool any_fence;

void check_launch(void)
{
    first_of_launch += (uint32_t)intervals.size();
    intervals.clear();
    at_address.clear();
    seen_by.clear();
    any_fence = false;
    if (traffic_counts)
        traffic_launch();
}

void check_interval(Block *b)
{
    if (traffic_counts)
        traffic_interval(b);
    b->interval = first_of_launch + (uint32_t)intervals.size();
    intervals.push_back({ b->index, cluster_of(b), launch.cluster_syncs });
}

void check_syncwarp(Block *b, unsigned warp, unsigned lanes)
{
    Thread *t = &b->thread[warp * LANES];

    for (unsigned i = lanes; i; i &= i - 1)
        for (unsigned k = lanes; k; k &= k - 1) {
            const int from = __builtin_ctz(k);

            t[__builtin_ctz(i)].seen[from] = t[from].clock + 1;
        }
    for (unsigned i = lanes; i; i &= i - 1)
        t[__builtin_ctz(i)].clock++;
}

void simt_fence(void)
{
    self()->fence = self()->in->interval;
    any_fence = true;
}

bool published(uint32_t interval, unsigned thread, bool several, const Block *b)
{
    if (!any_fence)
        return false;

    const auto found = seen_by.find({ b->index, interval_block(interval) });

    if (found == seen_by.end())
        return false;
    return interval < found->second.interval ||
           (interval == found->second.interval && !several &&
            thread == found->second.thread);
}

void order_atomic(void *p)
{
    const Thread *t = self();

    if (!any_fence || !in_kernel())
        return;

    std::vector<Published> &here = at_address[p];
    Published *mine = NULL;

    for (Published &other : here) {
        if (other.block == t->in->index) {
            mine = &other;
            continue;
        }
        Published &seen = seen_by[{ t->in->index, other.block }];

        if (other.interval >= seen.interval)
            seen = other;
    }
    if (!t->fence)
        return;
    if (!mine) {
        here.push_back({});
        mine = &here.back();
    }
    *mine = { t->in->index, t->fence, t->index };
}
