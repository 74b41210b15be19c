/*
 * moment.c - the state of the card at a sample: clock, temperature, power, and
 * what holds the clock back.
 *
 * The clock is counted on the card right after the sample, before it can fall.
 * The rest is the driver's; it renews what it knows every 20 to 100 ms, so it
 * is not asked more often.
 */
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cuda/backend/card.h"

static const unsigned long long TICKS_NS = 50000;
static const double NVML_EVERY_NS = 20e6;

int moment_open(MomentReader *w, const char *bus_id)
{
    *w = (MomentReader){ .nvml_read_ns = -INFINITY };
    w->last = (Moment){ NAN, NAN, NAN, NULL };
    if (nvml_open(&w->nvml, bus_id))
        w->nvml = NULL; /* columns stay empty; doctor says why */
    TRY(cuda_check(cudaHostAlloc((void **)&w->ticks, sizeof(*w->ticks),
                                 cudaHostAllocMapped),
                   "cudaHostAlloc"));
    return cuda_check(
        cudaHostGetDevicePointer((void **)&w->ticks_on_card, w->ticks, 0),
        "cudaHostGetDevicePointer");
}

void moment_close(MomentReader *w)
{
    nvml_close(w->nvml);
    if (w->ticks)
        cudaFreeHost(w->ticks);
    *w = (MomentReader){ 0 };
}

static int read_clock(MomentReader *w, CardStream stream)
{
    w->ticks->cycles = w->ticks->ns = 0;
    TRY(cuda_check(cuda_launch_ticks(stream, w->ticks_on_card, TICKS_NS),
                   "cudaLaunchKernel"));
    TRY(cuda_check(cudaStreamSynchronize(stream), "cudaStreamSynchronize"));
    w->last.clock_mhz =
        w->ticks->ns ? (double)w->ticks->cycles / (double)w->ticks->ns * 1e3
                     : NAN;
    return OK;
}

int moment_read(MomentReader *w, const Clock *clock, Moment *out)
{
    const double now = host_now_ns();
    size_t n;

    TRY(read_clock(w, clock->stream));
    if (w->nvml && now - w->nvml_read_ns > NVML_EVERY_NS) {
        w->last.throttle =
            nvml_read(w->nvml, &w->last, w->throttle, sizeof(w->throttle));
        w->nvml_read_ns = now;
    }
    *out = w->last;
    if (!clock->starved)
        return OK;
    n = w->last.throttle && strcmp(w->throttle, "none") ? strlen(w->throttle)
                                                        : 0;
    snprintf(w->with_launches, sizeof(w->with_launches), "%.*s%slaunches",
             (int)n, w->throttle, n ? "," : "");
    out->throttle = w->with_launches;
    return OK;
}
