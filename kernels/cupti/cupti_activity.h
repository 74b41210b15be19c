/*
 * cupti_activity.h - CUPTI's records of what a GPU ran, as much as is read.
 *
 * Layouts and numbers are CUPTI's interface as of CUDA 13.0, and the fields
 * that are read stood there in CUDA 12 already; cupti_layout.c compares them
 * with the headers of the toolkit.
 */
#ifndef CUDA_CUPTI_ACTIVITY_H
#define CUDA_CUPTI_ACTIVITY_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/cupti/cupti.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds of records. */
enum {
    CUPTI_MEMCPY = 1,
    CUPTI_MEMSET = 2,
    CUPTI_DRIVER = 4,
    CUPTI_RUNTIME = 5,
    CUPTI_CONCURRENT_KERNEL = 10,
    CUPTI_EXTERNAL_CORRELATION = 39,
};

enum {
    CUPTI_CUSTOM0 = 3, /* a kind of external correlation: the caller's */
    CUPTI_NO_MORE = 12 /* said after the last record of a buffer       */
};

/* Every record begins with its kind. */
typedef struct CuptiRecord {
    int kind;
} CuptiRecord;

/* Times are nanoseconds; both are 0 where none could be taken. */
typedef struct CuptiKernelRecord {
    int kind;
    uint8_t unread[12];
    uint64_t start, end;
    uint8_t unread_too[60];
    uint32_t correlation;
    uint64_t grid;
    const char *name; /* mangled; CUPTI's, as long as it is loaded */
} CuptiKernelRecord;

/* A copy, or a memset. */
typedef struct CuptiMemoryRecord {
    int kind;
    uint8_t unread[12];
    uint64_t start, end;
    uint32_t device, context, stream, correlation;
} CuptiMemoryRecord;

/* Links a call's correlation to the id of ours that it was made under. */
typedef struct CuptiExternalRecord {
    int kind, external_kind;
    uint64_t id;
    uint32_t correlation;
} CuptiExternalRecord;

typedef void CuptiGetsBuffer(uint8_t **buffer, size_t *bytes, size_t *records);
typedef void CuptiFilledBuffer(void *context, uint32_t stream, uint8_t *buffer,
                               size_t bytes, size_t filled);
typedef void CuptiHears(void *arg, int domain, uint32_t call, const void *data);

/* clang-format off */
#define CUPTI_ACTIVITY_FUNCTIONS(X)                                           \
    X(subscribe,   "cuptiSubscribe",                                          \
                   (void **subscriber, CuptiHears *hears, void *arg))         \
    X(unsubscribe, "cuptiUnsubscribe", (void *subscriber))                    \
    X(buffers,     "cuptiActivityRegisterCallbacks",                          \
                   (CuptiGetsBuffer *gets, CuptiFilledBuffer *filled))        \
    X(enable,      "cuptiActivityEnable",  (int kind))                        \
    X(disable,     "cuptiActivityDisable", (int kind))                        \
    X(push,        "cuptiActivityPushExternalCorrelationId",                  \
                   (int external_kind, uint64_t id))                          \
    X(pop,         "cuptiActivityPopExternalCorrelationId",                   \
                   (int external_kind, uint64_t *id))                         \
    X(flush,       "cuptiActivityFlushAll", (uint32_t flags))                 \
    X(next,        "cuptiActivityGetNextRecord",                              \
                   (uint8_t *buffer, size_t filled, CuptiRecord **record))    \
    X(dropped,     "cuptiActivityGetNumDroppedRecords",                       \
                   (void *context, uint32_t stream, size_t *n))
/* clang-format on */

typedef struct CuptiActivity {
#define X(id, symbol, args) int(*id) args;
    CUPTI_ACTIVITY_FUNCTIONS(X)
#undef X
} CuptiActivity;

/* The functions of an open CUPTI.  ERR_UNSUPPORTED if it lacks one. */
int cupti_activity_find(CuptiActivity *out, const Cupti *cupti);

#ifdef __cplusplus
}
#endif

#endif
