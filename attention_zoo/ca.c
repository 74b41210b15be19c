/*
 * ca.c - Coordinate Attention
 *
 * Paper:  Q. Hou, D. Zhou, J. Feng, "Coordinate Attention for Efficient Mobile
 *         Network Design", CVPR 2021, arXiv:2103.02907.  Equations are
 *         numbered as there.
 *
 * Idea:   a mean over the whole map forgets where things are.  Average along
 *         one axis at a time instead, pass both strips through one bottleneck,
 *         and gate by row and by column.
 *
 *         x (N,C,H,W) --mean over W, mean over H, concat--> (N,C,H+W)
 *                     --conv,BN,hard-swish--> f (N,C/r,H+W) --split-->
 *                     --conv,sigmoid--> g_h (N,C,H), g_w (N,C,W)
 *         y = x * g_w * g_h
 *
 * Differs from the paper: the first convolution has no bias (the batch norm
 * behind it has one).  f has at least 8 channels, as in the authors' code.
 */
#include "attention_zoo/zoo.h"

static const double EPS = 1e-5; /* of the norm */

enum { MIN_HIDDEN = 8 };

typedef struct CaSettings {
    int reduction;
} CaSettings;

static const Param ca_params[] = {
    PARAM_INT(CaSettings, reduction, 32, 1, 1024,
              "r: the bottleneck has C/r channels, but at least 8"),
    PARAM_END,
};

static int hidden_of(int C, const CaSettings *p)
{
    return C / p->reduction > MIN_HIDDEN ? C / p->reduction : MIN_HIDDEN;
}

static Tensor *ca_build(Graph *g, Tensor *x, const void *settings)
{
    const int N = x->dim[0], C = x->dim[1], H = x->dim[2], W = x->dim[3];
    const int hidden = hidden_of(C, settings);
    const Conv2dAttr conv = { 0 };
    Tensor *w, *weight, *bias, *mean, *var, *wh, *bh, *ww, *bw;
    Tensor *z, *f, *fh, *fw, *gh, *gw;

    w = graph_weight(g, "conv.conv.weight", DIMS(hidden, C, 1, 1));
    weight = graph_weight(g, "conv.bn.weight", DIMS(hidden));
    bias = graph_weight(g, "conv.bn.bias", DIMS(hidden));
    mean = graph_buffer(g, "conv.bn.running_mean", DIMS(hidden));
    var = graph_buffer(g, "conv.bn.running_var", DIMS(hidden));
    wh = graph_weight(g, "attn_h.weight", DIMS(C, hidden, 1, 1));
    bh = graph_weight(g, "attn_h.bias", DIMS(C));
    ww = graph_weight(g, "attn_w.weight", DIMS(C, hidden, 1, 1));
    bw = graph_weight(g, "attn_w.bias", DIMS(C));

    fh = op_mean_w(g, x, SQUEEZE_MEAN); /* eq. (4) */
    fw = op_mean_h(g, x, SQUEEZE_MEAN); /* eq. (5) */
    z = op_concat(g, 2, 2, (Tensor *[]){ fh, fw });
    z = op_view(g, z, DIMS(N, C, H + W, 1));
    f = op_conv2d(g, z, w, NULL, &conv); /* eq. (6) */
    f = op_batch_norm(g, f, weight, bias, mean, var, EPS);
    f = op_hard_swish(g, f);
    fh = op_slice(g, f, 2, 0, H);
    fw = op_slice(g, f, 2, H, W);
    gh = op_sigmoid(g, op_conv2d(g, fh, wh, bh, &conv)); /* eq. (7) */
    gw = op_sigmoid(g, op_conv2d(g, fw, ww, bw, &conv)); /* eq. (8) */
    gw = op_view(g, gw, DIMS(N, C, 1, W));
    return op_gate(g, op_gate(g, x, gw), gh); /* eq. (9) */
}

/* Three 1x1 convolutions of C x hidden, two biases, the norm. */
static double ca_weights(int channels, const void *settings)
{
    const double C = channels, hidden = hidden_of(channels, settings);

    return 3 * C * hidden + 2 * C + 2 * hidden;
}

/* Facts that the kernels of its op cannot see in its weights. */
static void ca_facts(ModuleFacts *facts, const Tensor *x, const void *settings)
{
    (void)x;
    (void)settings;
    facts->eps = EPS;
}

const Module ca_module = {
    .name = "ca",
    .title = "CA",
    .paper = "Hou et al., CVPR 2021, arXiv:2103.02907",
    .type = "Hybrid",
    .settings_size = sizeof(CaSettings),
    .params = ca_params,
    .build = ca_build,
    .op = &ca_def,
    .facts = ca_facts,
    .gates = 2,
    .weights = ca_weights,
};
