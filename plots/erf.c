/*
 * erf.c - receptive fields: one panel per module and tap, all on one scale;
 * and how they grow with the input.
 *
 * The data file of erf holds one block per panel, a matrix of the mass's shares
 * in cells of several pixels, then a block of squares (panel x0 y0 x1 y1 level
 * and the share of the input that it covers).
 */
#include "plots/fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "plots/labels.h"

enum {
    CELLS = 128,     /* a side of a panel, at most */
    PAGE = 756,      /* points, two columns        */
    PANEL_MAX = 180, /* a side                     */
    GAP = 8,
    LEFT = 54,    /* names of the taps          */
    TOP = 24,     /* names of the modules       */
    UNDER = 36,   /* what is said of a panel    */
    BAR = 200,    /* the tone's length          */
    BAR_END = 12, /* room for its last number */
    ROOMY = 120,  /* panels on which it is said what the numbers are */
    SCALE = 40,   /* the tone, under all        */
    SQUARES_DRAWN = 3,
};

static const int levels[SQUARES_DRAWN] = { 20, 50, 95 };

/* A side of a cell, in pixels, so that all panels have cells of one size. */
static int cell_side(const Fields *f)
{
    const ErfRow *r = f->row[0];
    const int side = r->c.height > r->c.width ? r->c.height : r->c.width;

    return (side + CELLS - 1) / CELLS;
}

static double mass_of(const float *map, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += map[i];
    return sum;
}

/* One panel's matrix; returns the largest share of a cell. */
static double write_cells(Sheet *s, const ErfRow *r, int cell)
{
    const float *map = r->part[0].map;
    const double mass = mass_of(map, (size_t)r->c.height * (size_t)r->c.width);
    double largest = 0;

    for (int i = 0; i < r->c.height; i += cell) {
        for (int j = 0; j < r->c.width; j += cell) {
            double sum = 0;

            for (int y = i; y < i + cell && y < r->c.height; y++)
                for (int x = j; x < j + cell && x < r->c.width; x++)
                    sum += map[(size_t)y * (size_t)r->c.width + (size_t)x];
            largest = fmax(largest, sum / mass);
            fprintf(s->dat, "%.4g ", sum / mass);
        }
        fputc('\n', s->dat);
    }
    return largest;
}

static double within(double v, double hi)
{
    return v < 0 ? 0 : v > hi ? hi : v;
}

/* The square of a level about the unit's place, in pixels' edges. */
static void write_squares(Sheet *s, const ErfRow *r, int panel)
{
    for (int i = 0; i < SQUARES_DRAWN; i++) {
        char name[32];
        ErfRowNumber n;
        double half;
        ErfMap map = { r->c.height, r->c.width, r->y, r->x, r->part[0].map };

        snprintf(name, sizeof(name), "area_%d", levels[i]);
        n = erf_row_number(&r->part[0], name);
        erf_square(&map, levels[i] / 100.0, &half);
        fprintf(s->dat, "%d %g %g %g %g %d %.4g\n", panel,
                within(r->x - half, r->c.width),
                within(r->y - half, r->c.height),
                within(r->x + half + 1, r->c.width),
                within(r->y + half + 1, r->c.height), levels[i], 100 * n.value);
    }
}

/* "20, 50, 95 % of the mass in / 1.25, 4.4, 30.2 % of the input", "through
 * gates 6 %"; in narrow panels the numbers alone, as the caption says. */
static void say_panel(Sheet *s, const ErfRow *r, int panel, bool roomy)
{
    const ErfRowNumber gates =
        erf_row_number(erf_row_part(r, "gates"), "mass_share");
    double area[SQUARES_DRAWN];
    char name[32];

    for (int i = 0; i < SQUARES_DRAWN; i++) {
        snprintf(name, sizeof(name), "area_%d", levels[i]);
        area[i] = 100 * erf_row_number(&r->part[0], name).value;
    }
    snprintf(name, sizeof(name), "Said[%d]", panel);
    sheet_text(s, name, "%.3g, %.3g, %.3g %%%s", area[0], area[1], area[2],
               roomy ? " of the input" : "");
    snprintf(name, sizeof(name), "Holds[%d]", panel);
    sheet_text(s, name, "%d, %d, %d %%%s", levels[0], levels[1], levels[2],
               roomy ? " of the mass in" : " in");
    snprintf(name, sizeof(name), "Gates[%d]", panel);
    if (isnan(gates.value))
        sheet_text(s, name, "no gates");
    else
        sheet_text(s, name, "through gates %.2g %%", 100 * gates.value);
}

static void write_panels(Sheet *s, const Fields *f, int cell, bool roomy)
{
    double peak = 0;

    fprintf(s->gp,
            "array Said[%d]\narray Holds[%d]\narray Gates[%d]\n"
            "array At[%d]\n",
            f->n, f->n, f->n, f->n);
    for (int i = 0; i < f->n; i++) {
        const ErfRow *r = f->row[i];

        fprintf(s->dat, "# %s, %s: %s\n", r->c.module.text, r->tap,
                r->described);
        peak = fmax(peak, write_cells(s, r, cell));
        fprintf(s->dat, "\n\n");
        say_panel(s, r, i + 1, roomy);
        fprintf(s->gp, "At[%d] = %d\n", i + 1,
                fields_tap(f, r) * f->columns + fields_column(f, r));
    }
    fprintf(s->dat, "# squares: panel x0 y0 x1 y1 level percent_of_input\n");
    for (int i = 0; i < f->n; i++)
        write_squares(s, f->row[i], i + 1);
    sheet_number(s, "peak", peak);
    sheet_say(s,
              "Tone: the fourth root of a cell's share of the gradient's mass, "
              "over the largest of all panels (%.2g %% in a cell of %dx%d "
              "pixels).",
              100 * peak, cell, cell);
}

static void write_names(Sheet *s, const Fields *f)
{
    char name[32], label[LABEL_MAX];

    fprintf(s->gp, "array Column[%d]\narray Row[%d]\n", f->columns, f->taps);
    for (int i = 0; i < f->columns; i++) {
        snprintf(name, sizeof(name), "Column[%d]", i + 1);
        sheet_text(s, name, "%s", fields_label(f, f->column[i], label));
    }
    for (int i = 0; i < f->taps; i++) {
        snprintf(name, sizeof(name), "Row[%d]", i + 1);
        sheet_text(s, name, "%s", f->tap[i]);
    }
}

int figure_erf(Sheet *s)
{
    Fields f;
    double panel, high;
    int cell;

    TRY(fields_read(&f, s, FIELDS_OF_ONE_INPUT));
    cell = cell_side(&f);
    sheet_say(s, "Effective receptive field: which input pixels influence a "
                 "layer.");
    panel = (double)(PAGE - LEFT) / f.columns - GAP;
    panel = panel > PANEL_MAX ? PANEL_MAX : panel;
    high = panel * f.row[0]->c.height / f.row[0]->c.width;
    write_panels(s, &f, cell, panel >= ROOMY);
    write_names(s, &f);
    sheet_number(s, "panels", f.n);
    sheet_number(s, "columns", f.columns);
    sheet_number(s, "cell", cell);
    sheet_number(s, "xpixels", f.row[0]->c.width);
    sheet_number(s, "ypixels", f.row[0]->c.height);
    sheet_number(s, "panel_width", panel);
    sheet_number(s, "panel_height", high);
    sheet_number(s, "gap", GAP);
    sheet_number(s, "left", LEFT);
    sheet_number(s, "top", TOP);
    sheet_number(s, "under", UNDER);
    sheet_say(s, "Squares centred on the unit hold 20, 50 and 95 %% of the "
                 "mass; under each panel, the shares of the input that they "
                 "cover.");
    sheet_number(s, "bar", BAR);
    fields_foot(s, &f,
                fmax(LEFT + f.columns * (panel + GAP), LEFT + BAR + BAR_END),
                TOP + f.taps * (high + UNDER) + SCALE);
    fields_free(&f);
    return OK;
}
