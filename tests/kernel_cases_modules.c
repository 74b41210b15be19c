/*
 * kernel_cases_modules.c - the cases of modules as one op, for the table of
 * kernel_cases.h
 *
 * A row is a module, its settings, and the shape of x; its weights are those
 * that the module makes.  Each module has the four stages of ResNet-50, one of
 * everything, channels that no vector divides, maps of one position, one row,
 * one column, maps larger than a cache, and its settings off their defaults.
 */
#include "tests/kernel_cases_modules.h"

#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "kernels/core/err.h"
#include "tests/kernel_cases.h"

typedef struct Row {
    const char *module, *settings; /* "reduction=1 kernel_size=3" */
    int N, C, H, W;
    const char *why;
} Row;

/* clang-format off */
#define STAGES(module)                                  \
    { module, "", 1, 64, 56, 56, "stage 1" },           \
    { module, "", 2, 128, 28, 28, "stage 2" },          \
    { module, "", 3, 256, 14, 14, "stage 3" },          \
    { module, "", 2, 512, 7, 7, "stage 4" }

/* few: settings with which 1 channel will do. */
#define SHAPES(module, few)                                               \
    { module, few, 1, 1, 1, 1, "one of everything" },                     \
    { module, few, 2, 3, 5, 7, "three channels" },                        \
    { module, few, 3, 17, 9, 4, "one more than a vector" },               \
    { module, few, 1, 40, 1, 13, "one row" },                             \
    { module, few, 2, 33, 13, 1, "one column" },                          \
    { module, few, 5, 24, 11, 10, "more images than threads" },           \
    { module, few, 1, 16, 150, 141, "a map beyond a cache" }

static const Row rows[] = {
    STAGES("se"), SHAPES("se", "reduction=1"),
    { "se", "reduction=4", 2, 36, 7, 9, "nine in the middle" },

    STAGES("se_conv"), SHAPES("se_conv", "reduction=1"),
    { "se_conv", "reduction=4", 2, 36, 7, 9, "nine in the middle" },

    STAGES("eca"), SHAPES("eca", ""),
    { "eca", "kernel_size=9", 2, 5, 6, 6, "a filter beyond the channels" },
    { "eca", "kernel_size=7", 1, 65, 4, 3, "seven taps" },
    { "eca", "", 2, 2064, 2, 3, "more packs than a block has threads" },

    STAGES("fca"),
    { "fca", "reduction=1", 1, 16, 7, 7, "smallest" },
    { "fca", "reduction=4", 3, 48, 9, 16, "no multiple of the grid" },
    { "fca", "dct_h=7 dct_w=7", 2, 32, 15, 13, "pooled to the grid" },
    { "fca", "dct_h=14 dct_w=7", 1, 80, 14, 29, "pooled along rows" },
    { "fca", "dct_h=7 dct_w=7", 1, 16, 3, 5, "a map below the grid" },
    { "fca", "", 5, 32, 11, 10, "more images than threads" },
    { "fca", "", 1, 16, 150, 141, "a map beyond a cache" },

    STAGES("afgca"), SHAPES("afgca", ""),

    STAGES("cbam"), SHAPES("cbam", ""),
    { "cbam", "reduction=2 kernel_size=3", 2, 36, 7, 9, "a 3x3 filter" },
    { "cbam", "kernel_size=1", 1, 20, 6, 5, "a filter of one tap" },
    { "cbam", "kernel_size=11", 2, 12, 6, 9, "a filter beyond the map" },
    { "cbam", "", 1, 2064, 3, 2, "more packs than a block has threads" },

    { "sa", "group_num=32", 1, 64, 56, 56, "stage 1" },
    { "sa", "", 2, 128, 28, 28, "stage 2, one channel a branch" },
    { "sa", "", 3, 256, 14, 14, "stage 3" },
    { "sa", "", 2, 512, 7, 7, "stage 4" },
    { "sa", "group_num=1", 1, 2, 1, 1, "smallest" },
    { "sa", "group_num=3", 2, 6, 5, 7, "one channel a branch" },
    { "sa", "group_num=1", 3, 34, 9, 4, "one group" },
    { "sa", "group_num=5", 1, 70, 1, 13, "one row" },
    { "sa", "group_num=11", 2, 66, 13, 1, "one column" },
    { "sa", "group_num=4", 5, 24, 11, 10, "more images than threads" },
    { "sa", "group_num=2", 1, 16, 150, 141, "a map beyond a cache" },

    STAGES("ela"), SHAPES("ela", "groups=1"),
    { "ela", "groups=5 kernel_size=3", 2, 35, 7, 9, "groups of seven" },
    { "ela", "groups=24 kernel_size=1", 1, 24, 6, 5, "a group a channel" },
    { "ela", "groups=4 kernel_size=31", 2, 12, 6, 9, "beyond the strips" },

    STAGES("ca"), SHAPES("ca", ""),
    { "ca", "reduction=1", 2, 37, 7, 9, "as wide as the channels" },

    STAGES("ema"), SHAPES("ema", "factor=1"),
    { "ema", "factor=8", 2, 8, 9, 7, "one channel a group" },
    { "ema", "factor=5", 2, 35, 7, 9, "groups of seven" },
    { "ema", "factor=2", 1, 6, 2, 2, "a map that the filter overhangs" },
    { "ema", "factor=4", 2, 48, 6, 5, "groups that packs do not divide" },
};
/* clang-format on */
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* "name=value name=value" into settings. */
static void set_all(const Module *m, void *settings, const char *text)
{
    char copy[128], *rest = copy, *word;

    BUG_IF(strlen(text) >= sizeof(copy));
    strcpy(copy, text);
    while ((word = strsep(&rest, " "))) {
        char *value = strchr(word, '=');

        if (!value)
            continue;
        *value++ = '\0';
        BUG_IF(param_set(param_find(m->params, word), settings, value) != OK);
    }
}

static void fill(KernelCase *c, ModuleAttr *attr, const Row *r)
{
    const Module *m = zoo_find(r->module);
    _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };
    Graph *g = graph_new();
    const Tensor *y;

    if (m->params)
        param_defaults(m->params, settings);
    set_all(m, settings, r->settings);
    y = zoo_fuse(g, m, graph_input(g, "x", DIMS(r->N, r->C, r->H, r->W)),
                 settings);
    BUG_IF(!y);
    *attr = *(const ModuleAttr *)y->attr;
    *c = (KernelCase){ .op = y->op, .why = r->why, .attr = attr };
    for (int k = 0; k < MAX_SRC && y->src[k]; k++) {
        c->src[k].rank = y->src[k]->rank;
        memcpy(c->src[k].dim, y->src[k]->dim, sizeof(c->src[k].dim));
        c->src[k].buffer = y->src[k]->role == ROLE_BUFFER;
        c->src[k].variance = strstr(y->src[k]->name, "running_var") != NULL;
    }
    graph_free(g);
}

const KernelCase *module_case_at(int i)
{
    static KernelCase cases[ROWS];
    static ModuleAttr attrs[ROWS];

    if (i < 0 || i >= ROWS)
        return NULL;
    if (!cases[i].op)
        fill(&cases[i], &attrs[i], &rows[i]);
    return &cases[i];
}
