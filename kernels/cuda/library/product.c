/*
 * product.c - describes a product to cuBLASLt, and chooses its algorithm
 *
 * Source: docs.nvidia.com/cuda/cublas, "Using the cuBLASLt API".
 */
#include "kernels/cuda/library/product.h"

#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/library/library.h"
#include "kernels/cuda/library/tune.h"

enum {
    ALIGN = 64,                 /* bytes: operands are at multiples of it */
    WORKSPACE_BYTES = 32 << 20, /* as NVIDIA advises for Hopper           */
};

struct Product {
    CudaDevice *cuda;
    ProductSpec is;
    cublasLtMatmulDesc_t how;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulHeuristicResult_t found[ALGORITHMS_TRIED];
};

#define BLAS_TRY(call)                                     \
    do {                                                   \
        const cublasStatus_t status_ = (call);             \
        if (status_ != CUBLAS_STATUS_SUCCESS)              \
            return fail(ERR_DEVICE, "cuBLASLt: %s",        \
                        cublasLtGetStatusString(status_)); \
    } while (0)

/* ---- describing -------------------------------------------------------- */

static cudaDataType_t data_type(Dtype dtype)
{
    return dtype == F16 ? CUDA_R_16F : dtype == BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

static int make_layout(cublasLtMatrixLayout_t *layout, const Product *p,
                       const GemmMatrix *m)
{
    const int32_t batch = p->is.gemm.batch;
    const int64_t stride = m->batch;

    BLAS_TRY(cublasLtMatrixLayoutCreate(layout, data_type(p->is.dtype),
                                        (uint64_t)m->rows, (uint64_t)m->columns,
                                        m->ld));
    BLAS_TRY(cublasLtMatrixLayoutSetAttribute(
        *layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof(batch)));
    BLAS_TRY(cublasLtMatrixLayoutSetAttribute(
        *layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
        sizeof(stride)));
    return OK;
}

static int set_how(const Product *p, cublasLtMatmulDescAttributes_t which,
                   const void *value, size_t bytes)
{
    BLAS_TRY(cublasLtMatmulDescSetAttribute(p->how, which, value, bytes));
    return OK;
}

static int set_transposed(const Product *p,
                          cublasLtMatmulDescAttributes_t which, bool transposed)
{
    const cublasOperation_t op = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;

    return set_how(p, which, &op, sizeof(op));
}

/* Sets what follows the product in the same pass. */
static int set_epilogue(const Product *p)
{
    const void *bias = p->is.bias;
    const cublasLtEpilogue_t after =
        p->is.relu
            ? (bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU)
            : (bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);

    TRY(set_how(p, CUBLASLT_MATMUL_DESC_EPILOGUE, &after, sizeof(after)));
    return bias ? set_how(p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                          sizeof(bias))
                : OK;
}

static int describe(Product *p)
{
    const Gemm *g = &p->is.gemm;

    BLAS_TRY(cublasLtMatmulDescCreate(
        &p->how,
        p->is.dtype == TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
        CUDA_R_32F));
    TRY(set_transposed(p, CUBLASLT_MATMUL_DESC_TRANSA, g->a.transposed));
    TRY(set_transposed(p, CUBLASLT_MATMUL_DESC_TRANSB, g->b.transposed));
    TRY(set_epilogue(p));
    TRY(make_layout(&p->a, p, &g->a));
    TRY(make_layout(&p->b, p, &g->b));
    return make_layout(&p->d, p, &g->d);
}

int product_new(Product **out, CudaDevice *cuda, const ProductSpec *spec)
{
    Product *p = calloc(1, sizeof(*p));

    *out = p;
    if (!p)
        return fail(ERR_MEMORY, "no memory for a product");
    p->cuda = cuda;
    p->is = *spec;
    return describe(p);
}

void product_free(void *product)
{
    Product *p = product;

    if (!p)
        return;
    if (p->how)
        cublasLtMatmulDescDestroy(p->how);
    if (p->a)
        cublasLtMatrixLayoutDestroy(p->a);
    if (p->b)
        cublasLtMatrixLayoutDestroy(p->b);
    if (p->d)
        cublasLtMatrixLayoutDestroy(p->d);
    free(p);
}

/* ---- running ----------------------------------------------------------- */

static const void *call_at(const Product *p, const void *data,
                           const GemmMatrix *m, int call)
{
    return (const char *)data +
           (size_t)call * (size_t)m->call * dtype_size(p->is.dtype);
}

int product_run(const Product *p, int i)
{
    const Gemm *g = &p->is.gemm;
    const void *addend = p->is.addend ? p->is.addend : p->is.d;
    const float beta = p->is.addend ? 1 : 0;
    CudaDevice *cuda = p->cuda;

    for (int call = 0; call < g->calls; call++)
        BLAS_TRY(cublasLtMatmul(cuda->libraries->blas, p->how, &p->is.scale,
                                call_at(p, p->is.a, &g->a, call), p->a,
                                call_at(p, p->is.b, &g->b, call), p->b, &beta,
                                call_at(p, addend, &g->d, call), p->d,
                                (void *)call_at(p, p->is.d, &g->d, call), p->d,
                                &p->found[i].algo, cuda->workspace,
                                cuda->workspace_bytes, cuda->stream));
    return OK;
}

/* ---- algorithms -------------------------------------------------------- */

/* Says how a matrix is aligned in every call, which cuBLASLt would take to be
 * 256 bytes. */
static int set_alignment(cublasLtMatmulPreference_t limits,
                         cublasLtMatmulPreferenceAttributes_t which,
                         const Product *p, const GemmMatrix *m)
{
    const size_t step = (size_t)m->call * dtype_size(p->is.dtype);
    uint32_t align = ALIGN;

    while (step % align)
        align /= 2;
    BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(limits, which, &align,
                                                  sizeof(align)));
    return OK;
}

/* Sums are in f32 to the end, and their order is always the same. */
static int set_limits(const Product *p, cublasLtMatmulPreference_t limits)
{
    const Gemm *g = &p->is.gemm;
    const uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const size_t bytes = WORKSPACE_BYTES;

    TRY(set_alignment(limits, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p,
                      &g->a));
    TRY(set_alignment(limits, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p,
                      &g->b));
    TRY(set_alignment(limits, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p,
                      &g->d));
    TRY(set_alignment(limits, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p,
                      &g->d));
    BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(
        limits, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &sums,
        sizeof(sums)));
    BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(
        limits, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
        sizeof(bytes)));
    return OK;
}

/* None where cuBLASLt says that it has none. */
static int ask(Product *p, cublasLtMatmulPreference_t limits, int *n)
{
    cublasStatus_t status;
    int listed = 0;

    TRY(set_limits(p, limits));
    status = cublasLtMatmulAlgoGetHeuristic(
        p->cuda->libraries->blas, p->how, p->a, p->b, p->d, p->d, limits,
        ALGORITHMS_TRIED, p->found, &listed);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED)
        return OK;
    BLAS_TRY(status);
    for (int i = 0; i < listed; i++)
        if (p->found[i].state == CUBLAS_STATUS_SUCCESS)
            p->found[(*n)++] = p->found[i];
    return OK;
}

int product_algorithms(Product *p, int *n)
{
    cublasLtMatmulPreference_t limits;
    int err;

    *n = 0;
    BLAS_TRY(cublasLtMatmulPreferenceCreate(&limits));
    err = ask(p, limits, n);
    cublasLtMatmulPreferenceDestroy(limits);
    TRY(err);
    if (!*n)
        return fail(ERR_UNSUPPORTED, "cuBLASLt lists no algorithm for this");
    for (int i = 0; i < *n; i++)
        TRY(cuda_workspace(p->cuda, p->found[i].workspaceSize));
    return OK;
}

void product_keep(Product *p, int i)
{
    p->found[0] = p->found[i];
}

void product_keep_like(Product *p, const Product *like)
{
    p->found[0] = like->found[0];
}

/* ---- as text ----------------------------------------------------------- */

/* Its bytes: cuBLASLt says that they are all of it, for one version. */
void product_text(const Product *p, int i, char text[ALGORITHM_TEXT])
{
    const unsigned char *bytes = (const unsigned char *)&p->found[i].algo;

    for (size_t k = 0; k < sizeof(p->found[i].algo); k++)
        snprintf(text + 2 * k, 3, "%02x", bytes[k]);
}

int product_take(Product *p, const char *text)
{
    cublasLtMatmulAlgo_t algo;
    unsigned char *bytes = (unsigned char *)&algo;
    bool whole = strlen(text) == 2 * sizeof(algo);

    for (size_t k = 0; whole && k < sizeof(algo); k++)
        whole = sscanf(text + 2 * k, "%2hhx", &bytes[k]) == 1;
    if (!whole ||
        cublasLtMatmulAlgoCheck(p->cuda->libraries->blas, p->how, p->a, p->b,
                                p->d, p->d, &algo,
                                &p->found[0]) != CUBLAS_STATUS_SUCCESS ||
        p->found[0].workspaceSize > WORKSPACE_BYTES)
        return fail(ERR_UNSUPPORTED, "'%s' is no algorithm for this", text);
    p->found[0].algo = algo;
    return cuda_workspace(p->cuda, p->found[0].workspaceSize);
}

/* ---- choosing ---------------------------------------------------------- */

/* All that a choice depends on, except the device. */
static void key_of(const Product *p, char key[TUNE_KEY])
{
    const Gemm *g = &p->is.gemm;
    const GemmMatrix *m[] = { &g->a, &g->b, &g->d };
    size_t n =
        (size_t)snprintf(key, TUNE_KEY, "gemm %s %lldx%lldx%lld batch=%d",
                         dtype_name(p->is.dtype), (long long)g->m,
                         (long long)g->n, (long long)g->k, g->batch);

    for (int i = 0; i < 3; i++)
        n += (size_t)snprintf(key + n, TUNE_KEY - n, " %s%lld+%lld/%lld",
                              m[i]->transposed ? "t" : "n", (long long)m[i]->ld,
                              (long long)m[i]->batch, (long long)m[i]->call);
    snprintf(key + n, TUNE_KEY - n, "%s; cuBLASLt %zu",
             p->is.bias ? " bias" : "", cublasLtGetVersion());
}

static int run_way(CudaDevice *cuda, void *arg, int i)
{
    (void)cuda;
    return product_run(arg, i);
}

int product_choose(Product *p)
{
    char key[TUNE_KEY], text[ALGORITHM_TEXT];
    Ways ways = { .run = run_way, .arg = p };
    int best;

    key_of(p, key);
    if (tune_recall(p->cuda, key, text, sizeof(text)) &&
        product_take(p, text) == OK)
        return OK;
    TRY(product_algorithms(p, &ways.n));
    TRY(tune(p->cuda, &ways, &best));
    product_keep(p, best);
    product_text(p, 0, text);
    tune_note(p->cuda, key, text);
    return OK;
}
