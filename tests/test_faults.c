/*
 * test_faults.c - what a failing call of CUDA's ends, on the fake GPU with our
 * own kernels (tests/fake): one case, with a sentence, and nothing of the next.
 * And that no kernel calls what a capture forbids.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/devices/environment.h"
#include "harness/measure/measure.h"
#include "kernels/core/host.h"
#include "tests/fake/gpu.h"
#include "tests/kernel_cases.h"
#include "tests/stored.h"
#include "tests/test.h"

/* ---- one case ------------------------------------------------------------ */

/* From settings to samples; whether it was ok, and what its row would say. */
static bool run_case(Device *dev, const Case *c, char message[512])
{
    Trial a;
    bool ok;

    trial_init(&a, c, NULL, 0);
    trial_prepare(&a, &(Checker){ dev, NULL }, 0, NULL);
    for (int i = 0; i < 2 && trial_ok(&a); i++)
        trial_sample(&a, i, false);
    ok = trial_ok(&a) && a.n == 2;
    snprintf(message, 512, "%s", a.message);
    trial_free(&a);
    return ok;
}

/* After call n of a case has failed.  False: it has fewer. */
static bool case_survives(FakeCuda *gpu, const Case *c, int n)
{
    Device *dev = fake_gpu_opened();
    const int resets = gpu->device_resets;
    char message[512];
    bool ok, failed;

    gpu->calls = 0;
    gpu->fail_at = n;
    gpu->failed = NULL;
    ok = run_case(dev, c, message);
    gpu->fail_at = 0;
    failed = gpu->failed;
    CHECK_MSG(gpu->sticky || !gpu->last_error, "%s is left for others to find",
              gpu->failed);
    CHECK_MSG(ok == !failed, "call %d (%s): nobody saw it", n, gpu->failed);
    CHECK_MSG(!failed || (strstr(message, gpu->failed) &&
                          strstr(message, ", an illegal address")),
              "call %d (%s): %s", n, gpu->failed, message);
    CHECK_MSG(backend_lost(dev) == (failed && gpu->sticky), "call %d (%s): %s",
              n, gpu->failed, gpu->sticky ? "not lost" : "lost");
    if (backend_lost(dev)) {
        backend_close(dev);
        CHECK_MSG(gpu->live == 0, "after %s failed, %d things are left",
                  gpu->failed, gpu->live);
        dev = fake_gpu_opened();
    }
    CHECK(gpu->device_resets - resets == (failed && gpu->sticky));
    ok = run_case(dev, c, message);
    CHECK_MSG(ok, "the next case, after %s failed: %s", gpu->failed, message);
    backend_close(dev);
    CHECK_MSG(gpu->live == 0, "after %s failed, %d things are left",
              gpu->failed, gpu->live);
    return failed;
}

static void survives_all(bool sticky, const char *settings)
{
    FakeCuda *gpu = fake_gpu_with_kernels();
    const Case c = stored_case(settings);
    int n = 1;

    gpu->sticky = sticky;
    gpu->kernel_ns = 1e7; /* so that one run is a sample */
    gpu->l2_bytes = 4096; /* and few copies are cold     */
    while (case_survives(gpu, &c, n))
        n++;
    CHECK_MSG(n > 60, "%d calls", n);
    CHECK(gpu->gave_up == 0);
}

#define SE "module=se backend=cuda channels=16 height=8 width=8"

TEST(faults, a_call_that_fails_ends_one_case)
{
    survives_all(false, SE);
}

TEST(faults, a_fault_ends_one_case)
{
    survives_all(true, SE);
}

TEST(faults, a_call_that_fails_ends_one_recorded_case)
{
    survives_all(false, SE " state=graph");
}

TEST(faults, a_fault_ends_one_recorded_case)
{
    survives_all(true, SE " state=graph");
}

TEST(faults, a_call_that_fails_ends_one_cold_case)
{
    survives_all(false, SE " state=cold");
}

/* ---- a run --------------------------------------------------------------- */

/* When the fake fails: that many calls after such a step of such a case. */
typedef struct Run {
    FakeCuda *gpu;
    const char *what, *module;
    int after;

    Experiment e;
    Store *store;
    Lanes lanes;
    Tally tally;
} Run;

static void on_step(void *arg, const Step *step)
{
    Run *r = arg;

    if (!r->what || strcmp(step->what, r->what) || !step->arm ||
        strcmp(step->arm->c->module.text, r->module))
        return;
    r->gpu->fail_at = r->gpu->calls + r->after;
    r->what = NULL;
}

static void on_done(void *arg, const Trial *a)
{
    (void)arg;
    (void)a;
}

/* Begins a sweep, or continues the one that there is. */
static void begin(Run *r)
{
    static const Flag flags[] = { { "module", "se,eca,scsa" },
                                  { "channels", "16" },
                                  { "height", "8" },
                                  { "width", "8" },
                                  { "backend", "cuda" } };
    Sweep s = { .seed = 7, .argv = "test", .source = "attnbench" };
    char path[512];
    bool resumed;
    Machine m;
    Build b;

    BUG_IF(experiment_read(&r->e, NULL, flags, 5));
    snprintf(s.experiment, sizeof(s.experiment), "%s", r->e.experiment);
    snprintf(s.cases_hash, sizeof(s.cases_hash), "%s", r->e.cases_hash);
    environment_machine(&m);
    environment_build(&b);
    environment_start(&s);
    snprintf(path, sizeof(path), "%s/a.db", test_tmpdir());
    BUG_IF(store_open(&r->store, path, STORE_WRITE));
    r->lanes.n = 1;
    BUG_IF(store_sweep_begin(r->store, &m, &b, &s, false,
                             &r->lanes.at[0].sweep_id, &resumed));
}

static int go(Run *r)
{
    const Listener listener = { r, on_step, on_done };
    const Protocol p = { .target = 0.5,
                         .limit = 60,
                         .min_samples = 3,
                         .max_samples = 3,
                         .block = 4,
                         .seed = 7,
                         .started_ns = host_now_ns() };

    return measure(&r->e, &p, r->store, &r->lanes, &listener, &r->tally);
}

static void end(Run *r)
{
    store_close(r->store);
    experiment_free(&r->e);
    CHECK_MSG(r->gpu->live == 0, "%d things are left", r->gpu->live);
}

static int rows(const Run *r, const char *where)
{
    char sql[512];
    sqlite3_stmt *q;
    int n = -1;

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM run WHERE %s", where);
    BUG_IF(sqlite3_prepare_v2(store_sqlite(r->store), sql, -1, &q, NULL));
    if (sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return n;
}

/* A fault of eca in that step: its row, and those of the others. */
static void goes_on(const char *what, int after)
{
    Run r = { .gpu = fake_gpu_with_kernels(),
              .what = what,
              .module = "eca",
              .after = after };

    r.gpu->sticky = true;
    begin(&r);
    CHECK_MSG(go(&r) == OK, "%s", err_message());
    CHECK_MSG(r.gpu->failed, "no call failed");
    CHECK(r.gpu->device_resets == 1);
    CHECK(r.tally.ok == 2 && r.tally.bad == 1);
    CHECK(rows(&r, "status = 'ok' AND module <> 'eca'") == 2);
    CHECK(rows(&r, "status = 'failed' AND module = 'eca' AND message LIKE "
                   "'%, an illegal address%'") == 1);
    CHECK(rows(&r, "1") == 3);
    end(&r);
}

TEST(faults, a_fault_while_a_case_is_prepared_leaves_the_others)
{
    goes_on("preparing", 30);
}

TEST(faults, a_fault_while_a_case_is_sampled_leaves_the_others)
{
    goes_on("measuring", 5);
}

/* A driver may keep the fault in spite of the reset: nothing is blamed for it,
 * and the next process measures what is missing. */
TEST(faults, a_device_that_does_not_open_again_ends_the_run)
{
    Run r = { .gpu = fake_gpu_with_kernels(),
              .what = "measuring",
              .module = "eca",
              .after = 5 };

    r.gpu->sticky = r.gpu->dead = true;
    begin(&r);
    CHECK(go(&r) == ERR_DEVICE);
    CHECK_MSG(strstr(err_message(), "does not open again (cuda: the GPU cannot "
                                    "be used (cudaGetDeviceCount: 700, an "
                                    "illegal address)); give the same command "
                                    "once more"),
              "%s", err_message());
    CHECK(rows(&r, "status = 'failed' AND module = 'eca'") == 1);
    CHECK(rows(&r, "1") == 1);
    end(&r);

    r.gpu->dead = r.gpu->sticky = false;
    r.gpu->fail_at = 0;
    begin(&r);
    CHECK_MSG(go(&r) == OK, "%s", err_message());
    CHECK(rows(&r, "status = 'ok' AND module <> 'eca'") == 2);
    CHECK(rows(&r, "1") == 3);
    end(&r);
}

/* ---- several files ------------------------------------------------------- */

TEST(faults, a_fault_in_one_case_file_leaves_the_next)
{
    FakeCuda *gpu = fake_gpu_with_kernels();
    char backend[] = "--backend=cuda", se[] = "tests/cases/se_c64_14x14."
                                              "safetensors";
    char eca[] = "tests/cases/eca_c64_14x14.safetensors";
    char *argv[] = { backend, se, eca };
    char path[512], text[4096] = "";
    FILE *f;
    int out, saved;

    snprintf(path, sizeof(path), "%s/out.txt", test_tmpdir());
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    out = fileno(f = fopen(path, "w+"));
    dup2(out, STDOUT_FILENO);
    gpu->sticky = true;
    gpu->calls = 0;
    gpu->fail_at = 20;
    cmd_verify(3, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    rewind(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    CHECK_MSG(strstr(text, "FAILED   tests/cases/se") &&
                  strstr(text, "passed   tests/cases/eca"),
              "%s", text);
    CHECK_MSG(strstr(text, "an illegal address"), "%s", text);
    CHECK(gpu->failed && gpu->device_resets == 1 && gpu->live == 0);
}

/* ---- captures ------------------------------------------------------------ */

/* Gives a tensor zeros on the device, and on the host where it is a weight. */
static void place(Device *dev, Tensor *t)
{
    const size_t n = tensor_count(t);
    float *zeros = calloc(n, sizeof(*zeros));

    BUG_IF(!zeros || dev->backend->alloc(dev, &t->data, tensor_bytes(t)));
    BUG_IF(dev->backend->upload(dev, t->data, zeros, tensor_bytes(t)));
    if (tensor_is_weight(t))
        t->host = zeros;
    else
        free(zeros);
}

static void capture(FakeCuda *gpu, Device *dev, const Kernel *k,
                    const Tensor *out, const char *why)
{
    const Backend *backend = dev->backend;
    void *state = NULL, *recording = NULL;
    int err = k->plan ? k->plan(dev, out, &state) : OK, ended;

    if (!err)
        err = k->run(dev, out, state); /* once, as plan_record does */
    if (!err)
        err = backend->record_begin(dev);
    if (!err) {
        err = k->repack ? k->repack(dev, out, state) : OK;
        if (!err)
            err = k->run(dev, out, state);
        ended = backend->record_end(dev, &recording);
        CHECK_MSG(!err && !ended && !gpu->illegal,
                  "%s '%s', kernel %s: calls %s in a capture: %s",
                  out->op->name, why, k->name, gpu->illegal, err_message());
        backend->recording_free(dev, recording);
    }
    CHECK_MSG(err == OK || err == ERR_UNSUPPORTED, "%s '%s', kernel %s: %s",
              out->op->name, why, k->name, err_message());
    gpu->illegal = NULL;
    if (k->release)
        k->release(state);
    else
        free(state);
}

static const double MOST_FLOPS = 2e6;

/* All kernels that take a case; how many. */
static int capture_all(FakeCuda *gpu, Device *dev, const KernelCase *c)
{
    Tensor *src[MAX_SRC], *out;
    Graph *g = graph_new();
    int n = 0;

    for (int k = 0; k < MAX_SRC; k++)
        src[k] = kernel_case_source(g, c, k);
    out = graph_apply(g, c->op, c->attr, src);
    BUG_IF(!out);
    if (out->op->cost(out).flops > MOST_FLOPS) { /* it takes its time here */
        graph_free(g);
        return 0;
    }
    for (int i = 0; i < graph_size(g); i++)
        place(dev, graph_at(g, i));
    for (const Kernel *const *k = dev->kernels; *k; k++)
        if (kernel_takes(*k, out)) {
            capture(gpu, dev, *k, out, c->why);
            n++;
        }
    for (int i = 0; i < graph_size(g); i++)
        dev->backend->release(dev, graph_at(g, i)->data);
    graph_free(g);
    return n;
}

TEST(faults, no_kernel_calls_what_a_capture_forbids)
{
    FakeCuda *gpu = fake_gpu_with_kernels();
    Device *dev = fake_gpu_opened();
    const KernelCase *c;
    int n = 0;

    for (int i = 0; (c = kernel_case_at(i)); i++)
        n += capture_all(gpu, dev, c);
    CHECK_MSG(n > 300, "%d captures", n);
    backend_close(dev);
    CHECK_MSG(gpu->live == 0, "%d things are left", gpu->live);
}

/* The fake's rules, each. */
TEST(faults, the_fake_forbids_what_cuda_does)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev = fake_gpu_opened();
    const Backend *b = dev->backend;
    void *p, *recording;
    char byte = 0;

    REQUIRE(b->alloc(dev, &p, 64) == OK);
    for (int i = 0; i < 3; i++) {
        void *more;

        REQUIRE(b->record_begin(dev) == OK);
        if (i == 0)
            CHECK(b->alloc(dev, &more, 64) != OK);
        else if (i == 1)
            CHECK(b->upload(dev, p, &byte, 1) != OK);
        else
            b->release(dev, p);
        CHECK(gpu->illegal && !strcmp(gpu->illegal, i == 0   ? "cudaMalloc"
                                                    : i == 1 ? "cudaMemcpyAsync"
                                                             : "cudaFree"));
        CHECK(b->record_end(dev, &recording) == ERR_DEVICE && !recording);
        gpu->illegal = NULL;
    }
    b->release(dev, p);
    backend_close(dev);
    CHECK(gpu->live == 0);
}
