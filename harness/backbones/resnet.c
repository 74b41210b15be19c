/*
 * resnet.c - ResNet-18, 34, 50 and 101
 *
 * Paper:  K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image
 *         Recognition", CVPR 2016, arXiv:1512.03385.
 *
 *     x (N,3,224,224) --7x7/2, bn, relu, max 3x3/2--> (N,64,56,56)
 *       --layer1--> (N,64e,56,56)  --layer2--> (N,128e,28,28)
 *       --layer3--> (N,256e,14,14) --layer4--> (N,512e,7,7)
 *       --mean, fc--> (N,1000)         e = 1 (basic) or 4 (bottleneck)
 *
 * Differs from the paper: a bottleneck has its stride in the 3x3 and not in the
 * first 1x1, as in torchvision and timm, whose weight names these are.
 *
 * Where a module goes follows the published numbers: the parameters and FLOPs
 * of the SCSA paper's Table 2 come out for these positions and for no others
 * that were tried (results/paper/README.md has the rows that do not).
 */
#include "harness/backbones/resnet.h"

#include "harness/backbones/layers.h"

enum { BOTTLENECK = 4 };

const int resnet_width[RESNET_STAGES] = { 64, 128, 256, 512 };

static Tensor *conv(Graph *g, Tensor *x, const char *name, int width, int k,
                    int stride)
{
    return layer_conv(g, x, name,
                      (ConvShape){ .width = width, .k = k, .stride = stride });
}

static Tensor *bn(Graph *g, Tensor *x, const char *name)
{
    return layer_batch_norm(g, x, name);
}

static Tensor *relu(Graph *g, Tensor *x, const char *name)
{
    return layer(g, x, name, op_relu);
}

Tensor *resnet_shortcut(Graph *g, Tensor *x, int width, int stride)
{
    if (!x || (stride == 1 && x->dim[1] == width))
        return x;
    return bn(g, conv(g, x, "downsample.0", width, 1, stride), "downsample.1");
}

static Tensor *basic_block(Graph *g, Tensor *x, const Plug *plug, int stage,
                           int stride)
{
    const int width = resnet_width[stage];
    Tensor *y = x;

    y = bn(g, conv(g, y, "conv1", width, 3, stride), "bn1");
    y = relu(g, y, "act1");
    if (plug->position == POSITION_MID)
        y = plug_in(g, y, plug, "attn", stage);
    y = bn(g, conv(g, y, "conv2", width, 3, 1), "bn2");
    if (plug->position == POSITION_OUT)
        y = plug_in(g, y, plug, "attn", stage);
    y = op_add(g, y, resnet_shortcut(g, x, width, stride));
    return relu(g, y, "act2");
}

static Tensor *bottleneck_block(Graph *g, Tensor *x, const Plug *plug,
                                int stage, int stride)
{
    const int width = resnet_width[stage];
    Tensor *y = x;

    y = bn(g, conv(g, y, "conv1", width, 1, 1), "bn1");
    y = relu(g, y, "act1");
    y = bn(g, conv(g, y, "conv2", width, 3, stride), "bn2");
    y = relu(g, y, "act2");
    if (plug->position == POSITION_MID)
        y = plug_in(g, y, plug, "attn", stage);
    y = bn(g, conv(g, y, "conv3", BOTTLENECK * width, 1, 1), "bn3");
    if (plug->position == POSITION_OUT)
        y = plug_in(g, y, plug, "attn", stage);
    y = op_add(g, y, resnet_shortcut(g, x, BOTTLENECK * width, stride));
    return relu(g, y, "act3");
}

static Tensor *stem(Graph *g, Tensor *x)
{
    x = relu(g, bn(g, conv(g, x, "conv1", 64, 7, 2), "bn1"), "act1");
    graph_scope(g, "maxpool");
    x = op_max_pool2d(g, x, 3, 2, 1);
    graph_end_scope(g);
    return x;
}

Tensor *resnet_build(Graph *g, Tensor *x, const Plug *plug, Tensor *stage[4],
                     const ResNet *net)
{
    x = stem(g, x);
    for (int s = 0; s < RESNET_STAGES; s++) {
        for (int i = 0; i < net->blocks[s]; i++) {
            graph_scope(g, "layer%d.%d", s + 1, i);
            x = net->block(g, x, plug, s, s > 0 && i == 0 ? 2 : 1);
            graph_end_scope(g);
        }
        stage[s] = x;
    }
    return plug_classifier(g, layer_global_pool(g, x), plug, "fc");
}

static const char basic_mid[] = "after conv1-bn1-ReLU";
static const char basic_out[] = "after bn2, before the shortcut";
static const char bottleneck_mid[] = "after conv2-bn2-ReLU";
static const char bottleneck_out[] = "after bn3, before the shortcut";

/* One network: which block, and how many in each stage (Table 1). */
#define RESNET(depth, block, ...)                                    \
    static Tensor *resnet##depth(Graph *g, Tensor *x, Form form,     \
                                 const Plug *plug, Tensor *stage[4]) \
    {                                                                \
        const ResNet net = { block##_block, { __VA_ARGS__ } };       \
                                                                     \
        (void)form;                                                  \
        return resnet_build(g, x, plug, stage, &net);                \
    }                                                                \
    const Backbone resnet##depth##_backbone = {                      \
        .name = "resnet" #depth,                                     \
        .title = "ResNet-" #depth,                                   \
        .paper = "He et al., CVPR 2016, arXiv:1512.03385",           \
        .channels = 3,                                               \
        .height = 224,                                               \
        .width = 224,                                                \
        .classifier = "fc",                                          \
        .where = { block##_mid, block##_out },                       \
        .usual = position_of_paper,                                  \
        .build = resnet##depth,                                      \
    };

RESNET(18, basic, 2, 2, 2, 2)
RESNET(34, basic, 3, 4, 6, 3)
RESNET(50, bottleneck, 3, 4, 6, 3)
RESNET(101, bottleneck, 3, 4, 23, 3)
