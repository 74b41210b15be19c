/*
 * test_table_formats.c - one table as text, Markdown, LaTeX and CSV, and how a
 * number becomes a cell.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/units.h"
#include "harness/report/table.h"
#include "tests/test.h"
#include "tests/texts.h"

static char *print_table(const Table *t, TableFormat format)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    table_print(t, format, out);
    fclose(out);
    return text;
}

static void small_table(Table *t)
{
    static const TableColumn columns[] = {
        { "name", "name", "", "", true, FOR_ALL },
        { "time", "time", "ms", "here", false, FOR_PEOPLE },
        { "time_ms", "", "", "", false, FOR_PROGRAMS },
        { "rate", "rate", "", "here", false, FOR_ALL },
    };
    int row;

    table_init(t, columns, 4);
    row = table_row(t);
    table_set(t, row, "name", "a_b|c & 10%%");
    table_set(t, row, "time", "~1.2");
    table_set(t, row, "time_ms", "1.234");
    table_set(t, row, "rate", "5");
    row = table_row(t);
    table_set(t, row, "name", "µ, \"q\"");
    table_set(t, row, "rate", "123");
}

TEST(table_formats, text_is_aligned_by_characters)
{
    Table t;

    small_table(&t);
    check_text(print_table(&t, TABLE_TEXT), "             -- here --\n"
                                            "name         time  rate\n"
                                            "               ms\n"
                                            "a_b|c & 10%  ~1.2     5\n"
                                            "µ, \"q\"              123\n");
    table_free(&t);
}

TEST(table_formats, markdown_escapes_its_marks)
{
    Table t;

    small_table(&t);
    check_text(print_table(&t, TABLE_MARKDOWN),
               "| name | here: time (ms) | here: rate |\n"
               "|:--|--:|--:|\n"
               "| a\\_b\\|c & 10% | ~1.2 | 5 |\n"
               "| µ, \"q\" |  | 123 |\n");
    table_free(&t);
}

TEST(table_formats, latex_is_booktabs)
{
    Table t;

    small_table(&t);
    check_text(print_table(&t, TABLE_LATEX),
               "\n% this needs \\usepackage{booktabs}\n\\noindent\n"
               "\\begin{tabular}{lrr}\n\\toprule\n"
               "\\multicolumn{1}{c}{} & \\multicolumn{2}{c}{here} \\\\\n"
               "\\cmidrule(lr){2-3}\n"
               "name & time (ms) & rate \\\\\n\\midrule\n"
               "a\\_b|c \\& 10\\% & \\textasciitilde{}1.2 & 5 \\\\\n"
               "µ, \"q\" &  & 123 \\\\\n"
               "\\bottomrule\n\\end{tabular}\n");
    table_free(&t);
}

TEST(table_formats, csv_has_keys_and_quotes)
{
    Table t;

    small_table(&t);
    check_text(print_table(&t, TABLE_CSV), "name,time_ms,rate\n"
                                           "a_b|c & 10%,1.234,5\n"
                                           "\"µ, \"\"q\"\"\",,123\n");
    table_free(&t);
}

TEST(table_formats, a_wide_table_is_broken_at_a_page)
{
    TableColumn columns[20];
    char key[20][8], *text;
    size_t longest = 0;
    int row;
    Table t;

    for (int i = 0; i < 20; i++) {
        snprintf(key[i], sizeof(key[i]), "c%d", i);
        columns[i] = (TableColumn){ key[i], key[i], "", "", !i, FOR_ALL };
    }
    table_init(&t, columns, 20);
    row = table_row(&t);
    for (int i = 0; i < 20; i++)
        table_set(&t, row, key[i], "value number %d", i);
    text = print_table(&t, TABLE_TEXT);
    for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
        if (strcspn(at, "\n") > longest)
            longest = strcspn(at, "\n");
    CHECK(longest > 80 && longest <= TABLE_WIDTH);
    for (int i = 1; i < 20; i++) {
        char cell[32];

        snprintf(cell, sizeof(cell), "value number %d", i);
        check_holds(text, cell);
    }
    free(text);
    table_free(&t);
}

/* One cell of a table of one row, in a format. */
static char *print_cell(const char *cell, TableFormat format)
{
    static const TableColumn column = { "c", "c", "", "", true, FOR_ALL };
    char *text;
    Table t;

    table_init(&t, &column, 1);
    table_set(&t, table_row(&t), "c", "%s", cell);
    text = print_table(&t, format);
    table_free(&t);
    return text;
}

static char *print_line(const char *line, TableFormat format)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    table_line(format, out, "%s", line);
    fclose(out);
    return text;
}

/* Names and messages come from files that others wrote. */
TEST(table_formats, no_text_leaves_its_place_in_any_format)
{
    static const char text[] = "a\n\\input{x}\033]0;t\a|\r\x7f";

    for (int i = 0; table_format_name(i); i++) {
        char *got[] = { print_cell(text, (TableFormat)i),
                        print_line(text, (TableFormat)i) };

        for (int k = 0; k < 2; k++) {
            for (const char *at = got[k]; *at; at++)
                CHECK_MSG(
                    ((unsigned char)*at >= ' ' && *at != 0x7f) || *at == '\n',
                    "%s: byte %d in '%s'", table_format_name(i), *at, got[k]);
            CHECK_MSG(!strstr(got[k], "\n\\input"), "%s", got[k]);
            if (i != TABLE_CSV || !k)
                check_holds(got[k], "x0a");
            free(got[k]);
        }
    }
}

TEST(table_formats, latex_prints_its_prose)
{
    check_text(print_line("5 % of a_b < ~1", TABLE_LATEX),
               "\n\\noindent 5 \\% of a\\_b \\textless{} "
               "\\textasciitilde{}1\n");
}

/* \\\\ would take "[1mm]" for its own at the start of the next row. */
TEST(table_formats, latex_takes_no_cell_for_an_argument)
{
    char *text = print_cell("[1mm] x", TABLE_LATEX);

    check_holds(text, "\n{}[1mm] x \\\\\n");
    free(text);
}

TEST(table_formats, markdown_makes_no_links)
{
    char *text = print_cell("[a](javascript:b) [c][d]", TABLE_MARKDOWN);

    check_holds(text, "| [a\\](javascript:b) [c\\][d] |");
    free(text);
    text = print_cell("95.7 [92.6, 99.0]", TABLE_MARKDOWN);
    check_holds(text, "| 95.7 [92.6, 99.0] |");
    free(text);
}

TEST(table_formats, a_long_cell_is_whole)
{
    char cell[400], *text;

    memset(cell, 'x', sizeof(cell));
    cell[sizeof(cell) - 1] = '\0';
    text = print_cell(cell, TABLE_CSV);
    check_holds(text, cell);
    free(text);
}

TEST(table_formats, numbers_have_three_digits)
{
    char text[32], time[CELL_TEXT];

    CHECK(!strcmp(three_digits(0.01234, text), "0.012"));
    CHECK(!strcmp(three_digits(1.234, text), "1.23"));
    CHECK(!strcmp(three_digits(12.34, text), "12.3"));
    CHECK(!strcmp(three_digits(123.4, text), "123"));
    CHECK(!strcmp(three_digits(12345.6, text), "12346"));
    CHECK(!strcmp(three_digits(NAN, text), "-"));
    CHECK(!strcmp(digits_like(9.96, 12.3, text), "10.0"));
    CHECK(!strcmp(interval_text(999.4, 990, 1010, time), "999 ns [990, 1010]"));
    CHECK(
        !strcmp(interval_text(999.6, 990, 1010, time), "1.00 us [0.99, 1.01]"));
    CHECK(!strcmp(interval_text(2.5e9, 2.4e9, 2.6e9, time),
                  "2.50 s [2.40, 2.60]"));
}

/* If the name and two of three columns fit, the second row breaks. */
TEST(table_formats, a_text_that_is_too_wide_is_broken_where_it_may_be)
{
    static const char wide[] = "0123456789012345678901234567890123456789";
    static const TableColumn columns[] = {
        { "name", "name", "", "", true, FOR_ALL },
        { "a", "a", "", "", true, FOR_ALL },
        { "b", "b", "", "", true, FOR_ALL, true },
        { "c", "c", "", "", true, FOR_ALL },
    };
    char *text;
    Table t;

    table_init(&t, columns, 4);
    table_row(&t);
    for (int i = 0; i < 4; i++)
        table_set(&t, 0, columns[i].key, "%s", i ? wide : "x");
    text = print_table(&t, TABLE_TEXT);
    CHECK_MSG(strstr(text, "name  a\n") && strstr(text, "\n\nname  b  "), "%s",
              text);
    free(text);
    table_set(&t, 0, "c", "short");
    text = print_table(&t, TABLE_TEXT);
    CHECK_MSG(!strstr(text, "\n\n"), "%s", text);
    free(text);
    table_free(&t);
}

TEST(table_formats, a_time_has_the_unit_that_suits_it)
{
    double size;

    CHECK(unit_for(999.4, units_of_time, &size) == 0 && size == 1);
    CHECK(unit_for(999.6, units_of_time, &size) == 1 && size == 1e3);
    CHECK(unit_for(1e8, units_of_time, &size) == 2 && size == 1e6);
    CHECK(unit_for(1e15, units_of_time, &size) == 3 && size == 1e9);
}
