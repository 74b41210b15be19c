/*
 * plugin.c - finds attnbench_cuda.so or attnbench_model.so, and loads it.
 *
 * Nothing does before somebody asks for a device or its kernels.  Once loaded
 * it stays: CUDA's runtime is not made to be unloaded, and dlopen counts.
 * Functions are bound when they are first called, because some are of libraries
 * that the CUDA plugin loads itself, where they are (kernels/cuda/library).
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

/* A plugin: whose it is, its file and symbol, the variable that may say where
 * it is, why it was not built (""), and how it would be. */
typedef struct PluginKind {
    const char *backend, *file, *symbol, *variable, *missing, *remedy;
} PluginKind;

static const PluginKind cuda_plugin = {
    "cuda",           CUDA_PLUGIN_FILE,   CUDA_PLUGIN_SYMBOL,
    "ATTNBENCH_CUDA", CUDA_BUILD_MISSING, "set ATTNBENCH_CUDA to its path",
};

static const PluginKind model_plugin = {
    "model", MODEL_PLUGIN_FILE,      MODEL_PLUGIN_SYMBOL, "ATTNBENCH_MODEL",
    "",      "make model builds it",
};

/* From the program's own folder. */
static const char *const places[] = { "", "../lib/attnbench/" };
enum { NPLACES = sizeof(places) / sizeof(places[0]) };

static int find(char *path, size_t size, const PluginKind *kind)
{
    const char *given = getenv(kind->variable);
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (given) {
        snprintf(path, size, "%s", given);
        return OK;
    }
    while (n > 0 && program[n - 1] != '/')
        n--;
    for (int i = 0; n > 0 && i < NPLACES; i++) {
        snprintf(path, size, "%.*s%s%s", (int)n, program, places[i],
                 kind->file);
        if (access(path, F_OK) == 0)
            return OK;
    }
    if (kind->missing[0])
        return fail(ERR_UNSUPPORTED, "%s: no plugin was built: %s",
                    kind->backend, kind->missing);
    return fail(ERR_UNSUPPORTED, "%s: %s is not next to the program; %s",
                kind->backend, kind->file, kind->remedy);
}

/* The function that the plugin is; its path. */
static int load(void **symbol, char path[PATH_MAX], const PluginKind *kind)
{
    void *library;

    TRY(find(path, PATH_MAX, kind));
    library = dlopen(path, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return fail(ERR_UNSUPPORTED, "%s: the plugin does not load: %s",
                    kind->backend, dlerror());
    *symbol = dlsym(library, kind->symbol);
    dlclose(library);
    if (!*symbol)
        return fail(ERR_UNSUPPORTED, "%s: %s is not an attnbench plugin",
                    kind->backend, path);
    return OK;
}

static int of_another_build(const PluginKind *kind, const char *path)
{
    return fail(ERR_UNSUPPORTED,
                "%s: %s and this program are not of the same build; run make "
                "again",
                kind->backend, path);
}

int plugin_path(char *path, size_t size)
{
    return find(path, size, &cuda_plugin);
}

int plugin_load(const Backend **out)
{
    char path[PATH_MAX];
    CudaPlugin *plugin;

    *out = NULL;
    TRY(load((void **)&plugin, path, &cuda_plugin));
    *out = plugin(CUDA_BUILD_HEADERS);
    return *out ? OK : of_another_build(&cuda_plugin, path);
}

int model_load(const Model **out)
{
    char path[PATH_MAX];
    ModelPlugin *plugin;

    *out = NULL;
    TRY(load((void **)&plugin, path, &model_plugin));
    *out = plugin(CUDA_BUILD_HEADERS);
    return *out ? OK : of_another_build(&model_plugin, path);
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

static int model_open(Device **out, const DeviceSettings *settings)
{
    (void)settings;
    *out = NULL;
    return fail(ERR_UNSUPPORTED,
                "model: it predicts and measures nothing; attnbench why "
                "--backend=model shows what it predicts");
}

static const Kernel *model_kernel_at(int i)
{
    (void)i;
    return NULL;
}

const Backend model_backend = {
    .name = "model",
    .title = "times of the CUDA kernels, predicted",
    .open = model_open,
    .kernel_at = model_kernel_at,
};
