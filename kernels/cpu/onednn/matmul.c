/*
 * matmul.c - linear and matmul by oneDNN
 *
 * Both are products of strided matrices.  linear multiplies the rows of x by
 * weights that oneDNN orders as it likes at plan time.  matmul has an image
 * and a group of channels in front of its rows and columns; a transposition
 * swaps two strides.  oneDNN writes row-major results only, so where the
 * result is a strip, whose rows are channels, y' = b' a' is computed.
 */
#include "kernels/core/err.h"
#include "kernels/cpu/device.h"

static int plan_linear(Device *dev, const Tensor *out, void **state)
{
    const Tensor *x = out->src[0], *w = out->src[1], *b = out->src[2];
    const int64_t rows = (int64_t)tensor_rows(x), I = x->dim[1], O = w->dim[0];
    const Array order = { 2, { I, O }, { 1, I } };
    Primitive *prim;
    Problem p = { .dtype = out->dtype };

    p.array[SLOT_SRC] = (Array){ 2, { rows, I }, { I, 1 } };
    p.array[SLOT_WEIGHTS] = (Array){ 2, { I, O } };
    p.array[SLOT_DST] = (Array){ 2, { rows, O }, { O, 1 } };
    if (b)
        p.array[SLOT_BIAS] = (Array){ 2, { 1, O }, { O, 1 } };
    TRY(primitive_matmul(&prim, cpu_device(dev)->onednn, &p));
    *state = prim;
    TRY(primitive_pack(prim, SLOT_WEIGHTS, &order, weight_of(w)->host));
    TRY(primitive_bind(prim, SLOT_SRC, x->data));
    if (b)
        TRY(primitive_pack(prim, SLOT_BIAS, &p.array[SLOT_BIAS],
                           weight_of(b)->host));
    return primitive_bind(prim, SLOT_DST, out->data);
}

const Kernel onednn_linear = {
    .op = &linear_def,
    .dtypes = ONEDNN_DTYPES,
    .name = "onednn",
    .supports = weights_known,
    .plan = plan_linear,
    .run = primitive_run,
    .release = primitive_free,
    .packs = 1u << 1 | 1u << 2,
};

static void swap(int64_t *a, int64_t *b)
{
    const int64_t t = *a;

    *a = *b;
    *b = t;
}

static void transpose(Array *a)
{
    swap(&a->dim[2], &a->dim[3]);
    swap(&a->stride[2], &a->stride[3]);
}

/* An operand, or a strip as result, as (image, group, row, column). */
static Array matrices(const Tensor *t, int groups, bool transposed)
{
    const int64_t C = tensor_channels(t), P = (int64_t)tensor_positions(t);
    Array a = { 4,
                { t->dim[0], groups, C / groups, P },
                { P * C, C / groups, 1, C } };

    if (t->rank == 4 && t->layout == ROW_MAJOR)
        a = array_of(t);
    if (transposed)
        transpose(&a);
    return a;
}

static int plan_matmul(Device *dev, const Tensor *out, void **state)
{
    const MatmulAttr *attr = out->attr;
    const Tensor *a = out->src[0], *b = out->src[1];
    const bool swapped = attr->strip;
    Primitive *prim;
    Problem p = { .dtype = out->dtype, .scale = (float)attr->scale };
    Array *left = &p.array[swapped ? SLOT_WEIGHTS : SLOT_SRC];
    Array *right = &p.array[swapped ? SLOT_SRC : SLOT_WEIGHTS];

    *left = matrices(a, attr->groups, attr->trans_a != swapped);
    *right = matrices(b, attr->groups, attr->trans_b != swapped);
    p.array[SLOT_DST] = matrices(out, attr->groups, swapped);
    TRY(primitive_matmul(&prim, cpu_device(dev)->onednn, &p));
    *state = prim;
    TRY(primitive_bind(prim, SLOT_SRC, swapped ? b->data : a->data));
    TRY(primitive_bind(prim, SLOT_WEIGHTS, swapped ? a->data : b->data));
    return primitive_bind(prim, SLOT_DST, out->data);
}

const Kernel onednn_matmul = {
    .op = &matmul_def,
    .dtypes = ONEDNN_DTYPES,
    .name = "onednn",
    .plan = plan_matmul,
    .run = primitive_run,
    .release = primitive_free,
};
