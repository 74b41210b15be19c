/*
 * unchecked.cpp - the plain build: no access is judged but the alignment of
 * atomic ones.  With ASan it is told what may be touched.
 */
#include "kernels/simt/state.h"

#ifdef SIMT_ASAN
#include <sanitizer/asan_interface.h>
#endif

extern "C" bool simt_is_checked(void)
{
    return false;
}

bool check_init(void)
{
    return true;
}

void check_launch(void)
{
}

void check_interval(Block *)
{
}

void check_syncwarp(Block *, unsigned, unsigned)
{
}

void check_exit(Block *)
{
}

void check_allocate(void *p, size_t bytes, bool)
{
#ifdef SIMT_ASAN
    __asan_unpoison_memory_region(p, bytes);
#else
    (void)p, (void)bytes;
#endif
}

void check_release(void *p, size_t bytes)
{
#ifdef SIMT_ASAN
    __asan_poison_memory_region(p, bytes);
#else
    (void)p, (void)bytes;
#endif
}

void simt_fence(void)
{
}

void simt_in_flight(void *dst)
{
    memset(dst, 0xff, sizeof(uint4));
}

void simt_atomic(void *p, size_t bytes)
{
    if ((uintptr_t)p % bytes)
        report(SIMT_MISALIGNED, CALLER, "an atomic on %zu bytes at %p", bytes,
               p);
    yield_at_random();
}

extern "C" void simt_watch(int, const void *, size_t)
{
}

extern "C" SimtTraffic simt_watched(int)
{
    return { 0, 0 };
}

extern "C" void simt_count_start(void)
{
}

extern "C" void simt_count_stop(void)
{
}

extern "C" void simt_count_next(void)
{
}

extern "C" void simt_count_images(const void *, size_t)
{
}

extern "C" const SimtCounts *simt_counted(int)
{
    return NULL;
}

extern "C" int simt_counted_places(SimtPlace *, int)
{
    return 0;
}
