/*
 * hold.cu - holds a stream until the host opens a gate, so that what is queued
 *           behind it runs without gaps (clock.c).
 *
 * Device only: it waits for the host and reads the card's clock, which
 * kernels/simt does not have.  One thread; it costs a multiprocessor nothing
 * that anybody else would use at the time.
 */
#include "kernels/cuda/device_only/now.h"

#include "kernels/cuda/card.h"

/* The limit stands between a full queue and a host and a card that wait for
 * each other for ever. */
static __global__ void hold(Gate *gate, unsigned ticket,
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

extern "C" int cuda_launch_hold(CardStream stream, Gate *gate, unsigned ticket,
                                unsigned long long limit_ns)
{
    return simt_launch(hold, dim3(1), dim3(1), 0, stream, 1, gate, ticket,
                       limit_ns);
}
