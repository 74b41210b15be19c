/*
 * test_kernels.c - every kernel of every device against its op's definition,
 * as kernel_trial.h says.
 *
 * The CPU: on every instruction set that this machine has, with one, two and
 * three threads, and in bf16 where it has that.  The CUDA kernels: on the host, in every dtype and three
 * orders of threads; and under the checker, which must have nothing to say.
 *
 * The CUDA kernels once more on a GPU, where there is one.
 *
 * OP=conv2d,linear in the environment leaves out all other ops.
 */
#include <stdio.h>

#include "harness/backends.h"
#include "kernels/cpu/cpu.h"
#include "tests/fake_libraries.h"
#include "tests/kernel_cases.h"
#include "tests/kernel_trial.h"
#include "tests/on_simt.h"
#include "tests/test.h"

static void check_isa_in(Dtype dtype, int index, int threads, Values values)
{
    const char *isa = cpu_isa_name(index);
    const DeviceSettings settings = { threads, isa, .crowded = true };
    Device *dev;
    char how[64];

    if (!isa)
        SKIP("this processor has no further instruction set");
    REQUIRE(cpu_backend.open(&dev, &settings) == OK);
    snprintf(how, sizeof(how), "isa=%s, threads=%d", isa, dev->threads);
    kernel_trials(dev, how, values, dtype);
    cpu_backend.close(dev);
}

static void check_isa(int index, int threads, Values values)
{
    check_isa_in(F32, index, threads, values);
}

TEST(kernels, best_isa_agrees_with_definitions_on_one_thread)
{
    check_isa(0, 1, PLAIN);
}

TEST(kernels, best_isa_agrees_with_definitions_on_two_threads)
{
    check_isa(0, 2, PLAIN);
}

TEST(kernels, best_isa_agrees_with_definitions_on_three_threads)
{
    check_isa(0, 3, PLAIN);
}

TEST(kernels, best_isa_passes_nan_and_infinity_on)
{
    check_isa(0, 2, NONFINITE);
}

TEST(kernels, second_isa_agrees_with_definitions)
{
    check_isa(1, 1, PLAIN);
    check_isa(1, 2, PLAIN);
}

TEST(kernels, second_isa_passes_nan_and_infinity_on)
{
    check_isa(1, 2, NONFINITE);
}

TEST(kernels, third_isa_agrees_with_definitions)
{
    check_isa(2, 1, PLAIN);
    check_isa(2, 2, PLAIN);
}

TEST(kernels, third_isa_passes_nan_and_infinity_on)
{
    check_isa(2, 2, NONFINITE);
}

static void check_bf16(int threads, Values values)
{
    if (cpu_check_bf16() != OK)
        SKIP(err_message());
    check_isa_in(BF16, 0, threads, values);
}

TEST(kernels, bf16_agrees_with_definitions_on_one_thread)
{
    check_bf16(1, PLAIN);
}

TEST(kernels, bf16_agrees_with_definitions_on_two_threads)
{
    check_bf16(2, PLAIN);
}

TEST(kernels, bf16_agrees_with_definitions_on_three_threads)
{
    check_bf16(3, PLAIN);
}

TEST(kernels, bf16_passes_nan_and_infinity_on)
{
    check_bf16(2, NONFINITE);
}

/* The CUDA kernels on the host; nothing that they do may be reported. */
static void check_simt(int order, Values values, Dtype dtype)
{
    static const char *const names[] = { "forward", "reverse", "random" };
    Device *dev = simt_device();

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

TEST(simt_kernels, agree_with_definitions_in_bf16)
{
    check_simt(SIMT_FORWARD, PLAIN, BF16);
}

TEST(simt_kernels, pass_nan_and_infinity_on)
{
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
    kernel_trials(dev, dev->about, PLAIN, dtype);
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
