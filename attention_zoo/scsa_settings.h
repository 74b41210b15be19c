/*
 * scsa_settings.h - what scsa.c computes with: settings and weights.
 */
#ifndef ZOO_SCSA_SETTINGS_H
#define ZOO_SCSA_SETTINGS_H

#include "attention_zoo/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { K_MAX = 4 }; /* K: groups of channels, eq. (1) and (2) */

typedef struct ScsaSettings {
    int smsa, pcsa, order;
    ParamInts group_kernel_sizes;
    int shared, norm, norm_groups, norm_position;
    int window_size, head_num, shuffle, scale;
} ScsaSettings;

/* Values of those that are one of a list, except off and on. */
enum { SPATIAL_FIRST, CHANNEL_FIRST };
enum { NORM_GN, NORM_BN, NORM_LN, NORM_NONE };
enum { NORM_AFTER, NORM_BEFORE };
enum { SCALE_CHANNELS, SCALE_POOLED_MAP, SCALE_INPUT_MAP };

extern const Param scsa_params[];

/* The weights that act along one axis. */
typedef struct ScsaAxis {
    Tensor *dwc_weight[K_MAX]; /* (C/K,1,k_i)                           */
    Tensor *dwc_bias[K_MAX];   /* (C/K)                                 */
    Tensor *norm[4];           /* weight, bias, and of bn mean, var (C) */
} ScsaAxis;

/* A SCSA at work; NULL where its settings leave no such weight. */
typedef struct Scsa {
    ScsaSettings is;
    double eps;                  /* of all norms        */
    ScsaAxis h, w;               /* their convolutions may be the same */
    Tensor *norm[2], *q, *k, *v; /* weight and bias (C); (C,1,1,1) each */
} Scsa;

/* Its weights in g, to be applied to x (N,C,H,W).  False after graph_fail:
 * settings that contradict each other, or a shape that they cannot take. */
bool scsa_prepare(Scsa *s, Graph *g, const Tensor *x, const ScsaSettings *p);

/* False after graph_unsupported where the op scsa_def has not all of p. */
bool scsa_has_op(Graph *g, const ScsaSettings *p);

/* How many parameters: Module.weights. */
double scsa_weights(int channels, const void *settings);

#ifdef __cplusplus
}
#endif

#endif
