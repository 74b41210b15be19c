/*
 * case.h - one point to measure, as settings.
 *
 * The fields are the keys of an experiment, the flags of the command line and
 * the columns of the table run, under one spelling: case_params.
 */
#ifndef HARNESS_CASE_H
#define HARNESS_CASE_H

#include "attention_zoo/zoo.h"
#include "kernels/core/dtype.h"
#include "kernels/core/param.h"

typedef struct Case {
    ParamName backbone; /* "none": the module alone                       */
    ParamName module;   /* "none": the plain backbone                     */
    ParamName impl;     /* composed, fused                                */
    ParamName position; /* in the backbone's blocks: auto, mid, out       */
    ParamName form;     /* of the backbone: train, deploy                 */
    ParamFile weights;  /* "seeded", or a file (.safetensors)             */
    double norm_gain;   /* of seeded weights (seed.h); 0: the default      */
    ParamName graph;    /* as_written, folded                             */
    ParamName backend;
    ParamName dtype;
    int batch;
    int channels, height, width; /* of the input; 0 until completed       */
    ParamName pass;              /* forward, input_grad, backward, train  */
    ParamName state;             /* hot, cold, graph                      */
    int threads;                 /* 0: all cores                          */
    int arm; /* tells copies of one case apart: A/A comparisons           */

    /* The module's own settings: zoo_find(module)->params describes them. */
    _Alignas(16) unsigned char settings[SETTINGS_MAX];
} Case;

extern const Param case_params[];

/* A setting of a case, as it was written. */
typedef struct Flag {
    char name[PARAM_NAME_MAX];
    const char *value;
} Flag;

/* All defaults, module none. */
void case_defaults(Case *c);

/* The case's module, or NULL for "none". */
const Module *case_module(const Case *c);

Dtype case_dtype(const Case *c);

/* The norm_gain with which c's weights are seeded, completed or not. */
double case_norm_gain(const Case *c);

/* Where the module stands, in words: "after conv2-bn2-ReLU"; "" where none is
 * plugged into a backbone.  The case is complete. */
const char *case_where(const Case *c);

/* The i-th name that case_set may accept: the case's own, then those of all
 * modules (some more than once); NULL past the end. */
const char *case_key(int i);

/* Sets one setting of the case or of its module from text.  Setting module
 * gives the module's settings their defaults, so it comes first.  ERR_INPUT
 * names an unknown key's nearest one. */
int case_set(Case *c, const char *key, const char *text);

/* Fills in what was left open (channels, height, width at 0: the backbone's
 * own, or 64x56x56 for a module alone; position at auto: the backbone's usual
 * one for the module; norm_gain at 0: the default of backbone and module) and
 * refuses what does not go together. */
int case_complete(Case *c);

/* The command line that repeats the case, without defaults:
 * "attnbench run --module=scsa --channels=128".  It is also the key on which
 * runs are compared: the same before and after case_complete.  Returns text. */
enum { CASE_TEXT = 1536 };
char *case_print(const Case *c, char text[CASE_TEXT]);

/* The module's settings as JSON, "{}" for none.  Returns text. */
char *case_settings_json(const Case *c, char text[CASE_TEXT]);

#endif
