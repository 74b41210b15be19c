/*
 * test_conv_help.c - our kernels around cuDNN's convolutions, on the host.
 */
#include <stdlib.h>

#include "kernels/core/plan.h"
#include "kernels/cuda/kernels/conv_help.h"
#include "kernels/ops/ops.h"
#include "tests/eval.h"
#include "tests/on_simt.h"

/* A tensor's memory on dev, with values up to 8 that follow from its name. */
static float *fill(Device *dev, Tensor *t)
{
    const size_t n = tensor_count(t);
    float *values = malloc(n * sizeof(*values));
    void *stored = malloc(tensor_bytes(t));

    BUG_IF(!values || !stored);
    eval_values(values, n, t->name);
    for (size_t i = 0; i < n; i++)
        values[i] *= 8;
    dtype_store(t->dtype, stored, values, n);
    dtype_load(t->dtype, values, stored, n); /* as rounded */
    BUG_IF(dev->backend->alloc(dev, &t->data, tensor_bytes(t)) ||
           dev->backend->upload(dev, t->data, stored, tensor_bytes(t)));
    free(stored);
    return values;
}

/* n numbers of dev's memory. */
static float *fetch(Device *dev, Dtype dtype, const void *data, size_t n)
{
    float *values = malloc(n * sizeof(*values));
    void *stored = malloc(n * dtype_size(dtype));

    BUG_IF(!values || !stored);
    BUG_IF(dev->backend->download(dev, stored, data, n * dtype_size(dtype)));
    dtype_load(dtype, values, stored, n);
    free(stored);
    return values;
}

static void check_packing(Device *dev, Dtype dtype, Dims dims)
{
    Graph *g = graph_new();
    Tensor *w = graph_weight(g, "w", dims);
    const int O = dims.dim[0], C = dims.dim[1];
    const int taps = dims.dim[2] * dims.dim[3];
    float *values, *packed;
    void *at;

    graph_set_dtype(g, dtype);
    values = fill(dev, w);
    BUG_IF(dev->backend->alloc(dev, &at, tensor_bytes(w)));
    CHECK(conv_pack_filters(dev, at, w) == OK);
    packed = fetch(dev, dtype, at, tensor_count(w));
    for (int o = 0; o < O; o++)
        for (int c = 0; c < C; c++)
            for (int t = 0; t < taps; t++)
                CHECK(packed[(o * taps + t) * C + c] ==
                      values[(o * C + c) * taps + t]);
    dev->backend->release(dev, at);
    dev->backend->release(dev, w->data);
    free(values);
    free(packed);
    graph_free(g);
}

TEST(simt_conv_help, packs_filters_channels_last)
{
    Device *dev = simt_device();

    for (Dtype d = 0; d < NDTYPES; d++) {
        check_packing(dev, d, DIMS(1, 1, 1, 1));
        check_packing(dev, d, DIMS(3, 5, 2, 4));
        check_packing(dev, d, DIMS(16, 24, 3, 3));
    }
    simt_device_close(dev);
}

/* The gradient of a 1x1, whose sum is said to be in dx already. */
static void check_finish(Device *dev, Dtype dtype, int side, bool has_z,
                         Activation act)
{
    const Dims dims = DIMS(1, 3, side, side);
    const Conv2dGradAttr attr = { { 1, 0, 0, 1, false, act }, side, side };
    Graph *g = graph_new();
    Tensor *dy = graph_input(g, "dy", dims);
    Tensor *w = graph_weight(g, "w", DIMS(3, 3, 1, 1));
    Tensor *z = has_z ? graph_input(g, "z", dims) : NULL;
    Tensor *x = act ? graph_input(g, "x", dims) : NULL;
    Tensor *dx =
        graph_apply(g, &conv2d_grad_x_def, &attr, (Tensor *[]){ dy, w, z, x });
    float *sum, *add, *made, *got;

    REQUIRE(graph_error(g) == OK);
    graph_set_dtype(g, dtype);
    sum = fill(dev, dx);
    add = z ? fill(dev, z) : NULL;
    made = x ? fill(dev, x) : NULL;
    CHECK(conv_finish_grad_x(dev, dx, z) == OK);
    got = fetch(dev, dtype, dx->data, tensor_count(dx));
    for (size_t i = 0; i < tensor_count(dx); i++) {
        float want = sum[i] + (add ? add[i] : 0);

        if (made && (made[i] <= 0 || (act == ACT_RELU6 && made[i] >= 6)))
            want = 0;
        CHECK_MSG(eval_error(&got[i], &want, 1) <= dtype_epsilon(dtype),
                  "%zu: %g for %g", i, got[i], want);
    }
    dev->backend->release(dev, dx->data);
    if (z)
        dev->backend->release(dev, z->data);
    if (x)
        dev->backend->release(dev, x->data);
    free(got);
    free(sum);
    free(add);
    free(made);
    graph_free(g);
}

TEST(simt_conv_help, adds_and_goes_through_activations)
{
    Device *dev = simt_device();

    for (Dtype d = 0; d < NDTYPES; d++)
        for (int side = 1; side < 14; side += 4)
            for (int has_z = 0; has_z < 2; has_z++) {
                check_finish(dev, d, side, has_z, ACT_NONE);
                check_finish(dev, d, side, has_z, ACT_RELU);
                check_finish(dev, d, side, has_z, ACT_RELU6);
            }
    simt_device_close(dev);
}
