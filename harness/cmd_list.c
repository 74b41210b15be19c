/*
 * cmd_list.c - attnbench list [WHAT]
 *
 * Everything here is read from the lists that the program itself works by, so
 * what is listed is what there is.
 */
#include "harness/cmd.h"

#include <cjson/cJSON.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/backends.h"
#include "harness/flags.h"
#include "harness/network.h"
#include "kernels/core/err.h"

enum { MAX_BACKENDS = 8 };

static const Op *const ops[] = {
#define X(id) &id##_def,
    OPS(X)
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
        printf("%-9s %-8s %-8s %s\n", m->name, m->title, m->type, m->paper);
        if (text[0])
            printf("%27s%s\n", "", text + 1);
    }
    return OK;
}

/* The modules that stand at each position of b, a line a position. */
static void print_positions(const Backbone *b)
{
    const Module *m, *other;

    for (int i = 0; (m = zoo_at(i)); i++) {
        const char *position = b->position(m);
        int first = 0;

        while ((other = zoo_at(first)) && strcmp(b->position(other), position))
            first++;
        if (first < i)
            continue;
        printf("    %-32s", position);
        for (int k = i; (other = zoo_at(k)); k++)
            if (strcmp(b->position(other), position) == 0)
                printf(" %s", other->name);
        printf("\n");
    }
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
        printf("%-10s %-11s %dx%dx%d, %.3f M params; %s\n", b->name, b->title,
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
            printf("       not here: %s\n", err_message());
        backend_close(dev);
    }
    return OK;
}

/* Writes the names of dev's kernels for op, best first; returns how many. */
static int kernel_names(const Device *dev, const Op *op, char *text,
                        size_t size)
{
    const Tensor any = { .op = op }; /* a kernel for any op sees no more */
    size_t n = 0;
    int found = 0;

    text[0] = '\0';
    for (const Kernel *const *k = dev->kernels; *k && n < size; k++) {
        if ((*k)->op ? (*k)->op != op : !(*k)->supports(&any))
            continue;
        n += (size_t)snprintf(text + n, size - n, "%s%s", found++ ? ", " : "",
                              (*k)->name);
    }
    return found;
}

static int list_kernels(void)
{
    const DeviceSettings any = { 0, "" };
    Device *dev[MAX_BACKENDS] = { 0 };
    int n = 0, missing = 0;

    printf("The kernels of each op, best first: the first one that supports a "
           "shape runs it.\n\n%-20s",
           "op");
    for (; backend_at(n) && n < MAX_BACKENDS; n++) {
        backend_open(&dev[n], backend_name(n), &any);
        printf(" %-40s", backend_name(n));
    }
    printf("\n");
    for (int i = 0; i < NOPS; i++) {
        printf("%-20s", ops[i]->name);
        for (int k = 0; k < n; k++) {
            char text[256] = "(no device)";

            if (ops[i]->view)
                snprintf(text, sizeof(text), "(costs nothing)");
            else if (dev[k] && !kernel_names(dev[k], ops[i], text, 256))
                snprintf(text, sizeof(text), "NONE (%d)", ++missing);
            printf(" %-40s", text);
        }
        printf("\n");
    }
    if (missing)
        printf("\n%d kernels are missing.\n", missing);
    for (int k = 0; k < n; k++)
        backend_close(dev[k]);
    return OK;
}

static int list_ops(void)
{
    printf("%-20s %-8s %-9s %-9s %s\n", "op", "sources", "optional", "gradient",
           "relative L2 error that a kernel may show, f32");
    for (int i = 0; i < NOPS; i++)
        printf("%-20s %-8d %-9d %-9s %g\n", ops[i]->name, ops[i]->sources,
               ops[i]->optional, ops[i]->grad ? "yes" : "no", ops[i]->tol_f32);
    return OK;
}

static int list_settings(void)
{
    const Module *m;
    char title[PARAM_NAME_MAX];

    flags_table(stdout, "Of every case (flags, experiment keys, columns):",
                case_params);
    for (int i = 0; (m = zoo_at(i)); i++) {
        snprintf(title, sizeof(title), "Of %s:", m->name);
        flags_table(stdout, title, m->params);
    }
    return OK;
}

static void print_experiment(const char *path)
{
    char text[1 << 14];
    FILE *f = fopen(path, "r");
    cJSON *json = NULL;
    const char *question = NULL;

    if (f) {
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        fclose(f);
        json = cJSON_Parse(text);
        question = cJSON_GetStringValue(
            cJSON_GetObjectItemCaseSensitive(json, "question"));
    }
    printf("%-44s %s\n", path, question ? question : "(cannot be read)");
    cJSON_Delete(json);
}

static int list_experiments(void)
{
    static const char pattern[] = "harness/experiments/*.json";
    glob_t found;

    if (glob(pattern, 0, NULL, &found) != 0)
        return fail(ERR_INPUT, "there is no %s in this folder", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        print_experiment(found.gl_pathv[i]);
    globfree(&found);
    return OK;
}

static const struct {
    const char *name;
    int (*list)(void);
    const char *what;
} lists[] = {
    { "modules", list_modules, "attention modules and their settings" },
    { "backbones", list_backbones, "networks, and where modules go in them" },
    { "backends", list_backends, "devices, and whether they are here" },
    { "kernels", list_kernels, "which kernels each op has on each backend" },
    { "experiments", list_experiments, "files for 'attnbench run'" },
    { "settings", list_settings, "all settings, with defaults and ranges" },
    { "ops", list_ops, "what graphs are made of" },
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
    .what = "Says what there is.  WHAT is modules, backbones, backends, "
            "kernels,\nexperiments, settings or ops.",
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
    return fail(ERR_INPUT, "there is no list '%s'%s%s%s", f.arg[0],
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "; 'attnbench list' shows which there are");
}
