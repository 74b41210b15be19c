/*
 * profile_page.c - tables of a profile.
 */
#include "harness/explain/profile_page.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/counted.h"
#include "analysis/csv.h"
#include "analysis/units.h"
#include "harness/explain/checks.h"
#include "harness/explain/launches.h"
#include "harness/files/wrap.h"
#include "harness/network/network.h"
#include "harness/report/table.h"
#include "kernels/core/err.h"

/* The unit of all times of a profile: that of the longer of sum and whole. */
static const char *unit_name(const Profile *p, double *unit)
{
    const double longer = p->sum_ns > p->whole_ns ? p->sum_ns : p->whole_ns;

    return units_of_time[unit_for(longer, units_of_time, unit)];
}

static void add_columns(Table *t, const TableColumn *columns, size_t n)
{
    BUG_IF(t->ncolumns + (int)n > TABLE_COLUMNS);
    memcpy(t->column + t->ncolumns, columns, n * sizeof(*columns));
    t->ncolumns += (int)n;
}

#define ADD(t, columns) \
    add_columns(t, columns, sizeof(columns) / sizeof(*(columns)))

/* The first of these names the unit of all times. */
static void add_times(Table *t, const Profile *p)
{
    double unit;
    const TableColumn of_time[] = {
        { "time", unit_name(p, &unit), "", "", false, FOR_ALL, true },
        { "share", "share", "", "", false, FOR_ALL, false },
    };

    ADD(t, of_time);
}

static void add_speeds(Table *t)
{
    static const TableColumn of_speed[] = {
        { "gflops", "GFLOP/s", "", "", false, FOR_ALL, false },
        { "bandwidth", "GB/s", "", "", false, FOR_ALL, false },
    };

    ADD(t, of_speed);
}

static void add_differences(Table *t)
{
    static const TableColumn of_difference[] = {
        { "difference", "difference", "", "", false, FOR_ALL, false },
        { "interval", "95 %", "", "", true, FOR_ALL, false },
    };

    ADD(t, of_difference);
}

/* In digits enough for what takes a thousandth of it. */
static void set_time(Table *t, int row, double ns, const Profile *p)
{
    double unit;

    unit_name(p, &unit);
    table_set(t, row, "time", "%.3f", ns / unit);
}

static void set_share(Table *t, int row, double ns, const Profile *p)
{
    set_time(t, row, ns, p);
    table_set(t, row, "share", "%.1f %%", 100 * ns / p->sum_ns);
}

static void set_speed(Table *t, int row, double ns, const Cost *cost)
{
    table_set(t, row, "gflops", "%.1f", cost->flops / ns);
    table_set(t, row, "bandwidth", "%.1f", cost->bytes / ns);
}

static void set_difference(Table *t, int row, const Interval *longer,
                           const Profile *p)
{
    double unit;

    unit_name(p, &unit);
    table_set(t, row, "difference", "%+.3f", longer->centre / unit);
    table_set(t, row, "interval", "[%+.3f, %+.3f]", longer->lo / unit,
              longer->hi / unit);
}

static void finish_table(Table *t)
{
    putchar('\n');
    table_print(t, TABLE_TEXT, stdout);
    table_free(t);
}

/* From the base, if there is one. */
static ProfileDifference difference(const ProfilePage *page)
{
    ProfileDifference d = { NULL };

    if (page->base)
        profile_compare(&d, &page->sums, page->base, page->together);
    return d;
}

/* ---- rows of steps ------------------------------------------------------- */

/* Ops of a module without a network are in no scope. */
static const char *row_name(const ProfilePage *page, const ProfileRow *row)
{
    return row->name[0] ? row->name : page->profiled->arm.c->module.text;
}

static void start_rows(Table *t, const ProfilePage *page)
{
    const TableColumn columns[] = {
        { "name", page->by == PROFILE_OP ? "op" : "module", "", "", true,
          FOR_ALL, false },
        { "steps", "steps", "", "", false, FOR_ALL, false },
    };

    table_init(t, columns, sizeof(columns) / sizeof(*columns));
    add_times(t, &page->profiled->profile);
    if (page->by == PROFILE_OP)
        add_speeds(t);
    if (page->base)
        add_differences(t);
}

static void add_row(Table *t, const ProfilePage *page, int i,
                    const Interval *longer)
{
    const ProfileRow *r = &page->sums.rows.row[i];
    const Profile *p = &page->profiled->profile;
    const int row = table_row(t);

    table_set(t, row, "name", "%s", row_name(page, r));
    table_set(t, row, "steps", "%d", r->steps);
    set_share(t, row, r->ns, p);
    if (page->by == PROFILE_OP)
        set_speed(t, row, r->ns, &r->cost);
    if (longer)
        set_difference(t, row, &longer[i], p);
}

/* Rows that the base alone has. */
static void add_gone(Table *t, const ProfilePage *page,
                     const ProfileDifference *d)
{
    for (int i = 0; i < page->base->rows.n; i++) {
        const ProfileRow *r = &page->base->rows.row[i];

        if (profile_row(&page->sums.rows, r->name) < 0) {
            const int row = table_row(t);

            table_set(t, row, "name", "%s", row_name(page, r));
            table_set(t, row, "steps", "0");
            set_difference(t, row, &d->gone[i], &page->profiled->profile);
        }
    }
}

static void add_sums(Table *t, const ProfilePage *page,
                     const ProfileDifference *d)
{
    const Profile *p = &page->profiled->profile;
    const int sum = table_row(t), whole = table_row(t);

    table_set(t, sum, "name", "sum of the steps");
    table_set(t, sum, "steps", "%d", p->n);
    set_time(t, sum, p->sum_ns, p);
    table_set(t, whole, "name", "run as a whole");
    set_time(t, whole, p->whole_ns, p);
    if (page->base) {
        set_difference(t, sum, &d->sum, p);
        set_difference(t, whole, &d->whole, p);
    }
}

static void print_rows(const ProfilePage *page, const ProfileDifference *d)
{
    Table t;

    start_rows(&t, page);
    for (int i = 0; i < page->sums.rows.n; i++)
        add_row(&t, page, i, d->row);
    if (page->base)
        add_gone(&t, page, d);
    add_sums(&t, page, d);
    finish_table(&t);
}

/* ---- what it comes to ---------------------------------------------------- */

/* Nothing for a network or a module alone. */
static void print_modules(const ProfilePage *page)
{
    const ProfileRow *by = page->sums.origins.row;
    const ProfileRow *modules = &by[ORIGIN_MODULE], *mixed = &by[ORIGIN_MIXED];
    const double sum_ns = page->profiled->profile.sum_ns;

    if (!modules->steps || !by[ORIGIN_NETWORK].steps)
        return;
    printf("modules: %.1f %% of the steps' time\n", 100 * modules->ns / sum_ns);
    if (mixed->steps)
        wrap_to_screen(stdout,
                       "mixed: %.1f %% in %d step%s that compute an op of a "
                       "module and one of the network at once, so neither's "
                       "share is known\n",
                       100 * mixed->ns / sum_ns, mixed->steps,
                       mixed->steps == 1 ? "" : "s");
}

/* Cost of a module elsewhere: what it evicts from caches, or keeps from being
 * folded. */
static void print_indirect(const ProfilePage *page, const ProfileDifference *d)
{
    const Interval *longer = &d->origin[ORIGIN_NETWORK];
    const ProfileRow *here = page->sums.origins.row,
                     *there = page->base->origins.row;
    double unit;
    const char *name = unit_name(&page->profiled->profile, &unit);

    if (!here[ORIGIN_NETWORK].steps || !there[ORIGIN_NETWORK].steps)
        return;
    if (here[ORIGIN_MIXED].steps || there[ORIGIN_MIXED].steps)
        printf("indirect: not known, since mixed steps hold ops of the "
               "network\n");
    else
        printf("indirect: the network's own steps %+.3f [%+.3f, %+.3f] %s "
               "(%+.1f %%)\n",
               longer->centre / unit, longer->lo / unit, longer->hi / unit,
               name, 100 * longer->centre / there[ORIGIN_NETWORK].ns);
}

static void print_gap(const Profiled *profiled, FILE *out)
{
    char gap[PROFILE_GAP];

    if (profile_gap(&profiled->profile, profiled->dev, gap)[0])
        wrap_to_screen(out, "\n%s\n", gap);
}

/* ---- the rest of the page ------------------------------------------------ */

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

    table_init(&t, columns, sizeof(columns) / sizeof(*columns));
    add_times(&t, p);
    add_speeds(&t);
    for (int i = 0; i < top && i < p->n; i++) {
        const ProfileStep *s = order[i];
        const int row = table_row(&t);

        table_set(&t, row, "rank", "%d", i + 1);
        table_set(&t, row, "op", "%s", s->out->op->name);
        table_set(&t, row, "kernel", "%s", s->kernel->name);
        table_set(&t, row, "where", "%s", s->out->name);
        table_set(&t, row, "shape", "%s", tensor_dims_text(s->out, dims));
        set_share(&t, row, s->ns, p);
        set_speed(&t, row, s->ns, &s->cost);
    }
    if (t.nrows)
        finish_table(&t);
    free(order);
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

void profile_page_text(const ProfilePage *page)
{
    const Profiled *profiled = page->profiled;
    const Profile *p = &profiled->profile;
    const Trial *arm = &profiled->arm;
    const int columns = screen_columns(stdout);
    ProfileDifference d = difference(page);

    wrap_command(stdout, columns ? columns : INT_MAX, arm->repeat);
    wrap_to_screen(stdout, "on %s: %s; %d rounds, relative L2 error %.1e\n",
                   case_name("backend", arm->c->backend), arm->dev->about,
                   p->rounds, arm->rel_l2);
    print_rows(page, &d);
    print_gap(profiled, stdout);
    print_top(p, page->top);
    launches_write(stdout, &profiled->rows, page->top);
    printf("\noutside convolutions and linears: %.1f %%\n",
           100 * p->outside_ns / p->sum_ns);
    print_modules(page);
    if (page->base) {
        print_indirect(page, &d);
        wrap_to_screen(stdout,
                       "(difference: from the first case, with its 95 %% "
                       "interval%s)\n",
                       page->together ? ""
                                      : "; not measured in the same rounds");
    }
    if (page->by == PROFILE_OP || page->top)
        wrap_to_screen(stdout, "(GFLOP/s: a multiply-add is 2; GB/s: of the "
                               "op's minimum bytes)\n");
    print_counted(&profiled->rows);
    checks_write(stdout, &profiled->rows, profiler_is_cold(arm->c));
    profile_difference_free(&d);
}

/* ---- CSV ----------------------------------------------------------------- */

void profile_page_csv_head(ProfileBy by)
{
    puts(by == PROFILE_OP
             ? "case,step,op,kernel,scope,shape,median_ns,flops,bytes"
             : "case,module,steps,median_ns,share,difference_ns,"
               "difference_lo_ns,difference_hi_ns");
}

static void csv_steps(const ProfilePage *page)
{
    const Profile *p = &page->profiled->profile;
    CsvRow row = { .out = stdout };
    char dims[DIMS_TEXT];

    for (int i = 0; i < p->n; i++) {
        const ProfileStep *s = &p->step[i];

        csv_write(&row, page->profiled->arm.repeat);
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

static void csv_ns(CsvRow *row, double ns)
{
    if (isnan(ns))
        csv_write(row, "");
    else
        csv_print(row, "%.0f", ns);
}

/* A row, and how much longer it took; NULL: there is no other. */
static void csv_row(const ProfilePage *page, const ProfileRow *r,
                    const Interval *longer)
{
    CsvRow row = { .out = stdout };

    csv_write(&row, page->profiled->arm.repeat);
    csv_write(&row, row_name(page, r));
    csv_print(&row, "%d", r->steps);
    csv_print(&row, "%.0f", r->ns);
    csv_print(&row, "%.6f", r->ns / page->sums.sum_ns);
    csv_ns(&row, longer ? longer->centre : NAN);
    csv_ns(&row, longer ? longer->lo : NAN);
    csv_ns(&row, longer ? longer->hi : NAN);
    csv_end(&row);
}

static void csv_rows(const ProfilePage *page)
{
    const ProfileSplit *rows = &page->sums.rows;
    ProfileDifference d = difference(page);

    for (int i = 0; i < rows->n; i++)
        csv_row(page, &rows->row[i], page->base ? &d.row[i] : NULL);
    for (int i = 0; page->base && i < page->base->rows.n; i++) {
        ProfileRow gone = { .steps = 0 };

        snprintf(gone.name, sizeof(gone.name), "%s",
                 page->base->rows.row[i].name);
        if (profile_row(rows, gone.name) < 0)
            csv_row(page, &gone, &d.gone[i]);
    }
    profile_difference_free(&d);
}

void profile_page_csv(const ProfilePage *page)
{
    if (page->by == PROFILE_OP)
        csv_steps(page);
    else
        csv_rows(page);
    print_gap(page->profiled, stderr);
}
