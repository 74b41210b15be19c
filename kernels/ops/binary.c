/*
 * binary.c - y = act(x + z) and y = x z, z broadcast: add, mul
 *
 * The gate of every module (x times something smaller), the shortcut of every
 * residual block (equal shapes).  A dim of z that is 1 or missing is repeated;
 * so is each channel of z, for as many neighbours as make x's channels: one
 * gate a group.  Bound by bytes.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0], *y = out->src[1];
    char is[DIMS_TEXT], other[DIMS_TEXT];
    bool fits = y->rank <= x->rank;

    for (int i = 0; fits && i < y->rank; i++)
        fits = i == 1 ? x->dim[1] % y->dim[1] == 0
                      : y->dim[i] == x->dim[i] || y->dim[i] == 1;
    if (!fits)
        return fail(ERR_INPUT, "y %s does not broadcast to x %s",
                    tensor_dims_text(y, other), tensor_dims_text(x, is));
    return shape_like(out, x);
}

static double act_of_out(const Tensor *out)
{
    const AddAttr *attr = out->op == &add_def ? out->attr : NULL;

    return attr ? act_flops(attr->act) : 0;
}

static Cost cost(const Tensor *out)
{
    return (Cost){
        .flops = (1 + act_of_out(out)) * (double)tensor_count(out),
        .act_flops = act_of_out(out) * (double)tensor_count(out),
        .bytes = bytes_once(out),
    };
}

/* Neighbours along each dim of out that share a number of y. */
static void repeats(const Tensor *out, size_t repeat[MAX_RANK])
{
    const Tensor *y = out->src[1];

    for (int i = 0; i < MAX_RANK; i++)
        repeat[i] = i < y->rank     ? (size_t)(out->dim[i] / y->dim[i])
                    : i < out->rank ? (size_t)out->dim[i]
                                    : 1;
}

static void broadcast(const Tensor *out, double (*f)(double, double),
                      Activation act)
{
    const float *x = out->src[0]->data, *y = out->src[1]->data;
    size_t sx[MAX_RANK], sy[MAX_RANK], so[MAX_RANK], r[MAX_RANK];
    size_t d[MAX_RANK] = { 1, 1, 1, 1 };
    float *result = out->data;

    for (int i = 0; i < out->rank; i++)
        d[i] = (size_t)out->dim[i];
    tensor_strides(out->src[0], sx);
    tensor_strides(out->src[1], sy);
    tensor_strides(out, so);
    repeats(out, r);
    for (size_t i = 0; i < d[0]; i++)
        for (size_t k = 0; k < d[2]; k++)
            for (size_t l = 0; l < d[3]; l++)
                for (size_t j = 0; j < d[1]; j++) {
                    const float a =
                        x[i * sx[0] + j * sx[1] + k * sx[2] + l * sx[3]];
                    const float b = y[i / r[0] * sy[0] + j / r[1] * sy[1] +
                                      k / r[2] * sy[2] + l / r[3] * sy[3]];

                    result[i * so[0] + j * so[1] + k * so[2] + l * so[3]] =
                        (float)act_of(act, f(a, b));
                }
}

static double sum(double a, double b)
{
    return a + b;
}

static double product(double a, double b)
{
    return a * b;
}

static int add_ref(const Tensor *out)
{
    const AddAttr *attr = out->attr;

    broadcast(out, sum, attr->act);
    return OK;
}

static int mul_ref(const Tensor *out)
{
    broadcast(out, product, ACT_NONE);
    return OK;
}

/* True if y is neither broadcast nor stored in another order. */
static bool is_like(const Tensor *y, const Tensor *x)
{
    return tensor_same_dims(y, x) && (x->rank <= 2 || y->layout == x->layout);
}

static void add_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                     Tensor **grad)
{
    const AddAttr *attr = out->attr;
    Tensor *y = out->src[1];

    dy = act_grad(g, attr->act, out, dy);
    if (wants[0])
        grad[0] = dy;
    if (wants[1])
        grad[1] = is_like(y, out) ? dy : op_reduce_like(g, dy, NULL, y);
}

static void mul_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                     Tensor **grad)
{
    Tensor *x = out->src[0], *y = out->src[1];

    if (wants[0])
        grad[0] = op_mul(g, dy, y);
    if (wants[1])
        grad[1] =
            is_like(y, out) ? op_mul(g, dy, x) : op_reduce_like(g, dy, x, y);
}

/* One rounding each (double holds the sum or product of two floats well
 * enough), so kernels must match exactly. */
const Op add_def = {
    .name = "add",
    .sources = 2,
    .attr_size = sizeof(AddAttr),
    .shape = shape,
    .cost = cost,
    .ref = add_ref,
    .grad = add_grad,
    .reach = reach_same,
    .tol_f32 = 0,
};

static bool is_gate(const Tensor *out, int k)
{
    return k == 1 && ((const MulAttr *)out->attr)->gate;
}

const Op mul_def = {
    .name = "mul",
    .sources = 2,
    .attr_size = sizeof(MulAttr),
    .shape = shape,
    .cost = cost,
    .ref = mul_ref,
    .grad = mul_grad,
    .reach = reach_same,
    .gate = is_gate,
    .tol_f32 = 0,
};

Tensor *op_mul(Graph *g, Tensor *x, Tensor *y)
{
    return graph_apply(g, &mul_def, &(MulAttr){ false }, (Tensor *[]){ x, y });
}

Tensor *op_gate(Graph *g, Tensor *x, Tensor *y)
{
    return graph_apply(g, &mul_def, &(MulAttr){ true }, (Tensor *[]){ x, y });
}

Tensor *op_add(Graph *g, Tensor *x, Tensor *y)
{
    return op_add_act(g, x, y, ACT_NONE);
}

Tensor *op_add_act(Graph *g, Tensor *x, Tensor *y, Activation act)
{
    return graph_apply(g, &add_def, &(AddAttr){ act }, (Tensor *[]){ x, y });
}
