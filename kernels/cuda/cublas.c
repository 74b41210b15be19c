/*
 * cublas.c - linear and matmul by cuBLASLt
 *
 *   linear   y[r,o] = b[o] + sum over i of x[r,i] w[o,i]
 *   matmul   y[n,g] = scale * a[n,g] b[n,g]
 *
 * FLOP-bound where all three sizes are large; a matrix by a few vectors is
 * bound by bytes, a small one by the launch.  What is where is in gemm.c.  At
 * plan time the first few algorithms of the heuristics are timed, and the
 * fastest is kept, and noted.
 *
 *   cublaslt   tensor cores for all but f32.  The bias is in the same pass.
 *
 * Refused: a matmul whose images and groups have no common stride, if that
 * would take more than MOST_CALLS calls.
 *
 * Not yet run on a GPU; what is where is tested without one.
 */
#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda/tune.h"
#include "kernels/ops/ops.h"

enum {
    MOST_CALLS = 8,
    MOST_TRIED = 8,
    ALIGN = 64,                 /* bytes: tensors are at multiples of it */
    WORKSPACE_BYTES = 32 << 20, /* as NVIDIA advises for Hopper          */
    ALGO_TEXT = 2 * sizeof(cublasLtMatmulAlgo_t) + 1,
};

typedef struct Product {
    CudaDevice *cuda;
    const Tensor *out;
    Gemm gemm;
    float scale;
    const void *a, *b;
    cublasLtMatmulDesc_t how;
    cublasLtMatrixLayout_t a_layout, b_layout, d_layout;
    cublasLtMatmulAlgo_t algo;
} Product;

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
    const int32_t batch = p->gemm.batch;
    const int64_t stride = m->batch;

    BLAS_TRY(cublasLtMatrixLayoutCreate(layout, data_type(p->out->dtype),
                                        (uint64_t)m->rows, (uint64_t)m->columns,
                                        m->ld));
    BLAS_TRY(cublasLtMatrixLayoutSetAttribute(
        *layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof(batch)));
    BLAS_TRY(cublasLtMatrixLayoutSetAttribute(
        *layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
        sizeof(stride)));
    return OK;
}

static int set_transposed(const Product *p,
                          cublasLtMatmulDescAttributes_t which, bool transposed)
{
    const cublasOperation_t op = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;

    BLAS_TRY(cublasLtMatmulDescSetAttribute(p->how, which, &op, sizeof(op)));
    return OK;
}

static int set_bias(const Product *p, const void *bias)
{
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;

    BLAS_TRY(cublasLtMatmulDescSetAttribute(
        p->how, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue)));
    BLAS_TRY(cublasLtMatmulDescSetAttribute(
        p->how, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof(bias)));
    return OK;
}

static int describe(Product *p, const Tensor *bias)
{
    const Gemm *g = &p->gemm;

    p->a = p->out->src[g->a_source]->data;
    p->b = p->out->src[g->b_source]->data;
    BLAS_TRY(cublasLtMatmulDescCreate(&p->how,
                                      p->out->dtype == TF32
                                          ? CUBLAS_COMPUTE_32F_FAST_TF32
                                          : CUBLAS_COMPUTE_32F,
                                      CUDA_R_32F));
    TRY(set_transposed(p, CUBLASLT_MATMUL_DESC_TRANSA, g->a.transposed));
    TRY(set_transposed(p, CUBLASLT_MATMUL_DESC_TRANSB, g->b.transposed));
    if (bias)
        TRY(set_bias(p, bias->data));
    TRY(make_layout(&p->a_layout, p, &g->a));
    TRY(make_layout(&p->b_layout, p, &g->b));
    return make_layout(&p->d_layout, p, &g->d);
}

/* ---- running ----------------------------------------------------------- */

static const void *call_at(const Product *p, const void *data,
                           const GemmMatrix *m, int call)
{
    return (const char *)data +
           (size_t)call * (size_t)m->call * dtype_size(p->out->dtype);
}

static int multiply(const Product *p, const cublasLtMatmulAlgo_t *algo)
{
    CudaDevice *cuda = p->cuda;
    const Gemm *g = &p->gemm;
    const float zero = 0;

    for (int i = 0; i < g->calls; i++) {
        void *d = (void *)call_at(p, p->out->data, &g->d, i);

        BLAS_TRY(cublasLtMatmul(
            cuda->libraries->blas, p->how, &p->scale,
            call_at(p, p->a, &g->a, i), p->a_layout, call_at(p, p->b, &g->b, i),
            p->b_layout, &zero, d, p->d_layout, d, p->d_layout, algo,
            cuda->workspace, cuda->workspace_bytes, cuda->stream));
    }
    return OK;
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Product *p = state;

    (void)dev;
    (void)out;
    return multiply(p, &p->algo);
}

/* ---- choosing ---------------------------------------------------------- */

/* All that a choice depends on, but for the device. */
static void key_of(const Product *p, const Tensor *bias, char key[TUNE_KEY])
{
    const Gemm *g = &p->gemm;
    const GemmMatrix *m[] = { &g->a, &g->b, &g->d };
    size_t n =
        (size_t)snprintf(key, TUNE_KEY, "gemm %s %lldx%lldx%lld batch=%d",
                         dtype_name(p->out->dtype), (long long)g->m,
                         (long long)g->n, (long long)g->k, g->batch);

    for (int i = 0; i < 3; i++)
        n += (size_t)snprintf(key + n, TUNE_KEY - n, " %s%lld+%lld/%lld",
                              m[i]->transposed ? "t" : "n", (long long)m[i]->ld,
                              (long long)m[i]->batch, (long long)m[i]->call);
    snprintf(key + n, TUNE_KEY - n, "%s; cuBLASLt %zu", bias ? " bias" : "",
             cublasLtGetVersion());
}

/* cuBLASLt says that an algorithm is its bytes, for one version of it. */
static void algo_text(const cublasLtMatmulAlgo_t *algo, char text[ALGO_TEXT])
{
    const unsigned char *bytes = (const unsigned char *)algo;

    for (size_t i = 0; i < sizeof(*algo); i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static bool algo_parse(cublasLtMatmulAlgo_t *algo, const char *text)
{
    unsigned char *bytes = (unsigned char *)algo;

    if (strlen(text) != 2 * sizeof(*algo))
        return false;
    for (size_t i = 0; i < sizeof(*algo); i++)
        if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
            return false;
    return true;
}

/* Takes a noted algorithm, if it still is one for this product. */
static bool use_noted(Product *p, const char *key)
{
    char text[ALGO_TEXT];
    cublasLtMatmulHeuristicResult_t found;

    return tune_recall(p->cuda, key, text, sizeof(text)) &&
           algo_parse(&p->algo, text) &&
           cublasLtMatmulAlgoCheck(p->cuda->libraries->blas, p->how,
                                   p->a_layout, p->b_layout, p->d_layout,
                                   p->d_layout, &p->algo,
                                   &found) == CUBLAS_STATUS_SUCCESS &&
           found.workspaceSize <= WORKSPACE_BYTES &&
           cuda_workspace(p->cuda, found.workspaceSize) == OK;
}

/* Says how a matrix is aligned in every call, which cuBLASLt would take to be
 * 256 bytes. */
static int set_alignment(cublasLtMatmulPreference_t limits,
                         cublasLtMatmulPreferenceAttributes_t which,
                         const Product *p, const GemmMatrix *m)
{
    const size_t step = (size_t)m->call * dtype_size(p->out->dtype);
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
    const Gemm *g = &p->gemm;
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

/* Algorithms that are compared. */
typedef struct Trial {
    Product *product;
    cublasLtMatmulHeuristicResult_t found[MOST_TRIED];
    int n;
} Trial;

static int ask(Trial *t, cublasLtMatmulPreference_t limits)
{
    const Product *p = t->product;

    TRY(set_limits(p, limits));
    BLAS_TRY(cublasLtMatmulAlgoGetHeuristic(
        p->cuda->libraries->blas, p->how, p->a_layout, p->b_layout, p->d_layout,
        p->d_layout, limits, MOST_TRIED, t->found, &t->n));
    if (!t->n)
        return fail(ERR_UNSUPPORTED, "cuBLASLt lists no algorithm for this");
    return OK;
}

static int run_trial(CudaDevice *cuda, void *arg, int i)
{
    const Trial *t = arg;

    (void)cuda;
    return multiply(t->product, &t->found[i].algo);
}

static int choose_by_time(Product *p)
{
    Trial t = { .product = p };
    cublasLtMatmulPreference_t limits;
    Ways ways;
    int best, err;

    BLAS_TRY(cublasLtMatmulPreferenceCreate(&limits));
    err = ask(&t, limits);
    cublasLtMatmulPreferenceDestroy(limits);
    TRY(err);
    for (int i = 0; i < t.n; i++)
        TRY(cuda_workspace(p->cuda, t.found[i].workspaceSize));
    ways = (Ways){ t.n, run_trial, &t };
    TRY(tune(p->cuda, &ways, &best));
    p->algo = t.found[best].algo;
    return OK;
}

/* ---- kernels ----------------------------------------------------------- */

static int plan(Device *dev, const Tensor *out, const Gemm *gemm, double scale,
                void **state)
{
    const Tensor *bias = out->op == &linear_def ? out->src[2] : NULL;
    Product *p = calloc(1, sizeof(*p));
    char key[TUNE_KEY], text[ALGO_TEXT];

    if (!p)
        return fail(ERR_MEMORY, "no memory for a product");
    *state = p;
    p->cuda = cuda_device(dev);
    p->out = out;
    p->gemm = *gemm;
    p->scale = (float)scale;
    TRY(describe(p, bias));
    key_of(p, bias, key);
    if (use_noted(p, key))
        return OK;
    TRY(choose_by_time(p));
    algo_text(&p->algo, text);
    tune_note(p->cuda, key, text);
    return OK;
}

static void release(void *state)
{
    Product *p = state;

    if (!p)
        return;
    if (p->how)
        cublasLtMatmulDescDestroy(p->how);
    if (p->a_layout)
        cublasLtMatrixLayoutDestroy(p->a_layout);
    if (p->b_layout)
        cublasLtMatrixLayoutDestroy(p->b_layout);
    if (p->d_layout)
        cublasLtMatrixLayoutDestroy(p->d_layout);
    free(p);
}

static int plan_linear(Device *dev, const Tensor *out, void **state)
{
    const Gemm gemm = gemm_of_linear(out);

    return plan(dev, out, &gemm, 1, state);
}

static int plan_matmul(Device *dev, const Tensor *out, void **state)
{
    const Gemm gemm = gemm_of_matmul(out);
    const MatmulAttr *attr = out->attr;

    return plan(dev, out, &gemm, attr->scale, state);
}

static bool supports_matmul(const Tensor *out)
{
    return gemm_of_matmul(out).calls <= MOST_CALLS;
}

const Kernel cublas_linear = {
    .op = &linear_def,
    .name = "cublaslt",
    .dtypes = ALL_DTYPES,
    .plan = plan_linear,
    .run = run,
    .release = release,
};

const Kernel cublas_matmul = {
    .op = &matmul_def,
    .name = "cublaslt",
    .dtypes = ALL_DTYPES,
    .supports = supports_matmul,
    .plan = plan_matmul,
    .run = run,
    .release = release,
};
