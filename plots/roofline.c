/*
 * roofline.c - the figure of how near work comes to the roofs of its machine:
 * one panel per shape, one point per module; of a single run, one point per
 * step.
 *
 * A point lies at FLOPs a byte moved, each op's operands once, and at FLOPs a
 * second.  A thin line leads to what its FLOPs and compulsory bytes would
 * allow: to the right, as nothing is moved twice, and up to the roof.
 *
 * Bytes and operations are the counted ones where there are any: the figure
 * says for which points.
 *
 * The data file holds one block per panel (intensity GFLOP/s filled style
 * intensity and GFLOP/s of the floor, time, name, the memory whose bytes it
 * are and where they and the operations are from), then the key and the roofs.
 */
#include "analysis/roofline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "plots/labels.h"
#include "plots/sheet.h"

enum {
    MARKS_MAX = 4096,
    PANELS_MAX = 8,
    KEYS_MAX = 48,
    WIDE = 200, /* of a panel, if there are several */
    HIGH = 165,
    ALONE = 310, /* of the only one                  */
    LEFT = 40,
    RIGHT = 12,
    TOP = 22,
    BOTTOM = 38,
    FONT = 10, /* of the key; as in theme.gp       */
    KEY_LINE = 15,
    KEY_MARK = 26, /* before and after a name          */
};

static const char *const axes[] = { "module", "impl",  "settings", "channels",
                                    "height", "width", NULL };

typedef struct Mark {
    int panel, style;
    bool filled;
    double x, y;             /* NAN: not known                    */
    double floor_x, floor_y; /* NAN: of a step                    */
    double ns;
    Level level;
    Source bytes_from, flops_from;
    char name[LABEL_MAX];
} Mark;

typedef struct Chart {
    Mark *mark;
    const Run *panel[PANELS_MAX]; /* an example of each */
    const Mark *key[KEYS_MAX];
    Limits limits;
    int marks, panels, keys;
    bool steps; /* of one run; else a mark is a run */
    double xlo, xhi, ylo, yhi;
} Chart;

/* ---- what is drawn ------------------------------------------------------- */

static bool same_shape(const Run *a, const Run *b)
{
    return a->c.channels == b->c.channels && a->c.height == b->c.height &&
           a->c.width == b->c.width;
}

/* The panel of a run's shape, -1 if there are too many. */
static int panel_of(Chart *c, const Run *r)
{
    for (int i = 0; i < c->panels; i++)
        if (same_shape(c->panel[i], r))
            return i;
    if (c->panels == PANELS_MAX)
        return -1;
    c->panel[c->panels] = r;
    return c->panels++;
}

static bool same_key(const Mark *a, const Mark *b)
{
    return a->style == b->style && a->filled == b->filled &&
           !strcmp(a->name, b->name);
}

/* Work that takes no time or does nothing has no place on log axes. */
static void add_mark(Chart *c, const Mark *m)
{
    int k = 0;

    if (!(m->x > 0 && m->y > 0) || c->marks == MARKS_MAX)
        return;
    c->mark[c->marks] = *m;
    while (k < c->keys && !same_key(c->key[k], m))
        k++;
    if (k == c->keys && k < KEYS_MAX)
        c->key[c->keys++] = &c->mark[c->marks];
    c->marks++;
}

static void add_run(Chart *c, const Sheet *s, const Run *r,
                    const StoredProfile *p)
{
    const Level level = roofline_level(p, WHOLE_RUN, &c->limits);
    const Work w = roofline_work(p, WHOLE_RUN, level);
    Mark m = { .panel = panel_of(c, r),
               .style = run_style(s, r),
               .filled = run_is_fused(r),
               .ns = w.ns,
               .level = level,
               .bytes_from = w.bytes_from,
               .flops_from = w.flops_from };
    Place place;

    roofline_place(&place, &w, &c->limits, level);
    m.x = place.intensity;
    m.y = w.flops / w.ns;
    m.floor_x = w.flops / place.floor_bytes;
    m.floor_y = w.flops / place.floor_ns;
    run_label(r, m.name);
    add_mark(c, &m);
}

/* A kind of op and the time that its steps take. */
typedef struct Kind {
    const char *op;
    double ns;
    int place; /* in the order run, of its first step */
} Kind;

static int longest_first(const void *a, const void *b)
{
    const Kind *x = a, *y = b;

    if (x->ns != y->ns)
        return x->ns < y->ns ? 1 : -1;
    return (x->place > y->place) - (x->place < y->place);
}

/* The kinds of a run's steps, longest first, into kinds (of p->nsteps at most);
 * returns how many there are. */
static int kinds_of(Kind *kinds, const StoredProfile *p)
{
    int n = 0;

    for (int i = 0; i < p->nsteps; i++) {
        const double ns = quantity_from(p, i, "time_ns", SOURCE_TIMED);
        int k = 0;

        while (k < n && strcmp(kinds[k].op, p->step[i].op))
            k++;
        if (k == n)
            kinds[n++] = (Kind){ p->step[i].op, 0, i };
        kinds[k].ns += isnan(ns) ? 0 : ns;
    }
    qsort(kinds, (size_t)n, sizeof(*kinds), longest_first);
    return n;
}

/* Line types of theme.gp whose colours all differ; the last is grey. */
static const int kind_style[] = { 1, 2, 4, 8, 6, 10, 13, 12 };
enum { KINDS_SHOWN = sizeof(kind_style) / sizeof(kind_style[0]) };

static int kind_number(const Kind *kinds, int n, const char *op)
{
    int k = 0;

    while (k < n && strcmp(kinds[k].op, op))
        k++;
    return k;
}

/* A step as a mark; of the kinds that take least time none has a colour of its
 * own. */
static Mark step_mark(const Chart *c, const StoredProfile *p, int i,
                      const Kind *kinds, int nkinds)
{
    const Level level = roofline_level(p, i, &c->limits);
    const Work w = roofline_work(p, i, level);
    const bool other =
        nkinds > KINDS_SHOWN &&
        kind_number(kinds, nkinds, p->step[i].op) >= KINDS_SHOWN - 1;
    const int k =
        other ? KINDS_SHOWN - 1 : kind_number(kinds, nkinds, p->step[i].op);
    Mark m = { .style = kind_style[k],
               .filled = true,
               .x = w.flops / w.bytes,
               .y = w.flops / w.ns,
               .floor_x = NAN,
               .floor_y = NAN,
               .ns = w.ns,
               .level = level,
               .bytes_from = w.bytes_from,
               .flops_from = w.flops_from };

    snprintf(m.name, sizeof(m.name), "%s", other ? "others" : p->step[i].op);
    return m;
}

/* The steps of one run, a colour for each kind of op. */
static int add_steps(Chart *c, const Run *r, const StoredProfile *p)
{
    Kind *kinds = malloc((size_t)(p->nsteps + 1) * sizeof(*kinds));
    int n;

    if (!kinds)
        return fail(ERR_MEMORY, "no memory for the steps of a figure");
    n = kinds_of(kinds, p);
    for (int i = 0; i < p->nsteps; i++) {
        Mark m = step_mark(c, p, i, kinds, n);

        m.panel = panel_of(c, r);
        add_mark(c, &m);
    }
    free(kinds);
    return OK;
}

static int gather_run(Chart *c, const Sheet *s, const Run *r)
{
    StoredProfile p;
    int err = OK;

    if (panel_of(c, r) < 0)
        return fail(ERR_INPUT,
                    "experiment '%s' has more than %d shapes to draw; choose "
                    "with --channels=",
                    r->experiment, PANELS_MAX);
    TRY(store_profile_read(&p, s->store, r->id));
    if (c->steps)
        err = add_steps(c, r, &p);
    else
        add_run(c, s, r, &p);
    stored_profile_free(&p);
    return err;
}

static int read_limits(Limits *out, Roofs *roofs, Store *store, const Run *r)
{
    const char *dtype = case_name("dtype", r->c.dtype);

    TRY(store_roofs_of_run(roofs, store, r->id));
    roofline_limits(out, roofs, dtype);
    if (isnan(out->flops) || isnan(out->bytes[LEVEL_DRAM]))
        return fail(ERR_UNSUPPORTED,
                    "the database has no roofs of this machine for %s on "
                    "backend '%s'; run: attnbench roofs",
                    dtype, case_name("backend", r->c.backend));
    return OK;
}

/* From the least of the marks to where DRAM's slope meets the peak. */
static void set_ranges(Chart *c)
{
    c->xlo = c->ylo = INFINITY;
    c->xhi = c->limits.flops / c->limits.bytes[LEVEL_DRAM];
    c->yhi = c->limits.flops / 1e9;
    for (int i = 0; i < c->marks; i++) {
        const Mark *m = &c->mark[i];

        c->xlo = fmin(c->xlo, m->x);
        c->xhi = fmax(c->xhi, fmax(m->x, m->floor_x));
        c->ylo = fmin(c->ylo, m->y);
        c->yhi = fmax(c->yhi, m->y);
    }
    c->xlo /= 2;
    c->xhi *= 2;
    c->ylo /= 2;
    c->yhi *= 2.5;
}

static int gather(Chart *c, Sheet *s, const RunList *runs)
{
    int err = OK;

    c->steps = runs->n == 1;
    for (int i = 0; !err && i < runs->n; i++)
        err = gather_run(c, s, &runs->at[i]);
    if (!err && !c->marks)
        err = fail(ERR_UNSUPPORTED,
                   "the runs of experiment '%s' have no profile; run: "
                   "attnbench profile",
                   runs->at[0].experiment);
    if (!err)
        set_ranges(c);
    return err;
}

/* ---- the files ----------------------------------------------------------- */

static const char *source_name(Source from)
{
    return from == SOURCE_COUNTED ? "counted" : "modelled";
}

static void write_marks(Sheet *s, const Chart *c)
{
    char name[32];

    for (int p = 0; p < c->panels; p++) {
        const Run *r = c->panel[p];

        fprintf(s->dat,
                "# %dx%dx%d: FLOP/byte GFLOP/s filled style floor_FLOP/byte "
                "floor_GFLOP/s ns name level bytes operations\n",
                r->c.channels, r->c.height, r->c.width);
        for (int i = 0; i < c->marks; i++) {
            const Mark *m = &c->mark[i];

            if (m->panel != p)
                continue;
            fprintf(s->dat, "%.6g %.6g %d %d %.6g %.6g %.6g ", m->x, m->y,
                    m->filled, m->style, m->floor_x, m->floor_y, m->ns);
            sheet_word(s, m->name);
            fprintf(s->dat, "%s %s %s\n",
                    level_name(m->level, case_name("backend", r->c.backend)),
                    source_name(m->bytes_from), source_name(m->flops_from));
        }
        fprintf(s->dat, "\n\n");
        snprintf(name, sizeof(name), "Shape[%d]", p + 1);
        sheet_text(s, name, "%dx%dx%d", r->c.channels, r->c.height, r->c.width);
    }
}

/* In columns, as many as the page has room for; returns how high it is. */
static double write_key(Sheet *s, const Chart *c, double page)
{
    double wide = 0;
    int across;

    for (int i = 0; i < c->keys; i++)
        wide = fmax(wide, label_width(c->key[i]->name) * FONT + KEY_MARK);
    across = (int)fmax(1, floor((page - LEFT) / wide));
    fprintf(s->dat, "# key: x y filled style name\n");
    for (int i = 0; i < c->keys; i++) {
        const Mark *m = c->key[i];

        fprintf(s->dat, "%.6g %d %d %d ", LEFT + i % across * wide,
                (i / across) * KEY_LINE, m->filled, m->style);
        sheet_word(s, m->name);
        fprintf(s->dat, "\n");
    }
    fprintf(s->dat, "\n\n");
    return ((c->keys + across - 1) / across) * KEY_LINE;
}

/* Slopes as far as the peak, and the peak from where the first meets it. */
static void write_roofs(Sheet *s, const Chart *c)
{
    const Limits *l = &c->limits;
    const char *backend = case_name("backend", c->panel[0]->c.backend);
    double first = INFINITY;

    fprintf(s->dat, "# roofs: x0 y0 x1 y1 slopes name\n");
    for (int k = 0; k < LEVELS; k++) {
        const double bend = l->flops / l->bytes[k];
        const double x0 = fmax(c->xlo, c->ylo / l->bytes[k] * 1e9);

        if (isnan(l->bytes[k]))
            continue;
        first = fmin(first, bend);
        fprintf(s->dat, "%.6g %.6g %.6g %.6g 1 ", x0, x0 * l->bytes[k] / 1e9,
                bend, l->flops / 1e9);
        fprintf(s->dat, "\"%s %.3g GB/s\"\n", level_name((Level)k, backend),
                l->bytes[k] / 1e9);
    }
    fprintf(s->dat, "%.6g %.6g %.6g %.6g 0 \"%s %.3g GFLOP/s\"\n", first,
            l->flops / 1e9, c->xhi, l->flops / 1e9, l->flops_name,
            l->flops / 1e9);
}

static void write_axes(Sheet *s, const Chart *c)
{
    const double wide = c->panels > 1 ? WIDE : ALONE;

    sheet_number(s, "xlo", c->xlo);
    sheet_number(s, "xhi", c->xhi);
    sheet_number(s, "ylo", c->ylo);
    sheet_number(s, "yhi", c->yhi);
    sheet_number(s, "panels", c->panels);
    sheet_number(s, "steps", c->steps);
    sheet_number(s, "panel_width", wide);
    sheet_number(s, "panel_height", wide / WIDE * HIGH);
    sheet_number(s, "margin_left", LEFT);
    sheet_number(s, "margin_right", RIGHT);
    sheet_number(s, "margin_top", TOP);
    sheet_number(s, "margin_bottom", BOTTOM);
}

/* "counted", "modelled", or of how many points which. */
static void describe_source(char text[64], const Chart *c, int counted)
{
    if (counted && counted < c->marks)
        snprintf(text, 64, "counted of %d of %d points, else modelled", counted,
                 c->marks);
    else
        snprintf(text, 64, "%s", counted ? "counted" : "modelled");
}

static void say_sources(Sheet *s, const Chart *c)
{
    char bytes[64], operations[64];
    int b = 0, o = 0;

    for (int i = 0; i < c->marks; i++) {
        b += c->mark[i].bytes_from == SOURCE_COUNTED;
        o += c->mark[i].flops_from == SOURCE_COUNTED;
    }
    describe_source(bytes, c, b);
    describe_source(operations, c, o);
    if (strcmp(bytes, operations) == 0)
        sheet_say(s, "Bytes and operations are %s; roofs are measured.", bytes);
    else
        sheet_say(s, "Bytes are %s; operations are %s; roofs are measured.",
                  bytes, operations);
}

static int write_all(Sheet *s, const Chart *c, const RunList *runs,
                     const Roofs *roofs)
{
    char doubt[ROOFS_DOUBT];
    const double panel = c->panels > 1 ? WIDE : ALONE;
    const double high = panel / WIDE * HIGH + TOP + BOTTOM;
    const int across = c->panels > 1 ? 2 : 1;
    const double width = across * (LEFT + panel + RIGHT);
    const int down = (c->panels + across - 1) / across;
    double key;

    fprintf(s->gp, "array Shape[%d]\n", c->panels);
    write_axes(s, c);
    write_marks(s, c);
    key = write_key(s, c, width);
    write_roofs(s, c);
    sheet_number(s, "key_height", key);
    if (runs->n == 1)
        sheet_say(s, "A point is an op of the network; ops that take least "
                     "time share a colour.");
    else
        sheet_say(s, "Hollow: composed; filled: fused. A thin line ends where "
                     "all operations and each byte once would take it.");
    say_sources(s, c);
    if (roofs_doubt(doubt, roofs)[0])
        sheet_say(s, "Do not trust them: %s.", doubt);
    return sheet_page(s, runs, width, down * high + key + KEY_LINE / 2.0);
}

int figure_roofline(Sheet *s)
{
    Chart c = { .mark = calloc(MARKS_MAX, sizeof(*c.mark)) };
    RunList runs;
    Roofs roofs;
    int err;

    if (!c.mark)
        return fail(ERR_MEMORY, "no memory for the marks of a figure");
    err = sheet_runs(
        s, &runs,
        &(SheetRuns){ s->experiment, axes, false,
                      "attnbench profile module_stages --batch=8 --state=hot "
                      "--seconds=1" });
    if (!err) {
        err = read_limits(&c.limits, &roofs, s->store, &runs.at[0]);
        if (!err)
            err = gather(&c, s, &runs);
        if (!err)
            err = write_all(s, &c, &runs, &roofs);
        summary_free(&runs);
    }
    free(c.mark);
    return err;
}
