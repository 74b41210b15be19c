/*
 * ref.c - the backend "ref": runs every op's own definition, on the host.
 *
 * It is what other backends are compared with, so it stays naive.  It knows
 * no op: its one kernel asks each op for its definition.  Opened with
 * rounds_to, it rounds each result to that type: what a device that stores
 * its results in it can hope for, and so a measure of what it may lose.  Opened
 * with shakes, it moves each result by half a float's epsilon, up or down, of
 * the result or of its terms (Op.terms), whichever is larger: what float
 * arithmetic may lose.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/core/host.h"

typedef struct RefDevice {
    Device base;
    Dtype rounds_to;
    bool shakes;
} RefDevice;

static bool has_ref(const Tensor *out)
{
    return out->op->ref != NULL;
}

/* Up or down by the top bit of a hash of the node and the place. */
static void shake(const Tensor *out, const float *terms)
{
    static const uint32_t golden = 0x9E3779B1;
    float *y = out->data;

    for (size_t i = 0; i < tensor_count(out); i++) {
        const uint32_t hash =
            ((uint32_t)i * golden + (uint32_t)out->id) * golden;
        const float size = terms ? fmaxf(fabsf(y[i]), terms[i]) : fabsf(y[i]);

        y[i] += (hash >> 31 ? size : -size) * (FLT_EPSILON / 2);
    }
}

static int shake_result(const Tensor *out)
{
    const size_t n = tensor_count(out);
    float *terms = NULL;
    int err = OK;

    if (out->op->terms) {
        terms = malloc(n * sizeof(*terms));
        if (!terms)
            return fail(ERR_MEMORY, "no memory for %zu numbers", n);
        err = out->op->terms(out, terms);
    }
    if (!err)
        shake(out, terms);
    free(terms);
    return err;
}

static int run_ref(Device *dev, const Tensor *out, void *state)
{
    const Dtype dtype = ((RefDevice *)dev)->rounds_to;
    float *y = out->data;

    (void)state;
    TRY(out->op->ref(out));
    for (size_t i = 0; dtype != F32 && i < tensor_count(out); i++)
        y[i] = dtype_round(dtype, y[i]);
    return ((RefDevice *)dev)->shakes ? shake_result(out) : OK;
}

static const Kernel definition = {
    .name = "definition",
    .supports = has_ref,
    .run = run_ref,
};

static const Kernel *const kernels[] = { &definition, NULL };

static const Kernel *ref_kernel_at(int i)
{
    return i == 0 ? &definition : NULL;
}

static int ref_open(Device **out, const DeviceSettings *settings)
{
    RefDevice *ref = calloc(1, sizeof(*ref));

    if (!ref)
        return fail(ERR_MEMORY, "no memory for a device");
    ref->rounds_to = settings ? settings->rounds_to : F32;
    ref->shakes = settings && settings->shakes;
    ref->base.backend = &ref_backend;
    ref->base.kernels = kernels;
    ref->base.threads = 1;
    snprintf(ref->base.about, sizeof(ref->base.about), "plain definitions");
    *out = &ref->base;
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
    .kernel_at = ref_kernel_at,
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
