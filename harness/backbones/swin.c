/*
 * swin.c - Swin-T
 *
 * Paper:  Z. Liu, Y. Lin, Y. Cao, H. Hu, Y. Wei, Z. Zhang, S. Lin, B. Guo,
 *         "Swin Transformer: Hierarchical Vision Transformer using Shifted
 *         Windows", ICCV 2021, arXiv:2103.14030.
 *
 *     x (N,3,224,224) --4x4/4, norm--> (N,96,56,56)
 *       --layers.0--> (N,96,56,56)   --layers.1--> (N,192,28,28)
 *       --layers.2--> (N,384,14,14)  --layers.3--> (N,768,7,7)
 *       --norm, mean, fc--> (N,1000)
 *
 *     a block:  x = x + proj(W-MSA(qkv(norm1(x))))        eq. (3)
 *               x = x + fc2(GELU(fc1(norm2(x))))
 *     W-MSA:    attention within windows of 7x7, which every other block
 *               shifts by 3; with a relative position bias, eq. (4)
 *
 * Differs from the paper: nothing.  Weight names are timm's, which has the
 * merging of patches at the start of a stage, not at the end of the one before.
 *
 * A token is a position of a channels-last map, so that a linear layer of
 * tokens is one of the map's rows and a module sees a map.  The attention is
 * one op (op_window_attention), as frameworks have it.  The authors' code pads
 * maps that windows do not tile; here such inputs are refused.
 */
#include <stdio.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/backbones/layers.h"

enum {
    STAGES = 4,
    PATCH = 4,
    WIDTH = 96,      /* channels of the first stage                 */
    HEAD_WIDTH = 32, /* channels of a head                          */
    WINDOW = 7,
    SHIFT = WINDOW / 2,
    WHOLE = WINDOW * PATCH << (STAGES - 1), /* an input that windows tile */
    MLP = 4, /* the hidden layer's channels: four times as many */
};

static const double LN_EPS = 1e-5;

static Tensor *norm(Graph *g, Tensor *x, const char *name)
{
    Tensor *weight, *bias;

    if (!x)
        return NULL;
    graph_scope(g, "%s", name);
    weight = graph_weight(g, "weight", DIMS(x->dim[1]));
    bias = graph_weight(g, "bias", DIMS(x->dim[1]));
    x = op_layer_norm(g, x, weight, bias, LN_EPS);
    graph_end_scope(g);
    return x;
}

static Tensor *patch_embed(Graph *g, Tensor *x)
{
    const Conv2dAttr attr = { .stride = PATCH };
    Tensor *weight, *bias;

    if (!x)
        return NULL;
    if (x->dim[2] % WHOLE || x->dim[3] % WHOLE)
        return graph_fail(g,
                          "swin_t: windows of 7x7 do not tile the maps of an "
                          "input of %dx%d: choose multiples of %d",
                          x->dim[2], x->dim[3], WHOLE);
    graph_scope(g, "patch_embed");
    graph_scope(g, "proj");
    weight = graph_weight(g, "weight", DIMS(WIDTH, x->dim[1], PATCH, PATCH));
    bias = graph_weight(g, "bias", DIMS(WIDTH));
    x = op_conv2d(g, x, weight, bias, &attr);
    graph_end_scope(g);
    x = norm(g, x, "norm");
    graph_end_scope(g);
    return x;
}

/* Along an axis: a map that is one window is not shifted. */
static int shift_of(int size, bool shifted)
{
    return shifted && size > WINDOW ? SHIFT : 0;
}

static Tensor *attention(Graph *g, Tensor *x, bool shifted)
{
    WindowAttentionAttr attr;
    WindowAttr *w = &attr.window;
    Tensor *table;
    int C;

    if (!x)
        return NULL;
    C = x->dim[1];
    attr.heads = C / HEAD_WIDTH;
    w->map_h = x->dim[2];
    w->map_w = x->dim[3];
    w->h = WINDOW;
    w->w = WINDOW;
    w->shift_h = shift_of(w->map_h, shifted);
    w->shift_w = shift_of(w->map_w, shifted);
    graph_scope(g, "attn");
    table = graph_weight(g, "relative_position_bias_table",
                         DIMS((2 * w->h - 1) * (2 * w->w - 1), attr.heads));
    x = layer_linear(g, x, "qkv", 3 * C);
    x = op_window_attention(g, x, table, &attr);
    x = layer_linear(g, x, "proj", C);
    graph_end_scope(g);
    return x;
}

static Tensor *mlp(Graph *g, Tensor *x)
{
    const int C = x ? x->dim[1] : 0;

    graph_scope(g, "mlp");
    x = layer_linear(g, x, "fc1", MLP * C);
    x = layer(g, x, "act", op_gelu);
    x = layer_linear(g, x, "fc2", C);
    graph_end_scope(g);
    return x;
}

static Tensor *block(Graph *g, Tensor *x, const Plug *plug, int stage,
                     bool shifted)
{
    x = op_add(g, x, attention(g, norm(g, x, "norm1"), shifted));
    if (plug->position == POSITION_MID)
        x = plug_in(g, x, plug, "attn_plug", stage);
    x = op_add(g, x, mlp(g, norm(g, x, "norm2")));
    if (plug->position == POSITION_OUT)
        x = plug_in(g, x, plug, "attn_plug", stage);
    return x;
}

/* The projection has no bias. */
static Tensor *downsample(Graph *g, Tensor *x)
{
    Tensor *weight;

    graph_scope(g, "downsample");
    x = norm(g, op_patch_merge(g, x), "norm");
    if (x) {
        weight =
            graph_weight(g, "reduction.weight", DIMS(x->dim[1] / 2, x->dim[1]));
        x = op_linear(g, x, weight, NULL);
    }
    graph_end_scope(g);
    return x;
}

static Tensor *classifier(Graph *g, Tensor *x, const Plug *plug)
{
    x = norm(g, x, "norm");
    graph_scope(g, "head");
    x = layer_global_pool(g, x);
    x = plug_classifier(g, x, plug, "fc");
    graph_end_scope(g);
    return x;
}

static Tensor *swin_t(Graph *g, Tensor *x, Form form, const Plug *plug,
                      Tensor *stage[4])
{
    static const int blocks[STAGES] = { 2, 2, 6, 2 };

    (void)form;
    x = patch_embed(g, x);
    for (int s = 0; s < STAGES; s++) {
        graph_scope(g, "layers.%d", s);
        if (s > 0)
            x = downsample(g, x);
        for (int i = 0; i < blocks[s]; i++) {
            graph_scope(g, "blocks.%d", i);
            x = block(g, x, plug, s, i % 2 == 1);
            graph_end_scope(g);
        }
        graph_end_scope(g);
        stage[s] = x;
    }
    return classifier(g, x, plug);
}

/* The authors' files, and timm's before 2023: patches are merged at the end of
 * a stage, and the classifier stands right in the head. */
static void older_name(char older[MAX_NAME], const char *name)
{
    int stage, rest = 0;

    if (sscanf(name, "layers.%d.downsample.%n", &stage, &rest) == 1 && rest)
        snprintf(older, MAX_NAME, "layers.%d.downsample.%s", stage - 1,
                 name + rest);
    else if (name_in_scope(name, "head.fc"))
        snprintf(older, MAX_NAME, "head%s", name + strlen("head.fc"));
    else
        snprintf(older, MAX_NAME, "%s", name);
}

const Backbone swin_t_backbone = {
    .name = "swin_t",
    .title = "Swin-T",
    .paper = "Liu et al., ICCV 2021, arXiv:2103.14030",
    .channels = 3,
    .height = 224,
    .width = 224,
    .classifier = "head.fc",
    .where = {
        [POSITION_MID] = "after the attention's shortcut, before norm2",
        [POSITION_OUT] = "on the block's output",
    },
    .usual = position_out,
    .build = swin_t,
    .older = older_name,
};
