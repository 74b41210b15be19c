/*
 * csv.c - comma-separated values (RFC 4180), read and written.
 */
#include "analysis/csv.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "analysis/units.h"
#include "kernels/core/err.h"
#include "kernels/core/visible.h"

/* Parses a cell in quotes, at the first of them; returns what follows it,
 * NULL if it is not closed. */
static char *unquote(Csv *csv, char *at)
{
    char *to = at;

    for (at++; *at; at++) {
        if (*at == '"' && at[1] != '"') {
            *to = '\0';
            return at + 1;
        }
        if (*at == '"')
            at++;
        csv->next_line += *at == '\n';
        *to++ = *at;
    }
    return NULL;
}

/* Parses one row into cell; *n of them.  What ends a cell is overwritten only
 * when it has been looked at. */
static int read_row(Csv *csv, char **cell, int *n)
{
    char *at = csv->next, end;

    csv->line = csv->next_line;
    *n = 0;
    do {
        if (*n == CSV_COLUMNS_MAX)
            return fail(ERR_INPUT, "%s:%d: more than %d columns", csv->name,
                        csv->line, CSV_COLUMNS_MAX);
        cell[(*n)++] = at;
        if (*at == '"') {
            at = unquote(csv, at);
            if (!at)
                return fail(ERR_INPUT, "%s:%d: unclosed quote", csv->name,
                            csv->line);
            if (!strchr(",\r\n", *at))
                return fail(ERR_INPUT, "%s:%d: '%c' after a closing quote",
                            csv->name, csv->line, *at);
        } else {
            at += strcspn(at, ",\r\n");
        }
        end = *at;
        if (end)
            *at++ = '\0';
    } while (end == ',');
    if (end == '\r' && *at == '\n')
        at++;
    csv->next_line += end != '\0';
    csv->next = at;
    return OK;
}

int csv_open(Csv *csv, const char *name, char *text)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";

    if (strncmp(text, byte_order_mark, 3) == 0)
        text += 3;
    *csv = (Csv){ .name = name, .next = text, .next_line = 1 };
    TRY(read_row(csv, csv->column, &csv->ncolumns));
    for (int i = 0; i < csv->ncolumns; i++) {
        if (!*csv->column[i])
            return fail(ERR_INPUT, "%s:1: column %d has no name", name, i + 1);
        if (csv_column(csv, csv->column[i]) != i)
            return fail(ERR_INPUT, "%s:1: duplicate column '%s'", name,
                        csv->column[i]);
    }
    return OK;
}

int csv_next(Csv *csv, bool *more)
{
    int n;

    while (*csv->next == '\n' || *csv->next == '\r')
        csv->next_line += *csv->next++ == '\n';
    *more = *csv->next != '\0';
    if (!*more)
        return OK;
    TRY(read_row(csv, csv->cell, &n));
    if (n != csv->ncolumns)
        return fail(ERR_INPUT, "%s:%d: %d cells, but there are %d columns",
                    csv->name, csv->line, n, csv->ncolumns);
    return OK;
}

int csv_column(const Csv *csv, const char *name)
{
    for (int i = 0; i < csv->ncolumns; i++)
        if (strcmp(csv->column[i], name) == 0)
            return i;
    return -1;
}

static void quote(FILE *out, const char *cell)
{
    fputc('"', out);
    for (; *cell; cell++) {
        if (*cell == '"')
            fputc('"', out);
        fputc(*cell, out);
    }
    fputc('"', out);
}

void csv_write(CsvRow *row, const char *cell)
{
    if (row->begun)
        fputc(',', row->out);
    row->begun = true;
    /* A file gets what there is; a terminal would obey it. */
    if (!is_visible(cell) && isatty(fileno(row->out)))
        visible_write(row->out, cell);
    else if (cell[strcspn(cell, ",\"\r\n")])
        quote(row->out, cell);
    else
        fputs(cell, row->out);
}

void csv_print(CsvRow *row, const char *fmt, ...)
{
    char cell[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(cell, sizeof(cell), fmt, args);
    va_end(args);
    csv_write(row, cell);
}

void csv_number(CsvRow *row, double x, int digits)
{
    char text[NUMBER_TEXT];

    csv_write(row, number_text(x, digits, text));
}

void csv_end(CsvRow *row)
{
    fputc('\n', row->out);
    row->begun = false;
}
