/*
 * now.h - the card's own clock, in nanoseconds; device only.
 */
#ifndef CUDA_DEVICE_ONLY_NOW_H
#define CUDA_DEVICE_ONLY_NOW_H

#include "kernels/simt/simt.h"

/* It goes on in steps, of 32 ns to 1 us by card. */
static __device__ __forceinline__ unsigned long long now_ns(void)
{
    unsigned long long t;

    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
}

#endif
