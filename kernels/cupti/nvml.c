/*
 * nvml.c - loads libnvidia-ml and asks it.
 *
 * The few functions that are needed are declared here: neither its header nor
 * the library need be there when this is built.  Source: NVIDIA's NVML API
 * reference, names and numbers of which are part of the library's interface.
 */
#include "kernels/cupti/nvml.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

/* clang-format off */
#define NVML_FUNCTIONS(X)                                                      \
    X(init,         "nvmlInit_v2",          int, (void))                       \
    X(shutdown,     "nvmlShutdown",         int, (void))                       \
    X(error_string, "nvmlErrorString",      const char *, (int))               \
    X(driver,       "nvmlSystemGetDriverVersion", int, (char *, unsigned))     \
    X(count,        "nvmlDeviceGetCount_v2", int, (unsigned *))                \
    X(by_index,     "nvmlDeviceGetHandleByIndex_v2", int, (unsigned, void **)) \
    X(by_bus_id,    "nvmlDeviceGetHandleByPciBusId_v2", int,                   \
                    (const char *, void **))                                   \
    X(name,         "nvmlDeviceGetName",    int, (void *, char *, unsigned))   \
    X(temperature,  "nvmlDeviceGetTemperature", int,                           \
                    (void *, int, unsigned *))                                 \
    X(power,        "nvmlDeviceGetPowerUsage", int, (void *, unsigned *))      \
    X(mig,          "nvmlDeviceGetMigMode", int,                               \
                    (void *, unsigned *, unsigned *))                          \
    X(virtualised,  "nvmlDeviceGetVirtualizationMode", int,                    \
                    (void *, unsigned *))                                      \
    X(reasons,      "nvmlDeviceGetCurrentClocksThrottleReasons", int,          \
                    (void *, unsigned long long *))

/* Bits of the reasons; the one that is left out, idle, is no limit. */
static const struct {
    unsigned long long bit;
    const char *name;
} reasons[] = {
    { 0x02, "clocks_set" },
    { 0x04, "power" },
    { 0x08, "hardware" },
    { 0x10, "sync_boost" },
    { 0x20, "thermal" },
    { 0x40, "hardware_thermal" },
    { 0x80, "power_brake" },
    { 0x100, "display" },
};
/* clang-format on */
enum { NREASONS = sizeof(reasons) / sizeof(reasons[0]), GPU_CORE = 0 };
enum { MIG_ON = 1, GUEST_OF_A_GPU = 2 };

struct Nvml {
    void *library;
#define X(id, symbol, result, args) result(*id) args;
    NVML_FUNCTIONS(X)
#undef X
    bool initialised;
    void *device;
    unsigned devices;
    char name_text[96], driver_text[80];
};

static const char *explain(const Nvml *n, int err)
{
    return n->error_string ? n->error_string(err) : "no explanation";
}

static int load(Nvml *n)
{
    n->library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!n->library)
        return fail(ERR_UNSUPPORTED,
                    "nvml: libnvidia-ml.so.1 is not here; it comes with the "
                    "NVIDIA driver");
#define X(id, symbol, result, args) \
    *(void **)&n->id = dlsym(n->library, symbol);
    NVML_FUNCTIONS(X)
#undef X
    if (!n->init || !n->shutdown || !n->count || !n->by_index || !n->by_bus_id)
        return fail(ERR_UNSUPPORTED, "nvml: libnvidia-ml.so.1 is of no version "
                                     "that this program knows");
    return OK;
}

static int find_device(Nvml *n, const char *bus_id)
{
    int err = n->count(&n->devices);

    if (!err && !n->devices)
        return fail(ERR_UNSUPPORTED, "nvml: the driver has no GPU");
    if (!err)
        err = bus_id ? n->by_bus_id(bus_id, &n->device)
                     : n->by_index(0, &n->device);
    if (err)
        return fail(ERR_UNSUPPORTED, "nvml: no GPU %s (%d, %s)",
                    bus_id ? bus_id : "0", err, explain(n, err));
    if (!n->name || n->name(n->device, n->name_text, sizeof(n->name_text)) != 0)
        n->name_text[0] = '\0';
    return OK;
}

int nvml_open(Nvml **out, const char *bus_id)
{
    Nvml *n = calloc(1, sizeof(*n));
    int err, code;

    *out = NULL;
    if (!n)
        return fail(ERR_MEMORY, "no memory for nvml");
    err = load(n);
    if (!err && (code = n->init()) != 0)
        err = fail(ERR_UNSUPPORTED, "nvml: it does not start (%d, %s)", code,
                   explain(n, code));
    n->initialised = !err;
    if (!err &&
        (!n->driver || n->driver(n->driver_text, sizeof(n->driver_text)) != 0))
        n->driver_text[0] = '\0';
    if (!err)
        err = find_device(n, bus_id);
    if (err) {
        nvml_close(n);
        return err;
    }
    *out = n;
    return OK;
}

void nvml_close(Nvml *n)
{
    if (!n)
        return;
    if (n->initialised)
        n->shutdown();
    if (n->library)
        dlclose(n->library);
    free(n);
}

const char *nvml_name(const Nvml *n)
{
    return n->name_text;
}

const char *nvml_driver(const Nvml *n)
{
    return n->driver_text;
}

int nvml_count(const Nvml *n)
{
    return (int)n->devices;
}

bool nvml_is_sliced(Nvml *n)
{
    unsigned now, next;

    return n->mig && n->mig(n->device, &now, &next) == 0 && now == MIG_ON;
}

bool nvml_is_virtual(Nvml *n)
{
    unsigned mode;

    return n->virtualised && n->virtualised(n->device, &mode) == 0 &&
           mode == GUEST_OF_A_GPU;
}

const char *nvml_read(Nvml *n, Moment *out, char *text, size_t size)
{
    unsigned long long bits;
    unsigned value;
    size_t used = 0;

    out->temperature_c = out->power_w = NAN;
    if (n->temperature && n->temperature(n->device, GPU_CORE, &value) == 0)
        out->temperature_c = value;
    if (n->power && n->power(n->device, &value) == 0)
        out->power_w = value * 1e-3; /* it says mW */
    if (!n->reasons || n->reasons(n->device, &bits) != 0)
        return NULL;
    text[0] = '\0';
    for (int i = 0; i < NREASONS && used < size; i++)
        if (bits & reasons[i].bit)
            used += (size_t)snprintf(text + used, size - used, "%s%s",
                                     used ? "," : "", reasons[i].name);
    if (!used)
        snprintf(text, size, "none");
    return text;
}
