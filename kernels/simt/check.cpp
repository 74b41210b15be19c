/*
 * check.cpp - the checker: judges every access that kernels make to memory.
 *
 * Each two bytes of device memory have a cell of shadow: who wrote them last
 * and who read them last, when, and whether they may be touched and hold
 * something.  "When" is an interval of a block, from one barrier to the next.
 * Two accesses are in order if they are
 *
 *   by one thread;
 *   by one block, in different intervals;
 *   by one warp, and both threads were in a __syncwarp between;
 *   by one cluster, with a cluster.sync between;
 *   by two blocks, the first published: __threadfence, then an atomic on an
 *   address where an atomic of the second block came later (order.cpp).
 *
 * If not, one of them is a write, and they are not both atomic: a race.  That
 * does not depend on who happened to run first, so one run is enough.
 *
 * The last reader is known, and whether there were others that it is not in
 * order with: in its warp, its block, its cluster, or further away.
 */
#include <sys/mman.h>

#include "kernels/simt/order.h"
#include "kernels/simt/traffic.h"

enum : uint8_t {
    /* of Stamp.how */
    BYTES = 3, /* which of the cell's two */
    BY_ATOMIC = 4,
    MANY_LANES = 8,
    MANY_WARPS = 16,
    MANY_BLOCKS = 32,
    MANY_CLUSTERS = 64,
    COPY_IN_FLIGHT = 128, /* written by a cp.async that is not waited for */

    /* of Stamp.holds */
    WRITTEN = 3,        /* which bytes hold something  */
    ALLOCATED_SHIFT = 2 /* which bytes may be touched  */
};

struct Stamp {
    uint32_t interval; /* before the launch's first: in order with all */
    uint32_t pc;       /* the program is linked below 4 GiB            */
    uint32_t clock;    /* the thread's, in this interval               */
    uint16_t thread;
    uint8_t how;
    uint8_t holds; /* of the cell; in its write stamp */
};

/* All zero, as the system gives it: may not be touched. */
struct Cell {
    Stamp write, read;
};
static Cell *shadow;

struct Access {
    uintptr_t at;
    size_t bytes;
    AccessKind kind;
    uintptr_t pc;
    const Thread *by;
    const Block *owner; /* whose shared memory it is; NULL: global */
};

extern "C" bool simt_is_checked(void)
{
    return true;
}

bool check_init(void)
{
    shadow = (Cell *)mmap(NULL, DEVICE_BYTES / 2 * sizeof(Cell),
                          PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shadow == MAP_FAILED)
        shadow = NULL;
    return shadow != NULL;
}

static Cell *cell_of(const void *p)
{
    return shadow + ((const char *)p - device_memory) / 2;
}

/* ---- traffic ----------------------------------------------------------- */

static struct Watch {
    uintptr_t begin, end;
    SimtTraffic seen;
} watches[SIMT_WATCHES];
static int nwatches;

extern "C" void simt_watch(int slot, const void *p, size_t bytes)
{
    BUG_IF(slot < 0 || slot >= SIMT_WATCHES);
    watches[slot] = { (uintptr_t)p, (uintptr_t)p + bytes, { 0, 0 } };
    if (slot >= nwatches)
        nwatches = slot + 1;
}

extern "C" SimtTraffic simt_watched(int slot)
{
    BUG_IF(slot < 0 || slot >= SIMT_WATCHES);
    return watches[slot].seen;
}

static void count(const Access *a)
{
    for (Watch *w = watches; w < watches + nwatches; w++) {
        const uintptr_t end = a->at + a->bytes;
        const uintptr_t begin = a->at > w->begin ? a->at : w->begin;
        const uintptr_t last = end < w->end ? end : w->end;

        if (begin >= last)
            continue;
        if (a->kind != WRITE)
            w->seen.read += (double)(last - begin);
        if (a->kind != READ)
            w->seen.written += (double)(last - begin);
    }
}

/* ---- what may be touched ----------------------------------------------- */

/* Cells may be shared with the neighbour, by an odd number of bytes: only at
 * the end, as all allocations start at even addresses. */
void check_allocate(void *p, size_t bytes, bool initialised)
{
    const uintptr_t from = (uintptr_t)p, end = from + bytes;

    for (uintptr_t at = from & ~(uintptr_t)1; at < end; at += 2) {
        const unsigned mine = (at >= from) | (unsigned)(at + 1 < end) << 1;
        Cell *c = cell_of((void *)at);
        uint8_t holds = c->write.holds;

        holds |= mine << ALLOCATED_SHIFT;
        holds &= ~mine;
        if (initialised)
            holds |= mine;
        if (mine == BYTES)
            *c = {};
        c->write.holds = holds;
    }
}

void check_release(void *p, size_t bytes)
{
    const uintptr_t page = 4096;
    char *begin = (char *)cell_of(p);
    char *end = begin + (bytes + 1) / 2 * sizeof(Cell);
    char *first = (char *)(((uintptr_t)begin + page - 1) / page * page);
    char *last = (char *)((uintptr_t)end / page * page);

    if (last < first + 16 * page) {
        memset(begin, 0, (size_t)(end - begin));
        return;
    }
    memset(begin, 0, (size_t)(first - begin));
    memset(last, 0, (size_t)(end - last));
    madvise(first, (size_t)(last - first), MADV_DONTNEED);
}

/* ---- order ------------------------------------------------------------- */

static bool in_order(const Stamp *s, const Thread *t)
{
    const Block *b = t->in;

    if (before_launch(s->interval))
        return true;
    if (s->interval == b->interval) {
        if (s->how & (MANY_WARPS | MANY_BLOCKS | MANY_CLUSTERS))
            return false;
        if (s->thread == t->index && !(s->how & MANY_LANES))
            return true;
        return s->thread / LANES == t->warp &&
               t->seen[s->thread % LANES] > s->clock;
    }
    if (!(s->how & MANY_CLUSTERS) && cluster_synced(s->interval, b))
        return true;
    if (interval_block(s->interval) == b->index)
        return !(s->how & (MANY_BLOCKS | MANY_CLUSTERS));
    return !(s->how & (MANY_BLOCKS | MANY_CLUSTERS)) &&
           published(s->interval, s->thread, s->how & (MANY_LANES | MANY_WARPS),
                     b);
}

/* Who was not in order with whom. */
static uint8_t many(const Stamp *s, const Thread *t)
{
    const unsigned block = interval_block(s->interval);

    if (interval_cluster(s->interval) != cluster_of(t->in))
        return MANY_CLUSTERS;
    if (block != t->in->index)
        return MANY_BLOCKS;
    if (s->thread / LANES != t->warp)
        return MANY_WARPS;
    return s->thread != t->index ? MANY_LANES : 0;
}

static void stamp(Stamp *s, const Access *a, uint8_t how)
{
    s->interval = a->by->in->interval;
    s->pc = (uint32_t)a->pc;
    s->clock = a->by->clock;
    s->thread = (uint16_t)a->by->index;
    s->how = how;
}

/* ---- reports ----------------------------------------------------------- */

static const char *const did[] = { "a read", "a write", "an atomic" };

static Place place(const Access *a)
{
    return { a->pc, NULL, 0 };
}

static const char *memory_name(const Access *a)
{
    return a->owner ? "shared" : "global";
}

static void report_race(const Access *a, const Stamp *s)
{
    char earlier[PLACE_TEXT];

    if (!report_is_new(SIMT_RACE, place(a)))
        earlier[0] = 0;
    else
        place_text({ s->pc, NULL, 0 }, earlier);
    report(SIMT_RACE, place(a),
           "%s of %zu bytes of %s memory, not in order with that by block %u "
           "thread %u at %s",
           did[a->kind], a->bytes, memory_name(a), interval_block(s->interval),
           s->thread, earlier);
}

static void report_outside(const Access *a)
{
    const bool freed = !a->owner && memory_was_freed(a->at);

    report(freed ? SIMT_FREED : SIMT_OUT_OF_BOUNDS, place(a),
           "%s of %zu bytes of %s memory at %#lx", did[a->kind], a->bytes,
           memory_name(a), (unsigned long)a->at);
}

/* ---- one access -------------------------------------------------------- */

/* The bytes of a cell; false: reported, and enough. */
static bool check_cell(Cell *c, uint8_t bytes, const Access *a)
{
    Stamp *w = &c->write, *r = &c->read;

    if ((w->holds >> ALLOCATED_SHIFT & bytes) != bytes) {
        report_outside(a);
        return false;
    }
    if (a->owner && w->interval < a->owner->first_interval) {
        w->interval = 0; /* of a block that had this memory before */
        w->how = 0;
        w->holds &= ~WRITTEN;
    }
    if (a->owner && r->interval < a->owner->first_interval) {
        r->interval = 0;
        r->how = 0;
    }
    if (a->kind != WRITE && (w->holds & bytes) != bytes) {
        report(SIMT_UNINITIALISED, place(a),
               "%s of %zu bytes of %s memory never written", did[a->kind],
               a->bytes, memory_name(a));
        w->holds |= bytes;
    }
    if (a->kind != WRITE && (w->how & COPY_IN_FLIGHT))
        report(SIMT_IN_FLIGHT, place(a),
               "%s of what a copy by thread %u, not waited for, may bring yet",
               did[a->kind], w->thread);
    if ((w->how & bytes) && !in_order(w, a->by) &&
        !(a->kind == ATOMIC && (w->how & BY_ATOMIC))) {
        report_race(a, w);
        return false;
    }
    if (a->kind == READ) {
        uint8_t how = bytes;

        if (!before_launch(r->interval) && !in_order(r, a->by))
            how |= r->how | many(r, a->by);
        stamp(r, a, how);
        return true;
    }
    if ((r->how & bytes) && !in_order(r, a->by)) {
        report_race(a, r);
        return false;
    }
    stamp(w, a, bytes | (a->kind == ATOMIC ? BY_ATOMIC : 0));
    w->holds |= bytes;
    return true;
}

/* Not device memory: the thread's own stack and the program's constants and
 * arguments are fine. */
static void check_elsewhere(const Access *a)
{
    /* weak: the plugin, which judges nothing, has none */
    extern char image_begin[] __asm__("__executable_start")
        __attribute__((weak));
    extern char image_end[] __asm__("_end") __attribute__((weak));
    const uintptr_t arguments = (uintptr_t)launch.context;

    if ((a->at >= (uintptr_t)a->by->stack &&
         a->at < (uintptr_t)a->by->stack_end) ||
        (a->at >= (uintptr_t)image_begin && a->at < (uintptr_t)image_end) ||
        (a->at >= arguments && a->at < arguments + SIMT_ARGUMENTS))
        return;
    report(SIMT_ILLEGAL_ADDRESS, place(a),
           "%s of %zu bytes at %#lx, which is %s", did[a->kind], a->bytes,
           (unsigned long)a->at,
           fiber_has(a->at) ? "another thread's local memory"
                            : "the host's, or nobody's");
    launch_abandon();
}

/* Another block's shared memory, from its start to its end. */
static bool check_remote(const Access *a)
{
    Block *owner = &blocks[a->owner->rank];

    if (launch.cluster_syncs && owner->live && !a->by->done) {
        owner->touched = launch.cluster_syncs;
        owner->touched_pc = a->pc;
        return true;
    }
    report(SIMT_ABSENT_BLOCK, place(a),
           "%s of shared memory of block %u of the cluster, which %s",
           did[a->kind], owner->rank,
           !owner->live  ? "has returned"
           : a->by->done ? "may have returned: after cluster_done"
                         : "may not have started: no cluster.sync so far");
    return owner->live;
}

void check_exit(Block *b)
{
    if (traffic_counts) {
        traffic_interval(b);
        return;
    }
    if (b->touched && b->touched == launch.cluster_syncs && !b->all_done)
        report(SIMT_ABSENT_BLOCK, { b->touched_pc, NULL, 0 },
               "an access to shared memory of block %u of the cluster, which "
               "may have returned: no cluster.sync since",
               b->rank);
}

void check_access(uintptr_t address, size_t bytes, AccessKind kind,
                  uintptr_t pc)
{
    const uintptr_t offset = address - (uintptr_t)device_memory;
    Access a = { address, bytes, kind, pc, self(), NULL };
    uintptr_t at = offset;

    if (!device_memory || offset >= DEVICE_BYTES) {
        if (in_kernel() && !traffic_counts)
            check_elsewhere(&a);
        return;
    }
    if (!in_kernel()) {
        report(SIMT_HOST_ACCESS, place(&a), "%s of device memory by the host",
               did[kind]);
        return;
    }
    if (traffic_counts) {
        traffic_access(address, bytes, kind, pc);
        return;
    }
    if (nwatches)
        count(&a);
    if (address < (uintptr_t)heap)
        a.owner = &blocks[offset / SHARED_STRIDE];
    if (a.owner && a.owner != a.by->in && !check_remote(&a))
        return;
    while (at < offset + bytes) {
        const uintptr_t next = (at | 1) + 1, last = offset + bytes;
        const unsigned one = at & 1 ? 2 : next <= last ? 3 : 1;

        if (!check_cell(&shadow[at / 2], (uint8_t)one, &a))
            return;
        at = next;
    }
}

void simt_in_flight(void *dst)
{
    const size_t offset = (size_t)((char *)dst - device_memory);

    memset(dst, 0xff, sizeof(uint4));
    if (traffic_counts)
        return; /* the copy itself is counted when it lands */
    check_access((uintptr_t)dst, sizeof(uint4), WRITE,
                 (uintptr_t)__builtin_return_address(0));
    if (offset < DEVICE_BYTES)
        for (size_t i = 0; i < sizeof(uint4) / 2; i++)
            cell_of(dst)[i].write.how |= COPY_IN_FLIGHT;
}

void simt_atomic(void *p, size_t bytes)
{
    const uintptr_t pc = (uintptr_t)__builtin_return_address(0);

    if ((uintptr_t)p % bytes)
        report(SIMT_MISALIGNED, { pc, NULL, 0 }, "an atomic on %zu bytes at %p",
               bytes, p);
    check_access((uintptr_t)p, bytes, ATOMIC, pc);
    order_atomic(p);
    yield_at_random();
}
