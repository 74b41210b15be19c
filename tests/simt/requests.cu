/*
 * requests.cu - what the checked build counts of a kernel's requests: sectors,
 * wavefronts, bytes that must travel, and waits.
 */
#include "kernels/simt/prims.h"
#include "tests/simt/planted.h"

#ifdef __SANITIZE_THREAD__ /* the checked build */

enum { N = 1024 };

static __global__ void packs(Planted m)
{
    ((uint4 *)m.y)[threadIdx.x] = ((const uint4 *)m.x)[threadIdx.x];
}

static __global__ void every_eighth(Planted m)
{
    m.y[threadIdx.x] = m.x[threadIdx.x * 8];
}

/* Lane i of a warp reads word i * 32: all of one bank. */
static __global__ void one_bank(Planted m)
{
    SHARED(float, tile, [32 * 32]);

    for (int i = 0; i < 32; i++)
        tile[i * 32 + threadIdx.x] = 1;
    __syncthreads();
    m.y[threadIdx.x] = tile[threadIdx.x * 32];
}

static __global__ void padded(Planted m)
{
    SHARED(float, tile, [32 * 33]);

    for (int i = 0; i < 32; i++)
        tile[i * 33 + threadIdx.x] = 1;
    __syncthreads();
    m.y[threadIdx.x] = tile[threadIdx.x * 33];
}

static __global__ void same_word(Planted m)
{
    SHARED(float, one, [1]);

    if (threadIdx.x == 0)
        one[0] = 1;
    __syncthreads();
    m.y[threadIdx.x] = one[0];
}

static __global__ void shared_packs(Planted m)
{
    SHARED(Word16, tile, [32]);

    tile[threadIdx.x] = Word16{ 1, 1, 1, 1 };
    __syncthreads();
    m.y[threadIdx.x] = reinterpret_cast<float *>(tile)[threadIdx.x * 4];
}

struct Three {
    float at[3];
};

static __global__ void structs(Planted m)
{
    SHARED(Three, tile, [32]);

    tile[threadIdx.x] = { { 1, 1, 1 } };
    __syncthreads();
    Three mine = tile[threadIdx.x];

    m.y[threadIdx.x] = mine.at[0] * mine.at[1] * mine.at[2];
}

static __global__ void three_rounds(Planted m)
{
    float v = m.x[threadIdx.x];

    __syncthreads();
    v += m.x[threadIdx.x + 32];
    __syncthreads();
    v += m.x[threadIdx.x + 64];
    __syncthreads();
    m.y[threadIdx.x] = v;
}

static __global__ void read_twice(Planted m)
{
    volatile float *x = m.x;

    m.y[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    m.y[threadIdx.x] += x[threadIdx.x];
}

static __global__ void by_copies(Planted m)
{
    SHARED(uint4, tile, [32]);

    cp_async16(&tile[threadIdx.x], (const uint4 *)m.x + threadIdx.x);
    cp_async_commit();
    cp_async_wait<0>();
    m.y[threadIdx.x] = (float)tile[threadIdx.x].x;
}

static __global__ void meets(Planted m)
{
    namespace cg = cooperative_groups;

    cg::this_cluster().sync();
    m.y[threadIdx.x + blockIdx.x * blockDim.x] = 1;
    cg::this_cluster().sync();
}

/* Requests of one warp; x counts as images. */
static SimtCounts counts_of(PlantedKernel *kernel, unsigned blocks,
                            unsigned cluster)
{
    static float ones[N];
    Planted m = {};
    SimtCounts c;

    BUG_IF(cudaMalloc(&m.x, sizeof(ones)) || cudaMalloc(&m.y, sizeof(ones)));
    cudaMemcpy(m.x, ones, sizeof(ones), cudaMemcpyHostToDevice);
    cudaMemcpy(m.y, ones, sizeof(ones), cudaMemcpyHostToDevice);
    simt_count_start();
    simt_count_images(m.x, sizeof(ones));
    CHECK(simt_launch(kernel, dim3(blocks), dim3(32), 0, NULL, cluster, m) ==
          cudaSuccess);
    simt_count_stop();
    BUG_IF(!simt_counted(0) || simt_counted(1));
    c = *simt_counted(0);
    cudaFree(m.x);
    cudaFree(m.y);
    return c;
}

TEST(simt_requests, packs_ask_for_whole_sectors)
{
    const SimtCounts c = counts_of(packs, 1, 1);

    CHECK(c.blocks == 1 && c.threads == 32 && c.cluster == 1);
    CHECK(c.loads.requests == 1 && c.stores.requests == 1);
    CHECK(c.loads.units == 16 && c.loads.ideal == 16 && c.loads.cycles == 4);
    CHECK(c.image_read == 512 && c.weight_read == 0 && c.written == 512);
}

TEST(simt_requests, strides_ask_for_more_sectors_than_they_use)
{
    const SimtCounts c = counts_of(every_eighth, 1, 1);

    CHECK(c.loads.units == 32 && c.loads.ideal == 4);
    CHECK(c.image_read == 32 * 32 && c.written == 128);
}

TEST(simt_requests, lanes_of_one_bank_take_turns)
{
    const SimtCounts c = counts_of(one_bank, 1, 1);
    const SimtCounts p = counts_of(padded, 1, 1);

    CHECK(c.shared.requests == 33);
    CHECK_MSG(c.shared.units == 32 + 32, "%g", c.shared.units);
    CHECK(p.shared.units == 32 + 1);
    CHECK(c.shared.ideal == 33 && c.block_cycles == 64 + 1);
}

TEST(simt_requests, lanes_of_one_word_share_it)
{
    CHECK(counts_of(same_word, 1, 1).shared.units == 2);
}

TEST(simt_requests, packs_of_shared_memory_take_four_wavefronts)
{
    const SimtCounts c = counts_of(shared_packs, 1, 1);

    /* 32 x 16 bytes written: 4; and a float of every fourth read: 4 */
    CHECK_MSG(c.shared.units == 8 && c.shared.ideal == 4 + 1, "%g of %g",
              c.shared.units, c.shared.ideal);
}

/* At a stride of three words no two lanes meet in a bank. */
TEST(simt_requests, structs_are_moved_by_words)
{
    const SimtCounts c = counts_of(structs, 1, 1);

    CHECK_MSG(c.shared.units == 6, "%g", c.shared.units);
}

TEST(simt_requests, a_block_waits_once_from_barrier_to_barrier)
{
    CHECK(counts_of(three_rounds, 1, 1).rounds == 3);
    CHECK(counts_of(packs, 4, 1).rounds == 1);
    CHECK(counts_of(meets, 4, 4).rounds == 0);
}

TEST(simt_requests, what_is_read_again_travels_once)
{
    const SimtCounts c = counts_of(read_twice, 1, 1);

    CHECK(c.loads.units == 12); /* x twice, y once */
    CHECK(c.image_read == 128 && c.weight_read == 128);
}

TEST(simt_requests, an_asynchronous_copy_counts_once)
{
    const SimtCounts c = counts_of(by_copies, 1, 1);

    CHECK(c.loads.units == 16 && c.image_read == 512);
    CHECK_MSG(c.shared.requests == 2, "%g", c.shared.requests);
}

TEST(simt_requests, barriers_of_clusters_are_counted)
{
    const SimtCounts c = counts_of(meets, 8, 4);

    CHECK(c.cluster == 4 && c.blocks == 8 && c.cluster_syncs == 2);
}

TEST(simt_requests, places_with_the_most_to_gain_come_first)
{
    SimtPlace place[4];

    counts_of(one_bank, 1, 1);
    REQUIRE(simt_counted_places(place, 4) >= 3);
    CHECK(place[0].shared && !place[0].writes && place[0].sum.units == 32);
    CHECK_MSG(strstr(place[0].where, "requests.cu:"), "%s", place[0].where);
}

/* The checker judges again after it has counted. */
static __global__ void out_of_bounds(Planted m)
{
    m.y[threadIdx.x] = m.x[N + threadIdx.x];
}

TEST(simt_requests, what_is_counted_is_not_judged)
{
    Planted m = {};
    char text[1000];

    counts_of(packs, 1, 1);
    BUG_IF(cudaMalloc(&m.x, N * 4) || cudaMalloc(&m.y, N * 4));
    CHECK(simt_launch(out_of_bounds, dim3(1), dim3(32), 0, NULL, 1, m) ==
          cudaErrorLaunchFailure);
    CHECK(simt_take_errors(text, sizeof(text)) > 0);
}
#endif
