/*
 * window_bias_grad.c - of the table: sums over all that a number was added to
 *
 * Bound by the bytes of dy, each read once.
 *
 *   heads   a unit is a head: its matrices of all windows are added up, then
 *           that one's numbers go to their rows of the table.  Starves where
 *           heads are fewer than threads.
 */
#include "kernels/cpu/simd/rows.h"

typedef struct Bias {
    size_t area, rows; /* numbers of a matrix; rows of the table        */
    int *offset;       /* of each number of a matrix, its row           */
    float *sum;        /* a matrix for each thread                      */
    double *table;     /* rows for each thread                          */
} Bias;

static int plan(Device *dev, const Tensor *out, void **state)
{
    const WindowBiasGradAttr *a = out->attr;
    const int P = a->window.h * a->window.w;
    const size_t threads = (size_t)dev->threads, rows = (size_t)out->dim[0],
                 area = (size_t)(P * P);
    Bias *b;

    TRY(state_new(state, sizeof(*b) + threads * rows * sizeof(double) +
                             area * sizeof(int) +
                             threads * area * sizeof(float)));
    b = *state;
    b->area = area;
    b->rows = rows;
    b->table = (double *)(b + 1);
    b->sum = (float *)(b->table + threads * rows);
    b->offset = (int *)(b->sum + threads * area);
    for (int i = 0; i < P; i++)
        for (int j = 0; j < P; j++)
            b->offset[i * P + j] = window_offset(&a->window, i, j);
    return OK;
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Bias *b = state;
    const Tensor *dy = out->src[0];
    const size_t heads = (size_t)out->dim[1];
    const size_t windows = (size_t)dy->dim[1] / heads;
    float *sum = b->sum + (size_t)omp_get_thread_num() * b->area;
    double *table = b->table + (size_t)omp_get_thread_num() * b->rows;

    for (size_t h = begin; h < end; h++) {
        memset(sum, 0, b->area * sizeof(*sum));
        memset(table, 0, b->rows * sizeof(*table));
        add_rows(sum, (const float *)dy->data + h * b->area, windows,
                 heads * b->area, b->area);
        for (size_t i = 0; i < b->area; i++)
            table[b->offset[i]] += (double)sum[i];
        for (size_t r = 0; r < b->rows; r++)
            ((float *)out->data)[r * heads + h] = (float)table[r];
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ range, (size_t)out->dim[1],
                          (double)tensor_count(out->src[0]) });
}

const Kernel SIMD(window_bias_grad) = {
    .op = &window_bias_grad_def,
    .name = "heads",
    .plan = plan,
    .run = run,
};
