/*
 * access.c - what may keep counters from a profile: the driver's parameters,
 * what NVML says of the GPU, and who else is running.
 *
 * Certain causes come first.  That another profiler runs is only a guess: it
 * may be idle, or at another GPU; only a try can tell.  DCGM's daemon holds the
 * counters while somebody watches its profiling fields.
 */
#include "kernels/cupti/access.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cupti/cupti.h"

enum { PATH = 512, COMM = 16 };

/* Names of processes as the kernel has them: 15 characters at most. */
#define PAUSE "dcgmi profile --pause, until it is done"
#define WAIT  "let it end first"
static const struct {
    const char *name, *tool, *remedy;
} holders[] = {
    { "nv-hostengine", "DCGM", PAUSE },
    { "dcgm-exporter", "DCGM", PAUSE },
    { "dcgmi", "DCGM", PAUSE },
    { "nsys", "Nsight Systems", WAIT },
    { "nsys-launcher", "Nsight Systems", WAIT },
    { "ncu", "Nsight Compute", WAIT },
    { "nv-nsight-cu-cl", "Nsight Compute", WAIT },
    { "nvprof", "nvprof", WAIT },
    { "cuda-gdb", "cuda-gdb", WAIT },
};
enum { NHOLDERS = sizeof(holders) / sizeof(holders[0]) };

/* The name of a process, "" if it is gone. */
static void name_of(const char *proc, const char *pid, char name[COMM + 1])
{
    char path[PATH];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s/comm", proc, pid);
    f = fopen(path, "r");
    name[0] = '\0';
    if (f && !fgets(name, COMM + 1, f))
        name[0] = '\0';
    if (f)
        fclose(f);
    name[strcspn(name, "\n")] = '\0';
}

static int check_process(const char *proc, const char *pid)
{
    char name[COMM + 1];

    name_of(proc, pid, name);
    for (int i = 0; i < NHOLDERS; i++)
        if (strcmp(name, holders[i].name) == 0)
            return fail(ERR_UNSUPPORTED,
                        "counters: %s is running (%s, process %s), which may "
                        "hold them; %s",
                        holders[i].tool, name, pid, holders[i].remedy);
    return OK;
}

static int check_others(const char *proc)
{
    DIR *dir = opendir(proc);
    struct dirent *entry;
    int err = OK;

    while (dir && !err && (entry = readdir(dir)))
        if (isdigit((unsigned char)entry->d_name[0]))
            err = check_process(proc, entry->d_name);
    if (dir)
        closedir(dir);
    return err;
}

static int check_gpu(Nvml *nvml)
{
    if (nvml_is_virtual(nvml))
        return fail(ERR_UNSUPPORTED,
                    "counters: %s is virtual (vGPU), and its host may keep "
                    "them; ask who runs it to enable profiling",
                    nvml_name(nvml));
    if (nvml_is_sliced(nvml))
        return fail(ERR_UNSUPPORTED,
                    "counters: %s is cut into slices (MIG), which may have "
                    "none; use an instance with all of its compute slices, or "
                    "the whole (sudo nvidia-smi -mig 0)",
                    nvml_name(nvml));
    return OK;
}

int forecast_counters(const char *proc, Nvml *nvml)
{
    char params[PATH], status[PATH];

    snprintf(params, sizeof(params), "%s/driver/nvidia/params", proc);
    snprintf(status, sizeof(status), "%s/self/status", proc);
    TRY(cupti_may_count(params, status));
    if (nvml)
        TRY(check_gpu(nvml));
    return check_others(proc);
}
