/*
 * acnet.c - ACNet: ResNet-18 with asymmetric convolutions
 *
 * Paper:  X. Ding, Y. Guo, G. Ding, J. Han, "ACNet: Strengthening the Kernel
 *         Skeletons for Powerful CNN via Asymmetric Convolution Blocks",
 *         ICCV 2019, arXiv:1908.03930.
 *
 * Idea:   a 3x3 convolution is trained as the sum of three, each with a norm;
 *         convolution is linear, so they run as one.
 *
 *     x --3x3, bn--+
 *       --3x1, bn--+--> y        form=train
 *       --1x3, bn--+
 *     x --3x3, bias----> y       form=deploy
 *
 * Here it is each 3x3 of a basic block; the 7x7 stem and the 1x1 projections of
 * shortcuts stay as they are, with their norms.
 *
 * Differs from the paper: nothing.  It trains ResNet-18 among others; that
 * stem and shortcuts stay follows from the parameters that the SCSA paper
 * prints.  timm has no such network: names of form=train are those of the
 * authors' code, those of form=deploy are timm's of ResNet-18.
 */
#include "harness/backbones/layers.h"
#include "harness/backbones/reparam.h"
#include "harness/backbones/resnet.h"

static Tensor *branch(Graph *g, Tensor *x, const char *conv, const char *bn,
                      ConvShape shape)
{
    return layer_batch_norm(g, layer_conv(g, x, conv, shape), bn);
}

/* Fig. 2: the kernel's skeleton is strengthened by a column and a row. */
static Tensor *three_branches(Graph *g, Tensor *x, int width, int stride)
{
    const ConvShape square = { .width = width, .k = 3, .stride = stride };
    const ConvShape ver = {
        .width = width, .k = 3, .k_w = 1, .stride = stride
    };
    const ConvShape hor = {
        .width = width, .k = 1, .k_w = 3, .stride = stride
    };
    Tensor *y = branch(g, x, "square_conv", "square_bn", square);

    y = op_add(g, y, branch(g, x, "ver_conv", "ver_bn", ver));
    return op_add(g, y, branch(g, x, "hor_conv", "hor_bn", hor));
}

static Tensor *conv(Graph *g, Tensor *x, Form form, const char *name, int width,
                    int stride)
{
    const ConvShape merged = {
        .width = width, .k = 3, .stride = stride, .bias = true
    };

    if (form == FORM_DEPLOY)
        return layer_conv(g, x, name, merged);
    graph_scope(g, "%s", name);
    x = three_branches(g, x, width, stride);
    graph_end_scope(g);
    return x;
}

static Tensor *block(Graph *g, Tensor *x, Form form, const Plug *plug,
                     int stage, int stride)
{
    const int width = resnet_width[stage];
    Tensor *y = x;

    y = conv(g, y, form, "conv1", width, stride);
    y = layer(g, y, "act1", op_relu);
    if (plug->position == POSITION_MID)
        y = plug_in(g, y, plug, "attn", stage);
    y = conv(g, y, form, "conv2", width, 1);
    if (plug->position == POSITION_OUT)
        y = plug_in(g, y, plug, "attn", stage);
    y = op_add(g, y, resnet_shortcut(g, x, width, stride));
    return layer(g, y, "act2", op_relu);
}

static Tensor *train_block(Graph *g, Tensor *x, const Plug *plug, int stage,
                           int stride)
{
    return block(g, x, FORM_TRAIN, plug, stage, stride);
}

static Tensor *deploy_block(Graph *g, Tensor *x, const Plug *plug, int stage,
                            int stride)
{
    return block(g, x, FORM_DEPLOY, plug, stage, stride);
}

static Tensor *acnet(Graph *g, Tensor *x, Form form, const Plug *plug,
                     Tensor *stage[4])
{
    const ResNet net = { form == FORM_DEPLOY ? deploy_block : train_block,
                         { 2, 2, 2, 2 } };

    return resnet_build(g, x, plug, stage, &net);
}

/* Eq. (3): each kernel scaled by its norm, the strips at the square's middle,
 * and summed. */
static void merge(Merge *m)
{
    merge_conv(m, "square_conv", "square_bn");
    merge_conv(m, "ver_conv", "ver_bn");
    merge_conv(m, "hor_conv", "hor_bn");
}

static int acnet_reparam(Graph *deploy, const Graph *train)
{
    return reparam(deploy, train, "", merge);
}

const Backbone acnet_r18_backbone = {
    .name = "acnet_r18",
    .title = "ACNet-r18",
    .paper = "Ding et al., ICCV 2019, arXiv:1908.03930",
    .channels = 3,
    .height = 224,
    .width = 224,
    .classifier = "fc",
    .where = { "after the first conv's ReLU",
               "after the second conv, before the shortcut" },
    .usual = position_of_paper,
    .build = acnet,
    .reparam = acnet_reparam,
};
