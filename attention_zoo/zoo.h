/*
 * zoo.h - the attention modules: one paper, one file, one line here.
 *
 * To add one: write <name>.c, append its line to ZOO, add its cases to
 * tests/cases.  Nothing else: commands, experiments, figures and tests read
 * ZOO, figures its order.  README.md says more.
 */
#ifndef ZOO_ZOO_H
#define ZOO_ZOO_H

#include "kernels/core/param.h"
#include "kernels/ops/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ZOO(X) \
    X(se)      \
    X(se_conv) \
    X(eca)     \
    X(fca)     \
    X(cpca)    \
    X(afgca)   \
    X(cbam)    \
    X(sa)      \
    X(ela)     \
    X(ca)      \
    X(ema)     \
    X(scsa)

enum { SETTINGS_MAX = MODULE_ATTR_BYTES };

typedef struct Module {
    const char *name;     /* as in ZOO, in JSON and in flags              */
    const char *title;    /* as the paper calls it                        */
    const char *paper;    /* authors, venue, arXiv number                 */
    const char *type;     /* "Channel", "Spatial" or "Hybrid"             */
    bool on_output;       /* its paper, or its code, puts it on a block's
                           * output; all others stand inside the block    */
    size_t settings_size; /* at most SETTINGS_MAX                         */
    const Param *params;  /* NULL: no settings                            */

    /* Adds the module's ops to g: x (N,C,H,W) -> the same shape.  A shape
     * that it cannot take is graph_fail with the rule that it breaks. */
    Tensor *(*build)(Graph *g, Tensor *x, const void *settings);

    /* The same as one op (MODULE_OPS), of the same weights: impl=fused; and
     * what its kernels need to know, where there is such a thing. */
    const Op *op;
    void (*facts)(ModuleFacts *facts, const Tensor *x, const void *settings);

    /* Where its op is one of its own (FUSED_OPS), instead of these.  A setting
     * that it does not have is graph_unsupported. */
    Tensor *(*fuse)(Graph *g, Tensor *x, const void *settings);

    /* x passes this many gates of 0 to 1 in sequence, which are 1/2 where
     * all weights are 0, and nothing else but an order of channels.  0: there
     * is more to it.  Tests read it. */
    int gates;

    /* How many parameters it has for C channels, by the paper's formula. */
    double (*weights)(int channels, const void *settings);

    /* Settings that depend on where in a backbone it stands: stage 0 to 3,
     * whose map is 56, 28, 14, 7 at 224.  NULL: none. */
    void (*at_stage)(void *settings, int stage);
} Module;

#define X(id) extern const Module id##_module;
ZOO(X)
#undef X

/* The i-th module, in the order of ZOO; NULL past the end.  And its name. */
const Module *zoo_at(int i);
const char *zoo_name(int i);
const Module *zoo_find(const char *name); /* NULL if there is none */

/* Adds a module to g as one op; and whether it has such an op. */
Tensor *zoo_fuse(Graph *g, const Module *m, Tensor *x, const void *settings);
bool zoo_can_fuse(const Module *m);

/* Conditions on a module's settings and channels: false where one is not met,
 * after a graph_fail that says what would do.  setting is as a user reads it,
 * "se: reduction". */
bool zoo_divides(Graph *g, const char *setting, int value, int channels);
bool zoo_odd(Graph *g, const char *setting, int value);
bool zoo_multiple(Graph *g, const char *module, int channels, int of);

#ifdef __cplusplus
}
#endif

#endif
