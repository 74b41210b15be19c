/*
 * backend.c - the backend "cuda": one GPU, one stream, a list of kernels.
 *
 * It is the first GPU that CUDA shows; CUDA_VISIBLE_DEVICES chooses.  No call
 * that needs a driver is made before cudaGetDeviceCount has found a device.
 * The libraries' handles are theirs (library.h), times are clock.c's.
 */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/backend/card.h"
#include "kernels/cuda/backend/cuda.h"
#include "kernels/cuda/backend/list.h"
#include "kernels/cuda/backend/plugin.h"
#include "kernels/cuda/backend/roofs.h"
#include "kernels/cuda/library/library.h"
#include "kernels/cuda/library/race.h"
#include "kernels/cupti/activity.h"
#include "kernels/cupti/counters.h"

/* Blocks that every device with clusters can run; some kernels may use more. */
enum { PORTABLE_CLUSTER = 8 };

/* From here on there are bf16 and asynchronous copies. */
enum { OLDEST_ARCH = 80 };

static const Backend backend;

static Card *card(Device *dev)
{
    return (Card *)dev;
}

int cuda_check(int err, const char *call)
{
    if (err == cudaSuccess)
        return OK;
    cudaGetLastError(); /* so that the next call is not blamed for it */
    return fail(ERR_DEVICE, "cuda: %.*s: %d, %s", (int)strcspn(call, "("), call,
                err, cudaGetErrorString((cudaError_t)err));
}

/* ---- opening ---------------------------------------------------------- */

/* Says why there is no device; safe where there is no driver. */
static int find_gpu(void)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    int n = 0, driver = 0, runtime = 0;
    const cudaError_t err = cudaGetDeviceCount(&n);

    if (err == cudaSuccess && n > 0)
        return OK;
    cudaGetLastError();
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (err == cudaErrorInsufficientDriver && !driver)
        return fail(ERR_UNSUPPORTED,
                    "cuda: no NVIDIA driver is here (cudaGetDeviceCount: %d, "
                    "%s)",
                    err, cudaGetErrorString(err));
    if (err == cudaErrorInsufficientDriver)
        return fail(ERR_UNSUPPORTED,
                    "cuda: the driver is for CUDA %d.%d, this plugin needs "
                    "%d.%d or newer",
                    driver / 1000, driver % 1000 / 10, runtime / 1000,
                    runtime % 1000 / 10);
    if (err == cudaSuccess || err == cudaErrorNoDevice)
        return fail(ERR_UNSUPPORTED, "cuda: no GPU is here%s%s",
                    visible ? ", or CUDA_VISIBLE_DEVICES hides it: " : "",
                    visible ? visible : "");
    return fail(ERR_UNSUPPORTED,
                "cuda: the GPU cannot be used (cudaGetDeviceCount: %d, %s)",
                err, cudaGetErrorString(err));
}

static int attribute(enum cudaDeviceAttr which)
{
    int value = 0;

    return cudaDeviceGetAttribute(&value, which, 0) ? 0 : value;
}

static void read_limits(Card *c)
{
    c->cuda.arch = 10 * attribute(cudaDevAttrComputeCapabilityMajor) +
                   attribute(cudaDevAttrComputeCapabilityMinor);
    c->cuda.sms = attribute(cudaDevAttrMultiProcessorCount);
    c->cuda.block_shared_bytes =
        (size_t)attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    c->cuda.max_cluster =
        c->cuda.arch >= 90 && attribute(cudaDevAttrClusterLaunch)
            ? PORTABLE_CLUSTER
            : 1;
    c->l2_bytes = (size_t)attribute(cudaDevAttrL2CacheSize);
}

bool cuda_has_clusters(const CudaDevice *cuda)
{
    return cuda->max_cluster > 1 &&
           cuda->block_shared_bytes >= CLUSTER_BLOCK_SHARED;
}

static const Kernel *listed_at(const void *cuda, int i)
{
    return cuda_kernel_at(cuda, i);
}

static int list_kernels(Card *c)
{
    TRY(kernel_list(&c->kernels, listed_at, &c->cuda));
    c->cuda.base.kernels = c->kernels;
    return OK;
}

/* "NVIDIA H200, sm_90, 132 SMs, CUDA 13.0, cuDNN 9.19.0, driver 580.65.06":
 * what choices by time depend on. */
static int describe(Card *c)
{
    const char *driver = c->moment.nvml ? nvml_driver(c->moment.nvml) : "";
    const FoundLibrary *l = &c->cuda.libraries->found[CUDNN];
    char cudnn[32] = "without cuDNN";
    struct cudaDeviceProp p;
    int runtime = 0;

    TRY(cuda_check(cudaGetDeviceProperties(&p, 0), "cudaGetDeviceProperties"));
    cudaRuntimeGetVersion(&runtime);
    if (!l->reason[0])
        snprintf(cudnn, sizeof(cudnn), "cuDNN %s", l->version);
    snprintf(c->cuda.base.about, sizeof(c->cuda.base.about),
             "%.50s, sm_%d, %d SMs, CUDA %d.%d, %.20s%s%.20s", p.name,
             c->cuda.arch, c->cuda.sms, runtime / 1000, runtime % 1000 / 10,
             cudnn, driver[0] ? ", driver " : "", driver);
    return OK;
}

/* The plugin holds code for some architectures only: whether it runs here is
 * found by running some. */
static int check_code(const Card *c)
{
    int err;

    if (c->cuda.arch < OLDEST_ARCH)
        return fail(ERR_UNSUPPORTED,
                    "cuda: this GPU is of sm_%d; sm_%d or newer is needed",
                    c->cuda.arch, OLDEST_ARCH);
    err = cuda_launch_ticks(c->clock.stream, c->moment.ticks_on_card, 0);
    if (err == cudaErrorNoKernelImageForDevice)
        return fail(ERR_UNSUPPORTED,
                    "cuda: this plugin was built for other GPUs (%s); build it "
                    "again with make CUDA_ARCHS=%d",
                    CUDA_BUILD_ARCHS, c->cuda.arch);
    TRY(cuda_check(err, "cudaLaunchKernel"));
    return cuda_check(cudaStreamSynchronize(c->clock.stream),
                      "cudaStreamSynchronize");
}

/* A kernel's fault stays with the context: every later call returns it.  Leaves
 * the sentence of the error as it is. */
static bool cuda_lost(Device *dev)
{
    Card *c = card(dev);
    bool lost;

    clock_let_go(&c->clock);
    lost =
        c->cuda.stream && cudaStreamSynchronize(c->clock.stream) != cudaSuccess;
    cudaGetLastError();
    return lost;
}

static void cuda_close(Device *dev)
{
    Card *c = card(dev);
    bool lost;

    if (!c)
        return;
    lost = cuda_lost(dev);
    clock_let_go(&c->clock);
    cuda_roofs_release(dev);
    if (c->cuda.libraries)
        cuda_libraries_close(&c->cuda);
    cuda_workspace_free(&c->cuda);
    moment_close(&c->moment);
    clock_close(&c->clock);
    if (c->cuda.stream)
        cudaStreamDestroy(c->cuda.stream);
    if (lost)
        cudaDeviceReset(); /* the next to open it gets a context of its own */
    cudaGetLastError();
    free(c->kernels);
    free(c);
}

static int open_all(Card *c)
{
    CardStream stream;

    TRY(cuda_check(cudaSetDevice(0), "cudaSetDevice"));
    read_limits(c);
    TRY(cuda_check(cudaDeviceGetPCIBusId(c->bus_id, BUS_ID, 0),
                   "cudaDeviceGetPCIBusId"));
    TRY(cuda_check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
                   "cudaStreamCreateWithFlags"));
    c->cuda.stream = stream;
    TRY(clock_open(&c->clock, stream));
    TRY(moment_open(&c->moment, c->bus_id));
    TRY(check_code(c));
    TRY(cuda_libraries_open(&c->cuda));
    TRY(list_kernels(c));
    return describe(c);
}

static int cuda_open(Device **out, const DeviceSettings *settings)
{
    Card *c;
    int err;

    *out = NULL;
    TRY(find_gpu());
    c = calloc(1, sizeof(*c));
    if (!c)
        return fail(ERR_MEMORY, "no memory for a device");
    c->cuda.base.backend = &backend;
    c->cuda.base.threads = 1;
    c->cuda.notes = settings ? settings->notes : NULL;
    err = open_all(c);
    if (err) {
        cuda_close(&c->cuda.base);
        return err;
    }
    *out = &c->cuda.base;
    return OK;
}

/* ---- memory ----------------------------------------------------------- */

static int cuda_alloc(Device *dev, void **out, size_t bytes)
{
    const cudaError_t err = cudaMalloc(out, bytes);
    size_t unused = 0, all = 0;

    (void)dev;
    if (err != cudaErrorMemoryAllocation)
        return cuda_check(err, "cudaMalloc");
    *out = NULL;
    cudaGetLastError();
    cudaMemGetInfo(&unused, &all);
    return fail(ERR_MEMORY,
                "cuda: no memory for %.1f MiB; %.1f of the GPU's %.1f MiB are "
                "free",
                (double)bytes / (1 << 20), (double)unused / (1 << 20),
                (double)all / (1 << 20));
}

static void cuda_release(Device *dev, void *p)
{
    clock_let_go(&card(dev)->clock);
    cudaFree(p);
}

static int copy(Device *dev, void *dst, const void *src, size_t bytes,
                enum cudaMemcpyKind kind)
{
    Card *c = card(dev);

    clock_let_go(&c->clock);
    TRY(cuda_check(cudaMemcpyAsync(dst, src, bytes, kind, c->clock.stream),
                   "cudaMemcpyAsync"));
    return cuda_check(cudaStreamSynchronize(c->clock.stream),
                      "cudaStreamSynchronize");
}

static int cuda_upload(Device *dev, void *dst, const void *src, size_t bytes)
{
    return copy(dev, dst, src, bytes, cudaMemcpyHostToDevice);
}

static int cuda_download(Device *dev, void *dst, const void *src, size_t bytes)
{
    return copy(dev, dst, src, bytes, cudaMemcpyDeviceToHost);
}

/* ---- times ------------------------------------------------------------ */

static int cuda_clock_start(Device *dev)
{
    return clock_start(&card(dev)->clock);
}

static int cuda_clock_stop(Device *dev, double *ns)
{
    return clock_stop(&card(dev)->clock, ns);
}

static int cuda_moment(Device *dev, Moment *out)
{
    Card *c = card(dev);

    clock_let_go(&c->clock);
    return moment_read(&c->moment, &c->clock, out);
}

/* ---- recordings: CUDA graphs ------------------------------------------ */

static int cuda_record_begin(Device *dev)
{
    return cuda_check(cudaStreamBeginCapture(card(dev)->clock.stream,
                                             cudaStreamCaptureModeThreadLocal),
                      "cudaStreamBeginCapture");
}

static int cuda_record_end(Device *dev, void **recording)
{
    CardStream stream = card(dev)->clock.stream;
    cudaGraphExec_t exec = NULL;
    cudaGraph_t graph = NULL;
    int err;

    *recording = NULL;
    err = cuda_check(cudaStreamEndCapture(stream, &graph),
                     "cudaStreamEndCapture");
    if (!err)
        err = cuda_check(cudaGraphInstantiate(&exec, graph, 0),
                         "cudaGraphInstantiate");
    if (graph)
        cudaGraphDestroy(graph);
    if (!err)
        err = cuda_check(cudaGraphUpload(exec, stream), "cudaGraphUpload");
    if (!err)
        err =
            cuda_check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    if (err && exec)
        cudaGraphExecDestroy(exec);
    else
        *recording = exec;
    return err;
}

static int cuda_replay(Device *dev, void *recording)
{
    return cuda_check(cudaGraphLaunch(recording, card(dev)->clock.stream),
                      "cudaGraphLaunch");
}

static void cuda_recording_free(Device *dev, void *recording)
{
    clock_let_go(&card(dev)->clock);
    if (recording)
        cudaGraphExecDestroy(recording);
}

static int wait_for_all(void *dev)
{
    return cuda_check(cudaStreamSynchronize(card(dev)->clock.stream),
                      "cudaStreamSynchronize");
}

/* Where there is memory for it. */
static void make_known(Calibration *out, KnownWork *work, Device *dev,
                       const Counting *counting)
{
    const int err = cuda_known_work(work, dev, counting->dtype);

    clock_let_go(&card(dev)->clock);
    known_work(out, work);
    if (err)
        snprintf(out->reason, sizeof(out->reason),
                 "counters are not calibrated: %s", err_message());
}

/* Launches first: a session of counters may not be one of records, too, and
 * leaves CUPTI's own numbers in doubt. */
static int cuda_count(Device *dev, const Counting *counting)
{
    Calibration known;
    KnownWork work;

    TRY(wait_for_all(dev));
    if (!counting->metrics)
        return activity_count(counting, wait_for_all, dev);
    if (counting->metrics[0])
        return counters_count(counting, NULL);
    TRY(activity_count(counting, wait_for_all, dev));
    make_known(&known, &work, dev, counting);
    TRY(wait_for_all(dev));
    return counters_count(counting, &known);
}

static const Kernel *kernel_at(int i)
{
    return cuda_kernel_at(NULL, i);
}

static const Backend backend = {
    .name = "cuda",
    .title = "an NVIDIA GPU",
    .host_memory = false,
    .kernel_at = kernel_at,
    .open = cuda_open,
    .close = cuda_close,
    .lost = cuda_lost,
    .alloc = cuda_alloc,
    .release = cuda_release,
    .upload = cuda_upload,
    .download = cuda_download,
    .clock_start = cuda_clock_start,
    .clock_stop = cuda_clock_stop,
    .record_begin = cuda_record_begin,
    .record_end = cuda_record_end,
    .replay = cuda_replay,
    .recording_free = cuda_recording_free,
    .moment = cuda_moment,
    .tell = cuda_tell,
    .roof_at = cuda_roof_at,
    .roof_run = cuda_roof_run,
    .cache_bytes = cuda_cache_bytes,
    .count = cuda_count,
    .race = cuda_race,
};

__attribute__((visibility("default"))) const Backend *attnbench_cuda_backend(
    const char *headers)
{
    return strcmp(headers, CUDA_BUILD_HEADERS) == 0 ? &backend : NULL;
}
