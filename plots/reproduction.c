/*
 * reproduction.c - the figures of the paper's tables: ratios of throughputs,
 * here and in the paper.
 *
 * table1: one row per variant of SCSA. table2: one panel per backbone, a pair
 * of bars per module; panels follow one another in lines, as words do.
 */
#include "analysis/reproduction.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "plots/labels.h"
#include "plots/sheet.h"

enum {
    FONT = 10,         /* of names; as in theme.gp                  */
    SMALL = 8,         /* the foot's                                */
    WIDTH = 370,       /* of table1                                 */
    ROW = 17,          /* of a variant                              */
    ROWS_MARGIN = 78,  /* above and below the rows                  */
    SHEET = 756,       /* width of table2: both columns, at most    */
    SHEET_LEAST = 540, /* that its legend has room                  */
    SLOT = 38,         /* of a pair of bars                         */
    LEFT = 34,         /* before the first panel of a line          */
    GAP = 16,          /* between panels                            */
    LINE = 190,        /* height of a line of panels, with names    */
    LEGEND = 18,
};

static const char *const axes[] = { "module",    "impl",     "settings",
                                    "backbone",  "position", "form",
                                    "norm_gain", "copy",     NULL };

/* Reads the runs and joins them with the table.  ERR_UNSUPPORTED if there is
 * no ratio to draw. */
static int read_table(Sheet *s, PaperTable table, RunList *runs,
                      Reproduction *r)
{
    bool any = false;
    char command[64];
    int err;

    snprintf(command, sizeof(command), "attnbench reproduce %s", s->experiment);
    TRY(sheet_runs(s, runs,
                   &(SheetRuns){ s->experiment, axes, true, command }));
    err = reproduction_make(r, table, runs);
    for (int i = 0; !err && i < r->n; i++)
        any |= !isnan(r->at[i].ratio.ratio);
    if (!err && !any)
        err = fail(ERR_UNSUPPORTED,
                   "experiment '%s' has no two networks of one backbone to "
                   "compare; run: %s",
                   s->experiment, command);
    if (err)
        summary_free(runs);
    return err;
}

/* "# row ratio lo hi converged paper strong direct lo hi name" of one row. */
static void write_row(Sheet *s, const ReproRow *r, int at)
{
    const char *focus = s->options->focus;

    fprintf(s->dat, "%d %.6g %.6g %.6g %d %.6g %d %.6g %.6g %.6g ", at,
            r->ratio.ratio, r->ratio.lo, r->ratio.hi,
            r->run ? r->run->o.converged : 1, r->paper_ratio,
            focus && !strcasecmp(r->paper->method, focus), r->cost.direct.ratio,
            r->cost.direct.lo, r->cost.direct.hi);
    sheet_word(s, r->paper->method);
    fprintf(s->dat, "\n");
}

/* Sentences that both captions have about marks. */
static void say_marks(Sheet *s, const Reproduction *r, const char *hollow)
{
    int unpaired = 0, unconverged = 0, missing = 0, n = 0;

    for (int i = 0; i < r->n; i++) {
        const ReproRow *row = &r->at[i];

        if (row->is_base)
            continue;
        n++;
        missing += isnan(row->ratio.ratio);
        unpaired += !isnan(row->ratio.ratio) && !row->ratio.n;
        unconverged +=
            row->run && run_is_ok(row->run) && !row->run->o.converged;
    }
    if (unconverged)
        sheet_say(s, "%s did not converge.", hollow);
    if (unpaired)
        sheet_say(s,
                  "%d of %d were not interleaved with the first: "
                  "their interval is the widest that the medians allow.",
                  unpaired, n);
    if (missing)
        sheet_say(s, "%d of %d were not measured.", missing, n);
}

/* ---- table 1: dots --------------------------------------------------- */

static void write_range(Sheet *s, const Reproduction *r)
{
    const Ratio *noise = &r->group[0].noise;
    double lo = 1, hi = 1;

    for (int i = 0; i < r->n; i++) {
        lo = fmin(lo, fmin(r->at[i].ratio.lo, r->at[i].paper_ratio));
        hi = fmax(hi, fmax(r->at[i].ratio.hi, r->at[i].paper_ratio));
    }
    lo = fmin(lo, noise->lo);
    hi = fmax(hi, noise->hi);
    sheet_number(s, "xlo", lo - (hi - lo) * 0.04);
    sheet_number(s, "xhi", hi + (hi - lo) * 0.04);
    sheet_number(s, "noise_lo", isnan(noise->lo) ? 1 : noise->lo);
    sheet_number(s, "noise_hi", isnan(noise->hi) ? 1 : noise->hi);
}

static void say_base(Sheet *s, const Reproduction *r)
{
    const ReproRow *base = &r->at[0];
    const ReproGroup *g = &r->group[0];

    sheet_say(s,
              "%s: %.3g images/s here, %.0f in the paper (RTX 4090, batch "
              "32).",
              base->paper->method, base->median.images,
              base->paper->throughput);
    if (!isnan(g->noise.ratio))
        sheet_say(s,
                  "Grey: a second %s against the first, %.3f [%.3f, %.3f], is "
                  "the noise.",
                  base->paper->method, g->noise.ratio, g->noise.lo,
                  g->noise.hi);
    if (!isnan(g->rank.lo))
        sheet_say(s,
                  "Order of throughputs against the paper's: Kendall's tau-b "
                  "%.2f [%.2f, %.2f].",
                  g->rank.tau, g->rank.lo, g->rank.hi);
}

/* A row each except for the first, which the others are relative to. */
static int draw_dots(Sheet *s, const Reproduction *r, const RunList *runs)
{
    double names = 0;

    fprintf(s->dat,
            "# row ratio lo hi converged paper strong direct lo hi name\n");
    for (int i = 1; i < r->n; i++) {
        write_row(s, &r->at[i], i);
        names = fmax(names, label_width(r->at[i].paper->method) * FONT);
    }
    write_range(s, r);
    sheet_number(s, "rows", r->n - 1);
    sheet_number(s, "row_height", ROW);
    sheet_number(s, "names", names + 16);
    sheet_text(s, "base", "%s", r->at[0].paper->method);
    say_base(s, r);
    say_marks(s, r, "Hollow points");
    return sheet_page(s, runs, WIDTH + names - 48,
                      ROWS_MARGIN + ROW * (r->n - 1));
}

/* ---- table 2: bars --------------------------------------------------- */

static void write_index(Sheet *s, const char *array, int panel, double value)
{
    char name[64];

    snprintf(name, sizeof(name), "%s[%d]", array, panel);
    sheet_number(s, name, value);
}

/* The name over a panel, and the agreement of order where there is one. */
static void write_titles(Sheet *s, const Reproduction *r, const ReproGroup *g,
                         int panel)
{
    const PaperRow *base = r->at[g->first].paper;
    char name[64];

    snprintf(name, sizeof(name), "Title[%d]", panel);
    sheet_text(s, name, "%s%s%s", base->backbone,
               strcmp(base->type, "-") ? ", to " : "",
               strcmp(base->type, "-") ? base->method : "");
    snprintf(name, sizeof(name), "Rank[%d]", panel);
    if (g->rank.n > 2 && !isnan(g->rank.lo))
        sheet_text(s, name, "τ %.2f [%.2f, %.2f]", g->rank.tau, g->rank.lo,
                   g->rank.hi);
    else
        sheet_text(s, name, " ");
}

/* Wide enough for its bars and its name. */
static double panel_width(const Reproduction *r, const ReproGroup *g)
{
    const PaperRow *base = r->at[g->first].paper;
    double title = label_width(base->backbone) * FONT;

    if (strcmp(base->type, "-"))
        title += (label_width(", to ") + label_width(base->method)) * FONT;
    return fmax((g->n - 1) * SLOT, title + 4);
}

static void write_panel(Sheet *s, const Reproduction *r, const ReproGroup *g)
{
    fprintf(s->dat,
            "# %s: slot ratio lo hi converged paper strong direct lo hi name\n",
            r->at[g->first].paper->backbone);
    for (int i = 1; i < g->n; i++)
        write_row(s, &r->at[g->first + i], i);
    fprintf(s->dat, "\n\n");
}

/* True if anything of it was measured: the paper's bars alone say nothing. */
static bool is_drawn(const Reproduction *r, const ReproGroup *g)
{
    for (int i = 0; i < g->n; i++)
        if (!isnan(r->at[g->first + i].median.images))
            return true;
    return false;
}

/* Writes the panels, of which there are *drawn and the page *width, and says
 * how many lines they take. */
static int write_panels(Sheet *s, const Reproduction *r, int *drawn,
                        double *width)
{
    double x = LEFT;
    int line = 0, n = 0;

    fprintf(s->gp,
            "array Title[%d]; array Rank[%d]; array X[%d]\n"
            "array Y[%d]; array Wide[%d]; array Slots[%d]\n",
            r->groups, r->groups, r->groups, r->groups, r->groups, r->groups);
    for (int i = 0; i < r->groups; i++) {
        const ReproGroup *g = &r->group[i];
        const double wide = panel_width(r, g);

        if (!is_drawn(r, g))
            continue;
        if (x > LEFT && x + wide > SHEET - 8) {
            x = LEFT;
            line++;
        }
        n++;
        write_index(s, "X", n, x);
        write_index(s, "Y", n, LEGEND + line * LINE);
        write_index(s, "Wide", n, wide);
        write_index(s, "Slots", n, g->n - 1);
        write_titles(s, r, g, n);
        write_panel(s, r, g);
        x += wide + GAP;
    }
    *drawn = n;
    *width = line ? SHEET : fmax(SHEET_LEAST, x);
    return line + 1;
}

static int draw_bars(Sheet *s, const Reproduction *r, const RunList *runs)
{
    double hi = 1, width;
    bool direct = false;
    int drawn;
    const int lines = write_panels(s, r, &drawn, &width);

    for (int i = 0; i < r->n; i++)
        hi = fmax(hi, fmax(r->at[i].ratio.hi, r->at[i].paper_ratio));
    for (int i = 0; i < r->n; i++)
        direct |= r->at[i].cost.direct.n > 0;
    sheet_number(s, "direct", direct);
    sheet_number(s, "panels", drawn);
    sheet_number(s, "yhi", fmin(hi, 3) + 0.05);
    sheet_number(s, "ystep", hi > 1.6 ? 0.5 : 0.2);
    sheet_number(s, "slot", SLOT);
    sheet_number(s, "line_height", LINE);
    sheet_number(s, "left", LEFT);
    sheet_say(s, "Throughput relative to the plain network (of RepViT: to that "
                 "with SE), which is the line at 1. Paper: RTX 4090, batch 32. "
                 "τ: Kendall's tau-b of the order of throughputs here and in "
                 "the paper.");
    if (direct)
        sheet_say(s, "Rings: what would be left if the module's own steps were "
                     "all that it costs, with interval; from there to the top "
                     "of the bar is the indirect cost.");
    if (drawn < r->groups)
        sheet_say(s, "%d of %d backbones were not measured and are left out.",
                  r->groups - drawn, r->groups);
    say_marks(s, r, "Hollow bars");
    return sheet_page(s, runs, width, LEGEND + lines * LINE);
}

/* ---- both ------------------------------------------------------------ */

static int draw(Sheet *s, PaperTable table,
                int (*picture)(Sheet *s, const Reproduction *r,
                               const RunList *runs))
{
    Reproduction *r = malloc(sizeof(*r));
    RunList runs;
    int err;

    if (!r)
        return fail(ERR_MEMORY, "no memory for the bars of a figure");
    err = read_table(s, table, &runs, r);
    if (!err) {
        err = picture(s, r, &runs);
        summary_free(&runs);
    }
    free(r);
    return err;
}

int figure_table1(Sheet *s)
{
    return draw(s, PAPER_TABLE1, draw_dots);
}

int figure_table2(Sheet *s)
{
    return draw(s, PAPER_TABLE2, draw_bars);
}
