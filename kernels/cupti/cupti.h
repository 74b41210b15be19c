/*
 * cupti.h - NVIDIA's library for hardware counters, loaded where it is there.
 *
 * It is declared here as much of it as is called: its header for the host side
 * is no C, and none need be there when this is built.  Each call takes a struct
 * that begins with its own size, up to the end of its last field.  Names and
 * layouts are the library's interface, as of CUDA 13.0; cupti_layout.c compares
 * them with the headers of the toolkit.
 */
#ifndef CUDA_CUPTI_H
#define CUDA_CUPTI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begins an initialiser of a parameter struct whose last field that is. */
#define CUPTI_SIZE(type, last) \
    (offsetof(type, last) + sizeof(((type *)0)->last))
#define CUPTI_HEAD \
    size_t size;   \
    void *unused

/* ---- on the host: metrics, and what they are made of -------------------- */

typedef struct CuptiHostInitialize {
    CUPTI_HEAD;
    int type; /* CUPTI_TYPE_RANGES */
    const char *chip;
    const uint8_t *available; /* of this device; NULL: of any such chip */
    void *host;               /* out */
} CuptiHostInitialize;

typedef struct CuptiHostObject {
    CUPTI_HEAD;
    void *host;
} CuptiHostObject;

typedef struct CuptiHostMetrics {
    CUPTI_HEAD;
    void *host;
    const char *const *metrics;
    size_t n;
} CuptiHostMetrics;

typedef struct CuptiHostBase {
    CUPTI_HEAD;
    void *host;
    int type;
    const char **metrics; /* out */
    size_t n;             /* out */
} CuptiHostBase;

typedef struct CuptiHostImageSize {
    CUPTI_HEAD;
    void *host;
    size_t bytes; /* out */
} CuptiHostImageSize;

typedef struct CuptiHostImage {
    CUPTI_HEAD;
    void *host;
    size_t bytes;
    uint8_t *image;
} CuptiHostImage;

typedef struct CuptiHostPasses {
    CUPTI_HEAD;
    size_t bytes;
    uint8_t *image;
    size_t passes; /* out */
} CuptiHostPasses;

typedef struct CuptiHostValues {
    CUPTI_HEAD;
    void *host;
    const uint8_t *data;
    size_t bytes, range;
    const char *const *metrics;
    size_t n;
    double *values;
} CuptiHostValues;

/* ---- on the device: a session ------------------------------------------- */

typedef struct CuptiNothing {
    CUPTI_HEAD;
} CuptiNothing;

typedef struct CuptiSupported {
    CUPTI_HEAD;
    int device;
    int supported, architecture, sli, virtual_gpu, confidential, cmp, wsl;
    int api; /* 0: ranges */
} CuptiSupported;

typedef struct CuptiChip {
    CUPTI_HEAD;
    size_t device;
    const char *chip; /* out */
} CuptiChip;

typedef struct CuptiAvailable {
    CUPTI_HEAD;
    void *context;
    size_t bytes;
    uint8_t *image; /* NULL: only bytes is wanted */
} CuptiAvailable;

typedef struct CuptiEnable {
    CUPTI_HEAD;
    void *context;
    void *profiler; /* out */
} CuptiEnable;

typedef struct CuptiProfiler {
    CUPTI_HEAD;
    void *profiler;
} CuptiProfiler;

typedef struct CuptiDataSize {
    CUPTI_HEAD;
    void *profiler;
    const char *const *metrics;
    size_t n, ranges;
    uint32_t nodes;
    size_t bytes; /* out */
} CuptiDataSize;

typedef struct CuptiData {
    CUPTI_HEAD;
    void *profiler;
    size_t bytes;
    uint8_t *data;
} CuptiData;

typedef struct CuptiConfig {
    CUPTI_HEAD;
    void *profiler;
    size_t image_bytes;
    const uint8_t *image;
    size_t data_bytes;
    uint8_t *data;
    int range, replay;
    size_t ranges_per_pass;
    uint16_t levels, min_level;
    size_t pass;
    uint16_t target_level;
} CuptiConfig;

typedef struct CuptiStop {
    CUPTI_HEAD;
    void *profiler;
    size_t pass, level;
    uint8_t all_submitted;
} CuptiStop;

typedef struct CuptiPush {
    CUPTI_HEAD;
    void *profiler;
    const char *name;
} CuptiPush;

typedef struct CuptiDecode {
    CUPTI_HEAD;
    void *profiler;
    size_t dropped; /* out */
} CuptiDecode;

typedef struct CuptiDataInfo {
    CUPTI_HEAD;
    const uint8_t *data;
    size_t bytes;
    size_t ranges; /* out */
} CuptiDataInfo;

typedef struct CuptiRangeInfo {
    CUPTI_HEAD;
    const uint8_t *data;
    size_t bytes, range;
    const char *delimiter;
    const char *name; /* out */
} CuptiRangeInfo;

enum {
    CUPTI_TYPE_RANGES = 0,
    CUPTI_SUPPORTED = 3,
    CUPTI_USER_RANGE = 2,
    CUPTI_USER_REPLAY = 3,
};

/* ---- the library -------------------------------------------------------- */

/* clang-format off */
#define CUPTI_FUNCTIONS(X)                                                     \
    X(host_initialize,  "cuptiProfilerHostInitialize",                         \
                        CuptiHostInitialize)                                   \
    X(host_deinitialize, "cuptiProfilerHostDeinitialize",  CuptiHostObject)    \
    X(host_base,        "cuptiProfilerHostGetBaseMetrics", CuptiHostBase)      \
    X(host_metrics,     "cuptiProfilerHostConfigAddMetrics", CuptiHostMetrics) \
    X(host_image_size,  "cuptiProfilerHostGetConfigImageSize",                 \
                        CuptiHostImageSize)                                    \
    X(host_image,       "cuptiProfilerHostGetConfigImage", CuptiHostImage)     \
    X(host_passes,      "cuptiProfilerHostGetNumOfPasses", CuptiHostPasses)    \
    X(host_values,      "cuptiProfilerHostEvaluateToGpuValues",                \
                        CuptiHostValues)                                       \
    X(initialize,       "cuptiProfilerInitialize",         CuptiNothing)       \
    X(deinitialize,     "cuptiProfilerDeInitialize",       CuptiNothing)       \
    X(supported,        "cuptiProfilerDeviceSupported",    CuptiSupported)     \
    X(chip,             "cuptiDeviceGetChipName",          CuptiChip)          \
    X(available,        "cuptiProfilerGetCounterAvailability", CuptiAvailable) \
    X(enable,           "cuptiRangeProfilerEnable",        CuptiEnable)        \
    X(disable,          "cuptiRangeProfilerDisable",       CuptiProfiler)      \
    X(data_size,        "cuptiRangeProfilerGetCounterDataSize", CuptiDataSize) \
    X(data_initialize,  "cuptiRangeProfilerCounterDataImageInitialize",        \
                        CuptiData)                                             \
    X(configure,        "cuptiRangeProfilerSetConfig",     CuptiConfig)        \
    X(start,            "cuptiRangeProfilerStart",         CuptiProfiler)      \
    X(stop,             "cuptiRangeProfilerStop",          CuptiStop)          \
    X(push,             "cuptiRangeProfilerPushRange",     CuptiPush)          \
    X(pop,              "cuptiRangeProfilerPopRange",      CuptiProfiler)      \
    X(decode,           "cuptiRangeProfilerDecodeData",    CuptiDecode)        \
    X(data_info,        "cuptiRangeProfilerGetCounterDataInfo", CuptiDataInfo) \
    X(range_info,       "cuptiRangeProfilerCounterDataGetRangeInfo",           \
                        CuptiRangeInfo)
/* clang-format on */

typedef struct Cupti {
    void *library, *host_library; /* of dlopen, or NULL */
    char path[4096];              /* where it was found */
#define X(id, symbol, Params) int (*id)(Params *);
    CUPTI_FUNCTIONS(X)
#undef X
} Cupti;

/* ERR_UNSUPPORTED, with the remedy, where there is none that can be used. */
int cupti_open(Cupti *out);
void cupti_close(Cupti *cupti);

/* The context (CUcontext) that is current in the driver, or NULL. */
void *cupti_context(void);

/* OK for 0, else ERR_UNSUPPORTED with what refused, why, and what helps. */
int cupti_check(int code, const char *call);

/* ERR_UNSUPPORTED with the remedy if the driver keeps counters from this
 * process, as far as can be seen without a try; OK also where it is unknown.
 * params is the driver's file, /proc/driver/nvidia/params; status is
 * /proc/self/status. */
int cupti_may_count(const char *params, const char *status);

#ifdef __cplusplus
}
#endif

#endif
