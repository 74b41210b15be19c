/*
 * flags.h - what follows a command's name, read by tables.
 *
 * A setting is written --name=value; one whose range is 0 to 1 is a switch
 * and may be written --name alone.  All else is an argument.  --help comes
 * from the same tables.
 */
#ifndef HARNESS_FLAGS_H
#define HARNESS_FLAGS_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/case.h"
#include "kernels/core/param.h"

/* What a command takes. */
typedef struct Usage {
    const char *name; /* "count"                                          */
    const char *args; /* how its arguments are called: "FILE..."; or ""   */
    int min_args, max_args;
    const char *what;     /* what it does, in sentences                   */
    const Param *params;  /* its own settings; NULL: none                 */
    bool takes_case;      /* also those of a case, and of the case's module */
    const char *examples; /* lines of "  attnbench ..."; NULL: none       */
} Usage;

/* A setting of a case, as it was written. */
typedef struct Flag {
    char name[PARAM_NAME_MAX];
    const char *value;
} Flag;

enum { FLAGS_MAX = 64, ARGS_MAX = 1024 };

/* What it was given; values and arguments are argv's. */
typedef struct Flags {
    bool help;            /* --help: the rest was not read    */
    Flag flag[FLAGS_MAX]; /* settings of a case, module first */
    int nflags;
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

/* Writes the help of a command, with the settings of the module that was
 * given; returns OK, so that a command ends with it. */
int flags_help(const Flags *flags, const Usage *usage, FILE *out);

/* Writes a title and a table of settings, as help does; nothing for none. */
void flags_table(FILE *out, const char *title, const Param *table);

/* Writes a line, or several, of such a table. */
void flags_entry(FILE *out, const char *name, const char *text);

/* Writes text as one word of a shell, in quotes where it needs them. */
void put_argument(FILE *out, const char *text);

/* " --db=FILE", where it is not the usual one. */
void put_db(FILE *out, const char *db);

/* Sets what was given in c, over what c has; case_complete is the caller's. */
int flags_case(const Flags *flags, Case *c);

#endif
