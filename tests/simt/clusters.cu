/*
 * clusters.cu - blocks that read each other's shared memory, and copies that
 * run while the kernel does.
 */
#include "kernels/simt/prims.h"
#include "tests/simt/planted.h"

namespace cg = cooperative_groups;

static const Shape TWO_BLOCKS = { 4, 32, 2, 0 };

enum ClusterBug { NONE, NO_SYNC, NO_FIRST_SYNC, NO_LAST_SYNC };

/* Each block adds up what all blocks of its cluster have written. */
template <ClusterBug BUG> static __global__ void cluster_sum(Planted m)
{
    SHARED(float, mine, [32]);
    const cg::cluster_group cluster = cg::this_cluster();
    float sum = 0;

    if (BUG != NO_FIRST_SYNC)
        cluster.sync();
    mine[threadIdx.x] = 1;
    if (BUG != NO_SYNC && BUG != NO_FIRST_SYNC)
        cluster.sync();
    else
        __syncthreads();
    for (unsigned r = 0; r < cluster.num_blocks(); r++)
        PLANT(sum += cluster.map_shared_rank(mine, r)[31 - threadIdx.x]);
    if (BUG != NO_LAST_SYNC)
        cluster.sync();
    m.y[blockIdx.x * 32 + threadIdx.x] = sum / (float)cluster.num_blocks();
}

TEST(simt_finds, a_missing_cluster_sync)
{
    FINDS(RACE, cluster_sum<NO_SYNC>, TWO_BLOCKS, UNSEEN);
}

TEST(simt_finds, shared_memory_of_a_block_that_may_not_have_started)
{
    FINDS(ABSENT_BLOCK, cluster_sum<NO_FIRST_SYNC>, TWO_BLOCKS, UNSEEN);
}

TEST(simt_finds, shared_memory_of_a_block_that_may_have_returned)
{
    FINDS(ABSENT_BLOCK, cluster_sum<NO_LAST_SYNC>, TWO_BLOCKS, UNSEEN);
}

TEST(simt_accepts, a_sum_over_a_cluster)
{
    const Shape eight = { 16, 32, 8, 0 };

    planted_accept(cluster_sum<NONE>, TWO_BLOCKS);
    planted_accept(cluster_sum<NONE>, eight);
}

/* Data that others have read may be written after a cluster.sync, even if this
 * block was the last to read it. */
static __global__ void read_by_all(Planted m)
{
    SHARED(float, mine, [1]);
    const cg::cluster_group cluster = cg::this_cluster();
    float sum = 0;

    if (threadIdx.x == 0)
        mine[0] = 1;
    cluster.sync();
    for (unsigned r = 0; r < cluster.num_blocks(); r++)
        sum += cluster.map_shared_rank(mine, r)[0];
    cluster.sync();
    if (threadIdx.x == 0)
        mine[0] = 0;
    m.y[blockIdx.x * 32 + threadIdx.x] = sum / (float)cluster.num_blocks();
}

TEST(simt_accepts, a_write_after_all_the_cluster_has_read)
{
    planted_accept(read_by_all, TWO_BLOCKS);
}

static __global__ void atomics_of_a_cluster(Planted m)
{
    SHARED(unsigned, sum, [1]);
    const cg::cluster_group cluster = cg::this_cluster();

    if (threadIdx.x == 0)
        sum[0] = 0;
    cluster.sync();
    atomicAdd(cluster.map_shared_rank(sum, 0), 1u);
    cluster.sync();
    m.y[blockIdx.x * 32 + threadIdx.x] =
        (float)*cluster.map_shared_rank(sum, 0) / 64;
    cluster.sync();
}

TEST(simt_accepts, atomics_on_a_neighbours_shared_memory)
{
    planted_accept(atomics_of_a_cluster, TWO_BLOCKS);
}

static __global__ void rank_beyond(Planted m)
{
    SHARED(float, mine, [1]);
    const cg::cluster_group cluster = cg::this_cluster();

    cluster.sync();
    m.y[blockIdx.x * 32 + threadIdx.x] = 1;
    PLANT(*cluster.map_shared_rank(mine, 2) = 1);
}

TEST(simt_finds, a_rank_beyond_the_cluster)
{
    FINDS(RANK, rank_beyond, TWO_BLOCKS, UNSEEN);
}

static __global__ void global_is_not_shared(Planted m)
{
    const cg::cluster_group cluster = cg::this_cluster();

    PLANT(*cluster.map_shared_rank(m.y, 1) = 1);
}

TEST(simt_finds, a_rank_for_what_is_not_shared_memory)
{
    FINDS(RANK, global_is_not_shared, TWO_BLOCKS, UNSEEN);
}

static __global__ void no_return_before_sync(Planted m)
{
    m.y[blockIdx.x * 32 + threadIdx.x] = 1;
    if (blockIdx.x % 2 == 0)
        PLANT(cg::this_cluster().sync());
}

TEST(simt_finds, a_block_that_returns_before_a_cluster_sync)
{
    FINDS(EXITED_BARRIER, no_return_before_sync, TWO_BLOCKS, UNSEEN);
}

/* ---- blocks that return without a last cluster.sync ---------------------- */

enum DoneBug { DONE_RIGHT, NOT_WAITED_FOR, DONE_TOO_EARLY, NEVER_DONE, MEETS };

/* Each thread does something of its own between its last read of another
 * block's shared memory and its end. */
template <DoneBug BUG> static __global__ void done_early(Planted m)
{
    SHARED(float, mine, [32]);
    const cg::cluster_group cluster = cg::this_cluster();
    float sum = 0;

    mine[threadIdx.x] = 1;
    cluster.sync();
    if (BUG == DONE_TOO_EARLY)
        cluster_done();
    for (unsigned r = 0; r < cluster.num_blocks(); r++)
        if (BUG == DONE_TOO_EARLY || BUG == NOT_WAITED_FOR)
            PLANT(sum += cluster.map_shared_rank(mine, r)[31 - threadIdx.x]);
        else
            sum += cluster.map_shared_rank(mine, r)[31 - threadIdx.x];
    if (BUG != DONE_TOO_EARLY && BUG != NEVER_DONE)
        cluster_done();
    if (BUG == MEETS)
        PLANT(cluster.sync());
    m.y[blockIdx.x * 32 + threadIdx.x] = sum / (float)cluster.num_blocks();
    if (BUG == NEVER_DONE)
        PLANT(cluster_all_done());
    else if (BUG != NOT_WAITED_FOR)
        cluster_all_done();
}

TEST(simt_accepts, blocks_that_return_when_all_are_done)
{
    const Shape eight = { 16, 32, 8, 0 };

    planted_accept(done_early<DONE_RIGHT>, TWO_BLOCKS);
    planted_accept(done_early<DONE_RIGHT>, eight);
}

TEST(simt_finds, a_block_that_returns_before_all_are_done)
{
    FINDS(ABSENT_BLOCK, done_early<NOT_WAITED_FOR>, TWO_BLOCKS, UNSEEN);
}

TEST(simt_finds, a_read_of_another_block_after_it_is_done)
{
    FINDS(ABSENT_BLOCK, done_early<DONE_TOO_EARLY>, TWO_BLOCKS, UNSEEN);
}

TEST(simt_finds, a_wait_for_what_nobody_is_done_with)
{
    FINDS(DIVERGENT_BARRIER, done_early<NEVER_DONE>, TWO_BLOCKS, UNSEEN);
}

TEST(simt_finds, a_cluster_sync_between_done_and_all_done)
{
    FINDS(DIVERGENT_BARRIER, done_early<MEETS>, TWO_BLOCKS, UNSEEN);
}

/* ---- copies while the kernel runs -------------------------------------- */

enum CopyBug { COPY_RIGHT, NO_WAIT, WAIT_TOO_FEW, NO_BARRIER, REFILL };

/* Two buffers: one is filled while the other is read. */
template <CopyBug BUG> static __global__ void two_buffers(Planted m)
{
    SHARED(float, tile, [2][128]);
    const unsigned i = threadIdx.x;
    float sum = 0;

    cp_async16(&tile[0][4 * i], &m.x[4 * i]);
    cp_async_commit();
    for (int step = 1; step <= 4; step++) {
        if (step < 4)
            cp_async16(&tile[step % 2][4 * i], &m.x[step * 128 + 4 * i]);
        cp_async_commit();
        if (BUG != NO_WAIT) {
            if (BUG == WAIT_TOO_FEW)
                cp_async_wait<2>();
            else
                cp_async_wait<1>();
        }
        if (BUG != NO_BARRIER)
            __syncwarp();
        PLANT(sum += tile[(step + 1) % 2][(4 * i + 5) % 128]);
        if (BUG != REFILL)
            __syncwarp();
    }
    cp_async_wait<0>();
    m.y[i] = sum / 4;
}

TEST(simt_accepts, two_buffers_filled_in_turn)
{
    planted_accept(two_buffers<COPY_RIGHT>, ONE_WARP);
}

/* NaN stands where the copy has not come: a wrong value in both builds. */
TEST(simt_finds, a_copy_that_nobody_waits_for)
{
    FINDS(IN_FLIGHT, two_buffers<NO_WAIT>, ONE_WARP, WRONG_VALUE);
}

TEST(simt_finds, a_wait_that_leaves_the_group_under_way)
{
    FINDS(IN_FLIGHT, two_buffers<WAIT_TOO_FEW>, ONE_WARP, WRONG_VALUE);
}

TEST(simt_finds, a_copy_seen_by_others_without_a_barrier)
{
    FINDS(RACE, two_buffers<NO_BARRIER>, ONE_WARP, WRONG_VALUE);
}

static __global__ void left_behind(Planted m)
{
    SHARED(float, tile, [128]);

    m.y[threadIdx.x] = 1;
    PLANT(cp_async16(&tile[4 * threadIdx.x], &m.x[4 * threadIdx.x]));
}

TEST(simt_finds, a_copy_left_behind)
{
    FINDS(PENDING_COPY, left_behind, ONE_WARP, UNSEEN);
}

TEST(simt_finds, a_buffer_refilled_while_it_is_read)
{
    FINDS(RACE, two_buffers<REFILL>, ONE_WARP, UNSEEN);
}
