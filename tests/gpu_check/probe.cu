/*
 * probe.cu - what a GPU is like where no data sheet says it: launches,
 * clusters, latencies, bandwidths.
 *
 * Prints CSV, key and value, as `attnbench why --backend=model --card=FILE`
 * reads it.  Times are medians, in nanoseconds.  What takes an interval of
 * events is measured twice, with some and with twice as many; the difference has
 * neither the events nor the ends of the interval in it.
 *
 *     ghz                of a multiprocessor that is busy
 *     launch_ns          from one launch in a stream to the next
 *     node_ns            from one kernel of a graph to the next
 *     graph_ns           from one launch of a graph of one kernel to the next
 *     event_ns           two events with nothing between them
 *     dram_bytes_per_ns  a copy of 1 GiB, bytes read and written
 *     l2_bytes_per_ns    a copy of an eighth of L2, again and again
 *     round_trip_ns      a load that waits for the last one, from DRAM
 *     round_trip_l2_ns   the same from L2
 *     dsmem_ns           the same from the shared memory of a cluster's block
 *     cluster_barrier_ns a barrier of a cluster of 4; _2_, _8_, _16_
 *     clusters_S_B       clusters of S that fit with B blocks an SM, by CUDA
 *     clusters_S_B_seen  the most that were seen to run at once
 *     gpc_N_sms          SMs of the Nth group that clusters stay in, as seen
 *
 * Keys of clusters are left out where the card has none.
 */
#include "tests/gpu_check/clusters.cuh"
#include "tests/gpu_check/gpu.cuh"

enum { LAUNCHES = 200, HOLD_NS = 3000000, CHASE = 5000 };

static __global__ void nothing()
{
}

/* A copy of n packs, rounds times; L1 is left out of it. */
static __global__ void copy_rounds(uint4 *dst, const uint4 *src, size_t n,
                                   int rounds)
{
    const size_t step = (size_t)gridDim.x * blockDim.x;

    for (int r = 0; r < rounds; r++)
        for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n;
             i += step)
            __stcg(dst + i, __ldcg(src + i));
}

/* Links each number to the one that is `stride` further, round and round. */
static __global__ void make_chain(unsigned *next, unsigned n, unsigned stride)
{
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += gridDim.x * blockDim.x)
        next[i] = (i + stride) % n;
}

/* Continues where the last one ended: what that one read is in a cache. */
static __global__ void follow(const unsigned *next, int steps, unsigned *end)
{
    unsigned at = *end;

    for (int i = 0; i < steps; i++)
        at = __ldcg(next + at);
    *end = at;
}

struct Probe {
    Gpu gpu;
    cudaGraphExec_t one, some, twice;
    size_t bytes;   /* of a copy  */
    unsigned chain; /* numbers in it */
    uint4 *src, *dst;
};

static void launches(const Probe *p, int n)
{
    for (int i = 0; i < n; i++)
        nothing<<<p->gpu.sms, 256, 0, p->gpu.stream>>>();
}

static void graphs(const Probe *p, int n)
{
    for (int i = 0; i < n; i++)
        must(cudaGraphLaunch(p->one, p->gpu.stream), "cudaGraphLaunch");
}

static void nodes(const Probe *p, int n)
{
    must(cudaGraphLaunch(n > LAUNCHES ? p->twice : p->some, p->gpu.stream),
         "cudaGraphLaunch");
}

static void copies(const Probe *p, int n)
{
    copy_rounds<<<4 * p->gpu.sms, 512, 0, p->gpu.stream>>>(
        p->dst, p->src, p->bytes / sizeof(uint4), n);
}

static void chases(const Probe *p, int n)
{
    follow<<<1, 1, 0, p->gpu.stream>>>((const unsigned *)p->src, n,
                                       (unsigned *)p->dst);
}

/* Nanoseconds of each of n things, which run(p, count) queues. */
static double each_ns(const Probe *p, void (*run)(const Probe *, int), int n)
{
    float ns[SAMPLES];

    run(p, 2 * n); /* loads what it needs */
    must(cudaStreamSynchronize(p->gpu.stream), "synchronize");
    for (int i = 0; i < SAMPLES; i++) {
        float took[2];

        for (int k = 0; k < 2; k++) {
            gpu_start(&p->gpu, HOLD_NS);
            run(p, (k + 1) * n);
            took[k] = gpu_stop_ns(&p->gpu);
        }
        ns[i] = (took[1] - took[0]) / (float)n;
    }
    return median(ns);
}

static cudaGraphExec_t graph_of(const Probe *p, int n)
{
    cudaGraph_t graph;
    cudaGraphExec_t exec;

    must(cudaStreamBeginCapture(p->gpu.stream, cudaStreamCaptureModeRelaxed),
         "cudaStreamBeginCapture");
    launches(p, n);
    must(cudaStreamEndCapture(p->gpu.stream, &graph), "cudaStreamEndCapture");
    must(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate");
    must(cudaGraphUpload(exec, p->gpu.stream), "cudaGraphUpload");
    must(cudaGraphDestroy(graph), "cudaGraphDestroy");
    return exec;
}

static void probe_launches(Probe *p)
{
    say("launch_ns", each_ns(p, launches, LAUNCHES));
    p->one = graph_of(p, 1);
    p->some = graph_of(p, LAUNCHES);
    p->twice = graph_of(p, 2 * LAUNCHES);
    say("node_ns", each_ns(p, nodes, LAUNCHES));
    say("graph_ns", each_ns(p, graphs, LAUNCHES / 2));
    must(cudaGraphExecDestroy(p->one), "cudaGraphExecDestroy");
    must(cudaGraphExecDestroy(p->some), "cudaGraphExecDestroy");
    must(cudaGraphExecDestroy(p->twice), "cudaGraphExecDestroy");
}

static void probe_events(const Probe *p)
{
    float ns[SAMPLES];

    for (int i = 0; i < SAMPLES; i++) {
        gpu_start(&p->gpu, HOLD_NS / 10);
        ns[i] = gpu_stop_ns(&p->gpu);
    }
    say("event_ns", median(ns));
}

static void probe_bandwidth(Probe *p)
{
    p->bytes = (size_t)1 << 30;
    say("dram_bytes_per_ns", 2.0 * (double)p->bytes / each_ns(p, copies, 1));
    p->bytes = (size_t)p->gpu.l2_bytes / 8 & ~(size_t)15;
    say("l2_bytes_per_ns", 2.0 * (double)p->bytes / each_ns(p, copies, 50));
}

/* Steps of 4 KiB and some: a chain of 1 GiB is long enough for each load to be of
 * a line that was not read before. */
static void chain(Probe *p, size_t bytes)
{
    p->chain = (unsigned)(bytes / sizeof(unsigned)) - 1;
    must(cudaMemsetAsync(p->dst, 0, sizeof(unsigned), p->gpu.stream),
         "cudaMemsetAsync"); /* where it begins */
    make_chain<<<4 * p->gpu.sms, 256, 0, p->gpu.stream>>>((unsigned *)p->src,
                                                          p->chain, 1024 + 32);
}

static void probe_latency(Probe *p)
{
    chain(p, (size_t)1 << 30);
    say("round_trip_ns", each_ns(p, chases, CHASE));
    chain(p, (size_t)p->gpu.l2_bytes / 16);
    say("round_trip_l2_ns", each_ns(p, chases, CHASE));
}

/* Cycles and nanoseconds of a while that is busy. */
static __global__ void count_cycles(unsigned long long ns, long long *out)
{
    const unsigned long long start = now_ns();
    const long long cycles = clock64();

    while (now_ns() - start < ns)
        ;
    if (blockIdx.x || threadIdx.x)
        return;
    out[0] = clock64() - cycles;
    out[1] = (long long)(now_ns() - start);
}

static void probe_clock(const Probe *p)
{
    long long out[2];

    count_cycles<<<p->gpu.sms, 256, 0, p->gpu.stream>>>(20000000,
                                                        (long long *)p->dst);
    must(cudaStreamSynchronize(p->gpu.stream), "clock");
    must(cudaMemcpy(out, p->dst, sizeof(out), cudaMemcpyDeviceToHost),
         "cudaMemcpy");
    say("ghz", (double)out[0] / (double)out[1]);
}

int main()
{
    Probe p = {};

    gpu_open(&p.gpu);
    must(cudaMalloc(&p.src, (size_t)1 << 30), "cudaMalloc");
    must(cudaMalloc(&p.dst, (size_t)1 << 30), "cudaMalloc");
    must(cudaMemset(p.src, 0x3c, (size_t)1 << 30), "cudaMemset");

    printf("key,value\n");
    say("sms", p.gpu.sms);
    say("l2_size", p.gpu.l2_bytes);
    probe_clock(&p);
    probe_events(&p);
    probe_launches(&p);
    probe_bandwidth(&p);
    probe_latency(&p);
    probe_clusters(&p.gpu);
    must(cudaDeviceSynchronize(), "probe");
    return 0;
}
