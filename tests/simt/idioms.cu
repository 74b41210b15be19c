/*
 * idioms.cu - what kernels rightly do: every operation gives what CUDA says it
 * does, in every order of threads, and nothing is reported.
 */
#include "tests/simt/planted.h"

enum { BLOCK = 256 };
static const unsigned ALL = 0xffffffffu;

static __device__ unsigned me(void)
{
    return blockIdx.x * blockDim.x + threadIdx.x;
}

/* ---- blocks ------------------------------------------------------------ */

static __global__ void sums_of_blocks(Planted m)
{
    SHARED(float, part, [BLOCK / 32]);
    float sum = 0, v = m.x[me()];

    for (int again = 0; again < 2; again++) {
        float s = v;

        for (int d = 16; d > 0; d /= 2)
            s += __shfl_xor_sync(ALL, s, d);
        __syncthreads();
        if (threadIdx.x % 32 == 0)
            part[threadIdx.x / 32] = s;
        __syncthreads();
        sum = 0;
        for (int i = 0; i < BLOCK / 32; i++)
            sum += part[i];
    }
    m.y[me()] = sum / (float)BLOCK;
}

TEST(simt_accepts, sums_of_blocks)
{
    const Shape shape = { 3, BLOCK, 1, 0 };

    planted_accept(sums_of_blocks, shape);
}

static __global__ void a_tile_turned(Planted m)
{
    SHARED(float, tile, [32][33]);
    DYN_SHARED(float, more);

    for (unsigned r = threadIdx.x / 32; r < 32; r += blockDim.x / 32) {
        tile[r][threadIdx.x % 32] = m.x[r * 32 + threadIdx.x % 32];
        more[r * 32 + threadIdx.x % 32] = 0;
    }
    __syncthreads();
    m.y[threadIdx.x] =
        tile[threadIdx.x % 32][threadIdx.x / 32] + more[1023 - threadIdx.x];
}

TEST(simt_accepts, static_and_dynamic_shared_memory)
{
    const Shape shape = { 1, 128, 1, 1024 * sizeof(float) };

    planted_accept(a_tile_turned, shape);
}

static __global__ void votes_of_blocks(Planted m)
{
    const int i = (int)threadIdx.x, n = (int)blockDim.x;
    bool right = __syncthreads_count(i % 3 == 0) == (n + 2) / 3;

    right &= __syncthreads_or(i == n - 1) && !__syncthreads_or(0);
    right &= __syncthreads_and(1) && !__syncthreads_and(i != 5);
    m.y[i] = right;
}

TEST(simt_accepts, votes_of_blocks)
{
    const Shape shape = { 1, 96, 1, 0 };

    planted_accept(votes_of_blocks, shape);
}

static __global__ void indices(Planted m)
{
    const unsigned t =
        (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const unsigned b =
        (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;

    m.y[b * 64 + t] = (float)(blockDim.x * blockDim.y * blockDim.z) / 64;
}

TEST(simt_accepts, blocks_and_grids_of_three_dimensions)
{
    float got[64 * 24];
    Planted m = {};
    char text[1024];
    bool right = true;

    BUG_IF(cudaMalloc(&m.y, sizeof(got)));
    CHECK(simt_launch(indices, dim3(2, 3, 4), dim3(8, 4, 2), 0, NULL, 1, m) ==
          cudaSuccess);
    cudaMemcpy(got, m.y, sizeof(got), cudaMemcpyDeviceToHost);
    for (int i = 0; i < 64 * 24; i++)
        right &= got[i] == 1;
    CHECK(right);
    CHECK_MSG(simt_take_errors(text, sizeof(text)) == 0, "%s", text);
}

/* ---- warps ------------------------------------------------------------- */

static __global__ void exchange(Planted m)
{
    SHARED(float, tile, [64]);
    float v;

    tile[threadIdx.x] = (float)threadIdx.x;
    __syncwarp();
    v = tile[threadIdx.x ^ 1];
    __syncwarp();
    tile[threadIdx.x] = v;
    __syncwarp();
    m.y[threadIdx.x] = tile[threadIdx.x ^ 1] == (float)threadIdx.x;
}

TEST(simt_accepts, an_exchange_within_warps)
{
    planted_accept(exchange, TWO_WARPS);
}

static __global__ void halves(Planted m)
{
    SHARED(float, tile, [32]);
    const unsigned half = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
    float v = 1;

    if (threadIdx.x < 16) {
        tile[threadIdx.x] = 1;
        __syncwarp(half);
        v = tile[threadIdx.x ^ 1];
    } else {
        v = __shfl_xor_sync(half, v, 3);
    }
    m.y[threadIdx.x] = v;
}

TEST(simt_accepts, halves_of_a_warp_that_do_different_things)
{
    planted_accept(halves, ONE_WARP);
}

static __global__ void shuffles(Planted m)
{
    const int lane = (int)threadIdx.x % 32;
    bool right = __shfl_sync(ALL, lane, 5) == 5;

    right &= __shfl_sync(ALL, lane, lane + 1) == (lane + 1) % 32;
    right &= __shfl_sync(ALL, lane, 3, 8) == lane / 8 * 8 + 3;
    right &= __shfl_xor_sync(ALL, lane, 9) == (lane ^ 9);
    right &= __shfl_xor_sync(ALL, lane, 9, 8) ==
             ((lane ^ 9) < lane / 8 * 8 + 8 ? lane ^ 9 : lane);
    right &= __shfl_up_sync(ALL, lane, 3) == (lane < 3 ? lane : lane - 3);
    right &=
        __shfl_up_sync(ALL, lane, 3, 4) == (lane % 4 < 3 ? lane : lane - 3);
    right &= __shfl_down_sync(ALL, lane, 3) == (lane > 28 ? lane : lane + 3);
    right &= __shfl_down_sync(ALL, lane, 1, 2) == (lane | 1);
    right &= __shfl_xor_sync(ALL, 2.5 * lane, 1) == 2.5 * (lane ^ 1);
    m.y[threadIdx.x] = right;
}

TEST(simt_accepts, shuffles_of_every_kind)
{
    planted_accept(shuffles, TWO_WARPS);
}

static __global__ void reductions(Planted m)
{
    const int i = (int)threadIdx.x;
    bool right = __ballot_sync(ALL, i % 2) == 0xaaaaaaaau;

    right &= __any_sync(ALL, i == 7) && !__any_sync(ALL, 0);
    right &= __all_sync(ALL, 1) && !__all_sync(ALL, i != 7);
    right &= __reduce_add_sync(ALL, i) == 31 * 16;
    right &= __reduce_min_sync(ALL, i - 5) == -5;
    right &= __reduce_max_sync(ALL, (unsigned)i) == 31u;
    right &= __reduce_or_sync(ALL, 1u << i) == ALL;
    right &= __reduce_and_sync(ALL, ~(1u << i)) == 0;
    right &= __reduce_xor_sync(ALL, 1u << i) == ALL;
    right &= __popc(0xf0u) == 4 && __ffs(8) == 4 && __clz(1) == 31;
    m.y[i] = right;
}

TEST(simt_accepts, votes_and_reductions_of_warps)
{
    planted_accept(reductions, ONE_WARP);
}

/* Lanes chosen by a ballot elect the first, which speaks for all. */
static __global__ void elected(Planted m)
{
    SHARED(int, found, [1]);
    const bool mine = threadIdx.x % 3 == 0;
    unsigned others;

    if (threadIdx.x == 0)
        found[0] = 0;
    __syncthreads();
    others = __ballot_sync(ALL, mine);
    if (mine) {
        const int n = __reduce_add_sync(others, 1);

        if ((int)(threadIdx.x % 32) == __ffs((int)others) - 1)
            atomicAdd(&found[0], n);
    }
    __syncthreads();
    m.y[threadIdx.x] = (float)found[0] / 32;
}

TEST(simt_accepts, a_lane_elected_by_a_ballot)
{
    const Shape shape = { 1, 96, 1, 0 };

    planted_accept(elected, shape);
}

/* ---- atomics ----------------------------------------------------------- */

static __global__ void counted(Planted m)
{
    atomicAdd(&m.count[0], 1u);
    atomicMax(&m.count[1], me());
    atomicOr(&m.count[2], 1u << threadIdx.x);
    atomicSub(&m.count[3], 1u);
    atomicMin(&m.count[4], me());
    atomicCAS(&m.count[5], 0u, 5u);
    m.y[me()] = 1;
}

TEST(simt_accepts, atomics_between_blocks)
{
    const Shape shape = { 4, 32, 1, 0 };
    unsigned got[6];
    Planted m = {};

    planted_accept(counted, shape);
    BUG_IF(cudaMalloc(&m.count, sizeof(got)) || cudaMalloc(&m.y, 128 * 4));
    cudaMemset(m.count, 0, sizeof(got));
    CHECK(simt_launch(counted, dim3(4), dim3(32), 0, NULL, 1, m) ==
          cudaSuccess);
    cudaMemcpy(got, m.count, sizeof(got), cudaMemcpyDeviceToHost);
    CHECK(got[0] == 128 && got[1] == 127 && got[2] == ALL);
    CHECK(got[3] == -128u && got[4] == 0 && got[5] == 5);
}

/* One thread waits for another: it must get its turn. */
static __global__ void spin(Planted m)
{
    if (threadIdx.x == 0)
        while (atomicAdd(&m.count[0], 0u) == 0)
            continue;
    else if (threadIdx.x == 63)
        atomicExch(&m.count[0], 1u);
    m.y[threadIdx.x] = 1;
}

TEST(simt_accepts, a_thread_that_spins_on_an_atomic)
{
    planted_accept(spin, TWO_WARPS);
}

/* ---- short types ------------------------------------------------------- */

static __global__ void neighbours(Planted m)
{
    __half *h = (__half *)m.never;
    __nv_bfloat16 *b = (__nv_bfloat16 *)(m.never + COUNT / 2);

    h[threadIdx.x] = __float2half(0.5f);
    b[threadIdx.x] = __float2bfloat16(0.5f);
    m.y[threadIdx.x] =
        __half2float(h[threadIdx.x]) + __bfloat162float(b[threadIdx.x]);
}

TEST(simt_accepts, adjacent_halves_by_adjacent_threads)
{
    planted_accept(neighbours, TWO_WARPS);
}

static __global__ void pairs(Planted m)
{
    __half2 *h = (__half2 *)m.never;
    __nv_bfloat162 *b = (__nv_bfloat162 *)(m.never + COUNT / 2);
    float2 x, z;

    h[threadIdx.x] = __floats2half2_rn(0.25f, -0.25f);
    b[threadIdx.x] = __floats2bfloat162_rn(1.0f, 2.0f);
    x = __half22float2(h[threadIdx.x]);
    z = __bfloat1622float2(b[threadIdx.x]);
    m.y[threadIdx.x] = x.x + x.y + z.y - z.x;
}

TEST(simt_accepts, pairs_of_short_numbers)
{
    planted_accept(pairs, TWO_WARPS);
}

/* Bytes of one cell of the checker, by different threads. */
static __global__ void bytes(Planted m)
{
    SHARED(unsigned char, a, [64]);

    a[threadIdx.x] = (unsigned char)threadIdx.x;
    m.y[threadIdx.x] = a[threadIdx.x] == threadIdx.x;
}

TEST(simt_accepts, adjacent_bytes_by_adjacent_threads)
{
    planted_accept(bytes, TWO_WARPS);
}

/* ---- one launch after another ------------------------------------------ */

static __global__ void second_half(float *y, const float *x, unsigned n)
{
    if (me() < n)
        y[me()] = x[n - 1 - me()];
}

TEST(simt_accepts, launches_that_follow_each_other)
{
    const unsigned n = 1000;
    float one[1000], *a, *b;
    char text[1024];

    for (unsigned i = 0; i < n; i++)
        one[i] = (float)i;
    BUG_IF(cudaMalloc(&a, sizeof(one)) || cudaMalloc(&b, sizeof(one)));
    cudaMemcpy(a, one, sizeof(one), cudaMemcpyHostToDevice);
    CHECK(!simt_launch(second_half, dim3(8), dim3(128), 0, NULL, 1, b, a, n));
    CHECK(!simt_launch(second_half, dim3(8), dim3(128), 0, NULL, 1, a, b, n));
    cudaMemcpy(one, a, sizeof(one), cudaMemcpyDeviceToHost);
    CHECK(one[0] == 0 && one[999] == 999);
    CHECK_MSG(simt_take_errors(text, sizeof(text)) == 0, "%s", text);
}

/* After a launch that was given up, the next one is as if it had not been. */
static __global__ void given_up(float *p)
{
    SHARED(float, a, [32]);

    a[threadIdx.x] = 1;
    __syncthreads();
    if (threadIdx.x == 7)
        *p = 1;
    __syncthreads();
}

TEST(simt_accepts, a_launch_after_one_that_was_given_up)
{
    char text[1024];

    planted_skip_if_fatal(SIMT_ILLEGAL_ADDRESS);
    CHECK(simt_launch(given_up, dim3(2), dim3(96), 0, NULL, 1, (float *)NULL) ==
          cudaErrorLaunchFailure);
    CHECK(simt_take_errors(text, sizeof(text)) == 1);
    planted_accept(exchange, TWO_WARPS);
    planted_accept(sums_of_blocks, { 2, BLOCK, 1, 0 });
}
