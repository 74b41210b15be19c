/*
 * roofs.c - bandwidths of the caches and of memory, and peaks of arithmetic, of
 * all threads of a device at once.
 *
 *   l2_*        each thread its own part of a buffer that takes half of the
 *               second-level caches, where these are not the last
 *   llc_*       each thread its own part of a buffer that takes half of the
 *               last-level caches, and so is larger than those before
 *   dram_*      each thread its own part of one that takes them four times;
 *               write and copy by stores past the caches where there are such,
 *               so that no line is read only to be overwritten
 *   *_update    a buffer is read and written back in place, as a network does
 *               where nobody needs the operand again: a copy in a cache also
 *               reads the lines that it is about to write
 *   fma_f32     multiply-adds of the device's instruction set
 *   dot_bf16    AVX512-BF16: products of pairs of bf16, summed in f32
 *   tile_bf16   AMX: the same of tiles
 *
 * Bytes are those the loop asks for: a copy's, and an update's, are read and
 * written.
 */
#include "kernels/cpu/roofs.h"

#include <omp.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/cache.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/device.h"

enum {
    LINE_FLOATS = 16,
    FMA_ROUNDS = 200,       /* some milliseconds */
    CACHE_WORK = 1 << 26,   /* bytes a thread moves in a cache at once */
    MEMORY_LEAST = 1 << 26, /* bytes a thread moves in memory at least */
};

/* ---- arithmetic ---------------------------------------------------------- */

static double fma_f32(const CpuDevice *cpu)
{
    return cpu->peaks->fma(FMA_ROUNDS);
}

#if defined(__x86_64__)
static bool has_dot_bf16(const CpuDevice *cpu)
{
    (void)cpu;
    return __builtin_cpu_supports("avx512bf16");
}

/* Chains of vdpbf16ps: 32 products and sums in each instruction. */
__attribute__((target("avx512bf16,avx512f"))) static double dot_bf16(
    const CpuDevice *cpu)
{
    enum { CHAINS = 24, STEPS = 1024 * FMA_ROUNDS };
    const __m512bh a = (__m512bh)_mm512_set1_epi32(0x3f7f3f7f);
    const __m512bh b = (__m512bh)_mm512_set1_epi32(0x3a003a00);
    __m512 chain[CHAINS];

    (void)cpu;
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++)
        chain[i] = _mm512_setzero_ps();
    for (int k = 0; k < STEPS; k++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) {
            chain[i] = _mm512_dpbf16_ps(chain[i], a, b);
            __asm__ volatile("" : "+v"(chain[i]));
        }
    }
#pragma GCC unroll 24
    for (int i = 1; i < CHAINS; i++)
        chain[0] = _mm512_add_ps(chain[0], chain[i]);
    __asm__ volatile("" : : "v"(chain[0]));
    return 2.0 * 32 * CHAINS * STEPS;
}

static bool has_tile_bf16(const CpuDevice *cpu)
{
    (void)cpu;
    return amx_may_be_used();
}

static double tile_bf16(const CpuDevice *cpu)
{
    (void)cpu;
    return amx_flops(FMA_ROUNDS);
}
#endif

/* ---- bandwidth ----------------------------------------------------------- */

typedef enum Way { READ, WRITE, COPY, UPDATE } Way;
typedef enum Where { IN_L2, IN_LLC, IN_DRAM } Where;

/* Numbers of each array, out of `part`, that a thread goes through. */
static size_t fits(const CpuDevice *cpu, Where where, size_t part, int arrays)
{
    const size_t each = 2 * (size_t)cpu->base.threads * (size_t)arrays;
    const size_t bytes =
        where == IN_L2 ? cpu->roofs.second_bytes : cpu->roofs.cache_bytes;
    const size_t n = bytes / each / sizeof(float);

    return (where == IN_DRAM || part < n ? part : n) / LINE_FLOATS *
           LINE_FLOATS;
}

/* Both buffers, each thread's part touched by itself. */
static int buffers(CpuDevice *cpu)
{
    RoofBuffers *b = &cpu->roofs;
    const size_t threads = (size_t)cpu->base.threads;
    size_t bytes = 4 * b->cache_bytes;

    if (b->from)
        return OK;
    if (bytes < MEMORY_LEAST * threads)
        bytes = MEMORY_LEAST * threads;
    TRY(cpu_backend.alloc(&cpu->base, (void **)&b->from, bytes));
    if (cpu_backend.alloc(&cpu->base, (void **)&b->to, bytes)) {
        host_release(&cpu->base, b->from);
        b->from = NULL;
        return ERR_MEMORY;
    }
    b->bytes = bytes;
#pragma omp parallel num_threads(cpu->base.threads)
    {
        const size_t part = bytes / threads, i = (size_t)omp_get_thread_num();

        memset((char *)b->from + i * part, 0, part);
        memset((char *)b->to + i * part, 0, part);
    }
    return OK;
}

/* Bytes that all threads moved. */
static double move(const CpuDevice *cpu, Way way, Where where)
{
    const RoofBuffers *b = &cpu->roofs;
    const size_t threads = (size_t)cpu->base.threads;
    const size_t part = b->bytes / threads / sizeof(float);
    const size_t n = fits(cpu, where, part, way == COPY ? 2 : 1);
    const size_t moved = n * sizeof(float) * (way >= COPY ? 2 : 1);
    const size_t times = where == IN_DRAM ? 1 : CACHE_WORK / moved + 1;
    const bool past_caches = where == IN_DRAM;

#pragma omp parallel num_threads(cpu->base.threads)
    {
        const size_t first =
            (size_t)omp_get_thread_num() * (part / LINE_FLOATS * LINE_FLOATS);

        for (size_t t = 0; t < times; t++) {
            if (way == READ)
                cpu->peaks->read(b->from + first, n);
            else if (way == WRITE)
                cpu->peaks->write(b->to + first, n, past_caches);
            else if (way == COPY)
                cpu->peaks->copy(b->to + first, b->from + first, n,
                                 past_caches);
            else
                cpu->peaks->update(b->to + first, n);
        }
    }
    return (double)(moved * times * threads);
}

/* ---- all of them --------------------------------------------------------- */

static bool always(const CpuDevice *cpu)
{
    (void)cpu;
    return true;
}

static bool has_l2(const CpuDevice *cpu)
{
    return cpu->roofs.second_bytes > 0;
}

#define BANDWIDTH(name, where, runs)                                 \
    { { name "_read", ROOF_BYTES }, NULL, READ, where, runs },       \
        { { name "_write", ROOF_BYTES }, NULL, WRITE, where, runs }, \
        { { name "_copy", ROOF_BYTES }, NULL, COPY, where, runs },   \
    {                                                                \
        { name "_update", ROOF_BYTES }, NULL, UPDATE, where, runs    \
    }

static const struct {
    RoofKind kind;
    double (*compute)(const CpuDevice *cpu); /* on each thread; or ...  */
    Way way;                                 /* ... bytes are moved ... */
    Where where;
    bool (*runs)(const CpuDevice *cpu);
} roofs[] = {
    BANDWIDTH("l2", IN_L2, has_l2),
    BANDWIDTH("llc", IN_LLC, always),
    BANDWIDTH("dram", IN_DRAM, always),
    { { "fma_f32", ROOF_FLOPS }, fma_f32, READ, IN_DRAM, always },
#if defined(__x86_64__)
    { { "dot_bf16", ROOF_FLOPS }, dot_bf16, READ, IN_DRAM, has_dot_bf16 },
    { { "tile_bf16", ROOF_FLOPS }, tile_bf16, READ, IN_DRAM, has_tile_bf16 },
#endif
};
enum { NROOFS = sizeof(roofs) / sizeof(roofs[0]) };

_Static_assert(NROOFS <= 32, "RoofBuffers.has is too short");

/* One roof to be tried. */
typedef struct RoofTrial {
    const CpuDevice *cpu;
    int k;
} RoofTrial;

static void try_roof(void *arg)
{
    const RoofTrial *trial = arg;

    roofs[trial->k].compute(trial->cpu);
}

/* An instruction that the processor has by name may still end the program (in a
 * sandbox, under an emulator), and would take the other roofs with it. */
static void find_roofs(CpuDevice *cpu)
{
    cpu->roofs.cache_bytes = cache_last_bytes(&cpu->team);
    cpu->roofs.second_bytes = cache_second_bytes(&cpu->team);
    cpu->roofs.has = 0;
    for (int k = 0; k < NROOFS; k++) {
        const bool tried = roofs[k].compute && roofs[k].runs != always;

        if (roofs[k].runs(cpu) &&
            (!tried || host_survives(try_roof, &(RoofTrial){ cpu, k })))
            cpu->roofs.has |= 1u << k;
    }
}

/* The place in the table of the i-th that this device has; -1 past it. */
static int place_of(CpuDevice *cpu, int i)
{
    if (!cpu->roofs.has)
        find_roofs(cpu);
    for (int k = 0; k < NROOFS; k++)
        if (cpu->roofs.has >> k & 1 && i-- == 0)
            return k;
    return -1;
}

bool cpu_roof_at(Device *dev, int i, RoofKind *out)
{
    const int k = place_of(cpu_device(dev), i);

    if (k >= 0)
        *out = roofs[k].kind;
    return k >= 0;
}

int cpu_roof_run(Device *dev, int i, double *work)
{
    CpuDevice *cpu = cpu_device(dev);
    const int k = place_of(cpu, i);
    double sum = 0;

    BUG_IF(k < 0);
    team_enter(&cpu->team);
    if (!roofs[k].compute) {
        TRY(buffers(cpu));
        *work = move(cpu, roofs[k].way, roofs[k].where);
        return OK;
    }
#pragma omp parallel num_threads(dev->threads) reduction(+ : sum)
    sum += roofs[k].compute(cpu);
    *work = sum;
    return OK;
}

size_t cpu_cache_bytes(Device *dev)
{
    return cache_last_bytes(&cpu_device(dev)->team);
}

size_t cpu_private_cache_bytes(Device *dev)
{
    return cache_second_bytes(&cpu_device(dev)->team);
}

void cpu_roofs_release(Device *dev)
{
    CpuDevice *cpu = cpu_device(dev);

    host_release(dev, cpu->roofs.from);
    host_release(dev, cpu->roofs.to);
    cpu->roofs = (RoofBuffers){ NULL };
}
