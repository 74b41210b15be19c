/*
 * flags.h - what follows a command's name, read by tables.
 *
 * A setting is written --name=value or --name value, with - for _ if one likes;
 * one whose range is 0 to 1 is a switch and is written --name, or --name=0.
 * All else is an argument.  --help comes from the same tables.
 */
#ifndef HARNESS_FLAGS_H
#define HARNESS_FLAGS_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/experiments/experiment.h"
#include "harness/network/case.h"
#include "kernels/core/param.h"

/* How a command takes the settings of a case (case_flags.h has its exceptions).
 */
typedef enum CaseUse {
    CASE_NONE,
    CASE_SETTINGS, /* to make cases of, with defaults */
    CASE_FILTER,   /* to choose among stored runs     */
} CaseUse;

/* Settings and arguments that a command takes. */
typedef struct Usage {
    const char *name; /* "count"                                          */
    const char *args; /* how its arguments are called: "FILE..."; or ""   */
    int min_args, max_args;
    const char *what;     /* what it does, in sentences                   */
    const Param *params;  /* its own settings; NULL: none                 */
    CaseUse takes_case;   /* also those of a case, and of the case's module */
    const char *examples; /* lines of "  attnbench ..."; NULL: none       */
    const char *exits;    /* when its exit status is not 0                */
    const char *lists;    /* setting that is "help" without a value, which
                             lists what it takes; NULL: none              */
} Usage;

enum { FLAGS_MAX = 64, ARGS_MAX = 1024 };

/* A command line as read; values and arguments are argv's. */
typedef struct Flags {
    bool help;            /* --help: the rest was not read    */
    Flag flag[FLAGS_MAX]; /* settings of a case, module first */
    int nflags;
    const Param *own[FLAGS_MAX]; /* the command's own that were given */
    int nown;
    const char *arg[ARGS_MAX];
    int nargs;
} Flags;

/*
 * Reads argv (what follows the command's name): the command's own settings
 * into settings, over their defaults; those of a case into out->flag, their
 * values unseen.  ERR_INPUT names what is wrong.
 */
int flags_parse(Flags *out, const Usage *usage, void *settings, int argc,
                char **argv);

/* True if a setting was given, the command's own or of a case. */
bool flags_given(const Flags *flags, const char *name);

/* Adds the command's own defaults for settings of a case that were not given.
 */
void flags_default(Flags *flags, const Usage *usage);

/* Writes the help of a command, with the settings of the module that was
 * given; returns OK, so that a command ends with it. */
int flags_help(const Flags *flags, const Usage *usage, FILE *out);

/* Writes prose as help does, in lines of the screen's width. */
void flags_text(FILE *out, const char *text);

/* Writes a title and a table of settings, as help does; nothing for none. */
void flags_table(FILE *out, const char *title, const Param *table);

/* Writes a line, or several, of such a table, or of the list of commands. */
void flags_entry(FILE *out, const char *name, const char *text);
void flags_command(FILE *out, const char *name, const char *text);

/* Reads the experiment that the command's one argument names, or the cases of
 * its flags, with the command's defaults.  Neither: ERR_INPUT, with the
 * sentence nothing; NULL: then of the defaults. */
int flags_cases(Experiment *out, Flags *flags, const Usage *usage,
                const char *nothing);

/* Sets what was given in c, over what c has; case_complete is the caller's. */
int flags_case(const Flags *flags, Case *c);

#endif
