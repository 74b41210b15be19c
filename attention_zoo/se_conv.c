/*
 * se_conv.c - Squeeze-and-Excitation as the paper of SCSA ran it
 *
 * Paper:  J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks",
 *         CVPR 2018, arXiv:1709.01507.  Equations are numbered as there.
 *
 * Idea:   se.c with a batch norm in the bottleneck.  The published code of
 *         SCSA has both; only this one gives the parameters and FLOPs that
 *         its Table 2 prints for SE.
 *
 *         x (N,C,H,W) --mean--> z (N,C,1,1) --conv,BN,relu--> (N,C/r,1,1)
 *                                           --conv,sigmoid--> s (N,C,1,1)
 *         y = x * s
 *
 * Differs from the paper: the batch norm after the first layer, and layers
 * written as 1x1 convolutions of a 1x1 map.  Neither changes what a bottleneck
 * can express in evaluation, where the norm folds into the layer before it.
 */
#include "attention_zoo/zoo.h"

static const double EPS = 1e-5; /* of the norm */

typedef struct SeConvSettings {
    int reduction;
} SeConvSettings;

static const Param se_conv_params[] = {
    PARAM_INT(SeConvSettings, reduction, 16, 1, 1024,
              "r: C/r is the width of the bottleneck (section 3.2)"),
    PARAM_END,
};

static Tensor *se_conv_build(Graph *g, Tensor *x, const void *settings)
{
    const SeConvSettings *p = settings;
    const Conv2dAttr conv = { 0 };
    const int N = x->dim[0], C = x->dim[1], r = p->reduction;
    Tensor *w1, *w2, *weight, *bias, *mean, *var, *z, *s;

    if (!zoo_divides(g, "se_conv: reduction", r, C))
        return NULL;

    w1 = graph_weight(g, "fc.0.weight", DIMS(C / r, C, 1, 1));
    weight = graph_weight(g, "fc.1.weight", DIMS(C / r));
    bias = graph_weight(g, "fc.1.bias", DIMS(C / r));
    mean = graph_buffer(g, "fc.1.running_mean", DIMS(C / r));
    var = graph_buffer(g, "fc.1.running_var", DIMS(C / r));
    w2 = graph_weight(g, "fc.3.weight", DIMS(C, C / r, 1, 1));

    z = op_global_avg_pool(g, x, SQUEEZE_MEAN); /* eq. (2) squeeze */
    z = op_view(g, z, DIMS(N, C, 1, 1));
    s = op_conv2d(g, z, w1, NULL, &conv); /* eq. (3) excite  */
    s = op_relu(g, op_batch_norm(g, s, weight, bias, mean, var, EPS));
    s = op_sigmoid(g, op_conv2d(g, s, w2, NULL, &conv));
    return op_gate(g, x, s); /* eq. (4) scale   */
}

/* Eq. (5) for one block, and the norm: 2 C^2 / r + 2 C / r. */
static double se_conv_weights(int channels, const void *settings)
{
    const SeConvSettings *p = settings;

    return 2.0 * (channels + 1.0) * channels / p->reduction;
}

/* Facts that the kernels of its op cannot see in its weights. */
static void se_conv_facts(ModuleFacts *facts, const Tensor *x,
                          const void *settings)
{
    (void)x;
    (void)settings;
    facts->eps = EPS;
}

const Module se_conv_module = {
    .name = "se_conv",
    .title = "SEConv",
    .paper = "Hu et al., CVPR 2018, arXiv:1709.01507",
    .type = "Channel",
    .on_output = true,
    .settings_size = sizeof(SeConvSettings),
    .params = se_conv_params,
    .build = se_conv_build,
    .op = &se_conv_def,
    .facts = se_conv_facts,
    .gates = 1,
    .weights = se_conv_weights,
};
