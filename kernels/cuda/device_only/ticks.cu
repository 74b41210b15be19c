/*
 * ticks.cu - how many cycles a multiprocessor makes in a stretch of time: its
 *            clock at this moment, not the one that it is sold with.
 *
 * Device only: both counters are the card's.  The time is taken where the
 * nanoseconds step on, at both ends, so that the step's size does not matter;
 * what remains is one turn of the loop, some 40 cycles of 90000.
 */
#include "kernels/cuda/device_only/now.h"

#include "kernels/cuda/card.h"

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

static __global__ void count_ticks(Ticks *ticks, unsigned long long ns)
{
    const unsigned long long from = step_after(0);
    const long long first = clock64();
    const unsigned long long to = step_after(from + ns);
    const long long last = clock64();

    ticks->cycles = (unsigned long long)(last - first);
    ticks->ns = to - from;
}

extern "C" int cuda_launch_ticks(CardStream stream, Ticks *ticks,
                                 unsigned long long ns)
{
    return simt_launch(count_ticks, dim3(1), dim3(1), 0, stream, 1, ticks, ns);
}
