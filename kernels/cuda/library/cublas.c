/*
 * cublas.c - linear and matmul by cuBLASLt
 *
 *   linear   y[r,o] = b[o] + sum over i of x[r,i] w[o,i]
 *   matmul   y[n,g] = scale * a[n,g] b[n,g]
 *
 * FLOP-bound where all three sizes are large; a matrix by a few vectors is
 * bound by bytes, a small one by the launch.  What is where is in gemm.c, how
 * cuBLASLt is asked for it in product.c.
 *
 *   cublaslt   tensor cores for all but f32; the bias in the same pass.
 *
 * Refused: a matmul whose images and groups have no common stride, if that
 * would take more than MOST_CALLS calls.
 *
 * Not yet run on a GPU; tests run it over a cuBLASLt of their own.
 */
#include "kernels/core/err.h"
#include "kernels/cuda/library/library.h"
#include "kernels/cuda/library/product.h"
#include "kernels/ops/ops.h"

enum { MOST_CALLS = 8 };

/* like: NULL, or the state of the same step with its data elsewhere. */
static int plan(Device *dev, const Tensor *out, ProductSpec *spec,
                const void *like, void **state)
{
    Product *p;
    int err;

    spec->dtype = out->dtype;
    spec->a = out->src[spec->gemm.a_source]->data;
    spec->b = out->src[spec->gemm.b_source]->data;
    spec->d = out->data;
    err = product_new(&p, cuda_device(dev), spec);
    *state = p;
    if (err || !like)
        return err ? err : product_choose(p);
    product_keep_like(p, like);
    return OK;
}

static int linear_like(Device *dev, const Tensor *out, const void *like,
                       void **state)
{
    const Tensor *b = out->src[2];
    ProductSpec spec = {
        .gemm = gemm_of_linear(out),
        .scale = 1,
        .bias = b ? b->data : NULL,
    };

    return plan(dev, out, &spec, like, state);
}

static int plan_linear(Device *dev, const Tensor *out, void **state)
{
    return linear_like(dev, out, NULL, state);
}

static int matmul_like(Device *dev, const Tensor *out, const void *like,
                       void **state)
{
    const MatmulAttr *attr = out->attr;
    ProductSpec spec = {
        .gemm = gemm_of_matmul(out),
        .scale = (float)attr->scale,
    };

    return plan(dev, out, &spec, like, state);
}

static int plan_matmul(Device *dev, const Tensor *out, void **state)
{
    return matmul_like(dev, out, NULL, state);
}

static bool supports_matmul(const Tensor *out)
{
    return gemm_of_matmul(out).calls <= MOST_CALLS;
}

static int run(Device *dev, const Tensor *out, void *state)
{
    (void)dev;
    (void)out;
    return product_run(state, 0);
}

const Kernel cublas_linear = {
    .op = &linear_def,
    .name = "cublaslt",
    .dtypes = ALL_DTYPES,
    .plan = plan_linear,
    .plan_like = linear_like,
    .run = run,
    .release = product_free,
};

const Kernel cublas_matmul = {
    .op = &matmul_def,
    .name = "cublaslt",
    .dtypes = ALL_DTYPES,
    .supports = supports_matmul,
    .plan = plan_matmul,
    .plan_like = matmul_like,
    .run = run,
    .release = product_free,
};
