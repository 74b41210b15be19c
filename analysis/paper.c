/*
 * paper.c - reads the paper's tables, and knows their rows by repeat lines.
 */
#include "analysis/paper.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "kernels/core/err.h"
#include "results/record.h"

/* clang-format off */
static const char table1[] =
#include "results/paper/table1.csv.inc"
    ;
static const char table2[] =
#include "results/paper/table2.csv.inc"
    ;
/* clang-format on */

/* A row's network is what all have in common, and its flags. */
static const struct {
    const char *file, *text, *common;
} tables[] = {
    [PAPER_TABLE1] = { "results/paper/table1.csv", table1,
                       "--backbone=resnet50 --module=scsa" },
    [PAPER_TABLE2] = { "results/paper/table2.csv", table2, "" },
};

typedef struct Column {
    const char *name;
    size_t offset, size; /* of a text */
} Column;

/* clang-format off */
#define TEXT(name, field) \
    { name, offsetof(PaperRow, field), sizeof(((PaperRow *)0)->field) }
static const Column texts[] = {
    TEXT("backbone", backbone), TEXT("method", method),
    TEXT("variant", method), TEXT("type", type),
    TEXT("paper_params_m", params_text), TEXT("paper_flops_g", flops_text),
    TEXT("params_note", params_note),
    TEXT("flops_note", flops_note), TEXT("note", note),
};
#undef TEXT
/* clang-format on */
enum { NTEXTS = sizeof(texts) / sizeof(texts[0]) };

/* The columns that are numbers. */
static const Column numbers[] = {
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

/* NAN where a table has no such column. */
static int read_number(double *out, const Csv *csv, const char *name)
{
    const int at = csv_column(csv, name);
    char *end;

    *out = NAN;
    if (at < 0)
        return OK;
    *out = strtod(csv->cell[at], &end);
    if (end == csv->cell[at] || *end)
        return fail(ERR_INPUT, "%s:%d: %s: '%s' is not a number", csv->name,
                    csv->line, name, csv->cell[at]);
    return OK;
}

static int read_row(PaperRow *row, const Csv *csv, const char *common)
{
    const int at_flags = csv_column(csv, "flags");
    const char *flags = at_flags < 0 ? "" : csv->cell[at_flags];

    for (int i = 0; i < NTEXTS; i++) {
        const int at = csv_column(csv, texts[i].name);

        if (at >= 0)
            snprintf((char *)row + texts[i].offset, texts[i].size, "%s",
                     csv->cell[at]);
    }
    for (int i = 0; i < NNUMBERS; i++)
        TRY(read_number((double *)((char *)row + numbers[i].offset), csv,
                        numbers[i].name));
    snprintf(row->network, sizeof(row->network), "%s%s%s", common,
             *common && *flags ? " " : "", flags);
    if (!row->network[0] || !row->method[0] || isnan(row->throughput))
        return fail(ERR_INPUT,
                    "%s:%d: a row needs a method, its network and its "
                    "throughput",
                    csv->name, csv->line);
    return OK;
}

static int read_rows(Paper *out, Csv *csv, const char *common)
{
    bool more;

    for (;;) {
        TRY(csv_next(csv, &more));
        if (!more)
            return OK;
        if (out->n == PAPER_ROWS_MAX)
            return fail(ERR_INPUT, "%s:%d: more than %d rows", csv->name,
                        csv->line, PAPER_ROWS_MAX);
        TRY(read_row(&out->at[out->n++], csv, common));
    }
}

int paper_read(Paper *out, PaperTable table)
{
    char *text = strdup(tables[table].text);
    Csv csv;
    int err;

    *out = (Paper){ .n = 0 };
    if (!text)
        return fail(ERR_MEMORY, "no memory for the paper's table");
    err = csv_open(&csv, tables[table].file, text);
    if (!err)
        err = read_rows(out, &csv, tables[table].common);
    free(text);
    return err;
}

/* True if a flag says how something is measured, not what. */
static bool is_how(const char *flag)
{
    char name[PARAM_NAME_MAX];
    const Param *p;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(flag + 2, "="), flag + 2);
    p = param_find(case_params, name);
    return p && p->role == SAYS_HOW;
}

char *paper_network(const char *repeat, char text[PAPER_TEXT])
{
    size_t used = 0;

    text[0] = '\0';
    for (const char *at = strstr(repeat, "--"); at && used < PAPER_TEXT;
         at = strstr(at + 2, " --")) {
        at += *at == ' ';
        if (!is_how(at))
            used +=
                (size_t)snprintf(text + used, PAPER_TEXT - used, "%s%.*s",
                                 used ? " " : "", (int)strcspn(at, " "), at);
    }
    return text;
}

const PaperRow *paper_find(const Paper *paper, const char *repeat)
{
    char network[PAPER_TEXT];

    paper_network(repeat, network);
    for (int i = 0; i < paper->n; i++)
        if (strcmp(paper->at[i].network, network) == 0)
            return &paper->at[i];
    return NULL;
}

const PaperRow *paper_base(const Paper *paper, const PaperRow *row)
{
    for (int i = 0; i < paper->n; i++)
        if (strcmp(paper->at[i].backbone, row->backbone) == 0)
            return &paper->at[i];
    return row;
}
