/*
 * state.h - what the files of the runtime share: threads, blocks, the launch.
 *
 *   launch.cpp     takes a launch, and a cluster's blocks from start to end
 *   fibers.cpp     stacks, and who runs next
 *   barriers.cpp   __syncthreads and cluster.sync
 *   warps.cpp      what lanes of a warp do together
 *   occupancy.cpp how many clusters a card holds
 *   memory.cpp     device memory, shared arrays, cudaMemcpy and its kin
 *   check.cpp, order.cpp, hooks.cpp   the checker, in the checked build;
 *   traffic.cpp                       and what it counts, instead of judging;
 *   unchecked.cpp                     what stands for it in the plain one
 *   report.cpp     what was found, as text
 *
 * One OS thread, and one launch at a time.  The blocks of a cluster run
 * together, clusters one after another.
 */
#ifndef SIMT_STATE_H
#define SIMT_STATE_H

#include "kernels/core/err.h"
#include "kernels/simt/prims.h"
#include "kernels/simt/simt.h"

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

#if defined(__SANITIZE_ADDRESS__)
#define SIMT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMT_ASAN 1
#endif
#endif

enum {
    LANES = 32,
    MAX_THREADS = 1024, /* of a block */
    MAX_WARPS = MAX_THREADS / LANES,
    MAX_CLUSTER = 16,
    MAX_SHARED = 227 << 10, /* bytes a block may have, static and dynamic */
    MAX_EXCHANGES = 40,     /* operations that lanes of a warp wait in    */
    SIMT_ARGUMENTS = 4096   /* bytes of a launch's arguments, at most     */
};

struct Block;

enum ThreadState {
    RETURNED,
    READY,
    IN_BARRIER,
    IN_CLUSTER_BARRIER,
    IN_ALL_DONE,
    IN_WARP
};

/* A fiber, and the CUDA thread that it is at the moment. */
struct Thread : SimtThread {
    void *sp; /* while another runs */
    char *stack, *stack_end;
    void *fake_stack; /* ASan's */
    bool prepared;    /* the stack has what a switch to it needs */
    Block *in;
    ThreadState state;
    const char *file; /* where it waits */
    int line;
    SimtCopies copies;
    bool done; /* with other blocks' shared memory */

    /* For the checker: how often this thread has been in a __syncwarp, and up
     * to which of theirs it has seen the other lanes' accesses. */
    uint32_t clock, seen[LANES];
    uint32_t fence; /* the interval of its last __threadfence, or 0 */
};

/* Lanes that wait for each other. */
struct Exchange {
    unsigned mask;    /* 0: free                                  */
    unsigned arrived; /* lanes that brought their value           */
    unsigned leaving; /* of a complete one: lanes yet to wake up  */
    SimtWarpOp op;
    const char *file;
    int line;
    alignas(16) char value[LANES][16];
};

struct Warp {
    unsigned exist, ready, returned; /* sets of lanes */
    unsigned used;                   /* exchange[used] and beyond: never */
    Exchange exchange[MAX_EXCHANGES];
};

struct Block {
    uint3 at;               /* blockIdx                          */
    unsigned rank, index;   /* in its cluster, in the grid       */
    unsigned threads, live; /* live: have not returned           */
    unsigned waiting;       /* of the live: in a barrier         */
    const char *file;       /* of the first that waits           */
    int line;
    int votes, result[SIMT_VOTES];
    unsigned warps_ready; /* the warps that have a ready lane  */
    char *shared;
    Warp warp[MAX_WARPS];
    Thread *thread;

    /* For the checker: from one barrier to the next is an interval; and when
     * another block last touched its shared memory, counted in cluster.syncs,
     * and where. */
    uint32_t interval, first_interval;
    unsigned touched;
    uintptr_t touched_pc;
    bool all_done; /* a thread of it knows that the cluster is */
};

struct Launch {
    uint32_t number;
    void (*call)(void *);
    void *context;
    dim3 block, grid;
    size_t dynamic_bytes, static_bytes;
    unsigned cluster;       /* blocks in one                        */
    unsigned live, waiting; /* threads of the cluster, as in Block  */
    unsigned done;          /* threads of the cluster that said so  */
    unsigned cluster_syncs; /* so far                               */
    bool abandoned;
};

extern Launch launch;
extern Block blocks[MAX_CLUSTER]; /* the cluster that runs */
extern Thread host_thread;        /* who runs when no kernel does */

static inline Thread *self(void)
{
    return static_cast<Thread *>(simt_self);
}

static inline bool in_kernel(void)
{
    return simt_self != &host_thread;
}

/* ---- fibers.cpp -------------------------------------------------------- */

void fibers_init(void);
void fiber_prepare(Thread *t, void (*entry)(void));
void fiber_switch(Thread *to);
bool fiber_has(uintptr_t address); /* on some thread's stack */

void thread_sleep(Thread *t, ThreadState why);
void thread_wake(Thread *t);
void schedule(void); /* lets others run; back when this one is woken */
void yield_at_random(void);

/* Who begins, and the i-th of n clusters to be run. */
Thread *first_thread(void);
unsigned cluster_at(unsigned i, unsigned n);

/* Gives the launch up, back to the host; from within a kernel. */
void launch_abandon(void) __attribute__((noreturn));

/* ---- barriers.cpp, warps.cpp ------------------------------------------- */

/* Whoever waits for t need not any longer. */
void barriers_leave(Thread *t);
void warp_leave(Thread *t);

/* ---- memory.cpp -------------------------------------------------------- */

/* All of device memory: the blocks' shared memory, then what cudaMalloc
 * gives. */
extern char *device_memory, *heap;

/* From one block's shared memory to the next's, and from its static arrays to
 * the dynamic one. */
static const size_t SHARED_STRIDE = 1 << 20;
static const size_t DYNAMIC_OFFSET = SHARED_STRIDE / 2;
static const size_t HEAP_BYTES = (size_t)16 << 30;
static const size_t DEVICE_BYTES = MAX_CLUSTER * SHARED_STRIDE + HEAP_BYTES;

bool memory_init(void);     /* false: the system gives no such room */
void shared_reset(void);    /* a new launch: no arrays placed yet */
void shared_fill(Block *b); /* a new block: nothing written yet   */
bool memory_was_freed(uintptr_t address);

/* ---- report.cpp -------------------------------------------------------- */

/* Where: of code by its address, or of a source line. */
struct Place {
    uintptr_t pc;
    const char *file;
    int line;
};

void report(SimtKind kind, Place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int reports_so_far(void);

/* "softmax.cu:120", or "kernel.h:60 (from softmax.cu:120)". */
enum { PLACE_TEXT = 160 };
void place_text(Place at, char text[PLACE_TEXT]);

/* The caller of the function that says so. */
#define CALLER                                              \
    Place                                                   \
    {                                                       \
        (uintptr_t) __builtin_return_address(0), nullptr, 0 \
    }

/* True if report() would keep the text of this one. */
bool report_is_new(SimtKind kind, Place at);

/* ---- check.cpp, order.cpp; or unchecked.cpp ------------------------------ */

enum AccessKind { READ, WRITE, ATOMIC };

bool check_init(void);
void check_launch(void);       /* a new one begins       */
void check_interval(Block *b); /* b enters a new one     */
void check_exit(Block *b);     /* all its threads return */
void check_syncwarp(Block *b, unsigned warp, unsigned lanes);
void check_access(uintptr_t address, size_t bytes, AccessKind kind,
                  uintptr_t pc);

/* Marks what may be touched, and if it holds something. */
void check_allocate(void *p, size_t bytes, bool initialised);
void check_release(void *p, size_t bytes);

#endif
