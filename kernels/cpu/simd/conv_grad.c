/*
 * conv_grad.c - conv2d_grad_x with z or x: act'(x) (dx + z)
 *
 *   two_passes   dx by the best kernel for that, then what is left, in place:
 *                for all kernels that have no such epilogue of their own.  The
 *                second pass is bound by bytes: up to three maps are read, one
 *                is written.
 */
#include "kernels/cpu/inner.h"
#include "kernels/cpu/simd/conv.h"

enum { UNIT = 1024 }; /* numbers */

typedef struct State {
    Inner dx;
    Conv2dGradAttr attr;
} State;

static bool supports(const Tensor *out)
{
    return is_weight(out->src[1]) && (out->src[2] || out->src[3]);
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    State *s = calloc(1, sizeof(*s));

    *state = s;
    if (!s)
        return fail(ERR_MEMORY, "no memory for a gradient");
    s->attr = *(const Conv2dGradAttr *)out->attr;
    s->attr.conv.act = ACT_NONE;
    s->dx.out = *out;
    s->dx.out.attr = &s->attr;
    s->dx.out.src[2] = s->dx.out.src[3] = NULL;
    return inner_plan(&s->dx, dev);
}

static void release(void *state)
{
    State *s = state;

    if (s)
        inner_release(&s->dx);
    free(s);
}

/* Units are of UNIT numbers. */
static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Epilogue e = epilogue_of(out);
    const size_t last = min_size(end * UNIT, tensor_count(out));
    size_t i = begin * UNIT;
    float *y = out->data;

    (void)state;
    for (; i + LANES <= last; i += LANES)
        store(y + i, finish_sums(&e, load(y + i), i));
    for (; i < last; i++) {
        if (e.z)
            y[i] += e.z[i];
        if (e.x && !(e.x[i] > 0 && (e.act == ACT_RELU || e.x[i] < 6)))
            y[i] = 0;
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const State *s = state;
    const size_t n = tensor_count(out);

    TRY(inner_run(dev, &s->dx));
    return split(dev, out, state,
                 (Split){ range, ceil_div(n, UNIT), (double)n });
}

const Kernel SIMD(conv2d_grad_x_two_passes) = {
    .op = &conv2d_grad_x_def,
    .name = "two_passes",
    .supports = supports,
    .plan = plan,
    .run = run,
    .release = release,
    .packs = 1 << 1,
};
