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
 */
#include <math.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "kernels/core/err.h"
#include "kernels/ops/fused.h"

enum { K = 4 };                 /* groups of channels, eq. (1) and (2) */
static const double EPS = 1e-5; /* of all three norms */

typedef struct ScsaSettings {
    ParamInts group_kernel_sizes;
    int window_size;
    int head_num;
} ScsaSettings;

static const Param scsa_params[] = {
    PARAM_INTS(ScsaSettings, group_kernel_sizes, "3,5,7,9", 1, 255,
               "k_i: what each quarter of the channels sees; 4 odd numbers"),
    PARAM_INT(ScsaSettings, window_size, 7, -1, 1024,
              "window of the pooling in eq. (8); -1 pools the whole map"),
    PARAM_INT(ScsaSettings, head_num, 1, 1, 1024,
              "heads of the channel attention in eq. (11)"),
    PARAM_END,
};

/* strip (N,C,L) -> (N,C,L): what each quarter's convolution makes of it. */
static Tensor *multi_semantic(Graph *g, Tensor *strip, Tensor *const *weight,
                              Tensor *const *bias)
{
    Tensor *part[K];

    for (int i = 0; i < K && strip; i++) {
        const int quarter = strip->dim[1] / K;

        part[i] = op_slice(g, strip, 1, i * quarter, quarter); /* (1) (2) */
        part[i] = op_dwconv1d(g, part[i], weight[i], bias[i]); /* (3) (4) */
    }
    return strip ? op_concat(g, 1, K, part) : NULL;
}

/* Shareable Multi-Semantic Spatial Attention: x -> x_s, the same shape. */
static Tensor *smsa(Graph *g, Tensor *const *src, double eps)
{
    Tensor *x = src[SCSA_X], *x_h, *x_w, *attn_h, *attn_w;
    Tensor *const *weight = src + SCSA_DWC_WEIGHT, *const *bias =
                                                       src + SCSA_DWC_BIAS;
    Tensor *const *norm_h = src + SCSA_NORM_H, *const *norm_w =
                                                   src + SCSA_NORM_W;
    const int N = x->dim[0], C = x->dim[1], W = x->dim[3];

    x_h = op_mean_w(g, x, SQUEEZE_MEAN);                       /* (N,C,H) */
    x_w = op_mean_h(g, x, SQUEEZE_MEAN);                       /* (N,C,W) */
    x_h = multi_semantic(g, x_h, weight, bias);                /* (1) (3) */
    x_w = multi_semantic(g, x_w, weight, bias);                /* (2) (4) */
    x_h = op_group_norm(g, x_h, norm_h[0], norm_h[1], K, eps); /* in (5) */
    x_w = op_group_norm(g, x_w, norm_w[0], norm_w[1], K, eps); /* in (6) */
    attn_h = op_sigmoid(g, x_h);                               /* eq. (5) */
    attn_w = op_sigmoid(g, x_w);                               /* eq. (6) */
    attn_w = op_view(g, attn_w, DIMS(N, C, 1, W)); /* one a column */
    x = op_mul(g, x, attn_h);                      /* eq. (7) */
    return op_mul(g, x, attn_w);                   /* eq. (7) */
}

/* Progressive Channel-wise Self-Attention: x_s -> y, the same shape. */
static Tensor *pcsa(Graph *g, Tensor *x_s, Tensor *const *src,
                    const ScsaAttr *p)
{
    const int C = src[SCSA_X]->dim[1], window = p->window;
    const Conv2dAttr scales = { .groups = C };
    const MatmulAttr qk = { .groups = p->heads,
                            .trans_b = true,
                            .scale = 1 / sqrt((double)C / p->heads) };
    const MatmulAttr av = { .groups = p->heads, .strip = true };
    Tensor *const *norm = src + SCSA_NORM;
    Tensor *x_p, *q, *k, *v, *a;

    if (window > 0)
        x_p = op_avg_pool2d(g, x_s, window, window); /* eq. (8) */
    else
        x_p = op_adaptive_avg_pool2d(g, x_s, 1, 1);
    x_p = op_group_norm(g, x_p, norm[0], norm[1], 1, p->eps); /* code only */
    q = op_conv2d(g, x_p, src[SCSA_Q], NULL, &scales); /* eq. (9), (10) */
    k = op_conv2d(g, x_p, src[SCSA_K], NULL, &scales); /* eq. (9), (10) */
    v = op_conv2d(g, x_p, src[SCSA_V], NULL, &scales); /* eq. (9), (10) */
    a = op_matmul(g, q, k, &qk);                       /* (N,heads,C/h,C/h) */
    a = op_softmax(g, a, 3);                           /* in eq. (11) */
    a = op_matmul(g, a, v, &av);                       /* eq. (11) */
    a = op_global_avg_pool(g, a, SQUEEZE_MEAN);        /* (N,C) */
    return op_mul(g, x_s, op_sigmoid(g, a));           /* eq. (12) */
}

static Tensor *compose(Graph *g, Tensor *const *src, const void *attr)
{
    const ScsaAttr *p = attr;

    return pcsa(g, smsa(g, src, p->eps), src, p); /* eq. (13) */
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

/* What SCSA cannot take; false after graph_fail. */
static bool check(Graph *g, const Tensor *x, const ScsaSettings *p)
{
    const ParamInts *k = &p->group_kernel_sizes;
    const int C = x->dim[1], H = x->dim[2], W = x->dim[3];

    if (C % K)
        graph_fail(g, "scsa: channels=%d is not divisible by 4", C);
    if (k->n != K)
        graph_fail(g, "scsa: group_kernel_sizes wants 4 sizes, got %d", k->n);
    for (int i = 0; i < k->n; i++)
        if (k->at[i] % 2 == 0)
            graph_fail(g, "scsa: group_kernel_sizes must be odd, got %d",
                       k->at[i]);
    if (p->window_size == 0)
        graph_fail(g, "scsa: window_size=0 must be positive, or -1");
    if (p->window_size > H || p->window_size > W)
        graph_fail(g,
                   "scsa: window_size=%d needs a map of at least %dx%d, got "
                   "%dx%d",
                   p->window_size, p->window_size, p->window_size, H, W);
    if (C % p->head_num)
        graph_fail(g, "scsa: head_num=%d does not divide channels=%d",
                   p->head_num, C);
    return graph_error(g) == OK;
}

/* The weights, under the names of the authors' code. */
static void make_sources(Graph *g, Tensor *x, const int *k, Tensor **src)
{
    static const char *const dwc[K] = { "local_dwc", "global_dwc_s",
                                        "global_dwc_m", "global_dwc_l" };
    static const char *const norm[3] = { "norm_h", "norm_w", "norm" };
    const int C = x->dim[1];

    src[SCSA_X] = x;
    for (int i = 0; i < K; i++) {
        graph_scope(g, "%s", dwc[i]);
        src[SCSA_DWC_WEIGHT + i] =
            graph_weight(g, "weight", DIMS(C / K, 1, k[i]));
        src[SCSA_DWC_BIAS + i] = graph_weight(g, "bias", DIMS(C / K));
        graph_end_scope(g);
    }
    for (int i = 0; i < 3; i++) {
        graph_scope(g, "%s", norm[i]);
        src[SCSA_NORM_H + 2 * i] = graph_weight(g, "weight", DIMS(C));
        src[SCSA_NORM_H + 2 * i + 1] = graph_weight(g, "bias", DIMS(C));
        graph_end_scope(g);
    }
    src[SCSA_Q] = graph_weight(g, "q.weight", DIMS(C, 1, 1, 1));
    src[SCSA_K] = graph_weight(g, "k.weight", DIMS(C, 1, 1, 1));
    src[SCSA_V] = graph_weight(g, "v.weight", DIMS(C, 1, 1, 1));
}

static bool prepare(Graph *g, Tensor *x, const ScsaSettings *p, Tensor **src,
                    ScsaAttr *attr)
{
    if (!check(g, x, p))
        return false;
    make_sources(g, x, p->group_kernel_sizes.at, src);
    *attr = (ScsaAttr){ .window = p->window_size,
                        .heads = p->head_num,
                        .eps = EPS };
    memcpy(attr->k, p->group_kernel_sizes.at, sizeof(attr->k));
    return true;
}

static Tensor *scsa_build(Graph *g, Tensor *x, const void *settings)
{
    Tensor *src[SCSA_SOURCES];
    ScsaAttr attr;

    return prepare(g, x, settings, src, &attr) ? compose(g, src, &attr) : NULL;
}

static Tensor *scsa_fuse(Graph *g, Tensor *x, const void *settings)
{
    Tensor *src[SCSA_SOURCES];
    ScsaAttr attr;

    return prepare(g, x, settings, src, &attr)
               ? graph_apply(g, &scsa_def, &attr, src)
               : NULL;
}

/* Convolutions C/4 (k_i + 1), the three norms 6 C, the scales q, k, v 3 C. */
static double scsa_weights(int channels, const void *settings)
{
    const ParamInts *k = &((const ScsaSettings *)settings)->group_kernel_sizes;
    const double C = channels;
    double n = 9 * C;

    for (int i = 0; i < k->n; i++)
        n += C / K * (k->at[i] + 1);
    return n;
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
    .weights = scsa_weights,
};
