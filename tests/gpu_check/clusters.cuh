/*
 * clusters.cuh - how many thread-block clusters a GPU holds at once, what their
 * barrier costs, and which SMs they share: a part of probe.cu
 *
 * A cluster stays within a group of SMs (a GPC), and the groups need not be of
 * one size: 132 SMs may hold fewer than 33 clusters of 4.
 */
#ifndef GPU_CHECK_CLUSTERS_H
#define GPU_CHECK_CLUSTERS_H

#include <cooperative_groups.h>

#include "tests/gpu_check/gpu.cuh"

namespace cg = cooperative_groups;

enum { SMS_MAX = 1024, STAY_NS = 200000, BARRIERS = 2000 };

/* Clusters that run, and the most there were; of each block, its SM. */
struct Seen {
    int now, most;
    short sm[16 * SMS_MAX];
};

/* Each cluster stays for a while, so that all that fit are there at once. */
static __global__ void stay(Seen *seen, unsigned long long ns)
{
#if __CUDA_ARCH__ >= 900
    const unsigned long long start = now_ns();
    const cg::cluster_group cluster = cg::this_cluster();
    unsigned sm;

    asm("mov.u32 %0, %smid;" : "=r"(sm));
    if (threadIdx.x == 0)
        seen->sm[blockIdx.x] = (short)sm;
    cluster.sync();
    if (cluster.block_rank() == 0 && threadIdx.x == 0)
        atomicMax(&seen->most, atomicAdd(&seen->now, 1) + 1);
    while (now_ns() - start < ns)
        ;
    cluster.sync();
    if (cluster.block_rank() == 0 && threadIdx.x == 0)
        atomicSub(&seen->now, 1);
#endif
}

static __global__ void barriers(int n)
{
#if __CUDA_ARCH__ >= 900
    for (int i = 0; i < n; i++)
        cg::this_cluster().sync();
#endif
}

/* A chain of loads through the next block's shared memory. */
static __global__ void chase_shared(int steps, unsigned *end)
{
#if __CUDA_ARCH__ >= 900
    __shared__ unsigned next[1024];
    const cg::cluster_group cluster = cg::this_cluster();
    const unsigned *theirs = cluster.map_shared_rank(
        next, (cluster.block_rank() + 1) % cluster.num_blocks());
    unsigned at = 0;

    for (unsigned i = threadIdx.x; i < 1024; i += blockDim.x)
        next[i] = (i + 33) % 1024;
    cluster.sync();
    if (threadIdx.x == 0 && cluster.block_rank() == 0) {
        for (int i = 0; i < steps; i++)
            at = *(const volatile unsigned *)(theirs + at);
        *end = at;
    }
    cluster.sync();
#endif
}

/* A launch of blocks in clusters, with shared memory that lets `per_sm` of
 * them share an SM. */
struct Shape {
    cudaLaunchConfig_t config;
    cudaLaunchAttribute attribute;
};

static int shared_bytes(const Gpu *g, int per_sm)
{
    const int reserved = 1024; /* what CUDA keeps of each block's */
    const int least = g->shared_sm / (per_sm + 1) + reserved;
    const int most = g->shared_sm / per_sm - reserved;
    const int want = per_sm == 1 ? least : most;

    return want < g->shared_block ? want : g->shared_block;
}

static void shape_make(Shape *s, const Gpu *g, int size, int per_sm, int blocks)
{
    *s = {};
    s->attribute.id = cudaLaunchAttributeClusterDimension;
    s->attribute.val.clusterDim.x = (unsigned)size;
    s->attribute.val.clusterDim.y = s->attribute.val.clusterDim.z = 1;
    s->config.gridDim = dim3((unsigned)blocks);
    s->config.blockDim = dim3(256);
    s->config.dynamicSmemBytes = (size_t)shared_bytes(g, per_sm);
    s->config.stream = g->stream;
    s->config.attrs = &s->attribute;
    s->config.numAttrs = 1;
}

static void allow(const void *kernel, int bytes)
{
    must(cudaFuncSetAttribute(
             kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
         "cudaFuncSetAttribute");
    must(cudaFuncSetAttribute(
             kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
         "cudaFuncSetAttribute");
}

/* SMs that were seen in one cluster are of one group. */
struct Groups {
    int of[SMS_MAX];
};

static int root(Groups *all, int sm)
{
    while (all->of[sm] != sm)
        sm = all->of[sm];
    return sm;
}

static void join(Groups *all, const Seen *seen, int blocks, int size)
{
    for (int i = 0; i < blocks; i++)
        all->of[root(all, seen->sm[i])] = root(all, seen->sm[i - i % size]);
}

static void say_groups(Groups *all, int sms)
{
    char key[32];
    int n = 0;

    for (int i = 0; i < sms; i++) {
        int members = 0;

        for (int k = 0; k < sms; k++)
            members += root(all, k) == i;
        if (members < 2) /* none, or one that no cluster came to */
            continue;
        snprintf(key, sizeof(key), "gpc_%d_sms", n++);
        say(key, members);
    }
}

/* How many fit as CUDA says, and as is seen; what ran is added to the groups.
 * there: on the device. */
static void fit(const Gpu *g, Seen *there, Groups *all, int size, int per_sm)
{
    static Seen seen;
    const int blocks = (3 * g->sms * per_sm / size + 1) * size;
    char key[32];
    int clusters = 0;
    Shape s;

    shape_make(&s, g, size, per_sm, blocks);
    must(cudaOccupancyMaxActiveClusters(&clusters, stay, &s.config),
         "cudaOccupancyMaxActiveClusters");
    snprintf(key, sizeof(key), "clusters_%d_%d", size, per_sm);
    say(key, clusters);
    if (!clusters)
        return;
    must(cudaMemsetAsync(there, 0, sizeof(*there), g->stream),
         "cudaMemsetAsync");
    must(cudaLaunchKernelEx(&s.config, stay, there,
                            (unsigned long long)STAY_NS),
         "launch of clusters");
    must(cudaStreamSynchronize(g->stream), "clusters");
    must(cudaMemcpy(&seen, there, sizeof(seen), cudaMemcpyDeviceToHost),
         "cudaMemcpy");
    snprintf(key, sizeof(key), "clusters_%d_%d_seen", size, per_sm);
    say(key, seen.most);
    join(all, &seen, blocks, size);
}

/* Of one kernel that runs n of something, and then 2 n. */
template <typename Launch>
static double inside_ns(const Gpu *g, int n, Launch launch)
{
    float ns[SAMPLES];

    launch(n);
    for (int i = 0; i < SAMPLES; i++) {
        float took[2];

        for (int k = 0; k < 2; k++) {
            gpu_start(g, 100000);
            launch((k + 1) * n);
            took[k] = gpu_stop_ns(g);
        }
        ns[i] = (took[1] - took[0]) / (float)n;
    }
    return median(ns);
}

static void probe_barriers(const Gpu *g, unsigned *end)
{
    char key[40];
    Shape s;

    for (int size = 2; size <= 16; size *= 2) {
        shape_make(&s, g, size, 1, size);
        s.config.dynamicSmemBytes = 0;
        snprintf(key, sizeof(key), "cluster_barrier_%d_ns", size);
        if (size == 4)
            snprintf(key, sizeof(key), "cluster_barrier_ns");
        say(key, inside_ns(g, BARRIERS, [&](int n) {
                must(cudaLaunchKernelEx(&s.config, barriers, n), "barriers");
            }));
    }
    shape_make(&s, g, 4, 1, 4);
    s.config.dynamicSmemBytes = 0;
    say("dsmem_ns", inside_ns(g, BARRIERS, [&](int n) {
            must(cudaLaunchKernelEx(&s.config, chase_shared, n, end), "dsmem");
        }));
}

static void probe_clusters(const Gpu *g)
{
    static Groups all;
    Seen *seen;

    if (g->major < 9 || g->sms > SMS_MAX)
        return;
    must(cudaMalloc(&seen, sizeof(*seen)), "cudaMalloc");
    for (int i = 0; i < SMS_MAX; i++)
        all.of[i] = i;
    allow((const void *)stay, g->shared_block);
    allow((const void *)barriers, 0);
    for (int size = 2; size <= 16; size *= 2)
        for (int per_sm = 1; per_sm <= 2; per_sm++)
            fit(g, seen, &all, size, per_sm);
    say_groups(&all, g->sms);
    probe_barriers(g, (unsigned *)&seen->now);
    must(cudaFree(seen), "cudaFree");
}

#endif
