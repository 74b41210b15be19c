/*
 * add_files.c - adds files one after the other, and prints what each added.
 */
#include "harness/cli/add_files.h"

#include <stdio.h>

#include "harness/measure/db.h"
#include "kernels/core/err.h"

const Param add_params[] = {
    PARAM_PATH(AddSettings, db, STORE_PATH, "the database to add to"),
    PARAM_END,
};

static void print_added(const char *path, const char *db, const Added *n)
{
    const struct {
        int n;
        const char *one;
    } of[] = {
        { n->sweeps, "sweep" },   { n->runs, "run" },
        { n->samples, "sample" }, { n->profiles, "profile" },
        { n->roofs, "roof" },     { n->erfs, "receptive field" },
    };

    printf("%s:", path);
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
        printf("%s %d %s%s", i ? "," : "", of[i].n, of[i].one,
               of[i].n == 1 ? "" : "s");
    printf(" into %s", db);
    if (n->there)
        printf("; %d sweep%s already there", n->there,
               n->there == 1 ? " was" : "s were");
    printf("\n");
}

int add_files(const char *db, const Flags *flags, AddFile *add)
{
    int err = OK;
    Store *s;

    TRY(db_open(&s, db, STORE_WRITE));
    for (int i = 0; i < flags->nargs && !err; i++) {
        Added n;

        err = add(s, flags->arg[i], &n);
        if (!err)
            print_added(flags->arg[i], db, &n);
    }
    store_close(s);
    return err;
}
