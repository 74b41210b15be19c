/*
 * table.h - rows and columns of text, printed in four formats.
 *
 * Text is for a terminal, Markdown and LaTeX (booktabs) for papers, CSV for
 * programs.  Knows nothing of what the cells mean, nor who wrote them: no cell
 * or line can leave its place in any format.
 */
#ifndef HARNESS_TABLE_H
#define HARNESS_TABLE_H

#include <stdbool.h>
#include <stdio.h>

typedef enum TableFormat {
    TABLE_TEXT,
    TABLE_MARKDOWN,
    TABLE_LATEX,
    TABLE_CSV
} TableFormat;

/* The i-th format's name, NULL past the end; its number by name. */
const char *table_format_name(int i);
TableFormat table_format(const char *name);

/* For whom a column is: CSV has one number a column, the others "25.0 [24.9,
 * 25.1]" in one. */
typedef enum TableReader { FOR_ALL, FOR_PEOPLE, FOR_PROGRAMS } TableReader;

enum { CELL_TEXT = 112, TABLE_COLUMNS = 64, TABLE_WIDTH = 120 };

typedef struct TableColumn {
    const char *key;   /* what table_set calls it, and CSV               */
    const char *name;  /* what people read                               */
    const char *unit;  /* under the name, "" for none                    */
    const char *group; /* above neighbours that share it, "" for none    */
    bool left;         /* aligned to the left: names                     */
    TableReader reader;
    bool breaks; /* a text that is too wide is broken here first   */
} TableColumn;

typedef struct Table {
    TableColumn column[TABLE_COLUMNS];
    int ncolumns;
    char *(*cell)[TABLE_COLUMNS]; /* of nrows rows; NULL: an empty one */
    int nrows, room;
} Table;

/* An empty table with these columns; table_free releases the rows. */
void table_init(Table *t, const TableColumn *columns, int n);
void table_free(Table *t);
void table_clear(Table *t); /* drops the rows, keeps the columns */

/* Adds an empty row and returns its number. */
int table_row(Table *t);

/* Sets a cell of row, of the column with that key (which there must be): text
 * of any length, of which control characters are shown as "\xNN". */
void table_set(Table *t, int row, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* A cell that a number fills, by a format for one double; empty for NAN. */
void table_number(Table *t, int row, const char *key, const char *fmt,
                  double value);

void table_print(const Table *t, TableFormat format, FILE *out);

/* A line of prose around a table, as the format has it: in LaTeX a paragraph,
 * so that it prints with the table.  CSV has none. */
void table_line(TableFormat format, FILE *out, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* value with three digits: 0.123, 1.23, 12.3, 123, 1234; like others with the
 * digits of value.  Both return text. */
char *three_digits(double value, char text[32]);
char *digits_like(double value, double like, char text[32]);

/* Nanoseconds as "12.3 us", and as "12.3 us [12.2, 12.5]". */
char *time_short(double ns, char text[32]);
char *interval_text(double ns, double lo, double hi, char text[CELL_TEXT]);

#endif
