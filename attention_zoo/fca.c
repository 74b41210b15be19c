/*
 * fca.c - Frequency Channel Attention
 *
 * Paper:  Z. Qin, P. Zhang, F. Wu, X. Li, "FcaNet: Frequency Channel Attention
 *         Networks", ICCV 2021, arXiv:2012.11879.
 *
 * Idea:   a mean is the lowest frequency of a discrete cosine transform, so SE
 *         throws all others away.  Here the channels form 16 groups, each
 *         squeezed by another frequency: the 16 that served best one by one.
 *
 *         x (N,C,H,W) --to dct_h x dct_w--> --DCT-weighted sum--> z (N,C)
 *                     --fc,relu,fc,sigmoid--> s (N,C)
 *         y = x * s
 *
 * Differs from the paper: nothing (top16 frequencies, layers without bias).
 *
 * Easily got wrong: the frequencies are chosen on a 7x7 grid and multiplied by
 * dct_h / 7 and dct_w / 7, rounded down; a map of another size is first
 * average-pooled to dct_h x dct_w; the sum is not divided by the map's area.
 */
#include "attention_zoo/zoo.h"

enum { GRID = 7, FREQUENCIES = 16, STAGE1 = 56 };

/* The 16 best of the 49 frequencies of the grid, best first. */
static const DctPoolAttr top16 = {
    .n = FREQUENCIES,
    .u = { 0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2 },
    .v = { 0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2 },
};

typedef struct FcaSettings {
    int reduction;
    int dct_h, dct_w;
} FcaSettings;

static const Param fca_params[] = {
    PARAM_INT(FcaSettings, reduction, 16, 1, 1024,
              "r: C/r is the width of the bottleneck"),
    PARAM_INT(FcaSettings, dct_h, 0, 0, 1024,
              "height of the transform; 0: of the stage in a backbone (56, "
              "28, 14, 7), else the map's"),
    PARAM_INT(FcaSettings, dct_w, 0, 0, 1024,
              "width of the transform, likewise"),
    PARAM_END,
};

/* The size of the transform, and the frequencies at it. */
static void transform_of(ModuleFacts *t, const Tensor *x, const FcaSettings *p)
{
    t->pool_h = p->dct_h ? p->dct_h : x->dim[2];
    t->pool_w = p->dct_w ? p->dct_w : x->dim[3];
    t->dct = top16;
    for (int i = 0; i < FREQUENCIES; i++) {
        t->dct.u[i] *= t->pool_h / GRID;
        t->dct.v[i] *= t->pool_w / GRID;
    }
}

static Tensor *fca_build(Graph *g, Tensor *x, const void *settings)
{
    const FcaSettings *p = settings;
    const int C = x->dim[1], H = x->dim[2], W = x->dim[3], r = p->reduction;
    Tensor *w1, *w2, *z, *s;
    ModuleFacts t;

    if (!zoo_multiple(g, "fca", C, FREQUENCIES) ||
        !zoo_divides(g, "fca: reduction", r, C))
        return NULL;
    transform_of(&t, x, p);
    if (t.pool_h < GRID || t.pool_w < GRID)
        return graph_fail(g,
                          "fca: dct_h=%d, dct_w=%d must be at least 7: the "
                          "frequencies are of a 7x7 grid",
                          t.pool_h, t.pool_w);

    w1 = graph_weight(g, "fc.0.weight", DIMS(C / r, C));
    w2 = graph_weight(g, "fc.2.weight", DIMS(C, C / r));

    z = x;
    if (H != t.pool_h || W != t.pool_w)
        z = op_adaptive_avg_pool2d(g, x, t.pool_h, t.pool_w);
    z = op_dct_pool(g, z, &t.dct); /* the squeeze */
    s = op_relu(g, op_linear(g, z, w1, NULL));
    s = op_sigmoid(g, op_linear(g, s, w2, NULL));
    return op_gate(g, x, s);
}

/* As SE: 2 C^2 / r; the transform is computed, not learned. */
static double fca_weights(int channels, const void *settings)
{
    const FcaSettings *p = settings;

    return 2.0 * channels * channels / p->reduction;
}

static void fca_at_stage(void *settings, int stage)
{
    FcaSettings *p = settings;

    if (!p->dct_h)
        p->dct_h = STAGE1 >> stage;
    if (!p->dct_w)
        p->dct_w = STAGE1 >> stage;
}

static void fca_facts(ModuleFacts *facts, const Tensor *x, const void *settings)
{
    transform_of(facts, x, settings);
}

const Module fca_module = {
    .name = "fca",
    .title = "FCA",
    .paper = "Qin et al., ICCV 2021, arXiv:2012.11879",
    .type = "Channel",
    .on_output = true,
    .settings_size = sizeof(FcaSettings),
    .params = fca_params,
    .build = fca_build,
    .op = &fca_def,
    .facts = fca_facts,
    .gates = 1,
    .weights = fca_weights,
    .at_stage = fca_at_stage,
};
