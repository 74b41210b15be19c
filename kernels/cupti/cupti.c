/*
 * cupti.c - loads CUPTI; what its refusals mean.
 *
 * Loading it needs no GPU and no driver.  CUPTI itself loads libnvperf_host.so
 * by that bare name, which fails where the loader does not know the folder: so
 * that is loaded first, from CUPTI's folder.
 */
#include "kernels/cupti/cupti.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cupti/cupti_activity.h"
#include "kernels/cupti/places.h"

static int find(Cupti *c)
{
    CuptiPlaces places;

    cupti_places(&places);
    c->library = cupti_load(&places);
    return c->library ? OK : ERR_UNSUPPORTED;
}

static int load_beside(Cupti *c)
{
    void *symbol = dlsym(c->library, "cuptiGetVersion");
    char path[PATH_MAX], *slash;
    Dl_info info;

    if (!symbol || !dladdr(symbol, &info) || !realpath(info.dli_fname, path))
        return fail(ERR_UNSUPPORTED, "counters: what was found as CUPTI is "
                                     "another library");
    snprintf(c->path, sizeof(c->path), "%s", path);
    slash = strrchr(path, '/');
    snprintf(slash, sizeof(path) - (size_t)(slash - path),
             "/libnvperf_host.so");
    c->host_library = dlopen(path, CUPTI_HOW);
    if (!c->host_library)
        c->host_library = dlopen("libnvperf_host.so", CUPTI_HOW);
    return c->host_library
               ? OK
               : fail(ERR_UNSUPPORTED,
                      "counters: libnvperf_host.so is not next to %s; install "
                      "all of CUPTI",
                      c->path);
}

static int load_function(const Cupti *c, void *out, const char *symbol)
{
    *(void **)out = dlsym(c->library, symbol);
    return *(void **)out
               ? OK
               : fail(ERR_UNSUPPORTED,
                      "counters: %s has no %s; CUPTI of CUDA 12.6 or newer is "
                      "needed",
                      c->path, symbol);
}

static int load(Cupti *c)
{
    TRY(find(c));
    TRY(load_beside(c));
#define X(id, symbol, Params) TRY(load_function(c, &c->id, symbol));
    CUPTI_FUNCTIONS(X)
#undef X
    return OK;
}

int cupti_activity_find(CuptiActivity *out, const Cupti *c)
{
#define X(id, symbol, args) TRY(load_function(c, &out->id, symbol));
    CUPTI_ACTIVITY_FUNCTIONS(X)
#undef X
    return OK;
}

int cupti_open(Cupti *c)
{
    int err;

    memset(c, 0, sizeof(*c));
    err = load(c);
    if (err)
        cupti_close(c);
    return err;
}

void cupti_close(Cupti *c)
{
    if (c->host_library)
        dlclose(c->host_library);
    if (c->library)
        dlclose(c->library);
    memset(c, 0, sizeof(*c));
}

/* The driver's, which CUDA's runtime has made. */
void *cupti_context(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    int (*get)(void **) = NULL;
    void *context = NULL;

    if (driver)
        *(void **)&get = dlsym(driver, "cuCtxGetCurrent");
    if (get && get(&context))
        context = NULL;
    if (driver)
        dlclose(driver); /* it stays: the runtime has it, too */
    return context;
}

/* ---- refusals ----------------------------------------------------------- */

#define OPEN_TO_ALL                                                            \
    "run as root, or with CAP_SYS_ADMIN (docker run --cap-add=SYS_ADMIN), or " \
    "load the driver with NVreg_RestrictProfilingToAdminUsers=0"

static const struct {
    int code;
    const char *means;
} refusals[] = {
    { 15, "CUPTI did not start; is all of it there, libnvperf_host.so too?" },
    { 26, "another profiler has the counters; stop it (DCGM: dcgmi profile "
          "--pause)" },
    { 27, "driver and CUPTI do not go together; update the older one" },
    { 33, "the GPU is virtual and shows no counters; nothing helps but "
          "another machine" },
    { 35, "counters are for administrators here; " OPEN_TO_ALL },
    { 39, "another tool is attached (nsys, ncu, cuda-gdb); run without it" },
    { 40, "the GPU is virtual and its host keeps the counters; ask who runs "
          "it to enable profiling" },
    { 41, "confidential computing hides the counters; run where it is off" },
    { 42, "this GPU is for mining and has no counters; use another" },
    { 43, "this slice of a GPU (MIG) has no counters; use a whole GPU, or an "
          "instance with all of its compute slices" },
    { 44, "GPUs in SLI have no counters; turn SLI off" },
    { 45, "WSL shows no counters; allow access to them in NVIDIA's control "
          "panel on Windows" },
    { 46, "CUPTI does not know this GPU; install a newer one" },
    { 999, "CUPTI cannot use the driver; is it loaded, and new enough for it "
           "(nvidia-smi)?" },
};
enum { NREFUSALS = sizeof(refusals) / sizeof(refusals[0]) };

int cupti_check(int code, const char *call)
{
    if (!code)
        return OK;
    for (int i = 0; i < NREFUSALS; i++)
        if (refusals[i].code == code)
            return fail(ERR_UNSUPPORTED, "counters: %s (%s: %d)",
                        refusals[i].means, call, code);
    return fail(ERR_UNSUPPORTED, "counters: CUPTI refused (%s: %d)", call,
                code);
}

/* Reads what follows key at the start of a line; false if there is none. */
static bool value_in(const char *path, const char *key, char *value,
                     size_t size)
{
    FILE *f = fopen(path, "r");
    bool found = false;
    char line[256];

    while (f && !found && fgets(line, sizeof(line), f))
        if (strncmp(line, key, strlen(key)) == 0) {
            snprintf(value, size, "%s", line + strlen(key));
            found = true;
        }
    if (f)
        fclose(f);
    return found;
}

int cupti_may_count(const char *params, const char *status)
{
    enum { SYS_ADMIN = 21, PRIVILEGES = 35 };
    char text[64];
    unsigned long long has;

    if (!value_in(params, "RmProfilingAdminOnly: ", text, sizeof(text)) ||
        atoi(text) == 0)
        return OK;
    if (value_in(status, "CapEff:", text, sizeof(text)) &&
        sscanf(text, "%llx", &has) == 1 && !(has >> SYS_ADMIN & 1))
        return cupti_check(PRIVILEGES,
                           "RmProfilingAdminOnly in the driver's params");
    return OK;
}
