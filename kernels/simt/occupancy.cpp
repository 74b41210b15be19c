/*
 * occupancy.cpp - how many clusters of a launch a card holds at once.
 *
 * A cluster lies within one group of multiprocessors, so what does not divide
 * a group is lost.  Where no groups are set, one cluster always fits, since the
 * host runs it on any number of multiprocessors.  Registers are not known here:
 * each thread counts as having as many as the largest kernels do.
 */
#include <algorithm>
#include <vector>

#include "kernels/simt/host.h"
#include "kernels/simt/state.h"

enum {
    SM_THREADS = 2048,
    SM_BLOCKS = 32,
    SM_REGISTERS = 64 << 10,
    SM_SHARED = 228 << 10,
    BLOCK_RESERVED = 1 << 10, /* shared memory that the system takes */
    REGISTERS = 128           /* of a thread                         */
};

static std::vector<int> groups;

extern "C" void simt_set_groups(const int *sms, int n)
{
    groups.assign(sms, sms + n);
}

static int blocks_of_sm(unsigned threads, size_t shared_bytes)
{
    const unsigned lanes = (threads + LANES - 1) / LANES * LANES;
    const size_t limits[] = { SM_THREADS / lanes,
                              SM_REGISTERS / (lanes * REGISTERS),
                              SM_SHARED / (shared_bytes + BLOCK_RESERVED) };
    size_t blocks = SM_BLOCKS;

    for (size_t limit : limits)
        blocks = limit < blocks ? limit : blocks;
    return (int)blocks;
}

int simt_clusters(dim3 block, size_t shared_bytes, unsigned cluster, int sms)
{
    const int each = blocks_of_sm(block.x * block.y * block.z, shared_bytes);
    int n = 0;

    if (groups.empty())
        return each ? std::max(1, sms * each / (int)cluster) : 0;
    for (int group : groups)
        n += group * each / (int)cluster;
    return n;
}
