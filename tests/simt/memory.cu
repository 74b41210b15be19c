/*
 * memory.cu - accesses to what is not there, not aligned, or not written.
 */
#include "tests/simt/planted.h"

/* ---- bounds ------------------------------------------------------------ */

static __global__ void past_a_shared_array(Planted m)
{
    SHARED(float, a, [32]);
    SHARED(float, b, [32]);
    float *p = a;

    a[threadIdx.x] = 1;
    b[threadIdx.x] = 2;
    __syncthreads();
    PLANT(m.y[threadIdx.x] = p[threadIdx.x + 1]);
}

TEST(simt_finds, a_read_past_a_shared_array)
{
    FINDS(OUT_OF_BOUNDS, past_a_shared_array, ONE_WARP, WRONG_VALUE);
}

static __global__ void past_a_row(Planted m)
{
    SHARED(float, a, [4][32]);
    const unsigned column = threadIdx.x + 1;

    a[0][threadIdx.x] = a[1][threadIdx.x] = 1;
    __syncthreads();
    PLANT(m.y[threadIdx.x] = a[0][column]);
}

TEST(simt_finds, an_index_past_a_row_within_the_array)
{
    FINDS(OUT_OF_BOUNDS, past_a_row, ONE_WARP, UNSEEN);
}

static __global__ void past_dynamic(Planted m)
{
    DYN_SHARED(float, a);

    m.y[threadIdx.x] = 1;
    PLANT(a[threadIdx.x + 1] = 1);
}

TEST(simt_finds, a_write_past_dynamic_shared_memory)
{
    const Shape shape = { 1, 32, 1, 32 * sizeof(float) };

    FINDS(OUT_OF_BOUNDS, past_dynamic, shape, UNSEEN);
}

static __global__ void past_global(Planted m)
{
    m.y[threadIdx.x] = 1;
    PLANT(m.x[COUNT - 31 + threadIdx.x] = 1);
}

TEST(simt_finds, a_write_past_an_allocation)
{
    FINDS(OUT_OF_BOUNDS, past_global, ONE_WARP, UNSEEN);
}

static __global__ void before_global(Planted m)
{
    PLANT(m.y[threadIdx.x] = m.x[(int)threadIdx.x - 1]);
}

TEST(simt_finds, a_read_before_an_allocation)
{
    FINDS(OUT_OF_BOUNDS, before_global, ONE_WARP, WRONG_VALUE);
}

/* Four numbers, of which the last is outside. */
static __global__ void pack_past_global(Planted m)
{
    m.y[threadIdx.x] = 1;
    if (threadIdx.x == 0)
        PLANT(*reinterpret_cast<float2 *>(&m.x[COUNT]) = { 1, 1 });
}

TEST(simt_finds, a_pack_past_an_allocation)
{
    FINDS(OUT_OF_BOUNDS, pack_past_global, ONE_WARP, UNSEEN);
}

static __global__ void past_a_local_array(Planted m)
{
    float a[8];
    const int k = m.count[0] == 0 ? 8 : 0;

    for (int i = 0; i < 8; i++)
        a[i] = m.x[i];
    PLANT(m.y[threadIdx.x] = a[k]);
}

TEST(simt_finds, an_index_past_a_local_array)
{
    FINDS(OUT_OF_BOUNDS, past_a_local_array, ONE_WARP, UNSEEN);
}

/* ---- alignment --------------------------------------------------------- */

static __global__ void misaligned_pack(Planted m)
{
    const float *p = m.x + 1;

    m.y[threadIdx.x] = 1;
    if (threadIdx.x == 0)
        PLANT(m.y[1] = reinterpret_cast<const float4 *>(p)->w);
}

TEST(simt_finds, a_pack_at_an_odd_address)
{
    FINDS(MISALIGNED, misaligned_pack, ONE_WARP, UNSEEN);
}

static __global__ void misaligned_atomic(Planted m)
{
    char *p = (char *)m.count + 2;

    m.y[threadIdx.x] = 1;
    PLANT(atomicAdd((unsigned *)p, 1u));
}

TEST(simt_finds, an_atomic_at_an_odd_address)
{
    FINDS(MISALIGNED, misaligned_atomic, ONE_WARP, UNSEEN);
}

/* ---- values ------------------------------------------------------------ */

static __global__ void unwritten_shared(Planted m)
{
    SHARED(float, a, [33]);

    a[threadIdx.x] = 1;
    __syncthreads();
    PLANT(m.y[threadIdx.x] = a[threadIdx.x + 1]);
}

TEST(simt_finds, shared_memory_that_nobody_wrote)
{
    FINDS(UNINITIALISED, unwritten_shared, ONE_WARP, WRONG_VALUE);
}

/* Values left by an earlier block do not count. */
static __global__ void unwritten_by_the_second(Planted m)
{
    SHARED(float, a, [32]);

    if (gridDim.x == 2 && blockIdx.x == 0)
        a[threadIdx.x] = 1;
    m.y[blockIdx.x * 32 + threadIdx.x] = 1;
    if (blockIdx.x == 1)
        PLANT(m.y[32 + threadIdx.x] = a[threadIdx.x]);
}

TEST(simt_finds, shared_memory_that_only_another_block_wrote)
{
    const Shape shape = { 2, 32, 1, 0 };

    FINDS(UNINITIALISED, unwritten_by_the_second, shape, WRONG_VALUE);
}

static __global__ void unwritten_dynamic(Planted m)
{
    DYN_SHARED(float, a);

    PLANT(m.y[threadIdx.x] = a[threadIdx.x]);
}

TEST(simt_finds, dynamic_shared_memory_that_nobody_wrote)
{
    const Shape shape = { 1, 32, 1, 32 * sizeof(float) };

    FINDS(UNINITIALISED, unwritten_dynamic, shape, WRONG_VALUE);
}

static __global__ void unwritten_global(Planted m)
{
    PLANT(m.y[threadIdx.x] = m.never[threadIdx.x]);
}

TEST(simt_finds, device_memory_that_nobody_wrote)
{
    FINDS(UNINITIALISED, unwritten_global, ONE_WARP, WRONG_VALUE);
}

/* ---- whose memory ------------------------------------------------------ */

static __global__ void through_elsewhere(Planted m, float *p)
{
    PLANT(m.y[threadIdx.x] = p[threadIdx.x]);
}

/* One launch with p; what must be reported. */
static void finds_at(SimtKind kind, float *p, bool plain)
{
    Planted m;

    planted_skip_if_fatal(kind);
    BUG_IF(cudaMalloc(&m.y, COUNT * sizeof(float)));
    CHECK(simt_launch(through_elsewhere, dim3(1), dim3(32), 0, NULL, 1, m, p) !=
              cudaSuccess ||
          !(simt_is_checked() || plain));
    if (simt_is_checked() || plain)
        planted_reported(kind, __FILE__, planted_line);
    cudaFree(m.y);
}

TEST(simt_finds, a_pointer_to_the_hosts_memory)
{
    float *p = new float[32]();

    finds_at(SIMT_ILLEGAL_ADDRESS, p, false);
    delete[] p;
}

TEST(simt_finds, a_null_pointer)
{
    finds_at(SIMT_ILLEGAL_ADDRESS, NULL, true);
}

TEST(simt_finds, memory_that_was_freed)
{
    float *p;

    BUG_IF(cudaMalloc(&p, 32 * sizeof(float)));
    cudaMemset(p, 0, 32 * sizeof(float));
    cudaFree(p);
    finds_at(SIMT_FREED, p, false);
}

TEST(simt_finds, memory_that_was_freed_by_the_page)
{
    float *p;

    BUG_IF(cudaMalloc(&p, 1 << 20));
    cudaMemset(p, 0, 1 << 20);
    cudaFree(p);
    finds_at(SIMT_FREED, p + 100000, false);
}

static __global__ void local_of_another(Planted m)
{
    SHARED(float *, p, [1]);
    float mine = 1;

    if (threadIdx.x == 0)
        p[0] = &mine;
    __syncthreads();
    PLANT(m.y[threadIdx.x] = *p[0]);
    __syncthreads();
}

TEST(simt_finds, a_pointer_to_another_threads_local)
{
    FINDS(ILLEGAL_ADDRESS, local_of_another, ONE_WARP, UNSEEN);
}

static __device__ __noinline__ float deep(int depth, const float *above)
{
    float here[64];

    for (int i = 0; i < 64; i++)
        here[i] = above[i] + 1;
    return depth ? PLANT(deep(depth - 1, here)) + here[depth % 64] : here[5];
}

static __global__ void recursion(Planted m, int depth)
{
    float here[64] = { 0 };

    m.y[threadIdx.x] = deep(depth, here) > 0;
}

static cudaError_t recurse(int depth)
{
    cudaError_t err;
    Planted m;

    BUG_IF(cudaMalloc(&m.y, COUNT * sizeof(float)));
    err = simt_launch(recursion, dim3(1), dim3(32), 0, NULL, 1, m, depth);
    cudaFree(m.y);
    return err;
}

TEST(simt_finds, recursion_without_end)
{
    planted_skip_if_fatal(SIMT_STACK_OVERFLOW);
    CHECK(recurse(1000000) == cudaErrorLaunchFailure);
    planted_reported(SIMT_STACK_OVERFLOW, __FILE__, 0);
}

TEST(simt_accepts, recursion_of_some_depth)
{
    char text[512];

    CHECK(recurse(8) == cudaSuccess);
    CHECK_MSG(simt_take_errors(text, sizeof(text)) == 0, "%s", text);
}

/* ---- the host's part --------------------------------------------------- */

#ifdef __SANITIZE_THREAD__ /* the checked build */
TEST(simt_finds, a_host_that_touches_device_memory)
{
    volatile float *p;
    float got = 0;

    BUG_IF(cudaMalloc((void **)&p, 64));
    cudaMemset((void *)p, 0, 64);
    PLANT(got += p[0]);
    (void)got;
    planted_reported(SIMT_HOST_ACCESS, __FILE__, planted_line);
}
#endif

TEST(simt_finds, a_second_free)
{
    float *p;

    BUG_IF(cudaMalloc(&p, 64));
    CHECK(cudaFree(p) == cudaSuccess);
    CHECK(PLANT(cudaFree(p)) == cudaErrorInvalidValue);
    planted_reported(SIMT_HOST_CALL, __FILE__, planted_line);
}

TEST(simt_finds, a_copy_past_an_allocation)
{
    float *p, host[32] = { 0 };

    BUG_IF(cudaMalloc(&p, 31 * sizeof(float)));
    CHECK(PLANT(cudaMemcpy(p, host, sizeof(host), cudaMemcpyHostToDevice)) ==
          cudaErrorInvalidValue);
    planted_reported(SIMT_HOST_CALL, __FILE__, planted_line);
    CHECK(PLANT(cudaMemset(p, 0, sizeof(host))) == cudaErrorInvalidValue);
    planted_reported(SIMT_HOST_CALL, __FILE__, planted_line);
}
