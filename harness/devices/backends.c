/*
 * backends.c - the list of backends.
 */
#include "harness/devices/backends.h"

#include <string.h>

#include "harness/devices/plugin.h"
#include "kernels/core/err.h"
#include "kernels/cpu/cpu.h"

static const Backend *const backends[] = { &cpu_backend, &cuda_backend,
                                           &ref_backend, &model_backend };
enum { NBACKENDS = sizeof(backends) / sizeof(backends[0]) };

const Backend *backend_at(int i)
{
    return i >= 0 && i < NBACKENDS ? backends[i] : NULL;
}

const char *backend_name(int i)
{
    return i >= 0 && i < NBACKENDS ? backends[i]->name : NULL;
}

const char *backend_meant(const char *name)
{
    Device *dev;
    bool cuda;

    if (strcmp(name, "best"))
        return name;
    cuda = cuda_backend.open(&dev, NULL) == OK;
    backend_close(dev);
    return cuda ? cuda_backend.name : cpu_backend.name;
}

int backend_open(Device **out, const char *name, const DeviceSettings *settings)
{
    *out = NULL;
    for (int i = 0; i < NBACKENDS; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i]->open(out, settings);
    return fail(ERR_INPUT, "unknown backend '%s'", name);
}

void backend_close(Device *dev)
{
    if (dev)
        dev->backend->close(dev);
}

bool backend_lost(Device *dev)
{
    return dev && dev->backend->lost && dev->backend->lost(dev);
}
