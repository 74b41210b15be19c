/*
 * erf_scaling.c - how receptive fields grow with the input: a panel a tap and
 * number, a line a module.
 *
 * The data file holds a block a line (side value lo hi), panel by panel, then
 * the names at the lines' ends (panel side value y module's style, name).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "plots/fields.h"
#include "plots/labels.h"

enum {
    WIDE = 240, /* a panel, in points */
    HIGH = 150,
    LEFT = 52,
    RIGHT = 72, /* names              */
    TOP = 34,
    BOTTOM = 40,
    NAME = 13, /* between names      */
};

/* What is drawn of a tap: a row of panels each. */
static const struct {
    const char *name, *part, *title;
    double unit;
} shown[] = {
    { "area_50", "whole", "% of the input for half of the mass", 100 },
    { "area_95", "whole", "% of the input for 95 % of the mass", 100 },
    { "radius", "whole", "radius of gyration, pixels", 1 },
};
enum { SHOWN = sizeof(shown) / sizeof(shown[0]) };

typedef struct End {
    const ErfRow *row;
    double value;
} End;

static ErfRowNumber number_of(const ErfRow *r, int k)
{
    ErfRowNumber n =
        erf_row_number(erf_row_part(r, shown[k].part), shown[k].name);

    n.value *= shown[k].unit;
    n.lo *= shown[k].unit;
    n.hi *= shown[k].unit;
    return n;
}

static int by_height(const void *a, const void *b)
{
    return (*(const ErfRow *const *)a)->height -
           (*(const ErfRow *const *)b)->height;
}

/* A line: the rows of one module at a tap, by size. */
static End write_line(Sheet *s, const Fields *f, int tap, int column, int k)
{
    End end = { NULL, NAN };
    char label[LABEL_MAX];

    fprintf(s->dat, "# %s, %s, %s: side value lo hi\n", f->tap[tap],
            module_label(f->column[column]->module, label), shown[k].name);
    for (int i = 0; i < f->n; i++) {
        const ErfRow *r = f->row[i];
        const ErfRowNumber n = number_of(r, k);

        if (fields_tap(f, r) != tap || fields_column(f, r) != column)
            continue;
        fprintf(s->dat, "%d %.6g %.6g %.6g\n", r->height, n.value,
                isnan(n.lo) ? n.value : n.lo, isnan(n.hi) ? n.value : n.hi);
        end = (End){ r, n.value };
    }
    fprintf(s->dat, "\n\n");
    return end;
}

static double top_of(const Fields *f, int tap, int k)
{
    double top = 0;

    for (int i = 0; i < f->n; i++)
        if (fields_tap(f, f->row[i]) == tap) {
            const ErfRowNumber n = number_of(f->row[i], k);

            top = fmax(top, isnan(n.hi) ? n.value : n.hi);
        }
    return top > 0 ? 1.08 * top : 1;
}

/* Lines of a panel, and where their names go. */
static void write_panel(Sheet *s, const Fields *f, int tap, int k, FILE *names)
{
    const int panel = k * f->taps + tap + 1;
    const double top = top_of(f, tap, k);
    double y[FIELDS_COLUMNS];
    End end[FIELDS_COLUMNS];

    for (int i = 0; i < f->columns; i++) {
        end[i] = write_line(s, f, tap, i, k);
        y[i] = end[i].row ? end[i].value / top * HIGH : 0;
    }
    labels_spread(y, f->columns, NAME, 0, HIGH);
    for (int i = 0; i < f->columns; i++) {
        char label[LABEL_MAX];

        if (end[i].row)
            fprintf(names, "%d %d %.6g %.6g %d \"%s\"\n", panel,
                    end[i].row->height, end[i].value, y[i] / HIGH * top,
                    module_style(end[i].row->module),
                    module_label(end[i].row->module, label));
    }
    fprintf(s->gp, "Top[%d] = %.6g\n", panel, top);
    fprintf(s->gp, "Title[%d] = \"%s: %s\"\n", panel, f->tap[tap],
            shown[k].title);
}

static int check_sizes(const Fields *f)
{
    for (int i = 1; i < f->n; i++)
        if (f->row[i]->height != f->row[0]->height)
            return OK;
    return fail(ERR_UNSUPPORTED,
                "the receptive fields of %s are all of inputs of %d rows; run: "
                "attnbench erf erf_resolution",
                f->row[0]->backbone, f->row[0]->height);
}

static void write_axes(Sheet *s, const Fields *f)
{
    fprintf(s->gp, "ticks = '");
    for (int i = 0; i < f->n; i++)
        if (i == 0 || f->row[i]->height != f->row[i - 1]->height)
            fprintf(s->gp, "%d ", f->row[i]->height);
    fprintf(s->gp, "'\nStyles = '");
    for (int i = 0; i < f->columns; i++)
        fprintf(s->gp, "%d ", module_style(f->column[i]->module));
    fprintf(s->gp, "'\n");
    sheet_number(s, "xlo", f->row[0]->height);
    sheet_number(s, "xhi", f->row[f->n - 1]->height);
    sheet_number(s, "panels", SHOWN * f->taps);
    sheet_number(s, "across", f->taps);
    sheet_number(s, "modules", f->columns);
    sheet_number(s, "panel_width", WIDE);
    sheet_number(s, "panel_height", HIGH);
    sheet_number(s, "margin_left", LEFT);
    sheet_number(s, "margin_right", RIGHT);
    sheet_number(s, "margin_top", TOP);
    sheet_number(s, "margin_bottom", BOTTOM);
}

static void write_all(Sheet *s, Fields *f)
{
    char *names = NULL;
    size_t size;
    FILE *to = open_memstream(&names, &size);

    BUG_IF(!to);
    qsort(f->row, (size_t)f->n, sizeof(f->row[0]), by_height);
    fprintf(s->gp, "array Top[%d]\narray Title[%d]\n", SHOWN * f->taps,
            SHOWN * f->taps);
    for (int k = 0; k < SHOWN; k++)
        for (int tap = 0; tap < f->taps; tap++)
            write_panel(s, f, tap, k, to);
    fclose(to);
    fprintf(s->dat, "# names: panel side value y style name\n%s", names);
    free(names);
    write_axes(s, f);
    sheet_say(s, "Bars are 95 %% intervals.");
    fields_foot(s, f, f->taps * (LEFT + WIDE + RIGHT),
                SHOWN * (TOP + HIGH + BOTTOM));
}

int figure_erf_scaling(Sheet *s)
{
    Fields f;
    int err;

    TRY(fields_read(&f, s, FIELDS_OF_ALL_INPUTS));
    err = check_sizes(&f);
    if (!err)
        write_all(s, &f);
    fields_free(&f);
    return err;
}
