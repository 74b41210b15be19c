/*
 * backend.h - a device: memory, clock, list of kernels.
 *
 * A Kernel is how one backend computes one op.  A device lists its kernels,
 * best first; the plan takes the first whose supports() says yes.  There is
 * no fallback to another device.
 */
#ifndef CORE_BACKEND_H
#define CORE_BACKEND_H

#include "kernels/core/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Device Device;

typedef struct Kernel {
    const Op *op;     /* NULL: any op that supports() accepts */
    const char *name; /* the strategy: "rows", "onednn" */

    /* Where it may run; NULL: everywhere.  Sees shapes and attributes. */
    bool (*supports)(const Tensor *out);

    /* All that is slow: primitives, tables, packed weights (from src->host).
     * Data pointers of activations are set.  *state is for run(). */
    int (*plan)(Device *dev, const Tensor *out, void **state);

    /* Computes out->data; only launches.  NULL for views. */
    int (*run)(Device *dev, const Tensor *out, void *state);

    void (*release)(void *state); /* NULL: state is NULL or from malloc */

    /* Bit i: out may be the storage of src[i], if nobody reads that later. */
    unsigned inplace;

    /* Bit i: src[i] is a weight that plan() copied; run() never reads it. */
    unsigned packs;
} Kernel;

/* What a device is opened with. */
typedef struct DeviceSettings {
    int threads;     /* 0: all cores that this process may use       */
    const char *isa; /* "": the best; or the name of a lesser one    */
    bool crowded;    /* more threads than cores may be; not for times */
} DeviceSettings;

typedef struct Backend {
    const char *name;
    const char *title;
    bool host_memory; /* its pointers are the host's: nothing is copied */

    /* ERR_UNSUPPORTED with the reason where there is no such device. */
    int (*open)(Device **out, const DeviceSettings *settings);
    void (*close)(Device *dev); /* accepts NULL */

    /* Device memory, aligned to 64 bytes or more. */
    int (*alloc)(Device *dev, void **out, size_t bytes);
    void (*release)(Device *dev, void *p);
    int (*upload)(Device *dev, void *dst, const void *src, size_t bytes);
    int (*download)(Device *dev, void *dst, const void *src, size_t bytes);

    /* Nanoseconds of device time between the two, all work done. */
    int (*clock_start)(Device *dev);
    int (*clock_stop)(Device *dev, double *ns);

    /* Evicts the caches that outlive a kernel: the state called cold. */
    int (*evict)(Device *dev);
} Backend;

/* Every backend's device starts with this. */
struct Device {
    const Backend *backend;
    const Kernel *const *kernels; /* best first, NULL ends the list     */
    int threads;                  /* as opened; 1 where it has no meaning */
    double started_ns;            /* of clock_start, on the host's clock  */
    char about[128];              /* "AMD EPYC, 2 threads, avx512"        */
};

/* The plain definitions, one by one: what every other backend is checked
 * against.  Always there. */
extern const Backend ref_backend;

#ifdef __cplusplus
}
#endif

#endif
