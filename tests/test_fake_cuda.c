/*
 * test_fake_cuda.c - the code of the backend "cuda" over a CUDA that is not
 * there (tests/fake): opening, memory, times, recordings, conditions, and what
 * is left when any single call fails.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/devices/environment.h"
#include "harness/measure/states.h"
#include "harness/network/case.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"
#include "kernels/cupti/nvml.h"
#include "kernels/ops/ops.h"
#include "tests/fake/gpu.h"
#include "tests/test.h"

static void refused_with(int err, const char *sentence)
{
    Device *dev;

    CHECK(backend_open(&dev, "cuda", NULL) == err && !dev);
    CHECK_MSG(strcmp(err_message(), sentence) == 0, "%s", err_message());
}

TEST(fake_cuda, says_why_there_is_no_device)
{
    FakeCuda *gpu = fake_gpu();

    gpu->driver = 0;
    refused_with(ERR_UNSUPPORTED, "cuda: no NVIDIA driver is here "
                                  "(cudaGetDeviceCount: 35, some error)");
    gpu->driver = 12020;
    refused_with(ERR_UNSUPPORTED, "cuda: the driver is for CUDA 12.2, this "
                                  "plugin needs 13.0 or newer");
    gpu->driver = 13000;
    gpu->devices = 0;
    unsetenv("CUDA_VISIBLE_DEVICES");
    refused_with(ERR_UNSUPPORTED, "cuda: no GPU is here");
    setenv("CUDA_VISIBLE_DEVICES", "7", 1);
    refused_with(ERR_UNSUPPORTED,
                 "cuda: no GPU is here, or CUDA_VISIBLE_DEVICES hides it: 7");
    gpu->devices = 1;
    gpu->arch = 75;
    refused_with(ERR_UNSUPPORTED, "cuda: this GPU is of sm_75; sm_80 or newer "
                                  "is needed");
    gpu->arch = 86;
    gpu->foreign = true;
    CHECK(backend_open(&(Device *){ 0 }, "cuda", NULL) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "make CUDA_ARCHS=86"), "%s", err_message());
    CHECK(gpu->live == 0);
}

TEST(fake_cuda, a_device_says_what_it_is)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();

    CHECK_MSG(strncmp(dev->about, "Fake 0, sm_90, 132 SMs, CUDA 13.0", 33) == 0,
              "%s", dev->about);
    CHECK(dev->threads == 1);
    backend_close(dev);
    CHECK(gpu->live == 0);
}

TEST(fake_cuda, kernels_for_clusters_are_only_for_devices_with_them)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();

    CHECK(strcmp(dev->kernels[0]->name, "cluster") == 0);
    CHECK(strcmp(dev->kernels[1]->name, "plain") == 0 && !dev->kernels[2]);
    backend_close(dev);
    gpu->without_cluster = true;
    dev = fake_gpu_opened();
    CHECK(strcmp(dev->kernels[0]->name, "plain") == 0 && !dev->kernels[1]);
    CHECK(strcmp(dev->backend->kernel_at(5)->name, "cluster") == 0);
    backend_close(dev);
}

/* As on the GPUs of workstations, sm_120. */
TEST(fake_cuda, clusters_of_small_blocks_are_not_enough)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev;

    gpu->arch = 120;
    gpu->block_shared = 99 << 10;
    dev = fake_gpu_opened();
    CHECK(strcmp(dev->kernels[0]->name, "plain") == 0 && !dev->kernels[1]);
    backend_close(dev);
}

/* From this call on. */
static void opens_or_leaves_nothing(int from, bool sticky)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev;
    int n;

    gpu->sticky = sticky;
    gpu->calls = 0;
    dev = fake_gpu_opened();
    n = gpu->calls;
    CHECK(n > 10);
    backend_close(dev);
    for (int i = from; i <= n; i++) {
        gpu->calls = 0;
        gpu->fail_at = i;
        gpu->failed = NULL;
        CHECK_MSG(backend_open(&dev, "cuda", NULL) != OK && !dev,
                  "call %d (%s) failed and nobody saw it", i, gpu->failed);
        CHECK_MSG(gpu->live == 0, "after %s failed, %d things are left",
                  gpu->failed, gpu->live);
        CHECK_MSG(strstr(err_message(), "an illegal address") &&
                      strstr(err_message(), gpu->failed),
                  "after %s failed: %s", gpu->failed, err_message());
        gpu->fail_at = 0;
        backend_close(fake_gpu_opened());
    }
}

TEST(fake_cuda, opening_leaves_nothing_behind_whichever_call_fails)
{
    opens_or_leaves_nothing(1, false);
}

/* Once there is a stream, which shows the fault to whoever closes. */
TEST(fake_cuda, a_fault_at_opening_is_gone_at_the_next)
{
    opens_or_leaves_nothing(5, true);
}

TEST(fake_cuda, memory_that_there_is_not)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();
    char want[] = "abc", got[] = "xyz";
    void *p;

    CHECK(dev->backend->alloc(dev, &p, (size_t)2 << 30) == ERR_MEMORY);
    CHECK_MSG(strcmp(err_message(), "cuda: no memory for 2048.0 MiB; 1024.0 of "
                                    "the GPU's 1024.0 MiB are free") == 0,
              "%s", err_message());
    REQUIRE(dev->backend->alloc(dev, &p, sizeof(want)) == OK);
    CHECK(dev->backend->upload(dev, p, want, sizeof(want)) == OK);
    CHECK(dev->backend->download(dev, got, p, sizeof(got)) == OK);
    CHECK(strcmp(got, "abc") == 0);
    dev->backend->release(dev, p);
    backend_close(dev);
    CHECK(gpu->live == 0);
}

/* "best" is never stored: a case has the name of what it ran on. */
TEST(fake_cuda, the_best_backend_is_the_gpu_where_there_is_one)
{
    FakeCuda *gpu = fake_gpu();
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backend", "best") == OK);
    CHECK(c.backend == ON_CUDA);
    gpu->devices = 0;
    CHECK(case_set(&c, "backend", "best") == OK);
    CHECK(c.backend == ON_CPU);
    CHECK(strcmp(backend_meant("ref"), "ref") == 0);
    CHECK(gpu->live == 0);
}

/* A graph of n relus. */
static Plan *plan_of(Device *dev, Graph *g, int n)
{
    Tensor *x = graph_input(g, "x", DIMS(1, 2, 3, 3));
    Plan *plan = NULL;

    for (int i = 0; i < n; i++)
        x = op_relu(g, x);
    graph_output(g, "y", x);
    CHECK_MSG(plan_new(&plan, dev, g) == OK, "%s", err_message());
    fake_gpu()->kernels = 0; /* those that have raced */
    return plan;
}

static double time_of(Device *dev, Plan *plan, int runs)
{
    double ns = NAN;

    CHECK(dev->backend->clock_start(dev) == OK);
    for (int i = 0; i < runs; i++)
        CHECK_MSG(plan_run(plan) == OK, "%s", err_message());
    CHECK_MSG(dev->backend->clock_stop(dev, &ns) == OK, "%s", err_message());
    return ns;
}

/* Ten kernels of 1 us, launched every 3 us: what counts is the 10. */
TEST(fake_cuda, a_time_is_the_card_s_alone)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();
    Graph *g = graph_new();
    Plan *plan = plan_of(dev, g, 10);
    Moment c;

    for (int i = 0; i < 3; i++) {
        const double ns = time_of(dev, plan, 1);

        CHECK_MSG(fabs(ns - 10000) < 1, "%g ns", ns);
    }
    CHECK(fabs(time_of(dev, plan, 5) - 50000) < 1);
    CHECK(gpu->kernels == 3 * 10 + 50 && gpu->gave_up == 0);
    CHECK(dev->backend->moment(dev, &c) == OK);
    CHECK_MSG(fabs(c.clock_mhz - 1500) < 1, "%g MHz", c.clock_mhz);
    CHECK(!c.throttle || !strstr(c.throttle, "launches"));
    plan_free(plan);
    graph_free(g);
    backend_close(dev);
    CHECK(gpu->live == 0);
}

/* The host cannot queue them all while the card waits: it must not wait for
 * ever, and the sample says so. */
TEST(fake_cuda, a_full_queue_opens_the_gate)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();
    Graph *g = graph_new();
    Plan *plan = plan_of(dev, g, 50);
    Moment c;

    CHECK(time_of(dev, plan, 40) >= 40 * 50 * 1000);
    CHECK(gpu->gave_up == 1);
    CHECK(dev->backend->moment(dev, &c) == OK);
    CHECK_MSG(c.throttle && strstr(c.throttle, "launches"), "%s",
              c.throttle ? c.throttle : "nothing");
    CHECK(fabs(time_of(dev, plan, 1) - 50000) < 1);
    CHECK(dev->backend->moment(dev, &c) == OK);
    CHECK(!c.throttle || !strstr(c.throttle, "launches"));
    plan_free(plan);
    graph_free(g);
    backend_close(dev);
}

/* A run that failed leaves a start without a stop: what waits behind the gate
 * must not hold up what comes next. */
TEST(fake_cuda, a_start_without_a_stop_holds_nothing_up)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();
    Graph *g = graph_new();
    Plan *plan = plan_of(dev, g, 4);
    float y[18];

    CHECK(dev->backend->clock_start(dev) == OK);
    CHECK(plan_get(plan, graph_output_named(g, "y"), y) == OK);
    CHECK(dev->backend->clock_start(dev) == OK);
    CHECK(fabs(time_of(dev, plan, 1) - 4000) < 1);
    CHECK(dev->backend->clock_start(dev) == OK);
    plan_free(plan);
    graph_free(g);
    backend_close(dev);
    CHECK(gpu->gave_up == 0 && gpu->live == 0);
}

/* Its cache is of 1 MiB, a run needs 2 KiB. */
TEST(fake_cuda, cold_is_three_caches_of_copies_in_turn)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, 2, 8, 16));
    Plan *plan = NULL;
    const void *at;

    graph_output(g, "y", op_relu(g, x));
    REQUIRE(plan_new(&plan, dev, g) == OK);
    REQUIRE(cold_rotates(dev) && cold_prepare(plan, dev) == OK);
    CHECK(plan_arena_bytes(plan) == 2048);
    CHECK_MSG(plan_ncopies(plan) == 3 * 512, "%d copies", plan_ncopies(plan));
    at = x->data;
    for (int i = 0; i < 3; i++) {
        CHECK(cold_next(plan, dev) == OK && x->data != at);
        at = x->data;
        CHECK(fabs(time_of(dev, plan, 1) - 1000) < 1);
    }
    plan_free(plan);
    graph_free(g);
    backend_close(dev);
    CHECK(gpu->live == 0);
}

TEST(fake_cuda, a_recording_is_one_launch_of_all)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();
    Graph *g = graph_new();
    Plan *plan = plan_of(dev, g, 7);

    REQUIRE(plan_record(plan, 1) == OK);
    CHECK(dev->backend->clock_start(dev) == OK); /* waits for what is queued */
    CHECK(fabs(time_of(dev, plan, 1) - 7000) < 1);
    CHECK_MSG(gpu->kernels == 2 * 7, "%d kernels have run", gpu->kernels);
    REQUIRE(plan_record(plan, 5) == OK);
    CHECK(fabs(time_of(dev, plan, 1) - 5 * 7000) < 1);
    plan_free(plan);
    graph_free(g);
    backend_close(dev);
    CHECK(gpu->live == 0);
}

/* Whatever call of record, run and stop fails: an error, nothing left behind,
 * and the device can be used on. */
TEST(fake_cuda, a_failing_recording_leaves_nothing_behind)
{
    FakeCuda *gpu = fake_gpu();

    for (int i = 1; i <= 10; i++) {
        Device *dev = fake_gpu_opened();
        Graph *g = graph_new();
        Plan *plan = plan_of(dev, g, 3);
        double ns;
        int err;

        gpu->calls = 0;
        gpu->fail_at = i;
        err = plan_record(plan, 1);
        if (!err)
            err = dev->backend->clock_start(dev);
        if (!err)
            err = plan_run(plan);
        if (!err)
            err = dev->backend->clock_stop(dev, &ns);
        CHECK_MSG(err == ERR_DEVICE, "call %d (%s): nobody saw it", i,
                  gpu->failed);
        plan_free(plan);
        graph_free(g);
        backend_close(dev);
        CHECK_MSG(gpu->live == 0, "after %s failed, %d things are left",
                  gpu->failed, gpu->live);
        gpu->fail_at = 0;
    }
}

/* ---- NVML ------------------------------------------------------------- */

TEST(nvml, reads_the_gpu_at_an_address)
{
    Moment c;
    char text[96];
    Nvml *nvml;

    if (!dlopen(test_beside("fake/libnvidia-ml.so.1"), RTLD_NOW | RTLD_GLOBAL))
        SKIP(dlerror());
    REQUIRE(nvml_open(&nvml, "0000:AF:00.0") == OK);
    CHECK(strcmp(nvml_name(nvml), "Hot") == 0);
    CHECK(strcmp(nvml_driver(nvml), "580.65.06") == 0);
    CHECK(nvml_count(nvml) == 2);
    CHECK(strcmp(nvml_read(nvml, &c, text, sizeof(text)), "power,thermal") ==
          0);
    CHECK(c.temperature_c == 91 && fabs(c.power_w - 699.5) < 1e-6);
    nvml_close(nvml);

    REQUIRE(nvml_open(&nvml, NULL) == OK);
    CHECK(strcmp(nvml_name(nvml), "Cool") == 0);
    CHECK(strcmp(nvml_read(nvml, &c, text, sizeof(text)), "none") == 0);
    nvml_close(nvml);

    CHECK(nvml_open(&nvml, "0000:01:00.0") == ERR_UNSUPPORTED && !nvml);
    CHECK(strstr(err_message(), "0000:01:00.0 (6, Not Found)"));
}

TEST(nvml, names_the_gpu_of_the_record)
{
    Machine m;

    if (!dlopen(test_beside("fake/libnvidia-ml.so.1"), RTLD_NOW | RTLD_GLOBAL))
        SKIP(dlerror());
    if (access("/proc/driver/nvidia", F_OK) == 0)
        SKIP("a real driver says what it has");
    environment_machine(&m);
    CHECK(strcmp(m.gpu, "Cool") == 0);
    CHECK(strcmp(m.driver, "580.65.06") == 0);
}

TEST(nvml, is_part_of_a_device_s_conditions)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev;
    Moment c;

    if (!dlopen(test_beside("fake/libnvidia-ml.so.1"), RTLD_NOW | RTLD_GLOBAL))
        SKIP(dlerror());
    dev = fake_gpu_opened();
    CHECK(strstr(dev->about, ", driver 580.65.06"));
    CHECK(dev->backend->moment(dev, &c) == OK);
    CHECK(c.temperature_c == 40 && fabs(c.power_w - 80) < 1e-6);
    CHECK(c.throttle && !strcmp(c.throttle, "none"));
    backend_close(dev);
    CHECK(gpu->live == 0);
}

TEST(nvml, is_not_needed)
{
    Nvml *nvml;

    if (nvml_open(&nvml, NULL) == OK) {
        nvml_close(nvml);
        SKIP("it is here");
    }
    CHECK(err_message()[0] && !nvml);
}

/* ---- counters ------------------------------------------------------------ */

typedef struct Refused {
    int n, launches, with_reason;
} Refused;

static int no_launch(void *arg, int step)
{
    (void)arg;
    (void)step;
    return fail(ERR_DEVICE, "nothing may be launched");
}

static void take_refused(void *arg, const Counted *c)
{
    Refused *r = arg;

    r->n++;
    r->launches += strcmp(c->quantity, "launches") == 0;
    r->with_reason += c->step == ALL_STEPS && isnan(c->value) &&
                      strstr(c->reason, "has no context here") != NULL;
}

TEST(fake_cuda, counters_of_no_driver_are_refused_with_the_reason)
{
    Refused refused = { 0 };
    Counting counting = { .steps = 3,
                          .metrics = "",
                          .launch = no_launch,
                          .take = take_refused,
                          .arg = &refused };
    Device *dev;

    fake_gpu();
    REQUIRE(backend_open(&dev, "cuda", NULL) == OK);
    CHECK(dev->backend->count(dev, &counting) == OK);
    CHECK(refused.n == 12 && refused.with_reason == refused.n);
    CHECK(refused.launches == 1);
    /* who asks for some metrics gets those alone */
    refused = (Refused){ 0 };
    counting.metrics = "lts__t_bytes.sum";
    CHECK(dev->backend->count(dev, &counting) == OK);
    CHECK(refused.n > 0 && refused.launches == 0);
    backend_close(dev);
}

/* ---- libraries ----------------------------------------------------------- */

/* Lines that doctor prints of the backend, then of the device. */
static void add_line(void *text, const char *what, const char *line)
{
    strcat(strcat(strcat(strcat(text, what), ": "), line), "\n");
}

/* Opens with libraries of these versions; how many of its kernels are theirs.
 * text is for what doctor would say. */
static int kernels_with(const char *cublaslt, const char *cudnn, char *text)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev;
    int n = 0;

    setenv("FAKE_CUBLASLT", cublaslt, 1);
    setenv("FAKE_CUDNN", cudnn, 1);
    dev = fake_gpu_opened();
    text[0] = '\0';
    dev->backend->tell(NULL, add_line, text);
    dev->backend->tell(dev, add_line, text);
    CHECK_MSG(dev->kernels[0], "no kernel at all");
    for (const Kernel *const *k = dev->kernels; *k; k++)
        n += !strcmp((*k)->name, "cudnn") || !strcmp((*k)->name, "cublaslt");
    CHECK(!strstr(dev->about, "without cuDNN") ==
          !strcmp(dev->kernels[0]->name, "cudnn"));
    backend_close(dev);
    CHECK(gpu->live == 0);
    return n;
}

TEST(fake_cuda, any_minor_version_of_a_library_will_do)
{
    char text[4096];

    CHECK(kernels_with("990501", "990501", text) == 5);
    CHECK_MSG(strstr(text, "cuDNN: 99.5.1, built for 99.5.1\n"), "%s", text);
    CHECK(kernels_with("990000", "990000", text) == 5);
    CHECK_MSG(strstr(text, "cuDNN: 99.0.0, built for 99.5.1\n"), "%s", text);
    CHECK_MSG(strstr(text, "cuBLASLt: 99.0.0, built for 99.5.0\n"), "%s", text);
    CHECK(kernels_with("991702", "991702", text) == 5);
}

TEST(fake_cuda, another_major_version_leaves_that_library_out)
{
    char text[4096];

    CHECK(kernels_with("990501", "890700", text) == 2);
    CHECK_MSG(strstr(text, "cuDNN: left out: version 89.7.0 was found as "
                           "libcudnn.so.99, this was built for 99.5.1; set "
                           "LD_LIBRARY_PATH to where that is\n"),
              "%s", text);
    CHECK(kernels_with("980501", "990501", text) == 0);
    CHECK_MSG(strstr(text, "cuBLASLt: left out: version 98.5.1 was found"),
              "%s", text);
    CHECK_MSG(strstr(text, "cuDNN: left out: it needs cuBLASLt"), "%s", text);
}

TEST(fake_cuda, a_library_that_does_not_open_is_left_out)
{
    char text[4096];

    setenv("FAKE_CUDNN_MIXED", "1", 1);
    CHECK(kernels_with("990501", "990501", text) == 2);
    CHECK_MSG(strstr(text, "cuDNN: left out: its libraries are of several "
                           "versions (MIXED); set LD_LIBRARY_PATH"),
              "%s", text);
    unsetenv("FAKE_CUDNN_MIXED");
    setenv("FAKE_CUDNN_BROKEN", "1", 1);
    CHECK(kernels_with("990501", "990501", text) == 2);
    CHECK_MSG(strstr(text, "cuDNN: left out: cudnnCreate: BROKEN\n"), "%s",
              text);
}

/* A plugin in a folder without them: it loads, and its own kernels are there. */
TEST(fake_cuda, a_library_that_is_missing_is_left_out)
{
    char command[2048], path[512], text[4096] = "";
    Device *dev;

    snprintf(path, sizeof(path), "%s/attnbench_cuda.so", test_tmpdir());
    snprintf(command, sizeof(command), "cp '%s' '%s'",
             test_beside("fake/attnbench_cuda.so"), path);
    REQUIRE(system(command) == 0);
    setenv("ATTNBENCH_CUDA", path, 1);
    dev = fake_gpu_opened();
    REQUIRE(dev != NULL);
    dev->backend->tell(NULL, add_line, text);
    CHECK_MSG(strstr(text,
                     "cuDNN: left out: libcudnn.so.99: cannot open shared "
                     "object file"),
              "%s", text);
    CHECK_MSG(
        strstr(text, "cuBLASLt: left out: libcublasLt.so.99: cannot open"),
        "%s", text);
    CHECK(!strcmp(dev->kernels[0]->name, "cluster"));
    backend_close(dev);
}
