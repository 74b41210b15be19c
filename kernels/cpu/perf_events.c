/*
 * perf_events.c - the table of events.
 *
 * Cycles, instructions and cache misses are the kernel's generic events, of
 * which it knows the code for each processor.  Floating-point operations have
 * codes of their own here.  Intel's events count instructions by width, a fused
 * multiply-add twice, with masked lanes as work; AMD's counts operations.
 * Neither of them counts what AMX and the bf16 instructions do (on AMD: not
 * all of it, or not surely), so in bf16 there is none.  Left out are hybrid
 * processors, whose small cores count otherwise, and older ones.
 *
 * Few events are counted together: that few have a counter even where hyper-
 * threads share them and the kernel's watchdog has one.  AMD's takes two.
 *
 * Sources: Intel, perfmon event lists (FP_ARITH_INST_RETIRED); AMD, Processor
 * Programming Reference of families 17h, 19h and 1Ah (PMCx003, Retired SSE/AVX
 * FLOPs: bits 0 to 3 are additions, products, divisions, multiply-adds).
 */
#include "kernels/cpu/perf_events.h"

#include <linux/perf_event.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Processors that count operations by the same codes. */
typedef enum Counts { NOTHING_MORE, INTEL_CORE, AMD_ZEN2 } Counts;

/* clang-format off */
#define GENERIC(q, code)     { q, PERF_TYPE_HARDWARE, code, 1 }
#define RAW(q, code, factor) { q, PERF_TYPE_RAW, code, factor }
#define INTEL(umask, flops)  RAW(PERF_FLOPS, 0xc7 | (umask) << 8, flops)

static const PerfEvent generic[PERF_GROUP] = {
    GENERIC(PERF_CYCLES,       PERF_COUNT_HW_CPU_CYCLES),
    GENERIC(PERF_INSTRUCTIONS, PERF_COUNT_HW_INSTRUCTIONS),
    GENERIC(PERF_CACHE_MISSES, PERF_COUNT_HW_CACHE_MISSES),
};

enum { PAIRS = 4 };
static const PerfEvent intel[PAIRS][2] = {
    { INTEL(0x02, 1), INTEL(0x08, 4) },  /* single: scalar, 128 bits */
    { INTEL(0x20, 8), INTEL(0x80, 16) }, /* single: 256, 512         */
    { INTEL(0x01, 1), INTEL(0x04, 2) },  /* double: scalar, 128      */
    { INTEL(0x10, 4), INTEL(0x40, 8) },  /* double: 256, 512         */
};

static const PerfEvent amd = RAW(PERF_FLOPS, 0x03 | 0x0f << 8, 1);

static const int intel_models[] = {
    0x3d, 0x47, 0x4f, 0x56,       /* Broadwell                              */
    0x4e, 0x5e, 0x55, 0x8e, 0x9e, /* Skylake, Cascade Lake and their kin    */
    0xa5, 0xa6,                   /* Comet Lake                             */
    0x6a, 0x6c, 0x7d, 0x7e,       /* Ice Lake                               */
    0x8c, 0x8d, 0xa7,             /* Tiger Lake, Rocket Lake                */
    0x8f, 0xcf, 0xad, 0xae,       /* Sapphire, Emerald and Granite Rapids   */
};
/* clang-format on */
enum { NMODELS = sizeof(intel_models) / sizeof(intel_models[0]) };

const char *perf_quantity_name(PerfQuantity q)
{
    static const char *const names[PERF_QUANTITIES] = {
        [PERF_CYCLES] = "cycles",
        [PERF_INSTRUCTIONS] = "instructions",
        [PERF_CACHE_MISSES] = "cache_misses",
        [PERF_FLOPS] = "flops",
        [PERF_CLOCK_MHZ] = "clock_mhz",
    };

    return names[q];
}

static Counts counts(const Processor *p)
{
    if (strcmp(p->vendor, "AuthenticAMD") == 0) {
        /* Zen 1 has other bits. */
        return (p->family == 0x17 && p->model >= 0x30) || p->family == 0x19 ||
                       p->family == 0x1a
                   ? AMD_ZEN2
                   : NOTHING_MORE;
    }
    if (strcmp(p->vendor, "GenuineIntel") || p->family != 6)
        return NOTHING_MORE;
    for (int i = 0; i < NMODELS; i++)
        if (intel_models[i] == p->model)
            return INTEL_CORE;
    return NOTHING_MORE;
}

Processor perf_processor(void)
{
    Processor p = { "", 0, 0 };
#if defined(__x86_64__)
    unsigned name[3], version, a, b, c, d;

    if (!__get_cpuid(0, &a, &name[0], &name[2], &name[1]) ||
        !__get_cpuid(1, &version, &b, &c, &d))
        return p;
    memcpy(p.vendor, name, sizeof(name));
    p.family = version >> 8 & 0xf;
    p.model = (version >> 4 & 0xf) | (version >> 12 & 0xf0);
    if (p.family == 0xf)
        p.family += version >> 20 & 0xff;
#endif
    return p;
}

int perf_group(PerfEvent out[PERF_GROUP], const Processor *p, Dtype dtype,
               int i)
{
    const Counts more = dtype == F32 ? counts(p) : NOTHING_MORE;

    if (i == 0) {
        memcpy(out, generic, sizeof(generic));
        return PERF_GROUP;
    }
    if (more == INTEL_CORE && i <= PAIRS) {
        memcpy(out, intel[i - 1], sizeof(intel[0]));
        return 2;
    }
    if (more == AMD_ZEN2 && i == 1) {
        out[0] = amd;
        return 1;
    }
    return 0;
}
