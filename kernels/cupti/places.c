/*
 * places.c - finds CUPTI where a toolkit or pip has put it.
 *
 * Who runs with pip's packages has no LD_LIBRARY_PATH to them: PyTorch and the
 * plugin's rpath know where cuBLASLt and cuDNN are, and CUPTI's package is next
 * to theirs:
 *
 *   site-packages/nvidia/cu13/lib         all of CUDA 13
 *   site-packages/nvidia/cublas/lib       cuBLASLt of CUDA 12, and ...
 *   site-packages/nvidia/cuda_cupti/lib   ... its CUPTI
 */
#include "kernels/cupti/places.h"

#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

/* The newest first.  A toolkit has the last, a package one of the others. */
static const char *const names[] = { "libcupti.so.13", "libcupti.so.12",
                                     "libcupti.so" };
enum { NNAMES = sizeof(names) / sizeof(names[0]) };

/* Libraries whose folders are CUDA's. */
static const char *const neighbours[] = { "libcublasLt.so", "libcudart.so",
                                          "libcudnn.so" };
enum { NNEIGHBOURS = sizeof(neighbours) / sizeof(neighbours[0]) };

/* Keeps the folder `below` one that is `up` levels above from, if it is not
 * kept yet. */
static void keep(CuptiPlaces *p, const char *from, int up, const char *below)
{
    char text[CUPTI_PLACE];
    size_t n = strlen(from);

    for (; up > 0 && n; up--)
        while (n && from[--n] != '/')
            ;
    if ((size_t)snprintf(text, sizeof(text), "%.*s%s", (int)n, from, below) >=
        sizeof(text))
        return;
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->at[i], text) == 0)
            return;
    if (p->n < CUPTI_MOST_PLACES)
        memcpy(p->at[p->n++], text, sizeof(text));
}

static bool is_neighbour(const char *name)
{
    for (int i = 0; i < NNEIGHBOURS; i++)
        if (strncmp(name, neighbours[i], strlen(neighbours[i])) == 0)
            return true;
    return false;
}

static int near_loaded(struct dl_phdr_info *info, size_t size, void *out)
{
    const char *path = info->dlpi_name, *slash = strrchr(path, '/');

    (void)size;
    if (!slash || !is_neighbour(slash + 1))
        return 0;
    keep(out, path, 1, "");
    keep(out, path, 3, "/cuda_cupti/lib");
    keep(out, path, 3, "/cu13/lib");
    keep(out, path, 2, "/extras/CUPTI/lib64");
    return 0;
}

static void in_toolkit(CuptiPlaces *p, const char *root)
{
    keep(p, root, 0, "/extras/CUPTI/lib64");
    keep(p, root, 0, "/lib64");
}

void cupti_places(CuptiPlaces *out)
{
    const char *home = getenv("CUDA_HOME");

    *out = (CuptiPlaces){ .n = 1 };
    dl_iterate_phdr(near_loaded, out);
    if (home && home[0])
        in_toolkit(out, home);
    in_toolkit(out, "/usr/local/cuda");
}

static void *load_from(const char *folder)
{
    char path[CUPTI_PLACE + 32];
    void *library = NULL;

    for (int i = 0; i < NNAMES && !library; i++) {
        snprintf(path, sizeof(path), "%s%s%s", folder, folder[0] ? "/" : "",
                 names[i]);
        library = dlopen(path, CUPTI_HOW);
    }
    return library;
}

void *cupti_load(const CuptiPlaces *places)
{
    void *library = NULL;
    char text[512] = "";
    size_t n = 0;

    for (int i = 0; i < places->n && !library; i++)
        library = load_from(places->at[i]);
    for (int i = 0; i < places->n && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
                              places->at[i][0] ? places->at[i]
                                               : "the loader's folders");
    if (!library)
        fail(ERR_UNSUPPORTED,
             "counters: CUPTI (%s or %s) is not in %s; it comes with the CUDA "
             "Toolkit (pip install nvidia-cuda-cupti, and LD_LIBRARY_PATH to "
             "its folder)",
             names[0], names[1], text);
    return library;
}
