/*
 * roofs.c - bandwidths of the L2 cache and of device memory, peaks of
 * arithmetic.
 *
 *   l2_*       buffers that take half of the L2, gone over again and again
 *   dram_*     buffers of eight times the L2 each, gone over once
 *   fma_f32    multiply-adds of our own kernel (peaks.cu)
 *   tensor_*   tensor cores: products of SIDE x SIDE matrices by cuBLASLt
 *
 * Bytes are those a kernel asks for: a copy's are read and written.
 */
#include "kernels/cuda/backend/roofs.h"

#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/backend/card.h"
#include "kernels/cuda/kernels/peaks.h"
#include "kernels/cuda/library/library.h"
#include "kernels/cuda/library/product.h"

enum {
    L2_TIMES = 64,
    L2S_OF_MEMORY = 8,
    FMA_ROUNDS = 1 << 15,
    SIDE = 4096,
    PRODUCTS = 4, /* in one sample */
};

typedef enum Kind { READ, WRITE, COPY, FMA, TENSOR } Kind;

static const struct {
    RoofKind is;
    Kind kind;
    bool in_l2;
    Dtype dtype;
} roofs[] = {
    { { "l2_read", ROOF_BYTES }, READ, true, F32 },
    { { "l2_write", ROOF_BYTES }, WRITE, true, F32 },
    { { "l2_copy", ROOF_BYTES }, COPY, true, F32 },
    { { "dram_read", ROOF_BYTES }, READ, false, F32 },
    { { "dram_write", ROOF_BYTES }, WRITE, false, F32 },
    { { "dram_copy", ROOF_BYTES }, COPY, false, F32 },
    { { "fma_f32", ROOF_FLOPS }, FMA, false, F32 },
    { { "tensor_tf32", ROOF_FLOPS }, TENSOR, false, TF32 },
    { { "tensor_f16", ROOF_FLOPS }, TENSOR, false, F16 },
    { { "tensor_bf16", ROOF_FLOPS }, TENSOR, false, BF16 },
};
enum { NROOFS = sizeof(roofs) / sizeof(roofs[0]) };

static Card *card(Device *dev)
{
    return (Card *)dev;
}

static bool has_products(Device *dev)
{
    return card(dev)->cuda.libraries && card(dev)->cuda.libraries->blas;
}

bool cuda_roof_at(Device *dev, int i, RoofKind *out)
{
    if (i >= NROOFS || (roofs[i].kind == TENSOR && !has_products(dev)))
        return false;
    *out = roofs[i].is;
    return true;
}

size_t cuda_cache_bytes(Device *dev)
{
    return card(dev)->l2_bytes;
}

/* Two buffers of as many floats, zeroed: denormals or NaN may be slower. */
static int buffers(Device *dev, size_t n)
{
    CardBuffers *b = &card(dev)->roofs;
    const Backend *backend = dev->backend;

    if (b->n >= n)
        return OK;
    cuda_roofs_release(dev);
    TRY(backend->alloc(dev, (void **)&b->from, n * sizeof(float)));
    TRY(backend->alloc(dev, (void **)&b->to, n * sizeof(float)));
    b->n = n;
    TRY(cuda_peak_write(dev, b->from, n, 1));
    return cuda_peak_write(dev, b->to, n, 1);
}

void cuda_roofs_release(Device *dev)
{
    CardBuffers *b = &card(dev)->roofs;

    product_free(b->product);
    if (b->from)
        dev->backend->release(dev, b->from);
    if (b->to)
        dev->backend->release(dev, b->to);
    memset(b, 0, sizeof(*b));
}

static size_t whole_steps(size_t bytes)
{
    const size_t n = bytes / sizeof(float) / PEAK_STEP;

    return (n ? n : 1) * PEAK_STEP;
}

static int move(Device *dev, Kind kind, bool in_l2, double *work)
{
    const size_t l2 = card(dev)->l2_bytes;
    const size_t arrays = kind == COPY ? 2 : 1;
    const size_t n = whole_steps(in_l2 ? l2 / 2 / arrays : L2S_OF_MEMORY * l2);
    const int times = in_l2 ? L2_TIMES : 1;
    CardBuffers *b = &card(dev)->roofs;

    TRY(buffers(dev, n));
    *work = (double)(n * arrays * sizeof(float)) * times;
    if (kind == READ)
        return cuda_peak_read(dev, b->to, b->from, n, times);
    if (kind == WRITE)
        return cuda_peak_write(dev, b->to, n, times);
    return cuda_peak_copy(dev, b->to, b->from, n, times);
}

/* y' = x' w' of square matrices, as a linear layer has it. */
static int make_product(Device *dev, Dtype dtype)
{
    CardBuffers *b = &card(dev)->roofs;
    const GemmMatrix square = { .rows = SIDE, .columns = SIDE, .ld = SIDE };
    ProductSpec spec = {
        .gemm = { .a_source = 1,
                  .a = square,
                  .b = square,
                  .d = square,
                  .m = SIDE,
                  .n = SIDE,
                  .k = SIDE,
                  .batch = 1,
                  .calls = 1 },
        .dtype = dtype,
        .scale = 1,
    };

    if (b->product && b->product_dtype == dtype)
        return OK;
    product_free(b->product);
    b->product = NULL;
    TRY(buffers(dev, (size_t)SIDE * SIDE * 2));
    spec.gemm.a.transposed = true;
    spec.a = b->from;
    spec.b = b->from + (size_t)SIDE * SIDE;
    spec.d = b->to;
    TRY(product_new(&b->product, &card(dev)->cuda, &spec));
    b->product_dtype = dtype;
    return product_choose(b->product);
}

static int multiply(Device *dev, Dtype dtype, double *work)
{
    TRY(make_product(dev, dtype));
    for (int i = 0; i < PRODUCTS; i++)
        TRY(product_run(card(dev)->roofs.product, 0));
    *work = 2.0 * SIDE * SIDE * SIDE * PRODUCTS;
    return OK;
}

int cuda_roof_run(Device *dev, int i, double *work)
{
    BUG_IF(i < 0 || i >= NROOFS);
    if (roofs[i].kind == TENSOR)
        return multiply(dev, roofs[i].dtype, work);
    if (roofs[i].kind != FMA)
        return move(dev, roofs[i].kind, roofs[i].in_l2, work);
    TRY(buffers(dev, PEAK_STEP));
    return cuda_peak_fma(dev, card(dev)->roofs.to, FMA_ROUNDS, work);
}

/* ---- known work --------------------------------------------------------- */

static int one_product(Device *dev)
{
    return product_run(card(dev)->roofs.product, 0);
}

int cuda_known_work(KnownWork *out, Device *dev, Dtype dtype)
{
    const size_t n = whole_steps(L2S_OF_MEMORY * card(dev)->l2_bytes);
    const size_t most = (size_t)SIDE * SIDE * 2;
    CardBuffers *b = &card(dev)->roofs;
    int err;

    *out = (KnownWork){ .dev = dev, .n = n };
    TRY(buffers(dev, n > most ? n : most)); /* they stay where they are */
    if (has_products(dev)) {
        err = make_product(dev, dtype == F32 ? TF32 : dtype);
        if (err && err != ERR_UNSUPPORTED)
            return err;
        out->product = err ? NULL : one_product;
        out->product_flops = 2.0 * SIDE * SIDE * SIDE;
    }
    out->from = b->from;
    out->to = b->to;
    return OK;
}
