/*
 * cmd_count.c - attnbench count --backbone=B --module=M
 */
#include "harness/cli/cmd.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "harness/backbones/backbones.h"
#include "harness/cli/flags.h"
#include "harness/experiments/experiment.h"
#include "harness/files/wrap.h"
#include "harness/network/count.h"
#include "harness/network/network.h"
#include "harness/report/table.h"
#include "kernels/core/err.h"

typedef struct CountSettings {
    ParamName by, format;
} CountSettings;

static const char *by_choice(int i)
{
    static const char *const names[] = { "network", "module", "op", NULL };

    return names[i];
}

static const char *format_choice(int i)
{
    static const char *const names[] = { "text", "json", "csv", NULL };

    return names[i];
}

static const Param count_params[] = {
    PARAM_NAME(CountSettings, by, "network", by_choice,
               "one row for the network, or one per module or op"),
    PARAM_NAME(CountSettings, format, "text", format_choice,
               "text is rounded; the others are exact"),
    PARAM_END,
};

static const Usage usage = {
    .name = "count",
    .args = "",
    .what = "Counts the cost of a module, a network, or a network with a "
            "module.\n"
            "Nothing is run: the counts follow from the shapes.  A setting "
            "may be a list\n"
            "(--module=se,eca): each network is counted.",
    .params = count_params,
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if everything was counted; 2 if the command "
             "line is wrong.",
    .examples = "  attnbench count --backbone=resnet50 --module=scsa\n"
                "  attnbench count --module=se --channels=256 --by=op\n"
                "  attnbench count --backbone=resnet50 --module=none,se,scsa\n",
};

/* The columns, in the order of every format. */
typedef struct Column {
    const char *name;
    size_t offset; /* of a double in CountRow */
    const char *unit, *about;
} Column;

/* clang-format off */
static const Column columns[] = {
    { "params", offsetof(CountRow, params), "", "learned numbers" },
    { "macs", offsetof(CountRow, cost.macs), "",
      "multiply-adds of convolutions and linears; products inside attention "
      "count in flops only" },
    { "paper_flops", offsetof(CountRow, cost.paper_flops), "",
      "as in the paper's tables: a multiply-add is 1, classifier left out" },
    { "flops", offsetof(CountRow, cost.flops), "",
      "every operation: a multiply-add is 2" },
    { "transcendentals", offsetof(CountRow, cost.transcendentals), "",
      "exp, erf and similar, which flops leaves out" },
    { "bytes", offsetof(CountRow, cost.bytes), "B",
      "each op reads each operand once and writes its result once" },
};
/* clang-format on */
enum { NCOLUMNS = sizeof(columns) / sizeof(columns[0]) };

static double column_value(const CountRow *r, int column)
{
    return *(const double *)((const char *)r + columns[column].offset);
}

static CountBy by_of(const char *by)
{
    return strcmp(by, "op") == 0       ? COUNT_OP
           : strcmp(by, "module") == 0 ? COUNT_MODULE
                                       : COUNT_NETWORK;
}

/* 25617448 as "25.617 M". */
static const char *human(double value, const char *unit, char text[32])
{
    static const char prefix[] = " kMGTP";
    int i = 0;

    while (value >= 999.9995 && prefix[i + 1]) {
        value /= 1000;
        i++;
    }
    if (i == 0)
        snprintf(text, 32, "%.0f  %s", value, unit);
    else
        snprintf(text, 32, "%.3f %c%s", value, prefix[i], unit);
    return text;
}

static bool is_deploy(const Case *c)
{
    return c->form == MADE_DEPLOY;
}

static bool is_fused(const Case *c)
{
    return c->impl == IMPL_FUSED;
}

/* "ResNet-50 + SCSA (after conv2-bn2-ReLU), 1x3x224x224, as_written". */
static void print_title(const Case *c)
{
    const Backbone *b = backbone_find(c->backbone.text);
    const Module *m = case_module(c);

    printf("%s%s%s", b ? b->title : "", b && m ? " + " : "", m ? m->title : "");
    if (b && m)
        printf(" (%s)", case_where(c));
    printf(", %dx%dx%dx%d, %s%s%s\n", c->batch, c->channels, c->height,
           c->width, case_name("graph", c->graph),
           is_deploy(c) ? ", deploy" : "", is_fused(c) ? ", fused" : "");
}

static void print_network(const Count *count)
{
    char text[32];

    for (int i = 0; i < NCOLUMNS; i++) {
        char head[64];

        snprintf(head, sizeof(head), "%-15s %11s  ", columns[i].name,
                 human(column_value(&count->total, i), columns[i].unit, text));
        wrap_entry(stdout, (int)strlen(head), head, columns[i].about);
    }
}

static void add_row(Table *t, const CountRow *r)
{
    const int row = table_row(t);
    char text[32];

    table_set(t, row, "name", "%s", r->name);
    table_set(t, row, "nodes", "%d", r->nodes);
    for (int i = 0; i < NCOLUMNS; i++)
        table_set(t, row, columns[i].name, "%s",
                  human(column_value(r, i), columns[i].unit, text));
}

static void print_rows(const Count *count, const char *by)
{
    TableColumn shown[2 + NCOLUMNS] = {
        { .key = "name", .name = by, .unit = "", .group = "", .left = true },
        { .key = "nodes", .name = "nodes", .unit = "", .group = "" },
    };
    Table t;

    for (int i = 0; i < NCOLUMNS; i++)
        shown[2 + i] = (TableColumn){ .key = columns[i].name,
                                      .name = columns[i].name,
                                      .unit = "",
                                      .group = "" };
    table_init(&t, shown, 2 + NCOLUMNS);
    for (int i = 0; i < count->n; i++)
        add_row(&t, &count->at[i]);
    add_row(&t, &count->total);
    printf("\n");
    table_print(&t, TABLE_TEXT, stdout);
    table_free(&t);
    printf("\n");
    for (int i = 0; i < NCOLUMNS; i++)
        wrap_entry(stdout, 16, columns[i].name, columns[i].about);
}

static void print_text(const Count *count, const Case *c, const char *by)
{
    print_title(c);
    if (by_of(by) == COUNT_NETWORK)
        print_network(count);
    else
        print_rows(count, by);
}

static void add_json_row(cJSON *to, const CountRow *r)
{
    for (int i = 0; i < NCOLUMNS; i++)
        cJSON_AddNumberToObject(to, columns[i].name, column_value(r, i));
}

static cJSON *json_of(const Count *count, const Case *c, const char *by)
{
    char text[CASE_JSON];
    cJSON *json = cJSON_Parse(case_json(c, text)), *rows;

    add_json_row(json, &count->total);
    if (by_of(by) == COUNT_NETWORK)
        return json;
    cJSON_AddStringToObject(json, "by", by);
    rows = cJSON_AddArrayToObject(json, "rows");
    for (int i = 0; i < count->n; i++) {
        cJSON *row = cJSON_CreateObject();

        cJSON_AddStringToObject(row, "name", count->at[i].name);
        cJSON_AddNumberToObject(row, "nodes", count->at[i].nodes);
        add_json_row(row, &count->at[i]);
        cJSON_AddItemToArray(rows, row);
    }
    return json;
}

/* Several networks are a list. */
static void print_json(const Count *counts, const Experiment *e, const char *by)
{
    cJSON *json = e->ncases > 1 ? cJSON_CreateArray() : NULL;
    char *printed;

    for (int i = 0; i < e->ncases; i++) {
        cJSON *one = json_of(&counts[i], &e->cases[i], by);

        if (e->ncases == 1)
            json = one;
        else
            cJSON_AddItemToArray(json, one);
    }
    printed = cJSON_Print(json);
    BUG_IF(!printed);
    puts(printed);
    cJSON_free(printed);
    cJSON_Delete(json);
}

static void print_csv_head(const char *by, bool several)
{
    CsvRow row = { .out = stdout };

    if (several)
        csv_write(&row, "case");
    csv_write(&row, by);
    csv_write(&row, "nodes");
    for (int i = 0; i < NCOLUMNS; i++)
        csv_write(&row, columns[i].name);
    csv_end(&row);
}

/* Rows begin with the case, unless that is NULL. */
static void print_csv(const Count *count, const char *of)
{
    CsvRow row = { .out = stdout };

    for (int k = 0; k < count->n; k++) {
        const CountRow *r = &count->at[k];

        if (of)
            csv_write(&row, of);
        csv_write(&row, r->name);
        csv_print(&row, "%d", r->nodes);
        for (int i = 0; i < NCOLUMNS; i++)
            csv_print(&row, "%.0f", column_value(r, i));
        csv_end(&row);
    }
}

static int count_case(Count *count, const Case *c, CountBy by)
{
    Graph *g;

    TRY(network_build(&g, c, NULL, TAPS_NONE));
    count_graph(count, g, c, by);
    graph_free(g);
    return OK;
}

/* One of several says which it is: in CSV by a first column. */
static void print_cases(const Count *counts, const Experiment *e,
                        const CountSettings *s)
{
    const bool several = e->ncases > 1;
    const bool csv = strcmp(s->format.text, "csv") == 0;
    char repeat[CASE_TEXT];

    if (strcmp(s->format.text, "json") == 0) {
        print_json(counts, e, s->by.text);
        return;
    }
    if (csv)
        print_csv_head(s->by.text, several);
    for (int i = 0; i < e->ncases; i++) {
        const Case *c = &e->cases[i];

        if (csv) {
            print_csv(&counts[i], several ? case_print(c, repeat) : NULL);
            continue;
        }
        fputs(i ? "\n" : "", stdout);
        print_text(&counts[i], c, s->by.text);
    }
}

/* Prints nothing if one of them cannot be counted. */
static int count_cases(const Experiment *e, const CountSettings *s)
{
    Count *counts = calloc((size_t)e->ncases + 1, sizeof(*counts));
    int err = counts ? OK : fail(ERR_MEMORY, "no memory for the counts");

    for (int i = 0; i < e->ncases && !err; i++)
        err = count_case(&counts[i], &e->cases[i], by_of(s->by.text));
    if (!err)
        print_cases(counts, e, s);
    for (int i = 0; counts && i < e->ncases; i++)
        count_free(&counts[i]);
    free(counts);
    return err;
}

int cmd_count(int argc, char **argv)
{
    CountSettings s;
    Experiment e;
    Flags flags;
    int err;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    TRY(experiment_read(&e, NULL, flags.flag, flags.nflags));
    err = count_cases(&e, &s);
    experiment_free(&e);
    return err;
}
