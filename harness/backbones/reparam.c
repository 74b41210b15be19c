/*
 * reparam.c - branches that are linear, merged into one layer.
 */
#include "harness/backbones/reparam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/ops/ops.h"

/* w (O,I,kh,kw) and b (O) are what layer will have. */
struct Merge {
    const Graph *train;
    const Tensor *layer;  /* the node of deploy         */
    char scope[MAX_NAME]; /* where its branches are     */
    int O, I, kh, kw;
    double *w, *b;
    int err; /* the first one; later steps do nothing then */
};

/* The node of train that is layer `name`; NULL if there is none. */
static const Tensor *find_layer(const Merge *m, const char *name)
{
    char full[2 * MAX_NAME];

    snprintf(full, sizeof(full), "%s%s%s", m->scope, m->scope[0] ? "." : "",
             name);
    for (int i = 0; i < graph_size(m->train); i++) {
        const Tensor *t = graph_at(m->train, i);

        if (t->role == ROLE_NODE && strcmp(t->name, full) == 0)
            return t;
    }
    return NULL;
}

bool merge_has(const Merge *m, const char *layer)
{
    return find_layer(m, layer) != NULL;
}

/* Layer `name`, which must be such an op and have values. */
static const Tensor *want_layer(Merge *m, const char *name, const Op *op)
{
    const Tensor *t = m->err ? NULL : find_layer(m, name);

    if (m->err)
        return NULL;
    if (!t || t->op != op) {
        m->err = fail(ERR_INPUT, "%s: there is no %s %s to merge into it",
                      m->layer->name, op->name, name);
        return NULL;
    }
    for (int k = 1; k < MAX_SRC; k++)
        if (t->src[k] && !t->src[k]->host) {
            m->err = fail(ERR_INPUT, "%s has no values", t->src[k]->name);
            return NULL;
        }
    return t;
}

static double *kernel(const Merge *m, int o, int i)
{
    return m->w + ((size_t)o * m->I + i) * m->kh * m->kw;
}

/* Adds the kernels src (O,I,kh,kw), times what the norm (or NULL) scales an
 * output by, in the middle of the larger ones. */
static void add_kernels(Merge *m, const Tensor *src, const Tensor *norm)
{
    const int kh = src->rank == 4 ? src->dim[2] : 1;
    const int kw = src->rank == 4 ? src->dim[3] : 1;
    const int top = (m->kh - kh) / 2, left = (m->kw - kw) / 2;
    const float *w = src->host;

    for (int o = 0; o < m->O; o++) {
        const double s = norm ? batch_norm_affine(norm, o).scale : 1;

        for (int i = 0; i < m->I; i++)
            for (int y = 0; y < kh; y++)
                for (int x = 0; x < kw; x++)
                    kernel(m, o, i)[(top + y) * m->kw + left + x] += s * *w++;
    }
}

static void add_bias(Merge *m, const Tensor *bias, const Tensor *norm)
{
    for (int o = 0; o < m->O; o++) {
        const double b = bias ? bias->host[o] : 0;
        const NormAffine bn =
            norm ? batch_norm_affine(norm, o) : (NormAffine){ 1, 0 };

        m->b[o] += bn.scale * b + bn.shift;
    }
}

/* True if the same positions of the same map are read. */
static bool fits(const Merge *m, const Tensor *conv)
{
    const Conv2dAttr *a = conv->attr, *b = m->layer->attr;
    const Tensor *w = conv->src[1];

    return m->layer->op == &conv2d_def && w->dim[0] == m->O &&
           w->dim[1] == m->I && w->dim[2] <= m->kh && w->dim[3] <= m->kw &&
           w->dim[2] % 2 && w->dim[3] % 2 && a->pad_h == w->dim[2] / 2 &&
           a->pad_w == w->dim[3] / 2 && a->stride == b->stride &&
           a->groups == b->groups && !a->shared;
}

void merge_conv(Merge *m, const char *name, const char *bn)
{
    const Tensor *conv = want_layer(m, name, &conv2d_def);
    const Tensor *norm = bn ? want_layer(m, bn, &batch_norm_def) : NULL;

    if (m->err)
        return;
    if (!fits(m, conv)) {
        m->err = fail(ERR_INPUT, "%s does not fit into %s", conv->name,
                      m->layer->name);
        return;
    }
    add_kernels(m, conv->src[1], norm);
    add_bias(m, conv->src[2], norm);
}

void merge_linear(Merge *m, const char *name)
{
    const Tensor *linear = want_layer(m, name, &linear_def);

    if (m->err)
        return;
    if (!tensor_same_dims(linear->src[1], m->layer->src[1])) {
        m->err = fail(ERR_INPUT, "%s does not fit into %s", linear->name,
                      m->layer->name);
        return;
    }
    add_kernels(m, linear->src[1], NULL);
    add_bias(m, linear->src[2], NULL);
}

void merge_identity(Merge *m, const char *bn)
{
    const Tensor *norm = bn ? want_layer(m, bn, &batch_norm_def) : NULL;

    if (m->err)
        return;
    if (!tensor_same_dims(m->layer, m->layer->src[0])) {
        m->err = fail(ERR_INPUT, "%s changes the shape: no identity fits",
                      m->layer->name);
        return;
    }
    for (int o = 0; o < m->O; o++)
        kernel(m, o, o % m->I)[m->kh / 2 * m->kw + m->kw / 2] +=
            norm ? batch_norm_affine(norm, o).scale : 1;
    if (norm)
        add_bias(m, NULL, norm);
}

void merge_norm_after(Merge *m, const char *bn)
{
    const Tensor *norm = want_layer(m, bn, &batch_norm_def);

    for (int o = 0; !m->err && o < m->O; o++) {
        const NormAffine a = batch_norm_affine(norm, o);

        for (int i = 0; i < m->I * m->kh * m->kw; i++)
            kernel(m, o, 0)[i] *= a.scale;
        m->b[o] = m->b[o] * a.scale + a.shift;
    }
}

void merge_norm_before(Merge *m, const char *bn)
{
    const Tensor *norm = want_layer(m, bn, &batch_norm_def);

    BUG_IF(m->kh * m->kw != 1 || m->I != m->layer->src[0]->dim[1]);
    for (int i = 0; !m->err && i < m->I; i++) {
        const NormAffine a = batch_norm_affine(norm, i);

        for (int o = 0; o < m->O; o++) {
            m->b[o] += *kernel(m, o, i) * a.shift;
            *kernel(m, o, i) *= a.scale;
        }
    }
}

/* The scope of a layer's branches: its name without "layer" at the end. */
static int find_scope(Merge *m, const char *layer)
{
    const size_t n = strlen(m->layer->name), end = strlen(layer);

    snprintf(m->scope, sizeof(m->scope), "%s", m->layer->name);
    if (!end)
        return OK;
    if (n <= end || strcmp(m->scope + n - end, layer) != 0 ||
        m->scope[n - end - 1] != '.')
        return fail(ERR_INPUT, "%s has no weights to be made from",
                    m->layer->name);
    m->scope[n - end - 1] = '\0';
    return OK;
}

static int give(Tensor *t, const double *values)
{
    TRY(graph_alloc_host(t));
    for (size_t i = 0; i < tensor_count(t); i++)
        t->host[i] = (float)values[i]; /* rounded here alone */
    return OK;
}

/* Makes the weights of one layer, a node of deploy. */
static int make_layer(Merge *m, void (*merge)(Merge *m))
{
    Tensor *w = m->layer->src[1], *b = m->layer->src[2];

    m->O = w->dim[0];
    m->I = w->dim[1];
    m->kh = w->rank == 4 ? w->dim[2] : 1;
    m->kw = w->rank == 4 ? w->dim[3] : 1;
    m->w = calloc(tensor_count(w), sizeof(*m->w));
    m->b = calloc((size_t)m->O, sizeof(*m->b));
    BUG_IF(!b);
    if (!m->w || !m->b)
        m->err =
            fail(ERR_MEMORY, "no memory for the weights of %s", m->layer->name);
    else
        merge(m);
    if (!m->err)
        m->err = give(w, m->w);
    if (!m->err)
        m->err = give(b, m->b);
    free(m->w);
    free(m->b);
    return m->err;
}

/* Copies values from the namesake in train: modules, and layers that are not
 * merged. */
static int copy_namesakes(Graph *deploy, const Graph *train)
{
    for (int i = 0; i < graph_size(deploy); i++) {
        Tensor *t = graph_at(deploy, i);
        const Tensor *from =
            tensor_is_weight(t) ? graph_find(train, t->name) : NULL;

        if (!from)
            continue;
        if (!from->host || !tensor_same_dims(t, from))
            return fail(ERR_INPUT, "%s has no values, or another shape",
                        from->name);
        TRY(graph_alloc_host(t));
        memcpy(t->host, from->host, tensor_count(t) * sizeof(float));
    }
    return OK;
}

int reparam(Graph *deploy, const Graph *train, const char *layer,
            void (*merge)(Merge *m))
{
    TRY(copy_namesakes(deploy, train));
    for (int i = 0; i < graph_size(deploy); i++) {
        Merge m = { .train = train, .layer = graph_at(deploy, i) };

        if ((m.layer->op != &conv2d_def && m.layer->op != &linear_def) ||
            m.layer->src[1]->host)
            continue;
        TRY(find_scope(&m, layer));
        TRY(make_layer(&m, merge));
    }
    for (int i = 0; i < graph_size(deploy); i++) {
        const Tensor *t = graph_at(deploy, i);

        if (tensor_is_weight(t) && !t->host)
            return fail(ERR_INPUT, "%s: nothing to make it from", t->name);
    }
    return OK;
}
