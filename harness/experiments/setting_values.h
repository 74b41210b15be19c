/*
 * setting_values.h - a setting and its values, from an experiment or a flag.
 */
#ifndef HARNESS_SETTING_VALUES_H
#define HARNESS_SETTING_VALUES_H

#include <stdbool.h>

#include "harness/files/json.h"
#include "harness/network/case.h"
#include "kernels/core/param.h"

enum { SETTING_LISTS_MAX = 64 };

#define ALL_MODULES "all"

/* A text that param_set takes; whether it does depends on the case, and is not
 * known here. */
typedef struct AxisValue {
    char text[PARAM_TEXT_MAX];
    const cJSON *item; /* where the file says it; NULL: from a flag */
} AxisValue;

typedef struct SettingValues {
    const char *key;
    AxisValue *value;
    int n;
    const cJSON *item; /* NULL: from a flag         */
    bool used;         /* a case has this setting   */
} SettingValues;

typedef struct SettingLists {
    SettingValues at[SETTING_LISTS_MAX];
    int n;
} SettingLists;

/* Adds a member of an object: a value, or a list of them; ALL_MODULES among the
 * modules is each module of the zoo, in its order, that the list has not named
 * before.  ERR_INPUT, with the line, for an unknown setting and for a value
 * that it cannot have. */
int setting_lists_read(SettingLists *axes, const Json *j, const cJSON *item);

/* Adds a flag: --channels=64 or --channels=64,128; a setting that is a list
 * itself takes one.  The second flag of a name replaces the first. */
int setting_lists_flag(SettingLists *axes, const Flag *flag);

SettingValues *setting_lists_find(SettingLists *axes,
                                  const char *key); /* or NULL */
void setting_lists_free(SettingLists *axes);

#endif
