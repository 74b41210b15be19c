/*
 * on_host.h - CUDA C++ for a host compiler: what simt.h lists, for the code
 * inside kernels.  What only the host calls is in runtime.h.
 *
 * The threads of a block take turns on one processor: a thread runs until it
 * meets a barrier or an operation of its warp, then another continues.
 */
#ifndef SIMT_ON_HOST_H
#define SIMT_ON_HOST_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simt/host.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__    __attribute__((noinline))
#define __align__(n)    __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __shared__ error_use_SHARED_or_DYN_SHARED

/* ---- types ------------------------------------------------------------- */

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;

    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1)
        : x(x_), y(y_), z(z_)
    {
    }
};

/* clang-format off */
struct alignas(8) float2 { float x, y; };
struct float3 { float x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };

/* A compiler may move a struct member by member, and the checker would see as
 * many accesses; of a vector it does not. */
typedef unsigned Word16 __attribute__((vector_size(16), may_alias));
/* clang-format on */

static inline float2 make_float2(float x, float y)
{
    return { x, y };
}

static inline float4 make_float4(float x, float y, float z, float w)
{
    return { x, y, z, w };
}

static inline int2 make_int2(int x, int y)
{
    return { x, y };
}

static inline int4 make_int4(int x, int y, int z, int w)
{
    return { x, y, z, w };
}

static inline uint2 make_uint2(unsigned x, unsigned y)
{
    return { x, y };
}

static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return { x, y, z, w };
}

/* ---- who am I ---------------------------------------------------------- */

struct SimtThread {
    uint3 thread, block; /* threadIdx and blockIdx          */
    unsigned index;      /* of the thread in its block      */
    unsigned lane, warp; /* index % 32 and index / 32       */
};

extern SimtThread *simt_self; /* the thread that runs now */
extern dim3 simt_block_dim, simt_grid_dim;

#define threadIdx (simt_self->thread)
#define blockIdx  (simt_self->block)
#define blockDim  simt_block_dim
#define gridDim   simt_grid_dim
#define warpSize  32

/* A last parameter that says where the call stands. */
#define SIMT_HERE \
    const char *file = __builtin_FILE(), int line = __builtin_LINE()

/* The bodies of operations whose memory the runtime judges by itself. */
#define SIMT_UNCHECKED \
    __attribute__((no_sanitize("thread"), no_sanitize("address")))

void simt_report(SimtKind kind, const char *file, int line, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));

/* ---- shared memory ----------------------------------------------------- */

/* One for every declaration, and every instance of a template. */
struct SimtArray {
    uint32_t launch, offset;
};

/* The array in the thread's block; placed at the first call of a launch. */
void *simt_shared(SimtArray *array, size_t bytes, const char *name);
void *simt_dynamic_shared(void);

#define SHARED(T, name, ...)                           \
    static SimtArray name##_array_;                    \
    typedef T name##_type_ __VA_ARGS__;                \
    name##_type_ &name = *static_cast<name##_type_ *>( \
        simt_shared(&name##_array_, sizeof(name##_type_), #name))
#define DYN_SHARED(T, name) T *name = static_cast<T *>(simt_dynamic_shared())

/* ---- barriers ---------------------------------------------------------- */

enum SimtVote { SIMT_OR, SIMT_AND, SIMT_COUNT, SIMT_VOTES };

/* Returns what all threads of the block voted. */
int simt_barrier(int vote, SimtVote how, const char *file, int line);
void simt_cluster_barrier(const char *file, int line);
void simt_cluster_done(const char *file, int line);
void simt_cluster_all_done(const char *file, int line);
void simt_fence(void);

static inline void __syncthreads(SIMT_HERE)
{
    simt_barrier(0, SIMT_OR, file, line);
}

static inline int __syncthreads_or(int vote, SIMT_HERE)
{
    return simt_barrier(vote, SIMT_OR, file, line);
}

static inline int __syncthreads_and(int vote, SIMT_HERE)
{
    return simt_barrier(vote, SIMT_AND, file, line);
}

static inline int __syncthreads_count(int vote, SIMT_HERE)
{
    return simt_barrier(vote, SIMT_COUNT, file, line);
}

static inline void __threadfence(void)
{
    simt_fence();
}

static inline void __threadfence_block(void)
{
}

/* ---- warps ------------------------------------------------------------- */

/* Lanes that meet must have called the same operation. */
enum SimtWarpOp {
    SIMT_SYNC,
    SIMT_SHFL,
    SIMT_SHFL_XOR,
    SIMT_SHFL_DOWN,
    SIMT_SHFL_UP,
    SIMT_BALLOT,
    SIMT_REDUCE,
    SIMT_LOAD_TILES,
    SIMT_MMA
};

/* Operands that the lanes of a warp brought to one operation. */
struct SimtExchange {
    unsigned arrived;     /* the lanes that did */
    const char (*at)[16]; /* of each lane, until its next operation */
};

/* Brings a value of at most 16 bytes and waits for the lanes of the mask. */
SimtExchange simt_exchange(unsigned mask, SimtWarpOp op, const void *value,
                           size_t bytes, const char *file, int line);

static inline void __syncwarp(unsigned mask = 0xffffffffu, SIMT_HERE)
{
    simt_exchange(mask, SIMT_SYNC, NULL, 0, file, line);
}

template <typename T>
SIMT_UNCHECKED static inline T simt_shuffle(unsigned mask, T v, unsigned from,
                                            SimtWarpOp op, const char *file,
                                            int line)
{
    const SimtExchange all = simt_exchange(mask, op, &v, sizeof(v), file, line);

    if (!(all.arrived >> from & 1))
        simt_report(SIMT_INACTIVE_LANE, file, line,
                    "lane %u reads lane %u, which takes no part",
                    simt_self->lane, from);
    else
        memcpy(&v, all.at[from], sizeof(v));
    return v;
}

template <typename T>
static inline T __shfl_sync(unsigned mask, T v, int from, int width = 32,
                            SIMT_HERE)
{
    const unsigned lane = simt_self->lane, w = (unsigned)width;

    return simt_shuffle(mask, v, (lane & ~(w - 1)) + ((unsigned)from & (w - 1)),
                        SIMT_SHFL, file, line);
}

template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32,
                                SIMT_HERE)
{
    const unsigned lane = simt_self->lane, w = (unsigned)width;
    const unsigned from = lane ^ (unsigned)bits;

    return simt_shuffle(mask, v, from < (lane & ~(w - 1)) + w ? from : lane,
                        SIMT_SHFL_XOR, file, line);
}

template <typename T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned by,
                                 int width = 32, SIMT_HERE)
{
    const unsigned lane = simt_self->lane, w = (unsigned)width;

    return simt_shuffle(mask, v, (lane & (w - 1)) + by < w ? lane + by : lane,
                        SIMT_SHFL_DOWN, file, line);
}

template <typename T>
static inline T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32,
                               SIMT_HERE)
{
    const unsigned lane = simt_self->lane, w = (unsigned)width;

    return simt_shuffle(mask, v, (lane & (w - 1)) >= by ? lane - by : lane,
                        SIMT_SHFL_UP, file, line);
}

/* f over the values of the lanes that take part, from lane 0 upwards. */
template <typename T, typename F>
SIMT_UNCHECKED static inline T simt_reduce(unsigned mask, T v, F f,
                                           const char *file, int line)
{
    const SimtExchange all =
        simt_exchange(mask, SIMT_REDUCE, &v, sizeof(v), file, line);
    unsigned rest = all.arrived;
    T sum, next;

    memcpy(&sum, all.at[__builtin_ctz(rest)], sizeof(sum));
    while (rest &= rest - 1) {
        memcpy(&next, all.at[__builtin_ctz(rest)], sizeof(next));
        sum = f(sum, next);
    }
    return sum;
}

#define SIMT_REDUCE_SYNC(T, name, value)                                  \
    static inline T __reduce_##name##_sync(unsigned mask, T v, SIMT_HERE) \
    {                                                                     \
        return simt_reduce(                                               \
            mask, v, [](T a, T b) { return (T)(value); }, file, line);    \
    }
SIMT_REDUCE_SYNC(int, add, a + b)
SIMT_REDUCE_SYNC(int, min, a < b ? a : b)
SIMT_REDUCE_SYNC(int, max, a > b ? a : b)
SIMT_REDUCE_SYNC(unsigned, add, a + b)
SIMT_REDUCE_SYNC(unsigned, min, a < b ? a : b)
SIMT_REDUCE_SYNC(unsigned, max, a > b ? a : b)
SIMT_REDUCE_SYNC(unsigned, and, a &b)
SIMT_REDUCE_SYNC(unsigned, or, a | b)
SIMT_REDUCE_SYNC(unsigned, xor, a ^ b)
#undef SIMT_REDUCE_SYNC

SIMT_UNCHECKED static inline unsigned simt_ballot(unsigned mask, int vote,
                                                  const char *file, int line)
{
    const SimtExchange all =
        simt_exchange(mask, SIMT_BALLOT, &vote, sizeof(vote), file, line);
    unsigned votes = 0;

    for (unsigned rest = all.arrived; rest; rest &= rest - 1) {
        memcpy(&vote, all.at[__builtin_ctz(rest)], sizeof(vote));
        if (vote)
            votes |= rest & -rest;
    }
    return votes;
}

static inline unsigned __ballot_sync(unsigned mask, int vote, SIMT_HERE)
{
    return simt_ballot(mask, vote, file, line);
}

static inline int __any_sync(unsigned mask, int vote, SIMT_HERE)
{
    return simt_ballot(mask, vote, file, line) != 0;
}

static inline int __all_sync(unsigned mask, int vote, SIMT_HERE)
{
    return simt_ballot(mask, !vote, file, line) == 0;
}

/* ---- atomics ----------------------------------------------------------- */

/* Judges the access, and lets others run now and then, for those who spin. */
void simt_atomic(void *p, size_t bytes);

template <typename T, typename F>
SIMT_UNCHECKED static inline T simt_update(T *p, F f)
{
    const T old = *p;

    *p = f(old);
    return old;
}

/* Inlined, so that the runtime sees which line of the kernel calls. */
#define SIMT_ATOMIC(name, value)                                           \
    template <typename T> static __forceinline__ T atomic##name(T *p, T v) \
    {                                                                      \
        simt_atomic(p, sizeof(T));                                         \
        return simt_update(                                                \
            p, [v]([[maybe_unused]] T old) -> T { return value; });        \
    }
SIMT_ATOMIC(Add, old + v)
SIMT_ATOMIC(Sub, old - v)
SIMT_ATOMIC(Min, v < old ? v : old)
SIMT_ATOMIC(Max, v > old ? v : old)
SIMT_ATOMIC(And, (old & v))
SIMT_ATOMIC(Or, old | v)
SIMT_ATOMIC(Exch, v)
#undef SIMT_ATOMIC

template <typename T> static __forceinline__ T atomicCAS(T *p, T expected, T v)
{
    simt_atomic(p, sizeof(T));
    return simt_update(p, [=](T old) { return old == expected ? v : old; });
}

/* ---- numbers ----------------------------------------------------------- */

/* Macros, as glibc declares functions of these names. */
#define __expf(x)  expf(x)
#define __logf(x)  logf(x)
#define __exp2f(x) exp2f(x)

static inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}

static inline float __fdividef(float a, float b)
{
    return a / b;
}

static inline float __fmaf_rn(float x, float y, float z)
{
    return fmaf(x, y, z);
}

static inline float __fadd_rn(float x, float y)
{
    return x + y;
}

static inline float __fmul_rn(float x, float y)
{
    return x * y;
}

static inline float __frcp_rn(float x)
{
    return 1.0f / x;
}

static inline float __saturatef(float x)
{
    return x >= 0 ? x <= 1 ? x : 1 : 0; /* NaN becomes 0 */
}

/* Byte i of the result is byte (selector >> 4 i) % 8 of y:x. */
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector)
{
    const uint64_t bytes = (uint64_t)y << 32 | x;
    unsigned v = 0;

    for (int i = 0; i < 4; i++)
        v |= (unsigned)(bytes >> (selector >> 4 * i) % 8 * 8 & 0xff) << 8 * i;
    return v;
}

static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}

static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}

static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}

template <typename T> static inline T min(T a, T b)
{
    return b < a ? b : a;
}

template <typename T> static inline T max(T a, T b)
{
    return a < b ? b : a;
}

/* Loads and stores with a hint for the caches. */
#define SIMT_LOAD(name)                                    \
    template <typename T> static inline T name(const T *p) \
    {                                                      \
        return *p;                                         \
    }
#define SIMT_STORE(name)                                     \
    template <typename T> static inline void name(T *p, T v) \
    {                                                        \
        *p = v;                                              \
    }
SIMT_LOAD(__ldg)
SIMT_LOAD(__ldcg)
SIMT_LOAD(__ldcs)
SIMT_LOAD(__ldlu)
SIMT_STORE(__stcg)
SIMT_STORE(__stcs)
SIMT_STORE(__stwt)
#undef SIMT_LOAD
#undef SIMT_STORE

/* ---- cooperative groups ------------------------------------------------ */

unsigned simt_cluster_rank(void);
unsigned simt_cluster_size(void);

/* p of this block's shared memory, in the block of that rank. */
void *simt_map_rank(const void *p, unsigned rank, const char *file, int line);

namespace cooperative_groups
{
struct cluster_group {
    void sync(SIMT_HERE) const
    {
        simt_cluster_barrier(file, line);
    }

    unsigned block_rank() const
    {
        return simt_cluster_rank();
    }

    unsigned num_blocks() const
    {
        return simt_cluster_size();
    }

    template <typename T>
    T *map_shared_rank(T *p, unsigned rank, SIMT_HERE) const
    {
        return static_cast<T *>(simt_map_rank(p, rank, file, line));
    }
};

struct thread_block {
    void sync(SIMT_HERE) const
    {
        simt_barrier(0, SIMT_OR, file, line);
    }

    unsigned thread_rank() const
    {
        return simt_self->index;
    }

    unsigned size() const
    {
        return simt_block_dim.x * simt_block_dim.y * simt_block_dim.z;
    }
};

static inline cluster_group this_cluster()
{
    return {};
}

static inline thread_block this_thread_block()
{
    return {};
}
} // namespace cooperative_groups

#include "kernels/simt/half.h"

#endif
