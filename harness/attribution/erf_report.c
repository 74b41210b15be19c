/*
 * erf_report.c - a receptive field as a table: its numbers, part by part.
 */
#include "harness/attribution/erf_report.h"

#include <math.h>
#include <string.h>

#include "analysis/csv.h"
#include "analysis/units.h"
#include "harness/files/wrap.h"

enum { DIGITS = 9 };

void erf_report_csv_head(FILE *out)
{
    fprintf(out, "backbone,module,norm_gain,tap,input,part,number,value,lo,"
                 "hi\n");
}

void erf_report_csv(FILE *out, const ErfRow *row)
{
    CsvRow csv = { .out = out };

    for (int p = 0; p < row->parts; p++)
        for (int i = 0; i < row->part[p].numbers; i++) {
            const ErfRowNumber *n = &row->part[p].number[i];

            csv_write(&csv, row->c.backbone.text);
            csv_write(&csv, row->c.module.text);
            csv_number(&csv, row->c.norm_gain, EXACT);
            csv_write(&csv, row->tap);
            csv_print(&csv, "%dx%d", row->c.height, row->c.width);
            csv_write(&csv, row->part[p].part);
            csv_write(&csv, n->name);
            csv_number(&csv, n->value, DIGITS);
            csv_number(&csv, n->lo, DIGITS);
            csv_number(&csv, n->hi, DIGITS);
            csv_end(&csv);
        }
}

/* "12.3 [11.9, 12.8]" */
static char *with_interval(char text[64], const ErfRowPart *p, const char *name,
                           double unit)
{
    const ErfRowNumber n = erf_row_number(p, name);
    const double v = n.value * unit;
    const int digits = fabs(v) >= 100 ? 0 : fabs(v) >= 10 ? 1 : 2;

    if (isnan(n.lo))
        snprintf(text, 64, "%.*f", digits, v);
    else
        snprintf(text, 64, "%.*f [%.*f, %.*f]", digits, v, digits, n.lo * unit,
                 digits, n.hi * unit);
    return text;
}

static const struct {
    const char *title, *name;
    double unit;
} shown[] = {
    { "20 % of the mass, % of input", "area_20", 100 },
    { "30 %", "area_30", 100 },
    { "50 %", "area_50", 100 },
    { "68 %", "area_68", 100 },
    { "95 %", "area_95", 100 },
    { "99 %", "area_99", 100 },
    { "Luo's size, px", "luo_side", 1 },
    { "  over the theoretical", "luo_ratio", 1 },
    { "radius of gyration, px", "radius", 1 },
    { "vertical spread, px", "sigma_y", 1 },
    { "horizontal spread, px", "sigma_x", 1 },
    { "by entropy, % of input", "entropy_area", 100 },
    { "centroid below, px", "offset_y", 1 },
    { "centroid right, px", "offset_x", 1 },
    { "share of the mass, %", "mass_share", 100 },
};
enum { SHOWN = sizeof(shown) / sizeof(shown[0]), CELL = 23 };

static void write_field(FILE *out, double height, double width,
                        const char *what)
{
    if (isnan(height))
        fprintf(out, "%s unbounded", what);
    else
        fprintf(out, "%s %.0fx%.0f", what, height, width);
}

static void write_numbers(FILE *out, const ErfRow *row)
{
    char text[64];

    fprintf(out, "\n  %-29s", "");
    for (int p = 0; p < row->parts; p++)
        fprintf(out, " %*s", CELL, row->part[p].part);
    for (int i = 0; i < SHOWN; i++) {
        fprintf(out, "\n  %-29s", shown[i].title);
        for (int p = 0; p < row->parts; p++)
            fprintf(out, " %*s", CELL,
                    with_interval(text, &row->part[p], shown[i].name,
                                  shown[i].unit));
    }
    fprintf(out, "\n");
}

void erf_report(FILE *out, const ErfRow *row)
{
    const bool alone = strcmp(row->c.backbone.text, "none") == 0;

    fprintf(out, "%s%s%s at %s, input %dx%dx%d; theoretical field",
            alone ? "" : row->c.backbone.text, alone ? "" : " with ",
            row->c.module.text, row->tap, row->c.channels, row->c.height,
            row->c.width);
    write_field(out, row->field_height, row->field_width, "");
    if (row->parts > 1)
        write_field(out, row->past_height, row->past_width, ", past the gates");
    fprintf(out, "\n");
    write_numbers(out, row);
    fprintf(out, "\n  ");
    wrap_words(out, &(Wrap){ 2, 2, 79 }, row->described);
    fprintf(out, "\n  peak of the mean gradient %.3g\n\n", row->peak);
}
