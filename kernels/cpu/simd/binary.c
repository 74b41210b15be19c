/*
 * binary.c - mul and add: y = act(x op y), y broadcast to the dims of x
 *
 * Bound by bytes: x and the result move, y mostly stays in the L1 cache.
 *
 *   rows   y moves along the inner loop, or stays (broadcast.h).  Where that
 *          loop is short and y repeats along the middle one, y is first written
 *          out a few times, so that vectors are full (C = 1 to 8: the groups of
 *          SA); where y stays for 2 to 16 numbers, the loop has that constant
 *          length.  Starves only when y is stored across x (never so far).
 */
#include "kernels/cpu/simd/broadcast.h"

#define RANGE(id, op)                                                     \
    static void id(const Tensor *out, const void *state, size_t begin,    \
                   size_t end)                                            \
    {                                                                     \
        form_range((Apply){ op, 1 }, state, out->data, out->src[0]->data, \
                   out->src[1]->data, begin, end);                        \
    }
RANGE(mul_range, MUL)
RANGE(add_range, ADD)
RANGE(add_relu_range, ADD_RELU)
RANGE(add_relu6_range, ADD_RELU6)

static int plan(Device *dev, const Tensor *out, void **state)
{
    (void)dev;
    TRY(state_new(state, sizeof(Form)));
    form_of(*state, out->src[0], out->src[1]);
    return OK;
}

static int run(Device *dev, const Tensor *out, const Form *f, Range *range)
{
    return split(
        dev, out, f,
        (Split){ range, form_units(f), 2.0 * (double)tensor_count(out) });
}

static int run_mul(Device *dev, const Tensor *out, void *state)
{
    return run(dev, out, state, mul_range);
}

static int run_add(Device *dev, const Tensor *out, void *state)
{
    static Range *const ranges[] = {
        [ACT_NONE] = add_range,
        [ACT_RELU] = add_relu_range,
        [ACT_RELU6] = add_relu6_range,
    };
    const AddAttr *attr = out->attr;

    return run(dev, out, state, ranges[attr->act]);
}

const Kernel SIMD(mul) = {
    .op = &mul_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .plan = plan,
    .run = run_mul,
    .inplace = 1,
};

const Kernel SIMD(add) = {
    .op = &add_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .plan = plan,
    .run = run_add,
    .inplace = 1,
};
