/*
 * networks.c - the figures of whole networks: throughput and pareto.
 *
 * Throughput: one row per module, in the order of the paper's table, its ratio
 * to the plain network here and in the paper.  Pareto: the paper's accuracy
 * against the throughput measured here.
 */
#include <math.h>
#include <string.h>

#include "analysis/versus.h"
#include "kernels/core/err.h"
#include "plots/labels.h"
#include "plots/sheet.h"

enum {
    WIDTH = 370,      /* a column                                  */
    ROW = 17,         /* of a module in throughput                 */
    ROWS_MARGIN = 78, /* above and below the rows                  */
    FONT = 10,        /* of names; as in theme.gp                  */
    PARETO = 330,     /* height of pareto, above the foot          */
    LEFT = 46,
    RIGHT = 12,
    TOP = 26,
    BOTTOM = 44, /* its margins    */
};

static const char *const axes[] = { "module",   "impl",    "settings",
                                    "position", "weights", "norm_gain",
                                    "copy",     NULL };

/* Reads the runs and compares them with the plain backbone; runs holds what v
 * borrows.  ERR_UNSUPPORTED if plain or every module is missing. */
static int read_networks(Sheet *s, RunList *runs, Versus *v)
{
    int err;

    TRY(sheet_runs(s, runs, &(SheetRuns){ s->experiment, axes, true }));
    err = versus_make(v, runs, "none");
    if (!err && (!v->plain || !v->n))
        err = fail(ERR_UNSUPPORTED,
                   "experiment '%s' has no successful run of %s to compare",
                   runs->at[0].experiment,
                   v->plain ? "a module" : "the plain backbone");
    if (err)
        summary_free(runs);
    return err;
}

/* Draws the cost of the steps where one is known. */
static void say_direct(Sheet *s, const Versus *v)
{
    bool any = false;

    for (int i = 0; i < v->n; i++)
        any |= v->at[i].cost.direct.n > 0;
    sheet_number(s, "direct", any);
    if (any)
        sheet_say(s, "Bars: what the module's own steps take of each pass; "
                     "between the end of a bar and its dot is the indirect "
                     "cost, with the interval of the dot.");
}

/* Sentences that both captions have about the points. */
static void say_hollow(Sheet *s, const Versus *v)
{
    bool hollow = !v->plain->o.converged;

    for (int i = 0; i < v->n; i++)
        hollow |= !v->at[i].run->o.converged;
    if (hollow)
        sheet_say(s, "Hollow points did not converge.");
}

static void say_unpaired(Sheet *s, const Versus *v)
{
    int n = 0;

    for (int i = 0; i < v->n; i++)
        n += v->at[i].ratio.n == 0;
    if (n)
        sheet_say(s,
                  "%d of %d were not interleaved with the plain "
                  "network: the interval is the widest that the medians allow.",
                  n, v->n);
}

static void write_throughput_rows(Sheet *s, const Versus *v)
{
    const char *focus = s->options->focus;
    char label[LABEL_MAX];

    fprintf(s->dat, "# row ratio lo hi converged paper_ratio images_per_s "
                    "strong direct lo hi name\n");
    for (int i = 0; i < v->n; i++) {
        const VersusRow *r = &v->at[i];

        fprintf(s->dat, "%d %.6g %.6g %.6g %d %.6g %.6g %d %.6g %.6g %.6g ",
                i + 1, r->ratio.ratio, r->ratio.lo, r->ratio.hi,
                r->run->o.converged, r->paper_ratio,
                throughput_of(r->run).images,
                focus && !strcmp(r->run->c.module.text, focus),
                r->cost.direct.ratio, r->cost.direct.lo, r->cost.direct.hi);
        sheet_word(s, run_label(r->run, label));
        fprintf(s->dat, "\n");
    }
}

static void write_throughput_range(Sheet *s, const Versus *v)
{
    double lo = 1, hi = 1;

    for (int i = 0; i < v->n; i++) {
        lo = fmin(lo, fmin(v->at[i].ratio.lo, v->at[i].paper_ratio));
        hi = fmax(hi, fmax(v->at[i].ratio.hi, v->at[i].paper_ratio));
        lo = fmin(lo, v->at[i].cost.direct.lo); /* passes over a NAN */
    }
    if (v->again) {
        lo = fmin(lo, v->noise.lo);
        hi = fmax(hi, v->noise.hi);
    }
    lo = floor(lo * 10 - 0.2) / 10;
    sheet_number(s, "xlo", lo);
    sheet_number(s, "xhi", hi + 0.03);
    sheet_number(s, "xstep", hi - lo > 2.4 ? 0.5 : hi - lo > 0.8 ? 0.2 : 0.1);
}

int figure_throughput(Sheet *s)
{
    Throughput plain;
    RunList runs;
    Versus v;
    int err;

    TRY(read_networks(s, &runs, &v));
    plain = throughput_of(v.plain);
    write_throughput_rows(s, &v);
    write_throughput_range(s, &v);
    sheet_number(s, "rows", v.n);
    sheet_number(s, "row_height", ROW);
    sheet_text(s, "images_format", "%%.%df",
               plain.images < 10    ? 2
               : plain.images < 100 ? 1
                                    : 0);
    sheet_number(s, "noise_lo", v.again ? v.noise.lo : 1);
    sheet_number(s, "noise_hi", v.again ? v.noise.hi : 1);
    sheet_text(s, "backbone", "%s", versus_backbone(&v));
    sheet_say(s, "Plain %s: %.3g images/s here", versus_backbone(&v),
              plain.images);
    if (v.paper_plain)
        sheet_say(s, "and %.0f in the paper (RTX 4090, batch 32).",
                  v.paper_plain->throughput);
    if (v.again)
        sheet_say(s,
                  "Grey: a second plain network against the first, "
                  "%.3f [%.3f, %.3f], is the noise.",
                  v.noise.ratio, v.noise.lo, v.noise.hi);
    say_direct(s, &v);
    say_unpaired(s, &v);
    say_hollow(s, &v);
    err = sheet_page(s, &runs, WIDTH, ROWS_MARGIN + ROW * v.n);
    summary_free(&runs);
    return err;
}

/* The networks that the paper gives an accuracy, plain first. */
typedef struct Dots {
    const Run *run[VERSUS_MAX + 1];
    char name[VERSUS_MAX + 1][LABEL_MAX];
    double x[VERSUS_MAX + 1], y[VERSUS_MAX + 1];
    bool front[VERSUS_MAX + 1];
    Placed label[VERSUS_MAX + 1];
    int n;
    double corner_x[2 * VERSUS_MAX + 3], corner_y[2 * VERSUS_MAX + 3];
    int corners; /* of the front, a staircase */
    double xlo, xhi, ylo, yhi;
} Dots;

static void add_dot(Dots *d, const Run *r, const PaperRow *paper)
{
    const Throughput t = throughput_of(r);

    d->run[d->n] = r;
    d->x[d->n] = t.images;
    d->y[d->n] = paper->top1;
    run_label(r, d->name[d->n]);
    if (!d->n) {
        d->xlo = t.lo;
        d->xhi = t.hi;
        d->ylo = d->yhi = paper->top1;
    }
    d->xlo = fmin(d->xlo, t.lo);
    d->xhi = fmax(d->xhi, t.hi);
    d->ylo = fmin(d->ylo, paper->top1);
    d->yhi = fmax(d->yhi, paper->top1);
    d->n++;
}

/* True if the intervals leave open on which side of the front a point lies:
 * some point that is as accurate may be faster, and none surely is. */
static bool is_undecided(const Dots *d, int i)
{
    const Throughput t = throughput_of(d->run[i]);
    bool beaten = false, open = false;

    for (int k = 0; k < d->n; k++) {
        const Throughput other = throughput_of(d->run[k]);

        if (k == i || d->y[k] < d->y[i])
            continue;
        beaten |= other.lo > t.hi;
        open |= other.hi >= t.lo;
    }
    return open && !beaten;
}

static void say_undecided(Sheet *s, const Dots *d)
{
    char text[512] = "";
    int n = 0;

    for (int i = 0; i < d->n; i++) {
        const size_t used = strlen(text);

        if (is_undecided(d, i))
            snprintf(text + used, sizeof(text) - used, "%s%s", n++ ? ", " : "",
                     d->name[i]);
    }
    if (n)
        sheet_say(s,
                  "Their intervals do not decide whether these are on it: %s.",
                  text);
}

/* A margin of a tenth around the points, and something if there is one. */
static void widen(double *lo, double *hi)
{
    const double by = *hi > *lo ? (*hi - *lo) * 0.1 : fabs(*hi) * 0.05;

    *lo -= by;
    *hi += by;
}

static void place_names(Dots *d)
{
    const double per_x = (d->xhi - d->xlo) / (WIDTH - LEFT - RIGHT);
    const double per_y = (d->yhi - d->ylo) / (PARETO - TOP - BOTTOM);
    Box stairs[2 * VERSUS_MAX + 3];
    LabelPage page = { WIDTH - LEFT - RIGHT, PARETO - TOP - BOTTOM, stairs,
                       d->corners - 1 };

    for (int i = 0; i < page.navoid; i++)
        stairs[i] = (Box){
            (fmin(d->corner_x[i], d->corner_x[i + 1]) - d->xlo) / per_x,
            (fmin(d->corner_y[i], d->corner_y[i + 1]) - d->ylo) / per_y,
            (fmax(d->corner_x[i], d->corner_x[i + 1]) - d->xlo) / per_x,
            (fmax(d->corner_y[i], d->corner_y[i + 1]) - d->ylo) / per_y,
        };
    for (int i = 0; i < d->n; i++) {
        const Throughput t = throughput_of(d->run[i]);

        d->label[i] = (Placed){ .text = d->name[i],
                                .x = (d->x[i] - d->xlo) / per_x,
                                .y = (d->y[i] - d->ylo) / per_y,
                                .bar0 = (t.lo - d->xlo) / per_x,
                                .bar1 = (t.hi - d->xlo) / per_x,
                                .w = label_width(d->name[i]) * FONT,
                                .h = FONT };
    }
    labels_place(d->label, d->n, &page);
    for (int i = 0; i < d->n; i++) {
        d->label[i].x0 = d->xlo + d->label[i].x0 * per_x;
        d->label[i].y0 = d->ylo + (d->label[i].y0 + FONT / 2.0) * per_y;
        d->label[i].w *= per_x;
    }
}

static void write_dots(Sheet *s, const Dots *d)
{
    fprintf(s->dat, "# images_per_s top1 lo hi converged front style "
                    "x_name y_name leader_x name\n");
    for (int i = 0; i < d->n; i++) {
        const Throughput t = throughput_of(d->run[i]);
        const Placed *l = &d->label[i];
        const double near = fmin(fmax(d->x[i], l->x0), l->x0 + l->w);

        fprintf(s->dat, "%.6g %.4g %.6g %.6g %d %d %d %.6g %.6g %.6g ", d->x[i],
                d->y[i], t.lo, t.hi, d->run[i]->o.converged, d->front[i],
                run_style(s, d->run[i]), l->x0, l->y0, l->leader ? near : NAN);
        sheet_word(s, d->name[i]);
        fprintf(s->dat, "\n");
    }
    fprintf(s->dat, "\n\n");
}

static void add_corner(Dots *d, double x, double y)
{
    d->corner_x[d->corners] = x;
    d->corner_y[d->corners++] = y;
}

/* The stairs under which lies all that the front beats. */
static void build_front(Dots *d)
{
    double from = d->xlo;

    for (;;) {
        int next = -1;

        for (int i = 0; i < d->n; i++)
            if (d->front[i] && d->x[i] > from &&
                (next < 0 || d->x[i] < d->x[next]))
                next = i;
        if (next < 0)
            break;
        add_corner(d, from, d->y[next]);
        add_corner(d, d->x[next], d->y[next]);
        from = d->x[next];
    }
    add_corner(d, from, d->ylo);
}

static void write_front(Sheet *s, const Dots *d)
{
    fprintf(s->dat, "# the front: images_per_s top1\n");
    for (int i = 0; i < d->corners; i++)
        fprintf(s->dat, "%.6g %.4g\n", d->corner_x[i], d->corner_y[i]);
}

static void gather_dots(Sheet *s, Dots *d, const Versus *v)
{
    char label[LABEL_MAX];

    add_dot(d, v->plain, v->paper_plain);
    for (int i = 0; i < v->n; i++)
        if (v->at[i].paper)
            add_dot(d, v->at[i].run, v->at[i].paper);
        else
            sheet_say(s, "%s is not in the paper.",
                      run_label(v->at[i].run, label));
    pareto_front(d->x, d->y, d->n, d->front);
    widen(&d->xlo, &d->xhi);
    widen(&d->ylo, &d->yhi);
    build_front(d);
}

int figure_pareto(Sheet *s)
{
    static const char *const margins[] = { "margin_left", "margin_right",
                                           "margin_top", "margin_bottom" };
    static const int sizes[] = { LEFT, RIGHT, TOP, BOTTOM };
    Dots d = { .n = 0 };
    RunList runs;
    Versus v;
    int err;

    TRY(read_networks(s, &runs, &v));
    if (!v.paper_plain) {
        err = fail(ERR_UNSUPPORTED, "the paper gives no accuracy for %s",
                   v.plain->c.backbone.text);
        summary_free(&runs);
        return err;
    }
    sheet_say(s, "The line is the Pareto front: what no other network beats "
                 "in both. Accuracies are the paper's.");
    gather_dots(s, &d, &v);
    say_undecided(s, &d);
    place_names(&d);
    write_dots(s, &d);
    write_front(s, &d);
    sheet_number(s, "xlo", d.xlo);
    sheet_number(s, "xhi", d.xhi);
    sheet_number(s, "ylo", d.ylo);
    sheet_number(s, "yhi", d.yhi);
    for (int i = 0; i < 4; i++)
        sheet_number(s, margins[i], sizes[i]);
    sheet_text(s, "backbone", "%s", versus_backbone(&v));
    say_hollow(s, &v);
    err = sheet_page(s, &runs, WIDTH, PARETO);
    summary_free(&runs);
    return err;
}
