/*
 * table_page.c - finds rows and columns in a list of runs and fills the cells.
 */
#include "harness/report/table_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/slice.h"
#include "kernels/core/err.h"

/* Settings that vary on a page of one batch, and on one of all. */
#define ON_A_PAGE                                                            \
    "backbone", "module", "settings", "impl", "position", "form", "weights", \
        "norm_gain", "graph", "backend", "dtype", "channels", "height",      \
        "width", "pass", "threads", "copy"
static const char *const of_one_batch[] = { ON_A_PAGE, NULL };
static const char *const of_all_batches[] = { ON_A_PAGE, "batch", NULL };

/* Runs that differ in these alone share a row; in settings too, where they
 * follow the shape. */
static const char *const not_rows[] = { "batch", "channels", "height",
                                        "width", "copy",     NULL };

static const char *const not_rows_nor_settings[] = {
    "batch", "channels", "height", "width", "copy", "settings", NULL,
};

/* A grid: the runs of a source by row and column. */
typedef struct TablePage {
    const RunList *runs;
    const Run **row, **column; /* an example of each */
    int nrows, ncolumns;
} TablePage;

static bool same_shape(const Run *a, const Run *b)
{
    return a->c.batch == b->c.batch && a->c.channels == b->c.channels &&
           a->c.height == b->c.height && a->c.width == b->c.width;
}

static bool same_side(const Run *a, const Run *b)
{
    return a->c.height == b->c.height && a->c.width == b->c.width;
}

static bool same_row(const RunList *runs, const Run *a, const Run *b)
{
    return slice_same(a, b, not_rows) ||
           (slice_same(a, b, not_rows_nor_settings) &&
            !slice_settings_matter(runs, a->c.module.text));
}

static int by_shape(const void *a, const void *b)
{
    const Run *r = *(const Run *const *)a, *q = *(const Run *const *)b;
    const int of_r[] = { r->c.batch, r->c.channels, r->c.height, r->c.width };
    const int of_q[] = { q->c.batch, q->c.channels, q->c.height, q->c.width };

    for (int i = 0; i < 4; i++)
        if (of_r[i] != of_q[i])
            return of_r[i] > of_q[i] ? 1 : -1;
    return 0;
}

static int grid_make(TablePage *g, const RunList *runs)
{
    const size_t n = (size_t)runs->n + 1;

    *g = (TablePage){ runs, malloc(n * sizeof(Run *)),
                      malloc(n * sizeof(Run *)), 0, 0 };
    if (!g->row || !g->column)
        return fail(ERR_MEMORY, "no memory for %d runs", runs->n);
    for (int i = 0; i < runs->n; i++) {
        const Run *r = &runs->at[i];
        bool old_row = false, old_column = false;

        if (r->c.copy)
            continue;
        for (int k = 0; k < g->nrows && !old_row; k++)
            old_row = same_row(runs, r, g->row[k]);
        for (int k = 0; k < g->ncolumns && !old_column; k++)
            old_column = same_shape(r, g->column[k]);
        if (!old_row)
            g->row[g->nrows++] = r;
        if (!old_column)
            g->column[g->ncolumns++] = r;
    }
    qsort(g->column, (size_t)g->ncolumns, sizeof(*g->column), by_shape);
    return OK;
}

static void grid_free(TablePage *g)
{
    free(g->row);
    free(g->column);
}

static const Run *grid_at(const TablePage *g, int row, int column)
{
    for (int i = 0; i < g->runs->n; i++) {
        const Run *r = &g->runs->at[i];

        if (!r->c.copy && same_shape(r, g->column[column]) &&
            same_row(g->runs, r, g->row[row]))
            return r;
    }
    return NULL;
}

/* "SCSA", or "SCSA fused reduction=4 threads=2": what varies besides. */
static void row_label(const TablePage *g, int row, char *text, size_t size)
{
    static const char *const shown[] = { "backbone", "settings", "position",
                                         "form",     "weights",  "graph",
                                         "backend",  "dtype",    "pass",
                                         "threads",  NULL };
    const Run *r = g->row[row];
    char value[SLICE_TEXT], other[SLICE_TEXT], label[LABEL_MAX];
    size_t used;

    used = (size_t)snprintf(text, size, "%s", run_label(r, label));
    for (int k = 0; shown[k]; k++) {
        bool varies = false;

        slice_value(r, shown[k], value);
        for (int i = 0; i < g->nrows && !varies; i++) {
            const bool mine =
                strcmp(shown[k], "settings") ||
                !strcmp(g->row[i]->c.module.text, r->c.module.text);

            varies =
                mine && strcmp(value, slice_value(g->row[i], shown[k], other));
        }
        if (!varies || used >= size)
            continue;
        if (!strcmp(shown[k], "settings") && !settings_label(r, value)[0])
            continue;
        used += (size_t)snprintf(
            text + used, size - used, " %s%s",
            strcmp(shown[k], "threads") ? "" : "threads=", value);
    }
}

static void column_label(const TablePage *g, int column, char text[CELL_TEXT])
{
    const Run *c = g->column[column];
    bool batches = false;

    for (int i = 0; i < g->ncolumns; i++)
        batches |= g->column[i]->c.batch != c->c.batch;
    if (batches)
        snprintf(text, CELL_TEXT, "%dx%dx%dx%d", c->c.batch, c->c.channels,
                 c->c.height, c->c.width);
    else
        snprintf(text, CELL_TEXT, "%dx%dx%d", c->c.channels, c->c.height,
                 c->c.width);
}

/* Prints as many columns from first on as a table can have; returns the next.
 * Text breaks them to the width of the page. */
static int print_columns(const TablePage *g, int first, const Shown *what,
                         const TableOptions *o)
{
    char key[TABLE_COLUMNS][CELL_TEXT], text[CELL_TEXT];
    TableColumn column[TABLE_COLUMNS] = { { "module", "module", "", "", true,
                                            FOR_ALL } };
    int n = 1, c = first;
    Table t;

    for (; c < g->ncolumns && n < TABLE_COLUMNS; c++, n++) {
        column_label(g, c, key[n]);
        column[n] = (TableColumn){ key[n], key[n], "", "", false, FOR_ALL };
    }
    table_init(&t, column, n);
    for (int r = 0; r < g->nrows; r++) {
        const int row = table_row(&t);

        row_label(g, r, text, sizeof(text));
        table_set(&t, row, "module", "%s", text);
        for (int i = 1; i < n; i++) {
            const Run *run = grid_at(g, r, first + i - 1);

            if (run)
                table_set(&t, row, key[i], "%s", what->cell(what, run, text));
        }
    }
    table_print(&t, o->format, o->out);
    fputc('\n', o->out);
    table_free(&t);
    return c;
}

int table_page_print(const RunList *runs, const Shown *what,
                     const TableOptions *o)
{
    TablePage g;
    int err = grid_make(&g, runs);

    for (int c = 0; !err && c < g.ncolumns;)
        c = print_columns(&g, c, what, o);
    grid_free(&g);
    return err;
}

/* In which the shapes of a grid grow; NULL: none, or several. */
typedef struct Growth {
    const char *name, *linear;
    double (*size)(const Run *r);
} Growth;

static double channels_of(const Run *r)
{
    return r->c.channels;
}

static double side_of(const Run *r)
{
    return sqrt((double)r->c.height * r->c.width);
}

static const Growth *growth_of(const TablePage *g)
{
    static const Growth channels = { "channels", "1 is linear in channels",
                                     channels_of },
                        side = { "the side of the map", "2 is linear in pixels",
                                 side_of };
    bool batches = false, in_channels = false, in_side = false;

    for (int i = 1; i < g->ncolumns; i++) {
        batches |= g->column[i]->c.batch != g->column[0]->c.batch;
        in_channels |= g->column[i]->c.channels != g->column[0]->c.channels;
        in_side |= !same_side(g->column[i], g->column[0]);
    }
    if (batches || in_channels == in_side)
        return NULL;
    return in_channels ? &channels : &side;
}

/* "SE 1.00 [0.98, 1.02]"; false where there are too few times. */
static bool row_growth(const TablePage *g, int row, const Growth *growth,
                       char *text, size_t size)
{
    double *x = malloc(2 * (size_t)(g->ncolumns + 1) * sizeof(*x));
    double *y = x ? x + g->ncolumns : NULL;
    char label[CELL_TEXT];
    PowerFit fit;
    bool fitted;
    int n = 0;

    for (int c = 0; x && c < g->ncolumns; c++) {
        const Run *r = grid_at(g, row, c);

        if (!r || !run_is_ok(r))
            continue;
        x[n] = growth->size(r);
        y[n++] = r->time.median;
    }
    fitted = x && fit_largest(&fit, x, y, n);
    free(x);
    if (!fitted)
        return false;
    row_label(g, row, label, sizeof(label));
    snprintf(text, size, "%s %.2f [%.2f, %.2f]", label, fit.exponent, fit.lo,
             fit.hi);
    return true;
}

int table_page_growth(const RunList *runs, const TableOptions *o)
{
    const Growth *growth = NULL;
    char text[2048] = "", row[CELL_TEXT + 64];
    TablePage g;
    const int err = grid_make(&g, runs);

    if (!err)
        growth = growth_of(&g);
    for (int r = 0; growth && r < g.nrows; r++) {
        const size_t used = strlen(text);

        if (row_growth(&g, r, growth, row, sizeof(row)))
            snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "",
                     row);
    }
    if (*text)
        table_line(o->format, o->out,
                   "the time grows with this power of %s, fitted to the %d "
                   "largest sizes (%s): %s.",
                   growth->name, FIT_LARGEST, growth->linear, text);
    grid_free(&g);
    return err;
}

static bool same_map(const Run *a, const Run *b)
{
    return a->c.channels == b->c.channels && same_side(a, b);
}

/* True if batches and maps both vary: then a column is a map. */
static bool batches_apart(const RunList *runs)
{
    bool batches = false, maps = false;

    for (int i = 1; i < runs->n; i++) {
        batches |= runs->at[i].c.batch != runs->at[0].c.batch;
        maps |= !same_map(&runs->at[i], &runs->at[0]);
    }
    return batches && maps;
}

int table_pages(RunList **out, int *n, RunList *runs)
{
    return slice_split(out, n, runs,
                       batches_apart(runs) ? of_one_batch : of_all_batches);
}

char *table_page_label(const RunList *page, const RunList *all,
                       char text[PAGE_TEXT])
{
    const Run *r = &page->at[0];
    bool states = false;
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; i < all->n; i++)
        states |= all->at[i].c.state != r->c.state;
    if (batches_apart(all))
        n = (size_t)snprintf(text, PAGE_TEXT, "batch %d", r->c.batch);
    if (states)
        snprintf(text + n, PAGE_TEXT - n, "%s%s", n ? ", " : "",
                 case_name("state", r->c.state));
    return text;
}
