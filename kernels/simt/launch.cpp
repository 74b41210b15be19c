/*
 * launch.cpp - takes a launch: judges its shape, then runs its clusters one
 * after another, each from the start of its blocks to the return of all their
 * threads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/backend/device.h"
#include "kernels/simt/state.h"

Launch launch;
Block blocks[MAX_CLUSTER];
dim3 simt_block_dim, simt_grid_dim;

/* In the program's image, where the checker lets kernels read. */
static Thread threads[MAX_CLUSTER][MAX_THREADS];

enum { MAX_BLOCK_Z = 64, MAX_GRID_YZ = 65535, MAX_GRID_X = 0x7fffffff };

const char *cudaGetErrorString(cudaError_t err)
{
    switch (err) {
    case cudaSuccess:
        return "no error";
    case cudaErrorInvalidValue:
        return "invalid argument";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorInvalidConfiguration:
        return "invalid configuration argument";
    case cudaErrorLaunchFailure:
        return "the kernel did what it must not: see what is reported";
    }
    return "unrecognized error code";
}

int cuda_check(int err, const char *call)
{
    if (err == cudaSuccess)
        return OK;
    return fail(ERR_DEVICE, "simt: %.*s: %d, %s", (int)strcspn(call, "("), call,
                err, cudaGetErrorString((cudaError_t)err));
}

unsigned simt_cluster_rank(void)
{
    return self()->in->rank;
}

unsigned simt_cluster_size(void)
{
    return launch.cluster;
}

SimtCopies *simt_copies(void)
{
    return &self()->copies;
}

/* ---- threads ----------------------------------------------------------- */

static void thread_return(void)
{
    Thread *t = self();

    if (t->copies.n)
        report(SIMT_PENDING_COPY, { 0, t->copies.file, t->copies.line },
               "%d asynchronous copies were never waited for", t->copies.n);
    thread_sleep(t, RETURNED);
    warp_leave(t);
    barriers_leave(t);
    if (!t->in->live)
        check_exit(t->in);
}

/* A fiber is one thread of each cluster in turn. */
static void fiber_main(void)
{
    for (;;) {
        launch.call(launch.context);
        thread_return();
        schedule();
    }
}

static void thread_start(Thread *t, Block *b, unsigned index)
{
    const dim3 d = launch.block;

    t->thread = { index % d.x, index / d.x % d.y, index / d.x / d.y };
    t->block = b->at;
    t->index = index;
    t->lane = index % LANES;
    t->warp = index / LANES;
    t->in = b;
    t->state = READY;
    t->copies.n = t->copies.group = 0;
    t->done = false;
    t->clock = t->fence = 0;
    memset(t->seen, 0, sizeof(t->seen));
    if (!t->prepared)
        fiber_prepare(t, fiber_main);
}

/* ---- blocks ------------------------------------------------------------ */

static unsigned lowest_bits(unsigned n)
{
    return n >= 32 ? ~0u : (1u << n) - 1;
}

static void block_start(Block *b, unsigned rank, unsigned index)
{
    const dim3 g = launch.grid;
    const unsigned n = launch.block.x * launch.block.y * launch.block.z;
    const unsigned warps = (n + LANES - 1) / LANES;

    b->at = { index % g.x, index / g.x % g.y, index / g.x / g.y };
    b->rank = rank;
    b->index = index;
    b->threads = b->live = n;
    b->waiting = 0;
    b->votes = 0;
    b->thread = threads[rank];
    b->warps_ready = lowest_bits(warps);
    for (unsigned i = 0; i < warps; i++) {
        Warp *w = &b->warp[i];

        w->exist = w->ready = lowest_bits(n - i * LANES);
        w->returned = w->used = 0;
    }
    for (unsigned i = 0; i < n; i++)
        thread_start(&b->thread[i], b, i);
    shared_fill(b);
    check_interval(b);
    b->first_interval = rank ? blocks[0].first_interval : b->interval;
    b->touched = 0;
    b->all_done = false;
}

/* ---- what went wrong --------------------------------------------------- */

enum { MAX_PLACES = 6 };

/* Where the threads of a block wait that none can leave. */
static void report_stuck(const Block *b)
{
    const Thread *first[MAX_PLACES];
    unsigned waiting[MAX_PLACES] = { 0 }, returned = 0;
    int places = 0;
    char text[400];
    size_t n;

    for (unsigned i = 0; i < b->threads; i++) {
        const Thread *t = &b->thread[i];
        int k = 0;

        if (t->state == RETURNED) {
            returned++;
            continue;
        }
        while (k < places &&
               (first[k]->line != t->line || first[k]->file != t->file))
            k++;
        if (k == places && places < MAX_PLACES)
            first[places++] = t;
        if (k < MAX_PLACES)
            waiting[k]++;
    }
    if (!places)
        return;
    n = (size_t)snprintf(text, sizeof(text), "%u threads have returned",
                         returned);
    for (int k = 0; k < places && n < sizeof(text); k++)
        n +=
            (size_t)snprintf(text + n, sizeof(text) - n, ", %u wait at line %d",
                             waiting[k], first[k]->line);
    report(SIMT_DEADLOCK, { 0, first[0]->file, first[0]->line },
           "block %u is stuck: %s", b->index, text);
}

/* The fibers stand somewhere in the kernel: next time they start again. */
static void drop_fibers(void)
{
    for (unsigned r = 0; r < launch.cluster; r++)
        for (unsigned i = 0; i < blocks[r].threads; i++)
            blocks[r].thread[i].prepared = false;
}

/* False: the launch is given up. */
static bool run_cluster(unsigned first_block)
{
    launch.live = launch.waiting = launch.done = launch.cluster_syncs = 0;
    for (unsigned r = 0; r < launch.cluster; r++) {
        block_start(&blocks[r], r, first_block + r);
        launch.live += blocks[r].threads;
    }
    fiber_switch(first_thread());
    if (!launch.abandoned && !launch.live)
        return true;
    for (unsigned r = 0; r < launch.cluster && !launch.abandoned; r++)
        report_stuck(&blocks[r]);
    drop_fibers();
    return false;
}

/* ---- launches ---------------------------------------------------------- */

extern "C" SimtShape simt_launched(void)
{
    const dim3 g = launch.grid, b = launch.block;

    return { g.x * g.y * g.z, b.x * b.y * b.z, launch.cluster,
             launch.dynamic_bytes };
}

static bool possible(dim3 grid, dim3 block, size_t shared_bytes,
                     unsigned cluster)
{
    const size_t n = (size_t)block.x * block.y * block.z;

    return n > 0 && n <= MAX_THREADS && block.z <= MAX_BLOCK_Z && grid.x > 0 &&
           grid.y > 0 && grid.z > 0 && grid.x <= MAX_GRID_X &&
           grid.y <= MAX_GRID_YZ && grid.z <= MAX_GRID_YZ &&
           shared_bytes <= MAX_SHARED && cluster > 0 &&
           cluster <= MAX_CLUSTER && grid.x % cluster == 0;
}

cudaError_t simt_run(void (*call)(void *), void *context, dim3 grid, dim3 block,
                     size_t shared_bytes, unsigned cluster)
{
    const int before = reports_so_far();
    const unsigned n = grid.x * grid.y * grid.z / cluster;

    if (!possible(grid, block, shared_bytes, cluster)) {
        report(SIMT_LAUNCH, CALLER,
               "grid (%u,%u,%u), block (%u,%u,%u), %zu bytes of shared memory, "
               "clusters of %u",
               grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes,
               cluster);
        return cudaErrorInvalidConfiguration;
    }
    if (!memory_init())
        return cudaErrorMemoryAllocation;
    launch = { .number = launch.number + 1,
               .call = call,
               .context = context,
               .block = block,
               .grid = grid,
               .dynamic_bytes = shared_bytes,
               .cluster = cluster };
    simt_block_dim = block;
    simt_grid_dim = grid;
    shared_reset();
    check_launch();
    for (unsigned i = 0; i < n; i++)
        if (!run_cluster(cluster_at(i, n) * cluster))
            break;
    return reports_so_far() == before ? cudaSuccess : cudaErrorLaunchFailure;
}
