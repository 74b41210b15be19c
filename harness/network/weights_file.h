/*
 * weights_file.h - the weights files that people have: under which names, of
 * which form, for how many classes.
 */
#ifndef HARNESS_WEIGHTS_FILE_H
#define HARNESS_WEIGHTS_FILE_H

#include "harness/backbones/backbones.h"
#include "harness/network/weight_values.h"

typedef struct Weights {
    WeightValues
        values;  /* with the file, the prefix and the names that fit best */
    int classes; /* rows of the file's classifier; NO_CLASSES: it has none */

    Safetensors *file;
    const Backbone *backbone; /* NULL: a module alone                       */
    char prefix[MAX_NAME];    /* "module.", which all names share; or ""    */
    int missing;              /* of the best fit; -1: nothing was tried     */
} Weights;

/* Opens a file of b's weights.  weights_close closes it in any case. */
int weights_open(Weights *w, const char *path, const Backbone *b);
void weights_close(Weights *w);

/* Compares the file with g, the network in this form with IMAGENET_CLASSES, and
 * keeps what fits best of all forms that were tried. */
void weights_fit(Weights *w, const Graph *g, Form form);

#endif
