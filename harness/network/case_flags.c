/*
 * case_flags.c - which settings of a case a command takes, and its defaults.
 */
#include "harness/network/case_flags.h"

#include <string.h>

#include "harness/network/case.h"

#define NOT_RUN  "count runs nothing, so it has no effect"
#define ONE_MAP  "a map is made by one forward and one backward pass"
#define OWN_PASS "erf computes its own gradients, in f32"
#define PAPER_SAYS                                                        \
    "each row of the paper's table has its own; choose rows with --rows " \
    "(without a value it lists them)"

static const CaseFlag rows[] = {
    { "count", "backend", NULL, NOT_RUN },
    { "count", "dtype", NULL, NOT_RUN },
    { "count", "pass", NULL,
      "count covers the forward pass; 'attnbench profile --pass=...' shows "
      "the costs of others" },
    { "count", "state", NULL, NOT_RUN },
    { "count", "threads", NULL, NOT_RUN },
    { "count", "copy", NULL, NOT_RUN },

    { "reproduce", "batch", "32", NULL },
    { "reproduce", "backbone", NULL, PAPER_SAYS },
    { "reproduce", "module", NULL, PAPER_SAYS },
    { "reproduce", "position", NULL, PAPER_SAYS },
    { "reproduce", "form", NULL, PAPER_SAYS },
    { "reproduce", "weights", NULL, PAPER_SAYS },
    { "reproduce", "channels", NULL, PAPER_SAYS },
    { "reproduce", "height", NULL, PAPER_SAYS },
    { "reproduce", "width", NULL, PAPER_SAYS },
    { "reproduce", "copy", NULL, "reproduce makes its own A/A comparisons" },
    { "reproduce", MODULE_SETTINGS, NULL, PAPER_SAYS },

    { "why", "impl", "composed,fused", NULL },

    { "cam", "channels", NULL, "networks take images of 3 channels" },
    { "cam", "batch", NULL, "a map is made from one image" },
    { "cam", "dtype", NULL, ONE_MAP ", in f32" },
    { "cam", "pass", NULL, ONE_MAP },
    { "cam", "state", NULL, "cam measures no time" },
    { "cam", "copy", NULL, "cam measures no time" },

    { "erf", "graph", "folded", NULL },
    { "erf", "batch", "",
      "number of draws to run at once; default: at most 8, split evenly" },
    { "erf", "dtype", NULL, OWN_PASS },
    { "erf", "pass", NULL, OWN_PASS },
    { "erf", "state", NULL, "erf measures no time" },
    { "erf", "copy", NULL, "erf measures no time" },
};
enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

const CaseFlag *case_flag_at(int i)
{
    return i >= 0 && i < NROWS ? &rows[i] : NULL;
}

const CaseFlag *case_flag_find(const char *command, const char *key)
{
    if (!param_find(case_params, key))
        key = MODULE_SETTINGS;
    for (int i = 0; i < NROWS; i++)
        if (!strcmp(rows[i].command, command) && !strcmp(rows[i].key, key))
            return &rows[i];
    return NULL;
}
