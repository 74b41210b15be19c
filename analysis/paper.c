/*
 * paper.c - reads the paper's Table 2, and knows its rows by our names.
 */
#include "analysis/paper.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "kernels/core/err.h"

static const char table2[] =
#include "results/paper/table2.csv.inc"
    ;

typedef struct Name {
    const char *ours, *paper;
} Name;

/* A backbone that attnbench lists and the paper measured has a line here. */
static const Name backbones[] = {
    { "resnet50", "ResNet-50" },
    { "resnet101", "ResNet-101" },
};
enum { NBACKBONES = sizeof(backbones) / sizeof(backbones[0]) };

/* Modules that are not called as in the paper, but for capitals; its SE is
 * the variant of 1x1 convolutions, and ours of linears is not in it. */
static const Name methods[] = { { "se", "" }, { "se_conv", "SE" } };
enum { NMETHODS = sizeof(methods) / sizeof(methods[0]) };

/* The columns that are numbers. */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    { "paper_params_m", offsetof(PaperRow, params_m) },
    { "paper_flops_g", offsetof(PaperRow, flops_g) },
    { "paper_throughput", offsetof(PaperRow, throughput) },
    { "paper_top1", offsetof(PaperRow, top1) },
    { "paper_top5", offsetof(PaperRow, top5) },
    { "computed_params", offsetof(PaperRow, params) },
    { "computed_flops_mmengine_backbone_gap", offsetof(PaperRow, flops) },
    { "computed_macs_convlinear", offsetof(PaperRow, macs) },
};
enum { NNUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static int column(const Csv *csv, const char *name, int *at)
{
    *at = csv_column(csv, name);
    if (*at < 0)
        return fail(ERR_INPUT, "%s: there is no column '%s'", csv->name, name);
    return OK;
}

static int read_row(PaperRow *row, const Csv *csv)
{
    int backbone, method, type;

    TRY(column(csv, "backbone", &backbone));
    TRY(column(csv, "method", &method));
    TRY(column(csv, "type", &type));
    snprintf(row->backbone, sizeof(row->backbone), "%s", csv->cell[backbone]);
    snprintf(row->method, sizeof(row->method), "%s", csv->cell[method]);
    snprintf(row->type, sizeof(row->type), "%s", csv->cell[type]);
    for (int i = 0; i < NNUMBERS; i++) {
        char *end;
        int at;

        TRY(column(csv, numbers[i].name, &at));
        *(double *)((char *)row + numbers[i].offset) =
            strtod(csv->cell[at], &end);
        if (end == csv->cell[at] || *end)
            return fail(ERR_INPUT, "%s:%d: %s: '%s' is not a number", csv->name,
                        csv->line, numbers[i].name, csv->cell[at]);
    }
    return OK;
}

static int read_rows(Paper *out, Csv *csv)
{
    bool more;

    for (;;) {
        TRY(csv_next(csv, &more));
        if (!more)
            return OK;
        if (out->n == PAPER_ROWS_MAX)
            return fail(ERR_INPUT, "%s:%d: more than %d rows", csv->name,
                        csv->line, PAPER_ROWS_MAX);
        TRY(read_row(&out->at[out->n++], csv));
    }
}

int paper_read(Paper *out)
{
    char *text = strdup(table2);
    Csv csv;
    int err;

    *out = (Paper){ .n = 0 };
    if (!text)
        return fail(ERR_MEMORY, "memory ran out at the paper's table");
    err = csv_open(&csv, "results/paper/table2.csv", text);
    if (!err)
        err = read_rows(out, &csv);
    free(text);
    return err;
}

static const char *in_paper(const Name *names, int n, const char *ours)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i].ours, ours) == 0)
            return names[i].paper;
    return NULL;
}

const PaperRow *paper_find(const Paper *paper, const char *backbone,
                           const char *module)
{
    const char *b = in_paper(backbones, NBACKBONES, backbone);
    const char *m = in_paper(methods, NMETHODS, module);
    const bool plain = strcmp(module, "none") == 0;

    for (int i = 0; b && i < paper->n; i++) {
        const PaperRow *row = &paper->at[i];

        if (strcmp(row->backbone, b))
            continue;
        if (plain ? !strcmp(row->type, "-")
                  : !strcasecmp(row->method, m ? m : module))
            return row;
    }
    return NULL;
}
