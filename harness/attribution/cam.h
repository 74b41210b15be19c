/*
 * cam.h - class activation maps: which positions support a network's score for
 * a class.
 *
 * Grad-CAM: R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep
 * Networks via Gradient-Based Localization", ICCV 2017.  With A (C,h,w) the
 * tap's activations and s the raw score of the class, before softmax,
 *
 *     a_c = mean over y,x of ds/dA[c,y,x]                             (1)
 *     map[y,x] = ReLU(sum over c of a_c A[c,y,x])                     (2)
 *
 * The map is kept as it is, not divided by its highest value, so that maps of
 * several networks can be compared.  Writes nothing: harness/cli/cmd_cam.c
 * does.
 */
#ifndef HARNESS_CAM_H
#define HARNESS_CAM_H

#include "analysis/cam.h"
#include "harness/network/case.h"
#include "harness/network/weight_values.h"
#include "kernels/core/backend.h"
#include "kernels/core/graph.h"

enum { CAM_TOP = -1 };

typedef struct CamAsk {
    const char *tap;    /* as in network_build_tapped                  */
    int class;          /* CAM_TOP: the one with the highest score     */
    const float *input; /* (channels,height,width), in PyTorch's order */

    /* Builds the network, like network_build_tapped, which NULL means. */
    int (*build)(Graph **out, const Case *c, const WeightValues *values,
                 const char *const *tap, int n);
} CamAsk;

typedef struct Cam {
    char layer[MAX_NAME];        /* the layer that the tap is           */
    int channels, rows, columns; /* of the tap                          */
    int class, classes;
    double score, probability; /* of the class: raw; after softmax    */
    double rel_l2, limit;      /* to the definition, as in erf.h      */
    float *map;                /* (rows, columns), equation (2)       */
    double number[CAM_NUMBERS];
} Cam;

/* Makes c's map on dev, of one image, in f32.  ERR_INPUT for a tap or a class
 * that does not exist, or a tap that is no map; ERR_UNSUPPORTED where there is
 * no gradient, or where scores or map are not finite; ERR_DEVICE where they are
 * not what the definition gives. */
int cam_run(Cam *out, const Case *c, const CamAsk *ask, Device *dev);
void cam_free(Cam *cam);

#endif
