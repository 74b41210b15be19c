/*
 * test_cupti_places.c - where CUPTI is looked for: in folders like those of a
 * toolkit and of pip, with libraries that are none of NVIDIA's.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cupti/places.h"
#include "tests/test.h"

/* Puts a library that can be loaded, and is no CUPTI, at folder/name below the
 * test's folder; its path until the next call. */
static const char *put_library(const char *folder, const char *name)
{
    static char path[1024];
    char command[4096];

    snprintf(path, sizeof(path), "%s/%s/%s", test_tmpdir(), folder, name);
    snprintf(command, sizeof(command), "mkdir -p '%s/%s' && cp '%s' '%s'",
             test_tmpdir(), folder, test_beside("fake/libnvidia-ml.so.1"),
             path);
    BUG_IF(system(command) != 0);
    return path;
}

static int find(const CuptiPlaces *p, const char *folder)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), folder);
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->at[i], path) == 0)
            return i;
    return -1;
}

static bool has(const CuptiPlaces *p, const char *path)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->at[i], path) == 0)
            return true;
    return false;
}

/* True if what was loaded is this file. */
static bool is_file(void *library, const char *folder, const char *name)
{
    char path[1024];
    void *symbol = library ? dlsym(library, "nvmlInit_v2") : NULL;
    Dl_info info;

    snprintf(path, sizeof(path), "%s/%s/%s", test_tmpdir(), folder, name);
    return symbol && dladdr(symbol, &info) && !strcmp(info.dli_fname, path);
}

TEST(cupti_places, are_next_to_a_library_that_is_loaded)
{
    CuptiPlaces before, after;

    unsetenv("CUDA_HOME");
    cupti_places(&before);
    CHECK(before.at[0][0] == '\0');
    REQUIRE(dlopen(put_library("nvidia/cublas/lib", "libcublasLt.so.12"),
                   RTLD_NOW | RTLD_LOCAL));
    cupti_places(&after);
    CHECK(find(&before, "nvidia/cublas/lib") < 0);
    CHECK(find(&after, "nvidia/cublas/lib") >= 0);
    CHECK(find(&after, "nvidia/cuda_cupti/lib") >= 0);
    CHECK(find(&after, "nvidia/cu13/lib") >= 0);
    CHECK(find(&after, "nvidia/cublas/extras/CUPTI/lib64") >= 0);
    CHECK(has(&after, "/usr/local/cuda/lib64"));
    /* another library of the same folder adds nothing */
    REQUIRE(dlopen(put_library("nvidia/cublas/lib", "libcudnn.so.9"),
                   RTLD_NOW | RTLD_LOCAL));
    before = after;
    cupti_places(&after);
    CHECK(after.n == before.n);
}

TEST(cupti_places, are_below_cuda_home)
{
    CuptiPlaces p;

    setenv("CUDA_HOME", test_tmpdir(), 1);
    cupti_places(&p);
    CHECK(find(&p, "extras/CUPTI/lib64") >= 0 && find(&p, "lib64") >= 0);
}

/* Places without those of the loader, which may know a CUPTI. */
TEST(cupti_places, a_package_is_found_by_the_name_that_it_has)
{
    CuptiPlaces p = { .n = 2 };

    put_library("nvidia/cuda_cupti/lib", "libcupti.so.12");
    snprintf(p.at[0], CUPTI_PLACE, "%s/nowhere", test_tmpdir());
    snprintf(p.at[1], CUPTI_PLACE, "%s/nvidia/cuda_cupti/lib", test_tmpdir());
    CHECK(is_file(cupti_load(&p), "nvidia/cuda_cupti/lib", "libcupti.so.12"));
}

TEST(cupti_places, the_sentence_names_them)
{
    CuptiPlaces p = { .n = 2, .at = { "/first/place", "/second/one" } };

    CHECK(!cupti_load(&p));
    CHECK_MSG(strstr(err_message(), "libcupti.so.13") &&
                  strstr(err_message(), "is not in /first/place, /second/one;"),
              "%s", err_message());
}
