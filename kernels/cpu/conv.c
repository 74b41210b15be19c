/*
 * conv.c - conv2d by oneDNN
 *
 * FLOP-bound but for depthwise and small ones.  The map stays channels last;
 * oneDNN orders the weights as it likes, once, at plan time, so that run()
 * only multiplies.  Bias, addition and activation are in the same pass.  The
 * addition is cheapest in place: then out holds z before the run, and is read
 * where it is written.
 *
 * A convolution whose weights all groups share gets a copy of them for each.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cpu/device.h"

/* Weights as (groups, O/groups, C/groups, kh, kw), or without the first. */
static Array weights_array(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *w = out->src[1];
    Array grouped = { .rank = 5 };
    int64_t step = 1;

    if (a->groups == 1)
        return array_of(w);
    grouped.dim[0] = a->groups;
    grouped.dim[1] = out->dim[1] / a->groups;
    for (int i = 1; i < 4; i++)
        grouped.dim[i + 1] = w->dim[i];
    for (int i = 4; i >= 0; i--) {
        grouped.stride[i] = step;
        step *= grouped.dim[i];
    }
    return grouped;
}

/* The bias as O numbers, one for each output channel. */
static Array bias_array(const Tensor *out)
{
    return (Array){ .rank = 1, .dim = { out->dim[1] }, .stride = { 1 } };
}

static bool repeated(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;

    return a->shared && a->groups > 1;
}

/* Packs w into slot: a copy for each group if the groups share it. */
static int pack(Primitive *prim, Slot slot, const Array *order,
                const Tensor *out, const Tensor *w)
{
    const Conv2dAttr *a = out->attr;
    const size_t n = tensor_count(w), groups = (size_t)a->groups;
    float *copies;
    int err;

    if (!repeated(out))
        return primitive_pack(prim, slot, order, w->host);
    copies = malloc(groups * n * sizeof(*copies));
    if (!copies)
        return fail(ERR_MEMORY, "no memory for %zu copies of %s", groups,
                    w->name);
    for (size_t g = 0; g < groups; g++)
        memcpy(copies + g * n, w->host, n * sizeof(*copies));
    err = primitive_pack(prim, slot, order, copies);
    free(copies);
    return err;
}

/* Only a shared bias has to be copied. */
static int bind_bias(Primitive *prim, const Tensor *out, const Tensor *b)
{
    const Array order = bias_array(out);

    return repeated(out) ? pack(prim, SLOT_BIAS, &order, out, b)
                         : primitive_bind(prim, SLOT_BIAS, b->data);
}

static Problem describe(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *x = out->src[0], *b = out->src[2], *z = out->src[3];
    Problem p = {
        .stride = { a->stride, a->stride },
        .pad_lo = { a->pad_h, a->pad_w },
        .pad_hi = { a->pad_h, a->pad_w },
        .accumulate = z && z->data == out->data,
        .act = a->act,
    };

    p.array[SLOT_SRC] = array_of(x);
    p.array[SLOT_WEIGHTS] = weights_array(out);
    memset(p.array[SLOT_WEIGHTS].stride, 0, sizeof(p.array[0].stride));
    if (b)
        p.array[SLOT_BIAS] = bias_array(out);
    p.array[SLOT_DST] = array_of(out);
    if (z && !p.accumulate)
        p.array[SLOT_ADDEND] = array_of(z);
    return p;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const Problem p = describe(out);
    const Array order = weights_array(out);
    Primitive *prim;

    TRY(primitive_conv(&prim, cpu_device(dev)->onednn, &p));
    *state = prim;
    TRY(pack(prim, SLOT_WEIGHTS, &order, out, out->src[1]));
    TRY(primitive_bind(prim, SLOT_SRC, out->src[0]->data));
    if (out->src[2])
        TRY(bind_bias(prim, out, out->src[2]));
    if (p.array[SLOT_ADDEND].rank)
        TRY(primitive_bind(prim, SLOT_ADDEND, out->src[3]->data));
    return primitive_bind(prim, SLOT_DST, out->data);
}

static bool supports(const Tensor *out)
{
    const Tensor *b = out->src[2];

    return out->dtype == F32 && is_constant(out->src[1]) &&
           (!b || !repeated(out) || is_constant(b));
}

const Kernel onednn_conv2d = {
    .op = &conv2d_def,
    .name = "onednn",
    .supports = supports,
    .plan = plan,
    .run = primitive_run,
    .release = primitive_free,
    .inplace = 1u << 3,
    .packs = 1u << 1,
};
