/*
 * races.cu - accesses that no barrier puts in order.
 */
#include "tests/simt/planted.h"

static __device__ unsigned me(void)
{
    return blockIdx.x * blockDim.x + threadIdx.x;
}

/* ---- in a block -------------------------------------------------------- */

static __global__ void read_too_early(Planted m)
{
    SHARED(float, tile, [64]);

    tile[threadIdx.x] = m.x[threadIdx.x];
    PLANT(m.y[threadIdx.x] = tile[63 - threadIdx.x]);
}

TEST(simt_finds, a_read_without_a_barrier_after_the_write)
{
    FINDS(RACE, read_too_early, TWO_WARPS, WRONG_VALUE);
}

static __global__ void overwritten_too_early(Planted m)
{
    SHARED(float, tile, [64]);
    float sum = 0;

    tile[threadIdx.x] = 1;
    __syncthreads();
    for (int step = 0; step < 2; step++) {
        sum += tile[(threadIdx.x + 32) % 64];
        PLANT(tile[threadIdx.x] = 2);
        __syncthreads();
    }
    m.y[threadIdx.x] = sum / 3;
}

TEST(simt_finds, a_tile_filled_again_without_a_barrier)
{
    FINDS(RACE, overwritten_too_early, TWO_WARPS, WRONG_VALUE);
}

/* The first sum is still being read when the second is written. */
static __global__ void scratch_too_early(Planted m)
{
    SHARED(float, scratch, [2]);
    float sum = 0;

    for (int step = 0; step < 2; step++) {
        if (threadIdx.x % 32 == 0)
            PLANT(scratch[threadIdx.x / 32] = (float)(step + 1));
        __syncthreads();
        sum = scratch[0] + scratch[1];
    }
    m.y[threadIdx.x] = sum / 4;
}

TEST(simt_finds, scratch_of_a_sum_used_again_without_a_barrier)
{
    FINDS(RACE, scratch_too_early, TWO_WARPS, UNSEEN);
}

static __global__ void plain_add(Planted m)
{
    SHARED(float, sum, [1]);

    if (threadIdx.x == 0)
        sum[0] = 0;
    __syncthreads();
    PLANT(sum[0] += 1);
    __syncthreads();
    m.y[threadIdx.x] = sum[0] / 64;
}

TEST(simt_finds, an_addition_that_is_not_atomic)
{
    FINDS(RACE, plain_add, TWO_WARPS, UNSEEN);
}

static __global__ void mixed_add(Planted m)
{
    SHARED(float, sum, [1]);

    if (threadIdx.x == 0)
        sum[0] = 0;
    __syncthreads();
    atomicAdd(&sum[0], 1.0f);
    PLANT(m.y[threadIdx.x] = sum[0] < 0 ? 0.0f : 1.0f);
}

TEST(simt_finds, a_plain_read_beside_atomics)
{
    FINDS(RACE, mixed_add, TWO_WARPS, UNSEEN);
}

static __global__ void same_value(Planted m)
{
    SHARED(float, one, [1]);

    PLANT(one[0] = 1);
    __syncthreads();
    m.y[threadIdx.x] = one[0];
}

TEST(simt_finds, two_writes_of_the_same_value)
{
    FINDS(RACE, same_value, TWO_WARPS, UNSEEN);
}

/* Several lanes read, another writes: the first reader is not forgotten. */
static __global__ void many_readers(Planted m)
{
    SHARED(float, one, [1]);

    if (threadIdx.x == 0)
        one[0] = 1;
    __syncthreads();
    m.y[threadIdx.x] = one[0];
    __syncwarp();
    if (threadIdx.x == 63)
        PLANT(one[0] = 2);
}

TEST(simt_finds, a_write_beside_a_reader_in_another_warp)
{
    FINDS(RACE, many_readers, TWO_WARPS, UNSEEN);
}

/* ---- in a warp --------------------------------------------------------- */

static __global__ void no_syncwarp(Planted m)
{
    SHARED(float, tile, [32]);

    tile[threadIdx.x] = 1;
    PLANT(m.y[threadIdx.x] = tile[threadIdx.x ^ 1]);
}

TEST(simt_finds, a_missing_syncwarp)
{
    FINDS(RACE, no_syncwarp, ONE_WARP, WRONG_VALUE);
}

static __global__ void no_second_syncwarp(Planted m)
{
    SHARED(float, tile, [32]);
    float v;

    tile[threadIdx.x] = 1;
    __syncwarp();
    v = tile[threadIdx.x ^ 1];
    PLANT(tile[threadIdx.x] = v + 1);
    m.y[threadIdx.x] = v;
}

TEST(simt_finds, a_missing_syncwarp_before_the_next_write)
{
    FINDS(RACE, no_second_syncwarp, ONE_WARP, WRONG_VALUE);
}

static __global__ void shuffle_is_no_barrier(Planted m)
{
    SHARED(float, tile, [32]);

    tile[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
    __shfl_xor_sync(0xffffffffu, 1.0f, 1);
    PLANT(m.y[threadIdx.x] = tile[threadIdx.x ^ 1]);
}

TEST(simt_finds, a_shuffle_taken_for_a_barrier)
{
    FINDS(RACE, shuffle_is_no_barrier, ONE_WARP, UNSEEN);
}

static __global__ void syncwarp_of_one_half(Planted m)
{
    SHARED(float, tile, [32]);

    tile[threadIdx.x] = 1;
    __syncwarp(threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u);
    PLANT(m.y[threadIdx.x] = tile[threadIdx.x ^ 16]);
}

TEST(simt_finds, a_syncwarp_that_leaves_the_other_half_out)
{
    FINDS(RACE, syncwarp_of_one_half, ONE_WARP, WRONG_VALUE);
}

/* ---- between blocks ---------------------------------------------------- */

static const Shape FOUR_BLOCKS = { 4, 32, 1, 0 };

static __global__ void one_address(Planted m)
{
    m.y[me()] = 1;
    PLANT(m.never[threadIdx.x] = (float)blockIdx.x);
}

TEST(simt_finds, two_blocks_that_write_one_address)
{
    FINDS(RACE, one_address, FOUR_BLOCKS, UNSEEN);
}

static __global__ void add_between_blocks(Planted m)
{
    m.y[me()] = 1;
    if (threadIdx.x == 0)
        PLANT(m.x[0] += 1);
}

TEST(simt_finds, an_addition_between_blocks_that_is_not_atomic)
{
    FINDS(RACE, add_between_blocks, FOUR_BLOCKS, UNSEEN);
}

static __global__ void blocks_as_a_sequence(Planted m)
{
    m.y[me()] = 1;
    if (blockIdx.x == 0)
        m.x[threadIdx.x] = 2;
    else
        PLANT(m.never[me()] = m.x[threadIdx.x]);
}

TEST(simt_finds, a_block_that_counts_on_an_earlier_one)
{
    FINDS(RACE, blocks_as_a_sequence, FOUR_BLOCKS, UNSEEN);
}

/* The last block to come sums up what all have left. */
template <bool FENCE, bool EARLY> static __global__ void last_block(Planted m)
{
    SHARED(unsigned, ticket, [1]);
    float sum = 0;

    m.never[me()] = 1;
    if (FENCE && EARLY)
        __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        if (FENCE && !EARLY)
            __threadfence();
        ticket[0] = atomicAdd(&m.count[0], 1u);
    }
    __syncthreads();
    m.y[me()] = 1;
    if (ticket[0] != gridDim.x - 1 || threadIdx.x != 0)
        return;
    for (unsigned i = 0; i < gridDim.x * blockDim.x; i++)
        PLANT(sum += m.never[i]);
    m.count[1] = (unsigned)sum;
}

TEST(simt_finds, a_last_block_without_a_fence)
{
    const Shape shape = { 4, 64, 1, 0 };

    FINDS(RACE, (last_block<false, false>), shape, UNSEEN);
}

/* The fence of one thread says nothing of what another does after it. */
TEST(simt_finds, a_last_block_with_a_fence_before_the_barrier)
{
    const Shape shape = { 4, 64, 1, 0 };

    FINDS(RACE, (last_block<true, true>), shape, UNSEEN);
}

TEST(simt_accepts, a_last_block_with_a_fence)
{
    const Shape shape = { 4, 64, 1, 0 };

    planted_accept(last_block<true, false>, shape);
}

static __global__ void plain_flag(Planted m)
{
    m.y[me()] = 1;
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        m.x[1] = 3;
        __threadfence();
        m.count[0] = 1;
    } else if (threadIdx.x == 0) {
        PLANT(m.never[me()] = (float)m.count[0]);
    }
}

TEST(simt_finds, a_flag_in_plain_memory)
{
    const Shape shape = { 2, 32, 1, 0 };

    FINDS(RACE, plain_flag, shape, UNSEEN);
}
