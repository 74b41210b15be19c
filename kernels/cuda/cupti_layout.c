/*
 * cupti_layout.c - that cupti.h declares what the toolkit's headers do.
 *
 * Compiled where they are there; it gives no code.  The header for the host
 * side is no C: what it declares is called by the tests.
 */
#if __has_include(<cupti_range_profiler.h>) && __has_include(<cuda.h>)
#include <cuda.h>
#include <cupti_profiler_target.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>

#include "kernels/cuda/cupti.h"

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
#endif
