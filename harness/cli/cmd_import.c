/*
 * cmd_import.c - attnbench import FILE...
 */
#include "harness/cli/cmd.h"

#include <stdio.h>
#include <string.h>

#include "harness/cli/add_files.h"
#include "harness/report/foreign.h"
#include "harness/report/import.h"
#include "kernels/core/err.h"

static const Usage usage = {
    .name = "import",
    .args = "FILE...",
    .min_args = 1,
    .max_args = ARGS_MAX,
    .what =
        "Adds runs that another program measured, or attnbench elsewhere.\n"
        "A file is checked whole, then all of it is stored or nothing.\n\n"
        "FILE.json is what 'attnbench export --format=json' writes, or\n"
        "  {\"source\": \"pytorch 1.13.1\", \"experiment\": \"vs_torch\",\n"
        "   \"runs\": [{\"module\": \"se\", \"channels\": 64, \"batch\": 8,\n"
        "             \"settings\": {\"reduction\": 16},\n"
        "             \"ns\": [81250, 80100], \"round\": [0, 1]}]}\n"
        "Settings that a run leaves out have the defaults of 'attnbench "
        "run'.\n"
        "Without machine, the runs are taken to be from this one.  Without\n"
        "round, runs are not compared round by round.  'attnbench merge' adds\n"
        "what a database holds.",
    .params = add_params,
    .exits = "Exit status: 0 if all files were stored; 1 if a file or the "
             "database cannot be read or written; 2 if a file has a mistake.",
    .examples = "  attnbench import torch.json\n"
                "  attnbench import --db=all.db mine.json theirs.json\n",
};

/* A file that 'export' wrote in the form that it does not take back. */
static int refuse_csv(const char *path)
{
    const size_t n = strlen(path);

    if (n > 4 && strcasecmp(path + n - 4, ".csv") == 0)
        return fail(ERR_INPUT,
                    "%s: only JSON is imported; write it with 'attnbench "
                    "export --format=json'",
                    path);
    return OK;
}

int cmd_import(int argc, char **argv)
{
    AddSettings set;
    Flags flags;

    TRY(flags_parse(&flags, &usage, &set, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    for (int i = 0; i < flags.nargs; i++) { /* before a database is made */
        TRY(refuse_csv(flags.arg[i]));
        TRY(foreign_file(flags.arg[i]));
    }
    return add_files(set.db, &flags, import_json);
}
