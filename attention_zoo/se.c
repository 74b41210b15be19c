/*
 * se.c - Squeeze-and-Excitation
 *
 * Paper:  J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks",
 *         CVPR 2018, arXiv:1709.01507.  Equations are numbered as there.
 *
 * Idea:   one number per channel, from what the whole image shows: squeeze the
 *         map to its means, pass them through a bottleneck of two layers, and
 *         scale every channel by what comes out.
 *
 *             x (N,C,H,W) --mean--> z (N,C) --fc,relu,fc,sigmoid--> s (N,C)
 *             y = x * s
 *
 * Differs from the paper: nothing.  Biases are left out, as in eq. (3).
 */
#include "attention_zoo/zoo.h"

typedef struct SeSettings {
    int reduction;
} SeSettings;

static const Param se_params[] = {
    PARAM_INT(SeSettings, reduction, 16, 1, 1024,
              "r: C/r is the width of the bottleneck (section 3.2)"),
    PARAM_END,
};

static Tensor *se_build(Graph *g, Tensor *x, const void *settings)
{
    const SeSettings *p = settings;
    const int C = x->dim[1], r = p->reduction;
    Tensor *w1, *w2, *z, *s;

    if (!zoo_divides(g, "se: reduction", r, C))
        return NULL;

    w1 = graph_weight(g, "fc.0.weight", DIMS(C / r, C));
    w2 = graph_weight(g, "fc.2.weight", DIMS(C, C / r));

    z = op_global_avg_pool(g, x, SQUEEZE_ADAPTIVE); /* eq. (2) squeeze */
    s = op_relu(g, op_linear(g, z, w1, NULL));      /* eq. (3) excite  */
    s = op_sigmoid(g, op_linear(g, s, w2, NULL));
    return op_gate(g, x, s); /* eq. (4) scale   */
}

/* Eq. (5) for one block: 2 C^2 / r. */
static double se_weights(int channels, const void *settings)
{
    const SeSettings *p = settings;

    return 2.0 * channels * channels / p->reduction;
}

const Module se_module = {
    .name = "se",
    .title = "SE",
    .paper = "Hu et al., CVPR 2018, arXiv:1709.01507",
    .type = "Channel",
    .on_output = true,
    .settings_size = sizeof(SeSettings),
    .params = se_params,
    .build = se_build,
    .op = &se_def,
    .gates = 1,
    .weights = se_weights,
};
