/*
 * stages.c - the figure of modules alone, one panel per shape: one row per
 * module, its time on a log axis that all panels share.
 *
 * The data file holds one block per panel (row x lo hi converged style), then
 * the names of the rows.
 */
#include <math.h>
#include <string.h>

#include "analysis/units.h"
#include "kernels/core/err.h"
#include "plots/labels.h"
#include "plots/sheet.h"

enum {
    ROWS_MAX = 64,
    PANELS_MAX = 8,
    ROW = 17,
    PANEL = 128, /* wide */
    GAP = 12,
    FONT = 10, /* of names; as in theme.gp */
    RIGHT = 12,
    TOP = 38,
    BOTTOM = 40,
};

static const char *const axes[] = { "module", "impl",  "settings", "channels",
                                    "height", "width", NULL };

/* An example of each row and of each panel. */
typedef struct Stages {
    const Run *row[ROWS_MAX], *panel[PANELS_MAX];
    int rows, panels;
    double lo, hi, unit; /* of the times; unit in nanoseconds */
} Stages;

static bool same_row(const Run *a, const Run *b, const RunList *runs)
{
    return !strcmp(a->c.module.text, b->c.module.text) &&
           run_is_fused(a) == run_is_fused(b) &&
           (!strcmp(a->c.settings, b->c.settings) ||
            !slice_settings_matter(runs, a->c.module.text));
}

static bool same_panel(const Run *a, const Run *b)
{
    return a->c.channels == b->c.channels && a->c.height == b->c.height &&
           a->c.width == b->c.width;
}

/* Panels by channels, rows as they come. */
static int gather(Stages *g, const RunList *runs)
{
    *g = (Stages){ .lo = INFINITY };
    for (int i = 0; i < runs->n; i++) {
        const Run *r = &runs->at[i];
        int row = 0, panel = 0, at;

        g->lo = fmin(g->lo, r->time.lo);
        g->hi = fmax(g->hi, r->time.hi);
        while (row < g->rows && !same_row(g->row[row], r, runs))
            row++;
        while (panel < g->panels && !same_panel(g->panel[panel], r))
            panel++;
        if (row == ROWS_MAX || panel == PANELS_MAX)
            return fail(ERR_INPUT,
                        "experiment '%s' has more than %d rows or %d shapes "
                        "to draw; choose with --module= or --channels=",
                        r->experiment, ROWS_MAX, PANELS_MAX);
        if (row == g->rows)
            g->row[g->rows++] = r;
        if (panel < g->panels)
            continue;
        for (at = g->panels++; at > 0; at--) {
            if (g->panel[at - 1]->c.channels <= r->c.channels)
                break;
            g->panel[at] = g->panel[at - 1];
        }
        g->panel[at] = r;
    }
    return OK;
}

static void write_panel(Sheet *s, const Stages *g, int panel,
                        const RunList *runs)
{
    char name[32];

    fprintf(s->dat, "# %dx%dx%d: row time lo hi converged style\n",
            g->panel[panel]->c.channels, g->panel[panel]->c.height,
            g->panel[panel]->c.width);
    for (int row = 0; row < g->rows; row++)
        for (int i = 0; i < runs->n; i++) {
            const Run *r = &runs->at[i];

            if (same_panel(g->panel[panel], r) &&
                same_row(g->row[row], r, runs))
                fprintf(s->dat, "%d %.6g %.6g %.6g %d %d\n", row + 1,
                        r->time.median / g->unit, r->time.lo / g->unit,
                        r->time.hi / g->unit, r->o.converged, run_style(s, r));
        }
    fprintf(s->dat, "\n\n");
    snprintf(name, sizeof(name), "Shape[%d]", panel + 1);
    sheet_text(s, name, "%dx%dx%d", g->panel[panel]->c.channels,
               g->panel[panel]->c.height, g->panel[panel]->c.width);
}

/* Returns how wide the names are. */
static double write_names(Sheet *s, const Stages *g)
{
    const char *focus = s->options->focus;
    char label[LABEL_MAX];
    double wide = 0;

    fprintf(s->dat, "# names: row strong name\n");
    for (int row = 0; row < g->rows; row++) {
        run_label(g->row[row], label);
        wide = fmax(wide, label_width(label) * FONT);
        fprintf(s->dat, "%d %d ", row + 1,
                focus && !strcmp(g->row[row]->c.module.text, focus));
        sheet_word(s, label);
        fprintf(s->dat, "\n");
    }
    return wide;
}

static void write_axis(Sheet *s, Stages *g)
{
    static const char *const units[] = { "ns", "µs", "ms", "s", NULL };
    const int i = unit_for(sqrt(g->lo * g->hi), units, &g->unit);
    const Ticks ticks = { g->lo / g->unit, g->hi / g->unit, g->unit, units };

    sheet_number(s, "xlo", ticks.lo / 1.15);
    sheet_number(s, "xhi", ticks.hi * 1.15);
    if (sheet_unit_ticks(s, "", &ticks))
        sheet_text(s, "xlabel", "time");
    else
        sheet_text(s, "xlabel", "time (%s)", units[i]);
}

int figure_stages(Sheet *s)
{
    bool hollow = false;
    double names;
    RunList runs;
    Stages g;
    int err;

    TRY(sheet_runs(s, &runs, &(SheetRuns){ s->experiment, axes, false }));
    err = gather(&g, &runs);
    if (!err) {
        write_axis(s, &g);
        fprintf(s->gp, "array Shape[%d]\n", g.panels);
        for (int p = 0; p < g.panels; p++)
            write_panel(s, &g, p, &runs);
        names = write_names(s, &g) + GAP;
        sheet_number(s, "panels", g.panels);
        sheet_number(s, "rows", g.rows);
        sheet_number(s, "row_height", ROW);
        sheet_number(s, "panel_width", PANEL);
        sheet_number(s, "gap", GAP);
        sheet_number(s, "margin_left", names);
        sheet_number(s, "margin_top", TOP);
        for (int i = 0; i < runs.n; i++)
            hollow |= !runs.at[i].o.converged;
        if (hollow)
            sheet_say(s, "Hollow points did not converge.");
        err = sheet_page(s, &runs, names + g.panels * (PANEL + GAP) + RIGHT,
                         TOP + ROW * g.rows + BOTTOM);
    }
    summary_free(&runs);
    return err;
}
