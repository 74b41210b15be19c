/*
 * test_forecast.c - what keeps a GPU's counters from a profile is told before a
 * run: over a /proc of our own, and an NVML that is not there.
 */
#include "kernels/cupti/access.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/core/err.h"
#include "tests/test.h"

/* A file of /proc, in folders that are made for it. */
static void proc_file(const char *name, const char *text)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
    for (char *at = path + strlen(test_tmpdir()) + 1; (at = strchr(at, '/'));
         at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    f = fopen(path, "w");
    BUG_IF(!f || fputs(text, f) < 0 || fclose(f));
}

/* A user without rights, among processes that are none of our business. */
static void make_proc(bool open)
{
    proc_file("driver/nvidia/params",
              open ? "RmProfilingAdminOnly: 0\n" : "RmProfilingAdminOnly: 1\n");
    proc_file("self/status", "Name: x\nCapEff:\t00000000a80425fb\n");
    proc_file("1/comm", "systemd\n");
    proc_file("42/comm", "ncurses-game\n");
    proc_file("meminfo", "");
}

static Nvml *opened(const char *gpu)
{
    Nvml *nvml;

    if (!dlopen(test_beside("fake/libnvidia-ml.so.1"), RTLD_NOW | RTLD_GLOBAL))
        SKIP(dlerror());
    setenv("FAKE_NVML", gpu, 1);
    BUG_IF(nvml_open(&nvml, NULL));
    return nvml;
}

TEST(forecast, nothing_seen_is_no_refusal)
{
    make_proc(true);
    CHECK_MSG(forecast_counters(test_tmpdir(), NULL) == OK, "%s",
              err_message());
    CHECK(forecast_counters("/nowhere", NULL) == OK);
}

TEST(forecast, a_user_without_permission_is_told_how_to_get_it)
{
    make_proc(false);
    CHECK(forecast_counters(test_tmpdir(), NULL) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "NVreg_RestrictProfilingToAdminUsers=0"),
              "%s", err_message());
}

TEST(forecast, what_nvml_says_of_the_gpu)
{
    static const struct {
        const char *gpu, *says;
    } cases[] = {
        { "vgpu", "Cool is virtual (vGPU), and its host may keep them; ask" },
        { "mig", "cut into slices (MIG), which may have none; use an instance "
                 "with all of its compute slices" },
        { "passthrough", NULL },
        { "mute", NULL },
        { "", NULL },
    };

    make_proc(true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Nvml *nvml = opened(cases[i].gpu);
        const int err = forecast_counters(test_tmpdir(), nvml);

        CHECK_MSG((err == OK) == !cases[i].says, "%s: %s", cases[i].gpu,
                  err_message());
        if (cases[i].says)
            CHECK_MSG(strstr(err_message(), cases[i].says), "%s",
                      err_message());
        nvml_close(nvml);
    }
}

TEST(forecast, another_profiler_may_hold_them)
{
    static const struct {
        const char *name, *says;
    } cases[] = {
        { "nv-hostengine", "DCGM is running (nv-hostengine, process 77), which "
                           "may hold them; dcgmi profile --pause" },
        { "dcgm-exporter", "DCGM is running" },
        { "nsys", "Nsight Systems is running (nsys, process 77)" },
        { "ncu", "Nsight Compute is running" },
        { "nv-nsight-cu-cl", "Nsight Compute is running" },
        { "cuda-gdb", "cuda-gdb is running" },
    };

    make_proc(true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char comm[64];

        snprintf(comm, sizeof(comm), "%s\n", cases[i].name);
        proc_file("77/comm", comm);
        CHECK(forecast_counters(test_tmpdir(), NULL) == ERR_UNSUPPORTED);
        CHECK_MSG(strstr(err_message(), cases[i].says), "%s", err_message());
    }
}
