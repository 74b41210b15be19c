/*
 * backbones.h - the networks that modules are plugged into: one file a
 * family, one line a network here.
 */
#ifndef BACKBONES_BACKBONES_H
#define BACKBONES_BACKBONES_H

#include "attention_zoo/zoo.h"

#define BACKBONES(X)   \
    X(resnet18)        \
    X(resnet34)        \
    X(resnet50)        \
    X(resnet101)       \
    X(mobilenetv2_100) \
    X(acnet_r18)       \
    X(repvgg_a0)       \
    X(repvit_m1_0)     \
    X(swin_t)

/* Networks that are trained with more branches than they run with have two
 * forms, which compute the same; all others have FORM_TRAIN alone. */
typedef enum Form { FORM_TRAIN, FORM_DEPLOY } Form;

/* Where in a block a module stands: inside it, on its widest or narrowest map,
 * or on what it puts out. */
typedef enum Position { POSITION_MID, POSITION_OUT, POSITIONS } Position;

/* Rows of a classifier, unless a file of weights says otherwise. */
enum { IMAGENET_CLASSES = 1000, NO_CLASSES = -1 };

/* Module plugged in, and where; NULL: the plain network. */
typedef struct Plug {
    const Module *module;
    const void *settings;
    bool fused; /* as one op: impl=fused */
    Position position;
    int classes; /* 0: IMAGENET_CLASSES; NO_CLASSES: there is no classifier */
} Plug;

typedef struct Backbone {
    const char *name;
    const char *title; /* as the paper's table has it: "ResNet-50" */
    const char *paper;
    int channels, height, width; /* of the input that it was made for  */
    const char *classifier;      /* scope of what follows the mean: "fc" */

    /* Each position in words that a result can print: "after conv2-bn2-ReLU".
     * And where this module stands unless the user says otherwise, which is
     * where the paper's counts have it. */
    const char *where[POSITIONS];
    Position (*usual)(const Module *module);

    /* x (N,3,H,W) -> logits (N,plug->classes), or (N,C) without a classifier,
     * and the map after each stage in stage[0..3].  Which of them are outputs
     * is the caller's to say.  Weight names are timm's. */
    Tensor *(*build)(Graph *g, Tensor *x, Form form, const Plug *plug,
                     Tensor *stage[4]);

    /* Gives the weights of a graph of FORM_DEPLOY their values, from one of
     * FORM_TRAIN that has values (reparam.h).  NULL: there is one form. */
    int (*reparam)(Graph *deploy, const Graph *train);

    /* Prefix of names in published files that this network lacks: a second
     * head used only in training.  NULL: none. */
    const char *unused;

    /* The name that this weight had in files published before timm changed
     * it.  NULL: names have not changed. */
    void (*older)(char older[MAX_NAME], const char *name);
} Backbone;

#define X(id) extern const Backbone id##_backbone;
BACKBONES(X)
#undef X

const Backbone *backbone_at(int i);
const char *backbone_name(int i); /* NULL past the end */
const Backbone *backbone_find(const char *name);

/* Usual positions that several backbones share: where the module's own paper
 * or code has it (on_output; all others inside, as the SCSA code); always
 * inside; always on the output. */
Position position_of_paper(const Module *module);
Position position_mid(const Module *module);
Position position_out(const Module *module);

/* The pooled x (N,C) -> logits, by a linear layer of that name; x itself for
 * NO_CLASSES. */
Tensor *plug_classifier(Graph *g, Tensor *x, const Plug *plug,
                        const char *name);

/* "layer4.2.bn1" is in "layer4", "layer4.2" and in itself. */
bool name_in_scope(const char *name, const char *scope);

/* The norm_gain of seeded weights (harness/network/seed.h) with which b sees
 * its input through m; NULL: the plain network. */
double backbone_norm_gain(const Backbone *b, const Module *m);

/* The plug's module applied to x; graph_fail where it has no fused op. */
Tensor *plug_apply(Graph *g, Tensor *x, const Plug *plug, const void *settings);

/* Plugs the module in at x inside scope name ("attn"); x itself for NULL. */
Tensor *plug_in(Graph *g, Tensor *x, const Plug *plug, const char *name,
                int stage);

#endif
