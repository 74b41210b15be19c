/*
 * erf_scaling.c - how receptive fields grow with the input: one panel per tap
 * and number, one line per module, and a dotted one for the part that bypasses
 * its gates.
 *
 * All is in pixels, so that a field of fixed size is a level line; one that
 * grows with the input is parallel to the grey line, which is of a field where
 * all pixels count equally.
 *
 * The data file holds one block per line (side value lo hi), panel by panel,
 * then the names at the lines' ends (panel side value y style, name).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "plots/fields.h"
#include "plots/labels.h"

enum {
    WIDE = 250, /* a panel, in points */
    HIGH = 150,
    LEFT = 40,
    RIGHT = 66, /* names              */
    TOP = 30,
    BOTTOM = 26,
    HEAD = 14, /* names of the taps  */
    FOOT = 14, /* under the last row */
    NAME = 13, /* between names      */
    DODGE = 3, /* between modules at one size, so that bars can be told apart */
};

/* Quantities drawn per tap, a row of panels each. all: the value if all of the
 * input counted equally, over the input's side. */
static const struct {
    const char *name, *title;
    bool area; /* a share of the input, shown as the side of such a square */
    double all;
} shown[] = {
    { "area_50", "side of the square with half of the mass (pixels)", true,
      0.70710678118654752 },
    { "area_95", "side of the square with 95 % of the mass (pixels)", true,
      0.97467943448089638 },
    { "radius", "radius of gyration (pixels)", false, 0.40824829046386302 },
};
enum { SHOWN = sizeof(shown) / sizeof(shown[0]) };

/* Where a line ends. */
typedef struct End {
    const ErfRow *row;
    double value;
} End;

/* A panel in the making. */
typedef struct Panel {
    const Fields *f;
    int tap, k; /* of shown */
    double top;
    bool all; /* whether the grey line is in it */
} Panel;

static double in_pixels(const ErfRow *r, int k, double value)
{
    return shown[k].area ? sqrt(value * r->c.height * r->c.width) : value;
}

static ErfRowNumber number_of(const ErfRow *r, int k, const char *part)
{
    ErfRowNumber n = erf_row_number(erf_row_part(r, part), shown[k].name);

    n.value = in_pixels(r, k, n.value);
    n.lo = isnan(n.lo) ? n.value : in_pixels(r, k, n.lo);
    n.hi = isnan(n.hi) ? n.value : in_pixels(r, k, n.hi);
    return n;
}

static int by_height(const void *a, const void *b)
{
    const int h = (*(const ErfRow *const *)a)->c.height;
    const int k = (*(const ErfRow *const *)b)->c.height;

    return (h > k) - (h < k);
}

/* A line: a part of the rows of one module at a tap, by size; no row if there
 * are none. */
static End write_line(Sheet *s, const Panel *p, int column, const char *part)
{
    const Fields *f = p->f;
    End end = { NULL, NAN };
    char label[LABEL_MAX];

    for (int i = 0; i < f->n; i++) {
        const ErfRow *r = f->row[i];
        const ErfRowNumber n = number_of(r, p->k, part);

        if (fields_tap(f, r) != p->tap || fields_column(f, r) != column ||
            isnan(n.value))
            continue;
        if (!end.row)
            fprintf(s->dat, "# %s, %s, %s, %s: side value lo hi\n",
                    f->tap[p->tap], fields_label(f, r, label), part,
                    shown[p->k].name);
        fprintf(s->dat, "%d %.6g %.6g %.6g\n", r->c.height, n.value, n.lo,
                n.hi);
        end = (End){ r, n.value };
    }
    if (end.row)
        fprintf(s->dat, "\n\n");
    return end;
}

/* The grey line is shown where what is drawn comes near it. */
static void find_top(Panel *p)
{
    const Fields *f = p->f;
    const double all = shown[p->k].all * f->row[f->n - 1]->c.height;
    double top = 0;

    for (int i = 0; i < f->n; i++)
        if (fields_tap(f, f->row[i]) == p->tap)
            top = fmax(top, number_of(f->row[i], p->k, "whole").hi);
    p->all = top > all / 2;
    p->top = 1.08 * fmax(top, p->all ? all : 0);
    if (!(p->top > 0))
        p->top = 1;
}

/* Names of the lines' ends, the grey one's too, where none hides another. */
static void write_names(const Sheet *s, FILE *names, const Panel *p, int panel,
                        const End end[FIELDS_COLUMNS])
{
    const Fields *f = p->f;
    const int side = f->row[f->n - 1]->c.height, n = f->columns;
    double y[FIELDS_COLUMNS + 1];

    for (int i = 0; i < n; i++)
        y[i] = end[i].row ? end[i].value / p->top * HIGH : 0;
    y[n] = p->all ? shown[p->k].all * side / p->top * HIGH : HIGH;
    labels_spread(y, n + p->all, NAME, 0, HIGH);
    for (int i = 0; i < n; i++) {
        char label[LABEL_MAX];

        if (end[i].row)
            fprintf(names, "%d %d %.6g %.6g %d \"%s\"\n", panel,
                    end[i].row->c.height, end[i].value, y[i] / HIGH * p->top,
                    module_style(s, end[i].row->c.module.text),
                    fields_label(f, end[i].row, label));
    }
    if (p->all)
        fprintf(names, "%d %d %.6g %.6g 0 \"all alike\"\n", panel, side,
                shown[p->k].all * side, y[n] / HIGH * p->top);
}

/* Lines of a panel, and of each its block of the data (from 0), its style,
 * whether it is dotted, and how far it stands aside. */
static void write_panel(Sheet *s, Panel *p, int *blocks, FILE *names)
{
    static const char *const parts[] = { "whole", "past_gates" };
    const Fields *f = p->f;
    const int panel = p->k * f->taps + p->tap + 1;
    End end[FIELDS_COLUMNS];

    find_top(p);
    fprintf(s->gp, "Lines[%d] = '", panel);
    for (int part = 0; part < 2; part++)
        for (int i = 0; i < f->columns; i++) {
            const End e = write_line(s, p, i, parts[part]);

            if (part == 0)
                end[i] = e;
            if (e.row)
                fprintf(s->gp, "%d %d %d %g ", (*blocks)++,
                        module_style(s, e.row->c.module.text), part,
                        DODGE * (i - (f->columns - 1) / 2.0));
        }
    fprintf(s->gp, "'\nTop[%d] = %.6g\n", panel, p->top);
    fprintf(s->gp, "All[%d] = %.6g\n", panel, p->all ? shown[p->k].all : 0);
    write_names(s, names, p, panel, end);
}

static int check_sizes(const Fields *f)
{
    for (int i = 1; i < f->n; i++)
        if (f->row[i]->c.height != f->row[0]->c.height)
            return OK;
    return fail(ERR_UNSUPPORTED,
                "the receptive fields of %s are all of inputs of %d rows; run: "
                "attnbench erf erf_resolution",
                f->row[0]->c.backbone.text, f->row[0]->c.height);
}

static void write_texts(Sheet *s, const Fields *f)
{
    char name[32];

    fprintf(s->gp, "array Head[%d]\narray Title[%d]\n", f->taps, SHOWN);
    for (int i = 0; i < f->taps; i++) {
        snprintf(name, sizeof(name), "Head[%d]", i + 1);
        sheet_text(s, name, "%s", f->tap[i]);
    }
    for (int k = 0; k < SHOWN; k++) {
        snprintf(name, sizeof(name), "Title[%d]", k + 1);
        sheet_text(s, name, "%s", shown[k].title);
    }
    fprintf(s->gp, "ticks = '");
    for (int i = 0; i < f->n; i++)
        if (i == 0 || f->row[i]->c.height != f->row[i - 1]->c.height)
            fprintf(s->gp, "%d ", f->row[i]->c.height);
    fprintf(s->gp, "'\n");
}

static void write_axes(Sheet *s, const Fields *f)
{
    sheet_number(s, "xlo", f->row[0]->c.height);
    sheet_number(s, "xhi", f->row[f->n - 1]->c.height);
    sheet_number(s, "panels", SHOWN * f->taps);
    sheet_number(s, "across", f->taps);
    sheet_number(s, "panel_width", WIDE);
    sheet_number(s, "panel_height", HIGH);
    sheet_number(s, "margin_left", LEFT);
    sheet_number(s, "margin_right", RIGHT);
    sheet_number(s, "margin_top", TOP);
    sheet_number(s, "margin_bottom", BOTTOM);
    sheet_number(s, "head", HEAD);
}

static int write_all(Sheet *s, Fields *f)
{
    const int panels = SHOWN * f->taps;
    char *names = NULL;
    int blocks = 0;
    size_t size;
    FILE *to = open_memstream(&names, &size);

    if (!to)
        return fail(ERR_MEMORY, "no memory for the names of a figure");
    qsort(f->row, (size_t)f->n, sizeof(f->row[0]), by_height);
    fprintf(s->gp, "array Top[%d]\narray All[%d]\narray Lines[%d]\n", panels,
            panels, panels);
    for (int k = 0; k < SHOWN; k++)
        for (int tap = 0; tap < f->taps; tap++)
            write_panel(s, &(Panel){ f, tap, k, 0, false }, &blocks, to);
    fclose(to);
    fprintf(s->dat, "# names: panel side value y style name\n%s", names);
    free(names);
    sheet_number(s, "blocks", blocks);
    write_texts(s, f);
    write_axes(s, f);
    sheet_say(s, "The square's side is the root of its area within the "
                 "input. Bars are 95 %% intervals. Dotted: the part that "
                 "bypasses the module's gates. Grey: if all of the input "
                 "counted equally.");
    fields_foot(s, f, f->taps * (LEFT + WIDE + RIGHT),
                HEAD + SHOWN * (TOP + HIGH + BOTTOM) + FOOT);
    return OK;
}

int figure_erf_scaling(Sheet *s)
{
    Fields f;
    int err;

    TRY(fields_read(&f, s, FIELDS_OF_ALL_INPUTS));
    err = check_sizes(&f);
    if (!err)
        err = write_all(s, &f);
    fields_free(&f);
    return err;
}
