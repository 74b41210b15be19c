/*
 * afgca.c - Adaptive Fine-Grained Channel Attention
 *
 * Paper:  H. Sun, Y. Wen, H. Feng, Y. Zheng, Q. Mei, D. Ren, M. Yu,
 *         "Unsupervised bidirectional contrastive reconstruction and adaptive
 *         fine-grained channel attention networks for image dehazing", Neural
 *         Networks 176 (2024) 106314.
 *
 * Idea:   two views of the channels' means, a local one (each sees k
 *         neighbours) and a global one (each sees all); all products of the
 *         two say how they correlate, and a learned number mixes the two ways
 *         of summing them.
 *
 *         x (N,C,H,W) --mean--> z (N,C) --conv1d k--> u (N,C)
 *                                       --fc-------> v (N,C)
 *         o1 = sigmoid(sum over rows of u v^T), o2 = the same of v u^T
 *         s = sigmoid(conv1d(m o1 + (1 - m) o2)),  m = sigmoid(w)
 *         y = x * s
 *
 * Differs from the authors' code: nothing.  The products are written out,
 * C x C, as there, although o1 is sigmoid(v sum u).  The paper's text has not
 * been compared.
 *
 * Easily got wrong: one filter serves both places where conv1d stands.
 */
#include <math.h>

#include "attention_zoo/zoo.h"

/* k = |(log2 C + b) / gamma|, rounded down and then up to odd; b 1, gamma 2. */
static int kernel_of(int C)
{
    const int k = (int)fabs((log2(C) + 1) / 2);

    return k % 2 ? k : k + 1;
}

static Tensor *afgca_build(Graph *g, Tensor *x, const void *settings)
{
    const int N = x->dim[0], C = x->dim[1], k = kernel_of(C);
    const Dims vector = DIMS(N, C), strip = DIMS(N, 1, C);
    const MatmulAttr outer = { .trans_b = true };
    const Conv2dAttr fc = { 0 };
    Tensor *conv1, *w, *b, *mix, *z, *u, *v, *o1, *o2, *m, *s;

    (void)settings;
    conv1 = graph_weight(g, "conv1.weight", DIMS(1, 1, k));
    w = graph_weight(g, "fc.weight", DIMS(C, C, 1, 1));
    b = graph_weight(g, "fc.bias", DIMS(C));
    mix = graph_weight(g, "mix.w", DIMS(1));

    z = op_global_avg_pool(g, x, SQUEEZE_ADAPTIVE);
    u = op_dwconv1d(g, op_view(g, z, strip), conv1, NULL);
    u = op_view(g, u, vector);
    v = op_conv2d(g, op_view(g, z, DIMS(N, C, 1, 1)), w, b, &fc);
    v = op_view(g, v, vector);

    o1 = op_sigmoid(g, op_sum_rows(g, op_matmul(g, u, v, &outer)));
    o2 = op_sigmoid(g, op_sum_rows(g, op_matmul(g, v, u, &outer)));
    m = op_sigmoid(g, mix);
    o1 = op_mul(g, o1, m);
    o2 = op_mul(g, o2, op_scale_shift(g, m, -1, 1));
    s = op_view(g, op_add(g, o1, o2), strip);
    s = op_sigmoid(g, op_dwconv1d(g, s, conv1, NULL));
    return op_gate(g, x, op_view(g, s, vector));
}

/* The filter k, the layer C^2 + C, the mixing number. */
static double afgca_weights(int channels, const void *settings)
{
    const double C = channels;

    (void)settings;
    return kernel_of(channels) + C * C + C + 1;
}

const Module afgca_module = {
    .name = "afgca",
    .title = "AFGCA",
    .paper = "Sun et al., Neural Networks 176 (2024) 106314",
    .type = "Hybrid",
    .build = afgca_build,
    .op = &afgca_def,
    .gates = 1,
    .weights = afgca_weights,
};
