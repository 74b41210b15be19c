/*
 * ref.c - the backend "ref": runs every op's own definition, on the host.
 *
 * It is what other backends are compared with, so it stays naive.  It knows
 * no op: its one kernel asks each op for its definition.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/core/host.h"

static bool has_ref(const Tensor *out)
{
    return out->op->ref != NULL;
}

static int run_ref(Device *dev, const Tensor *out, void *state)
{
    (void)dev;
    (void)state;
    out->op->ref(out);
    return OK;
}

static const Kernel definition = {
    .name = "definition",
    .supports = has_ref,
    .run = run_ref,
};

static const Kernel *const kernels[] = { &definition, NULL };

static int ref_open(Device **out, const DeviceSettings *settings)
{
    Device *dev = calloc(1, sizeof(*dev));

    (void)settings;
    if (!dev)
        return fail(ERR_MEMORY, "no memory for a device");
    dev->backend = &ref_backend;
    dev->kernels = kernels;
    dev->threads = 1;
    snprintf(dev->about, sizeof(dev->about), "plain definitions");
    *out = dev;
    return OK;
}

static void ref_close(Device *dev)
{
    free(dev);
}

static int ref_evict(Device *dev)
{
    (void)dev;
    return fail(ERR_UNSUPPORTED, "ref has no state=cold: it is not for timing");
}

const Backend ref_backend = {
    .name = "ref",
    .title = "the plain definitions, for checking",
    .host_memory = true,
    .open = ref_open,
    .close = ref_close,
    .alloc = host_alloc,
    .release = host_release,
    .upload = host_copy,
    .download = host_copy,
    .clock_start = host_clock_start,
    .clock_stop = host_clock_stop,
    .evict = ref_evict,
};
