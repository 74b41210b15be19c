/*
 * weights_file.c - finds the prefix, the names, the form and the classes of a
 * file of weights: those with which the fewest weights are missing.
 */
#include "harness/network/weights_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"

/* The part that all names of the file begin with, up to a point. */
static void find_prefix(Weights *w)
{
    const char *first = st_tensors(w->file) ? st_tensor(w->file, 0)->name : "";
    size_t n = strlen(first);

    for (int i = 1; i < st_tensors(w->file); i++) {
        const char *name = st_tensor(w->file, i)->name;
        size_t same = 0;

        while (same < n && name[same] == first[same])
            same++;
        n = same;
    }
    while (n && first[n - 1] != '.')
        n--;
    if (n < sizeof(w->prefix))
        snprintf(w->prefix, sizeof(w->prefix), "%.*s", (int)n, first);
}

int weights_open(Weights *w, const char *path, const Backbone *b)
{
    *w = (Weights){ .classes = IMAGENET_CLASSES, .backbone = b, .missing = -1 };
    TRY(st_open(&w->file, path));
    w->values = (WeightValues){ .file = w->file,
                                .whole = true,
                                .unused = b ? b->unused : NULL };
    find_prefix(w);
    return OK;
}

void weights_close(Weights *w)
{
    st_close(w->file);
    w->file = NULL;
}

/* IMAGENET_CLASSES where nothing of g is in the file, which is then another
 * network's. */
static int count_classes(const Weights *w, const Graph *g,
                         const WeightValues *values)
{
    int classes = IMAGENET_CLASSES, found = 0, of_classifier = 0;

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        const StTensor *f = NULL;

        if (tensor_is_weight(t))
            f = weight_values_find(t, values);
        if (!f)
            continue;
        found++;
        if (!w->backbone || !name_in_scope(t->name, w->backbone->classifier))
            continue;
        of_classifier++;
        if (t->rank == 2 && f->rank >= 2 && f->dim[0] > 0 &&
            f->dim[0] <= INT_MAX)
            classes = (int)f->dim[0];
    }
    return of_classifier || !found || !w->backbone ? classes : NO_CLASSES;
}

void weights_fit(Weights *w, const Graph *g, Form form)
{
    for (int older = 0; older < 2; older++)
        for (int prefixed = 0; prefixed < 2; prefixed++) {
            WeightValues values = w->values;
            int missing;

            values.form = form;
            values.prefix = prefixed ? w->prefix : "";
            values.older = older && w->backbone ? w->backbone->older : NULL;
            missing = weight_values_missing(g, &values);
            if (w->missing >= 0 && missing >= w->missing)
                continue;
            w->missing = missing;
            w->values = values;
            w->classes = count_classes(w, g, &values);
        }
}
