/*
 * cmd_merge.c - attnbench merge --db=DATABASE OTHER...
 */
#include "harness/cli/cmd.h"

#include <stdio.h>

#include "harness/cli/add_files.h"
#include "harness/files/file.h"
#include "harness/measure/db.h"
#include "kernels/core/err.h"
#include "results/merge.h"

static const Usage usage = {
    .name = "merge",
    .args = "DATABASE...",
    .min_args = 1,
    .max_args = ARGS_MAX,
    .what =
        "Adds everything that other databases hold: sweeps with every "
        "sample,\n"
        "profiles, roofs, receptive fields.  They stay as they are.  A "
        "sweep\n"
        "that is already there is skipped, except for runs that it lacks, so "
        "a\n"
        "merge can be repeated.  Each database is added whole or not at "
        "all.\n"
        "The last one added counts as the latest.",
    .params = add_params,
    .exits = "Exit status: 0 if all were merged; 1 if a database cannot be "
             "read or written; 2 if a file is not an attnbench database.",
    .examples = "  attnbench merge theirs.db\n"
                "  attnbench merge --db=all.db laptop.db server.db\n",
};

static int check_file(const char *db, const Flags *flags, int i)
{
    const char *path = flags->arg[i];
    Store *s;

    if (file_is_same(path, db))
        return fail(ERR_INPUT,
                    "%s is the database to add to; give another file, or "
                    "another --db",
                    path);
    for (int k = 0; k < i; k++)
        if (file_is_same(path, flags->arg[k]))
            return fail(ERR_INPUT, "%s and %s are the same file; give it once",
                        flags->arg[k], path);
    TRY(db_open(&s, path, STORE_READ));
    store_close(s);
    return OK;
}

int cmd_merge(int argc, char **argv)
{
    AddSettings set;
    Flags flags;

    TRY(flags_parse(&flags, &usage, &set, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    for (int i = 0; i < flags.nargs; i++) /* before a database is made */
        TRY(check_file(set.db, &flags, i));
    return add_files(set.db, &flags, store_merge);
}
