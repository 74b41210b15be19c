/*
 * backend.c - the backend "cpu": a team of pinned threads, a list of kernels.
 *
 * Several devices may be open, with different numbers of threads; they share
 * the threads of the process (team.h), and clock_start gives the team to the
 * one that is about to be timed.  Devices are used from one thread.
 */
#include "kernels/cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cpu/cache.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/perf.h"

enum { CACHE_LINE = 64, HUGE_PAGE = 1 << 21 };

static const Kernel *const onednn_kernels[] = {
#define X(id) &onednn_##id,
    ONEDNN_KERNELS(X)
#undef X
        NULL,
};

/* The instruction sets, best first.  What their names mean to the compiler is
 * in simd.mk: avx2 is x86-64-v3, avx512 is x86-64-v4.  With amx our own kernels
 * are those of avx512_bf16, in another order. */
struct Isa {
    const char *name;
    bool (*runs)(void); /* on this processor */
    const Kernel *const *kernels;
    const Peaks *peaks;
    const Kernel *const *bf16; /* NULL, like the two below: none */
    const Kernel *const *before_onednn, *const *behind_onednn; /* bf16, too */
};

#if defined(__x86_64__)
/* Parts of x86-64-v3 that compilers' tests have no names for. */
static bool has_small_parts(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_MOVBE && c & bit_F16C &&
           __get_cpuid(0x80000001, &a, &b, &c, &d) && c & bit_LZCNT;
}

static bool runs_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           has_small_parts();
}

static bool runs_avx512(void)
{
    return runs_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}
#endif

static bool runs_bf16(void)
{
#if defined(__x86_64__)
    return runs_avx512() && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

#if defined(__x86_64__)
static bool runs_amx(void)
{
    return runs_bf16() && onednn_has_amx();
}
#endif

static bool runs_generic(void)
{
    return true;
}

static const Isa isas[] = {
#if defined(__x86_64__)
    { "amx", runs_amx, simd_kernels_avx512, &peaks_avx512,
      simd_kernels_avx512_bf16, simd_depthwise_avx512_bf16,
      simd_products_avx512_bf16 },
    { "avx512_bf16", runs_bf16, simd_kernels_avx512, &peaks_avx512,
      simd_kernels_avx512_bf16, simd_products_avx512_bf16,
      simd_depthwise_avx512_bf16 },
    { "avx512", runs_avx512, simd_kernels_avx512, &peaks_avx512 },
    { "avx2", runs_avx2, simd_kernels_avx2, &peaks_avx2 },
#endif
    { "generic", runs_generic, simd_kernels_generic, &peaks_generic },
};
enum { NISAS = sizeof(isas) / sizeof(isas[0]) };

/* The i-th that runs here, or NULL. */
static const Isa *isa_at(int i)
{
    for (int k = 0; k < NISAS; k++)
        if (isas[k].runs() && i-- == 0)
            return &isas[k];
    return NULL;
}

const char *cpu_isa_name(int i)
{
    const Isa *isa = isa_at(i);

    return isa ? isa->name : NULL;
}

const char *cpu_isa_known(int i)
{
    return i >= 0 && i < NISAS ? isas[i].name : NULL;
}

bool cpu_is_onednn(const Kernel *k)
{
    for (const Kernel *const *o = onednn_kernels; *o; o++)
        if (*o == k)
            return true;
    return false;
}

static int isa_find(const Isa **out, const char *name)
{
    char all[128] = "";

    for (int i = 0; (*out = isa_at(i)); i++)
        if (!*name || strcmp((*out)->name, name) == 0)
            return OK;
    for (int k = 0; k < NISAS; k++)
        if (strcmp(isas[k].name, name) == 0)
            return fail(ERR_UNSUPPORTED,
                        "isa=%s: this processor cannot run it; it can run %s",
                        name, cpu_isa_name(0));
    for (int i = 0; cpu_isa_name(i); i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
                 i ? ", " : "", cpu_isa_name(i));
    return fail(ERR_INPUT, "there is no isa '%s'; this processor runs %s", name,
                all);
}

int cpu_check_bf16(void)
{
    if (!runs_bf16())
        return fail(ERR_UNSUPPORTED,
                    "cpu: dtype=bf16 needs AVX512-BF16 or AMX; this processor "
                    "has %s without it",
                    cpu_isa_name(0));
    if (!onednn_has_bf16())
        return fail(ERR_UNSUPPORTED,
                    "cpu: dtype=bf16 needs AVX512-BF16 or AMX, which oneDNN "
                    "was told not to use: unset ONEDNN_MAX_CPU_ISA");
    return OK;
}

/* The i-th of a device whose own kernels are isa's. */
static const Kernel *isa_kernel_at(const void *arg, int i)
{
    const Isa *isa = arg;
    const Kernel *const *const lists[] = {
        isa->kernels,   isa->bf16,          isa->before_onednn,
        onednn_kernels, isa->behind_onednn,
    };

    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++)
        for (const Kernel *const *k = lists[l]; k && *k; k++)
            if (i-- == 0)
                return *k;
    return NULL;
}

static const Kernel *cpu_kernel_at(int i)
{
    return isa_kernel_at(isa_at(0), i);
}

/* The processor's name from /proc/cpuinfo; "CPU" where that has none. */
static void read_model(char *model, size_t size)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[256];

    snprintf(model, size, "CPU");
    while (f && fgets(line, sizeof(line), f)) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) || !colon)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(model, size, "%s", colon + 2);
        break;
    }
    if (f)
        fclose(f);
}

static void describe(CpuDevice *cpu)
{
    char model[64], onednn[32];

    read_model(model, sizeof(model));
    snprintf(cpu->base.about, sizeof(cpu->base.about),
             "%s, %d thread%s, %s, %s", model, cpu->team.threads,
             cpu->team.threads == 1 ? "" : "s", cpu->isa->name,
             onednn_version(onednn, sizeof(onednn)));
}

static void cpu_close(Device *dev)
{
    CpuDevice *cpu = (CpuDevice *)dev;

    if (!cpu)
        return;
    host_release(dev, cpu->flood);
    cpu_roofs_release(dev);
    onednn_close(cpu->onednn);
    team_close(&cpu->team);
    free(cpu->kernels);
    free(cpu);
}

static int cpu_open(Device **out, const DeviceSettings *settings)
{
    static const DeviceSettings best = { .isa = "" };
    const Isa *isa;
    CpuDevice *cpu;
    int err;

    *out = NULL;
    settings = settings ? settings : &best;
    TRY(isa_find(&isa, settings->isa ? settings->isa : ""));
    cpu = calloc(1, sizeof(*cpu));
    if (!cpu)
        return fail(ERR_MEMORY, "no memory for a device");
    err = team_open(&cpu->team, settings->threads, settings->crowded);
    if (err) {
        free(cpu);
        return err;
    }
    cpu->base.backend = &cpu_backend;
    cpu->base.threads = cpu->team.threads;
    cpu->isa = isa;
    cpu->peaks = isa->peaks;
    describe(cpu);
    err = kernel_list(&cpu->kernels, isa_kernel_at, isa);
    cpu->base.kernels = cpu->kernels;
    if (!err)
        err = onednn_open(&cpu->onednn, &cpu->base);
    if (err) {
        cpu_close(&cpu->base);
        return err;
    }
    *out = &cpu->base;
    return OK;
}

/* Asks for huge pages: a convolution walks many rows of a map at once, and
 * each would be a page of its own. */
static int cpu_alloc(Device *dev, void **out, size_t bytes)
{
    TRY(host_alloc(dev, out, bytes));
    if (bytes >= HUGE_PAGE)
        madvise(*out, bytes, MADV_HUGEPAGE); /* a hint: may be refused */
    return OK;
}

static int cpu_clock_start(Device *dev)
{
    team_enter(&cpu_device(dev)->team);
    return host_clock_start(dev);
}

/* Overwrites more than the caches hold, each thread a part. */
static int cpu_evict(Device *dev)
{
    CpuDevice *cpu = cpu_device(dev);
    char *flood = cpu->flood;

    if (!flood) {
        cpu->flood_bytes = cache_flood_bytes(&cpu->team) * (size_t)dev->threads;
        TRY(cpu_alloc(dev, (void **)&flood, cpu->flood_bytes));
        memset(flood, 0, cpu->flood_bytes);
        cpu->flood = flood;
    }
    team_enter(&cpu->team);
#pragma omp parallel for num_threads(dev->threads) schedule(static)
    for (size_t i = 0; i < cpu->flood_bytes; i += CACHE_LINE)
        flood[i]++;
    return OK;
}

bool cpu_flushes_denormals(Device *dev)
{
    return team_flushes_denormals(&cpu_device(dev)->team);
}

static int cpu_takes_dtype(Device *dev, Dtype dtype)
{
    const CpuDevice *cpu = cpu_device(dev);

    if (dtype == F32)
        return OK;
    if (dtype != BF16)
        return fail(ERR_UNSUPPORTED,
                    "cpu: there are no kernels for dtype=%s; there are for f32 "
                    "and bf16",
                    dtype_name(dtype));
    TRY(cpu_check_bf16());
    if (!cpu->isa->bf16)
        return fail(ERR_UNSUPPORTED, "cpu: isa=%s has no kernels in bf16",
                    cpu->isa->name);
    return OK;
}

const Backend cpu_backend = {
    .name = "cpu",
    .title = "this machine's processor",
    .host_memory = true,
    .kernel_at = cpu_kernel_at,
    .takes_dtype = cpu_takes_dtype,
    .open = cpu_open,
    .close = cpu_close,
    .alloc = cpu_alloc,
    .release = host_release,
    .upload = host_copy,
    .download = host_copy,
    .clock_start = cpu_clock_start,
    .clock_stop = host_clock_stop,
    .evict = cpu_evict,
    .roof_at = cpu_roof_at,
    .roof_run = cpu_roof_run,
    .cache_bytes = cpu_cache_bytes,
    .private_cache_bytes = cpu_private_cache_bytes,
    .count = perf_count,
};
