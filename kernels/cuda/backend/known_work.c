/*
 * known_work.c - how much our calibrating kernels move and compute.
 *
 * Bytes are those of memory, if the L2 holds none of the numbers before and as
 * many lines yet to be written before as after.  So the numbers are several
 * times what it holds, and the work runs once before it is counted.  (In memory
 * that keeps check bits among the data, the factor tells them.)
 */
#include "kernels/cuda/backend/known_work.h"

#include "kernels/core/err.h"
#include "kernels/cuda/kernels/calibrate.h"

/* Instructions are counted by slow code, and need no cache to be full. */
enum { MOST_COUNTED = 1 << 22 };

/* v = v / 2 + 1 goes to 2: neither infinite nor too small. */
static const float A = 0.5f, B = 1;

static size_t counted(const KnownWork *w)
{
    return w->n < MOST_COUNTED ? w->n : MOST_COUNTED;
}

static int launch(void *arg, MetricSet set)
{
    const KnownWork *w = arg;

    if (set == SET_MEMORY)
        return cuda_calibrate_f32(w->dev, w->to, w->from, w->n, A, B);
    if (set == SET_TENSOR)
        return w->product ? w->product(w->dev) : OK;
    TRY(cuda_calibrate_f32(w->dev, w->to, w->from, counted(w), A, B));
    return cuda_calibrate_f16(w->dev, w->to, w->from, counted(w), A, B);
}

void known_work(Calibration *out, KnownWork *w)
{
    const double bytes = (double)w->n * sizeof(float);
    const double n = (double)counted(w);

    *out = (Calibration){
        .known = { { SET_MEMORY, "dram_read_bytes", bytes },
                   { SET_MEMORY, "dram_write_bytes", bytes },
                   { SET_INSTRUCTIONS, "fp32_flops", n * CALIBRATE_F32_FLOPS },
                   { SET_INSTRUCTIONS, "fp16_flops", n * CALIBRATE_F16_FLOPS },
                   { SET_TENSOR, "tensor_flops", w->product_flops } },
        .n = w->product ? 5 : 4,
        .launch = launch,
        .arg = w,
    };
}
