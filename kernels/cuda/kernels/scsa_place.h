/*
 * scsa_place.h - which cut of an image the kernel "cluster" takes: that with
 *                the least cycles, by how many clusters the card runs at once
 *
 * A cluster must lie within one of the card's groups of multiprocessors, which
 * do not divide evenly by four or eight: only the driver knows how many fit.
 * One image too many is a wave of its own, and costs nearly as much as all.
 *
 * The numbers are predicted, not measured: rates are those of an H200 at
 * 1.98 GHz, the rest was counted in the machine code and on the host.
 */
#ifndef CUDA_SCSA_PLACE_H
#define CUDA_SCSA_PLACE_H

#include "kernels/cuda/kernels/scsa.h"
#include "kernels/cuda/kernels/scsa_cut.h"

/* Bytes a cycle and multiprocessor: of a copy through memory (4.3 TB/s), of one
 * through L2 in whole sectors (5.5 TB/s), and what one of them can take. */
static constexpr double MEMORY_RATE = 16, L2_RATE = 21, PORT_RATE = 64;
static constexpr double SECTOR = 32;

/* Cycles: of latency that no division of the work shortens; of a barrier of the
 * cluster and the reads that it guards. */
static constexpr double FIXED = 4000, SYNC = 450;

/* How often a block's map is read or written in shared memory, gates with it,
 * at LINE_BYTES a cycle. */
static constexpr double PASSES = 9, LINE_BYTES = LINE;

/* The attention's rates in a cycle: exponentials, and products of x_p. */
static constexpr double EXPONENTIALS = 16, PRODUCTS = 128;

/* Blocks of a cluster, and threads of a block at most.  512 threads fill a
 * multiprocessor's registers; of 256, two blocks share them. */
typedef struct Way {
    int blocks, threads;
} Way;
static const Way ways[] = { { SCSA_QUARTERS, 512 },
                            { SCSA_QUARTERS, 256 },
                            { MAX_BLOCKS, 512 },
                            { MAX_BLOCKS, 256 } };
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Cycles of n images that run at once. */
static inline double wave_cycles(const Cut &cut, const Scsa &s, int n, int sms)
{
    const double block = (double)cut.map_bytes, run = (double)cut.run_bytes;
    const double sectors = ceil(run / SECTOR) * SECTOR / run;
    const double all = 2 * n * cut.blocks * block / sms;
    const double load = ceil((double)n * cut.blocks / sms); /* blocks of one */
    const double copy =
        larger(larger(all / MEMORY_RATE, all * sectors / L2_RATE),
               2 * load * block * sectors / PORT_RATE);
    const double slower = larger(load, (double)THREADS / (double)cut.threads);
    const double pairs = load * cut.channels * s.depth; /* of channels */
    const int syncs = cut.blocks > SCSA_QUARTERS ? 3 : 2;

    return copy + FIXED + SYNC * syncs + PASSES * slower * block / LINE_BYTES +
           pairs / EXPONENTIALS + pairs * s.P / PRODUCTS;
}

/* Cycles of all images, in waves of as many as there are clusters at once. */
static inline double cut_cycles(const Cut &cut, const Scsa &s, int sms)
{
    const int waves = s.N / cut.active, rest = s.N % cut.active;
    double cycles = waves * wave_cycles(cut, s, cut.active, sms);

    if (rest)
        cycles += wave_cycles(cut, s, rest, sms);
    return cycles;
}

#endif
