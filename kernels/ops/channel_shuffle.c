/*
 * channel_shuffle.c - channel g (C/G) + i of x becomes channel i G + g
 *
 * Zhang et al., "ShuffleNet", CVPR 2018: lets groups of channels mix.  The
 * last step of SA.  Only copies, within each row.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const ShuffleAttr *attr = out->attr;
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 2, 4));
    if (attr->groups < 1 || x->dim[1] % attr->groups)
        return fail(ERR_INPUT, "groups=%d does not divide channels=%d",
                    attr->groups, x->dim[1]);
    return shape_like(out, x);
}

static Cost cost(const Tensor *out)
{
    return (Cost){ .bytes = bytes_once(out) };
}

static int ref(const Tensor *out)
{
    const ShuffleAttr *attr = out->attr;
    const size_t C = (size_t)out->dim[1], G = (size_t)attr->groups;

    for (size_t r = 0; r < tensor_rows(out); r++) {
        const float *x = (float *)out->src[0]->data + r * C;
        float *y = (float *)out->data + r * C;

        for (size_t g = 0; g < G; g++)
            for (size_t i = 0; i < C / G; i++)
                y[i * G + g] = x[g * (C / G) + i];
    }
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const ShuffleAttr *attr = out->attr;

    if (wants[0])
        grad[0] = op_channel_shuffle(g, dy, out->dim[1] / attr->groups);
}

const Op channel_shuffle_def = {
    .name = "channel_shuffle",
    .sources = 1,
    .attr_size = sizeof(ShuffleAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach_same,
    .tol_f32 = 0,
};

Tensor *op_channel_shuffle(Graph *g, Tensor *x, int groups)
{
    return graph_apply(g, &channel_shuffle_def, &(ShuffleAttr){ groups }, &x);
}
