/*
 * card.h - what the plugin keeps of a GPU besides what kernels see of it
 * (device.h); for backend.c, clock.c and moment.c.
 */
#ifndef CUDA_CARD_H
#define CUDA_CARD_H

#include "kernels/cuda/backend/device.h"
#include "kernels/cupti/nvml.h"

/* cudaStream_t and cudaEvent_t, for readers without CUDA's headers. */
typedef struct CUstream_st *CardStream;
typedef struct CUevent_st *CardEvent;

#ifdef __cplusplus
extern "C" {
#endif

/* Host memory that a waiting stream looks at. */
typedef struct Latch {
    volatile unsigned opened;  /* tickets up to this one may pass  */
    volatile unsigned gave_up; /* the last one that did not wait on */
} Latch;

/* Times what a stream does: see clock.c. */
typedef struct Clock {
    CardStream stream;
    CardEvent start, stop;
    Latch *gate, *gate_on_card;
    unsigned ticket; /* of the latest start */
    bool starved;    /* the latest interval began before all was queued */
} Clock;

int clock_open(Clock *c, CardStream stream);
void clock_close(Clock *c);
int clock_start(Clock *c);
int clock_stop(Clock *c, double *ns);

/* Lets the stream continue, after a start whose stop never came. */
void clock_let_go(Clock *c);

/* Cycles of a multiprocessor over nanoseconds, counted by it; on the host. */
typedef struct CardTicks {
    volatile unsigned long long cycles, ns;
} CardTicks;

typedef struct MomentReader {
    CardTicks *ticks, *ticks_on_card;
    Nvml *nvml; /* NULL: not here */
    Moment last;
    double nvml_read_ns; /* when last was filled, on the host's clock */
    char throttle[96], with_launches[128];
} MomentReader;

/* Memory to measure roofs in (roofs.c); all zero until then. */
typedef struct CardBuffers {
    float *from, *to;
    size_t n; /* floats of each */
    struct Product *product;
    Dtype product_dtype;
} CardBuffers;

enum { BUS_ID = 32 };

typedef struct Card {
    CudaDevice cuda;        /* first: a Device * is a Card * */
    const Kernel **kernels; /* base.kernels, to be freed */
    char bus_id[BUS_ID];
    Clock clock;
    MomentReader moment;
    size_t l2_bytes;
    CardBuffers roofs;
} Card;

int moment_open(MomentReader *w, const char *bus_id);
void moment_close(MomentReader *w);
int moment_read(MomentReader *w, const Clock *clock, Moment *out);

/* Tells doctor what it shows (describe.c). */
void cuda_tell(Device *dev, Say *say, void *arg);

/* kernels/cuda/device_only: these use what kernels/simt does not have.  Each
 * returns a cudaError_t.
 *
 * Holds the stream until gate->opened reaches the ticket, or limit_ns. */
int cuda_launch_hold(CardStream stream, Latch *gate, unsigned ticket,
                     unsigned long long limit_ns);
/* Counts cycles over at least ns. */
int cuda_launch_ticks(CardStream stream, CardTicks *ticks,
                      unsigned long long ns);

#ifdef __cplusplus
}
#endif

#endif
