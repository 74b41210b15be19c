/*
 * scsa.c - Spatial and Channel Synergistic Attention
 *
 * Paper:  Y. Si, H. Xu, X. Zhu, W. Zhang, Y. Dong, Y. Chen, H. Li, "SCSA:
 *         Exploring the synergistic effects between spatial and channel
 *         attention", Neurocomputing 634 (2025) 129866, arXiv:2407.05128.
 *         Equations are numbered as there, symbols are the paper's.
 *
 * Idea:   look at rows and columns apart, in four groups of channels that see
 *         3, 5, 7 and 9 neighbours (SMSA); then let every channel ask every
 *         other how alike they are on a coarse map of what that left (PCSA).
 *         The first tells the second where to look.
 *
 *   SMSA  x (N,C,H,W) --mean over W--> (N,C,H) --split 4, dwconv 3 5 7 9,
 *                                       concat, GN4, sigmoid--> attn_h (N,C,H)
 *                     --mean over H--> (N,C,W) --the same convs,
 *                                       its own GN4, sigmoid--> attn_w (N,C,W)
 *         x_s = x * attn_h * attn_w
 *
 *   PCSA  x_s --avg pool 7x7--> x_p (N,C,H',W') --GN1, per-channel scales-->
 *         q, k, v (N,C,H'W')
 *         softmax(q k^T / sqrt C) (N,C,C) --times v, mean--> (N,C) --sigmoid
 *         y = x_s * that
 *
 * Differs from the paper, following the authors' code:
 *   - x_p is group-normalised (one group) before q, k and v are made;
 *   - the projections of eq. (9) are 1x1 depthwise, so one scale a channel,
 *     and have no bias;
 *   - the paper names a strip by the axis that was averaged away, the code (and
 *     this file) by the one that is left.
 *
 * Easily got wrong: the four convolutions are shared by the two axes, their
 * norms are not; the score matrix is channels by channels, so at 7x7 (H'W' = 1)
 * it has rank one; rows and columns beyond a multiple of 7 are left out of x_p.
 *
 * The variants of the paper's Table 1 are settings: scsa_settings.c says which
 * row is which, and how each was read.
 */
#include "attention_zoo/scsa_settings.h"

#include <math.h>
#include <string.h>

#include "kernels/ops/fused.h"

/* strip (N,C,L) -> the same, normalised. */
static Tensor *normalize(Graph *g, const Scsa *s, Tensor *const *norm,
                         Tensor *strip)
{
    const int K = s->is.group_kernel_sizes.n;
    const int groups = s->is.norm_groups ? s->is.norm_groups : K;

    switch (s->is.norm) {
    case NORM_GN:
        return op_group_norm(g, strip, norm[0], norm[1], groups, s->eps);
    case NORM_BN:
        return op_batch_norm(g, strip, norm[0], norm[1], norm[2], norm[3],
                             s->eps);
    case NORM_LN:
        return op_layer_norm(g, strip, norm[0], norm[1], s->eps);
    default:
        return strip;
    }
}

/* strip (N,C,L) -> (N,C,L): what each group's convolution makes of it. */
static Tensor *multi_semantic(Graph *g, const Scsa *s, const ScsaAxis *axis,
                              Tensor *strip)
{
    const int K = s->is.group_kernel_sizes.n;
    Tensor *part[K_MAX] = { strip };

    for (int i = 0; i < K && strip; i++) {
        const int n = strip->dim[1] / K;

        if (K > 1)
            part[i] = op_slice(g, strip, 1, i * n, n); /* (1) (2) */
        part[i] = op_dwconv1d(g, part[i], axis->dwc_weight[i],
                              axis->dwc_bias[i]); /* (3) (4) */
    }
    return K > 1 ? op_concat(g, 1, K, part) : part[0];
}

/* strip (N,C,L) -> how much each channel matters at each position (N,C,L). */
static Tensor *attention(Graph *g, const Scsa *s, const ScsaAxis *axis,
                         Tensor *strip)
{
    if (s->is.norm_position == NORM_BEFORE)
        strip = normalize(g, s, axis->norm, strip);
    strip = multi_semantic(g, s, axis, strip); /* (1) (3); (2) (4) */
    if (s->is.norm_position == NORM_AFTER)
        strip = normalize(g, s, axis->norm, strip); /* in (5); in (6) */
    return op_sigmoid(g, strip);                    /* eq. (5); eq. (6) */
}

/* Shareable Multi-Semantic Spatial Attention: x -> x_s, the same shape. */
static Tensor *smsa(Graph *g, const Scsa *s, Tensor *x)
{
    Tensor *x_h, *x_w, *attn_h, *attn_w;

    if (!x)
        return NULL;
    x_h = op_mean_w(g, x, SQUEEZE_MEAN);  /* (N,C,H) */
    x_w = op_mean_h(g, x, SQUEEZE_MEAN);  /* (N,C,W) */
    attn_h = attention(g, s, &s->h, x_h); /* (1) (3) (5) */
    attn_w = attention(g, s, &s->w, x_w); /* (2) (4) (6) */
    attn_w = op_view(g, attn_w, DIMS(x->dim[0], x->dim[1], 1, x->dim[3]));
    x = op_gate(g, x, attn_h);    /* eq. (7) */
    return op_gate(g, x, attn_w); /* eq. (7) */
}

/* Returns the number whose root divides the scores of eq. (11). */
static double spread(const ScsaSettings *p, const Tensor *x, const Tensor *x_p)
{
    switch (p->scale) {
    case SCALE_POOLED_MAP:
        return (double)x_p->dim[2] * x_p->dim[3];
    case SCALE_INPUT_MAP:
        return (double)x->dim[2] * x->dim[3];
    default:
        return (double)x->dim[1] / p->head_num;
    }
}

/* Progressive Channel-wise Self-Attention: x_s -> y, the same shape. */
static Tensor *pcsa(Graph *g, const Scsa *s, Tensor *x_s)
{
    const int window = s->is.window_size, heads = s->is.head_num;
    const MatmulAttr av = { .groups = heads, .strip = true };
    MatmulAttr qk = { .groups = heads, .trans_b = true };
    Conv2dAttr scales = { 0 };
    Tensor *x_p, *q, *k, *v, *a;

    if (window > 0)
        x_p = op_avg_pool2d(g, x_s, window, window); /* eq. (8) */
    else
        x_p = op_adaptive_avg_pool2d(g, x_s, 1, 1);
    if (!x_p)
        return NULL;
    scales.groups = x_s->dim[1];
    qk.scale = 1 / sqrt(spread(&s->is, x_s, x_p));
    x_p = op_group_norm(g, x_p, s->norm[0], s->norm[1], 1, s->eps);
    q = op_conv2d(g, x_p, s->q, NULL, &scales); /* eq. (9), (10) */
    k = op_conv2d(g, x_p, s->k, NULL, &scales); /* eq. (9), (10) */
    v = op_conv2d(g, x_p, s->v, NULL, &scales); /* eq. (9), (10) */
    a = op_matmul(g, q, k, &qk);                /* (N,heads,C/h,C/h) */
    a = op_softmax(g, a, 3);                    /* in eq. (11) */
    a = op_matmul(g, a, v, &av);                /* eq. (11) */
    if (s->is.shuffle)
        a = op_channel_shuffle(g, a, heads);
    a = op_global_avg_pool(g, a, SQUEEZE_MEAN); /* (N,C) */
    return op_gate(g, x_s, op_sigmoid(g, a));   /* eq. (12) */
}

static Tensor *scsa(Graph *g, const Scsa *s, Tensor *x)
{
    if (!s->is.pcsa)
        return smsa(g, s, x);
    if (!s->is.smsa)
        return pcsa(g, s, x);
    if (s->is.order == CHANNEL_FIRST)
        return smsa(g, s, pcsa(g, s, x));
    return pcsa(g, s, smsa(g, s, x)); /* eq. (13) */
}

static Tensor *scsa_build(Graph *g, Tensor *x, const void *settings)
{
    Scsa s;

    return scsa_prepare(&s, g, x, settings) ? scsa(g, &s, x) : NULL;
}

/* ---- as one op ----------------------------------------------------------- */

/* Where s has the op's sources, except x. */
static void find_sources(Scsa *s, Tensor **at[SCSA_SOURCES])
{
    for (int i = 0; i < K_MAX; i++) {
        at[SCSA_DWC_WEIGHT + i] = &s->h.dwc_weight[i];
        at[SCSA_DWC_BIAS + i] = &s->h.dwc_bias[i];
    }
    for (int i = 0; i < 2; i++) {
        at[SCSA_NORM_H + i] = &s->h.norm[i];
        at[SCSA_NORM_W + i] = &s->w.norm[i];
        at[SCSA_NORM + i] = &s->norm[i];
    }
    at[SCSA_Q] = &s->q;
    at[SCSA_K] = &s->k;
    at[SCSA_V] = &s->v;
}

static Tensor *compose(Graph *g, Tensor *const *src, const void *attr)
{
    const ScsaAttr *a = attr;
    Tensor **at[SCSA_SOURCES];
    Scsa s = { .eps = a->eps };

    param_defaults(scsa_params, &s.is);
    memcpy(s.is.group_kernel_sizes.at, a->k, sizeof(a->k));
    s.is.window_size = a->window;
    s.is.head_num = a->heads;
    find_sources(&s, at);
    for (int i = SCSA_X + 1; i < SCSA_SOURCES; i++)
        *at[i] = src[i];
    memcpy(s.w.dwc_weight, s.h.dwc_weight, sizeof(s.w.dwc_weight));
    memcpy(s.w.dwc_bias, s.h.dwc_bias, sizeof(s.w.dwc_bias));
    return scsa(g, &s, src[SCSA_X]);
}

const Op scsa_def = {
    .name = "scsa",
    .sources = SCSA_SOURCES,
    .attr_size = sizeof(ScsaAttr),
    .shape = fused_shape,
    .cost = fused_cost,
    .ref = fused_ref,
    .compose = compose,
    .tol_f32 = 3e-6,
};

static Tensor *scsa_fuse(Graph *g, Tensor *x, const void *settings)
{
    const ScsaSettings *p = settings;
    ScsaAttr attr = { .window = p->window_size, .heads = p->head_num };
    Tensor **at[SCSA_SOURCES], *src[SCSA_SOURCES] = { [SCSA_X] = x };
    Scsa s;

    if (!scsa_prepare(&s, g, x, p) || !scsa_has_op(g, p))
        return NULL;
    find_sources(&s, at);
    for (int i = SCSA_X + 1; i < SCSA_SOURCES; i++)
        src[i] = *at[i];
    memcpy(attr.k, p->group_kernel_sizes.at, sizeof(attr.k));
    attr.eps = s.eps;
    return graph_apply(g, &scsa_def, &attr, src);
}

const Module scsa_module = {
    .name = "scsa",
    .title = "SCSA",
    .paper = "Si et al., Neurocomputing 634 (2025) 129866, arXiv:2407.05128",
    .type = "Hybrid",
    .settings_size = sizeof(ScsaSettings),
    .params = scsa_params,
    .build = scsa_build,
    .fuse = scsa_fuse,
    .gates = 3,
    .weights = scsa_weights,
};
