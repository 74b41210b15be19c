/*
 * prims.h - what only PTX can say, as functions with two bodies: inline PTX
 * for the device, and one that does the same on the host.
 *
 *   cp_async16(dst, src)   copies 16 bytes from global to shared memory next to
 *                          the kernel; both aligned to 16
 *   cp_async_commit()      the copies so far are one group
 *   cp_async_wait<N>()     at most the N latest groups are still under way
 *
 *   cluster_done()         this thread touches no other block's shared memory
 *                          from here on; orders no memory
 *   cluster_all_done()     waits until all threads of the cluster have said so:
 *                          then the block may return
 *   power2(x)              2 to the x, by the unit for it: 2 units in the last
 *                          place wrong at most, and denormal results are 0
 *
 * A thread waits for its own copies; others see them after a barrier.
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

#else

enum { SIMT_COPIES = 64 };

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

#endif

#endif
