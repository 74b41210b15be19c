/*
 * cbam.c - Convolutional Block Attention Module
 *
 * Paper:  S. Woo, J. Park, J.-Y. Lee, I. S. Kweon, "CBAM: Convolutional Block
 *         Attention Module", ECCV 2018, arXiv:1807.06521.  Equations are
 *         numbered as there.
 *
 * Idea:   first which channels, then which places.  Each is judged by a mean
 *         and a maximum: over places for the channels, over channels for the
 *         places.
 *
 *         x (N,C,H,W) --mean, max--> (N,C) each --mlp, add, sigmoid--> (N,C)
 *         x' = x * that
 *         x' --mean, max over C--> (N,2,H,W) --conv 7x7, sigmoid--> (N,1,H,W)
 *         y = x' * that
 *
 * Differs from the paper: the hidden layer has at least 8 units.  The authors'
 * code departs from its own equations (biases in the MLP, a batch norm after
 * the 7x7 convolution, the maximum before the mean in its input); this file
 * follows the equations, as the published code of SCSA does.
 */
#include "attention_zoo/zoo.h"

enum { MIN_HIDDEN = 8 };

typedef struct CbamSettings {
    int reduction;
    int kernel_size;
} CbamSettings;

static const Param cbam_params[] = {
    PARAM_INT(CbamSettings, reduction, 16, 1, 1024,
              "r: the MLP's hidden layer has C/r units, but at least 8"),
    PARAM_INT(CbamSettings, kernel_size, 7, 1, 255,
              "side of the spatial convolution in eq. (3), odd"),
    PARAM_END,
};

static int hidden_of(int C, const CbamSettings *p)
{
    return C / p->reduction > MIN_HIDDEN ? C / p->reduction : MIN_HIDDEN;
}

/* One pooled vector (N,C) -> (N,C,1,1): W1 relu(W0 z), eq. (2). */
static Tensor *mlp(Graph *g, Tensor *z, Tensor *w0, Tensor *w1, Dims pixel)
{
    const Conv2dAttr conv = { 0 };

    z = op_conv2d(g, op_view(g, z, pixel), w0, NULL, &conv);
    return op_conv2d(g, op_relu(g, z), w1, NULL, &conv);
}

static Tensor *cbam_build(Graph *g, Tensor *x, const void *settings)
{
    const CbamSettings *p = settings;
    const int N = x->dim[0], C = x->dim[1];
    const int k = p->kernel_size, hidden = hidden_of(C, p);
    const Conv2dAttr conv = { .pad_h = k / 2, .pad_w = k / 2 };
    const Dims pixel = DIMS(N, C, 1, 1);
    Tensor *w0, *w1, *w, *avg, *max, *gate;

    if (!zoo_odd(g, "cbam: kernel_size", k))
        return NULL;

    w0 = graph_weight(g, "mlp_chans.0.weight", DIMS(hidden, C, 1, 1));
    w1 = graph_weight(g, "mlp_chans.2.weight", DIMS(C, hidden, 1, 1));
    w = graph_weight(g, "mlp_spaces.weight", DIMS(1, 2, k, k));

    avg = mlp(g, op_global_avg_pool(g, x, SQUEEZE_MEAN), w0, w1, pixel);
    max = mlp(g, op_global_max_pool(g, x), w0, w1, pixel);
    gate = op_sigmoid(g, op_add(g, avg, max)); /* eq. (2) */
    x = op_gate(g, x, gate);                   /* eq. (1) */

    avg = op_mean_c(g, x);
    max = op_max_c(g, x);
    gate = op_concat(g, 1, 2, (Tensor *[]){ avg, max });
    gate = op_sigmoid(g, op_conv2d(g, gate, w, NULL, &conv)); /* eq. (3) */
    return op_gate(g, x, gate);                               /* eq. (1) */
}

/* The shared MLP 2 C hidden, the convolution 2 k^2. */
static double cbam_weights(int channels, const void *settings)
{
    const CbamSettings *p = settings;

    return 2.0 * channels * hidden_of(channels, p) +
           2.0 * p->kernel_size * p->kernel_size;
}

const Module cbam_module = {
    .name = "cbam",
    .title = "CBAM",
    .paper = "Woo et al., ECCV 2018, arXiv:1807.06521",
    .type = "Hybrid",
    .on_output = true,
    .settings_size = sizeof(CbamSettings),
    .params = cbam_params,
    .build = cbam_build,
    .op = &cbam_def,
    .gates = 2,
    .weights = cbam_weights,
};
