/*
 * conv.c - conv2d by oneDNN
 *
 * FLOP-bound except for depthwise and small ones.  The map stays channels last;
 * oneDNN orders the weights as it likes, once, at plan time, so that run()
 * only multiplies.  Bias, addition and activation are in the same pass.  The
 * addition is cheapest in place: then out holds z before the run, and is read
 * where it is written.
 *
 * Where all groups share weights and bias, each gets a copy of them.
 */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/onednn/conv.h"

Array conv_weights_array(const Tensor *w, int outputs, const Conv2dAttr *a)
{
    Array grouped = { .rank = 5 };
    int64_t step = 1;

    if (a->groups == 1)
        return array_of(w);
    grouped.dim[0] = a->groups;
    grouped.dim[1] = outputs / a->groups;
    for (int i = 1; i < 4; i++)
        grouped.dim[i + 1] = w->dim[i];
    for (int i = 4; i >= 0; i--) {
        grouped.stride[i] = step;
        step *= grouped.dim[i];
    }
    return grouped;
}

Array array_in_any_order(Array a)
{
    memset(a.stride, 0, sizeof(a.stride));
    return a;
}

int conv_pack_copies(Primitive *prim, Slot slot, const Array *order,
                     const Tensor *t, int copies)
{
    const size_t n = tensor_count(t);
    float *values;
    int err;

    if (copies == 1)
        return primitive_pack(prim, slot, order, weight_of(t)->host);
    values = malloc((size_t)copies * n * sizeof(*values));
    if (!values)
        return fail(ERR_MEMORY, "no memory for %d copies of %s", copies,
                    t->name);
    for (int i = 0; i < copies; i++)
        memcpy(values + (size_t)i * n, weight_of(t)->host, n * sizeof(*values));
    err = primitive_pack(prim, slot, order, values);
    free(values);
    return err;
}

/*
 * True where oneDNN 2.6.3 misreads z, or where nobody has seen that it does
 * not.  The sum in place is right, so there z is copied to out first.
 *
 *   depthwise, one position in all   Its code for AVX-512 takes a z of
 *       (1,C,1,1) for one number per channel, and reads the first vector of it
 *       for all channels: 112 of 128 were wrong.  Other groups share the fate
 *       of depthwise here, for none was tried without the copy.
 *   groups of several channels       Its code for SSE4.1, AVX and AVX2 is off
 *       by 0.4 to 1, at any number of positions, where channels or outputs of
 *       a group do not fill blocks of 8 (2 to 2, 3 to 8, 1 to 8), and right
 *       where both do (8, 16, 24).  On AVX-512, groups of two at two positions
 *       were right; the rest has not been tried there without the copy.
 *
 * Depthwise is right on AVX2 and less, also at one position.
 */
static bool misreads_addend(const Tensor *out)
{
    enum { BLOCK = 8 };
    const Conv2dAttr *a = out->attr;
    const bool depthwise =
        a->groups == out->src[0]->dim[1] && a->groups == out->dim[1];

    if (a->groups == 1)
        return false;
    if (onednn_has_avx512())
        return !depthwise || tensor_rows(out) == 1;
    return !depthwise && (out->src[0]->dim[1] / a->groups % BLOCK != 0 ||
                          out->dim[1] / a->groups % BLOCK != 0);
}

static Problem describe(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *x = out->src[0], *b = out->src[2], *z = out->src[3];
    Problem p = {
        .dtype = out->dtype,
        .stride = { a->stride, a->stride },
        .pad_lo = { a->pad_h, a->pad_w },
        .pad_hi = { a->pad_h, a->pad_w },
        .accumulate = z && (z->data == out->data || misreads_addend(out)),
        .act = a->act,
    };

    p.array[SLOT_SRC] = array_of(x);
    p.array[SLOT_WEIGHTS] =
        array_in_any_order(conv_weights_array(out->src[1], out->dim[1], a));
    if (b)
        p.array[SLOT_BIAS] = (Array){ 1, { out->dim[1] }, { 1 } };
    p.array[SLOT_DST] = array_of(out);
    if (z && !p.accumulate)
        p.array[SLOT_ADDEND] = array_of(z);
    return p;
}

typedef struct Conv {
    Primitive *prim;
    const Tensor *copied; /* to out before each run; NULL: nothing */
} Conv;

static void release(void *state)
{
    Conv *s = state;

    if (!s)
        return;
    primitive_free(s->prim);
    free(s);
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const Problem p = describe(out);
    const Conv2dAttr *a = out->attr;
    const Tensor *b = out->src[2], *z = out->src[3];
    const Array order = conv_weights_array(out->src[1], out->dim[1], a);
    const int copies = a->shared ? a->groups : 1;
    Conv *s = calloc(1, sizeof(*s));

    *state = s;
    if (!s)
        return fail(ERR_MEMORY, "no memory for a convolution");
    if (p.accumulate && z->data != out->data)
        s->copied = z;
    TRY(primitive_conv(&s->prim, cpu_device(dev)->onednn, &p));
    TRY(conv_pack_copies(s->prim, SLOT_WEIGHTS, &order, out->src[1], copies));
    if (b)
        TRY(conv_pack_copies(s->prim, SLOT_BIAS, &p.array[SLOT_BIAS], b,
                             copies));
    TRY(primitive_bind(s->prim, SLOT_SRC, out->src[0]->data));
    if (p.array[SLOT_ADDEND].rank)
        TRY(primitive_bind(s->prim, SLOT_ADDEND, z->data));
    return primitive_bind(s->prim, SLOT_DST, out->data);
}

/* Each thread copies one piece; a parallel region costs as much as one thread
 * needs for SERIAL_BYTES. */
static void copy_by_all(Device *dev, void *to, const void *from, size_t bytes)
{
    enum { SERIAL_BYTES = 64 * 1024 };

    if (dev->threads <= 1 || bytes < SERIAL_BYTES) {
        memcpy(to, from, bytes);
        return;
    }
#pragma omp parallel num_threads(dev->threads)
    {
        const size_t n = (size_t)omp_get_num_threads();
        const size_t i = (size_t)omp_get_thread_num();
        const size_t begin = bytes * i / n, end = bytes * (i + 1) / n;

        memcpy((char *)to + begin, (const char *)from + begin, end - begin);
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Conv *s = state;

    if (s->copied)
        copy_by_all(dev, out->data, s->copied->data, tensor_bytes(out));
    return primitive_run(dev, out, s->prim);
}

/* False where oneDNN has only SSE4.1 or AVX and channels do not fill blocks of
 * 8: then 2.6.3 adds wrongly (by 0.2 to 0.5), or reads what is not there. */
static bool adds_rightly(const Tensor *out)
{
    const int I = out->src[0]->dim[1], O = out->dim[1];

    return onednn_has_avx2() || (I % 8 == 0 && O % 8 == 0);
}

static bool supports(const Tensor *out)
{
    return weights_known(out) && (!out->src[3] || adds_rightly(out));
}

const Kernel onednn_conv2d = {
    .op = &conv2d_def,
    .dtypes = ONEDNN_DTYPES,
    .name = "onednn",
    .supports = supports,
    .plan = plan,
    .run = run,
    .release = release,
    .inplace = 1u << 3,
    .packs = 1u << 1 | 1u << 2,
};
