/*
 * scsa_settings.c - the variants of SCSA: Table 1 of its paper as settings
 *
 * The authors' code has few of them, and the paper a line each.  What that
 * leaves open was decided as below; where another reading is as likely, it is
 * a setting too.  Equations and citation are in scsa.c.
 *
 *   w/o SMSA              smsa=off: PCSA alone, on x.
 *   w/o PCSA              pcsa=off: SMSA alone.
 *   PCSA Prior            order=channel_first: y = SMSA(PCSA(x)).
 *   GN Prior              norm_position=before: the strips are normalised, then
 *                         split and convolved.  Not x itself: that would be one
 *                         norm, with half the weights.
 *   w/o Normalization     norm=none, of the strips.  PCSA keeps its own norm,
 *                         here and below.
 *   GN->BN                norm=bn: one for each axis, over C channels.
 *   GN->LN                norm=ln: over the channels of each position ("along
 *                         the channel dimension").  norm_groups=1 is the other
 *                         reading: over channels and positions.
 *   w/o PC                window_size=-1: the map becomes one mean.  The other
 *                         reading, attention over all pixels, is window_size=1.
 *   Multi-head + Shuffle  head_num=4 shuffle=on.  The paper does not say how
 *                         many heads: as many as SMSA has groups.  What the
 *                         heads answer is interleaved, before the mean.
 *   Shared->Unshared      shared=off: convolutions NAME_h and NAME_w, as the
 *                         norms are called.
 *   sqrt(C)->sqrt(H*W)    scale=pooled_map, the H'W' products that a score
 *                         sums.  scale=input_map is the other reading.
 *   G1(3), G1(7), G2(3,7) group_kernel_sizes=3, 7, or 3,7, under the first of
 *                         the four names.  The norm has as many groups as there
 *                         are sizes; norm_groups=4 keeps the four.
 */
#include "attention_zoo/scsa_settings.h"

#include "kernels/core/err.h"

static const double EPS = 1e-5;

CHOICES(off_on, "off", "on")
CHOICES(order, "spatial_first", "channel_first")
CHOICES(norm, "gn", "bn", "ln", "none")
CHOICES(norm_position, "after", "before")
CHOICES(scale, "channels", "pooled_map", "input_map")

const Param scsa_params[] = {
    PARAM_CHOICE(ScsaSettings, smsa, "on", off_on_choice,
                 "the spatial half, eq. (1) to (7)"),
    PARAM_CHOICE(ScsaSettings, pcsa, "on", off_on_choice,
                 "the channel half, eq. (8) to (12)"),
    PARAM_CHOICE(ScsaSettings, order, "spatial_first", order_choice,
                 "which half sees x; the other sees what that half left"),
    PARAM_INTS(ScsaSettings, group_kernel_sizes, "3,5,7,9", 1, 255,
               "k_i: what each group of channels sees; 1 to 4 odd numbers"),
    PARAM_CHOICE(ScsaSettings, shared, "on", off_on_choice,
                 "rows and columns have the same convolutions"),
    PARAM_CHOICE(ScsaSettings, norm, "gn", norm_choice,
                 "of rows and columns: group, batch or layer norm"),
    PARAM_INT(ScsaSettings, norm_groups, 0, 0, 65536,
              "groups of norm=gn; 0: as many as group_kernel_sizes"),
    PARAM_CHOICE(ScsaSettings, norm_position, "after", norm_position_choice,
                 "after or before the convolutions"),
    PARAM_INT(ScsaSettings, window_size, 7, -1, 1024,
              "window of the pooling in eq. (8); -1 pools the whole map"),
    PARAM_INT(ScsaSettings, head_num, 1, 1, 1024,
              "heads of the channel attention in eq. (11)"),
    PARAM_CHOICE(ScsaSettings, shuffle, "off", off_on_choice,
                 "the channels of the heads are interleaved after eq. (11)"),
    PARAM_CHOICE(ScsaSettings, scale, "channels", scale_choice,
                 "scores are divided by the root of: a head's channels, the "
                 "pooled map's H'W', the input's HW"),
    PARAM_END,
};

/* ---- what cannot be ------------------------------------------------------ */

/* graph_fail if one of these is set: there, it is a setting of nothing. */
static void want_unset(Graph *g, const ScsaSettings *p, const char *where,
                       const char *const *names)
{
    char text[PARAM_TEXT_MAX];

    for (; *names; names++) {
        const Param *param = param_find(scsa_params, *names);

        if (!param_is_default(param, p))
            graph_fail(g, "scsa: %s=%s means nothing with %s", *names,
                       param_text(param, p, text), where);
    }
}

static void check_sense(Graph *g, const ScsaSettings *p)
{
    static const char *const of_smsa[] = { "order",       "group_kernel_sizes",
                                           "shared",      "norm",
                                           "norm_groups", "norm_position",
                                           NULL };
    static const char *const of_pcsa[] = { "order",   "window_size", "head_num",
                                           "shuffle", "scale",       NULL };

    if (!p->smsa && !p->pcsa)
        graph_fail(g, "scsa: smsa=off and pcsa=off leave nothing of it");
    if (!p->smsa)
        want_unset(g, p, "smsa=off", of_smsa);
    if (!p->pcsa)
        want_unset(g, p, "pcsa=off", of_pcsa);
    if (p->norm != NORM_GN && p->norm_groups)
        graph_fail(g, "scsa: norm_groups=%d wants norm=gn, got norm=%s",
                   p->norm_groups, norm_choice(p->norm));
    if (p->norm == NORM_NONE && p->norm_position == NORM_BEFORE)
        graph_fail(g, "scsa: norm_position=before means nothing with "
                      "norm=none");
}

static void check_smsa(Graph *g, const Tensor *x, const ScsaSettings *p)
{
    const ParamInts *k = &p->group_kernel_sizes;
    const int C = x->dim[1];

    if (k->n > K_MAX)
        graph_fail(g, "scsa: group_kernel_sizes wants 1 to %d sizes, got %d",
                   K_MAX, k->n);
    zoo_multiple(g, "scsa", C, k->n);
    for (int i = 0; i < k->n; i++)
        if (k->at[i] % 2 == 0)
            graph_fail(g, "scsa: group_kernel_sizes must be odd, got %d",
                       k->at[i]);
    if (p->norm_groups)
        zoo_divides(g, "scsa: norm_groups", p->norm_groups, C);
}

static void check_pcsa(Graph *g, const Tensor *x, const ScsaSettings *p)
{
    const int C = x->dim[1], H = x->dim[2], W = x->dim[3];

    if (p->window_size == 0)
        graph_fail(g, "scsa: window_size=0 must be positive, or -1");
    if (p->window_size > H || p->window_size > W)
        graph_fail(g,
                   "scsa: window_size=%d needs a map of at least %dx%d, got "
                   "%dx%d: window_size=%d would do",
                   p->window_size, p->window_size, p->window_size, H, W,
                   H < W ? H : W);
    zoo_divides(g, "scsa: head_num", p->head_num, C);
}

/* ScsaAttr has four kernel sizes, a window and a number of heads. */
bool scsa_has_op(Graph *g, const ScsaSettings *p)
{
    ScsaSettings rest = *p;
    char text[PARAM_TEXT_MAX];

    rest.window_size = 7;
    rest.head_num = 1;
    if (p->group_kernel_sizes.n == K_MAX)
        param_set(param_find(scsa_params, "group_kernel_sizes"), &rest,
                  "3,5,7,9");
    for (const Param *param = scsa_params; param->name; param++)
        if (!param_is_default(param, &rest))
            graph_unsupported(g, "scsa: %s=%s has no impl=fused", param->name,
                              param_text(param, p, text));
    return graph_error(g) == OK;
}

/* ---- weights, under the names of the authors' code ----------------------- */

static void make_convolutions(Graph *g, int C, const ParamInts *k,
                              const char *suffix, ScsaAxis *axis)
{
    static const char *const names[K_MAX] = { "local_dwc", "global_dwc_s",
                                              "global_dwc_m", "global_dwc_l" };

    for (int i = 0; i < k->n; i++) {
        graph_scope(g, "%s%s", names[i], suffix);
        axis->dwc_weight[i] =
            graph_weight(g, "weight", DIMS(C / k->n, 1, k->at[i]));
        axis->dwc_bias[i] = graph_weight(g, "bias", DIMS(C / k->n));
        graph_end_scope(g);
    }
}

static void make_norm(Graph *g, int C, const char *name, int kind,
                      Tensor **norm)
{
    if (kind == NORM_NONE)
        return;
    graph_scope(g, "%s", name);
    norm[0] = graph_weight(g, "weight", DIMS(C));
    norm[1] = graph_weight(g, "bias", DIMS(C));
    if (kind == NORM_BN) {
        norm[2] = graph_buffer(g, "running_mean", DIMS(C));
        norm[3] = graph_buffer(g, "running_var", DIMS(C));
    }
    graph_end_scope(g);
}

static void make_smsa(Scsa *s, Graph *g, int C)
{
    const ScsaSettings *p = &s->is;
    const ParamInts *k = &p->group_kernel_sizes;

    make_convolutions(g, C, k, p->shared ? "" : "_h", &s->h);
    if (p->shared)
        s->w = s->h;
    else
        make_convolutions(g, C, k, "_w", &s->w);
    make_norm(g, C, "norm_h", p->norm, s->h.norm);
    make_norm(g, C, "norm_w", p->norm, s->w.norm);
}

static void make_pcsa(Scsa *s, Graph *g, int C)
{
    make_norm(g, C, "norm", NORM_GN, s->norm);
    s->q = graph_weight(g, "q.weight", DIMS(C, 1, 1, 1));
    s->k = graph_weight(g, "k.weight", DIMS(C, 1, 1, 1));
    s->v = graph_weight(g, "v.weight", DIMS(C, 1, 1, 1));
}

bool scsa_prepare(Scsa *s, Graph *g, const Tensor *x, const ScsaSettings *p)
{
    *s = (Scsa){ .is = *p, .eps = EPS };
    check_sense(g, p);
    if (p->smsa)
        check_smsa(g, x, p);
    if (p->pcsa)
        check_pcsa(g, x, p);
    if (graph_error(g))
        return false;
    if (p->smsa)
        make_smsa(s, g, x->dim[1]);
    if (p->pcsa)
        make_pcsa(s, g, x->dim[1]);
    return graph_error(g) == OK;
}

/* Convolutions C/K (k_i + 1), twice if unshared, and their norms 4 C; PCSA's
 * norm 2 C and the scales q, k, v 3 C. */
double scsa_weights(int channels, const void *settings)
{
    const ScsaSettings *p = settings;
    const ParamInts *k = &p->group_kernel_sizes;
    const double C = channels;
    double n = 0;

    for (int i = 0; i < k->n && p->smsa; i++)
        n += (p->shared ? 1 : 2) * C / k->n * (k->at[i] + 1);
    if (p->smsa && p->norm != NORM_NONE)
        n += 4 * C;
    if (p->pcsa)
        n += 5 * C;
    return n;
}
