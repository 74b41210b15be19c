/*
 * fold.c - graph_fold: what follows a convolution goes into it
 *
 * A chain is a convolution and the nodes after it, each the only reader of the
 * one before and none but the last an output:
 *
 *   conv2d, batch_norm?, add of equal shapes?, relu or relu6?
 *   conv2d_grad_x, add of equal shapes?, relu_grad or relu6_grad?
 *   add, relu or relu6
 *
 * It becomes one node, made where the chain ends, because the shortcut that it
 * adds may be computed after the convolution.  A batch norm, x s + t, turns
 * (w, b) into (s w, s b + t), in double.  Weights that are read elsewhere too,
 * or shared by groups, stay as they are, and their batch norms too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ops/shapes.h"

typedef struct Chain {
    const Tensor *head;       /* the convolution, or the first addition   */
    const Tensor *norm, *add; /* NULL: not in this chain                  */
    const Tensor *mask;       /* the gradient of an activation; or NULL   */
    Activation act;
    Origin origin; /* of all its nodes */
} Chain;

typedef struct Fold {
    const Graph *from;
    Graph *to;
    Tensor **copy;     /* tensor id -> its copy; NULL: none yet           */
    const Chain **end; /* tensor id -> the chain that ends there          */
    bool *inside;      /* tensor id -> in a chain, so not copied itself   */
    Chain *chains;
    int nchains;
} Fold;

/* The only reader of t; NULL if there are more, or t is an output. */
static const Tensor *only_reader(const Graph *g, const Tensor *t)
{
    if (t->kept || graph_readers(g, t) != 1)
        return NULL;
    for (int i = t->id + 1; i < graph_size(g); i++)
        for (int k = 0; k < MAX_SRC; k++)
            if (graph_at(g, i)->src[k] == t)
                return graph_at(g, i);
    return NULL;
}

/* A weight that only one node reads may be changed. */
static bool own_weight(const Graph *g, const Tensor *w)
{
    return !w || (w->role != ROLE_NODE && graph_readers(g, w) == 1);
}

static bool takes_norm(const Graph *g, const Tensor *conv, const Tensor *norm)
{
    const Conv2dAttr *attr = conv->attr;

    for (int i = 1; i < 5; i++)
        if (norm->src[i] == conv || norm->src[i]->role == ROLE_NODE)
            return false;
    return !attr->shared && own_weight(g, conv->src[1]) &&
           own_weight(g, conv->src[2]);
}

/* True if adding the other operand to t is what conv2d's z does. */
static bool takes_add(const Tensor *t, const Tensor *add)
{
    const Tensor *x = add->src[0], *y = add->src[1];

    return tensor_same_dims(x, y) && x->layout == y->layout &&
           (x == t || y == t);
}

/* Takes node `next` into chain c, which `*last` ends. */
static void extend(Fold *f, Chain *c, const Tensor **last, const Tensor *next)
{
    if (c->origin != next->origin)
        c->origin = ORIGIN_MIXED;
    f->inside[(*last)->id] = true;
    f->inside[next->id] = true;
    *last = next;
}

static void find_grad_chain(Fold *f, const Tensor *head)
{
    Chain *c = &f->chains[f->nchains++];
    const Tensor *last = head, *next = only_reader(f->from, head);

    *c = (Chain){ .head = head, .origin = head->origin };
    if (!head->src[3] && !head->src[2] && next && next->op == &add_def &&
        !((const AddAttr *)next->attr)->act && !f->inside[next->id] &&
        takes_add(last, next)) {
        c->add = next;
        extend(f, c, &last, next);
        next = only_reader(f->from, last);
    }
    if (!head->src[3] && next && next->op->grad_of != ACT_NONE &&
        next->src[1] == last) {
        c->mask = next;
        extend(f, c, &last, next);
    }
    f->end[last->id] = c;
}

static void find_chain(Fold *f, const Tensor *head)
{
    Chain *c = &f->chains[f->nchains++];
    const Tensor *last = head, *next = only_reader(f->from, head);

    *c = (Chain){ .head = head, .origin = head->origin };
    if (head->op == &conv2d_def) {
        const Conv2dAttr *attr = head->attr;

        c->act = attr->act;
        if (next && next->op == &batch_norm_def && !head->src[3] && !c->act &&
            takes_norm(f->from, head, next)) {
            c->norm = next;
            extend(f, c, &last, next);
            next = only_reader(f->from, last);
        }
        if (next && next->op == &add_def && !head->src[3] && !c->act &&
            !f->inside[next->id] && takes_add(last, next)) {
            c->add = next;
            c->act = ((const AddAttr *)next->attr)->act;
            extend(f, c, &last, next);
            next = only_reader(f->from, last);
        }
    } else {
        c->act = ((const AddAttr *)head->attr)->act;
    }
    if (next && !c->act && next->op->act != ACT_NONE) {
        c->act = next->op->act;
        extend(f, c, &last, next);
    }
    f->end[last->id] = c;
}

static void copy_values(Graph *g, Tensor *dst, const Tensor *src)
{
    const size_t bytes = tensor_count(src) * sizeof(float);

    if (!src->host)
        return;
    if (graph_alloc_host(dst))
        graph_no_memory(g, "%s", err_message());
    else
        memcpy(dst->host, src->host, bytes);
}

static Tensor *copy_leaf(Graph *g, const Tensor *t, Dims dims)
{
    Tensor *copy = t->role == ROLE_INPUT    ? graph_input(g, t->name, dims)
                   : t->role == ROLE_WEIGHT ? graph_weight(g, t->name, dims)
                                            : graph_buffer(g, t->name, dims);

    if (copy) {
        copy->origin = t->origin;
        copy_values(g, copy, t);
    }
    return copy;
}

/* The copy of t; that of a weight is made when first asked for. */
static Tensor *copy_of(Fold *f, const Tensor *t)
{
    Dims dims;

    if (!t || f->copy[t->id])
        return t ? f->copy[t->id] : NULL;
    BUG_IF(t->role == ROLE_NODE && !graph_error(f->to));
    if (t->role == ROLE_NODE)
        return NULL;
    dims.rank = t->rank;
    memcpy(dims.dim, t->dim, sizeof(dims.dim));
    f->copy[t->id] = copy_leaf(f->to, t, dims);
    return f->copy[t->id];
}

/* The bias of a convolution that has none: its weight's name, with bias. */
static Tensor *new_bias(Fold *f, const Tensor *w, int O)
{
    static const char suffix[] = ".weight";
    const size_t n = strlen(w->name), s = sizeof(suffix) - 1;
    const bool ends = n >= s && strcmp(w->name + n - s, suffix) == 0;
    char name[2 * MAX_NAME];
    Tensor *bias;

    snprintf(name, sizeof(name), "%.*s.bias", (int)(ends ? n - s : n), w->name);
    if (graph_find(f->from, name))
        snprintf(name, sizeof(name), "%s.folded_bias", w->name);
    bias = graph_weight(f->to, name, DIMS(O));
    if (bias)
        bias->origin = w->origin;
    return bias;
}

/* Scales w and sets b, both copies, by the batch norm's values; without all
 * of them, w and b are left without values. */
static int fold_values(Tensor *w, Tensor *b, bool had_bias, const Tensor *norm)
{
    const size_t O = (size_t)b->dim[0], each = tensor_count(w) / O;
    bool values = w->host && (!had_bias || b->host);

    for (int k = 1; k < 5; k++)
        values = values && norm->src[k]->host;
    if (!values) {
        graph_free_host(w);
        graph_free_host(b);
        return OK;
    }
    TRY(graph_alloc_host(b));
    for (size_t o = 0; o < O; o++) {
        const NormAffine bn = batch_norm_affine(norm, (int)o);
        const double before = had_bias ? b->host[o] : 0;

        b->host[o] = (float)(before * bn.scale + bn.shift);
        for (size_t i = 0; i < each; i++)
            w->host[o * each + i] = (float)(w->host[o * each + i] * bn.scale);
    }
    return OK;
}

/* Tensor added to the end of a chain's first nodes; NULL: none. */
static const Tensor *addend(const Chain *c, const Tensor *end)
{
    return c->add ? c->add->src[c->add->src[0] == end] : NULL;
}

static Tensor *emit_conv(Fold *f, const Chain *c)
{
    const Tensor *conv = c->head, *end = c->norm ? c->norm : conv;
    const Tensor *shortcut = c->add ? addend(c, end) : conv->src[3];
    Conv2dAttr attr = *(const Conv2dAttr *)conv->attr;
    Tensor *x = copy_of(f, conv->src[0]), *w = copy_of(f, conv->src[1]);
    Tensor *b = copy_of(f, conv->src[2]), *z = copy_of(f, shortcut), *y;

    if (c->norm) {
        if (!b)
            b = new_bias(f, conv->src[1], conv->dim[1]);
        if (w && b && fold_values(w, b, conv->src[2] != NULL, c->norm) != OK)
            return graph_no_memory(f->to, "%s", err_message());
    }
    attr.act = c->act;
    graph_scope(f->to, "%s", conv->name);
    y = op_conv2d_add(f->to, x, w, b, z, &attr);
    graph_end_scope(f->to);
    return y;
}

static Tensor *emit_grad(Fold *f, const Chain *c)
{
    const Tensor *head = c->head;
    const Tensor *z = c->add ? addend(c, head) : head->src[2];
    const Tensor *x = c->mask ? c->mask->src[0] : head->src[3];
    Conv2dGradAttr attr = *(const Conv2dGradAttr *)head->attr;
    Tensor *src[] = { copy_of(f, head->src[0]), copy_of(f, head->src[1]),
                      copy_of(f, z), copy_of(f, x) };
    Tensor *dx;

    if (c->mask)
        attr.conv.act = c->mask->op->grad_of;
    graph_scope(f->to, "%s", head->name);
    dx = graph_apply(f->to, head->op, &attr, src);
    graph_end_scope(f->to);
    return dx;
}

static Tensor *emit_node(Fold *f, const Tensor *t)
{
    const Chain *c = f->end[t->id];
    Tensor *src[MAX_SRC], *y;

    if (c && c->head->op == &conv2d_def)
        return emit_conv(f, c);
    if (c && c->head->op == &conv2d_grad_x_def)
        return emit_grad(f, c);
    if (c)
        t = c->head;
    for (int k = 0; k < MAX_SRC; k++)
        src[k] = copy_of(f, t->src[k]);
    graph_scope(f->to, "%s", t->name);
    y = c ? op_add_act(f->to, src[0], src[1], c->act)
          : graph_apply(f->to, t->op, t->attr, src);
    graph_end_scope(f->to);
    return y;
}

/* Node t as it is, or as the end of its chain. */
static Tensor *emit(Fold *f, const Tensor *t)
{
    Tensor *y = emit_node(f, t);

    if (y)
        y->origin = f->end[t->id] ? f->end[t->id]->origin : t->origin;
    return y;
}

static void fold(Fold *f)
{
    const Graph *g = f->from;
    const char *name;

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->op == &conv2d_def)
            find_chain(f, t);
    }
    /* From the last on: of two that an addition joins, the later takes it,
     * in a block of ResNet that of stride 1. */
    for (int i = graph_size(g) - 1; i >= 0; i--)
        if (graph_at(g, i)->op == &conv2d_grad_x_def)
            find_grad_chain(f, graph_at(g, i));
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->op == &add_def && !f->inside[i])
            find_chain(f, t);
    }
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->role == ROLE_INPUT)
            copy_of(f, t);
        if (t->role == ROLE_NODE && (f->end[i] || !f->inside[i]))
            f->copy[i] = emit(f, t);
    }
    for (int i = 0; i < graph_outputs(g); i++) {
        const Tensor *t = graph_output_at(g, i, &name);

        graph_output(f->to, name, copy_of(f, t));
    }
}

int graph_fold(Graph **out, const Graph *g)
{
    const size_t n = (size_t)graph_size(g) + 1;
    Fold f = { .from = g };
    int err;

    *out = NULL;
    TRY(graph_error(g));
    f.to = graph_new();
    f.copy = calloc(n, sizeof(*f.copy));
    f.end = calloc(n, sizeof(*f.end));
    f.inside = calloc(n, sizeof(*f.inside));
    f.chains = calloc(n, sizeof(*f.chains));
    if (f.copy && f.end && f.inside && f.chains)
        fold(&f);
    else
        graph_no_memory(f.to, "no memory to fold %zu tensors", n);
    free(f.chains);
    free(f.inside);
    free(f.end);
    free(f.copy);
    err = graph_error(f.to);
    if (err)
        graph_free(f.to);
    else
        *out = f.to;
    return err;
}
