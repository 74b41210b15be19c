/*
 * backend.h - a device: memory, clock, list of kernels.
 *
 * A Kernel is how one backend computes one op.  A device lists its kernels,
 * best first; the plan takes the first whose supports() says yes and whose
 * plan() does not refuse, or the one that wins a race of these.  There is no
 * fallback to another device.
 */
#ifndef CORE_BACKEND_H
#define CORE_BACKEND_H

#include "kernels/core/moment.h"
#include "kernels/core/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Device Device;

typedef struct Kernel {
    const Op *op;     /* NULL: any op that supports() accepts */
    const char *name; /* the strategy: "rows", "onednn" */

    /* Bit d: it takes tensors of Dtype d; 0 means f32 alone. */
    unsigned dtypes;

    /* Where it may run; NULL: everywhere.  Sees shapes and attributes, all of
     * a dtype that it takes. */
    bool (*supports)(const Tensor *out);

    /* All that is slow: primitives, tables, packed weights (from src->host).
     * Data pointers of activations are set.  *state is for run(), and is
     * released also after an error.  ERR_UNSUPPORTED: not on this device, or
     * not by the library that is here; then the next kernel is asked. */
    int (*plan)(Device *dev, const Tensor *out, void **state);

    /* A state for the same step with its data elsewhere: what plan() chose for
     * `like`, which is there for longer.  NULL: plan() does, and chooses the
     * same without timing. */
    int (*plan_like)(Device *dev, const Tensor *out, const void *like,
                     void **state);

    /* Computes out->data; only launches.  NULL for views.  What is not finite
     * is passed on: an infinity or NaN comes of it wherever the definition has
     * one, though a fused activation may make 0 of NaN (conv2d.c).  Kernels
     * made of a library promise this in f32 alone.  In bf16 they multiply what
     * lies next to a row, or in its padding, by 0, which makes NaN of infinity
     * in results that are finite (AMX does); so there nothing is promised once
     * an operand is not finite, and commands refuse such weights by name. */
    int (*run)(Device *dev, const Tensor *out, void *state);

    void (*release)(void *state); /* NULL: state is NULL or from malloc */

    /* Copies again what packs names, after a run has changed src->data; only
     * launches.  NULL: release() and plan() do, from src->host. */
    int (*repack)(Device *dev, const Tensor *out, void *state);

    /* Bit i: out may be the storage of src[i], if nobody reads that later. */
    unsigned inplace;

    /* Bit i: src[i] is a weight that plan() copied; run() never reads it. */
    unsigned packs;

    /* On a GPU, in f32: its FP32 additions and multiplications are as many as
     * the op's cost states, without those of a fused activation. */
    bool exact_flops;
} Kernel;

#define DTYPE_BIT(d) (1u << (d))
#define ALL_DTYPES   (DTYPE_BIT(NDTYPES) - 1)

/* True if the kernel is for out's op, dtype, shape and attributes. */
bool kernel_takes(const Kernel *k, const Tensor *out);

/* All that at(arg, i) gives, in an array that NULL ends; the caller frees it.
 * ERR_MEMORY. */
typedef const Kernel *KernelAt(const void *arg, int i);
int kernel_list(const Kernel ***out, KernelAt *at, const void *arg);

/* Choices that were made by timing, kept from one process to the next. */
typedef struct Notes {
    void *arg;
    /* Finds a note under key; its text into value. */
    bool (*find)(void *arg, const char *key, char *value, size_t size);
    void (*keep)(void *arg, const char *key, const char *value);
} Notes;

/* Settings that a device is opened with. */
typedef struct DeviceSettings {
    int threads;        /* 0: all cores that this process may use       */
    const char *isa;    /* "": the best; or the name of a lesser one    */
    bool crowded;       /* more threads than cores may be; not for times */
    Dtype rounds_to;    /* ref: every result is rounded to this type     */
    bool shakes;        /* ref: and moved by a rounding of its terms     */
    const Notes *notes; /* NULL: choose again; outlives the device     */
} DeviceSettings;

/* Takes one thing that is worth knowing: "cuDNN", "9.19.0". */
typedef void Say(void *arg, const char *what, const char *text);

/* Something that a device can be measured in at its best. */
typedef enum RoofUnit { ROOF_BYTES, ROOF_FLOPS } RoofUnit;
typedef struct RoofKind {
    const char *name; /* "dram_copy", "fma_f32" */
    RoofUnit unit;    /* a second               */
} RoofKind;

/* Answer of a device's counters, or its own records, about a step of a run, or
 * all of it. */
enum { ALL_STEPS = -1 };
typedef struct Counted {
    int step; /* or ALL_STEPS                                          */
    const char *quantity;
    double value;       /* NAN: it could not be counted, for the reason */
    const char *reason; /* "", or one sentence                          */
    const char *launch; /* one of the kernels that the device ran in the
                           step, by its name; NULL: all of them         */
    bool timed;         /* by the device's clock, not counted           */
} Counted;

/* A run to be counted. */
typedef struct Counting {
    int steps;
    Dtype dtype;
    const char *metrics; /* "": the usual ones; else names, "a,b"; NULL:
                            no counters, only the device's own records */

    /* Does what comes before a step and is not to be counted; NULL: nothing. */
    int (*before)(void *arg, int step);
    int (*launch)(void *arg, int step);
    void (*take)(void *arg, const Counted *counted); /* borrowed */
    void *arg;
} Counting;

typedef struct Backend {
    const char *name;
    const char *title;
    bool host_memory; /* its pointers are the host's: nothing is copied */

    /* The i-th kernel that its devices may have, best first; NULL past the
     * end.  Needs no device: a device lists those of them that it can run. */
    const Kernel *(*kernel_at)(int i);

    /* ERR_UNSUPPORTED with the reason where a device has no kernel at all for
     * tensors of dtype.  NULL: their lists say all. */
    int (*takes_dtype)(Device *dev, Dtype dtype);

    /* ERR_UNSUPPORTED with the reason where there is no such device. */
    int (*open)(Device **out, const DeviceSettings *settings);
    void (*close)(Device *dev); /* accepts NULL */

    /* True where nothing can run on it any more, after an error; until it is
     * closed, with all that it held, and opened again.  NULL: never. */
    bool (*lost)(Device *dev);

    /* Device memory, aligned to 64 bytes or more. */
    int (*alloc)(Device *dev, void **out, size_t bytes);
    void (*release)(Device *dev, void *p);
    int (*upload)(Device *dev, void *dst, const void *src, size_t bytes);
    int (*download)(Device *dev, void *dst, const void *src, size_t bytes);

    /* Nanoseconds of device time between the two, all work done. */
    int (*clock_start)(Device *dev);
    int (*clock_stop)(Device *dev, double *ns);

    /* Evicts the caches that outlive a kernel: the state called cold.  NULL:
     * that is made by copies of a plan that cache_bytes cannot hold. */
    int (*evict)(Device *dev);

    /* The state called graph: what is launched between begin and end is
     * recorded and not run; replay() launches all of it at once.  NULL: this
     * device has no such thing. */
    int (*record_begin)(Device *dev);
    int (*record_end)(Device *dev, void **recording);
    int (*replay)(Device *dev, void *recording);
    void (*recording_free)(Device *dev, void *recording);

    /* Reads the conditions of the moment; NULL: none is known. */
    int (*moment)(Device *dev, Moment *out);

    /* Says what doctor should show, of the backend where dev is NULL, else of
     * the device.  NULL: nothing. */
    void (*tell)(Device *dev, Say *say, void *arg);

    /* The roofs of a roofline: the i-th, false past the end; and some
     * milliseconds of its work, which the caller times.  NULL: none. */
    bool (*roof_at)(Device *dev, int i, RoofKind *out);
    int (*roof_run)(Device *dev, int i, double *work);

    /* Bytes of the last cache before memory, all that the device has of it;
     * 0: not known.  NULL: it has none. */
    size_t (*cache_bytes)(Device *dev);

    /* The same of the caches before it that cores do not share, together;
     * 0 or NULL: there is none between a core's first and the last. */
    size_t (*private_cache_bytes)(Device *dev);

    /* Runs all steps, as often as it takes, and says what was counted.  What
     * may not be counted here has a reason, and that is no error.  Nothing may
     * be timed meanwhile.  NULL: it has no counters. */
    int (*count)(Device *dev, const Counting *counting);

    /* Which of n kernels that take out, best first as listed, a plan is to try
     * first: where time alone can tell.  All data pointers are set.  NULL: the
     * first. */
    int (*race)(Device *dev, const Tensor *out, const Kernel *const *kernels,
                int n, int *first);
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
