/*
 * host.c - memory and clock of the host.
 */
#include "kernels/core/host.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/core/err.h"

enum { ALIGN = 64, HUGE_PAGE = 1 << 21 };

double host_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Large blocks are aligned for huge pages, which the kernel may then use. */
int host_alloc(Device *dev, void **out, size_t bytes)
{
    const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : ALIGN;

    (void)dev;
    *out = aligned_alloc(align, (bytes + align - 1) / align * align);
    if (!*out)
        return fail(ERR_MEMORY, "no memory for %.1f MiB",
                    (double)bytes / (1 << 20));
    return OK;
}

void host_release(Device *dev, void *p)
{
    (void)dev;
    free(p);
}

int host_copy(Device *dev, void *dst, const void *src, size_t bytes)
{
    (void)dev;
    memcpy(dst, src, bytes);
    return OK;
}

int host_clock_start(Device *dev)
{
    dev->started_ns = host_now_ns();
    return OK;
}

int host_clock_stop(Device *dev, double *ns)
{
    *ns = host_now_ns() - dev->started_ns;
    return OK;
}
