/*
 * conv_grad.c - conv2d_grad_x and conv2d_grad_w
 *
 *   turned   dx, where the stride is 1, is a convolution of dy by the turned
 *            kernel, with inputs and outputs of each group swapped.  So it is
 *            as fast as the best kernel for that one, which is looked for
 *            among the device's.
 *   onednn   dx of any stride, by oneDNN, and dw.
 *
 * Where all groups share weights, oneDNN gets a copy for each, and the
 * gradients of these copies are added up.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/inner.h"
#include "kernels/cpu/onednn/conv.h"

/* ---- turned ------------------------------------------------------------ */

/* The convolution that dx is, and the kernel that computes it. */
typedef struct Turned {
    Inner y;
    Tensor w;
    Conv2dAttr attr;
} Turned;

/* Where there is nothing to be done after it. */
static bool is_plain(const Tensor *out)
{
    return weight_of(out->src[1]) && !out->src[2] && !out->src[3];
}

static bool turned_supports(const Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *w = out->src[1];

    return is_plain(out) && a->conv.stride == 1 && a->conv.pad_h < w->dim[2] &&
           a->conv.pad_w < w->dim[3];
}

/* w (G O, c, taps) as (G c, O, taps), the taps from last to first. */
static void turn(float *to, const float *w, const Tensor *turned, int groups)
{
    const size_t G = (size_t)groups, c = (size_t)turned->dim[0] / G;
    const size_t O = (size_t)turned->dim[1];
    const size_t taps = (size_t)(turned->dim[2] * turned->dim[3]);

    for (size_t g = 0; g < G; g++, w += O * c * taps)
        for (size_t i = 0; i < c; i++)
            for (size_t o = 0; o < O; o++)
                for (size_t t = 0; t < taps; t++)
                    *to++ = w[(o * c + i) * taps + taps - 1 - t];
}

static void describe_turned(Turned *t, const Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *dy = out->src[0], *w = out->src[1];
    const int G = a->conv.groups;

    t->attr = a->conv;
    t->attr.pad_h = w->dim[2] - 1 - a->conv.pad_h;
    t->attr.pad_w = w->dim[3] - 1 - a->conv.pad_w;
    t->w = *w;
    t->w.op = NULL;
    t->w.role = ROLE_WEIGHT;
    t->w.dim[0] = a->conv.shared ? w->dim[1] : out->dim[1];
    t->w.dim[1] = dy->dim[1] / G;
    t->y.out = *out;
    t->y.out.op = &conv2d_def;
    t->y.out.attr = &t->attr;
    t->y.out.src[1] = &t->w;
}

static int turned_plan(Device *dev, const Tensor *out, void **state)
{
    const Conv2dGradAttr *a = out->attr;
    Turned *t = calloc(1, sizeof(*t));

    *state = t;
    if (!t)
        return fail(ERR_MEMORY, "no memory for a turned convolution");
    describe_turned(t, out);
    t->w.host = malloc(tensor_count(&t->w) * sizeof(float));
    if (!t->w.host)
        return fail(ERR_MEMORY, "no memory for turned weights");
    t->w.data = t->w.host;
    turn(t->w.host, weight_of(out->src[1])->host, &t->w,
         a->conv.shared ? 1 : a->conv.groups);
    TRY(inner_plan(&t->y, dev));
    if (t->y.kernel->packs & 1u << 1) {
        free(t->w.host);
        t->w.host = NULL;
    }
    return OK;
}

static int turned_run(Device *dev, const Tensor *out, void *state)
{
    const Turned *t = state;

    (void)out;
    return inner_run(dev, &t->y);
}

static void turned_release(void *state)
{
    Turned *t = state;

    if (!t)
        return;
    inner_release(&t->y);
    free(t->w.host);
    free(t);
}

const Kernel onednn_conv2d_grad_x_turned = {
    .op = &conv2d_grad_x_def,
    .name = "turned",
    .supports = turned_supports,
    .plan = turned_plan,
    .run = turned_run,
    .release = turned_release,
    .packs = 1u << 1,
};

/* ---- onednn ------------------------------------------------------------ */

/* pad_hi says where the last window ends that dy has, beyond the map or
 * within it. */
static Problem describe(ConvPass pass, const Tensor *x, const Tensor *w,
                        const Tensor *dy, const Conv2dAttr *a)
{
    Problem p = {
        .pass = pass,
        .dtype = F32,
        .stride = { a->stride, a->stride },
        .pad_lo = { a->pad_h, a->pad_w },
    };

    for (int i = 0; i < 2; i++)
        p.pad_hi[i] = (dy->dim[2 + i] - 1) * a->stride + w->dim[2 + i] -
                      p.pad_lo[i] - x->dim[2 + i];
    p.array[SLOT_SRC] = array_of(x);
    p.array[SLOT_WEIGHTS] =
        array_in_any_order(conv_weights_array(w, dy->dim[1], a));
    p.array[SLOT_DST] = array_of(dy);
    return p;
}

static int plan_grad_x(Device *dev, const Tensor *out, void **state)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *dy = out->src[0], *w = out->src[1];
    const Array order = conv_weights_array(w, dy->dim[1], &a->conv);
    const Problem p = describe(CONV_GRAD_SRC, out, w, dy, &a->conv);
    Primitive *prim;

    TRY(primitive_conv(&prim, cpu_device(dev)->onednn, &p));
    *state = prim;
    TRY(conv_pack_copies(prim, SLOT_WEIGHTS, &order, w,
                         a->conv.shared ? a->conv.groups : 1));
    TRY(primitive_bind(prim, SLOT_DST, dy->data));
    return primitive_bind(prim, SLOT_SRC, out->data);
}

const Kernel onednn_conv2d_grad_x = {
    .op = &conv2d_grad_x_def,
    .name = "onednn",
    .supports = is_plain,
    .plan = plan_grad_x,
    .run = primitive_run,
    .release = primitive_free,
    .packs = 1u << 1,
};

/* Results of each group, if they are to be added up. */
typedef struct GradW {
    Primitive *prim;
    float *copies;
} GradW;

static void release_grad_w(void *state)
{
    GradW *s = state;

    if (!s)
        return;
    primitive_free(s->prim);
    free(s->copies);
    free(s);
}

static int plan_grad_w(Device *dev, const Tensor *out, void **state)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *x = out->src[0], *dy = out->src[1];
    const Array order = conv_weights_array(out, dy->dim[1], &a->conv);
    const Problem p = describe(CONV_GRAD_WEIGHTS, x, out, dy, &a->conv);
    GradW *s = calloc(1, sizeof(*s));
    float *to = out->data;

    *state = s;
    if (!s)
        return fail(ERR_MEMORY, "no memory for a gradient");
    TRY(primitive_conv(&s->prim, cpu_device(dev)->onednn, &p));
    if (a->conv.shared) {
        to = s->copies =
            malloc((size_t)a->conv.groups * tensor_count(out) * sizeof(*to));
        if (!to)
            return fail(ERR_MEMORY, "no memory for the groups of a gradient");
    }
    TRY(primitive_bind(s->prim, SLOT_SRC, x->data));
    TRY(primitive_bind(s->prim, SLOT_DST, dy->data));
    return primitive_unpack(s->prim, SLOT_WEIGHTS, &order, to);
}

static void add_up(float *sum, const float *copies, size_t n, int groups)
{
    memcpy(sum, copies, n * sizeof(*sum));
    for (int g = 1; g < groups; g++)
        for (size_t i = 0; i < n; i++)
            sum[i] += copies[(size_t)g * n + i];
}

static int run_grad_w(Device *dev, const Tensor *out, void *state)
{
    const Conv2dGradAttr *a = out->attr;
    const GradW *s = state;

    TRY(primitive_run(dev, out, s->prim));
    if (s->copies)
        add_up(out->data, s->copies, tensor_count(out), a->conv.groups);
    return OK;
}

const Kernel onednn_conv2d_grad_w = {
    .op = &conv2d_grad_w_def,
    .name = "onednn",
    .plan = plan_grad_w,
    .run = run_grad_w,
    .release = release_grad_w,
};
