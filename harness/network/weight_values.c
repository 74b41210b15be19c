/*
 * weight_values.c - seeded weights, or a file's, checked before they are read.
 */
#include "harness/network/weight_values.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network/seed.h"
#include "kernels/core/err.h"

enum { LISTED = 4, LIST_TEXT = 320, FILE_NAME = 2 * MAX_NAME, PREFIXES = 3 };

/* Some of the names that are wrong in one way, and how many there are. */
typedef struct Wrong {
    int n;
    char names[LIST_TEXT];
} Wrong;

static void add(Wrong *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add(Wrong *w, const char *fmt, ...)
{
    size_t used = strlen(w->names);
    va_list args;

    if (w->n++ >= LISTED)
        return;
    if (used)
        used += (size_t)snprintf(w->names + used, LIST_TEXT - used, ", ");
    if (used >= LIST_TEXT)
        return;
    va_start(args, fmt);
    vsnprintf(w->names + used, LIST_TEXT - used, fmt, args);
    va_end(args);
}

/* "; 12 are missing (a, b, c, d, ...)"; nothing if none is wrong. */
static void say(char *text, size_t size, const Wrong *w, const char *what)
{
    const size_t used = strlen(text);

    if (w->n)
        snprintf(text + used, size - used, "%s%d %s (%s%s)", used ? "; " : "",
                 w->n, what, w->names, w->n > LISTED ? ", ..." : "");
}

/* True if the shapes are the same except for ones: a scalar is (), or (1). */
static bool same_shape(const Tensor *t, const StTensor *f)
{
    int i = 0, k = 0;

    for (;;) {
        while (i < t->rank && t->dim[i] == 1)
            i++;
        while (k < f->rank && f->dim[k] == 1)
            k++;
        if (i == t->rank || k == f->rank)
            return i == t->rank && k == f->rank;
        if (t->dim[i++] != f->dim[k++])
            return false;
    }
}

static bool is_float(const StTensor *f)
{
    return !strcmp(f->dtype, "F32") || !strcmp(f->dtype, "F16") ||
           !strcmp(f->dtype, "BF16") || !strcmp(f->dtype, "F64");
}

/* Its name in the file. */
static char *name_in_file(char name[FILE_NAME], const char *own,
                          const WeightValues *values)
{
    char older[MAX_NAME];

    if (values->older)
        values->older(older, own);
    snprintf(name, FILE_NAME, "%s%s", values->prefix ? values->prefix : "",
             values->older ? older : own);
    return name;
}

const StTensor *weight_values_find(const Tensor *t, const WeightValues *values)
{
    char name[FILE_NAME];

    return st_find(values->file, name_in_file(name, t->name, values));
}

static char *shape_text(const StTensor *f, char text[64])
{
    size_t n = (size_t)snprintf(text, 64, "(");

    for (int i = 0; i < f->rank && n < 64; i++)
        n += (size_t)snprintf(text + n, 64 - n, "%s%lld", i ? "," : "",
                              f->dim[i]);
    if (n < 64)
        snprintf(text + n, 64 - n, ")");
    return text;
}

/* Counters and tables that PyTorch stores next to what is learned. */
static bool is_bookkeeping(const char *name)
{
    static const char *const last[] = { "num_batches_tracked",
                                        "relative_position_index",
                                        "attn_mask" };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
        if (strcmp(dot ? dot + 1 : name, last[i]) == 0)
            return true;
    return false;
}

static bool is_unused(const char *name, const WeightValues *values)
{
    const char *prefix = values->prefix ? values->prefix : "";
    const size_t n = strlen(prefix);

    if (is_bookkeeping(name))
        return true;
    if (!values->unused || strncmp(name, prefix, n))
        return false;
    return strncmp(name + n, values->unused, strlen(values->unused)) == 0;
}

/* Tensors of the file that are no weight of g. */
static int find_extra(Wrong *extra, const Graph *g, const WeightValues *values)
{
    const int n = st_tensors(values->file);
    bool *used = calloc((size_t)n + 1, sizeof(*used));

    if (!used)
        return fail(ERR_MEMORY, "no memory for a list of %d tensors", n);
    for (int i = 0; i < graph_size(g); i++)
        if (tensor_is_weight(graph_at(g, i))) {
            const StTensor *f = weight_values_find(graph_at(g, i), values);

            if (f)
                used[st_index(values->file, f)] = true;
        }
    for (int i = 0; i < n; i++) {
        const char *name = st_tensor(values->file, i)->name;

        if (!used[i] && !is_unused(name, values))
            add(extra, "%.60s", name);
    }
    free(used);
    return OK;
}

static int count_weights(const Graph *g)
{
    int n = 0;

    for (int i = 0; i < graph_size(g); i++)
        n += tensor_is_weight(graph_at(g, i));
    return n;
}

/* "; 100 of 102 are there behind 'backbone.'": where the file has the names of
 * g, of which this one is missing, behind others. */
static void say_prefixes(char *text, size_t size, const Graph *g,
                         const WeightValues *values, const char *missing)
{
    const int all = count_weights(g);
    const size_t end = strlen(missing);
    int said = 0;

    for (int i = 0; i < st_tensors(values->file) && said < PREFIXES; i++) {
        const char *name = st_tensor(values->file, i)->name;
        const size_t n = strlen(name);
        char prefix[MAX_NAME];
        WeightValues behind = *values;
        int there;

        if (n <= end || n - end >= MAX_NAME || name[n - end - 1] != '.' ||
            strcmp(name + n - end, missing))
            continue;
        snprintf(prefix, sizeof(prefix), "%.*s", (int)(n - end), name);
        behind.prefix = prefix;
        there = all - weight_values_missing(g, &behind);
        if (2 * there < all) /* one block's, which has the same name */
            continue;
        snprintf(text + strlen(text), size - strlen(text),
                 "%s%d of %d are there with the prefix '%.60s'",
                 said++ ? ", " : "; ", there, all, prefix);
    }
    if (said)
        snprintf(text + strlen(text), size - strlen(text),
                 "; save only those, without the prefix");
}

typedef struct Found {
    Wrong missing, extra, shape, dtype;
    const char *first; /* of what is missing */
} Found;

static void compare(Found *found, const Tensor *t, const WeightValues *values)
{
    const StTensor *f = weight_values_find(t, values);
    char dims[DIMS_TEXT], has[64];

    if (!f) {
        if (!found->first)
            found->first = t->name;
        add(&found->missing, "%.60s", t->name);
    } else if (!same_shape(t, f)) {
        add(&found->shape, "%.60s is %s, not %s", t->name, shape_text(f, has),
            tensor_dims_text(t, dims));
    } else if (!is_float(f)) {
        add(&found->dtype, "%.60s is %.8s", t->name, f->dtype);
    }
}

int weight_values_check(const Graph *g, const WeightValues *values)
{
    char text[4 * LIST_TEXT] = "";
    Found found = { 0 };

    for (int i = 0; i < graph_size(g); i++)
        if (tensor_is_weight(graph_at(g, i)))
            compare(&found, graph_at(g, i), values);
    if (values->whole)
        TRY(find_extra(&found.extra, g, values));
    say(text, sizeof(text), &found.missing, "missing");
    say(text, sizeof(text), &found.extra, "unexpected");
    say(text, sizeof(text), &found.shape, "of another shape");
    say(text, sizeof(text), &found.dtype, "of unsupported dtype");
    if (found.first)
        say_prefixes(text, sizeof(text), g, values, found.first);
    return text[0] ? fail(ERR_INPUT, "%s does not fit: %s",
                          st_path(values->file), text)
                   : OK;
}

static int load(Graph *g, const WeightValues *values)
{
    TRY(weight_values_check(g, values));
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (!tensor_is_weight(t))
            continue;
        TRY(graph_alloc_host(t));
        TRY(st_read_finite(values->file, weight_values_find(t, values),
                           t->host));
    }
    return OK;
}

int weight_values_give(Graph *g, const WeightValues *values)
{
    return values->file
               ? load(g, values)
               : seed_graph(g, values->seed,
                            values->norm_gain > 0 ? values->norm_gain : 1);
}

int weight_values_missing(const Graph *g, const WeightValues *values)
{
    int n = 0;

    for (int i = 0; i < graph_size(g); i++)
        n += tensor_is_weight(graph_at(g, i)) &&
             !weight_values_find(graph_at(g, i), values);
    return n;
}
