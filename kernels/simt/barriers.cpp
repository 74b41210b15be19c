/*
 * barriers.cpp - __syncthreads with its votes, cluster.sync, cluster_done.
 *
 * A barrier opens when all threads that have not returned are in it; that some
 * had returned, or wait at another line, is reported.
 */
#include <stdlib.h>

#include "kernels/simt/state.h"

static void wait_at(ThreadState why, const char *file, int line)
{
    self()->file = file;
    self()->line = line;
    thread_sleep(self(), why);
    schedule();
}

static void wake_all(Block *b, ThreadState why)
{
    for (unsigned i = 0; i < b->threads; i++)
        if (b->thread[i].state == why)
            thread_wake(&b->thread[i]);
}

/* ---- of a block -------------------------------------------------------- */

static void open_barrier(Block *b)
{
    if (b->live != b->threads)
        report(SIMT_EXITED_BARRIER, { 0, b->file, b->line },
               "%u threads of block %u pass __syncthreads, %u have returned",
               b->live, b->index, b->threads - b->live);
    b->result[SIMT_COUNT] = b->votes;
    b->result[SIMT_OR] = b->votes > 0;
    b->result[SIMT_AND] = b->votes == (int)b->waiting;
    b->votes = 0;
    b->waiting = 0;
    check_interval(b);
    wake_all(b, IN_BARRIER);
}

int simt_barrier(int vote, SimtVote how, const char *file, int line)
{
    Block *b = self()->in;

    if (!b->waiting) {
        b->file = file;
        b->line = line;
    } else if (b->line != line || strcmp(b->file, file) != 0) {
        char others[PLACE_TEXT];

        place_text({ 0, b->file, b->line }, others);
        simt_report(SIMT_DIVERGENT_BARRIER, file, line,
                    "__syncthreads, while others of the block wait at %s",
                    others);
    }
    b->votes += vote != 0;
    if (++b->waiting == b->live)
        open_barrier(b);
    else
        wait_at(IN_BARRIER, file, line);
    return b->result[how];
}

/* ---- of a cluster ------------------------------------------------------ */

static void open_cluster_barrier(const char *file, int line)
{
    unsigned threads = 0;

    for (unsigned r = 0; r < launch.cluster; r++)
        threads += blocks[r].threads;
    if (launch.live != threads)
        report(SIMT_EXITED_BARRIER, { 0, file, line },
               "%u threads pass cluster.sync, %u have returned", launch.live,
               threads - launch.live);
    launch.waiting = 0;
    launch.cluster_syncs++;
    for (unsigned r = 0; r < launch.cluster; r++) {
        check_interval(&blocks[r]);
        wake_all(&blocks[r], IN_CLUSTER_BARRIER);
    }
}

static void complain_if_done(const char *file, int line)
{
    if (self()->done)
        simt_report(SIMT_DIVERGENT_BARRIER, file, line,
                    "a barrier of the cluster after cluster_done, which only "
                    "cluster_all_done may follow");
}

void simt_cluster_barrier(const char *file, int line)
{
    complain_if_done(file, line);
    if (++launch.waiting == launch.live)
        open_cluster_barrier(file, line);
    else
        wait_at(IN_CLUSTER_BARRIER, file, line);
}

/* ---- when a cluster is done -------------------------------------------- */

static unsigned threads_of_cluster(void)
{
    return launch.cluster * blocks[0].threads;
}

void simt_cluster_done(const char *file, int line)
{
    complain_if_done(file, line);
    self()->done = true;
    if (++launch.done == threads_of_cluster())
        for (unsigned r = 0; r < launch.cluster; r++)
            wake_all(&blocks[r], IN_ALL_DONE);
    yield_at_random();
}

void simt_cluster_all_done(const char *file, int line)
{
    if (!self()->done) {
        simt_report(SIMT_DIVERGENT_BARRIER, file, line,
                    "cluster_all_done without a cluster_done before it");
        return;
    }
    if (launch.done < threads_of_cluster())
        wait_at(IN_ALL_DONE, file, line);
    self()->in->all_done = true;
}

/* ---- threads that return ------------------------------------------------ */

/* Where the first thread found waits. */
static const Thread *who_waits(ThreadState why)
{
    for (unsigned r = 0; r < launch.cluster; r++)
        for (unsigned i = 0; i < blocks[r].threads; i++)
            if (blocks[r].thread[i].state == why)
                return &blocks[r].thread[i];
    return NULL;
}

void barriers_leave(Thread *t)
{
    Block *b = t->in;

    b->live--;
    launch.live--;
    if (b->live && b->waiting == b->live)
        open_barrier(b);
    if (launch.live && launch.waiting == launch.live) {
        const Thread *first = who_waits(IN_CLUSTER_BARRIER);

        open_cluster_barrier(first->file, first->line);
    }
}
