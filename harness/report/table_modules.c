/*
 * table_modules.c - modules alone: their times over shapes.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/conditions.h"
#include "analysis/slice.h"
#include "harness/report/table_page.h"
#include "kernels/core/err.h"

static char *time_cell(const Shown *what, const Run *r, char text[CELL_TEXT])
{
    char time[CELL_TEXT];

    (void)what;
    if (!run_is_ok(r))
        snprintf(text, CELL_TEXT, "%s", status_name(r->o.status));
    else
        snprintf(text, CELL_TEXT, "%s%.100s", r->o.converged ? "" : "~",
                 interval_text(r->time.median, r->time.lo, r->time.hi, time));
    return text;
}

static int say_conditions(Store *s, const RunList *runs, const TableOptions *o)
{
    char where[CONDITIONS_TEXT], samples[SAMPLES_TEXT];
    bool hollow = false;
    Conditions c;

    TRY(conditions_read(&c, s, runs->at[0].sweep_id));
    table_line(o->format, o->out, "%s; %s; %.10s, commit %s.",
               conditions_where(&c, runs, where),
               conditions_samples(runs, samples), c.started_at, c.commit);
    for (int i = 0; i < runs->n; i++)
        hollow |= run_is_ok(&runs->at[i]) && !runs->at[i].o.converged;
    if (hollow)
        table_line(o->format, o->out,
                   "~ did not converge: treat the interval with caution.");
    return OK;
}

/* For programs: one row per run. */
static void print_runs(const RunList *runs, const TableOptions *o)
{
    static const TableColumn times[] = {
        { "median_ns", "", "", "", true, FOR_ALL },
        { "lo_ns", "", "", "", true, FOR_ALL },
        { "hi_ns", "", "", "", true, FOR_ALL },
    };
    TableColumn column[TABLE_COLUMNS];
    const int n = table_case_columns(column);
    Table t;

    memcpy(column + n, times, sizeof(times));
    table_init(&t, column, n + 3);
    for (int i = 0; i < runs->n; i++) {
        const Run *r = &runs->at[i];
        const int row = table_row(&t);

        table_case(&t, row, r);
        if (run_is_ok(r)) {
            table_set(&t, row, "median_ns", "%.8g", r->time.median);
            table_set(&t, row, "lo_ns", "%.8g", r->time.lo);
            table_set(&t, row, "hi_ns", "%.8g", r->time.hi);
        }
    }
    table_print(&t, o->format, o->out);
    table_free(&t);
}

/* "Time of a run by attnbench, batch 8, cold (C x H x W)" */
static void say_title(const char *what, const RunList *page, const RunList *all,
                      const TableOptions *o)
{
    char label[PAGE_TEXT];

    table_page_label(page, all, label);
    table_line(o->format, o->out, "%s by %s%s%s (C x H x W)", what,
               page->at[0].source, *label ? ", " : "", label);
    if (o->format == TABLE_TEXT)
        fputc('\n', o->out);
}

int table_modules(Store *s, RunList *runs, const TableOptions *o)
{
    const Shown times = { time_cell, NULL, NULL };
    RunList *page;
    int n, err = OK;

    if (o->format == TABLE_CSV) {
        print_runs(runs, o);
        return OK;
    }
    TRY(table_pages(&page, &n, runs));
    for (int i = 0; i < n && !err; i++) {
        say_title("Time of a run", &page[i], runs, o);
        err = table_page_print(&page[i], &times, o);
        if (!err)
            err = say_conditions(s, &page[i], o);
        if (!err)
            err = table_page_growth(&page[i], o);
        fputc('\n', o->out);
        if (!err)
            err = table_fused(&page[i], runs, o);
    }
    free(page);
    return err;
}

void table_failures(const RunList *runs, const TableOptions *o)
{
    enum { SHOWN = 12 };
    int n = 0;

    for (int i = 0; i < runs->n; i++) {
        const Run *r = &runs->at[i];

        if (r->o.status == STATUS_OK)
            continue;
        if (n++ < SHOWN)
            table_line(o->format, o->out, "%s: %s: %s",
                       status_name(r->o.status), r->o.repeat, r->o.message);
    }
    if (n > SHOWN)
        table_line(o->format, o->out, "... and %d more without a time.",
                   n - SHOWN);
}
