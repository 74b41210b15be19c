/*
 * cmd_profile.c - attnbench profile [EXPERIMENT] --backbone=B --module=M
 */
#include "harness/cli/cmd.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/counted.h"
#include "analysis/csv.h"
#include "analysis/units.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/devices/interrupt.h"
#include "harness/explain/checks.h"
#include "harness/explain/launches.h"
#include "harness/explain/profiler.h"
#include "harness/files/wrap.h"
#include "harness/measure/sweep.h"
#include "harness/report/table.h"
#include "kernels/core/err.h"
#include "kernels/cupti/counters.h"

typedef struct ProfileSettings {
    int top, seconds, force;
    ParamName format;
    const char *db, *metrics;
} ProfileSettings;

static const char *format_choice(int i)
{
    static const char *const names[] = { "text", "csv", NULL };

    return names[i];
}

static const Param profile_params[] = {
    PARAM_INT(ProfileSettings, top, 15, 0, 100000,
              "number of steps, and of GPU kernels, to show"),
    PARAM_INT(ProfileSettings, seconds, 3, 0, 3600, "seconds to measure"),
    PARAM_NAME(ProfileSettings, format, "text", format_choice,
               "csv has every step, in the order of execution"),
    PARAM_INT(ProfileSettings, force, 0, 0, 1,
              "measure even if another attnbench is measuring on this machine"),
    PARAM_PATH(ProfileSettings, db, STORE_PATH, "the database to store it in"),
    PARAM_PATH(ProfileSettings, metrics, "",
               "hardware counters to read, a,b; for a GPU, CUPTI's names; "
               "without a value: list them"),
    PARAM_END,
};

static const Usage usage = {
    .name = "profile",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what = "Shows where the time of a case, or of each case of an "
            "experiment, goes: by kind\n"
            "of op, by step and, on a GPU, by kernel.  A step's time is the "
            "median over\n"
            "rounds.  The results are stored in the database, as experiment "
            "'profile'.",
    .params = profile_params,
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if a case was profiled; 1 if none could be; 2 if "
             "the command line or the experiment is wrong.",
    .lists = "metrics",
    .examples = "  attnbench profile --backbone=resnet50 --graph=folded "
                "--batch=8\n"
                "  attnbench profile --module=scsa --channels=256 --height=14 "
                "--width=14\n"
                "  attnbench profile module_stages --batch=8 --state=hot "
                "--seconds=1\n",
};

/* The unit of all times of a profile: that of the longer of sum and whole. */
static const char *unit_name(const Profile *p, double *unit)
{
    const double longer = p->sum_ns > p->whole_ns ? p->sum_ns : p->whole_ns;

    return units_of_time[unit_for(longer, units_of_time, unit)];
}

/* These columns, then those of a time, the first of which its unit names. */
static void start_table(Table *t, const TableColumn *columns, int n,
                        const Profile *p)
{
    double unit;
    const TableColumn of_time[] = {
        { "time", unit_name(p, &unit), "", "", false, FOR_ALL, true },
        { "share", "share", "", "", false, FOR_ALL, false },
        { "gflops", "GFLOP/s", "", "", false, FOR_ALL, false },
        { "bandwidth", "GB/s", "", "", false, FOR_ALL, false },
    };
    TableColumn all[TABLE_COLUMNS];

    memcpy(all, columns, (size_t)n * sizeof(*columns));
    memcpy(all + n, of_time, sizeof(of_time));
    table_init(t, all, n + (int)(sizeof(of_time) / sizeof(*of_time)));
}

/* In digits enough for what takes a thousandth of it. */
static void set_time(Table *t, int row, double ns, const Profile *p)
{
    double unit;

    unit_name(p, &unit);
    table_set(t, row, "time", "%.3f", ns / unit);
}

static void set_share(Table *t, int row, double ns, const Profile *p,
                      const Cost *cost)
{
    set_time(t, row, ns, p);
    table_set(t, row, "share", "%.1f %%", 100 * ns / p->sum_ns);
    table_set(t, row, "gflops", "%.1f", cost->flops / ns);
    table_set(t, row, "bandwidth", "%.1f", cost->bytes / ns);
}

static void finish_table(Table *t)
{
    putchar('\n');
    table_print(t, TABLE_TEXT, stdout);
    table_free(t);
}

static void print_kinds(const Profile *p)
{
    static const TableColumn columns[] = {
        { "op", "op", "", "", true, FOR_ALL, false },
        { "steps", "steps", "", "", false, FOR_ALL, false },
    };
    ProfileKind *kinds = calloc((size_t)p->n + 1, sizeof(*kinds));
    char gap[PROFILE_GAP];
    Table t;
    int n, row;

    BUG_IF(!kinds);
    n = profile_kinds(p, kinds);
    start_table(&t, columns, sizeof(columns) / sizeof(*columns), p);
    for (int i = 0; i < n; i++) {
        row = table_row(&t);
        table_set(&t, row, "op", "%s", kinds[i].op->name);
        table_set(&t, row, "steps", "%d", kinds[i].steps);
        set_share(&t, row, kinds[i].ns, p, &kinds[i].cost);
    }
    row = table_row(&t);
    table_set(&t, row, "op", "sum of the steps");
    table_set(&t, row, "steps", "%d", p->n);
    set_time(&t, row, p->sum_ns, p);
    row = table_row(&t);
    table_set(&t, row, "op", "run as a whole");
    set_time(&t, row, p->whole_ns, p);
    finish_table(&t);
    if (profile_gap(p, gap)[0])
        wrap_to_screen(stdout, "\n%s\n", gap);
    free(kinds);
}

static void print_top(const Profile *p, int top)
{
    static const TableColumn columns[] = {
        { "rank", "", "", "", false, FOR_ALL, false },
        { "op", "op", "", "", true, FOR_ALL, false },
        { "kernel", "kernel", "", "", true, FOR_ALL, false },
        { "where", "where", "", "", true, FOR_ALL, false },
        { "shape", "shape", "", "", true, FOR_ALL, false },
    };
    const ProfileStep **order = profile_slowest(p);
    char dims[DIMS_TEXT];
    Table t;

    start_table(&t, columns, sizeof(columns) / sizeof(*columns), p);
    for (int i = 0; i < top && i < p->n; i++) {
        const ProfileStep *s = order[i];
        const int row = table_row(&t);

        table_set(&t, row, "rank", "%d", i + 1);
        table_set(&t, row, "op", "%s", s->out->op->name);
        table_set(&t, row, "kernel", "%s", s->kernel->name);
        table_set(&t, row, "where", "%s", s->out->name);
        table_set(&t, row, "shape", "%s", tensor_dims_text(s->out, dims));
        set_share(&t, row, s->ns, p, &s->cost);
    }
    if (t.nrows)
        finish_table(&t);
    free(order);
}

static void print_csv(const Profile *p, const Trial *arm)
{
    CsvRow row = { .out = stdout };
    char dims[DIMS_TEXT];

    for (int i = 0; i < p->n; i++) {
        const ProfileStep *s = &p->step[i];

        csv_write(&row, arm->repeat);
        csv_print(&row, "%d", i);
        csv_write(&row, s->out->op->name);
        csv_write(&row, s->kernel->name);
        csv_write(&row, s->out->name);
        csv_write(&row, tensor_dims_text(s->out, dims));
        csv_print(&row, "%.0f", s->ns);
        csv_print(&row, "%.0f", s->cost.flops);
        csv_print(&row, "%.0f", s->cost.bytes);
        csv_end(&row);
    }
}

/* Prints the whole run's counts, and each reason for a missing one once. */
static void print_counted(const StoredProfile *p)
{
    const char *reason = "";

    for (int i = 0; i < p->nquantities; i++) {
        const Quantity *q = &p->quantity[i];

        if (q->step != WHOLE_RUN || q->source != SOURCE_COUNTED)
            continue;
        if (isnan(q->value) && strcmp(q->reason, reason))
            wrap_to_screen(stdout, "not counted: %s\n", reason = q->reason);
        else if (!isnan(q->value) && !counted_is_calibration(q))
            printf("counted: %-24s %.6g\n", q->name, q->value);
    }
    if (reason[0])
        wrap_to_screen(
            stdout,
            "(GFLOP/s and GB/s are derived from shapes and measured times)\n");
}

static void print_text(const Profiled *profiled, int top)
{
    const Profile *p = &profiled->profile;
    const Trial *arm = &profiled->arm;

    const int columns = screen_columns(stdout);

    wrap_command(stdout, columns ? columns : INT_MAX, arm->repeat);
    wrap_to_screen(stdout, "on %s: %s; %d rounds, relative L2 error %.1e\n",
                   case_name("backend", arm->c->backend), arm->dev->about,
                   p->rounds, arm->rel_l2);
    print_kinds(p);
    print_top(p, top);
    launches_write(stdout, &profiled->rows, top);
    printf("\noutside convolutions and linears: %.1f %%\n",
           100 * p->outside_ns / p->sum_ns);
    wrap_to_screen(
        stdout,
        "(GFLOP/s: a multiply-add is 2; GB/s: of the op's minimum bytes)\n");
    print_counted(&profiled->rows);
    checks_write(stdout, &profiled->rows, profiler_is_cold(arm->c));
}

static bool is_csv(const ProfileSettings *s)
{
    return strcmp(s->format.text, "csv") == 0;
}

/* *bad: it is stored, but its times are not. */
static int profile_case(const Case *c, const ProfileSettings *s, Store *store,
                        int64_t sweep_id, bool *bad)
{
    Profiled p;
    int err = profiler_run(&p, c, s->seconds, s->metrics);

    if (!err)
        err = profiler_store(&p, store, sweep_id);
    if (!err && is_csv(s))
        print_csv(&p.profile, &p.arm);
    else if (!err)
        print_text(&p, s->top);
    *bad = !err && !trial_ok(&p.arm);
    if (*bad)
        fprintf(stderr, "%s: %s: %s\n", p.arm.repeat, status_name(p.arm.status),
                p.arm.message);
    profiler_free(&p);
    return err;
}

/* A case without a profile says why; the others continue. */
static int profile_cases(const Experiment *e, const ProfileSettings *s,
                         Store *store, int64_t sweep_id)
{
    char repeat[CASE_TEXT];
    int bad = 0;

    if (is_csv(s))
        printf("case,step,op,kernel,scope,shape,median_ns,flops,bytes\n");
    for (int i = 0; i < e->ncases; i++) {
        bool failed;
        const int err = profile_case(&e->cases[i], s, store, sweep_id, &failed);

        if (err && (err != ERR_UNSUPPORTED || e->ncases == 1))
            return err;
        if (err)
            fprintf(stderr, "%s: %s\n", case_print(&e->cases[i], repeat),
                    err_message());
        bad += err != OK || failed;
        if (!is_csv(s) && i + 1 < e->ncases)
            printf("\n");
    }
    return bad == e->ncases ? CMD_BAD : OK;
}

static int profile_experiment(Experiment *e, const ProfileSettings *s, int argc,
                              char **argv)
{
    const SweepSettings settings = { .db = s->db,
                                     .fresh = 1,
                                     .force = s->force };
    const Sweeping sweeping = { .experiment = e,
                                .settings = &settings,
                                .command = usage.name,
                                .argc = argc,
                                .argv = argv };
    int64_t sweep_id;
    Store *store;

    snprintf(e->experiment, sizeof(e->experiment), "profile");
    TRY(sweep_begin(&sweeping, &store, &sweep_id));
    return sweep_end(store, sweep_id, profile_cases(e, s, store, sweep_id));
}

static void print_metric(void *arg, const char *metric)
{
    (void)arg;
    printf("%s\n", metric);
}

/* Lists the counters of this machine's GPU. */
static int list_metrics(void)
{
    Device *dev;
    int err;

    TRY(backend_open(&dev, "cuda", NULL));
    err = counters_list(print_metric, NULL);
    backend_close(dev);
    return err;
}

int cmd_profile(int argc, char **argv)
{
    ProfileSettings s;
    Experiment e;
    Flags flags;
    int err;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    if (strcmp(s.metrics, "help") == 0)
        return list_metrics();
    TRY(flags_cases(&e, &flags, &usage,
                    "nothing to profile; name an experiment, or give "
                    "--backbone or --module"));
    err = profile_experiment(&e, &s, argc, argv);
    experiment_free(&e);
    return interrupt_finish(err, s.db);
}
