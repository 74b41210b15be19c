/*
 * table_case.c - the columns of a table for programs that say which case a run
 * is, and where it ran.
 */
#include <math.h>
#include <string.h>

#include "analysis/slice.h"
#include "harness/report/tables.h"

/* Where and when, after the columns that tell cases apart. */
static const char *const where[] = { "weights_hash", "cpu",        "gpu",
                                     "cores",        "git_commit", "dirty",
                                     "started_at" };
static const char *const outcome[] = { "status", "converged", "samples" };
enum {
    NWHERE = sizeof(where) / sizeof(where[0]),
    NOUTCOME = sizeof(outcome) / sizeof(outcome[0]),
};

static TableColumn for_programs(const char *key)
{
    return (TableColumn){ key, "", "", "", true, FOR_PROGRAMS };
}

int table_case_columns(TableColumn *out)
{
    int n = 0;

    for (; slice_column(n); n++)
        out[n] = for_programs(slice_column(n));
    for (int i = 0; i < NWHERE; i++)
        out[n++] = for_programs(where[i]);
    for (int i = 0; i < NOUTCOME; i++)
        out[n++] = for_programs(outcome[i]);
    return n;
}

void table_where(Table *t, int row, const Run *r)
{
    table_set(t, row, "cpu", "%s", r->cpu);
    table_set(t, row, "gpu", "%s", r->gpu);
    table_set(t, row, "cores", "%d", r->cores);
    table_set(t, row, "git_commit", "%s", r->git_commit);
    table_set(t, row, "dirty", "%d", r->dirty);
    table_set(t, row, "started_at", "%s", r->started_at);
}

void table_case(Table *t, int row, const Run *r)
{
    char text[SLICE_TEXT];

    for (int i = 0; slice_column(i); i++)
        table_set(t, row, slice_column(i), "%s",
                  slice_value(r, slice_column(i), text));
    table_set(t, row, "weights_hash", "%s", r->o.weights_hash);
    table_where(t, row, r);
    table_set(t, row, "status", "%s", status_name(r->o.status));
    table_set(t, row, "converged", "%d", r->o.converged);
    table_set(t, row, "samples", "%d", r->time.n);
}

/* Per cent with one decimal, of which none is -0.0. */
static double shown_percent(double ratio)
{
    const double percent = cost_percent(ratio);

    return fabs(percent) < 0.05 ? 0 : percent;
}

char *cost_text(const Ratio *r, const char *unit, char text[CELL_TEXT])
{
    snprintf(text, CELL_TEXT, "%.1f%s [%.1f, %.1f]", shown_percent(r->ratio),
             unit, shown_percent(r->hi), shown_percent(r->lo));
    return text;
}

/* One number per cell: a ratio of throughputs as what is missing to it. */
static void put_percent(Table *t, int row, const char *key, const Ratio *r)
{
    char low[64], high[64];

    snprintf(low, sizeof(low), "%s_lo", key);
    snprintf(high, sizeof(high), "%s_hi", key);
    table_number(t, row, key, "%.6g", cost_percent(r->ratio));
    table_number(t, row, low, "%.6g", cost_percent(r->hi));
    table_number(t, row, high, "%.6g", cost_percent(r->lo));
}

void table_cost(Table *t, int row, const ModuleCost *c, bool exact)
{
    char text[CELL_TEXT];

    if (exact) {
        put_percent(t, row, "direct_percent", &c->direct);
        put_percent(t, row, "indirect_percent", &c->indirect);
        return;
    }
    if (c->direct.n)
        table_set(t, row, "direct_percent", "%s",
                  cost_text(&c->direct, "", text));
    if (c->indirect.n)
        table_set(t, row, "indirect_percent", "%s",
                  cost_text(&c->indirect, "", text));
}

void table_show_cost(Table *t, bool direct, bool indirect)
{
    for (int i = 0; i < t->ncolumns; i++) {
        TableColumn *c = &t->column[i];

        if (strcmp(c->key, "direct_percent") == 0)
            c->reader = direct ? FOR_ALL : FOR_PROGRAMS;
        if (strcmp(c->key, "indirect_percent") == 0)
            c->reader = indirect ? FOR_ALL : FOR_PROGRAMS;
    }
}
