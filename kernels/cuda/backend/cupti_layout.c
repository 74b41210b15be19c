/*
 * cupti_layout.c - that cupti.h and cupti_activity.h declare what the toolkit's
 *                  headers do.
 *
 * Compiled where they are there; it gives no code.  The header for the host
 * side is no C: what it declares is called by the tests.
 */
#if __has_include(<cupti_range_profiler.h>) && __has_include(<cuda.h>)
#include <cuda.h>
#include <cupti_activity.h>
#include <cupti_callbacks.h>
#include <cupti_profiler_target.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>
#include <cupti_version.h>

#include "kernels/cupti/cupti.h"
#include "kernels/cupti/cupti_activity.h"

/* As long, and the last fields at the same place. */
#define SAME(Theirs, their_last, Ours, our_last)                               \
    _Static_assert(                                                            \
        Theirs##_Params_STRUCT_SIZE == CUPTI_SIZE(Ours, our_last) &&           \
            offsetof(Theirs##_Params, their_last) == offsetof(Ours, our_last), \
        "cupti.h is not as " #Theirs)

SAME(CUpti_Profiler_Initialize, pPriv, CuptiNothing, unused);
SAME(CUpti_Profiler_DeInitialize, pPriv, CuptiNothing, unused);
SAME(CUpti_Profiler_DeviceSupported, api, CuptiSupported, api);
SAME(CUpti_Device_GetChipName, pChipName, CuptiChip, chip);
SAME(CUpti_Profiler_GetCounterAvailability, pCounterAvailabilityImage,
     CuptiAvailable, image);
SAME(CUpti_RangeProfiler_Enable, pRangeProfilerObject, CuptiEnable, profiler);
SAME(CUpti_RangeProfiler_Disable, pRangeProfilerObject, CuptiProfiler,
     profiler);
SAME(CUpti_RangeProfiler_Start, pRangeProfilerObject, CuptiProfiler, profiler);
SAME(CUpti_RangeProfiler_PopRange, pRangeProfilerObject, CuptiProfiler,
     profiler);
SAME(CUpti_RangeProfiler_GetCounterDataSize, counterDataSize, CuptiDataSize,
     bytes);
SAME(CUpti_RangeProfiler_CounterDataImage_Initialize, pCounterData, CuptiData,
     data);
SAME(CUpti_RangeProfiler_SetConfig, targetNestingLevel, CuptiConfig,
     target_level);
SAME(CUpti_RangeProfiler_Stop, isAllPassSubmitted, CuptiStop, all_submitted);
SAME(CUpti_RangeProfiler_PushRange, pRangeName, CuptiPush, name);
SAME(CUpti_RangeProfiler_DecodeData, numOfRangeDropped, CuptiDecode, dropped);
SAME(CUpti_RangeProfiler_GetCounterDataInfo, numTotalRanges, CuptiDataInfo,
     ranges);
SAME(CUpti_RangeProfiler_CounterData_GetRangeInfo, rangeName, CuptiRangeInfo,
     name);
_Static_assert((int)CUPTI_USER_RANGE == (int)CUPTI_UserRange &&
                   (int)CUPTI_USER_REPLAY == (int)CUPTI_UserReplay &&
                   (int)CUPTI_SUPPORTED ==
                       (int)CUPTI_PROFILER_CONFIGURATION_SUPPORTED,
               "cupti.h has other numbers");

/* A field at the same place, and as wide.  The records have a number at the end
 * of their names, which differs from version to version. */
#if CUPTI_API_VERSION >= 130001
#define AT(Theirs, theirs, Ours, ours)                                 \
    _Static_assert(offsetof(Theirs, theirs) == offsetof(Ours, ours) && \
                       sizeof(((Theirs *)0)->theirs) ==                \
                           sizeof(((Ours *)0)->ours),                  \
                   "cupti_activity.h is not as " #Theirs)

AT(CUpti_Activity, kind, CuptiRecord, kind);
AT(CUpti_ActivityKernel10, start, CuptiKernelRecord, start);
AT(CUpti_ActivityKernel10, end, CuptiKernelRecord, end);
AT(CUpti_ActivityKernel10, correlationId, CuptiKernelRecord, correlation);
AT(CUpti_ActivityKernel10, name, CuptiKernelRecord, name);
AT(CUpti_ActivityMemcpy6, start, CuptiMemoryRecord, start);
AT(CUpti_ActivityMemcpy6, end, CuptiMemoryRecord, end);
AT(CUpti_ActivityMemcpy6, correlationId, CuptiMemoryRecord, correlation);
AT(CUpti_ActivityMemset4, start, CuptiMemoryRecord, start);
AT(CUpti_ActivityMemset4, end, CuptiMemoryRecord, end);
AT(CUpti_ActivityMemset4, correlationId, CuptiMemoryRecord, correlation);
AT(CUpti_ActivityExternalCorrelation, externalKind, CuptiExternalRecord,
   external_kind);
AT(CUpti_ActivityExternalCorrelation, externalId, CuptiExternalRecord, id);
AT(CUpti_ActivityExternalCorrelation, correlationId, CuptiExternalRecord,
   correlation);
_Static_assert((int)CUPTI_MEMCPY == (int)CUPTI_ACTIVITY_KIND_MEMCPY &&
                   (int)CUPTI_MEMSET == (int)CUPTI_ACTIVITY_KIND_MEMSET &&
                   (int)CUPTI_DRIVER == (int)CUPTI_ACTIVITY_KIND_DRIVER &&
                   (int)CUPTI_RUNTIME == (int)CUPTI_ACTIVITY_KIND_RUNTIME &&
                   (int)CUPTI_CONCURRENT_KERNEL ==
                       (int)CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL &&
                   (int)CUPTI_EXTERNAL_CORRELATION ==
                       (int)CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION &&
                   (int)CUPTI_CUSTOM0 ==
                       (int)CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0 &&
                   (int)CUPTI_NO_MORE == (int)CUPTI_ERROR_MAX_LIMIT_REACHED,
               "cupti_activity.h has other numbers");
#endif
#endif
