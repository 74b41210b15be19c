/*
 * experiment.h - a question and the list of cases that answers it.
 *
 * An experiment is a JSON object.  Keys are settings, of the case and of
 * modules; each has a value, or a list of values, and lists are multiplied:
 *
 *     { "experiment": "se_reduction",
 *       "question": "Does the bottleneck ratio of SE matter for time?",
 *       "module": ["se", "cbam"], "channels": [64, 256],
 *       "reduction": [4, 16] }
 *
 * "cases" is a list of objects with settings that belong together, each
 * crossed with the rest.  A module's own setting counts for the modules that
 * have it: above, with "eca" among the modules, eca would give two cases, not
 * four.  In the same way a list of impl, ["composed", "fused"], gives fused to
 * the modules that have it; a single "fused" asks for it, and a module without
 * it gets a row that says so.  A module of "all" is each module that there is,
 * plain networks ("none") aside.  What is given as flags replaces what the file
 * says.
 */
#ifndef HARNESS_EXPERIMENT_H
#define HARNESS_EXPERIMENT_H

#include "harness/files/hash.h"
#include "harness/network/case.h"

enum { EXPERIMENT_CASES_MAX = 100000 };

typedef struct Experiment {
    char experiment[64];
    char question[256];
    char cases_hash[HASH_TEXT]; /* hash of the expanded list: the same again? */
    Case *cases;                /* completed, all different               */
    int ncases;
    bool part; /* not all cases that cases_hash covers: there is more to do */
} Experiment;

/*
 * Reads path (NULL: no file) under the flags, whose values may be lists
 * ("--channels=64,128") unless the setting is a list itself.  ERR_INPUT with
 * FILE:LINE:COLUMN for any mistake in the file.
 */
int experiment_read(Experiment *out, const char *path, const Flag *flags,
                    int nflags);

/* An experiment of these cases, completed by the caller; equal ones once. */
void experiment_of_cases(Experiment *out, const char *name,
                         const char *question, const Case *cases, int n);
void experiment_free(Experiment *e);

#endif
