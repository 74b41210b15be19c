/*
 * backbones.h - the networks that modules are plugged into: one file a
 * family, one line a network here.
 */
#ifndef BACKBONES_BACKBONES_H
#define BACKBONES_BACKBONES_H

#include "attention_zoo/zoo.h"

#define BACKBONES(X) \
    X(resnet18)      \
    X(resnet34)      \
    X(resnet50)      \
    X(resnet101)

/* What is plugged in: module NULL is the plain network. */
typedef struct Plug {
    const Module *module;
    const void *settings;
    bool fused; /* as one op: impl=fused */
} Plug;

typedef struct Backbone {
    const char *name;
    const char *title; /* as the paper's table has it: "ResNet-50" */
    const char *paper;
    int channels, height, width; /* of the input that it was made for  */
    const char *classifier;      /* scope of the last layer: "fc"      */

    /* Where this module goes, in words that a result can print: "after
     * conv2-bn2-ReLU".  "" for NULL. */
    const char *(*position)(const Module *module);

    /* x (N,3,H,W) -> logits (N,1000), and the map after each stage in
     * stage[0..3].  Which of them are outputs is the caller's to say.  Weight
     * names are timm's. */
    Tensor *(*build)(Graph *g, Tensor *x, const Plug *plug, Tensor *stage[4]);
} Backbone;

#define X(id) extern const Backbone id##_backbone;
BACKBONES(X)
#undef X

const Backbone *backbone_at(int i);
const char *backbone_name(int i); /* NULL past the end */
const Backbone *backbone_find(const char *name);

/* The plug's module applied to x; graph_fail where it has no fused op. */
Tensor *plug_apply(Graph *g, Tensor *x, const Plug *plug, const void *settings);

/* Plugs the module in at x inside scope name ("attn"); x itself for NULL. */
Tensor *plug_in(Graph *g, Tensor *x, const Plug *plug, const char *name,
                int stage);

#endif
