/*
 * graph.c - builds and owns tensors.
 */
#include "kernels/core/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

enum { MAX_DEPTH = 8, MESSAGE_SIZE = 512 };

typedef struct Output {
    char name[MAX_NAME];
    Tensor *t;
} Output;

struct Graph {
    Tensor **tensors;
    int size, capacity;
    char scope[MAX_NAME];   /* "" or "layer1.0.attn"               */
    size_t ends[MAX_DEPTH]; /* length of scope before each opening */
    int depth;
    Output **outputs; /* each apart, so that names stay where they are */
    int noutputs;
    bool training;
    Tensor *const *lent; /* the next weight; or NULL: they are made */
    int error;
    char message[MESSAGE_SIZE];
};

Graph *graph_new(void)
{
    Graph *g = calloc(1, sizeof(*g));

    BUG_IF(!g);
    return g;
}

/* Leaves n tensors. */
static void shorten(Graph *g, int n)
{
    while (g->size > n) {
        Tensor *t = g->tensors[--g->size];

        graph_free_host(t);
        free((void *)(uintptr_t)t->attr);
        free(t);
    }
}

void graph_free(Graph *g)
{
    if (!g)
        return;
    shorten(g, 0);
    free(g->tensors);
    for (int i = 0; i < g->noutputs; i++)
        free(g->outputs[i]);
    free(g->outputs);
    free(g);
}

static void set_error(Graph *g, int code, const char *fmt, va_list args)
{
    if (g->error)
        return;
    vsnprintf(g->message, sizeof(g->message), fmt, args);
    g->error = code;
}

Tensor *graph_fail(Graph *g, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set_error(g, ERR_INPUT, fmt, args);
    va_end(args);
    return NULL;
}

Tensor *graph_unsupported(Graph *g, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set_error(g, ERR_UNSUPPORTED, fmt, args);
    va_end(args);
    return NULL;
}

Tensor *graph_no_memory(Graph *g, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set_error(g, ERR_MEMORY, fmt, args);
    va_end(args);
    return NULL;
}

int graph_error(const Graph *g)
{
    return g->error ? fail(g->error, "%s", g->message) : OK;
}

bool graph_failed(const Graph *g)
{
    return g->error != OK;
}

/* Room for one more. */
static bool has_room(Graph *g)
{
    const int more = g->capacity ? 2 * g->capacity : 64;
    Tensor **tensors;

    if (g->size < g->capacity)
        return true;
    tensors = realloc(g->tensors, (size_t)more * sizeof(*tensors));
    if (!tensors)
        return false;
    g->tensors = tensors;
    g->capacity = more;
    return true;
}

static Tensor *tensor_new(Graph *g, Role role, const char *name)
{
    Tensor *t = has_room(g) ? calloc(1, sizeof(*t)) : NULL;

    if (!t)
        return graph_no_memory(g, "no memory for %d tensors", g->size + 1);
    t->role = role;
    t->id = g->size;
    snprintf(t->name, sizeof(t->name), "%s", name);
    g->tensors[g->size++] = t;
    return t;
}

static Tensor *leaf(Graph *g, Role role, const char *name, Dims dims)
{
    char full[2 * MAX_NAME];
    Tensor *t;

    if (g->error)
        return NULL;
    snprintf(full, sizeof(full), "%s%s%s", g->scope, g->scope[0] ? "." : "",
             name);
    BUG_IF(strlen(full) >= MAX_NAME);
    if (graph_find(g, full))
        return graph_fail(g, "%s: there is already a tensor of this name",
                          full);
    for (int i = 0; i < dims.rank; i++)
        if (dims.dim[i] < 1)
            return graph_fail(g, "%s: dimension %d is %d, must be positive",
                              full, i, dims.dim[i]);
    t = tensor_new(g, role, full);
    if (!t)
        return NULL;
    t->rank = dims.rank;
    memcpy(t->dim, dims.dim, sizeof(t->dim));
    return t;
}

Tensor *graph_input(Graph *g, const char *name, Dims dims)
{
    Tensor *t = leaf(g, ROLE_INPUT, name, dims);

    if (t)
        t->layout = CHANNELS_LAST;
    return t;
}

void graph_lend(Graph *g, Tensor *const *weights)
{
    g->lent = weights;
}

/* The next that was lent. */
static Tensor *borrow(Graph *g, Dims dims)
{
    Tensor *t = *g->lent++;

    BUG_IF(!t || t->rank != dims.rank);
    for (int i = 0; i < dims.rank; i++)
        BUG_IF(t->dim[i] != dims.dim[i]);
    return t;
}

Tensor *graph_weight(Graph *g, const char *name, Dims dims)
{
    return g->lent ? borrow(g, dims) : leaf(g, ROLE_WEIGHT, name, dims);
}

Tensor *graph_buffer(Graph *g, const char *name, Dims dims)
{
    return g->lent ? borrow(g, dims) : leaf(g, ROLE_BUFFER, name, dims);
}

void graph_set_dtype(Graph *g, Dtype dtype)
{
    for (int i = 0; i < g->size; i++)
        g->tensors[i]->dtype = dtype;
}

void graph_set_training(Graph *g)
{
    g->training = true;
}

bool graph_is_training(const Graph *g)
{
    return g->training;
}

Tensor *graph_apply(Graph *g, const Op *op, const void *attr,
                    Tensor *const *src)
{
    Tensor *t;
    int err;

    if (g->error)
        return NULL;
    for (int i = 0; i < op->sources; i++)
        if (!src[i])
            return graph_fail(g, "%s: source %d is missing", op->name, i);
    t = tensor_new(g, ROLE_NODE, g->scope);
    if (!t)
        return NULL;
    t->op = op;
    t->layout = CHANNELS_LAST;
    for (int i = 0; i < op->sources + op->optional; i++)
        t->src[i] = src[i];
    if (op->attr_size) {
        void *copy = calloc(1, op->attr_size);

        if (!copy)
            return graph_no_memory(g, "%s: no memory for its attributes",
                                   op->name);
        if (attr)
            memcpy(copy, attr, op->attr_size);
        t->attr = copy;
    }
    t->dtype = src[0]->dtype;
    err = op->shape(t);
    if (err) {
        char message[MESSAGE_SIZE];

        snprintf(message, sizeof(message), "%s", err_message());
        graph_fail(g, "%s%s%s: %s", g->scope, g->scope[0] ? ": " : "", op->name,
                   message);
        g->error = err;
        return NULL;
    }
    return t;
}

void graph_output(Graph *g, const char *name, Tensor *t)
{
    Output *o, **outputs;

    if (g->error || !t)
        return;
    o = malloc(sizeof(*o));
    outputs = realloc(g->outputs, ((size_t)g->noutputs + 1) * sizeof(*outputs));
    if (outputs)
        g->outputs = outputs;
    if (!o || !outputs) {
        free(o);
        graph_no_memory(g, "no memory for %d outputs", g->noutputs + 1);
        return;
    }
    snprintf(o->name, MAX_NAME, "%s", name);
    o->t = t;
    g->outputs[g->noutputs++] = o;
    t->kept = true;
}

void graph_scope(Graph *g, const char *fmt, ...)
{
    char part[MAX_NAME];
    const size_t n = strlen(g->scope);
    va_list args;

    va_start(args, fmt);
    vsnprintf(part, sizeof(part), fmt, args);
    va_end(args);
    BUG_IF(n + strlen(part) + 2 > MAX_NAME || g->depth == MAX_DEPTH);
    g->ends[g->depth++] = n;
    snprintf(g->scope + n, MAX_NAME - n, "%s%s", n ? "." : "", part);
}

void graph_end_scope(Graph *g)
{
    BUG_IF(g->depth == 0);
    g->scope[g->ends[--g->depth]] = '\0';
}

void graph_set_origin(Graph *g, int from, Origin origin)
{
    for (int i = from; i < g->size; i++)
        g->tensors[i]->origin = origin;
}

int graph_size(const Graph *g)
{
    return g->size;
}

Tensor *graph_at(const Graph *g, int i)
{
    return g->tensors[i];
}

Tensor *graph_find(const Graph *g, const char *name)
{
    for (int i = 0; i < g->size; i++)
        if (g->tensors[i]->role != ROLE_NODE &&
            strcmp(g->tensors[i]->name, name) == 0)
            return g->tensors[i];
    return NULL;
}

Tensor *graph_output_named(const Graph *g, const char *name)
{
    for (int i = 0; i < g->noutputs; i++)
        if (strcmp(g->outputs[i]->name, name) == 0)
            return g->outputs[i]->t;
    return NULL;
}

int graph_outputs(const Graph *g)
{
    return g->noutputs;
}

Tensor *graph_output_at(const Graph *g, int i, const char **name)
{
    if (name)
        *name = g->outputs[i]->name;
    return g->outputs[i]->t;
}

void graph_cut(Graph *g, const Tensor *t)
{
    for (int i = 0; i < g->noutputs; i++)
        BUG_IF(g->outputs[i]->t->id > t->id);
    shorten(g, t->id + 1);
}

double graph_params(const Graph *g)
{
    double n = 0;

    for (int i = 0; i < g->size; i++)
        if (g->tensors[i]->role == ROLE_WEIGHT)
            n += (double)tensor_count(g->tensors[i]);
    return n;
}

int graph_readers(const Graph *g, const Tensor *t)
{
    int n = 0;

    for (int i = t->id + 1; i < g->size; i++)
        for (int k = 0; k < MAX_SRC; k++)
            n += g->tensors[i]->src[k] == t;
    return n;
}

int graph_alloc_host(Tensor *t)
{
    if (t->host)
        return OK;
    t->host = malloc(tensor_count(t) * sizeof(float));
    if (!t->host)
        return fail(ERR_MEMORY, "no memory for weight %s (%zu bytes)", t->name,
                    tensor_count(t) * sizeof(float));
    return OK;
}

void graph_free_host(Tensor *t)
{
    free(t->host);
    t->host = NULL;
}
