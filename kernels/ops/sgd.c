/*
 * sgd.c - a step of stochastic gradient descent: sgd_velocity, sgd_weight
 *
 *   v <- momentum v + dw + decay w
 *   w <- w - rate v
 *
 * As torch.optim.SGD does it, without dampening and Nesterov's variant.  Each
 * stores its result where its first source was.  Bound by bytes.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0];
    char is[DIMS_TEXT], other[DIMS_TEXT];

    for (int k = 1; k < out->op->sources; k++)
        if (!tensor_same_dims(x, out->src[k]))
            return fail(ERR_INPUT, "source %d is %s, not %s", k,
                        tensor_dims_text(out->src[k], other),
                        tensor_dims_text(x, is));
    return shape_like(out, x);
}

static Cost velocity_cost(const Tensor *out)
{
    return (Cost){
        .flops = 4 * (double)tensor_count(out),
        .bytes = bytes_once(out),
    };
}

static Cost weight_cost(const Tensor *out)
{
    return (Cost){
        .flops = 2 * (double)tensor_count(out),
        .bytes = bytes_once(out),
    };
}

static int velocity_ref(const Tensor *out)
{
    const SgdAttr *a = out->attr;
    const float *v = out->src[0]->data, *dw = out->src[1]->data,
                *w = out->src[2]->data;
    float *y = out->data;

    for (size_t i = 0; i < tensor_count(out); i++)
        y[i] = (float)(a->momentum * v[i] + dw[i] + a->decay * w[i]);
    return OK;
}

static int weight_ref(const Tensor *out)
{
    const SgdAttr *a = out->attr;
    const float *w = out->src[0]->data, *v = out->src[1]->data;
    float *y = out->data;

    for (size_t i = 0; i < tensor_count(out); i++)
        y[i] = (float)(w[i] - a->rate * v[i]);
    return OK;
}

const Op sgd_velocity_def = {
    .name = "sgd_velocity",
    .sources = 3,
    .attr_size = sizeof(SgdAttr),
    .updates = true,
    .shape = shape,
    .cost = velocity_cost,
    .ref = velocity_ref,
    .tol_f32 = 1e-6,
};

const Op sgd_weight_def = {
    .name = "sgd_weight",
    .sources = 2,
    .attr_size = sizeof(SgdAttr),
    .updates = true,
    .shape = shape,
    .cost = weight_cost,
    .ref = weight_ref,
    .tol_f32 = 1e-6,
};

Tensor *op_sgd(Graph *g, Tensor *w, Tensor *dw, Tensor *v, const SgdAttr *attr)
{
    v = graph_apply(g, &sgd_velocity_def, attr, (Tensor *[]){ v, dw, w });
    return graph_apply(g, &sgd_weight_def, attr, (Tensor *[]){ w, v });
}
