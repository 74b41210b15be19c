/*
 * lines.c - gathers runs into lines, fits them, and names their right ends.
 *
 * The data file holds for each panel one block per module (x y lo hi converged
 * n), then a block of names (x y of the line's end, x y of the name, x of the
 * note, name, note).  The page is worked out here, in points, because names
 * must not overlap; scaling.gp takes it over.
 */
#include "plots/lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/units.h"
#include "kernels/core/err.h"
#include "plots/labels.h"

enum {
    SERIES_MAX = 64,
    POINTS_MAX = 128,

    FONT = 10, /* of names; as in theme.gp */
    NAME_GAP = 13,
    LEADER = 20, /* from the line's end to the point before its name */
    MARK = 9,    /* from that point to the name                      */
    NOTE = 10,   /* between name and note                            */

    LEFT = 66, /* margins of a panel; room for "100 MFLOP" */
    RIGHT = 8,
    TOP = 24,
    BOTTOM = 46,
};
static const double PAD = 0.02; /* left of the first point, of the range */

typedef struct Curve {
    const Run *run; /* any of its runs */
    int style;
    char name[LABEL_MAX + 64], note[48];
    Point at[POINTS_MAX];
    int n;
} Curve;

typedef struct Lines {
    const Panel *panel;
    int number;           /* of the panel on the page, from 1 */
    double width, height; /* of its plot, points              */
    Curve *at;
    int n;
    double xlo, xhi, ylo, yhi; /* of the data; y in the unit chosen */
    double unit;
    const char *unit_name;
    double name_width, note_width;
    char fixed
        [48]; /* ", at 28x28 pixels", the part of the shape that is the same */
} Lines;

static int by_x(const void *a, const void *b)
{
    const double x = ((const Point *)a)->x, y = ((const Point *)b)->x;

    return (x > y) - (x < y);
}

static int by_style(const void *a, const void *b)
{
    const Run *r = ((const Curve *)a)->run, *q = ((const Curve *)b)->run;
    const int s = ((const Curve *)a)->style, t = ((const Curve *)b)->style;

    if (s != t)
        return s - t;
    return strcmp(r->c.module.text, q->c.module.text)
               ? strcmp(r->c.module.text, q->c.module.text)
               : strcmp(r->c.settings, q->c.settings);
}

/* A line is a module, or a module with some settings if they matter. */
static Curve *series_of(Lines *l, const Run *r, bool settings)
{
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->at[i].run->c.module.text, r->c.module.text) &&
            run_is_fused(l->at[i].run) == run_is_fused(r) &&
            (!settings || !strcmp(l->at[i].run->c.settings, r->c.settings)))
            return &l->at[i];
    if (l->n == SERIES_MAX)
        return NULL;
    l->at[l->n].run = r;
    return &l->at[l->n++];
}

/* "SE reduction=4", and "SE" with its defaults: modules come with several. */
static void name_series(const Lines *l, Curve *s)
{
    char label[LABEL_MAX], settings[SLICE_TEXT];

    run_label(s->run, label);
    snprintf(s->name, sizeof(s->name), "%s", label);
    for (int i = 0; i < l->n; i++) {
        if (&l->at[i] == s ||
            strcmp(l->at[i].run->c.module.text, s->run->c.module.text) ||
            run_is_fused(l->at[i].run) != run_is_fused(s->run))
            continue;
        settings_label(s->run, settings);
        snprintf(s->name, sizeof(s->name), "%s%s%.60s", label,
                 settings[0] ? " " : "", settings);
        return;
    }
}

static void fit_series(Curve *s)
{
    double x[POINTS_MAX], y[POINTS_MAX];
    PowerFit fit;

    for (int i = 0; i < s->n; i++) {
        x[i] = s->at[i].x;
        y[i] = s->at[i].y;
    }
    if (fit_largest(&fit, x, y, s->n))
        snprintf(s->note, sizeof(s->note), "%.2f [%.2f, %.2f]", fit.exponent,
                 fit.lo, fit.hi);
}

/* Draws last what is to be on top: the lines of the module in focus. */
static void strongest_last(Lines *l, const char *focus)
{
    int to = 0;

    for (int i = 0; focus && i < l->n - to; i++) {
        const Curve s = l->at[i];

        if (strcmp(s.run->c.module.text, focus))
            continue;
        memmove(&l->at[i], &l->at[i + 1], (size_t)(l->n - i - 1) * sizeof(s));
        l->at[l->n - 1] = s;
        to++;
        i--;
    }
}

static int gather(Sheet *sheet, Lines *l, const RunList *runs)
{
    const char *focus = sheet->options->focus;

    for (int i = 0; i < runs->n; i++) {
        const Run *r = &runs->at[i];
        Point p = l->panel->point(r);
        Curve *s;

        p.x = l->panel->x(r);
        if (!(p.x > 0 && p.y > 0))
            continue;
        s = series_of(l, r, slice_settings_matter(runs, r->c.module.text));
        if (!s || s->n == POINTS_MAX)
            return fail(ERR_INPUT,
                        "experiment '%s' has more than %d lines of %d points "
                        "to draw; choose with --module=",
                        r->experiment, SERIES_MAX, POINTS_MAX);
        s->style = run_style(sheet, r);
        s->at[s->n++] = p;
    }
    if (!l->n)
        return fail(ERR_UNSUPPORTED,
                    "no run of experiment '%s' has its %s stored",
                    runs->at[0].experiment, l->panel->y_label);
    qsort(l->at, (size_t)l->n, sizeof(*l->at), by_style);
    strongest_last(l, focus);
    for (int i = 0; i < l->n; i++) {
        qsort(l->at[i].at, (size_t)l->at[i].n, sizeof(Point), by_x);
        name_series(l, &l->at[i]);
        if (l->panel->fit_note)
            fit_series(&l->at[i]);
    }
    return OK;
}

/* The range, and the unit in which its middle is between 1 and 1000. */
static void measure(Lines *l)
{
    l->xlo = l->ylo = INFINITY;
    for (int i = 0; i < l->n; i++) {
        const Curve *s = &l->at[i];

        for (int k = 0; k < s->n; k++) {
            l->xlo = fmin(l->xlo, s->at[k].x);
            l->xhi = fmax(l->xhi, s->at[k].x);
            l->ylo = fmin(l->ylo, s->at[k].lo);
            l->yhi = fmax(l->yhi, s->at[k].hi);
        }
        l->name_width = fmax(l->name_width, label_width(s->name) * FONT);
        l->note_width = fmax(l->note_width, label_width(s->note) * FONT);
    }
    l->unit_name =
        l->panel
            ->units[unit_for(sqrt(l->ylo * l->yhi), l->panel->units, &l->unit)];
    l->ylo /= l->unit * 1.25;
    l->yhi /= l->unit / 1.25;
    if (l->xlo == l->xhi) {
        l->xlo /= 2;
        l->xhi *= 2;
    }
    l->xlo /= pow(l->xhi / l->xlo, PAD);
}

/* Says the part of the shape that does not vary: it is no axis, but a figure
 * means nothing without it. */
static void say_fixed(Lines *l, const RunList *runs)
{
    const Run *r = &runs->at[0];
    bool channels = true, map = true;

    for (int i = 1; i < runs->n; i++) {
        channels &= runs->at[i].c.channels == r->c.channels;
        map &= runs->at[i].c.height == r->c.height &&
               runs->at[i].c.width == r->c.width;
    }
    if (channels && !map)
        snprintf(l->fixed, sizeof(l->fixed), ", at %d channels", r->c.channels);
    else if (map && !channels)
        snprintf(l->fixed, sizeof(l->fixed), ", at %dx%d pixels", r->c.height,
                 r->c.width);
}

static void write_series(Sheet *s, const Lines *l)
{
    for (int i = 0; i < l->n; i++) {
        const Curve *line = &l->at[i];

        fprintf(s->dat, "# %s: x y(%s) lo hi converged n\n", line->name,
                l->unit_name);
        for (int k = 0; k < line->n; k++) {
            const Point *p = &line->at[k];

            fprintf(s->dat, "%g %.8g %.8g %.8g %d %d\n", p->x, p->y / l->unit,
                    p->lo / l->unit, p->hi / l->unit, p->converged, p->n);
        }
        fprintf(s->dat, "\n\n");
    }
}

/* Where a line would be at the right end: one that stops early continues as it
 * went, so that its name stands among its neighbours'. */
static double y_at_end(const Curve *s, double xhi)
{
    const Point *last = &s->at[s->n - 1], *before = last - 1;

    if (s->n < 2 || last->x == before->x)
        return last->y;
    return last->y * pow(xhi / last->x,
                         log(last->y / before->y) / log(last->x / before->x));
}

/* Where the lines end on the page and where their names and notes stand. */
static void write_names(Sheet *s, const Lines *l)
{
    const double note = l->note_width > 0 ? NOTE + l->note_width : 0;
    const double names = LEADER + MARK + l->name_width + note;
    const double per_x = log(l->xhi / l->xlo) / fmax(l->width - names, 40);
    const double per_y = log(l->yhi / l->ylo) / l->height;
    const double x = l->xhi * exp(LEADER * per_x);
    const double x_note = x * exp((MARK + l->name_width + NOTE) * per_x);
    double y[SERIES_MAX];

    for (int i = 0; i < l->n; i++)
        y[i] = log(y_at_end(&l->at[i], l->xhi) / l->unit / l->ylo) / per_y;
    labels_spread(y, l->n, NAME_GAP, 5, l->height - 5);
    fprintf(s->dat, "# names: x y x_mark y_mark x_name x_note name note\n");
    for (int i = 0; i < l->n; i++) {
        const Point *p = &l->at[i].at[l->at[i].n - 1];

        fprintf(s->dat, "%g %.8g %.8g %.8g %.8g %.8g ", p->x, p->y / l->unit, x,
                l->ylo * exp(y[i] * per_y), x * exp(MARK * per_x), x_note);
        sheet_word(s, l->at[i].name);
        sheet_word(s, l->at[i].note);
        fprintf(s->dat, "\n");
    }
    fprintf(s->dat, "\n\n");
    fprintf(s->gp, "Xend[%d] = %.8g; Xnote[%d] = %.8g; Note[%d] = '%s'\n",
            l->number, l->xlo * exp(l->width * per_x), l->number, x_note,
            l->number, note > 0 ? "exponent" : "");
}

/* The sizes that were measured are the ticks. */
static void write_x_ticks(Sheet *s, const Lines *l)
{
    double seen[POINTS_MAX];
    int n = 0;

    fprintf(s->gp, "Xticks[%d] = '", l->number);
    for (int i = 0; i < l->n; i++)
        for (int k = 0; k < l->at[i].n; k++) {
            const double x = l->at[i].at[k].x;
            bool old = n == POINTS_MAX;

            for (int q = 0; q < n && !old; q++)
                old = seen[q] == x;
            if (!old) {
                seen[n++] = x;
                fprintf(s->gp, "%g ", x);
            }
        }
    fprintf(s->gp, "'\n");
}

static void write_axes(Sheet *s, const Lines *l)
{
    const int p = l->number;
    char name[32];
    bool own_units;

    fprintf(s->gp, "Xlo[%d] = %.8g; Xhi[%d] = %.8g\n", p, l->xlo, p, l->xhi);
    fprintf(s->gp, "Ylo[%d] = %.8g; Yhi[%d] = %.8g\n", p, l->ylo, p, l->yhi);
    write_x_ticks(s, l);
    snprintf(name, sizeof(name), "[%d]", p);
    own_units = sheet_unit_ticks(
        s, name, &(Ticks){ l->ylo, l->yhi, l->unit, l->panel->units });
    snprintf(name, sizeof(name), "Xlabel[%d]", p);
    sheet_text(s, name, "%s%s", l->panel->x_label, l->fixed);
    snprintf(name, sizeof(name), "Ylabel[%d]", p);
    if (own_units)
        sheet_text(s, name, "%s", l->panel->y_label);
    else
        sheet_text(s, name, "%s (%s)", l->panel->y_label, l->unit_name);
}

static void write_panel(Sheet *s, const Lines *l)
{
    const char *focus = s->options->focus;
    int strong = 0;

    write_series(s, l);
    write_names(s, l);
    write_axes(s, l);
    fprintf(s->gp, "Count[%d] = %d\nStyles[%d] = '", l->number, l->n,
            l->number);
    for (int i = 0; i < l->n; i++) {
        fprintf(s->gp, "%d ", l->at[i].style);
        if (focus && !strcmp(l->at[i].run->c.module.text, focus))
            strong = i + 1;
    }
    fprintf(s->gp, "'\nStrong[%d] = %d\n", l->number, strong);
}

static bool any_hollow(const RunList *runs)
{
    for (int i = 0; i < runs->n; i++)
        if (!runs->at[i].o.converged)
            return true;
    return false;
}

/* Reads and writes one panel; *runs stays for the foot of the page. */
static int add_panel(Sheet *s, const Panels *all, const Panel *p, int number,
                     RunList *runs)
{
    Lines l = { .panel = p,
                .number = number,
                .width = all->width - LEFT - RIGHT,
                .height = all->height - TOP - BOTTOM };
    int err;

    TRY(sheet_runs(s, runs, &(SheetRuns){ p->experiment, p->axes, false }));
    l.at = calloc(SERIES_MAX, sizeof(*l.at));
    if (!l.at)
        return fail(ERR_MEMORY, "no memory for the lines of a figure");
    err = gather(s, &l, runs);
    if (!err) {
        measure(&l);
        say_fixed(&l, runs);
        write_panel(s, &l);
    }
    free(l.at);
    return err;
}

static void declare(Sheet *s, int panels)
{
    static const char *const arrays[] = { "Xlo",    "Xhi",    "Xend",
                                          "Ylo",    "Yhi",    "Xticks",
                                          "Yticks", "Ynames", "Xlabel",
                                          "Ylabel", "Count",  "Styles",
                                          "Strong", "Xnote",  "Note" };

    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        fprintf(s->gp, "array %s[%d]\n", arrays[i], panels);
}

/* Moves the runs of a panel behind those of the others. */
static int append(RunList *all, RunList *runs)
{
    Run *more = realloc(all->at, (size_t)(all->n + runs->n) * sizeof(*all->at));

    if (!more)
        return fail(ERR_MEMORY, "no memory for the runs of a figure");
    memcpy(more + all->n, runs->at, (size_t)runs->n * sizeof(*more));
    all->at = more;
    all->n += runs->n;
    free(runs->at);
    *runs = (RunList){ 0 };
    return OK;
}

int lines_write(Sheet *s, const Panels *all)
{
    RunList runs = { 0 }, drawn_runs = { 0 };
    int drawn = 0, err = OK;
    const char *fit_note = NULL;
    bool hollow = false;

    declare(s, all->n);
    for (int i = 0; i < all->n && !err; i++) {
        err = add_panel(s, all, &all->at[i], drawn + 1, &runs);
        if (err == ERR_UNSUPPORTED && all->n > 1) {
            snprintf(s->note, PLOT_NOTE, "%s", err_message());
            summary_free(&runs);
            err = OK;
        } else if (!err) {
            drawn++;
            fit_note = all->at[i].fit_note;
            hollow |= !s->counted && any_hollow(&runs);
            err = append(&drawn_runs, &runs);
        }
    }
    if (!err && !drawn)
        err = fail(ERR_UNSUPPORTED, "%s", s->note);
    if (!err && fit_note)
        sheet_say(s,
                  "Next to each name: the exponent of its time with its 95 %% "
                  "interval, fitted to the %d largest sizes; %s.",
                  FIT_LARGEST, fit_note);
    if (!err && hollow)
        sheet_say(s, "Hollow points did not converge.");
    if (!err) {
        sheet_number(s, "panels", drawn);
        sheet_number(s, "cell_width", all->width);
        sheet_number(s, "cell_height", all->height);
        sheet_number(s, "margin_left", LEFT);
        sheet_number(s, "margin_right", RIGHT);
        sheet_number(s, "margin_top", TOP);
        sheet_number(s, "margin_bottom", BOTTOM);
        err = sheet_page(s, &drawn_runs, all->width * (drawn > 1 ? 2 : 1),
                         all->height * ((drawn + 1) / 2));
    }
    summary_free(&runs);
    summary_free(&drawn_runs);
    return err;
}
