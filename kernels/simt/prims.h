/*
 * prims.h - what only PTX can say, as functions with two bodies: inline PTX
 * for the device, and one that does the same on the host.
 *
 *   cp_async16(dst, src)   copies 16 bytes from global to shared memory next to
 *                          the kernel; both aligned to 16
 *   cp_async_commit()      the copies so far are one group
 *   cp_async_wait<N>()     at most the N latest groups are still under way
 *   load_tiles(r, row)     of four 8x8 tiles of 2-byte numbers in shared
 *                          memory: lane l's row is row l % 8 of tile l / 8, 16
 *                          bytes; r[i] of tile i is two neighbours of row
 *                          lane / 4, from column lane % 4 * 2 (ldmatrix)
 *   mma_16x8x16<T>(d, a, b, c)
 *                          d = a b + c by a warp's tensor cores: a (16,16) and
 *                          b (16,8) of T, f16 or bf16; c and d (16,8) of float
 *
 *   cluster_done()         this thread touches no other block's shared memory
 *                          from here on; orders no memory
 *   cluster_all_done()     waits until all threads of the cluster have said so:
 *                          then the block may return
 *   power2(x)              2 to the x, by the unit for it: 2 units in the last
 *                          place wrong at most, and denormal results are 0
 *
 * A thread waits for its own copies; others see them after a barrier.
 *
 * A lane, g = lane / 4 and t = lane % 4, has of a matrix (row, column)
 *
 *   a[r]   two neighbours, the first in the low half: row g, and 8 more if r is
 *          odd; columns 2t and 2t + 1, and 8 more if r is 2 or 3
 *   b[r]   two, one below the other: rows 2t and 2t + 1, and 8 more if r is 1;
 *          column g
 *   c[r]   one: row g, and 8 more if r is 2 or 3; column 2t + r % 2
 */
#ifndef SIMT_PRIMS_H
#define SIMT_PRIMS_H

#include "kernels/simt/simt.h"

#ifdef __CUDACC__

static __device__ __forceinline__ void cp_async16(void *dst, const void *src)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                 :
                 : "r"((unsigned)__cvta_generic_to_shared(dst)), "l"(src)
                 : "memory");
}

static __device__ __forceinline__ void cp_async_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int N> static __device__ __forceinline__ void cp_async_wait(void)
{
    asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory");
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
static __device__ void cluster_done(void)
{
}

static __device__ void cluster_all_done(void)
{
}
#else
static __device__ __forceinline__ void cluster_done(void)
{
    asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}

static __device__ __forceinline__ void cluster_all_done(void)
{
    asm volatile("barrier.cluster.wait.aligned;" ::: "memory");
}
#endif

static __device__ __forceinline__ float power2(float x)
{
    float y;

    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

static __device__ __forceinline__ void load_tiles(unsigned r[4],
                                                  const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((unsigned)__cvta_generic_to_shared(row))
                 : "memory");
}

#define SIMT_MMA(type)                                                    \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type   \
                 ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "           \
                 "{%10,%11,%12,%13};"                                     \
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])         \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), \
                   "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]))

template <typename T>
static __device__ __forceinline__ void mma_16x8x16(float d[4],
                                                   const unsigned a[4],
                                                   const unsigned b[2],
                                                   const float c[4]);

template <>
__device__ __forceinline__ void mma_16x8x16<__half>(float d[4],
                                                    const unsigned a[4],
                                                    const unsigned b[2],
                                                    const float c[4])
{
    SIMT_MMA("f16");
}

template <>
__device__ __forceinline__ void mma_16x8x16<__nv_bfloat16>(float d[4],
                                                           const unsigned a[4],
                                                           const unsigned b[2],
                                                           const float c[4])
{
    SIMT_MMA("bf16");
}
#undef SIMT_MMA

#else

enum { SIMT_COPIES = 128 };

/* The copies that a thread has under way. */
struct SimtCopies {
    struct {
        uint4 *dst;
        const uint4 *src;
        int group;
    } at[SIMT_COPIES];
    int n, group;
    const char *file; /* of the last one */
    int line;
};
SimtCopies *simt_copies(void);

/* Writes NaN to 16 bytes, which are in flight until they are written again. */
void simt_in_flight(void *dst);

/* The copy may land at any time between its issue and the wait: it is NaN at
 * once, and the data at the wait; so both a missing wait and a refill that
 * comes too early show. */
static __forceinline__ void cp_async16(void *dst, const void *src, SIMT_HERE)
{
    SimtCopies *q = simt_copies();

    if (q->n == SIMT_COPIES) {
        simt_report(SIMT_PENDING_COPY, file, line,
                    "more than %d copies under way", q->n);
        return;
    }
    q->file = file;
    q->line = line;
    simt_in_flight(dst);
    q->at[q->n++] = { static_cast<uint4 *>(dst),
                      static_cast<const uint4 *>(src), q->group };
}

static inline void cp_async_commit(void)
{
    simt_copies()->group++;
}

template <int N> static __forceinline__ void cp_async_wait(void)
{
    SimtCopies *q = simt_copies();
    int left = 0;

    for (int i = 0; i < q->n; i++)
        if (q->at[i].group < q->group - N)
            *q->at[i].dst = *q->at[i].src;
        else
            q->at[left++] = q->at[i];
    q->n = left;
}

static inline void cluster_done(SIMT_HERE)
{
    simt_cluster_done(file, line);
}

static inline void cluster_all_done(SIMT_HERE)
{
    simt_cluster_all_done(file, line);
}

static inline float power2(float x)
{
    return exp2f(x);
}

/* The value that a lane brought. */
template <typename T>
SIMT_UNCHECKED static inline T simt_exchanged(const SimtExchange &all,
                                              unsigned lane)
{
    T v;

    memcpy(&v, all.at[lane], sizeof(v));
    return v;
}

/* Inlined, so that the runtime sees which line of the kernel reads. */
static __forceinline__ void load_tiles(unsigned r[4], const void *row,
                                       SIMT_HERE)
{
    const unsigned lane = simt_self->lane;
    const SimtExchange all =
        simt_exchange(~0u, SIMT_LOAD_TILES, &row, sizeof(row), file, line);

    for (unsigned i = 0; i < 4; i++)
        r[i] =
            simt_exchanged<const unsigned *>(all, 8 * i + lane / 4)[lane % 4];
}

static inline float simt_as_float(__half x)
{
    return __half2float(x);
}

static inline float simt_as_float(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}

/* Row g or g + 8 of a, which the lanes of g have between them. */
template <typename T>
SIMT_UNCHECKED static inline void simt_mma_row(float row[16],
                                               const SimtExchange &all,
                                               unsigned g, int below)
{
    T pair[2];

    for (unsigned t = 0; t < 4; t++)
        for (int right = 0; right < 2; right++) {
            memcpy(pair, all.at[4 * g + t] + 4 * (2 * right + below), 4);
            row[8 * right + 2 * t] = simt_as_float(pair[0]);
            row[8 * right + 2 * t + 1] = simt_as_float(pair[1]);
        }
}

/* Column g of b. */
template <typename T>
SIMT_UNCHECKED static inline void simt_mma_column(float column[16],
                                                  const SimtExchange &all,
                                                  unsigned g)
{
    T pair[2];

    for (unsigned t = 0; t < 4; t++)
        for (int below = 0; below < 2; below++) {
            memcpy(pair, all.at[4 * g + t] + 4 * below, 4);
            column[8 * below + 2 * t] = simt_as_float(pair[0]);
            column[8 * below + 2 * t + 1] = simt_as_float(pair[1]);
        }
}

template <typename T>
SIMT_UNCHECKED static inline void mma_16x8x16(float d[4], const unsigned a[4],
                                              const unsigned b[2],
                                              const float c[4], SIMT_HERE)
{
    const unsigned g = simt_self->lane / 4, t = simt_self->lane % 4;
    float row[2][16], column[2][16];
    SimtExchange all = simt_exchange(~0u, SIMT_MMA, a, 16, file, line);

    for (int i = 0; i < 2; i++)
        simt_mma_row<T>(row[i], all, g, i);
    all = simt_exchange(~0u, SIMT_MMA, b, 8, file, line);
    for (int i = 0; i < 2; i++)
        simt_mma_column<T>(column[i], all, 2 * t + i);
    for (int r = 0; r < 4; r++) {
        float sum = c[r];

        for (int k = 0; k < 16; k++)
            sum += row[r / 2][k] * column[r % 2][k];
        d[r] = sum;
    }
}

#endif

#endif
