/*
 * fibers.cpp - stacks, switches between them, and who runs next.
 *
 * A switch saves six registers and takes a few nanoseconds; swapcontext makes
 * two system calls.  Linux on x86-64 only.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "kernels/simt/state.h"

#ifdef SIMT_ASAN
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
static const size_t STACK = 256 << 10;
#else
static const size_t STACK = 64 << 10;
#endif

/* Under each stack; a local array may jump over one page. */
static const size_t GUARD = 64 << 10;
static const size_t SIGNAL_STACK = 128 << 10;

enum {
    STAGGER = 61,     /* stacks' tops differ by this many cache lines, lest
                         they share a set of the cache                    */
    SPINS = 5000,     /* atomics in a row that look like a loop           */
    RANDOM_BLOCKS = 4 /* one switch in this many is to another block      */
};

Thread host_thread;
SimtThread *simt_self = &host_thread;

static int order;
static uint64_t state = 1;

static unsigned draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 32);
}

extern "C" void simt_set_order(int new_order, uint64_t seed)
{
    order = new_order;
    state = seed * 2654435761u + 88172645463325252u;
}

/* ---- switches ---------------------------------------------------------- */

/* Pushes the registers that a call keeps, and continues on another stack. */
extern "C" void simt_switch(void **save, void *to);
__asm__(".text\n"
        ".globl simt_switch\n"
        ".type simt_switch, @function\n"
        "simt_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size simt_switch, . - simt_switch\n");
enum { SAVED = 6 };

void fiber_switch(Thread *to)
{
    Thread *from = self();

    simt_self = to;
#ifdef SIMT_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack,
                                   (size_t)(to->stack_end - to->stack));
#endif
    simt_switch(&from->sp, to->sp);
#ifdef SIMT_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

static void map_stack(Thread *t)
{
    char *p = (char *)mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    BUG_IF(p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE));
    t->stack = p + GUARD;
    t->stack_end = t->stack + STACK;
}

static void (*fiber_body)(void);

static void fiber_entry(void)
{
#ifdef SIMT_ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    fiber_body();
}

bool fiber_has(uintptr_t address)
{
    for (unsigned r = 0; r < launch.cluster; r++)
        for (unsigned i = 0; i < blocks[r].threads; i++) {
            const Thread *t = &blocks[r].thread[i];

            if (address >= (uintptr_t)t->stack &&
                address < (uintptr_t)t->stack_end)
                return true;
        }
    return false;
}

/* entry() will run on t's stack at the next switch to it; never returns. */
void fiber_prepare(Thread *t, void (*entry)(void))
{
    void **top;

    if (!t->stack)
        map_stack(t);
#ifdef SIMT_ASAN
    __asan_unpoison_memory_region(t->stack, STACK);
#endif
    fiber_body = entry;
    top = (void **)(t->stack_end - 128 - t->index % STAGGER * 64);
    *--top = NULL; /* the caller of fiber_entry: none */
    *--top = (void *)fiber_entry;
    for (int i = 0; i < SAVED; i++)
        *--top = NULL;
    t->sp = top;
    t->fake_stack = NULL;
    t->prepared = true;
}

/* ---- who runs next ----------------------------------------------------- */

void thread_sleep(Thread *t, ThreadState why)
{
    Warp *w = &t->in->warp[t->warp];

    t->state = why;
    w->ready &= ~(1u << t->lane);
    if (!w->ready)
        t->in->warps_ready &= ~(1u << t->warp);
}

void thread_wake(Thread *t)
{
    t->state = READY;
    t->in->warp[t->warp].ready |= 1u << t->lane;
    t->in->warps_ready |= 1u << t->warp;
}

/* A member of a set that is not empty: in forward order the first from `from`
 * on, around the end. */
static unsigned choose(unsigned set, unsigned from)
{
    if (order == SIMT_REVERSE)
        return 31 - (unsigned)__builtin_clz(set);
    if (order == SIMT_RANDOM)
        from = draw();
    from &= 31;
    if (set >> from)
        return from + (unsigned)__builtin_ctz(set >> from);
    return (unsigned)__builtin_ctz(set);
}

/* NULL: nobody is ready. */
static Thread *choose_thread(const Thread *now)
{
    unsigned rank = now->in->rank;

    if (order == SIMT_RANDOM && draw() % RANDOM_BLOCKS == 0)
        rank = draw() % launch.cluster;
    for (unsigned k = 0; k < launch.cluster; k++) {
        Block *b = &blocks[(rank + k) % launch.cluster];

        if (b->warps_ready) {
            const bool here = b == now->in;
            const unsigned w = choose(b->warps_ready, here ? now->warp : 0);
            const bool same = here && w == now->warp;

            return &b->thread[w * LANES + choose(b->warp[w].ready,
                                                 same ? now->lane + 1 : 0)];
        }
    }
    return NULL;
}

void schedule(void)
{
    Thread *next = choose_thread(self());

    if (!next)
        next = &host_thread; /* all have returned, or nobody ever will */
    if (next != self())
        fiber_switch(next);
}

Thread *first_thread(void)
{
    const unsigned last = blocks[0].threads - 1;

    return &blocks[0].thread[order == SIMT_REVERSE ? last : 0];
}

unsigned cluster_at(unsigned i, unsigned n)
{
    static unsigned shift;

    if (i == 0)
        shift = order == SIMT_RANDOM ? draw() % n : 0;
    return order == SIMT_REVERSE ? n - 1 - i : (i + shift) % n;
}

/* Lets others run now and then while a thread spins on an atomic. */
void yield_at_random(void)
{
    static Thread *last;
    static int in_a_row;
    const int kept = order;

    if (last != self()) {
        last = self();
        in_a_row = 0;
    }
    if (++in_a_row <= SPINS)
        return;
    in_a_row = 0;
    order = SIMT_RANDOM;
    schedule();
    order = kept;
}

void launch_abandon(void)
{
    launch.abandoned = true;
    fiber_switch(&host_thread);
    __builtin_unreachable();
}

/* ---- faults ------------------------------------------------------------ */

#ifndef SIMT_ASAN /* it has a handler of its own */
static void on_fault(int, siginfo_t *info, void *context)
{
    const char *address = (const char *)info->si_addr;
    const ucontext_t *at = (const ucontext_t *)context;
    const Place pc = { (uintptr_t)at->uc_mcontext.gregs[REG_RIP] + 1, NULL, 0 };

    if (!in_kernel()) {
        signal(SIGSEGV, SIG_DFL); /* and the instruction is run again */
        return;
    }
    if (address >= self()->stack - GUARD && address < self()->stack)
        report(SIMT_STACK_OVERFLOW, pc,
               "more than the %zu KiB of stack that a thread has here",
               STACK >> 10);
    else
        report(SIMT_ILLEGAL_ADDRESS, pc, "a fault at address %p", address);
    launch_abandon();
}

static void catch_faults(void)
{
    stack_t alternate = { .ss_sp = malloc(SIGNAL_STACK),
                          .ss_size = SIGNAL_STACK };
    struct sigaction action = {};

    BUG_IF(!alternate.ss_sp || sigaltstack(&alternate, NULL));
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, NULL);
}
#endif

void fibers_init(void)
{
#ifdef SIMT_ASAN
    pthread_attr_t attr;
    void *stack;
    size_t bytes;

    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &stack, &bytes);
    pthread_attr_destroy(&attr);
    host_thread.stack = (char *)stack;
    host_thread.stack_end = (char *)stack + bytes;
#else
    catch_faults();
#endif
}
