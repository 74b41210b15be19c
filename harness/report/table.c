/*
 * table.c - aligns, escapes and prints tables.
 */
#include "harness/report/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "analysis/units.h"
#include "harness/files/wrap.h"
#include "kernels/core/err.h"
#include "kernels/core/visible.h"

static const char *const formats[] = {
    [TABLE_TEXT] = "text",
    [TABLE_MARKDOWN] = "markdown",
    [TABLE_LATEX] = "latex",
    [TABLE_CSV] = "csv",
};
enum { NFORMATS = sizeof(formats) / sizeof(formats[0]), GAP = 2 };

const char *table_format_name(int i)
{
    return i >= 0 && i < NFORMATS ? formats[i] : NULL;
}

TableFormat table_format(const char *name)
{
    for (int i = 0; i < NFORMATS; i++)
        if (strcmp(formats[i], name) == 0)
            return (TableFormat)i;
    return TABLE_TEXT;
}

void table_init(Table *t, const TableColumn *columns, int n)
{
    BUG_IF(n > TABLE_COLUMNS);
    *t = (Table){ .ncolumns = n };
    memcpy(t->column, columns, (size_t)n * sizeof(*columns));
}

void table_clear(Table *t)
{
    for (int r = 0; r < t->nrows; r++)
        for (int c = 0; c < t->ncolumns; c++)
            free(t->cell[r][c]);
    t->nrows = 0;
}

void table_free(Table *t)
{
    table_clear(t);
    free(t->cell);
    t->cell = NULL;
    t->room = 0;
}

int table_row(Table *t)
{
    if (t->nrows == t->room) {
        t->room = t->room ? 2 * t->room : 32;
        t->cell = realloc(t->cell, (size_t)t->room * sizeof(*t->cell));
        BUG_IF(!t->cell);
    }
    memset(t->cell[t->nrows], 0, sizeof(*t->cell));
    return t->nrows++;
}

/* The text that printf would write, fit to be shown; to be freed. */
static char *printable(const char *fmt, va_list args)
{
    va_list again;
    size_t size;
    char *raw, *shown;

    va_copy(again, args);
    size = (size_t)vsnprintf(NULL, 0, fmt, again) + 1;
    va_end(again);
    raw = malloc(size);
    shown = malloc(4 * size);
    BUG_IF(!raw || !shown);
    vsnprintf(raw, size, fmt, args);
    visible(shown, 4 * size, raw);
    free(raw);
    return shown;
}

void table_set(Table *t, int row, const char *key, const char *fmt, ...)
{
    int i = 0;
    va_list args;

    while (i < t->ncolumns && strcmp(t->column[i].key, key))
        i++;
    BUG_IF(i == t->ncolumns || row >= t->nrows);
    free(t->cell[row][i]);
    va_start(args, fmt);
    t->cell[row][i] = printable(fmt, args);
    va_end(args);
}

void table_number(Table *t, int row, const char *key, const char *fmt,
                  double value)
{
    char text[64] = "";

    if (!isnan(value))
        snprintf(text, sizeof(text), fmt, value);
    table_set(t, row, key, "%s", text);
}

/* Characters, not bytes. */
static int text_width(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static const char *cell_of(const Table *t, int row, int c)
{
    return t->cell[row][c] ? t->cell[row][c] : "";
}

static bool is_shown(const Table *t, int column, TableFormat format)
{
    const TableReader r = t->column[column].reader;

    return r == FOR_ALL || (r == FOR_PROGRAMS) == (format == TABLE_CSV);
}

/* ---- text ------------------------------------------------------------ */

static void measure(const Table *t, int *width)
{
    for (int c = 0; c < t->ncolumns; c++) {
        width[c] = text_width(t->column[c].name);
        if (text_width(t->column[c].unit) > width[c])
            width[c] = text_width(t->column[c].unit);
        for (int r = 0; r < t->nrows; r++)
            if (text_width(cell_of(t, r, c)) > width[c])
                width[c] = text_width(cell_of(t, r, c));
    }
}

static void put_aligned(FILE *out, const char *text, int width, bool left)
{
    const int pad = width - text_width(text);

    fprintf(out, "%*s%s%*s", left || pad < 0 ? 0 : pad, "", text,
            left && pad > 0 ? pad : 0, "");
}

/* One line; text_of(c) gives the cell of column c. */
static void put_line(const Table *t, FILE *out, const int *width,
                     const char *(*text_of)(const Table *t, int row, int c),
                     int row)
{
    int owed = 0; /* blanks that only matter if something follows */

    for (int c = 0; c < t->ncolumns; c++) {
        const char *text = text_of(t, row, c);

        if (!is_shown(t, c, TABLE_TEXT))
            continue;
        if (*text) {
            const bool left = t->column[c].left;

            fprintf(out, "%*s", owed, "");
            put_aligned(out, text, left ? 0 : width[c], left);
            owed = left ? width[c] - text_width(text) : 0;
        } else {
            owed += width[c];
        }
        owed += GAP;
    }
    fputc('\n', out);
}

static const char *name_of(const Table *t, int row, int c)
{
    (void)row;
    return t->column[c].name;
}

static const char *unit_of(const Table *t, int row, int c)
{
    (void)row;
    return t->column[c].unit;
}

/* The end of the run of shown columns that share the group of column c. */
static int group_end(const Table *t, int c, TableFormat format, int *columns)
{
    int end = c;

    *columns = 0;
    for (; end < t->ncolumns; end++) {
        if (!is_shown(t, end, format))
            continue;
        if (strcmp(t->column[end].group, t->column[c].group))
            break;
        ++*columns;
    }
    return end;
}

static bool has_groups(const Table *t)
{
    for (int c = 0; c < t->ncolumns; c++)
        if (*t->column[c].group)
            return true;
    return false;
}

static bool has_units(const Table *t)
{
    for (int c = 0; c < t->ncolumns; c++)
        if (*t->column[c].unit)
            return true;
    return false;
}

/* "------ here ------" over its columns. */
static void put_groups(const Table *t, FILE *out, const int *width)
{
    int owed = 0;

    for (int c = 0, end; c < t->ncolumns; c = end) {
        const char *name = t->column[c].group;
        int columns, span = -GAP, dashes;

        end = group_end(t, c, TABLE_TEXT, &columns);
        for (int k = c; k < end; k++)
            if (is_shown(t, k, TABLE_TEXT))
                span += width[k] + GAP;
        if (!*name) {
            owed += span + GAP;
            continue;
        }
        dashes = span - text_width(name) - 2;
        fprintf(out, "%*s", owed, "");
        for (int i = 0; i < dashes / 2; i++)
            fputc('-', out);
        fprintf(out, " %s ", name);
        for (int i = dashes / 2; i < dashes; i++)
            fputc('-', out);
        owed = GAP;
    }
    fputc('\n', out);
}

/* A terminal's width, where that is less than a page's. */
static int page_width(FILE *out)
{
    const int n = screen_columns(out);

    return n && n < TABLE_WIDTH ? n : TABLE_WIDTH;
}

/* Hides the columns of *t from first on that make it wider than a page, or
 * follow a break if some do, and returns the first of them; the leftmost column
 * always stays. */
static int fit(Table *t, const int *width, int first, int page)
{
    int total = -GAP, c, shown = 0, at_break = 0;

    for (c = 0; c < t->ncolumns; c++) {
        if (!is_shown(t, c, TABLE_TEXT))
            continue;
        if (shown && c < first) {
            t->column[c].reader = FOR_PROGRAMS;
            continue;
        }
        if (t->column[c].breaks && shown > 1)
            at_break = c;
        if (shown > 1 && total + GAP + width[c] > page) {
            c = at_break ? at_break : c;
            break;
        }
        total += GAP + width[c];
        shown++;
    }
    for (int k = c; k < t->ncolumns; k++)
        t->column[k].reader = FOR_PROGRAMS;
    return c;
}

static void print_text(const Table *t, FILE *out)
{
    int width[TABLE_COLUMNS], next = 0;

    measure(t, width);
    do {
        Table part = *t;

        if (next)
            fputc('\n', out);
        next = fit(&part, width, next, page_width(out));
        if (has_groups(&part))
            put_groups(&part, out, width);
        put_line(&part, out, width, name_of, 0);
        if (has_units(&part))
            put_line(&part, out, width, unit_of, 0);
        for (int r = 0; r < t->nrows; r++)
            put_line(&part, out, width, cell_of, r);
    } while (next < t->ncolumns);
}

/* ---- Markdown, LaTeX, CSV -------------------------------------------- */

/* A bracket that is closed is a link only before one of these. */
static bool ends_link_text(const char *at)
{
    return *at == ']' && at[1] && strchr("([:", at[1]);
}

static void put_markdown(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("|\\`*_<", *text) || ends_link_text(text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void put_latex(FILE *out, const char *text)
{
    static const struct {
        char character;
        const char *command;
    } commands[] = {
        { '~', "\\textasciitilde{}" }, { '^', "\\textasciicircum{}" },
        { '\\', "\\textbackslash{}" }, { '<', "\\textless{}" },
        { '>', "\\textgreater{}" },
    };
    enum { N = sizeof(commands) / sizeof(commands[0]) };

    for (; *text; text++) {
        int i = 0;

        while (i < N && commands[i].character != *text)
            i++;
        if (i < N)
            fputs(commands[i].command, out);
        else if (strchr("#$%&_{}", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void put_escaped(FILE *out, const char *text, TableFormat format)
{
    if (format == TABLE_MARKDOWN)
        put_markdown(out, text);
    else if (format == TABLE_LATEX)
        put_latex(out, text);
    else
        fputs(text, out);
}

/* A cell of LaTeX.  The \\ of the row before would take what begins with a
 * bracket or a star for its own. */
static void put_cell(FILE *out, const char *text)
{
    if (*text == '[' || *text == '*')
        fputs("{}", out);
    put_latex(out, text);
}

/* "params M" in one cell; Markdown, which has no groups, adds the group. */
static void put_heading(const Table *t, FILE *out, int c, TableFormat format)
{
    const TableColumn *column = &t->column[c];

    if (format == TABLE_MARKDOWN && *column->group) {
        put_escaped(out, column->group, format);
        fputs(": ", out);
    }
    put_escaped(out, column->name, format);
    if (*column->unit) {
        fputs(" (", out);
        put_escaped(out, column->unit, format);
        fputc(')', out);
    }
}

static void print_markdown(const Table *t, FILE *out)
{
    for (int c = 0; c < t->ncolumns; c++)
        if (is_shown(t, c, TABLE_MARKDOWN)) {
            fputs("| ", out);
            put_heading(t, out, c, TABLE_MARKDOWN);
            fputc(' ', out);
        }
    fputs("|\n", out);
    for (int c = 0; c < t->ncolumns; c++)
        if (is_shown(t, c, TABLE_MARKDOWN))
            fputs(t->column[c].left ? "|:--" : "|--:", out);
    fputs("|\n", out);
    for (int r = 0; r < t->nrows; r++) {
        for (int c = 0; c < t->ncolumns; c++)
            if (is_shown(t, c, TABLE_MARKDOWN)) {
                fputs("| ", out);
                put_escaped(out, cell_of(t, r, c), TABLE_MARKDOWN);
                fputc(' ', out);
            }
        fputs("|\n", out);
    }
}

/* The groups as a row of \multicolumn with a rule under each. */
static void put_latex_groups(const Table *t, FILE *out)
{
    char rules[512] = "";
    int from = 1;

    for (int c = 0, end, columns; c < t->ncolumns; c = end) {
        const size_t used = strlen(rules);

        end = group_end(t, c, TABLE_LATEX, &columns);
        fprintf(out, "%s\\multicolumn{%d}{c}{", c ? " & " : "", columns);
        put_escaped(out, t->column[c].group, TABLE_LATEX);
        fputc('}', out);
        if (*t->column[c].group)
            snprintf(rules + used, sizeof(rules) - used,
                     "\\cmidrule(lr){%d-%d}", from, from + columns - 1);
        from += columns;
    }
    fprintf(out, " \\\\\n%s\n", rules);
}

static void print_latex(const Table *t, FILE *out)
{
    /* a paragraph of its own, apart from the line before */
    fputs("\n% this needs \\usepackage{booktabs}\n\\noindent\n"
          "\\begin{tabular}{",
          out);
    for (int c = 0; c < t->ncolumns; c++)
        if (is_shown(t, c, TABLE_LATEX))
            fputc(t->column[c].left ? 'l' : 'r', out);
    fputs("}\n\\toprule\n", out);
    if (has_groups(t))
        put_latex_groups(t, out);
    for (int r = -1; r < t->nrows; r++) {
        bool first = true;

        for (int c = 0; c < t->ncolumns; c++) {
            if (!is_shown(t, c, TABLE_LATEX))
                continue;
            fputs(first ? "" : " & ", out);
            first = false;
            if (r < 0)
                put_heading(t, out, c, TABLE_LATEX);
            else
                put_cell(out, cell_of(t, r, c));
        }
        fputs(r < 0 ? " \\\\\n\\midrule\n" : " \\\\\n", out);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", out);
}

static void print_csv(const Table *t, FILE *out)
{
    CsvRow row = { .out = out };

    for (int r = -1; r < t->nrows; r++) {
        for (int c = 0; c < t->ncolumns; c++)
            if (is_shown(t, c, TABLE_CSV))
                csv_write(&row, r < 0 ? t->column[c].key : cell_of(t, r, c));
        csv_end(&row);
    }
}

void table_print(const Table *t, TableFormat format, FILE *out)
{
    static void (*const print[])(const Table *t, FILE *out) = {
        [TABLE_TEXT] = print_text,
        [TABLE_MARKDOWN] = print_markdown,
        [TABLE_LATEX] = print_latex,
        [TABLE_CSV] = print_csv,
    };

    print[format](t, out);
}

/* Text is broken at blanks to the width of a table. */
static void put_wrapped(FILE *out, const char *text)
{
    wrap_words(out, &(Wrap){ 0, 0, page_width(out) }, text);
    fputc('\n', out);
}

void table_line(TableFormat format, FILE *out, const char *fmt, ...)
{
    char *text;
    va_list args;

    va_start(args, fmt);
    text = printable(fmt, args);
    va_end(args);
    if (format == TABLE_TEXT) {
        put_wrapped(out, text);
    } else if (format != TABLE_CSV) {
        /* in LaTeX a paragraph of its own, too: "\n" alone joins lines */
        fputs(format == TABLE_LATEX ? "\n\\noindent " : "\n", out);
        put_escaped(out, text, format);
        fputc('\n', out);
    }
    free(text);
}

/* ---- numbers --------------------------------------------------------- */

char *digits_like(double value, double like, char text[32])
{
    const double size = fabs(like);

    if (isnan(value))
        snprintf(text, 32, "-");
    else
        snprintf(text, 32, "%.*f",
                 size >= 99.95    ? 0
                 : size >= 9.995  ? 1
                 : size >= 0.9995 ? 2
                                  : 3,
                 value);
    return text;
}

char *three_digits(double value, char text[32])
{
    return digits_like(value, value, text);
}

char *time_short(double ns, char text[32])
{
    char digits[32];
    double unit;
    const int i = unit_for(ns, units_of_time, &unit);

    snprintf(text, 32, "%.24s %s", three_digits(ns / unit, digits),
             units_of_time[i]);
    return text;
}

char *interval_text(double ns, double lo, double hi, char text[CELL_TEXT])
{
    char m[32], l[32], h[32];
    double unit;
    const int i = unit_for(ns, units_of_time, &unit);

    snprintf(text, CELL_TEXT, "%s %s [%s, %s]", three_digits(ns / unit, m),
             units_of_time[i], digits_like(lo / unit, ns / unit, l),
             digits_like(hi / unit, ns / unit, h));
    return text;
}
