/*
 * ema.c - Efficient Multi-Scale Attention
 *
 * Paper:  D. Ouyang, S. He, G. Zhang, M. Luo, H. Guo, J. Zhan, Z. Huang,
 *         "Efficient Multi-Scale Attention Module with Cross-Spatial
 *         Learning", ICASSP 2023, arXiv:2305.13563.  Equations are numbered as
 *         there.
 *
 * Idea:   in each of g groups of n = C/g channels, one branch gates by rows and
 *         columns (as ca.c), another is a 3x3 convolution; the channel means
 *         of each branch, as a softmax, weigh the maps of the other into one
 *         gate a pixel.
 *
 *         x (N,C,H,W), a group at a time: z (n,H,W)
 *         strips of z --1x1 conv, sigmoid--> s_h (n,H), s_w (n,W)
 *         z1 = GN(z * s_h * s_w)          z2 = conv 3x3 (z)
 *         m = softmax(mean z1) . z2 + softmax(mean z2) . z1      (1,H,W)
 *         y = z * sigmoid(m)
 *
 * Differs from the paper: nothing.  The authors fold the groups into the
 * batch; here strips are viewed with groups as positions, (N,C,L) as
 * (N,n,L,g), and the 3x3 convolution is one with groups that share a filter.
 *
 * Easily got wrong: the group norm has one group a channel, so it is an
 * instance norm; the weights from z1 go to z2 and those from z2 to z1.
 */
#include "attention_zoo/zoo.h"

static const double EPS = 1e-5; /* of the norm */

typedef struct EmaSettings {
    int factor;
} EmaSettings;

static const Param ema_params[] = {
    PARAM_INT(EmaSettings, factor, 32, 1, 1024, "g: groups of channels"),
    PARAM_END,
};

/* Weights of the two branches, which all groups share. */
typedef struct EmaWeights {
    Tensor *gn_w, *gn_b, *w1, *b1, *w3, *b3;
} EmaWeights;

/* The 1x1 branch: x -> GN(x * s_h * s_w), the same shape. */
static Tensor *strips(Graph *g, Tensor *x, const EmaWeights *w, int groups)
{
    const int N = x->dim[0], C = x->dim[1], H = x->dim[2], W = x->dim[3];
    const Conv2dAttr conv = { 0 };
    Tensor *h, *v, *s;

    h = op_mean_w(g, x, SQUEEZE_ADAPTIVE); /* eq. (1) */
    v = op_mean_h(g, x, SQUEEZE_ADAPTIVE); /* eq. (2) */
    s = op_concat(g, 2, 2, (Tensor *[]){ h, v });
    s = op_view(g, s, DIMS(N, C / groups, H + W, groups));
    s = op_conv2d(g, s, w->w1, w->b1, &conv);
    s = op_view(g, s, DIMS(N, C, H + W));
    h = op_sigmoid(g, op_slice(g, s, 2, 0, H));
    v = op_sigmoid(g, op_slice(g, s, 2, H, W));
    v = op_view(g, v, DIMS(N, C, 1, W));
    s = op_mul(g, op_mul(g, x, h), v);
    return op_group_norm(g, s, w->gn_w, w->gn_b, C, EPS);
}

/* Softmax within each group of the channels' means, eq. (3): (N,C). */
static Tensor *channel_weights(Graph *g, Tensor *z, Dims grouped, Dims flat)
{
    Tensor *s = op_global_avg_pool(g, z, SQUEEZE_ADAPTIVE);

    return op_view(g, op_softmax(g, op_view(g, s, grouped), 1), flat);
}

static Tensor *ema_build(Graph *g, Tensor *x, const void *settings)
{
    const EmaSettings *p = settings;
    const int N = x->dim[0], C = x->dim[1], H = x->dim[2], W = x->dim[3];
    const int groups = p->factor, n = C / groups;
    const Conv2dAttr conv3x3 = {
        .pad_h = 1, .pad_w = 1, .groups = groups, .shared = true
    };
    const MatmulAttr dot = { .groups = groups, .trans_a = true, .strip = true };
    const Dims grouped = DIMS(N, n, groups), flat = DIMS(N, C);
    EmaWeights w;
    Tensor *z1, *z2, *a1, *a2, *m1, *m2, *m;

    if (!zoo_divides(g, "ema: factor", groups, C))
        return NULL;

    w.gn_w = graph_weight(g, "gn.weight", DIMS(n));
    w.gn_b = graph_weight(g, "gn.bias", DIMS(n));
    w.w1 = graph_weight(g, "conv1x1.weight", DIMS(n, n, 1, 1));
    w.b1 = graph_weight(g, "conv1x1.bias", DIMS(n));
    w.w3 = graph_weight(g, "conv3x3.weight", DIMS(n, n, 3, 3));
    w.b3 = graph_weight(g, "conv3x3.bias", DIMS(n));

    z1 = strips(g, x, &w, groups);
    z2 = op_conv2d(g, x, w.w3, w.b3, &conv3x3);
    a1 = channel_weights(g, z1, grouped, flat);
    a2 = channel_weights(g, z2, grouped, flat);
    m1 = op_matmul(g, a1, z2, &dot);
    m2 = op_matmul(g, a2, z1, &dot);
    m = op_sigmoid(g, op_add(g, m1, m2));
    m = op_view(g, m, DIMS(N, groups, H, W));
    return op_gate(g, x, m);
}

/* For n = C/g: 1x1 and 3x3 convolutions 10 n^2, biases and norm 4 n. */
static double ema_weights(int channels, const void *settings)
{
    const EmaSettings *p = settings;
    const double n = channels / p->factor;

    return 10 * n * n + 4 * n;
}

/* Facts that the kernels of its op cannot see in its weights. */
static void ema_facts(ModuleFacts *facts, const Tensor *x, const void *settings)
{
    const EmaSettings *p = settings;

    (void)x;
    facts->groups = p->factor;
    facts->eps = EPS;
}

const Module ema_module = {
    .name = "ema",
    .title = "EMA",
    .paper = "Ouyang et al., ICASSP 2023, arXiv:2305.13563",
    .type = "Hybrid",
    .settings_size = sizeof(EmaSettings),
    .params = ema_params,
    .build = ema_build,
    .op = &ema_def,
    .facts = ema_facts,
    .gates = 1,
    .weights = ema_weights,
};
