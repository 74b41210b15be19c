/*
 * eca.c - Efficient Channel Attention
 *
 * Paper:  Q. Wang, B. Wu, P. Zhu, P. Li, W. Zuo, Q. Hu, "ECA-Net: Efficient
 *         Channel Attention for Deep Convolutional Neural Networks",
 *         CVPR 2020, arXiv:1910.03151.
 *
 * Idea:   SE without its bottleneck: the gate of a channel comes from its own
 *         mean and those of its k - 1 neighbours in the list of channels, by
 *         one filter that slides along that list.
 *
 *         x (N,C,H,W) --mean--> z (N,C) as a strip (N,1,C)
 *                     --conv1d k,sigmoid--> s (N,C)
 *         y = x * s
 *
 * Differs from the paper: k.  There k grows with log2 C (3 at 64 channels, 5
 * at 256, 7 at 2048); the published code of SCSA has k = 1 below 96 channels
 * and 3 from there on, a rule that ECA-Net has for MobileNetV2.
 */
#include "attention_zoo/zoo.h"

enum { WIDE = 96 }; /* channels from which k is 3 */

typedef struct EcaSettings {
    int kernel_size;
} EcaSettings;

static const Param eca_params[] = {
    PARAM_INT(EcaSettings, kernel_size, 0, 0, 255,
              "k: how many neighbours a channel sees, odd; 0: 1 below 96 "
              "channels, else 3"),
    PARAM_END,
};

static int kernel_of(int C, const EcaSettings *p)
{
    return p->kernel_size ? p->kernel_size : C < WIDE ? 1 : 3;
}

static Tensor *eca_build(Graph *g, Tensor *x, const void *settings)
{
    const int N = x->dim[0], C = x->dim[1], k = kernel_of(C, settings);
    Tensor *w, *z, *s;

    if (!zoo_odd(g, "eca: kernel_size", k))
        return NULL;

    w = graph_weight(g, "conv.weight", DIMS(1, 1, k));

    z = op_global_avg_pool(g, x, SQUEEZE_MEAN);
    z = op_view(g, z, DIMS(N, 1, C));
    s = op_sigmoid(g, op_dwconv1d(g, z, w, NULL)); /* sigmoid(C1D_k(z)) */
    s = op_view(g, s, DIMS(N, C));
    return op_gate(g, x, s);
}

/* The one filter. */
static double eca_weights(int channels, const void *settings)
{
    return kernel_of(channels, settings);
}

const Module eca_module = {
    .name = "eca",
    .title = "ECA",
    .paper = "Wang et al., CVPR 2020, arXiv:1910.03151",
    .type = "Channel",
    .on_output = true,
    .settings_size = sizeof(EcaSettings),
    .params = eca_params,
    .build = eca_build,
    .op = &eca_def,
    .gates = 1,
    .weights = eca_weights,
};
