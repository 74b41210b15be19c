/*
 * sheet.c - chooses a figure's runs and writes what its script shares.
 */
#include "plots/sheet.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/conditions.h"
#include "analysis/units.h"
#include "kernels/core/err.h"
#include "plots/labels.h"

enum { FOOT_SIZE = 8, FOOT_LINE = 11, FOOT_SPACE = 10, LEFT_OUT_SHOWN = 3 };

static bool is_first_arm(const Run *r)
{
    return r->c.copy == 0;
}

/* "SA at 64x56x56 (unsupported), ..." of the runs that did not succeed. */
static int say_left_out(Sheet *s, const RunList *list)
{
    char label[LABEL_MAX], text[512] = "";
    size_t used = 0;
    int n = 0;

    for (int i = 0; i < list->n; i++) {
        const Run *r = &list->at[i];

        if (run_is_ok(r))
            continue;
        if (n++ < LEFT_OUT_SHOWN && used < sizeof(text))
            used += (size_t)snprintf(
                text + used, sizeof(text) - used, "%s%s at %dx%dx%d (%s)",
                n > 1 ? ", " : "", run_label(r, label), r->c.channels,
                r->c.height, r->c.width, status_name(r->o.status));
    }
    if (n > LEFT_OUT_SHOWN)
        sheet_say(s, "Left out: %s and %d more.", text, n - LEFT_OUT_SHOWN);
    else if (n)
        sheet_say(s, "Left out: %s.", text);
    return n;
}

static int nothing_there(const char *experiment, const char *command)
{
    if (command)
        return fail(ERR_UNSUPPORTED, "no runs of experiment '%s'; run: %s",
                    experiment, command);
    return fail(ERR_UNSUPPORTED,
                "no runs of experiment '%s'; run: attnbench run "
                "harness/experiments/%s.json",
                experiment, experiment);
}

static int none_succeeded(const Run *first, int n)
{
    return fail(ERR_UNSUPPORTED,
                "none of the %d runs of experiment '%s' succeeded; the first "
                "is %s: %s",
                n, first->experiment, status_name(first->o.status),
                first->o.message);
}

int sheet_runs(Sheet *s, RunList *out, const SheetRuns *which)
{
    const PlotOptions *o = s->options;
    RunFilter filter = { which->experiment, "attnbench", 0 };
    Run first;
    int n, err;

    if (o->experiment && o->experiment[0])
        filter.experiment = o->experiment;
    for (int i = 0; i < o->nwanted; i++)
        if (!strcmp(o->wanted[i].column, "source"))
            filter.source = o->wanted[i].value;
    TRY(summary_read(out, s->store, &filter));
    if (!out->n) {
        summary_free(out);
        return nothing_there(filter.experiment, which->command);
    }
    err = slice_keep(out, o->wanted, o->nwanted);
    if (!err && !which->arms)
        slice_filter(out, is_first_arm);
    if (!err)
        err = slice_single(out, which->axes);
    if (!err) {
        n = out->n;
        first = out->at[0];
        if (say_left_out(s, out) == n)
            err = none_succeeded(&first, n);
        else
            slice_filter(out, run_is_ok);
    }
    if (err)
        summary_free(out);
    return err;
}

/* Single quotes: gnuplot takes everything in them as it is. */
static void quoted(FILE *f, const char *text)
{
    fputc('\'', f);
    for (; *text; text++) {
        if (*text == '\'')
            fputc('\'', f);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
    }
    fputc('\'', f);
}

/* gnuplot takes inf and nan for names; NaN it knows. */
void sheet_number(Sheet *s, const char *name, double value)
{
    if (isfinite(value))
        fprintf(s->gp, "%s = %.10g\n", name, value);
    else
        fprintf(s->gp, "%s = NaN\n", name);
}

void sheet_text(Sheet *s, const char *name, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fprintf(s->gp, "%s = ", name);
    quoted(s->gp, text);
    fputc('\n', s->gp);
}

/* Data files know no escapes: what would end the word is replaced. */
void sheet_word(Sheet *s, const char *text)
{
    fputc('"', s->dat);
    for (; *text; text++)
        fputc(*text == '"'                 ? '\''
              : *text == '\\'              ? '/'
              : (unsigned char)*text < ' ' ? ' '
                                           : *text,
              s->dat);
    fputs("\" ", s->dat);
}

void sheet_say(Sheet *s, const char *fmt, ...)
{
    const size_t used = strlen(s->caption);
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (!strstr(s->caption, text))
        snprintf(s->caption + used, sizeof(s->caption) - used, "%s%s",
                 used ? " " : "", text);
}

/* Writes name = 'line'."\n".'line', broken where width (points) ends, and
 * returns the number of lines. */
static int write_wrapped(Sheet *s, const char *name, const char *text,
                         double width)
{
    char line[1024];
    int lines = 0;

    fprintf(s->gp, "%s = ''", name);
    while (*text) {
        size_t n = 0, space = 0;

        for (; text[n] && n < sizeof(line) - 1; n++) {
            line[n] = text[n];
            line[n + 1] = '\0';
            if (label_width(line) * FOOT_SIZE > width && space)
                break;
            if (text[n] == ' ')
                space = n;
        }
        if (text[n] && space)
            n = space;
        line[n] = '\0';
        fputs(lines++ ? " .\"\\n\". " : " . ", s->gp);
        quoted(s->gp, line);
        text += n;
        while (*text == ' ')
            text++;
    }
    fputc('\n', s->gp);
    return lines;
}

void sheet_foot(Sheet *s, const char *conditions, double width, double height)
{
    int lines =
        write_wrapped(s, "conditions", conditions, width - 2 * FOOT_SPACE);

    sheet_number(s, "conditions_height", lines * FOOT_LINE);
    lines += write_wrapped(s, "caption", s->caption, width - 2 * FOOT_SPACE);
    sheet_number(s, "foot", lines * FOOT_LINE + FOOT_SPACE);
    sheet_number(s, "width", width);
    sheet_number(s, "height", height + lines * FOOT_LINE + FOOT_SPACE);
}

int sheet_page(Sheet *s, const RunList *runs, double width, double height)
{
    char where[CONDITIONS_TEXT], samples[SAMPLES_TEXT],
        text[CONDITIONS_TEXT + 256];
    Conditions c;

    TRY(conditions_read(&c, s->store, runs->at[0].sweep_id));
    if (s->counted)
        snprintf(text, sizeof(text), "%s; counted, not measured; %s",
                 conditions_settings(&c, runs, where), c.commit);
    else
        snprintf(text, sizeof(text), "%s; %s; %.10s, %s",
                 conditions_where(&c, runs, where),
                 conditions_samples(runs, samples), c.started_at, c.commit);
    sheet_foot(s, text, width, height);
    return OK;
}

enum { TICKS_MAX = 64 };

/* gnuplot's real() takes no "1e+06". */
#define TICK "%.15g"

/* 1, 2 and 5 times powers of ten in the range, or powers alone if that is
 * many; returns how many. */
static int log_ticks(double tick[TICKS_MAX], double lo, double hi)
{
    static const double steps[] = { 1, 2, 5 };
    const int use = log10(hi / lo) < 2.5 ? 3 : 1;
    int n = 0;

    if (!(lo > 0 && hi < INFINITY)) /* no axis has such: gnuplot says so */
        return 0;
    for (int e = (int)floor(log10(lo)); e <= (int)ceil(log10(hi)); e++)
        for (int k = 0; k < use && n < TICKS_MAX; k++) {
            const double v = steps[k] * pow(10, e);

            if (v >= lo * 0.999 && v <= hi * 1.001)
                tick[n++] = v;
        }
    return n;
}

void sheet_log_ticks(Sheet *s, const char *name, double lo, double hi)
{
    double tick[TICKS_MAX];
    const int n = log_ticks(tick, lo, hi);

    fprintf(s->gp, "%s = '", name);
    for (int i = 0; i < n; i++)
        fprintf(s->gp, TICK " ", tick[i]);
    fprintf(s->gp, "'\n");
}

/* A blank that does not end a word of gnuplot's lists. */
#define NO_BREAK "\xc2\xa0"

bool sheet_unit_ticks(Sheet *s, const char *index, const Ticks *t)
{
    double tick[TICKS_MAX], size;
    const int n = log_ticks(tick, t->lo, t->hi);
    const bool own = n && (tick[n - 1] > 5000 || tick[0] < 0.01);

    fprintf(s->gp, "Yticks%s = '", index);
    for (int i = 0; i < n; i++)
        fprintf(s->gp, TICK " ", tick[i]);
    fprintf(s->gp, "'\nYnames%s = '", index);
    for (int i = 0; i < n; i++) {
        const double v = tick[i] * t->unit * (1 + 1e-9); /* 1000 of a unit */
        const int u = unit_for(v, t->names, &size);

        if (own)
            fprintf(s->gp, "%.6g" NO_BREAK "%s ", tick[i] * t->unit / size,
                    t->names[u]);
        else
            fprintf(s->gp, TICK " ", tick[i]);
    }
    fprintf(s->gp, "'\n");
    return own;
}
