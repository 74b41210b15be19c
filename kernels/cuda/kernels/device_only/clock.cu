/*
 * clock.cu - holds a stream until the host opens a gate (clock.c), and counts
 *            a multiprocessor's cycles (moment.c)
 *
 * Device only: a wait for the host, and clocks, which kernels/simt does not
 * have; it never sees this folder.  One thread each, nothing bounds them but
 * the time that they are to take.
 */
#include "kernels/cuda/backend/card.h"
#include "kernels/simt/simt.h"

/* The card's own clock; it advances in steps, of 32 ns to 1 us by card. */
static __device__ __forceinline__ unsigned long long now_ns(void)
{
    unsigned long long t;

    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
}

/* The limit stands between a full queue and a host and a card that wait for
 * each other for ever. */
static __global__ void hold(Latch *gate, unsigned ticket,
                            unsigned long long limit_ns)
{
    const unsigned long long start = now_ns();

    while ((int)(gate->opened - ticket) < 0)
        if (now_ns() - start > limit_ns) {
            gate->gave_up = ticket;
            __threadfence_system();
            return;
        }
}

/* The first reading at or after t that is new. */
static __device__ __forceinline__ unsigned long long step_after(
    unsigned long long t)
{
    const unsigned long long seen = now_ns();
    unsigned long long now;

    do
        now = now_ns();
    while (now == seen || now < t);
    return now;
}

/* Both ends are where the nanoseconds step on, so that the step's size does
 * not matter; what remains is one turn of the loop, some 40 cycles of 90000. */
static __global__ void count_ticks(CardTicks *ticks, unsigned long long ns)
{
    const unsigned long long from = step_after(0);
    const long long first = clock64();
    const unsigned long long to = step_after(from + ns);
    const long long last = clock64();

    ticks->cycles = (unsigned long long)(last - first);
    ticks->ns = to - from;
}

extern "C" int cuda_launch_hold(CardStream stream, Latch *gate, unsigned ticket,
                                unsigned long long limit_ns)
{
    return simt_launch(hold, dim3(1), dim3(1), 0, stream, 1, gate, ticket,
                       limit_ns);
}

extern "C" int cuda_launch_ticks(CardStream stream, CardTicks *ticks,
                                 unsigned long long ns)
{
    return simt_launch(count_ticks, dim3(1), dim3(1), 0, stream, 1, ticks, ns);
}
