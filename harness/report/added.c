/*
 * added.c - a line that says what a file added to a database.
 */
#include "harness/report/added.h"

void added_write(FILE *out, const char *path, const char *db, const Added *n)
{
    const struct {
        int n;
        const char *one;
    } of[] = {
        { n->sweeps, "sweep" },   { n->runs, "run" },
        { n->samples, "sample" }, { n->profiles, "profile" },
        { n->roofs, "roof" },     { n->erfs, "receptive field" },
    };

    fprintf(out, "%s:", path);
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
        fprintf(out, "%s %d %s%s", i ? "," : "", of[i].n, of[i].one,
                of[i].n == 1 ? "" : "s");
    fprintf(out, " into %s", db);
    if (n->there)
        fprintf(out, "; %d sweep%s already there", n->there,
                n->there == 1 ? " was" : "s were");
    fprintf(out, "\n");
}
