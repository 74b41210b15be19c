/*
 * cpu.h - what the kernels of the backend "cpu" know of their device.
 *
 * Two sources of kernels: oneDNN (this folder) and our own SIMD code
 * (kernels/cpu/simd), which is compiled once per instruction set; the device
 * lists the best set that the processor has, and that DeviceSettings.isa
 * allows: first our own kernels, each of which says in supports() where it is
 * the better one, then oneDNN's.
 *
 * DeviceSettings.isa limits our own kernels.  oneDNN picks its code by the
 * processor, once for the whole process; the environment variable
 * ONEDNN_MAX_CPU_ISA limits it.
 *
 * bf16 needs AVX512-BF16, which processors with AMX have, too: our own kernels
 * are then once more in the list, for tensors of bf16, and oneDNN's take both.
 * With AMX (the isa "amx") oneDNN's come before our own matrix products.
 */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "kernels/core/backend.h"

extern const Backend cpu_backend;

/* kernels/cpu/simd/list.c, once per instruction set; NULL ends each. */
extern const Kernel *const simd_kernels_generic[];
#if defined(__x86_64__)
extern const Kernel *const simd_kernels_avx2[];
extern const Kernel *const simd_kernels_avx512[];
extern const Kernel *const simd_kernels_avx512_bf16[];
extern const Kernel *const simd_products_avx512_bf16[];
extern const Kernel *const simd_depthwise_avx512_bf16[];
#endif

/* The i-th instruction set that this processor can run, best first: of "amx",
 * "avx512_bf16", "avx512", "avx2", "generic"; NULL past the end.  For tests and
 * lists. */
const char *cpu_isa_name(int i);

/* The i-th name that there is, whether or not this processor can run it. */
const char *cpu_isa_known(int i);

/* True if k is made of oneDNN's primitives, and not our own code. */
bool cpu_is_onednn(const Kernel *k);

/* Asks if this processor computes in bf16: OK, or ERR_UNSUPPORTED with the
 * reason. */
int cpu_check_bf16(void);

/* True if a denormal operand or result is taken as zero by every thread of
 * the device: measured, not remembered.  For the record of a run. */
bool cpu_flushes_denormals(Device *dev);

#endif
