/*
 * cmd_export.c - attnbench export [--format=csv|json] [FILE]
 *
 * CSV is a row per run with its statistics, or per sample.  JSON is all that is
 * stored: attnbench import takes it.
 */
#include "harness/cli/cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "analysis/export.h"
#include "harness/cli/flags.h"
#include "harness/files/file.h"
#include "harness/measure/db.h"
#include "kernels/core/err.h"
#include "results/outfile.h"

typedef struct ExportSettings {
    ParamName experiment, source, format;
    const char *db;
    int sweep, samples;
} ExportSettings;

static const char *format_choice(int i)
{
    static const char *const names[] = { "csv", "json", NULL };

    return names[i];
}

static const Param export_params[] = {
    PARAM_NAME(ExportSettings, experiment, "", NULL,
               "only runs of this experiment; default: all"),
    PARAM_NAME(ExportSettings, source, "", NULL,
               "only runs that this program measured; default: all"),
    PARAM_INT(ExportSettings, sweep, -1, -1, INT_MAX,
              "only this sweep; 0: the latest of each experiment and source; "
              "-1: all"),
    PARAM_NAME(ExportSettings, format, "csv", format_choice,
               "csv: one row per timed run; json: all that is stored, for "
               "attnbench import"),
    PARAM_INT(ExportSettings, samples, 0, 0, 1,
              "csv with one row per sample, with the device's clock and "
              "temperature; id is the run's"),
    PARAM_PATH(ExportSettings, db, STORE_PATH, "the database"),
    PARAM_END,
};

static const Usage usage = {
    .name = "export",
    .args = "[FILE]",
    .max_args = 1,
    .what = "Writes stored runs to FILE, or to standard output.\n"
            "Times are nanoseconds of one run: the median, its 95 % interval\n"
            "(lo, hi), the quartiles, and the extremes.",
    .params = export_params,
    .exits = "Exit status: 0 if runs were written; 1 if a file or the "
             "database cannot be read or written; 2 if there are no such "
             "runs.",
    .examples = "  attnbench export --experiment=bench --sweep=0 runs.csv\n"
                "  attnbench export --format=json all.json\n",
};

static int no_runs(const char *db)
{
    return fail(ERR_INPUT, "%s has no such runs", db);
}

static int write_json(FILE *out, const ExportSettings *set,
                      const RunFilter *filter, Store *s)
{
    bool any = true;

    TRY(export_json(out, s, filter, &any));
    return any ? OK : no_runs(set->db);
}

static int write_to(FILE *out, const ExportSettings *set,
                    const RunFilter *filter, Store *s)
{
    RunList list;
    int err;

    if (strcmp(set->format.text, "json") == 0)
        return write_json(out, set, filter, s);
    TRY(summary_read(&list, s, filter));
    if (!list.n)
        err = no_runs(set->db);
    else if (set->samples)
        err = export_samples(out, &list, s);
    else
        err = (export_csv(out, &list), OK);
    summary_free(&list);
    return err;
}

/* path NULL: to standard output. */
static int write_all(const char *path, const ExportSettings *set, Store *s)
{
    const RunFilter filter = { .experiment = set->experiment.text,
                               .source = set->source.text,
                               .sweep = set->sweep };
    Outfile out;
    int err;

    if (!path) {
        err = write_to(stdout, set, &filter, s);
        if (!err && (fflush(stdout) || ferror(stdout)))
            err = fail(ERR_IO, "standard output: %s", strerror(errno));
        return err;
    }
    TRY(outfile_open(&out, path));
    return outfile_close(&out, write_to(out.file, set, &filter, s));
}

int cmd_export(int argc, char **argv)
{
    ExportSettings set;
    Flags flags;
    Store *s;
    int err;

    TRY(flags_parse(&flags, &usage, &set, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    /* Nobody means to lose what was measured. */
    if (flags.nargs && file_is_same(flags.arg[0], set.db))
        return fail(ERR_INPUT,
                    "%s is the database itself; name another file to write to",
                    flags.arg[0]);
    TRY(db_open(&s, set.db, STORE_READ));
    err = write_all(flags.nargs ? flags.arg[0] : NULL, &set, s);
    store_close(s);
    return err;
}
