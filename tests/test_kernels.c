/*
 * test_kernels.c - every kernel of every device against its op's definition,
 * as kernel_trial.h says.
 *
 * The CPU: as it is, with one, two and three threads; then our own kernels as
 * they are on processors with fewer instructions, and oneDNN's as it is there,
 * by the variable that limits it.  What this processor lacks is skipped.
 * The CUDA kernels: on the host, in every dtype and three orders of threads; and
 * under the checker, which must have nothing to say.
 *
 * The CUDA kernels once more on a GPU, where there is one.
 *
 * OP=conv2d,linear in the environment leaves out all other ops.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "harness/devices/backends.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/onednn/onednn.h"
#include "tests/fake_libraries.h"
#include "tests/kernel_cases.h"
#include "tests/kernel_trial.h"
#include "tests/on_simt.h"
#include "tests/test.h"

static bool is_ours(const Kernel *k)
{
    return !cpu_is_onednn(k);
}

/* A device whose own kernels are those of an isa.  limit: of oneDNN, which reads
 * it when it is first used; NULL: none. */
static Device *open_isa(const char *isa, int threads, const char *limit)
{
    const DeviceSettings settings = { threads, isa, .crowded = true };
    static char why[128];
    Device *dev = NULL;
    int err;

    if (limit)
        setenv("ONEDNN_MAX_CPU_ISA", limit, 1);
    if (limit && strcasecmp(onednn_isa(), limit)) {
        snprintf(why, sizeof(why), "ONEDNN_MAX_CPU_ISA=%s: here it uses %s",
                 limit, onednn_isa());
        SKIP(why);
    }
    err = cpu_backend.open(&dev, &settings);
    if (err == ERR_UNSUPPORTED)
        SKIP(err_message());
    CHECK_MSG(!err, "%s", err_message());
    return dev;
}

static void check(const char *isa, const char *limit, int threads,
                  Values values, Dtype dtype, bool (*wanted)(const Kernel *k))
{
    Device *dev = open_isa(isa, threads, limit);
    char how[96];

    if (!dev)
        return;
    if (dev->backend->takes_dtype(dev, dtype))
        SKIP(err_message());
    snprintf(how, sizeof(how), "isa=%s, oneDNN %s, threads=%d", isa,
             onednn_isa(), dev->threads);
    kernel_trials_of(dev, how, values, dtype, wanted);
    cpu_backend.close(dev);
}

/* ---- this processor as it is ---------------------------------------------- */

TEST(kernels, agree_with_definitions_on_one_thread)
{
    check("", NULL, 1, PLAIN, F32, NULL);
}

TEST(kernels, agree_with_definitions_on_two_threads)
{
    check("", NULL, 2, PLAIN, F32, NULL);
}

TEST(kernels, agree_with_definitions_on_three_threads)
{
    check("", NULL, 3, PLAIN, F32, NULL);
}

TEST(kernels, pass_nan_and_infinity_on)
{
    check("", NULL, 2, NONFINITE, F32, NULL);
}

TEST(kernels, agree_with_definitions_on_one_thread_in_bf16)
{
    check("", NULL, 1, PLAIN, BF16, NULL);
}

TEST(kernels, agree_with_definitions_on_two_threads_in_bf16)
{
    check("", NULL, 2, PLAIN, BF16, NULL);
}

TEST(kernels, agree_with_definitions_on_three_threads_in_bf16)
{
    check("", NULL, 3, PLAIN, BF16, NULL);
}

TEST(kernels, pass_nan_and_infinity_on_in_bf16)
{
    check("", NULL, 2, NONFINITE, BF16, NULL);
}

/* ---- as lesser ones are --------------------------------------------------- */

/* Our own kernels.  Those of avx512, avx512_bf16 and amx are the same code,
 * which runs above on every processor that has it. */
static void check_ours(const char *isa)
{
    check(isa, NULL, 1, PLAIN, F32, is_ours);
    check(isa, NULL, 2, PLAIN, F32, is_ours);
    check(isa, NULL, 2, NONFINITE, F32, is_ours);
}

TEST(own_kernels, agree_with_definitions_as_generic)
{
    check_ours("generic");
}

TEST(own_kernels, agree_with_definitions_as_avx2)
{
    check_ours("avx2");
}

/* oneDNN's, with the own kernels that processors of its instructions have:
 * some of ours work within its. */
static void check_onednn(const char *isa, const char *limit, Dtype dtype)
{
    check(isa, limit, 2, PLAIN, dtype, cpu_is_onednn);
    check(isa, limit, 2, NONFINITE, dtype, cpu_is_onednn);
}

TEST(onednn_kernels, agree_with_definitions_as_sse41)
{
    check_onednn("generic", "SSE41", F32);
}

TEST(onednn_kernels, agree_with_definitions_as_avx)
{
    check_onednn("generic", "AVX", F32);
}

TEST(onednn_kernels, agree_with_definitions_as_avx2)
{
    check_onednn("avx2", "AVX2", F32);
}

TEST(onednn_kernels, agree_with_definitions_as_avx512_core)
{
    check_onednn("avx512", "AVX512_CORE", F32);
}

TEST(onednn_kernels, agree_with_definitions_as_avx512_core_bf16)
{
    check_onednn("avx512_bf16", "AVX512_CORE_BF16", F32);
}

TEST(onednn_kernels, agree_with_definitions_as_avx512_core_bf16_in_bf16)
{
    check_onednn("avx512_bf16", "AVX512_CORE_BF16", BF16);
}

TEST(onednn_kernels, agree_with_definitions_as_avx512_core_amx)
{
    check_onednn("amx", "AVX512_CORE_AMX", F32);
}

TEST(onednn_kernels, agree_with_definitions_as_avx512_core_amx_in_bf16)
{
    check_onednn("amx", "AVX512_CORE_AMX", BF16);
}

/* ---- CUDA ------------------------------------------------------------------ */

/* The CUDA kernels on the host; nothing that they do may be reported. */
static void check_simt(int order, Values values, Dtype dtype)
{
    static const char *const names[] = { "forward", "reverse", "random" };
    Device *dev = simt_device();

    /* Other orders show in results, which the plain build compares. */
    if (order != SIMT_FORWARD && simt_is_checked())
        SKIP("the checker finds the same in any order: kernels/simt/check.cpp");
    simt_set_order(order, 1);
    kernel_trials(dev, names[order], values, dtype);
    simt_device_close(dev);
}

TEST(simt_kernels, agree_with_definitions_in_f32)
{
    check_simt(SIMT_FORWARD, PLAIN, F32);
}

TEST(simt_kernels, agree_with_definitions_in_f32_in_reverse)
{
    check_simt(SIMT_REVERSE, PLAIN, F32);
}

TEST(simt_kernels, agree_with_definitions_in_f32_in_random_order)
{
    check_simt(SIMT_RANDOM, PLAIN, F32);
}

TEST(simt_kernels, agree_with_definitions_in_f16)
{
    check_simt(SIMT_FORWARD, PLAIN, F16);
}

/* The checker judges accesses: f16 has the same ones. */
TEST(simt_kernels, agree_with_definitions_in_bf16)
{
    if (simt_is_checked())
        SKIP("the same accesses as in f16");
    check_simt(SIMT_FORWARD, PLAIN, BF16);
}

TEST(simt_kernels, pass_nan_and_infinity_on)
{
    if (simt_is_checked())
        SKIP("the same accesses as with other numbers");
    check_simt(SIMT_FORWARD, NONFINITE, F32);
}

/* The kernels made of cuDNN and cuBLASLt, which here compute on the host. */
static void check_libraries(Dtype dtype, int fastest)
{
    Device *dev;

    fake_calls = (FakeCalls){ .fastest = fastest };

    if (!fake_libraries)
        SKIP("built without cuDNN's and cuBLASLt's headers");
    if (simt_is_checked())
        SKIP("the checker knows nothing of these libraries' memory");
    REQUIRE(fake_libraries->open(&dev, NULL) == OK);
    kernel_trials(dev, "fake libraries", PLAIN, dtype);
    fake_libraries->close(dev);
}

TEST(library_kernels, agree_with_definitions_in_f32)
{
    check_libraries(F32, 0);
}

TEST(library_kernels, agree_with_definitions_in_f16)
{
    check_libraries(F16, 0);
}

TEST(library_kernels, agree_with_definitions_in_bf16)
{
    check_libraries(BF16, FAKE_ALGORITHM); /* 1x1 are linears, too */
}

/* The plugin's on a GPU: our own as nvcc compiled them, and the libraries'. */
static void check_cuda(Dtype dtype)
{
    Device *dev;

    if (backend_open(&dev, "cuda", NULL))
        SKIP(err_message());
    printf("    compared: %d runs of kernels\n",
           kernel_trials(dev, dev->about, PLAIN, dtype));
    backend_close(dev);
}

TEST(cuda_kernels, agree_with_definitions_in_f32)
{
    check_cuda(F32);
}

TEST(cuda_kernels, agree_with_definitions_in_tf32)
{
    check_cuda(TF32);
}

TEST(cuda_kernels, agree_with_definitions_in_f16)
{
    check_cuda(F16);
}

TEST(cuda_kernels, agree_with_definitions_in_bf16)
{
    check_cuda(BF16);
}

TEST(kernels, every_op_has_a_case)
{
    static const Op *const ops[] = {
#define X(id) &id##_def,
        OPS(X) FUSED_OPS(X) GRADIENT_OPS(X)
#undef X
    };
    const KernelCase *c;

    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
        int found = 0;

        for (int i = 0; (c = kernel_case_at(i)); i++)
            found += c->op == ops[k];
        CHECK_MSG(found > 0 || ops[k]->view, "%s has no case", ops[k]->name);
    }
}
