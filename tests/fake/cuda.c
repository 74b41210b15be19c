/*
 * cuda.c - a CUDA runtime without CUDA, under the backend's own code, in a
 *          plugin that loads like the real one.
 *
 * The host's clock moves by launch_ns a launch, the card's by kernel_ns a
 * kernel; a launch waits in the queue until the card comes to it.  The card
 * works only when the host waits for it, because nothing else can tell.  A
 * kernel computes nothing, unless it is one of ours (own.c), which the host
 * runs at its launch: what is tested is the order of things, the times that
 * come out, and what happens when a call fails, or is none that a capture may
 * have.
 */
#include "tests/fake/cuda.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/backend/card.h"
#include "kernels/cuda/backend/list.h"
#include "kernels/cuda/backend/roofs.h"
#include "kernels/cuda/library/library.h"
#include "kernels/ops/ops.h"
#include "tests/fake/own.h"

enum { QUEUE = 1 << 16, ALIGN = 256 };

typedef enum Kind { KERNEL, HOLD, EVENT, TICKS } Kind;

typedef struct Item {
    Kind kind;
    double at, ns; /* queued at; takes */
    Latch *gate;
    unsigned ticket;
    struct CUevent_st *event;
} Item;

struct CUevent_st {
    double at;
    bool done;
};

/* A graph is the kernels that were captured; NULL: those compute nothing. */
enum { CAPTURED = 1024 };
struct CUgraph_st {
    int kernels;
    FakeLaunch at[CAPTURED];
};

static FakeCuda fake = {
    .devices = 1,
    .driver = 13000,
    .arch = 90,
    .memory = (size_t)1 << 30,
    .launch_ns = 3000,
    .kernel_ns = 1000,
    .depth = 1000,
    .failure = cudaErrorIllegalAddress,
    .block_shared = 227 << 10,
    .l2_bytes = 1 << 20,
};
static Item queue[QUEUE];
static int first, end;
static bool capturing, invalid; /* a capture; one that was violated */
static struct CUgraph_st captured;
static bool lost; /* since a sticky failure */
static size_t used;

__attribute__((visibility("default"))) FakeCuda *fake_cuda(void)
{
    return &fake;
}

/* ---- the card --------------------------------------------------------- */

/* The host waits for the item at the head.  A gate that is closed by now stays
 * so: nobody is there to open it. */
static void finish_head(void)
{
    Item *i = &queue[first++];
    double start = i->at > fake.card_ns ? i->at : fake.card_ns;

    if (i->kind == HOLD && (int)(i->gate->opened - i->ticket) < 0) {
        i->gate->gave_up = i->ticket;
        fake.gave_up++;
        start += i->ns;
    } else if (i->kind == HOLD) {
        start = fake.host_ns > start ? fake.host_ns : start;
    } else {
        start += i->ns;
    }
    fake.card_ns = start;
    fake.kernels += i->kind == KERNEL;
    if (i->event) {
        i->event->at = start;
        i->event->done = true;
    }
}

static void finish_all(void)
{
    while (first < end)
        finish_head();
    first = end = 0;
    if (fake.host_ns < fake.card_ns)
        fake.host_ns = fake.card_ns;
}

static int put(Item item)
{
    if (capturing) {
        captured.kernels += item.kind == KERNEL;
        return cudaSuccess;
    }
    fake.host_ns += fake.launch_ns;
    if (end - first == fake.depth) {
        finish_head();
        if (fake.host_ns < fake.card_ns)
            fake.host_ns = fake.card_ns;
    }
    if (end == QUEUE)
        return cudaErrorInvalidValue;
    item.at = fake.host_ns;
    queue[end++] = item;
    return cudaSuccess;
}

/* ---- failures --------------------------------------------------------- */

/* Each call that may fail: whether its turn has come. */
static bool fails(const char *name)
{
    if (lost && fake.sticky)
        return true;
    if (++fake.calls != fake.fail_at)
        return false;
    fake.failed = name;
    fake.last_error = fake.failure;
    lost = fake.sticky;
    return true;
}
#define MAY_FAIL()                            \
    do {                                      \
        if (fails(__func__))                  \
            return (cudaError_t)fake.failure; \
    } while (0)

/* Each call that a capture forbids, because it waits or might.  A copy is not
 * forbidden, but would be made again at each replay, of what is there then. */
static bool violates(const char *name)
{
    if (!capturing)
        return false;
    invalid = true;
    if (!fake.illegal)
        fake.illegal = name;
    fake.last_error = cudaErrorStreamCaptureUnsupported;
    return true;
}
#define NOT_IN_A_CAPTURE()                            \
    do {                                              \
        if (violates(__func__))                       \
            return cudaErrorStreamCaptureUnsupported; \
    } while (0)

/* ---- what is launched ------------------------------------------------- */

int cuda_launch_hold(CardStream stream, Latch *gate, unsigned ticket,
                     unsigned long long limit_ns)
{
    (void)stream;
    return put((Item){
        .kind = HOLD, .ns = (double)limit_ns, .gate = gate, .ticket = ticket });
}

int cuda_launch_ticks(CardStream stream, CardTicks *ticks,
                      unsigned long long ns)
{
    (void)stream;
    if (fake.foreign)
        return cudaErrorNoKernelImageForDevice;
    ticks->ns = ns;
    ticks->cycles = ns * 3 / 2;
    return put((Item){ .kind = TICKS, .ns = (double)ns });
}

int fake_launch(const FakeLaunch *launch)
{
    if (fails("cudaLaunchKernel"))
        return fake.failure;
    if (capturing && captured.kernels == CAPTURED)
        return cudaErrorInvalidValue;
    if (capturing)
        captured.at[captured.kernels] = *launch;
    return put((Item){ .kind = KERNEL, .ns = fake.kernel_ns });
}

static int run(Device *dev, const Tensor *out, void *state)
{
    (void)dev;
    (void)out;
    (void)state;
    return cuda_check(fake_launch(&(FakeLaunch){ NULL }), "cudaLaunchKernel");
}

static const Kernel plain = { .op = &relu_def, .name = "plain", .run = run };
static const Kernel cluster = { .op = &relu_def,
                                .name = "cluster",
                                .run = run };

const Kernel *cuda_kernel_at(const CudaDevice *cuda, int i)
{
    const bool clusters = !cuda || cuda_has_clusters(cuda);
    const Kernel *k = cuda_library_kernel_at(cuda ? cuda->libraries : NULL, &i);

    if (k || fake.own_kernels)
        return k ? k : fake_own_kernel_at(clusters, i);
    if (clusters)
        return i == 0 ? &cluster : i == 1 ? &plain : NULL;
    return i == 0 ? &plain : NULL;
}

/* Those of the libraries are only listed. */
#define X(id) const Kernel cudnn_##id = { .op = &id##_def, .name = "cudnn" };
CUDNN_KERNELS(X)
#undef X
#define X(id) \
    const Kernel cublas_##id = { .op = &id##_def, .name = "cublaslt" };
CUBLAS_KERNELS(X)
#undef X

/* Roofs take memory and libraries that the fake has not. */
bool cuda_roof_at(Device *dev, int i, RoofKind *out)
{
    (void)dev;
    (void)i;
    (void)out;
    return false;
}

int cuda_roof_run(Device *dev, int i, double *work)
{
    (void)dev;
    (void)i;
    *work = 0;
    return OK;
}

size_t cuda_cache_bytes(Device *dev)
{
    return ((Card *)dev)->l2_bytes;
}

void cuda_roofs_release(Device *dev)
{
    (void)dev;
}

/* Nor is there a counter that it could calibrate. */
int cuda_known_work(KnownWork *out, Device *dev, Dtype dtype)
{
    (void)dtype;
    *out = (KnownWork){ .dev = dev };
    return OK;
}

void known_work(Calibration *out, KnownWork *work)
{
    (void)work;
    *out = (Calibration){ .n = 0 };
}

/* ---- the runtime ------------------------------------------------------ */

static cudaError_t make(void *out, size_t bytes)
{
    void *p = calloc(1, bytes);

    if (!p)
        return cudaErrorMemoryAllocation;
    fake.live++;
    memcpy(out, &p, sizeof(p));
    return cudaSuccess;
}

static cudaError_t unmake(void *p)
{
    fake.live -= p != NULL;
    free(p);
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *n)
{
    MAY_FAIL();
    if (!fake.driver || fake.driver < 13000)
        return cudaErrorInsufficientDriver;
    if (!fake.devices)
        return cudaErrorNoDevice;
    *n = fake.devices;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = fake.driver;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    MAY_FAIL();
    return device < fake.devices ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device)
{
    MAY_FAIL();
    snprintf(p->name, sizeof(p->name), "Fake %d", device);
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr which,
                                   int device)
{
    (void)device;
    *value = 0;
    switch (which) {
    case cudaDevAttrMultiProcessorCount:
        *value = 132;
        break;
    case cudaDevAttrL2CacheSize:
        *value = fake.l2_bytes;
        break;
    case cudaDevAttrComputeCapabilityMajor:
        *value = fake.arch / 10;
        break;
    case cudaDevAttrComputeCapabilityMinor:
        *value = fake.arch % 10;
        break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = fake.block_shared;
        break;
    case cudaDevAttrClusterLaunch:
        *value = !fake.without_cluster;
        break;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
        *value = 2000000;
        break;
    case cudaDevAttrGlobalMemoryBusWidth:
        *value = 5120;
        break;
    default:
        return cudaErrorInvalidValue;
    }
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int size, int device)
{
    MAY_FAIL();
    snprintf(id, (size_t)size, "0000:%02X:00.0", device + 0x3b);
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t err)
{
    return err == cudaErrorIllegalAddress ? "an illegal address" : "some error";
}

cudaError_t cudaGetLastError(void)
{
    const int err = lost && fake.sticky ? fake.failure : fake.last_error;

    fake.last_error = cudaSuccess;
    return (cudaError_t)err;
}

/* Resets what is lost; all else has been freed, or the test sees it live. */
cudaError_t cudaDeviceReset(void)
{
    fake.device_resets++;
    lost = fake.dead && lost;
    capturing = false;
    first = end = 0;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    MAY_FAIL();
    return flags == cudaStreamNonBlocking ? make(stream, 1)
                                          : cudaErrorInvalidValue;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    finish_all();
    return unmake(stream);
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    MAY_FAIL();
    return make(event, sizeof(struct CUevent_st));
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    return unmake(event);
}

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags)
{
    NOT_IN_A_CAPTURE();
    MAY_FAIL();
    return flags == cudaHostAllocMapped ? make(p, bytes)
                                        : cudaErrorInvalidValue;
}

cudaError_t cudaFreeHost(void *p)
{
    NOT_IN_A_CAPTURE();
    return unmake(p);
}

cudaError_t cudaHostGetDevicePointer(void **out, void *p, unsigned flags)
{
    MAY_FAIL();
    (void)flags;
    *out = p;
    return cudaSuccess;
}

/* Device memory: its size stands before it. */
cudaError_t cudaMalloc(void **p, size_t bytes)
{
    char *base;

    NOT_IN_A_CAPTURE();
    MAY_FAIL();
    if (bytes > fake.memory - used)
        return cudaErrorMemoryAllocation;
    base = aligned_alloc(ALIGN, ALIGN + (bytes + ALIGN - 1) / ALIGN * ALIGN);
    if (!base)
        return cudaErrorMemoryAllocation;
    memcpy(base, &bytes, sizeof(bytes));
    used += bytes;
    fake.live++;
    *p = base + ALIGN;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    size_t bytes;

    if (!p)
        return cudaSuccess;
    NOT_IN_A_CAPTURE();
    finish_all();
    memcpy(&bytes, (char *)p - ALIGN, sizeof(bytes));
    used -= bytes;
    return unmake((char *)p - ALIGN);
}

cudaError_t cudaMemGetInfo(size_t *unused, size_t *all)
{
    *unused = fake.memory - used;
    *all = fake.memory;
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes,
                            enum cudaMemcpyKind kind, cudaStream_t stream)
{
    NOT_IN_A_CAPTURE();
    MAY_FAIL();
    (void)kind;
    (void)stream;
    finish_all();
    memcpy(to, from, bytes);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    NOT_IN_A_CAPTURE();
    MAY_FAIL();
    (void)stream;
    finish_all();
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    MAY_FAIL();
    (void)stream;
    event->done = false;
    return (cudaError_t)put((Item){ .kind = EVENT, .event = event });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    NOT_IN_A_CAPTURE();
    MAY_FAIL();
    (void)event;
    finish_all();
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    NOT_IN_A_CAPTURE();
    MAY_FAIL();
    if (!from->done || !to->done)
        return cudaErrorNotReady;
    *ms = (float)((to->at - from->at) * 1e-6);
    return cudaSuccess;
}

/* ---- graphs ----------------------------------------------------------- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream,
                                   enum cudaStreamCaptureMode mode)
{
    NOT_IN_A_CAPTURE();
    MAY_FAIL();
    (void)stream;
    (void)mode;
    capturing = true;
    invalid = false;
    captured = (struct CUgraph_st){ 0 };
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    capturing = false;
    MAY_FAIL();
    (void)stream;
    if (invalid)
        return cudaErrorStreamCaptureInvalidated;
    make(graph, sizeof(struct CUgraph_st));
    **graph = captured;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long flags)
{
    MAY_FAIL();
    (void)flags;
    make(exec, sizeof(struct CUgraph_st));
    *(struct CUgraph_st *)*exec = *graph;
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream)
{
    NOT_IN_A_CAPTURE();
    MAY_FAIL();
    (void)exec;
    (void)stream;
    return cudaSuccess;
}

/* One launch, whatever is in it. */
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    const struct CUgraph_st *g = (struct CUgraph_st *)exec;

    MAY_FAIL();
    (void)stream;
    for (int i = 0; i < g->kernels; i++)
        if (g->at[i].run &&
            g->at[i].run(g->at[i].dev, g->at[i].out, g->at[i].state))
            return cudaErrorIllegalAddress;
    fake.kernels += g->kernels - 1;
    return (cudaError_t)put(
        (Item){ .kind = KERNEL, .ns = g->kernels * fake.kernel_ns });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    return unmake(graph);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    return unmake(exec);
}
