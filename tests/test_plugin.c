/*
 * test_plugin.c - the plugin, where one was built: it loads, has one symbol and
 * a kernel for every op, takes from the program what the program has, and
 * without a GPU says so.  test_fake_cuda.c has its code over a fake CUDA.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/devices/environment.h"
#include "harness/devices/plugin.h"
#include "kernels/ops/ops.h"
#include "tests/on_simt.h"
#include "tests/test.h"

static const Backend *real(void)
{
    const Backend *backend;
    char path[PATH_MAX];

    if (plugin_path(path, sizeof(path)))
        SKIP(err_message());
    CHECK_MSG(plugin_load(&backend) == OK, "%s", err_message());
    return backend;
}

TEST(plugin, loads_and_names_itself)
{
    const Backend *backend = real();

    REQUIRE(backend != NULL);
    CHECK(strcmp(backend->name, cuda_backend.name) == 0);
    CHECK(strcmp(backend->title, cuda_backend.title) == 0);
    CHECK(!backend->host_memory && backend->record_begin);
    CHECK(cuda_backend.kernel_at(0) != NULL);
}

TEST(plugin, opens_or_says_why_there_is_no_device)
{
    Device *dev;
    int err;

    real();
    err = backend_open(&dev, "cuda", NULL);
    if (err == OK) {
        CHECK(strstr(dev->about, "sm_"));
        backend_close(dev);
        return;
    }
    CHECK(err == ERR_UNSUPPORTED && dev == NULL);
    CHECK_MSG(strstr(err_message(), "cuda: no NVIDIA driver is here") ||
                  strstr(err_message(), "cuda: no GPU is here") ||
                  strstr(err_message(), "cuda: the driver is for CUDA"),
              "%s", err_message());
}

/* The lines that a command prints, until there are none. */
static FILE *lines_of(const char *format, const char *path)
{
    char command[PATH_MAX + 64];

    snprintf(command, sizeof(command), format, path);
    return popen(command, "r");
}

/* True for a function of those that the plugin loads itself. */
static bool is_of_a_library(const char *name)
{
    return !strncmp(name, "cudnn", 5) || !strncmp(name, "cublasLt", 8);
}

/* Symbols of libraries with versions, as nm prints them: "name@VERSION".  All
 * others must be the program's: attnbench's, which has no tests in it. */
TEST(plugin, takes_from_the_program_only_what_it_has)
{
    char path[PATH_MAX], line[512], name[256], kind;
    static char program[1 << 18];
    FILE *f;

    real();
    plugin_path(path, sizeof(path));
    f = lines_of("nm -D --defined-only %s", test_beside("attnbench"));
    REQUIRE(f != NULL);
    program[fread(program, 1, sizeof(program) - 1, f)] = '\0';
    pclose(f);
    if (!program[0])
        SKIP("there is no nm, or no attnbench next to the tests");

    f = lines_of("nm -D --undefined-only %s", path);
    REQUIRE(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        char whole[260];

        if (sscanf(line, " %c %255s", &kind, name) != 2 || kind != 'U' ||
            strchr(name, '@') || is_of_a_library(name))
            continue;
        snprintf(whole, sizeof(whole), " %s\n", name);
        CHECK_MSG(strstr(program, whole), "%s has no %s",
                  test_beside("attnbench"), name);
    }
    pclose(f);
}

/* So that it loads without them: no address is wanted before the first call. */
TEST(plugin, binds_cudnn_and_cublaslt_at_their_first_call)
{
    char path[PATH_MAX], line[512], name[256], type[64];
    int functions = 0;
    FILE *f;

    real();
    plugin_path(path, sizeof(path));
    f = lines_of("readelf -rdW %s", path);
    REQUIRE(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        CHECK_MSG(!strstr(line, "BIND_NOW") && !strstr(line, "[libcu"), "%s",
                  line);
        if (sscanf(line, "%*s %*s %63s %*s %255s", type, name) != 2 ||
            !is_of_a_library(name))
            continue;
        CHECK_MSG(strstr(type, "JUMP_SLO"), "%s", line);
        functions++;
    }
    pclose(f);
    if (!functions)
        SKIP("there is no readelf");
}

TEST(plugin, exports_one_symbol)
{
    char path[PATH_MAX], line[512] = "", more[512];
    FILE *f;

    real();
    plugin_path(path, sizeof(path));
    f = lines_of("nm -D --defined-only %s", path);
    REQUIRE(f != NULL);
    if (!fgets(line, sizeof(line), f))
        SKIP("there is no nm");
    CHECK_MSG(strstr(line, " T attnbench_cuda_backend\n"), "%s", line);
    CHECK_MSG(!fgets(more, sizeof(more), f), "also %s", more);
    pclose(f);
}

static void has_a_kernel_for_every_op(const Backend *backend)
{
    static const Op *const ops[] = {
#define X(id) &id##_def,
        OPS(X) FUSED_OPS(X) GRADIENT_OPS(X)
#undef X
    };
    const Kernel *k;

    REQUIRE(backend != NULL);
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        bool found = ops[i]->view;

        for (int n = 0; (k = backend->kernel_at(n)); n++)
            found |= k->op == ops[i];
        CHECK_MSG(found, "%s of %s has no kernel", ops[i]->name, backend->name);
    }
}

TEST(plugin, has_a_kernel_for_every_op)
{
    has_a_kernel_for_every_op(real());
}

/* So that a card without cuDNN, and this machine, can run everything. */
TEST(plugin, has_a_kernel_of_our_own_for_every_op)
{
    simt_device_close(simt_device());
    has_a_kernel_for_every_op(&simt_backend);
}

/* The toolkit that the Makefile would find with this as its nvcc. */
static void toolkit_says(const char *nvcc, const char *sentence)
{
    char command[PATH_MAX + 64], path[PATH_MAX], line[512] = "";
    FILE *f;

    snprintf(path, sizeof(path), "%s/nvcc", test_tmpdir());
    f = fopen(path, "w");
    REQUIRE(f != NULL);
    fprintf(f, "#!/bin/sh\n%s\n", nvcc);
    fclose(f);
    snprintf(command, sizeof(command), "chmod +x %s", path);
    REQUIRE(system(command) == 0);
    snprintf(command, sizeof(command), "NVCC=%s sh kernels/cuda/toolkit.sh",
             path);
    f = popen(command, "r");
    REQUIRE(f != NULL);
    CHECK(fgets(line, sizeof(line), f) != NULL);
    pclose(f);
    CHECK_MSG(strstr(line, sentence), "%s", line);
}

TEST(plugin, is_built_by_no_nvcc_that_is_too_old)
{
    toolkit_says("echo Cuda compilation tools, release 11.8, V11.8.89",
                 "CUDA_MISSING := nvcc 11.8 is older than 12.4\n");
    toolkit_says("echo Cuda compilation tools, release 12.10, V12.10.1",
                 "libcudart_static.a");
    toolkit_says("exit 1", "/nvcc does not run\n");
}

TEST(plugin, says_what_is_not_a_plugin)
{
    const Backend *backend;

    setenv("ATTNBENCH_CUDA", "/nowhere/attnbench_cuda.so", 1);
    CHECK(plugin_load(&backend) == ERR_UNSUPPORTED && !backend);
    CHECK_MSG(strstr(err_message(), "/nowhere/attnbench_cuda.so"), "%s",
              err_message());
    CHECK(cuda_backend.kernel_at(0) == NULL);
    setenv("ATTNBENCH_CUDA", test_beside("fake/libnvidia-ml.so.1"), 1);
    CHECK(plugin_load(&backend) == ERR_UNSUPPORTED && !backend);
    CHECK_MSG(strstr(err_message(), "is not an attnbench plugin"), "%s",
              err_message());
}

/* Kernels may change and the program stay as it is. */
TEST(plugin, is_part_of_what_tells_builds_apart)
{
    Build without, with, again;

    setenv("ATTNBENCH_CUDA", "/nowhere/attnbench_cuda.so", 1);
    environment_build(&without);
    setenv("ATTNBENCH_CUDA", test_beside("fake/libnvidia-ml.so.1"), 1);
    environment_build(&with);
    environment_build(&again);
    CHECK(strlen(without.program) == 16 && strlen(with.program) == 16);
    CHECK(strcmp(with.program, without.program) != 0);
    CHECK(strcmp(with.program, again.program) == 0);
}
