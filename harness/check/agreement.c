/*
 * agreement.c - compares outputs of two programs, by name.
 */
#include "harness/check/agreement.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/check/verify.h"
#include "kernels/core/err.h"

/* Theirs of a name, or NULL. */
static const StTensor *find(const Safetensors *theirs, const char *name,
                            size_t count)
{
    const StTensor *t = st_find(theirs, name);

    if (!t)
        fail(ERR_UNSUPPORTED, "it has no output '%s', but ours does", name);
    else if (t->count != count)
        fail(ERR_UNSUPPORTED,
             "its output '%s' does not have %zu numbers, as "
             "ours does",
             name, count);
    return t && t->count == count ? t : NULL;
}

/* The error of one output; values has room for it twice. */
static int error_of(double *rel_l2, const Safetensors *theirs,
                    const StTensor *t, const Ours *ours, int i, float *values)
{
    const float *want = ours->first ? ours->first[i] : values + t->count;
    double floor = 0;

    if (!ours->first)
        TRY(plan_get(ours->plan, graph_output_at(ours->g, i, NULL),
                     values + t->count));
    TRY(st_read(theirs, t, values));
    if (ours->ref)
        floor = reference_floor(ours->ref, ours->c, i, want, t->count);
    *rel_l2 = verify_error_beside(values, want, t->count, floor);
    return OK;
}

static int compare(Agreement *out, const Safetensors *theirs, const Ours *ours,
                   int i)
{
    const char *name;
    const size_t count = tensor_count(graph_output_at(ours->g, i, &name));
    const StTensor *t = find(theirs, name, count);
    double rel_l2 = NAN;
    float *values;
    int err;

    if (!t)
        return ERR_UNSUPPORTED;
    values = malloc(2 * count * sizeof(*values));
    if (!values)
        return fail(ERR_MEMORY, "no memory for %zu numbers twice", count);
    err = error_of(&rel_l2, theirs, t, ours, i, values);
    free(values);
    if (!err && !(rel_l2 <= out->rel_l2)) {
        out->rel_l2 = rel_l2;
        snprintf(out->output, sizeof(out->output), "%s", name);
    }
    return err;
}

int agreement_find(Agreement *out, const Safetensors *theirs, const Ours *ours)
{
    *out = (Agreement){ .rel_l2 = -1 };
    for (int i = 0; i < graph_outputs(ours->g); i++) {
        TRY(compare(out, theirs, ours, i));
        if (isnan(out->rel_l2))
            break;
    }
    return OK;
}
