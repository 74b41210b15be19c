/*
 * erf.h - effective receptive fields: which input pixels a unit in the middle
 * of a layer responds to, by the gradient of that unit.
 *
 * Weights are seeded and inputs are seeded noise unless a case has a file of
 * weights and an image source is given: no download, and the same map
 * everywhere.  Writes nothing: harness/cli/cmd_erf.c stores and prints.
 */
#ifndef HARNESS_ERF_H
#define HARNESS_ERF_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/erf.h"
#include "harness/attribution/reach.h"
#include "harness/files/hash.h"
#include "harness/network/case.h"
#include "harness/network/weight_values.h"
#include "kernels/core/backend.h"

/* How a gradient (channels, height, width) becomes a map (height, width): the
 * sum over channels of its absolute value, its square, its positive part, or of
 * itself. */
typedef enum ErfRule {
    ERF_ABSOLUTE,
    ERF_SQUARE,
    ERF_POSITIVE,
    ERF_SIGNED,
} ErfRule;
const char *erf_rule_name(int i); /* "absolute", ...; NULL past the end */

/* Which units of a tap of n rows are its middle: one or two of them; n / 2; the
 * one before that. */
typedef enum ErfMiddle {
    ERF_MIDDLE,
    ERF_UPPER_HALF,
    ERF_BEFORE_UPPER_HALF
} ErfMiddle;

typedef struct ErfProtocol {
    const char *name;
    const char *about; /* a paragraph, for help and the database */
    ErfRule rule;
    ErfMiddle middle;
    ErfCurve curve;
    bool relu;         /* the unit counts where it is positive          */
    bool each_alike;   /* each draw over its own sum, before the mean   */
    bool image_centre; /* squares are about the input's middle, not the
                          unit's own place                              */
} ErfProtocol;

const ErfProtocol *erf_protocol_at(int i); /* NULL past the end */
const char *erf_protocol_name(int i);
const ErfProtocol *erf_protocol_find(const char *name);

/* The taps that a protocol has for a case, separated by commas.  ERR_INPUT
 * where it has none for the backbone. */
int erf_default_taps(const char **taps, const ErfProtocol *p, const Case *c);

/* Fills the input of one draw, (channels, height, width) in PyTorch's order. */
typedef struct ErfInput {
    int (*fill)(void *arg, int draw, float *chw, const Case *c);
    void *arg;
    const char *about; /* for the protocol: "uniform noise, seed 1" */
    const char *hash;  /* of the files that it reads; NULL: none    */
} ErfInput;

enum { ERF_TAPS_MAX = 4, ERF_TAP_NAME = 96 };
enum { ERF_DRAWS = 50 }; /* unless others are asked for */

/* Draws are shared out evenly over sets of weights: draw i has set i % sets.
 * As many of a set as the case's batch are run at once. */
typedef struct ErfAsk {
    const ErfProtocol *protocol;
    ErfRule rule;
    const char *tap[ERF_TAPS_MAX];
    int taps;
    int draws, sets;
    uint64_t seed;
    ErfInput input;               /* fill NULL: seeded noise */
    char weights_hash[HASH_TEXT]; /* of the case's file; for the protocol */

    /* Builds the network, like network_build_tapped, which NULL means. */
    int (*build)(Graph **out, const Case *c, const WeightValues *values,
                 const char *const *tap, int n);
} ErfAsk;

/* All of the gradient; the part that bypasses the modules' gates, held
 * constant; and the rest, which comes through the gates: whole minus past,
 * signed, before the rule.  Without gates there is the first alone. */
typedef enum ErfPartName { ERF_WHOLE, ERF_PAST_GATES, ERF_GATES } ErfPartName;
enum { ERF_PARTS = 3 };
const char *erf_part_name(int i); /* "whole", "past_gates", "gates" */

typedef struct ErfPart {
    float *map; /* (height, width): the mean, after the curve */
    ErfEstimate number[ERF_NUMBERS];
} ErfPart;

/* One tap of one case. */
typedef struct Erf {
    const char *tap;
    char layer[ERF_TAP_NAME];    /* the layer that the tap is    */
    int channels, rows, columns; /* of the tap                */
    int height, width;           /* of the input and the maps */
    double y, x;                 /* the unit's place          */
    Reach field, past_gates;     /* theoretical               */
    double peak;                 /* of the mean gradient, before any curve */
    double rel_l2, limit;        /* of the first draw to the definition; the
                                    limit is infinite where roundings alone
                                    make as much                           */
    int n;                       /* observations: sets, or draws of one set */
    int parts;
    ErfPart part[ERF_PARTS];
} Erf;

/* Makes ask->taps maps of c on dev, f32.  ERR_INPUT for a tap that does not
 * exist, ERR_UNSUPPORTED for one that is no map or that has no gradient,
 * ERR_DEVICE where the first draw is not what the definition gives. */
int erf_run(Erf *out, const Case *c, const ErfAsk *ask, Device *dev);
void erf_free(Erf *erf, int taps);

/* All that the numbers depend on, in a line.  Returns text. */
enum { ERF_TEXT = 1024 };
char *erf_describe(char text[ERF_TEXT], const Erf *erf, const Case *c,
                   const ErfAsk *ask);

#endif
