/*
 * fp32.h - those of an op's operations that a GPU counts as FP32 additions,
 * multiplications and fused multiply-adds.
 *
 * An op states its operations as a definition has them: a comparison, a
 * division or an exponential is one, too, which hardware does not count among
 * these, or as several.  So this is known where all but a fused activation are
 * sums and products, done one by one, by a kernel of ours, which says so
 * (Kernel.exact_flops): how a library computes is not known.  Left out
 * are norms, which kernels rearrange; pools of small windows, where the first
 * addition and the last product matter; kernels that end in sums over a warp.
 *
 * Where counters still disagree, a kernel does something else than its op says:
 * it computes on the padding of tiles, or skips that of the map.
 */
#ifndef HARNESS_FP32_H
#define HARNESS_FP32_H

#include "kernels/core/backend.h"

/* In f32, by a kernel of the backend cuda; NAN where it is not known. */
double fp32_flops(const Tensor *out, const Kernel *kernel);

#endif
