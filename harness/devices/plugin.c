/*
 * plugin.c - finds attnbench_cuda.so and loads it.
 *
 * Loading takes a tenth of a second (cuDNN, cuBLASLt), so nothing does it
 * before somebody asks for a device or its kernels.  Once loaded it stays:
 * CUDA's runtime is not made to be unloaded, and dlopen counts.
 */
#include "harness/devices/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "kernels/cuda/backend/plugin.h"

/* From the program's own folder. */
static const char *const places[] = {
    CUDA_PLUGIN_FILE,
    "../lib/attnbench/" CUDA_PLUGIN_FILE,
};
enum { NPLACES = sizeof(places) / sizeof(places[0]) };

int plugin_path(char *path, size_t size)
{
    const char *given = getenv("ATTNBENCH_CUDA");
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (given) {
        snprintf(path, size, "%s", given);
        return OK;
    }
    while (n > 0 && program[n - 1] != '/')
        n--;
    for (int i = 0; n > 0 && i < NPLACES; i++) {
        snprintf(path, size, "%.*s%s", (int)n, program, places[i]);
        if (access(path, F_OK) == 0)
            return OK;
    }
    if (CUDA_BUILD_MISSING[0])
        return fail(ERR_UNSUPPORTED, "cuda: no plugin was built: %s",
                    CUDA_BUILD_MISSING);
    return fail(ERR_UNSUPPORTED,
                "cuda: " CUDA_PLUGIN_FILE " is not next to the program; set "
                "ATTNBENCH_CUDA to its path");
}

int plugin_load(const Backend **out)
{
    char path[PATH_MAX];
    void *library;
    CudaPlugin *plugin;

    *out = NULL;
    TRY(plugin_path(path, sizeof(path)));
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return fail(ERR_UNSUPPORTED, "cuda: the plugin does not load: %s",
                    dlerror());
    *(void **)&plugin = dlsym(library, CUDA_PLUGIN_SYMBOL);
    *out = plugin ? plugin(CUDA_BUILD_HEADERS) : NULL;
    dlclose(library);
    if (!plugin)
        return fail(ERR_UNSUPPORTED, "cuda: %s is not an attnbench plugin",
                    path);
    if (!*out)
        return fail(ERR_UNSUPPORTED,
                    "cuda: %s and this program are not of the same build; "
                    "run make again",
                    path);
    return OK;
}

static int cuda_open(Device **out, const DeviceSettings *settings)
{
    const Backend *plugin;

    *out = NULL;
    TRY(plugin_load(&plugin));
    return plugin->open(out, settings);
}

static const Kernel *cuda_kernel_at(int i)
{
    const Backend *plugin;

    return plugin_load(&plugin) == OK ? plugin->kernel_at(i) : NULL;
}

const Backend cuda_backend = {
    .name = "cuda",
    .title = "an NVIDIA GPU",
    .open = cuda_open,
    .kernel_at = cuda_kernel_at,
};
