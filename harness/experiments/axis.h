/*
 * axis.h - a setting and its values, as an experiment or a flag gives them.
 */
#ifndef HARNESS_AXIS_H
#define HARNESS_AXIS_H

#include <stdbool.h>

#include "harness/files/json.h"
#include "harness/network/case.h"
#include "kernels/core/param.h"

enum { AXES_MAX = 64 };

#define ALL_MODULES "all"

/* A text that param_set takes; whether it does depends on the case, and is not
 * known here. */
typedef struct AxisValue {
    char text[PARAM_TEXT_MAX];
    const cJSON *item; /* where the file says it; NULL: from a flag */
} AxisValue;

typedef struct Axis {
    const char *key;
    AxisValue *value;
    int n;
    const cJSON *item; /* NULL: from a flag         */
    bool used;         /* a case has this setting   */
} Axis;

typedef struct Axes {
    Axis at[AXES_MAX];
    int n;
} Axes;

/* Adds a member of an object: a value, or a list of them; ALL_MODULES among the
 * modules is each module of the zoo, in its order, that the list has not named
 * before.  ERR_INPUT, with the line, for what no setting is called and for what
 * no value of it can be. */
int axes_read(Axes *axes, const Json *j, const cJSON *item);

/* Adds a flag: --channels=64 or --channels=64,128; a setting that is a list
 * itself takes one.  The second flag of a name replaces the first. */
int axes_flag(Axes *axes, const Flag *flag);

Axis *axes_find(Axes *axes, const char *key); /* or NULL */
void axes_free(Axes *axes);

#endif
