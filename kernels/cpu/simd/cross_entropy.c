/*
 * cross_entropy.c - the mean over images of -sum of t log softmax(x), and its
 * gradient (softmax(x) sum of t - t) / N
 *
 * A batch of logits is a few thousand numbers in cache: an exp each, bound by
 * arithmetic, and not worth a second thread.
 *
 *   rows   one image after the other: its largest logit, the sum of its
 *          exponentials, then the loss in double, or the gradient.
 */
#include <math.h>

#include "kernels/cpu/simd/math.h"
#include "kernels/cpu/simd/rows.h"

/* Finds the largest of K numbers, and the sum of exp(x - largest). */
static float exponentials(const float *x, size_t K, float *most)
{
    const float m = *most = max_row(x, K);
    float sum = 0;

#pragma omp simd reduction(+ : sum)
    for (size_t k = 0; k < K; k++)
        sum += exp_of(x[k] - m);
    return sum;
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const size_t N = (size_t)out->src[0]->dim[0],
                 K = (size_t)out->src[0]->dim[1];
    const float *x = out->src[0]->data, *t = out->src[1]->data;
    double loss = 0;

    (void)dev;
    (void)state;
    for (size_t n = 0; n < N; n++, x += K, t += K) {
        float most;
        const double less = log(exponentials(x, K, &most));

        for (size_t k = 0; k < K; k++)
            loss -= t[k] * ((double)x[k] - most - less);
    }
    *(float *)out->data = (float)(loss / (double)N);
    return OK;
}

static int grad_run(Device *dev, const Tensor *out, void *state)
{
    const size_t N = (size_t)out->dim[0], K = (size_t)out->dim[1];
    const float *x = out->src[0]->data, *t = out->src[1]->data;
    const float share = 1 / (float)N;
    float *dx = out->data;

    (void)dev;
    (void)state;
    for (size_t n = 0; n < N; n++, x += K, t += K, dx += K) {
        float most;
        const float scale = sum_row(t, K) / exponentials(x, K, &most);

#pragma omp simd
        for (size_t k = 0; k < K; k++)
            dx[k] = (exp_of(x[k] - most) * scale - t[k]) * share;
    }
    return OK;
}

const Kernel SIMD(cross_entropy) = {
    .op = &cross_entropy_def,
    .name = "rows",
    .run = run,
};

const Kernel SIMD(cross_entropy_grad) = {
    .op = &cross_entropy_grad_def,
    .name = "rows",
    .run = grad_run,
};
