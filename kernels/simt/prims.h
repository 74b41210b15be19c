/* simt_prims.h -- each PTX-only primitive is one small function with two bodies: inline PTX for the device, an emulation
 * for the host.  Kernels never contain asm themselves. */
#ifndef SIMT_PRIMS_H
#define SIMT_PRIMS_H
#include "kernels/simt/simt.h"
#ifdef __CUDACC__
static __device__ __forceinline__ void cp_async16(void* dst, const void* src)
{
    unsigned d = (unsigned)__cvta_generic_to_shared(dst);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(d), "l"(src) : "memory");
}
static __device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> static __device__ __forceinline__ void cp_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
/* D(16x8,f32) += A(16x16 row, bf16) * B(16x8 col, bf16) */
static __device__ __forceinline__ void mma_bf16_16816(float d[4], const unsigned a[4], const unsigned b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#else
/* the copy really happens at wait: code that forgets the wait reads uninitialised (NaN-filled) shared memory */
struct simt_cpq { struct { void* d; const void* s; int grp; } e[64]; int n, grp; };
simt_cpq* simt_cpq_get(void);
static inline void cp_async16(void* dst, const void* src)
{
    simt_cpq* q = simt_cpq_get();
    if (((uintptr_t)dst | (uintptr_t)src) & 15) simt_err("misaligned", "cp_async16");
    if (q->n == 64) { simt_err("internal", "cp.async queue full"); return; }
    *(uint4*)dst = uint4{~0u, ~0u, ~0u, ~0u};     /* the copy may land any time from now: a write now (race check, NaN), the data at wait */
    q->e[q->n].d = dst; q->e[q->n].s = src; q->e[q->n].grp = q->grp; q->n++;
}
static inline void cp_async_commit() { simt_cpq_get()->grp++; }
template <int N> static inline void cp_async_wait()
{
    simt_cpq* q = simt_cpq_get(); int k = 0;
    for (int i = 0; i < q->n; i++)
        if (q->e[i].grp < q->grp - N) *(uint4*)q->e[i].d = *(const uint4*)q->e[i].s;      /* instrumented: checked like any access */
        else q->e[k++] = q->e[i];
    q->n = k;
}
SIMT_NOSAN static inline float simt_bf(unsigned r, int hi) { __nv_bfloat16 h; h.b = (uint16_t)(hi ? r >> 16 : r); return __bfloat162float(h); }
SIMT_NOSAN static inline void mma_bf16_16816(float d[4], const unsigned a[4], const unsigned b[2], SIMT_LOC)
{
    unsigned A[32][4], Bf[32][2], arr; const int lane = simt_cur->lane, g = lane >> 2, t = lane & 3;
    const char* s = (const char*)simt_warp_xchg(0xffffffffu, 20, a, 16, &arr, file, line); memcpy(A, s, 512);
    s = (const char*)simt_warp_xchg(0xffffffffu, 21, b, 8, &arr, file, line); for (int i = 0; i < 32; i++) memcpy(Bf[i], s + 16 * i, 8);
    for (int c = 0; c < 4; c++) {
        const int row = g + (c >> 1) * 8, col = t * 2 + (c & 1); float acc = d[c];
        for (int k = 0; k < 16; k++) {
            const int la = (row & 7) * 4 + ((k & 7) >> 1), ra = (row >> 3) + (k >> 3) * 2;
            const int lb = col * 4 + ((k & 7) >> 1), rb = k >> 3;
            acc += simt_bf(A[la][ra], k & 1) * simt_bf(Bf[lb][rb], k & 1);
        }
        d[c] = acc;
    }
}
#endif
#endif
