/*
 * memory.cpp - device memory: what cudaMalloc gives, the blocks' shared arrays,
 * and the copies between host and device.
 *
 * All of it lies in one range of addresses, so that one comparison tells it
 * from the host's.  New memory is filled with NaN.  An address is given out
 * once: what was freed goes back to the system, and stays recognisable.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "kernels/simt/state.h"

enum {
    ALIGNMENT = 256,  /* of cudaMalloc's memory, as CUDA promises      */
    RED_ZONE = 256,   /* before and after each allocation              */
    RED_SHARED = 64,  /* after each shared array                       */
    NAN_BYTE = 0xff,  /* four of them, or two, are a NaN               */
    MAX_ARRAYS = 256, /* shared arrays of one launch */
};

/* Away from where Linux and ASan put things. */
static char *const wanted_address = (char *)0x200000000000;

char *device_memory, *heap;
static char *heap_top;

/* In the order of addresses. */
static struct Allocation {
    char *at;
    size_t bytes;
    bool freed;
} * allocations;
static size_t nallocations, room;

bool memory_init(void)
{
    if (device_memory)
        return true;
    device_memory =
        (char *)mmap(wanted_address, DEVICE_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (device_memory == MAP_FAILED) {
        device_memory = NULL;
        return false;
    }
    heap = heap_top = device_memory + MAX_CLUSTER * SHARED_STRIDE;
    if (!check_init()) {
        munmap(device_memory, DEVICE_BYTES);
        device_memory = NULL;
        return false;
    }
    fibers_init();
    check_release(device_memory, MAX_CLUSTER * SHARED_STRIDE);
    return true;
}

/* ---- allocations ------------------------------------------------------- */

/* The one that starts at or before p; NULL: none does. */
static Allocation *find_allocation(const void *p)
{
    size_t low = 0, high = nallocations;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (allocations[middle].at <= (const char *)p)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &allocations[low - 1] : NULL;
}

bool memory_was_freed(uintptr_t address)
{
    const Allocation *a = find_allocation((const void *)address);

    return a && a->freed && address < (uintptr_t)a->at + a->bytes;
}

cudaError_t simt_malloc(void **p, size_t bytes)
{
    const size_t whole = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *at;

    if (!memory_init() || (size_t)(device_memory + DEVICE_BYTES - heap_top) <
                              whole + 3 * RED_ZONE)
        return cudaErrorMemoryAllocation;
    if (nallocations == room) {
        room = room ? 2 * room : 1024;
        allocations =
            (Allocation *)realloc(allocations, room * sizeof(*allocations));
        BUG_IF(!allocations);
    }
    at = heap_top + RED_ZONE;
    heap_top = at + whole;
    allocations[nallocations++] = { at, bytes, false };
    check_release(at - RED_ZONE, RED_ZONE);
    check_release(at, whole + RED_ZONE);
    check_allocate(at, bytes, false);
    memset(at, NAN_BYTE, bytes);
    *p = at;
    return cudaSuccess;
}

/* Whole pages are the system's again; the rest is NaN. */
static void give_back(char *p, size_t bytes)
{
    const uintptr_t page = 4096;
    char *first = (char *)(((uintptr_t)p + page - 1) / page * page);
    char *last = (char *)((uintptr_t)(p + bytes) / page * page);

    if (first >= last) {
        memset(p, NAN_BYTE, bytes);
        return;
    }
    memset(p, NAN_BYTE, (size_t)(first - p));
    memset(last, NAN_BYTE, (size_t)(p + bytes - last));
    madvise(first, (size_t)(last - first), MADV_DONTNEED);
}

cudaError_t cudaFree(void *p)
{
    Allocation *a = find_allocation(p);

    if (!p)
        return cudaSuccess;
    if (!a || a->at != p || a->freed) {
        report(SIMT_HOST_CALL, CALLER, "cudaFree of %p, which is not allocated",
               p);
        return cudaErrorInvalidValue;
    }
    a->freed = true;
    give_back(a->at, a->bytes);
    check_release(a->at, a->bytes);
    return cudaSuccess;
}

/* ---- copies ------------------------------------------------------------ */

static bool is_allocated(const void *p, size_t bytes, Place caller)
{
    const Allocation *a = find_allocation(p);

    if (a && !a->freed && (const char *)p + bytes <= a->at + a->bytes)
        return true;
    report(SIMT_HOST_CALL, caller, "%zu bytes at %p are not all allocated",
           bytes, p);
    return false;
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes,
                       cudaMemcpyKind kind)
{
    const bool to =
        kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from =
        kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;

    if (!bytes)
        return cudaSuccess;
    if ((to && !is_allocated(dst, bytes, CALLER)) ||
        (from && !is_allocated(src, bytes, CALLER)))
        return cudaErrorInvalidValue;
    if (to)
        check_allocate(dst, bytes, true);
    memmove(dst, src, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemset(void *dst, int byte, size_t bytes)
{
    if (!bytes)
        return cudaSuccess;
    if (!is_allocated(dst, bytes, CALLER))
        return cudaErrorInvalidValue;
    check_allocate(dst, bytes, true);
    memset(dst, byte, bytes);
    return cudaSuccess;
}

/* ---- shared memory ----------------------------------------------------- */

/* The arrays of this launch, and how far they reach. */
static struct Placed {
    uint32_t offset;
    size_t bytes;
} placed[MAX_ARRAYS];
static unsigned nplaced, blocks_used;
static uint32_t placed_end;
static size_t dynamic_used;

static char *shared_of(unsigned rank)
{
    return device_memory + rank * SHARED_STRIDE;
}

void shared_reset(void)
{
    for (unsigned r = 0; r < blocks_used; r++) {
        check_release(shared_of(r), placed_end);
        check_release(shared_of(r) + DYNAMIC_OFFSET, dynamic_used);
    }
    nplaced = placed_end = 0;
    blocks_used = launch.cluster;
    dynamic_used = launch.dynamic_bytes;
    for (unsigned r = 0; r < blocks_used; r++) {
        blocks[r].shared = shared_of(r);
        if (dynamic_used)
            check_allocate(shared_of(r) + DYNAMIC_OFFSET, dynamic_used, false);
    }
}

void shared_fill(Block *b)
{
    for (unsigned i = 0; i < nplaced; i++)
        memset(b->shared + placed[i].offset, NAN_BYTE, placed[i].bytes);
    memset(b->shared + DYNAMIC_OFFSET, NAN_BYTE, dynamic_used);
}

static void place(SimtArray *array, size_t bytes, const char *name,
                  Place caller)
{
    const uint32_t top = (placed_end + 15) / 16 * 16;

    BUG_IF(nplaced == MAX_ARRAYS || top + bytes > DYNAMIC_OFFSET);
    launch.static_bytes += bytes;
    if (launch.static_bytes > SIMT_STATIC_SHARED)
        report(SIMT_SHARED_LIMIT, caller,
               "%s makes it %zu bytes of static shared memory, beyond %d", name,
               launch.static_bytes, SIMT_STATIC_SHARED);
    else if (launch.static_bytes + launch.dynamic_bytes > MAX_SHARED)
        report(SIMT_SHARED_LIMIT, caller,
               "%s makes it %zu bytes of shared memory, beyond %d", name,
               launch.static_bytes + launch.dynamic_bytes, MAX_SHARED);
    array->launch = launch.number;
    array->offset = top;
    placed[nplaced++] = { top, bytes };
    placed_end = top + (uint32_t)bytes + RED_SHARED;
    for (unsigned r = 0; r < launch.cluster; r++) {
        check_allocate(shared_of(r) + top, bytes, false);
        memset(shared_of(r) + top, NAN_BYTE, bytes);
    }
}

void *simt_shared(SimtArray *array, size_t bytes, const char *name)
{
    if (array->launch != launch.number)
        place(array, bytes, name, CALLER);
    return self()->in->shared + array->offset;
}

void *simt_dynamic_shared(void)
{
    return self()->in->shared + DYNAMIC_OFFSET;
}

void *simt_map_rank(const void *p, unsigned rank, const char *file, int line)
{
    const Block *b = self()->in;
    const size_t offset = (size_t)((const char *)p - b->shared);

    if (offset >= SHARED_STRIDE) {
        simt_report(SIMT_RANK, file, line,
                    "%p is not in this block's shared memory", p);
        launch_abandon();
    }
    if (rank >= launch.cluster) {
        simt_report(SIMT_RANK, file, line, "block %u of a cluster of %u", rank,
                    launch.cluster);
        launch_abandon();
    }
    return shared_of(rank) + offset;
}

/* ---- permission -------------------------------------------------------- */

/* The kernels that were allowed more shared memory. */
static struct Allowed {
    const void *kernel;
    int bytes;
} * allowed;
static int nallowed;

cudaError_t simt_allow_shared(const void *kernel, int bytes)
{
    int i = 0;

    if (bytes < 0 || bytes > MAX_SHARED)
        return cudaErrorInvalidValue;
    while (i < nallowed && allowed[i].kernel != kernel)
        i++;
    if (i == nallowed) {
        allowed = (Allowed *)realloc(allowed, ++nallowed * sizeof(*allowed));
        BUG_IF(!allowed);
    }
    allowed[i] = { kernel, bytes };
    return cudaSuccess;
}

size_t simt_allowed_shared(const void *kernel)
{
    for (int i = 0; i < nallowed; i++)
        if (allowed[i].kernel == kernel &&
            allowed[i].bytes > SIMT_STATIC_SHARED)
            return (size_t)allowed[i].bytes;
    return SIMT_STATIC_SHARED;
}
