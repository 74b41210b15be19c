/*
 * fake_device.c - a device as a GPU is to the harness, without one.
 */
#include "tests/fake_device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/core/host.h"

enum { STEPS = 4096 };

typedef struct FakeRecording {
    const Tensor *step[STEPS];
    int n;
} FakeRecording;

static FakeDevice *fake_of(Device *dev)
{
    return (FakeDevice *)dev;
}

/* A stand-in for t whose data are floats. */
static Tensor *widen(const Tensor *t)
{
    Tensor *w = malloc(sizeof(*w));

    BUG_IF(!w);
    *w = *t;
    w->dtype = F32;
    w->data = malloc(tensor_count(t) * sizeof(float));
    BUG_IF(!w->data);
    dtype_load(t->dtype, w->data, t->data, tensor_count(t));
    return w;
}

static void drop(Tensor *w)
{
    free(w->data);
    free(w);
}

static int compute(FakeDevice *fake, const Tensor *out)
{
    Tensor *wide = widen(out);
    float *y = wide->data;
    int err;

    for (int i = 0; i < MAX_SRC; i++)
        if (out->src[i])
            wide->src[i] = widen(out->src[i]);
    err = out->op->ref(wide);
    if (!fake->only || fake->only == out->op)
        y[0] *= fake->factor;
    dtype_store(out->dtype, out->data, y, tensor_count(out));
    for (int i = 0; i < MAX_SRC; i++)
        if (out->src[i])
            drop(wide->src[i]);
    drop(wide);
    fake->launches++;
    return err;
}

static int fake_run(Device *dev, const Tensor *out, void *state)
{
    FakeDevice *fake = fake_of(dev);

    (void)state;
    if (!fake->recording)
        return compute(fake, out);
    BUG_IF(fake->recording->n == STEPS);
    fake->recording->step[fake->recording->n++] = out;
    return OK;
}

static const Kernel any_op = { .name = "any",
                               .dtypes = ALL_DTYPES,
                               .run = fake_run };
static const Kernel *const kernels[] = { &any_op, NULL };

static int fake_new(Device **out, const DeviceSettings *settings)
{
    FakeDevice *fake = calloc(1, sizeof(*fake));

    (void)settings;
    BUG_IF(!fake);
    fake->base.backend = &fake_backend;
    fake->base.kernels = kernels;
    fake->base.threads = 1;
    fake->factor = 1;
    snprintf(fake->base.about, sizeof(fake->base.about), "no device at all");
    *out = &fake->base;
    return OK;
}

FakeDevice *fake_open(void)
{
    Device *dev;

    BUG_IF(fake_new(&dev, NULL));
    return fake_of(dev);
}

static void fake_close(Device *dev)
{
    free(dev);
}

static int fake_evict(Device *dev)
{
    fake_of(dev)->evictions++;
    return OK;
}

static int clock_start(Device *dev)
{
    fake_of(dev)->started = fake_of(dev)->launches;
    fake_of(dev)->timings++;
    return OK;
}

static int clock_stop(Device *dev, double *ns)
{
    *ns = 1e3 * (fake_of(dev)->launches - fake_of(dev)->started);
    return OK;
}

static int record_begin(Device *dev)
{
    FakeDevice *fake = fake_of(dev);

    if (fake->no_recording)
        return fail(ERR_UNSUPPORTED, "fake has no state=graph today");
    fake->recording = calloc(1, sizeof(*fake->recording));
    BUG_IF(!fake->recording);
    return OK;
}

static int record_end(Device *dev, void **recording)
{
    *recording = fake_of(dev)->recording;
    fake_of(dev)->recording = NULL;
    return OK;
}

static int replay(Device *dev, void *recording)
{
    const FakeRecording *r = recording;

    for (int i = 0; i < r->n; i++)
        TRY(compute(fake_of(dev), r->step[i]));
    fake_of(dev)->replays++;
    return OK;
}

static void recording_free(Device *dev, void *recording)
{
    (void)dev;
    free(recording);
}

/* The clock falls by 10 MHz a sample; every other one is throttled. */
static int moment_of(Device *dev, Moment *out)
{
    FakeDevice *fake = fake_of(dev);
    const int n = fake->conditions++;

    *out = (Moment){ .clock_mhz = fake->no_clock ? NAN : 1980 - 10 * n,
                     .temperature_c = 40 + n,
                     .power_w = NAN,
                     .throttle = n % 2 ? "power,thermal" : "none" };
    return OK;
}

const Backend fake_backend = {
    .name = "fake",
    .title = "the definitions, stored in any dtype",
    .open = fake_new,
    .close = fake_close,
    .alloc = host_alloc,
    .release = host_release,
    .upload = host_copy,
    .download = host_copy,
    .clock_start = clock_start,
    .clock_stop = clock_stop,
    .evict = fake_evict,
    .record_begin = record_begin,
    .record_end = record_end,
    .replay = replay,
    .recording_free = recording_free,
    .moment = moment_of,
};
