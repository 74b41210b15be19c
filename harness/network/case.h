/*
 * case.h - one point to measure, as settings.
 *
 * The struct and the table of its fields are in results/record.h; this knows
 * the backbones and modules that there are.
 */
#ifndef HARNESS_CASE_H
#define HARNESS_CASE_H

#include "attention_zoo/zoo.h"
#include "kernels/core/dtype.h"
#include "kernels/core/param.h"
#include "results/record.h"

/* A setting of a case, as it was written. */
typedef struct Flag {
    char name[PARAM_NAME_MAX];
    const char *value;
} Flag;

/* All defaults, module none. */
void case_defaults(Case *c);

/* An entry of case_params with the choices that this program has: its backbones
 * and modules, of which the table knows nothing. */
Param case_setting(const Param *p);

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

/* The name that a setting of this name has now; NULL: it never had another. */
const char *case_renamed(const char *key);

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
enum { CASE_TEXT = REPEAT_TEXT };
char *case_print(const Case *c, char text[CASE_TEXT]);

/* The case as one JSON object: its fields, and "settings".  Returns text. */
enum { CASE_JSON = 2 * PARAM_TEXT_MAX + SETTINGS_TEXT };
char *case_json(const Case *c, char text[CASE_JSON]);

/* Reads and completes a case that case_json wrote, in this program or another:
 * what is left out has its default.  ERR_INPUT names a key or a value that is
 * unknown here. */
int case_read_json(Case *c, const char *text);

/* The module's settings, as its own struct has them, into settings, aligned for
 * any type; those that c->settings leaves out have their defaults.  ERR_INPUT
 * where it has one that case_set would refuse, as a changed database may. */
int case_own_settings(const Case *c, unsigned char settings[SETTINGS_MAX]);

/* How many parameters its module has by its formula, at that many channels. */
double case_module_weights(const Case *c, int channels);

#endif
