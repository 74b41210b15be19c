/*
 * host.h - runs the CUDA kernels on the host: the backend "simt", for tests.
 *
 * It has our own kernels (kernels/cuda/backend/cuda.h), not cuDNN's or
 * cuBLAS's, and
 * it is slow: every CUDA thread is a fiber.  Linked with the checked runtime
 * it also judges every access to memory.  It proves logic and the safety of
 * memory, not speed, nor the order in which a GPU's memory shows writes.
 */
#ifndef SIMT_HOST_H
#define SIMT_HOST_H

#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fails to open, with ERR_UNSUPPORTED, on what is not x86-64. */
extern const Backend simt_backend;

/* The order in which threads run: 0 forward, 1 reverse, 2 random by seed. */
enum { SIMT_FORWARD, SIMT_REVERSE, SIMT_RANDOM, SIMT_ORDERS };
void simt_set_order(int order, uint64_t seed);

/* Numbers of multiprocessors that clusters may not leave, as a card has them;
 * n 0: all of its are one group. */
void simt_set_groups(const int *sms, int n);

/* Shape of the latest launch. */
typedef struct SimtShape {
    unsigned blocks, threads, cluster; /* of the grid, a block, a cluster */
    size_t shared_bytes;               /* dynamic ones of a block         */
} SimtShape;
SimtShape simt_launched(void);

/* True if this is the checked build. */
bool simt_is_checked(void);

/* Kinds of report; those of the second half by the checked build alone. */
#define SIMT_KINDS(X)                                                         \
    X(DIVERGENT_BARRIER, "divergent-barrier", "threads wait at two barriers") \
    X(EXITED_BARRIER, "exited-barrier", "a barrier, but threads returned")    \
    X(DEADLOCK, "deadlock", "no thread can continue")                         \
    X(DIVERGENT_WARP, "divergent-warp", "lanes meet in two operations")       \
    X(MASK, "mask", "a lane not in its own mask, or one that returned")       \
    X(INACTIVE_LANE, "inactive-lane", "a value of a lane that brought none")  \
    X(RANK, "rank", "no such block in the cluster, or not shared memory")     \
    X(PENDING_COPY, "pending-copy", "a copy that nobody waited for")          \
    X(STACK_OVERFLOW, "stack-overflow", "recursion, or large local arrays")   \
    X(LAUNCH, "launch", "a grid, block or cluster that cannot be")            \
    X(SHARED_LIMIT, "shared-limit", "more shared memory than a block has")    \
    X(HOST_CALL, "host-call", "a copy or release of what is not allocated")   \
    X(ILLEGAL_ADDRESS, "illegal-address", "not memory of this thread's")      \
    X(OUT_OF_BOUNDS, "out-of-bounds", "outside an array or an allocation")    \
    X(MISALIGNED, "misaligned", "an address that the width does not divide")  \
    X(FREED, "freed", "memory after cudaFree")                                \
    X(UNINITIALISED, "uninitialised", "read before anything was written")     \
    X(IN_FLIGHT, "in-flight", "read before the wait for its cp.async")        \
    X(RACE, "race", "two accesses, one a write, with no barrier between")     \
    X(ABSENT_BLOCK, "absent-block", "shared memory of a block not there")     \
    X(HOST_ACCESS, "host-access", "host code that touches device memory")

typedef enum SimtKind {
#define X(id, name, means) SIMT_##id,
    SIMT_KINDS(X)
#undef X
        SIMT_NKINDS
} SimtKind;

/* How many were reported since the last call; the first few distinct ones as
 * text, each "race: what, at file:line (who)" on a line of its own. */
int simt_take_errors(char *text, size_t size);

/* Bytes that kernels read and wrote of [p, p + bytes) of device memory since
 * simt_watch, counting every access, an atomic one as both; checked build
 * only. */
typedef struct SimtTraffic {
    double read, written;
} SimtTraffic;
enum { SIMT_WATCHES = 8 };
void simt_watch(int slot, const void *p, size_t bytes);
SimtTraffic simt_watched(int slot);

/* Requests of memory: instructions of warps.  Of global memory units are
 * sectors of 32 bytes, and cycles those of L1, a line of 128 bytes each; of
 * shared memory both are wavefronts, which conflicts of banks make many.
 * ideal: the units that distinct bytes need. */
typedef struct SimtRequests {
    double requests, units, ideal, cycles;
} SimtRequests;

/* Requests of a launch; checked build only. */
typedef struct SimtCounts {
    unsigned blocks, threads, cluster; /* in all, of a block, of a cluster */
    SimtRequests loads, stores;        /* global; atomics are loads        */
    SimtRequests shared;

    /* Bytes of distinct sectors: read of images, as simt_count_images says,
     * and of all else; written. */
    double image_read, weight_read, written;

    double block_cycles;    /* of the busiest block, L1 and shared memory  */
    double rounds;          /* times that a block waits for global memory:
                               intervals between barriers in which it reads */
    unsigned cluster_syncs; /* of a cluster */
} SimtCounts;

/* From start to stop accesses are counted, launch by launch, and not judged.
 * Next forgets the launches so far, and neither places nor what are images. */
void simt_count_start(void);
void simt_count_stop(void);
void simt_count_next(void);
void simt_count_images(const void *p, size_t bytes);

/* The i-th launch; NULL past the last. */
const SimtCounts *simt_counted(int i);

/* A line of source and what it asked for in all launches. */
enum { SIMT_WHERE = 160 };
typedef struct SimtPlace {
    char where[SIMT_WHERE]; /* "softmax.cu:120", or "kernel.h:60 (from ...)" */
    bool shared, writes;
    SimtRequests sum;
} SimtPlace;

/* The first n of all places, those first whose units exceed the ideal by most;
 * how many there are. */
int simt_counted_places(SimtPlace *out, int n);

#ifdef __cplusplus
}
#endif

#endif
