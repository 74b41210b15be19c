/*
 * kernel_cases.c - the table of kernel_cases.h, made of a table a family of ops
 *
 * Awkward on purpose: one of everything, channels that no vector divides, odd
 * maps, kernels that hang over every edge, and each optional source present
 * and absent.  The common shapes are those of ResNet-50's stages and of the
 * modules in them.
 */
#include "tests/kernel_cases.h"

#include <stdio.h>
#include <string.h>

#include "tests/kernel_cases_modules.h"

#define X(family) extern const KernelCase family##_cases[];
KERNEL_CASES(X)
#undef X

static const KernelCase *const families[] = {
#define X(family) family##_cases,
    KERNEL_CASES(X)
#undef X
};
enum { NFAMILIES = sizeof(families) / sizeof(families[0]) };

const KernelCase *kernel_case_at(int i)
{
    for (int f = 0; i >= 0 && f < NFAMILIES; f++)
        for (const KernelCase *c = families[f]; c->op; c++)
            if (i-- == 0)
                return c;
    return module_case_at(i);
}

static bool is_module(const Op *op)
{
    static const Op *const modules[] = {
#define X(id) &id##_def,
        MODULE_OPS(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
        if (op == modules[i])
            return true;
    return op == &scsa_def;
}

bool kernel_source_is_weight(const Op *op, int k)
{
    if (op == &conv2d_def || op == &dwconv1d_def || op == &linear_def)
        return k == 1 || k == 2;
    if (op == &conv2d_grad_x_def)
        return k == 1;
    if (op == &window_bias_def)
        return k == 0;
    if (op == &window_attention_def)
        return k == 1;
    if (op == &batch_norm_def || op == &group_norm_def || op == &layer_norm_def)
        return k >= 1;
    return is_module(op) && k >= 1;
}

Tensor *kernel_case_source(Graph *g, const KernelCase *c, int k)
{
    const KernelSource *s = &c->src[k];
    Dims dims = { .rank = s->rank };
    char name[24];
    Tensor *t;

    if (!s->rank)
        return NULL;
    memcpy(dims.dim, s->dim, sizeof(dims.dim));
    snprintf(name, sizeof(name), "source%d", k);
    if (s->buffer)
        return graph_buffer(g, name, dims);
    if (kernel_source_is_weight(c->op, k))
        return graph_weight(g, name, dims);
    t = graph_input(g, name, dims);
    if (t && s->stack)
        t->layout = ROW_MAJOR;
    return t;
}
