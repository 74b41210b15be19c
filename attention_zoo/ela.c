/*
 * ela.c - Efficient Local Attention
 *
 * Paper:  W. Xu, Y. Wan, "ELA: Efficient Local Attention for Deep
 *         Convolutional Neural Networks", arXiv:2403.01123 (2024).
 *
 * Idea:   coordinate attention (ca.c) without its bottleneck and without batch
 *         norm: each channel's strip gets its own 1-D convolution and a group
 *         norm, the same for both axes.
 *
 *         x (N,C,H,W) --mean over W--> (N,C,H) --dwconv,GN,sigmoid--> (N,C,H)
 *                     --mean over H--> (N,C,W) --dwconv,GN,sigmoid--> (N,C,W)
 *         y = x * both
 *
 * Differs from the paper: nothing.  Of its four versions this is ELA-B: one
 * filter of 7 per channel, 16 groups in the norm.
 */
#include "attention_zoo/zoo.h"

static const double EPS = 1e-5; /* of the norm */

typedef struct ElaSettings {
    int kernel_size;
    int groups;
} ElaSettings;

static const Param ela_params[] = {
    PARAM_INT(ElaSettings, kernel_size, 7, 1, 255,
              "length of the 1-D convolutions, odd"),
    PARAM_INT(ElaSettings, groups, 16, 1, 1024, "groups of the group norm"),
    PARAM_END,
};

static Tensor *ela_build(Graph *g, Tensor *x, const void *settings)
{
    const ElaSettings *p = settings;
    const int N = x->dim[0], C = x->dim[1], W = x->dim[3];
    const int k = p->kernel_size, groups = p->groups;
    Tensor *w, *weight, *bias, *yh, *yw;

    if (!zoo_odd(g, "ela: kernel_size", k) ||
        !zoo_divides(g, "ela: groups", groups, C))
        return NULL;

    w = graph_weight(g, "conv.weight", DIMS(C, 1, k));
    weight = graph_weight(g, "gn.weight", DIMS(C));
    bias = graph_weight(g, "gn.bias", DIMS(C));

    yh = op_dwconv1d(g, op_mean_w(g, x, SQUEEZE_MEAN), w, NULL);
    yw = op_dwconv1d(g, op_mean_h(g, x, SQUEEZE_MEAN), w, NULL);
    yh = op_sigmoid(g, op_group_norm(g, yh, weight, bias, groups, EPS));
    yw = op_sigmoid(g, op_group_norm(g, yw, weight, bias, groups, EPS));
    yw = op_view(g, yw, DIMS(N, C, 1, W));
    return op_gate(g, op_gate(g, x, yh), yw);
}

/* A filter, a scale and a shift for each channel. */
static double ela_weights(int channels, const void *settings)
{
    const ElaSettings *p = settings;

    return (p->kernel_size + 2.0) * channels;
}

/* Facts that the kernels of its op cannot see in its weights. */
static void ela_facts(ModuleFacts *facts, const Tensor *x, const void *settings)
{
    const ElaSettings *p = settings;

    (void)x;
    facts->groups = p->groups;
    facts->eps = EPS;
}

const Module ela_module = {
    .name = "ela",
    .title = "ELA",
    .paper = "Xu and Wan, 2024, arXiv:2403.01123",
    .type = "Hybrid",
    .settings_size = sizeof(ElaSettings),
    .params = ela_params,
    .build = ela_build,
    .op = &ela_def,
    .facts = ela_facts,
    .gates = 2,
    .weights = ela_weights,
};
