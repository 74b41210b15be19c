/*
 * barriers.cu - barriers that not all reach, operations of a warp that not all
 * lanes take part in, launches that cannot be.
 */
#include "tests/simt/planted.h"

/* ---- barriers ---------------------------------------------------------- */

static __global__ void two_barriers(Planted m)
{
    m.y[threadIdx.x] = 1;
    if (threadIdx.x < 32)
        __syncthreads();
    else
        PLANT(__syncthreads());
}

TEST(simt_finds, barriers_in_two_branches)
{
    FINDS(DIVERGENT_BARRIER, two_barriers, TWO_WARPS, UNSEEN);
}

static __global__ void early_return(Planted m)
{
    m.y[threadIdx.x] = 1;
    if (threadIdx.x >= 32)
        return;
    PLANT(__syncthreads());
}

TEST(simt_finds, a_return_before_a_barrier)
{
    FINDS(EXITED_BARRIER, early_return, TWO_WARPS, UNSEEN);
}

static __global__ void barrier_in_a_branch(Planted m)
{
    m.y[threadIdx.x] = 1;
    if (threadIdx.x < 16)
        PLANT(__syncthreads());
    else if (threadIdx.x >= 32)
        m.y[threadIdx.x] = (float)__any_sync(0xffffffffu, 1);
}

TEST(simt_finds, a_barrier_in_one_branch)
{
    FINDS(EXITED_BARRIER, barrier_in_a_branch, TWO_WARPS, UNSEEN);
}

/* Some wait for the block, some for their warp: none can continue. */
static __global__ void stuck(Planted m)
{
    m.y[threadIdx.x] = 1;
    if (threadIdx.x == 0)
        PLANT(__syncthreads());
    else
        __syncwarp();
}

TEST(simt_finds, threads_that_wait_for_each_other)
{
    FINDS(DEADLOCK, stuck, ONE_WARP, UNSEEN);
}

/* ---- warps ------------------------------------------------------------- */

static __global__ void full_mask_in_a_branch(Planted m)
{
    float v = 1;

    if (threadIdx.x < 16)
        PLANT(v = __shfl_xor_sync(0xffffffffu, v, 1));
    m.y[threadIdx.x] = v;
}

TEST(simt_finds, a_full_mask_in_a_branch)
{
    FINDS(MASK, full_mask_in_a_branch, ONE_WARP, UNSEEN);
}

static __global__ void lane_outside_the_mask(Planted m)
{
    float v = 1;

    if (threadIdx.x < 16)
        PLANT(v = __shfl_xor_sync(0x0000ffffu, v, 16));
    m.y[threadIdx.x] = v;
}

TEST(simt_finds, a_shuffle_from_a_lane_outside_the_mask)
{
    FINDS(INACTIVE_LANE, lane_outside_the_mask, ONE_WARP, UNSEEN);
}

static __global__ void lane_not_in_its_mask(Planted m)
{
    m.y[threadIdx.x] = 1;
    PLANT(__syncwarp(0x7fffffffu));
}

TEST(simt_finds, a_lane_that_is_not_in_its_own_mask)
{
    FINDS(MASK, lane_not_in_its_mask, ONE_WARP, UNSEEN);
}

/* 48 threads: the second warp has 16 lanes. */
static __global__ void lanes_that_do_not_exist(Planted m)
{
    float v = 1;

    PLANT(v = __shfl_xor_sync(0xffffffffu, v, 16));
    m.y[threadIdx.x] = v;
}

TEST(simt_finds, a_shuffle_from_a_lane_that_does_not_exist)
{
    const Shape shape = { 1, 48, 1, 0 };

    FINDS(INACTIVE_LANE, lanes_that_do_not_exist, shape, UNSEEN);
}

static __global__ void two_operations(Planted m)
{
    m.y[threadIdx.x] = 1;
    if (threadIdx.x < 16)
        __shfl_xor_sync(0xffffffffu, 1, 1);
    else
        PLANT(__any_sync(0xffffffffu, 1));
}

TEST(simt_finds, lanes_that_meet_in_two_operations)
{
    FINDS(DIVERGENT_WARP, two_operations, ONE_WARP, UNSEEN);
}

/* ---- launches ---------------------------------------------------------- */

static __global__ void nothing(void)
{
}

static __global__ void much_static(Planted m)
{
    SHARED(float, a, [8192]);
    PLANT_NEXT;
    SHARED(float, b, [8192]);

    a[threadIdx.x] = b[threadIdx.x] = 1;
    m.y[threadIdx.x] = 1;
}

TEST(simt_finds, more_static_shared_memory_than_there_may_be)
{
    FINDS(SHARED_LIMIT, much_static, ONE_WARP, UNSEEN);
}

static void refuses(dim3 grid, dim3 block, size_t shared_bytes,
                    unsigned cluster)
{
    char text[1024];

    CHECK(simt_launch(nothing, grid, block, shared_bytes, NULL, cluster) ==
          cudaErrorInvalidConfiguration);
    CHECK(simt_take_errors(text, sizeof(text)) == 1);
    CHECK_MSG(strstr(text, "launch: ") == text && strstr(text, "barriers.cu"),
              "%s", text);
}

TEST(simt_finds, launches_that_cannot_be)
{
    refuses(dim3(1), dim3(1025), 0, 1);
    refuses(dim3(1), dim3(32, 33), 0, 1);
    refuses(dim3(1), dim3(1, 1, 65), 0, 1);
    refuses(dim3(1), dim3(0), 0, 1);
    refuses(dim3(0), dim3(32), 0, 1);
    refuses(dim3(1, 65536), dim3(32), 0, 1);
    refuses(dim3(6), dim3(32), 0, 4);
    refuses(dim3(17), dim3(32), 0, 17);
}

TEST(simt_finds, dynamic_shared_memory_that_was_not_asked_for)
{
    const int most = 227 << 10;

    CHECK(simt_launch(nothing, dim3(1), dim3(32), 48 << 10, NULL, 1) ==
          cudaSuccess);
    CHECK(simt_launch(nothing, dim3(1), dim3(32), (48 << 10) + 1, NULL, 1) ==
          cudaErrorInvalidValue);
    CHECK(cudaFuncSetAttribute(nothing,
                               cudaFuncAttributeMaxDynamicSharedMemorySize,
                               most + 1) == cudaErrorInvalidValue);
    CHECK(cudaFuncSetAttribute(nothing,
                               cudaFuncAttributeMaxDynamicSharedMemorySize,
                               most) == cudaSuccess);
    CHECK(simt_launch(nothing, dim3(1), dim3(32), most, NULL, 1) ==
          cudaSuccess);
}
