/*
 * values.c - seeded weights, or a file's, checked before they are read.
 */
#include "harness/values.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/seed.h"
#include "kernels/core/err.h"

enum { LISTED = 4, LIST_TEXT = 320 };

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

/* Whether the shapes are the same but for ones: a scalar is (), or (1). */
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
           !strcmp(f->dtype, "BF16");
}

static const StTensor *in_file(const Tensor *t, const Values *values)
{
    char name[2 * MAX_NAME];

    snprintf(name, sizeof(name), "%s%s", values->prefix ? values->prefix : "",
             t->name);
    return st_find(values->file, name);
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

/* Counters and tables that PyTorch stores beside what is learned. */
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

/* What is in the file and in no weight of g. */
static void find_extra(Wrong *extra, const Graph *g, const Values *values)
{
    for (int i = 0; i < st_tensors(values->file); i++) {
        const char *name = st_tensor(values->file, i)->name;

        if (graph_find(g, name) || is_bookkeeping(name))
            continue;
        if (values->unused &&
            strncmp(name, values->unused, strlen(values->unused)) == 0)
            continue;
        add(extra, "%.60s", name);
    }
}

static int check(const Graph *g, const Values *values)
{
    Wrong missing = { 0 }, shape = { 0 }, dtype = { 0 }, extra = { 0 };
    char text[4 * LIST_TEXT] = "", dims[DIMS_TEXT], has[64];

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        const StTensor *f;

        if (!tensor_is_weight(t))
            continue;
        f = in_file(t, values);
        if (!f)
            add(&missing, "%.60s", t->name);
        else if (!same_shape(t, f))
            add(&shape, "%.60s is %s, not %s", t->name, shape_text(f, has),
                tensor_dims_text(t, dims));
        else if (!is_float(f))
            add(&dtype, "%.60s is %.8s", t->name, f->dtype);
    }
    if (values->whole)
        find_extra(&extra, g, values);
    say(text, sizeof(text), &missing, "missing");
    say(text, sizeof(text), &extra, "too many");
    say(text, sizeof(text), &shape, "of another shape");
    say(text, sizeof(text), &dtype, "that are no floats");
    return text[0] ? fail(ERR_INPUT, "%s does not fit: %s",
                          st_path(values->file), text)
                   : OK;
}

static int load(Graph *g, const Values *values)
{
    TRY(check(g, values));
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (!tensor_is_weight(t))
            continue;
        TRY(graph_alloc_host(t));
        TRY(st_read(values->file, in_file(t, values), t->host));
    }
    return OK;
}

int values_give(Graph *g, const Values *values)
{
    return values->file ? load(g, values) : seed_graph(g, values->seed);
}

int values_missing(const Graph *g, const Values *values)
{
    int n = 0;

    for (int i = 0; i < graph_size(g); i++)
        n += tensor_is_weight(graph_at(g, i)) &&
             !in_file(graph_at(g, i), values);
    return n;
}
