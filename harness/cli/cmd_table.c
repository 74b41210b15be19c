/*
 * cmd_table.c - attnbench table [EXPERIMENT]
 */
#include "harness/cli/cmd.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "analysis/slice.h"
#include "attention_zoo/zoo.h"
#include "harness/cli/flags.h"
#include "harness/measure/db.h"
#include "harness/report/tables.h"
#include "kernels/core/err.h"

typedef struct TableSettings {
    const char *db;
    ParamName format, sort, focus, base;
} TableSettings;

/* The plain network, and each module. */
static const char *base_name(int i)
{
    return i == 0 ? "none" : zoo_name(i - 1);
}

static const Param table_params[] = {
    PARAM_PATH(TableSettings, db, STORE_PATH, "the database"),
    PARAM_NAME(TableSettings, format, "text", table_format_name,
               "csv has plain numbers, one per column"),
    PARAM_NAME(TableSettings, sort, "paper", table_sort_name,
               "order of networks: as in the paper's table, or largest first"),
    PARAM_NAME(TableSettings, focus, "scsa", zoo_name,
               "module that the summary of networks is about"),
    PARAM_NAME(TableSettings, base, "none", base_name,
               "module that networks are compared with; none is the plain one"),
    PARAM_END,
};

static const Usage usage = {
    .name = "table",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what = "Prints the latest sweep of a stored experiment (the latest of all "
            "if\n"
            "none is named): a backbone with each module next to the paper's "
            "Table\n"
            "2, modules alone over shapes, and ratios to other sources.  "
            "Settings\n"
            "choose among the runs (--batch=8).",
    .params = table_params,
    .takes_case = CASE_FILTER,
    .exits = "Exit status: 0 if a table was printed; 1 if the database cannot "
             "be read; 2 if there are no such runs.",
    .examples = "  attnbench table bench\n"
                "  attnbench table bench --format=latex --sort=throughput\n"
                "  attnbench table bench --base=se    # ratios to the network "
                "with SE\n"
                "  attnbench table channels --module=scsa,se\n",
};

/* The experiment of the latest sweep that holds runs. */
static int latest_experiment(Store *s, char name[64])
{
    sqlite3_stmt *q = NULL;

    if (sqlite3_prepare_v2(store_sqlite(s),
                           "SELECT experiment FROM sweep WHERE id = "
                           "(SELECT max(sweep_id) FROM run)",
                           -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        snprintf(name, 64, "%s", (const char *)sqlite3_column_text(q, 0));
    if (sqlite3_finalize(q) != SQLITE_OK)
        return fail(ERR_IO, "cannot read the sweeps: %s",
                    sqlite3_errmsg(store_sqlite(s)));
    return OK;
}

/* "bench, channels" */
static void list_experiments(Store *s, char *text, size_t size)
{
    sqlite3_stmt *q = NULL;
    size_t used = 0;

    text[0] = '\0';
    if (sqlite3_prepare_v2(store_sqlite(s),
                           "SELECT DISTINCT experiment FROM sweep "
                           "JOIN run ON sweep_id = sweep.id ORDER BY 1",
                           -1, &q, NULL) == SQLITE_OK)
        while (sqlite3_step(q) == SQLITE_ROW && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s",
                                     used ? ", " : "",
                                     (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
}

static int nothing_there(Store *s, const char *experiment)
{
    char known[512];

    list_experiments(s, known, sizeof(known));
    if (!known[0])
        return fail(ERR_INPUT, "the database has no runs; run: attnbench run "
                               "harness/experiments/bench.json");
    return fail(ERR_INPUT, "no runs of experiment '%s'; the database has %s",
                experiment, known);
}

static bool is_network(const Run *r)
{
    return strcmp(r->c.backbone.text, "none") != 0;
}

/* Networks and modules have tables of their own. */
static int print_tables(Store *s, RunList *runs, const TableOptions *o)
{
    RunList networks = { runs->at, 0 }, modules;

    for (int i = 0; i < runs->n; i++)
        if (is_network(&runs->at[i])) {
            const Run swap = runs->at[i];

            memmove(&runs->at[networks.n + 1], &runs->at[networks.n],
                    (size_t)(i - networks.n) * sizeof(Run));
            runs->at[networks.n++] = swap;
        }
    modules = (RunList){ runs->at + networks.n, runs->n - networks.n };
    if (networks.n)
        TRY(table_networks(s, &networks, o));
    if (networks.n && modules.n && o->format == TABLE_CSV)
        return fail(ERR_INPUT, "the experiment has networks and modules alone; "
                               "choose with --backbone=");
    if (modules.n)
        TRY(table_modules(s, &modules, o));
    TRY(table_peers(runs, o));
    table_failures(runs, o);
    return OK;
}

/* Settings of the command that tables of networks alone have. */
static int check_used(const RunList *runs, const Flags *flags)
{
    static const char *const of_networks[] = { "sort", "focus", "base" };

    for (int i = 0; i < runs->n; i++)
        if (is_network(&runs->at[i]))
            return OK;
    for (int i = 0; i < 3; i++)
        if (flags_given(flags, of_networks[i]))
            return fail(ERR_INPUT,
                        "--%s is for tables of networks, but these runs are "
                        "of modules alone; leave it out",
                        of_networks[i]);
    return OK;
}

static int print_experiment(Store *s, const char *experiment,
                            const Flags *flags, const TableOptions *o)
{
    const RunFilter filter = { experiment, NULL, 0 };
    Wanted wanted[FLAGS_MAX];
    RunList runs;
    int err;

    for (int i = 0; i < flags->nflags; i++)
        wanted[i] = (Wanted){ flags->flag[i].name, flags->flag[i].value };
    TRY(summary_read(&runs, s, &filter));
    err = runs.n ? slice_keep(&runs, wanted, flags->nflags)
                 : nothing_there(s, experiment);
    if (!err)
        err = check_used(&runs, flags);
    if (!err)
        err = print_tables(s, &runs, o);
    summary_free(&runs);
    return err;
}

int cmd_table(int argc, char **argv)
{
    TableSettings settings;
    char experiment[64] = "";
    TableOptions options;
    Store *store;
    Flags flags;
    int err = OK;

    TRY(flags_parse(&flags, &usage, &settings, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    options =
        (TableOptions){ table_format(settings.format.text), settings.sort.text,
                        settings.focus.text, settings.base.text, stdout };
    TRY(db_open(&store, settings.db, STORE_READ));
    if (flags.nargs)
        snprintf(experiment, sizeof(experiment), "%s", flags.arg[0]);
    else
        err = latest_experiment(store, experiment);
    if (!err)
        err = print_experiment(store, experiment, &flags, &options);
    store_close(store);
    return err;
}
