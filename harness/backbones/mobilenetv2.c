/*
 * mobilenetv2.c - MobileNetV2
 *
 * Paper:  M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen,
 *         "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
 *         arXiv:1801.04381.
 *
 * Idea:   a block is thin outside and wide inside, where each channel has a
 *         filter of its own; what it puts out has no activation.
 *
 *     x (N,C,H,W) --1x1, bn, relu6--> (N,6C,H,W)
 *                 --3x3/s a channel, bn, relu6--> (N,6C,H/s,W/s)
 *                 --1x1, bn--> (N,width,H/s,W/s)  (+ x where shapes agree)
 *
 * Differs from the paper: nothing.  In the first block, which expands nothing,
 * the first 1x1 is left out, as in the paper's code, and layers are numbered
 * accordingly.  Names of weights are timm's.
 */
#include "harness/backbones/backbones.h"
#include "harness/backbones/layers.h"

enum { STEM = 32, HEAD = 1280 };

/* Table 2: t, c, n, s; and the stage, of four, that a row belongs to. */
typedef struct Row {
    int expansion, width, blocks, stride;
    int stage;
} Row;

static const Row rows[] = {
    { 1, 16, 1, 1, 0 },  { 6, 24, 2, 2, 0 }, { 6, 32, 3, 2, 1 },
    { 6, 64, 4, 2, 2 },  { 6, 96, 3, 1, 2 }, { 6, 160, 3, 2, 3 },
    { 6, 320, 1, 1, 3 },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* A convolution and its norm; with the activation inside the norm's scope. */
static Tensor *conv_bn(Graph *g, Tensor *x, const char *conv, const char *bn,
                       ConvShape shape)
{
    return layer_batch_norm(g, layer_conv(g, x, conv, shape), bn);
}

static Tensor *conv_bn_relu6(Graph *g, Tensor *x, const char *conv,
                             const char *bn, ConvShape shape)
{
    x = conv_bn(g, x, conv, bn, shape);
    graph_scope(g, "%s", bn);
    x = layer(g, x, "act", op_relu6);
    graph_end_scope(g);
    return x;
}

static Tensor *block(Graph *g, Tensor *x, const Plug *plug, const Row *row,
                     int stride)
{
    const bool wide = row->expansion > 1;
    Tensor *y = x;
    int hidden;

    if (!x)
        return NULL;
    hidden = row->expansion * x->dim[1];
    if (wide)
        y = conv_bn_relu6(g, y, "conv_pw", "bn1",
                          (ConvShape){ .width = hidden, .k = 1 });
    y = conv_bn_relu6(
        g, y, "conv_dw", wide ? "bn2" : "bn1",
        (ConvShape){
            .width = hidden, .k = 3, .stride = stride, .groups = hidden });
    if (plug->position == POSITION_MID)
        y = plug_in(g, y, plug, "attn", row->stage);
    y = conv_bn(g, y, wide ? "conv_pwl" : "conv_pw", wide ? "bn3" : "bn2",
                (ConvShape){ .width = row->width, .k = 1 });
    if (plug->position == POSITION_OUT)
        y = plug_in(g, y, plug, "attn", row->stage);
    if (stride == 1 && x->dim[1] == row->width)
        y = op_add(g, y, x);
    return y;
}

static Tensor *mobilenetv2(Graph *g, Tensor *x, Form form, const Plug *plug,
                           Tensor *stage[4])
{
    (void)form;
    x = conv_bn_relu6(g, x, "conv_stem", "bn1",
                      (ConvShape){ .width = STEM, .k = 3, .stride = 2 });
    for (int r = 0; r < ROWS; r++) {
        for (int i = 0; i < rows[r].blocks; i++) {
            graph_scope(g, "blocks.%d.%d", r, i);
            x = block(g, x, plug, &rows[r], i == 0 ? rows[r].stride : 1);
            graph_end_scope(g);
        }
        stage[rows[r].stage] = x; /* its last row's stays */
    }
    x = conv_bn_relu6(g, x, "conv_head", "bn2",
                      (ConvShape){ .width = HEAD, .k = 1 });
    return plug_classifier(g, layer_global_pool(g, x), plug, "classifier");
}

const Backbone mobilenetv2_100_backbone = {
    .name = "mobilenetv2_100",
    .title = "MobileNetV2-1.0",
    .paper = "Sandler et al., CVPR 2018, arXiv:1801.04381",
    .channels = 3,
    .height = 224,
    .width = 224,
    .classifier = "classifier",
    .where = { "after the depthwise conv-bn-ReLU6",
               "after the projection's bn, before the shortcut" },
    .usual = position_mid,
    .build = mobilenetv2,
};
