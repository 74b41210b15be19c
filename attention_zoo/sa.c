/*
 * sa.c - Shuffle Attention
 *
 * Paper:  Q.-L. Zhang, Y.-B. Yang, "SA-Net: Shuffle Attention for Deep
 *         Convolutional Neural Networks", ICASSP 2021, arXiv:2102.00240.
 *         Equations are numbered as there.
 *
 * Idea:   in each of G groups, half of the channels are gated by their mean
 *         over the map, half by where they stand out from it; a shuffle then
 *         lets the halves meet.  n = C/2G numbers of each kind serve all
 *         groups.
 *
 *         x (N,C,H,W), a group at a time: a (n,H,W) and b (n,H,W)
 *         a' = a * sigmoid(c_w mean(a) + c_b)
 *         b' = b * sigmoid(s_w GN(b) + s_b)
 *         y = shuffle of all a', b'
 *
 * Differs from the paper: nothing.  The authors fold the groups into the
 * batch; channels last, the same is a view: (N,C,HW) is (N,C/G,HW,G), in which
 * a group is a position, and half of its channels is a slice.
 *
 * Easily got wrong: the group norm has one group a channel, so it is an
 * instance norm; the shuffle is of two groups of C/2, not of G.
 */
#include "attention_zoo/zoo.h"

static const double EPS = 1e-5; /* of the norm */

typedef struct SaSettings {
    int group_num;
} SaSettings;

static const Param sa_params[] = {
    PARAM_INT(SaSettings, group_num, 64, 1, 1024,
              "G: groups of channels, each split in two halves"),
    PARAM_END,
};

/* True if each group has two equal halves; else says which G would do. */
static bool has_groups(Graph *g, int G, int C)
{
    int fits = G;

    while (C % (2 * fits))
        fits--;
    if (fits != G)
        graph_fail(g,
                   "sa: group_num=%d needs channels divisible by %d, got %d: "
                   "group_num=%d would do",
                   G, 2 * G, C, fits);
    return fits == G;
}

static Tensor *sa_build(Graph *g, Tensor *x, const void *settings)
{
    const SaSettings *p = settings;
    const int N = x->dim[0], C = x->dim[1], H = x->dim[2], W = x->dim[3];
    const int G = p->group_num, n = C / (2 * G);
    Tensor *c_w, *c_b, *s_w, *s_b, *weight, *bias, *a, *b, *s, *y;

    if (!zoo_multiple(g, "sa", C, 2) || !has_groups(g, G, C))
        return NULL;

    c_w = graph_weight(g, "c_w", DIMS(1, n, 1, 1));
    c_b = graph_weight(g, "c_b", DIMS(1, n, 1, 1));
    s_w = graph_weight(g, "s_w", DIMS(1, n, 1, 1));
    s_b = graph_weight(g, "s_b", DIMS(1, n, 1, 1));
    weight = graph_weight(g, "gn.weight", DIMS(n));
    bias = graph_weight(g, "gn.bias", DIMS(n));

    x = op_view(g, x, DIMS(N, 2 * n, H * W, G));
    a = op_slice(g, x, 1, 0, n);
    b = op_slice(g, x, 1, n, n);

    a = op_view(g, a, DIMS(N, n * G, H * W));
    s = op_global_avg_pool(g, a, SQUEEZE_MEAN); /* eq. (1) */
    s = op_view(g, s, DIMS(N, n, G, 1));
    s = op_sigmoid(g, op_add(g, op_mul(g, s, c_w), c_b));
    a = op_gate(g, a, op_view(g, s, DIMS(N, n * G))); /* eq. (2) */

    b = op_view(g, b, DIMS(N, n * G, H * W));
    s = op_group_norm(g, b, weight, bias, n * G, EPS);
    s = op_view(g, s, DIMS(N, n, H * W, G));
    s = op_sigmoid(g, op_add(g, op_mul(g, s, s_w), s_b));
    b = op_gate(g, b, op_view(g, s, DIMS(N, n * G, H * W))); /* eq. (3) */

    a = op_view(g, a, DIMS(N, n, H * W, G));
    b = op_view(g, b, DIMS(N, n, H * W, G));
    y = op_concat(g, 1, 2, (Tensor *[]){ a, b });
    return op_channel_shuffle(g, op_view(g, y, DIMS(N, C, H, W)), 2);
}

/* Six numbers for each of the n = C/2G channels that all groups share. */
static double sa_weights(int channels, const void *settings)
{
    const SaSettings *p = settings;

    return 3.0 * channels / p->group_num;
}

/* Facts that the kernels of its op cannot see in its weights. */
static void sa_facts(ModuleFacts *facts, const Tensor *x, const void *settings)
{
    const SaSettings *p = settings;

    (void)x;
    facts->groups = p->group_num;
    facts->eps = EPS;
}

const Module sa_module = {
    .name = "sa",
    .title = "SA",
    .paper = "Zhang and Yang, ICASSP 2021, arXiv:2102.00240",
    .type = "Hybrid",
    .on_output = true,
    .settings_size = sizeof(SaSettings),
    .params = sa_params,
    .build = sa_build,
    .op = &sa_def,
    .facts = sa_facts,
    .gates = 1,
    .weights = sa_weights,
};
