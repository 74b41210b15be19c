/*
 * library.c - finds cuDNN and cuBLASLt, opens them, lists the kernels made of
 *             them
 *
 * The plugin is not linked with them: without one of them it would not load,
 * and our own kernels need neither.  So they are loaded here, for all to see,
 * and the loader binds each of their functions at its first call, which comes
 * after that (-z lazy, plugin.mk).  A function's address would be wanted at
 * once: none is taken.
 *
 * cuDNN is several libraries that load each other at first use, and those that
 * are found need not be those that were meant: hence all the asking for
 * versions.  Of one major version any will do: it is asked for nothing that is
 * newer than its first.  Built with WITHOUT_CUDNN it is left out, where its
 * headers were not found.
 */
#include "kernels/cuda/library/library.h"

#include <cublasLt.h>
#ifndef WITHOUT_CUDNN
#include <cudnn.h>
#endif
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/err.h"

static void leave_out(FoundLibrary *l, const char *reason, ...)
    __attribute__((format(printf, 2, 3)));

static void leave_out(FoundLibrary *l, const char *reason, ...)
{
    va_list args;

    va_start(args, reason);
    vsnprintf(l->reason, sizeof(l->reason), reason, args);
    va_end(args);
}

/* ---- cuBLASLt ---------------------------------------------------------- */

static size_t cublas_version(void)
{
    return cublasLtGetVersion();
}

static void open_cublas(CudaDevice *cuda, FoundLibrary *l)
{
    const cublasStatus_t status = cublasLtCreate(&cuda->libraries->blas);

    if (!status)
        return;
    cuda->libraries->blas = NULL;
    leave_out(l, "cublasLtCreate: %s", cublasLtGetStatusString(status));
}

static const Kernel *const cublas_kernels[] = {
#define X(id) &cublas_##id,
    CUBLAS_KERNELS(X)
#undef X
        NULL,
};

/* ---- cuDNN ------------------------------------------------------------- */

#ifndef WITHOUT_CUDNN
static size_t cudnn_version(void)
{
    return cudnnGetVersion();
}

static void open_cudnn(CudaDevice *cuda, FoundLibrary *l)
{
    CudaLibraries *open = cuda->libraries;
    cudnnStatus_t status;

    if (!open->blas) {
        leave_out(l, "it needs cuBLASLt, which cannot be used");
        return;
    }
    status = cudnnGraphVersionCheck();
    if (status) {
        leave_out(l,
                  "its libraries are of several versions (%s); set "
                  "LD_LIBRARY_PATH to where those of one version are",
                  cudnnGetErrorString(status));
        return;
    }
    status = cudnnCreate(&open->cudnn);
    if (status)
        open->cudnn = NULL;
    else
        status = cudnnSetStream(open->cudnn, cuda->stream);
    if (status)
        leave_out(l, "cudnnCreate: %s", cudnnGetErrorString(status));
}
#endif

static const Kernel *const cudnn_kernels[] = {
#ifndef WITHOUT_CUDNN
#define X(id) &cudnn_##id,
    CUDNN_KERNELS(X)
#undef X
#endif
        NULL,
};

/* ---- both -------------------------------------------------------------- */

#define TEXT(x)       #x
#define FILE_OF(x, n) x "." TEXT(n)

static const struct {
    const char *name, *file; /* file NULL: built without it */
    size_t built;            /* 10000 major + 100 minor + patch */
    size_t (*version)(void);
    void (*open)(CudaDevice *cuda, FoundLibrary *l);
    const Kernel *const *kernels;
} libraries[NLIBRARIES] = {
    [CUBLASLT] = { "cuBLASLt", FILE_OF("libcublasLt.so", CUBLAS_VER_MAJOR),
                   CUBLAS_VER_MAJOR * 10000 + CUBLAS_VER_MINOR * 100 +
                       CUBLAS_VER_PATCH,
                   cublas_version, open_cublas, cublas_kernels },
#ifndef WITHOUT_CUDNN
    [CUDNN] = { "cuDNN", FILE_OF("libcudnn.so", CUDNN_MAJOR),
                CUDNN_MAJOR * 10000 + CUDNN_MINOR * 100 + CUDNN_PATCHLEVEL,
                cudnn_version, open_cudnn, cudnn_kernels },
#else
    [CUDNN] = { .name = "cuDNN", .kernels = cudnn_kernels },
#endif
};

static void print_version(char *text, size_t size, size_t v)
{
    snprintf(text, size, "%zu.%zu.%zu", v / 10000, v % 10000 / 100, v % 100);
}

void cuda_library_find(FoundLibrary *out, LibraryKind kind)
{
    const char *file = libraries[kind].file;
    size_t version;

    *out = (FoundLibrary){ .name = libraries[kind].name };
    if (!file) {
        leave_out(out, "its headers were not found; install cuDNN 9 (pip "
                       "install nvidia-cudnn-cu13) and run make again");
        return;
    }
    print_version(out->built, sizeof(out->built), libraries[kind].built);
    if (!dlopen(file, RTLD_LAZY | RTLD_GLOBAL | RTLD_NODELETE)) {
        leave_out(out, "%s; set LD_LIBRARY_PATH to its folder", dlerror());
        return;
    }
    version = libraries[kind].version();
    print_version(out->version, sizeof(out->version), version);
    if (version / 10000 != libraries[kind].built / 10000)
        leave_out(out,
                  "version %s was found as %s, this was built for %s; set "
                  "LD_LIBRARY_PATH to where that is",
                  out->version, file, out->built);
}

int cuda_libraries_open(CudaDevice *cuda)
{
    cuda->libraries = calloc(1, sizeof(CudaLibraries));
    if (!cuda->libraries)
        return fail(ERR_MEMORY, "no memory for the libraries' handles");
    for (LibraryKind k = 0; k < NLIBRARIES; k++) {
        FoundLibrary *found = &cuda->libraries->found[k];

        cuda_library_find(found, k);
        if (!found->reason[0])
            libraries[k].open(cuda, found);
    }
    return OK;
}

void cuda_libraries_close(CudaDevice *cuda)
{
    CudaLibraries *l = cuda->libraries;

    if (!l)
        return;
#ifndef WITHOUT_CUDNN
    if (l->cudnn)
        cudnnDestroy(l->cudnn);
#endif
    if (l->blas)
        cublasLtDestroy(l->blas);
    free(l);
    cuda->libraries = NULL;
}

const Kernel *cuda_library_kernel_at(const CudaLibraries *open, int *i)
{
    for (int k = NLIBRARIES - 1; k >= 0; k--) {
        if (open && open->found[k].reason[0])
            continue;
        for (const Kernel *const *at = libraries[k].kernels; *at; at++)
            if ((*i)-- == 0)
                return *at;
    }
    return NULL;
}
