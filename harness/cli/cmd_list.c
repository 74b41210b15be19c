/*
 * cmd_list.c - attnbench list [WHAT]
 *
 * Everything here is read from the lists that the program itself works by, so
 * what is listed is what there is.
 */
#include "harness/cli/cmd.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/experiments/carried.h"
#include "harness/files/wrap.h"
#include "harness/network/network.h"
#include "harness/report/table.h"
#include "kernels/core/err.h"
#include "kernels/core/visible.h"

enum { MAX_BACKENDS = 8 };

static const Op *const ops[] = {
#define X(id) &id##_def,
    OPS(X) FUSED_OPS(X) GRADIENT_OPS(X)
#undef X
};
enum { NOPS = sizeof(ops) / sizeof(ops[0]) };

static int list_modules(void)
{
    const Module *m;
    char text[256];

    for (int i = 0; (m = zoo_at(i)); i++) {
        _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };

        param_defaults(m->params, settings);
        param_flags(m->params, settings, true, text, sizeof(text));
        printf("%-9s %-8s %-8s %s%s\n", m->name, m->title, m->type, m->paper,
               zoo_can_fuse(m) ? "; also impl=fused" : "");
        if (text[0])
            printf("%27s%s\n", "", text + 1);
    }
    return OK;
}

/* Where modules may stand, and which of them do so unless told otherwise. */
static void print_positions(const Backbone *b)
{
    static const char *const name[POSITIONS] = { "mid", "out" };
    const Module *m;

    for (int p = 0; p < POSITIONS; p++) {
        const char *before = ";";

        printf("    position=%s: %s", name[p], b->where[p]);
        for (int i = 0; (m = zoo_at(i)); i++)
            if (b->usual(m) == (Position)p) {
                printf("%s %s", before, m->name);
                before = "";
            }
        printf("\n");
    }
    if (b->reparam)
        printf("    also form=deploy\n");
}

static int list_backbones(void)
{
    const Backbone *b;

    for (int i = 0; (b = backbone_at(i)); i++) {
        Graph *g;
        Case c;

        case_defaults(&c);
        TRY(case_set(&c, "backbone", b->name));
        TRY(case_complete(&c));
        TRY(network_build(&g, &c, NULL, TAPS_NONE));
        printf("%-15s %-15s %dx%dx%d, %.3f M params; %s\n", b->name, b->title,
               b->channels, b->height, b->width, graph_params(g) / 1e6,
               b->paper);
        print_positions(b);
        graph_free(g);
    }
    return OK;
}

static int list_backends(void)
{
    const DeviceSettings any = { 0, "" };
    const Backend *b;

    for (int i = 0; (b = backend_at(i)); i++) {
        Device *dev;

        printf("%-6s %s\n", b->name, b->title);
        if (backend_open(&dev, b->name, &any) == OK)
            printf("       here: %s\n", dev->about);
        else
            printf("       not available: %s\n", err_message());
        backend_close(dev);
    }
    return OK;
}

/* The i-th kernel of b for op, best first, or NULL. */
static const Kernel *kernel_for(const Backend *b, const Op *op, int i)
{
    const Tensor any = { .op = op }; /* a kernel for any op sees no more */
    const Kernel *k;

    for (int n = 0; (k = b->kernel_at(n)); n++)
        if ((k->op ? k->op == op : k->supports(&any)) && i-- == 0)
            return k;
    return NULL;
}

static int list_kernels(void)
{
    const Backend *b;
    const Kernel *k;

    printf("The kernels of each backend, best first: the first that supports "
           "an op's shape\nruns it.\n\n%-8s %-24s %-24s %s\n",
           "backend", "op", "kernel", "dtypes");
    for (int i = 0; (b = backend_at(i)); i++)
        for (int n = 0; (k = b->kernel_at(n)); n++) {
            printf("%-8s %-24s %-24s", b->name, k->op ? k->op->name : "(all)",
                   k->name);
            for (int d = 0; d < NDTYPES; d++)
                if ((k->dtypes ? k->dtypes : DTYPE_BIT(F32)) >> d & 1)
                    printf(" %s", dtype_name((Dtype)d));
            printf("\n");
        }
    return OK;
}

/* True if a better kernel than the i-th has the name: the same one, for
 * another dtype. */
static bool named(const Backend *b, const Op *op, int i, const char *name)
{
    while (i-- > 0)
        if (strcmp(kernel_for(b, op, i)->name, name) == 0)
            return true;
    return false;
}

/* Kernels for op on b: "rows, columns", best first. */
enum { NAMES = 256, NAMES_WIDTH = 32 };
static const char *kernel_names(const Backend *b, const Op *op,
                                char text[NAMES])
{
    const Kernel *k;
    size_t n = 0;

    if (op->view)
        return "(costs nothing)";
    if (!b->kernel_at(0))
        return "(not here)";
    for (int i = 0; n < NAMES && (k = kernel_for(b, op, i)); i++) {
        if (named(b, op, i, k->name))
            continue;
        n += (size_t)snprintf(text + n, NAMES - n, "%s%s", i ? ", " : "",
                              k->name);
    }
    return n ? text : "NONE";
}

/* Sets names into the column of that key, from row on: as many in a row as
 * NAMES_WIDTH has room for. */
static void set_names(Table *t, int row, const char *key, const char *names)
{
    char *text = NULL, *rest;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    BUG_IF(!f);
    wrap_words(f, &(Wrap){ 0, 0, NAMES_WIDTH }, names);
    fclose(f);
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest), row++) {
        if (row == t->nrows)
            table_row(t);
        table_set(t, row, key, "%s", line);
    }
    free(text);
}

static int add_op(Table *t, const Op *op)
{
    const int row = table_row(t);
    const Backend *b;
    char text[NAMES];
    int missing = 0;

    table_set(t, row, "op", "%s", op->name);
    table_set(t, row, "sources", op->optional ? "%d to %d" : "%d", op->sources,
              op->sources + op->optional);
    table_set(t, row, "tolerance", "%g", op->tol_f32);
    for (int i = 0; (b = backend_at(i)); i++) {
        const char *names = kernel_names(b, op, text);

        missing += strcmp(names, "NONE") == 0;
        set_names(t, row, b->name, names);
    }
    return missing;
}

/* The ops and what computes them, one column per backend. */
static int list_ops(void)
{
    static const char *const names[] = { "op", "sources", "tolerance" };
    TableColumn columns[3 + MAX_BACKENDS];
    int missing = 0, n = 0;
    const Backend *b;
    Table t;

    for (; n < 3; n++)
        columns[n] =
            (TableColumn){ names[n], names[n], "", "", true, FOR_ALL, false };
    for (int i = 0; (b = backend_at(i)); i++) {
        BUG_IF(i == MAX_BACKENDS);
        columns[n++] =
            (TableColumn){ b->name, b->name, "", "", true, FOR_ALL, false };
    }
    table_init(&t, columns, n);
    for (int i = 0; i < NOPS; i++)
        missing += add_op(&t, ops[i]);
    wrap_to_screen(stdout,
                   "The kernels of each op, best first.  tolerance: the "
                   "largest relative L2 error\n"
                   "against the definition that is allowed in f32.\n\n");
    table_print(&t, TABLE_TEXT, stdout);
    table_free(&t);
    if (missing)
        printf("\n%d kernels are missing.\n", missing);
    return OK;
}

static int list_settings(void)
{
    const Module *m;
    char title[PARAM_NAME_MAX];

    flags_table(stdout,
                "Settings of every case (flags, experiment keys, "
                "columns):",
                case_params);
    for (int i = 0; (m = zoo_at(i)); i++) {
        snprintf(title, sizeof(title), "Of %s:", m->name);
        flags_table(stdout, title, m->params);
    }
    return OK;
}

/* Those that the program carries, which run by name from any folder. */
static int list_experiments(void)
{
    const char *name, *question;

    for (int i = 0; (name = carried_name(i)); i++) {
        cJSON *json = cJSON_Parse(carried_text(name));

        question = cJSON_GetStringValue(
            cJSON_GetObjectItemCaseSensitive(json, "question"));
        printf("%-24s ", name);
        visible_write(stdout, question ? question : "(no question)");
        fputc('\n', stdout);
        cJSON_Delete(json);
    }
    return OK;
}

static const struct {
    const char *name;
    int (*list)(void);
    const char *what;
} lists[] = {
    { "modules", list_modules, "attention modules and their settings" },
    { "backbones", list_backbones, "networks, and where modules go in them" },
    { "backends", list_backends, "devices, and whether they are available" },
    { "kernels", list_kernels,
      "the kernels of each backend, and their dtypes" },
    { "experiments", list_experiments, "files for 'attnbench run'" },
    { "settings", list_settings, "all settings, with defaults and ranges" },
    { "ops", list_ops,
      "operations of the graphs, and their kernels per "
      "backend" },
};
enum { NLISTS = sizeof(lists) / sizeof(lists[0]) };

static const char *list_name(const void *arg, int i)
{
    (void)arg;
    return i < NLISTS ? lists[i].name : NULL;
}

static const Usage usage = {
    .name = "list",
    .args = "[WHAT]",
    .max_args = 1,
    .what = "Lists what is available.  WHAT is modules, backbones, backends, "
            "kernels,\n"
            "experiments, settings or ops.",
    .exits = "Exit status: 0, or 2 if there is no such list.",
    .examples = "  attnbench list modules\n",
};

/* Without an argument: the lists that there are. */
static int list_lists(void)
{
    for (int i = 0; i < NLISTS; i++)
        printf("  attnbench list %-12s %s\n", lists[i].name, lists[i].what);
    return OK;
}

int cmd_list(int argc, char **argv)
{
    Flags f;
    const char *near;

    TRY(flags_parse(&f, &usage, NULL, argc, argv));
    if (f.help)
        return flags_help(&f, &usage, stdout);
    if (f.nargs == 0)
        return list_lists();
    for (int i = 0; i < NLISTS; i++)
        if (strcmp(lists[i].name, f.arg[0]) == 0)
            return lists[i].list();
    near = name_nearest(f.arg[0], list_name, NULL);
    return fail(ERR_INPUT, "unknown list '%s'%s%s%s", f.arg[0],
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "; 'attnbench list' shows the lists");
}
