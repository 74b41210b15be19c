/*
 * expand.c - x = scale y, y broadcast to the dims of x
 *
 * Bound by the bytes of x, which are only written.
 *
 *   rows   mul without x (broadcast.h).
 */
#include "kernels/cpu/simd/broadcast.h"

static int plan(Device *dev, const Tensor *out, void **state)
{
    (void)dev;
    TRY(state_new(state, sizeof(Form)));
    form_of(*state, out, out->src[0]);
    return OK;
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const ExpandAttr *attr = out->attr;

    form_range((Apply){ SCALE, (float)attr->scale }, state, out->data,
               out->data, out->src[0]->data, begin, end);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    return split(
        dev, out, state,
        (Split){ range, form_units(state), (double)tensor_count(out) });
}

const Kernel SIMD(expand) = {
    .op = &expand_def,
    .name = "rows",
    .plan = plan,
    .run = run,
};
