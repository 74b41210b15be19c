/*
 * cpca.c - Channel Prior Convolutional Attention
 *
 * Paper:  H. Huang, Z. Chen, Y. Zou, M. Lu, C. Chen, Y. Song, H. Zhang,
 *         F. Yan, "Channel prior convolutional attention for medical image
 *         segmentation", Computers in Biology and Medicine 178 (2024) 108784,
 *         arXiv:2306.05196.
 *
 * Idea:   weigh the channels first (as CBAM), then let depthwise strips of 7,
 *         11 and 21 in both directions say, for every channel by itself, where
 *         to look.
 *
 *         u = gelu(conv(x));  u = u * c,  c (N,C) from its mean and maximum
 *         i = dwconv 5x5 (u)
 *         s = i + sum over k = 7, 11, 21 of dwconv kx1 (dwconv 1xk (i))
 *         y = conv(u * conv(s))
 *
 * Differs from the paper, following the published code:
 *   - the sigmoid of the channel gate is taken before the sum of the two
 *     branches, so the gate lies between 0 and 2;
 *   - ONE 1x1 convolution serves at all three places, and there is no sigmoid
 *     on the spatial map;
 *   - r is 16, as in the paper of SCSA (the authors' default is 4).
 */
#include "attention_zoo/zoo.h"

typedef struct CpcaSettings {
    int reduction;
} CpcaSettings;

static const Param cpca_params[] = {
    PARAM_INT(CpcaSettings, reduction, 16, 1, 1024,
              "r: the channel gate's hidden layer has C/r units"),
    PARAM_END,
};

/* A convolution's weights, and x through it. */
typedef struct Conv {
    Tensor *w, *b;
    Conv2dAttr attr;
} Conv;

static Tensor *conv_apply(Graph *g, Tensor *x, const Conv *c)
{
    return op_conv2d(g, x, c->w, c->b, &c->attr);
}

/* in -> out channels, 1x1. */
static Conv pointwise(Graph *g, const char *name, int out, int in)
{
    Conv c = { 0 };

    graph_scope(g, "%s", name);
    c.w = graph_weight(g, "weight", DIMS(out, in, 1, 1));
    c.b = graph_weight(g, "bias", DIMS(out));
    graph_end_scope(g);
    return c;
}

/* kh x kw for each channel by itself, named as the code does: dwc1_7. */
static Conv depthwise(Graph *g, int C, int kh, int kw)
{
    Conv c = { .attr = { .pad_h = kh / 2, .pad_w = kw / 2, .groups = C } };

    graph_scope(g, "dwc%d_%d", kh, kw);
    c.w = graph_weight(g, "weight", DIMS(C, 1, kh, kw));
    c.b = graph_weight(g, "bias", DIMS(C));
    graph_end_scope(g);
    return c;
}

/* sigmoid(fc2 relu(fc1 z)): a pooled map (N,C) as (N,C,1,1). */
static Tensor *gate(Graph *g, Tensor *z, Dims pixel, const Conv *fc)
{
    z = op_relu(g, conv_apply(g, op_view(g, z, pixel), &fc[0]));
    return op_sigmoid(g, conv_apply(g, z, &fc[1]));
}

static Tensor *cpca_build(Graph *g, Tensor *x, const void *settings)
{
    static const int strip[] = { 7, 11, 21 };
    const CpcaSettings *p = settings;
    const int N = x->dim[0], C = x->dim[1], r = p->reduction;
    const Dims pixel = DIMS(N, C, 1, 1);
    Conv conv, fc[2], dwc, along, across;
    Tensor *u, *avg, *max, *i, *s, *branch;

    if (!zoo_divides(g, "cpca: reduction", r, C))
        return NULL;

    conv = pointwise(g, "conv", C, C);
    fc[0] = pointwise(g, "ca.fc1", C / r, C);
    fc[1] = pointwise(g, "ca.fc2", C, C / r);
    dwc = depthwise(g, C, 5, 5);

    u = op_gelu(g, conv_apply(g, x, &conv));
    avg = gate(g, op_global_avg_pool(g, u, SQUEEZE_MEAN), pixel, fc);
    max = gate(g, op_global_max_pool(g, u), pixel, fc);
    u = op_gate(g, u, op_add(g, avg, max)); /* the channel prior */

    s = i = conv_apply(g, u, &dwc);
    for (int k = 0; k < 3; k++) {
        along = depthwise(g, C, 1, strip[k]);
        across = depthwise(g, C, strip[k], 1);
        branch = conv_apply(g, conv_apply(g, i, &along), &across);
        s = op_add(g, s, branch);
    }
    s = conv_apply(g, s, &conv); /* the spatial attention */
    return conv_apply(g, op_gate(g, u, s), &conv);
}

/* conv C^2 + C; fc1, fc2 2 C^2 / r + C / r + C; depthwise 103 C + 7 C. */
static double cpca_weights(int channels, const void *settings)
{
    const CpcaSettings *p = settings;
    const double C = channels, r = p->reduction;

    return C * C + C + 2 * C * C / r + C / r + C + 110 * C;
}

const Module cpca_module = {
    .name = "cpca",
    .title = "CPCA",
    .paper = "Huang et al., Comput. Biol. Med. 178 (2024) 108784, "
             "arXiv:2306.05196",
    .type = "Hybrid",
    .settings_size = sizeof(CpcaSettings),
    .params = cpca_params,
    .build = cpca_build,
    .weights = cpca_weights,
};
