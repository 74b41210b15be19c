/*
 * fake_cublaslt.c - as much of cuBLASLt as is used, in plain loops on the host
 *
 * It is strict: whatever the manual asks of an argument is checked, and what is
 * wrong is refused.  It has three algorithms, of which each wants more workspace
 * than the one before.
 */
#ifdef WITH_CUDNN

/* Not for cuDNN's libraries, which use the real one. */
#pragma GCC visibility push(hidden)
#include <cublasLt.h>
#pragma GCC visibility pop
#include <stdlib.h>
#include <string.h>

#include "kernels/core/dtype.h"
#include "tests/fake_libraries.h"

enum { ALGORITHMS = 3, MAGIC = 0x616c676f, WORKSPACE = 1000 };

typedef struct Product {
    cublasOperation_t op[2];
    cublasLtEpilogue_t epilogue;
    cublasComputeType_t compute;
    const void *bias;
} Product;

typedef struct Matrix {
    cudaDataType_t type;
    int64_t rows, columns, ld, stride;
    int32_t batch;
} Matrix;

typedef struct Preference {
    uint32_t align[4], sums;
    size_t workspace;
} Preference;

/* The words of an algorithm. */
enum { WORD_MAGIC, WORD_NUMBER, WORD_ALIGN };

size_t cublasLtGetVersion(void)
{
    return CUBLAS_VERSION;
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_INVALID_VALUE ? "invalid value" : "failed";
}

/* ---- descriptors ------------------------------------------------------- */

static cublasStatus_t make(void **out, size_t bytes)
{
    *out = calloc(1, bytes);
    return *out ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

static cublasStatus_t set(void *field, size_t field_bytes, const void *value,
                          size_t bytes)
{
    if (bytes != field_bytes)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}
#define SET(field) set(&(field), sizeof(field), value, bytes)

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out,
                                        cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    const cublasStatus_t status = make((void **)out, sizeof(Product));

    if (scale != CUDA_R_32F)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!status)
        *(Product *)*out = (Product){ .op = { CUBLAS_OP_N, CUBLAS_OP_N },
                                      .epilogue = CUBLASLT_EPILOGUE_DEFAULT,
                                      .compute = compute };
    return status;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(
    cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name,
    const void *value, size_t bytes)
{
    Product *d = (Product *)desc;

    switch (name) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return SET(d->op[0]);
    case CUBLASLT_MATMUL_DESC_TRANSB:
        return SET(d->op[1]);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return SET(d->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return SET(d->bias);
    default:
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    free(desc);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out,
                                          cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld)
{
    const cublasStatus_t status = make((void **)out, sizeof(Matrix));

    if (ld < (int64_t)rows)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!status)
        *(Matrix *)*out = (Matrix){ .type = type,
                                    .rows = (int64_t)rows,
                                    .columns = (int64_t)columns,
                                    .ld = ld,
                                    .batch = 1 };
    return status;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(
    cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t name,
    const void *value, size_t bytes)
{
    Matrix *l = (Matrix *)layout;

    switch (name) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
        return SET(l->batch);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
        return SET(l->stride);
    default:
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    free(layout);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out)
{
    const cublasStatus_t status = make((void **)out, sizeof(Preference));

    if (!status)
        *(Preference *)*out =
            (Preference){ .align = { 256, 256, 256, 256 },
                          .sums = CUBLASLT_REDUCTION_SCHEME_MASK };
    return status;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t preference,
    cublasLtMatmulPreferenceAttributes_t name, const void *value, size_t bytes)
{
    Preference *p = (Preference *)preference;

    switch (name) {
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
        return SET(p->align[0]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
        return SET(p->align[1]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
        return SET(p->align[2]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return SET(p->align[3]);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        return SET(p->sums);
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return SET(p->workspace);
    default:
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(
    cublasLtMatmulPreference_t preference)
{
    free(preference);
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- algorithms -------------------------------------------------------- */

static bool is_transposed(const Product *d, int i)
{
    return d->op[i] == CUBLAS_OP_T;
}

/* Sizes as the product sees them: a (m,k), b (k,n), d (m,n). */
static bool agree(const Product *desc, const Matrix *a, const Matrix *b,
                  const Matrix *d)
{
    const bool ta = is_transposed(desc, 0), tb = is_transposed(desc, 1);

    return (ta ? a->columns : a->rows) == d->rows &&
           (ta ? a->rows : a->columns) == (tb ? b->columns : b->rows) &&
           (tb ? b->rows : b->columns) == d->columns && a->type == b->type &&
           b->type == d->type && a->batch == d->batch && b->batch == d->batch;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
    cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t preference, int wanted,
    cublasLtMatmulHeuristicResult_t found[], int *n)
{
    const Preference *p = (const Preference *)preference;

    (void)handle;
    *n = 0;
    if (fake_calls.refusing)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (c != d || wanted < 1 ||
        p->sums > CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE ||
        p->workspace < ALGORITHMS * WORKSPACE ||
        !agree((Product *)desc, (Matrix *)a, (Matrix *)b, (Matrix *)d))
        return CUBLAS_STATUS_INVALID_VALUE;
    for (; *n < ALGORITHMS && *n < wanted; ++*n) {
        memset(&found[*n], 0, sizeof(found[*n]));
        found[*n].algo.data[WORD_MAGIC] = MAGIC;
        found[*n].algo.data[WORD_NUMBER] = (uint64_t)*n;
        for (int i = 0; i < 4; i++)
            found[*n].algo.data[WORD_ALIGN + i] = p->align[i];
        found[*n].workspaceSize = (size_t)*n * WORKSPACE;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
    cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *result)
{
    (void)handle;
    if (c != d || algo->data[WORD_MAGIC] != MAGIC ||
        !agree((Product *)desc, (Matrix *)a, (Matrix *)b, (Matrix *)d))
        return CUBLAS_STATUS_INVALID_VALUE;
    memset(result, 0, sizeof(*result));
    result->algo = *algo;
    result->workspaceSize = algo->data[WORD_NUMBER] * WORKSPACE;
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the product ------------------------------------------------------- */

static Dtype dtype_of(const Matrix *l)
{
    return l->type == CUDA_R_16F ? F16 : l->type == CUDA_R_16BF ? BF16 : F32;
}

/* An operand of one batch as rows, once it is transposed. */
static float *rows_of(const void *data, const Matrix *m, int batch,
                      bool transposed)
{
    const int64_t rows = transposed ? m->columns : m->rows;
    const int64_t columns = transposed ? m->rows : m->columns;
    const int64_t size = (int64_t)dtype_size(dtype_of(m));
    float *y = malloc((size_t)(rows * columns) * sizeof(*y));

    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            const int64_t at = transposed ? j + i * m->ld : i + j * m->ld;

            dtype_load(dtype_of(m), &y[i * columns + j],
                       (const char *)data + (at + batch * m->stride) * size, 1);
        }
    return y;
}

static void multiply(const Product *p, float alpha, const void *a,
                     const Matrix *la, const void *b, const Matrix *lb,
                     const void *c, void *d, const Matrix *ld, int batch)
{
    const int64_t k = is_transposed(p, 0) ? la->rows : la->columns;
    const Matrix vector = {
        .type = ld->type, .rows = ld->rows, .columns = 1, .ld = ld->rows
    };
    float *x = rows_of(a, la, batch, is_transposed(p, 0));
    float *y = rows_of(b, lb, batch, !is_transposed(p, 1)); /* columns */
    float *bias = p->epilogue == CUBLASLT_EPILOGUE_BIAS ||
                          p->epilogue == CUBLASLT_EPILOGUE_RELU_BIAS
                      ? rows_of(p->bias, &vector, 0, false)
                      : NULL;
    float *addend = c ? rows_of(c, ld, batch, false) : NULL;
    const bool relu = p->epilogue == CUBLASLT_EPILOGUE_RELU ||
                      p->epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;

    for (int64_t i = 0; i < ld->rows; i++)
        for (int64_t j = 0; j < ld->columns; j++) {
            double sum = 0;
            float z;

            for (int64_t q = 0; q < k; q++)
                sum += (double)x[i * k + q] * y[j * k + q];
            sum *= alpha;
            sum += addend ? addend[i * ld->columns + j] : 0;
            sum += bias ? bias[i] : 0;
            z = (float)(relu && sum < 0 ? 0 : sum);
            dtype_store(dtype_of(ld),
                        (char *)d + (i + j * ld->ld + batch * ld->stride) *
                                        (int64_t)dtype_size(dtype_of(ld)),
                        &z, 1);
        }
    free(x);
    free(y);
    free(bias);
    free(addend);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle,
                              cublasLtMatmulDesc_t desc, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t la,
                              const void *b, cublasLtMatrixLayout_t lb,
                              const void *beta, const void *c,
                              cublasLtMatrixLayout_t lc, void *d,
                              cublasLtMatrixLayout_t ld,
                              const cublasLtMatmulAlgo_t *algo, void *workspace,
                              size_t workspace_bytes, cudaStream_t stream)
{
    const void *const at[] = { a, b, c, d };
    const uint64_t number = algo->data[WORD_NUMBER];

    (void)handle;
    (void)stream;
    if (algo->data[WORD_MAGIC] != MAGIC || number >= ALGORITHMS || lc != ld ||
        (*(const float *)beta != 0 && *(const float *)beta != 1) ||
        (*(const float *)beta == 0 && c != d) ||
        workspace_bytes < number * WORKSPACE || (number && !workspace))
        return CUBLAS_STATUS_INVALID_VALUE;
    for (int i = 0; i < 4; i++)
        if ((uintptr_t)at[i] % algo->data[WORD_ALIGN + i])
            return CUBLAS_STATUS_INVALID_VALUE;
    if (number < (uint64_t)fake_calls.broken)
        return CUBLAS_STATUS_EXECUTION_FAILED;
    fake_calls.compute = (int)((const Product *)desc)->compute;
    if (!fake_launched(FAKE_ALGORITHM + (int)number))
        return CUBLAS_STATUS_SUCCESS;
    for (int i = 0; i < ((const Matrix *)ld)->batch; i++)
        multiply((const Product *)desc, *(const float *)alpha, a,
                 (const Matrix *)la, b, (const Matrix *)lb,
                 *(const float *)beta == 1 ? c : NULL, d, (const Matrix *)ld,
                 i);
    return CUBLAS_STATUS_SUCCESS;
}

#endif
