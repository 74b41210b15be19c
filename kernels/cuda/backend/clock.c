/*
 * clock.c - nanoseconds that the card works, between two points of a stream.
 *
 * Two events are recorded, and the card says how far apart they were; its own
 * header promises steps of about 500 ns, doctor says what this card shows.
 * Were the card to start at once, it would be done with a small kernel before
 * the next one is launched, and the time would be the host's.  So start first
 * closes a gate: a kernel that waits until stop opens it, when everything is
 * queued.
 *
 * The queue is finite (some 1000 launches): when it is full, the host waits
 * for the card, which waits for the host.  So the gate opens by itself after a
 * while; moment() then says "launches" among the reasons for a slow
 * sample.  The same is true of whatever a first launch must load.
 */
#include <cuda_runtime_api.h>

#include "kernels/core/err.h"
#include "kernels/cuda/backend/card.h"

/* Longer than the launches of any network that fits the queue: 1000 at 4 us;
 * a host that is interrupted in between has as much again and more. */
static const unsigned long long HOLD_LIMIT_NS = 20000000;

int clock_open(Clock *c, CardStream stream)
{
    *c = (Clock){ .stream = stream };
    TRY(cuda_check(cudaEventCreate(&c->start), "cudaEventCreate"));
    TRY(cuda_check(cudaEventCreate(&c->stop), "cudaEventCreate"));
    TRY(cuda_check(
        cudaHostAlloc((void **)&c->gate, sizeof(*c->gate), cudaHostAllocMapped),
        "cudaHostAlloc"));
    *c->gate = (Latch){ 0 };
    return cuda_check(
        cudaHostGetDevicePointer((void **)&c->gate_on_card, c->gate, 0),
        "cudaHostGetDevicePointer");
}

void clock_close(Clock *c)
{
    clock_let_go(c);
    if (c->start)
        cudaEventDestroy(c->start);
    if (c->stop)
        cudaEventDestroy(c->stop);
    if (c->gate)
        cudaFreeHost(c->gate);
    *c = (Clock){ 0 };
}

void clock_let_go(Clock *c)
{
    if (c->gate)
        c->gate->opened = c->ticket;
}

int clock_start(Clock *c)
{
    clock_let_go(c);
    c->ticket++;
    TRY(cuda_check(
        cuda_launch_hold(c->stream, c->gate_on_card, c->ticket, HOLD_LIMIT_NS),
        "cudaLaunchKernel"));
    return cuda_check(cudaEventRecord(c->start, c->stream), "cudaEventRecord");
}

int clock_stop(Clock *c, double *ns)
{
    const cudaError_t err = cudaEventRecord(c->stop, c->stream);
    float ms;

    clock_let_go(c);
    TRY(cuda_check(err, "cudaEventRecord"));
    TRY(cuda_check(cudaEventSynchronize(c->stop), "cudaEventSynchronize"));
    TRY(cuda_check(cudaEventElapsedTime(&ms, c->start, c->stop),
                   "cudaEventElapsedTime"));
    c->starved = c->gate->gave_up == c->ticket;
    *ns = (double)ms * 1e6;
    return OK;
}
