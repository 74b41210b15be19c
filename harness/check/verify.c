/*
 * verify.c - compares a case with the reference.
 *
 * Both sides are built from the same seeds: the case as it will be measured,
 * and its definition on the backend "ref".  So a wrong fold, a wrong kernel
 * and a wrong layout all show.
 */
#include "harness/check/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "kernels/core/err.h"

static const double MODULE_LIMIT = 3e-6, BACKBONE_LIMIT = 1e-5;

/* Limits of gradients: PyTorch in f32 is off by 1.3e-6 for a module's input
 * and by 1.3e-5 for its parameters, from float64. */
static const double INPUT_GRAD_LIMIT = 1e-5, PARAM_GRAD_LIMIT = 5e-5;

/* An error of this many neighbours' worth is rounding; one above the highest
 * limit never is. */
static const double ROUNDINGS = REFERENCE_JUMP, HIGHEST_LIMIT = 1e-4;

/* For gradients: where rounding moves a number across the corner of a ReLU, a
 * whole derivative appears or disappears. */
static const double HIGHEST_GRAD_LIMIT = 1e-2;

/* The relative error of an answer of zeros: a limit so high lets all pass. */
static const double NOTHING = 1;

/* Error allowed to a kernel over the reference that rounds as it must. */
static const double OF_ROUNDED = 2;

double verify_limit(const Case *c)
{
    return c->pass == PASS_BACKWARD           ? PARAM_GRAD_LIMIT
           : c->pass == PASS_INPUT_GRAD       ? INPUT_GRAD_LIMIT
           : strcmp(c->backbone.text, "none") ? BACKBONE_LIMIT
                                              : MODULE_LIMIT;
}

double verify_output_limit(const Case *c, const char *output)
{
    Case only = *c;

    only.pass = strcmp(output, "grad_input") == 0  ? PASS_INPUT_GRAD
                : strncmp(output, "grad/", 5) == 0 ? PASS_BACKWARD
                                                   : PASS_FORWARD;
    return verify_limit(&only);
}

double verify_error_beside(const float *got, const float *expected, size_t n,
                           double floor)
{
    double wrong = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = (double)got[i] - expected[i];

        wrong += d * d;
        size += (double)expected[i] * expected[i];
    }
    return wrong == 0 ? 0 : sqrt(wrong / fmax(size, floor * floor));
}

double verify_error(const float *got, const float *expected, size_t n)
{
    return verify_error_beside(got, expected, n, 0);
}

int verify_run(float **values, Graph *g, const Case *c, Device *dev,
               float *const *inputs)
{
    const DeviceSettings settings = { .threads = c->threads, .isa = "" };
    const bool recorded = c->state == STATE_GRAPH;
    Device *own = NULL;
    int err =
        dev ? OK
            : backend_open(&own, case_name("backend", c->backend), &settings);

    if (!err)
        err = network_run(values, g, dev ? dev : own, recorded, inputs);
    backend_close(own);
    return err;
}

int verify_rounded_limit(Reference *r, const Case *c, double *limit)
{
    double change;

    *limit = verify_limit(c);
    if (case_dtype(c) == F32)
        return OK;
    TRY(reference_moved(r, case_dtype(c), &change));
    if (!isfinite(change))
        return fail(ERR_UNSUPPORTED,
                    "dtype=%s cannot represent it: the reference overflows "
                    "when rounded to it",
                    case_name("dtype", c->dtype));
    *limit = fmax(*limit, OF_ROUNDED * change);
    if (*limit >= NOTHING)
        return fail(ERR_UNSUPPORTED,
                    "dtype=%s is too coarse: the reference, rounded to it at "
                    "every op, is off by %.0f %%, so a comparison would mean "
                    "nothing",
                    case_name("dtype", c->dtype), 100 * change);
    return OK;
}

static double highest_limit(const Case *c)
{
    return c->pass != PASS_FORWARD ? HIGHEST_GRAD_LIMIT : HIGHEST_LIMIT;
}

int verify_floors(Reference *r, const Case *c)
{
    return reference_floors(r, ROUNDINGS / verify_limit(c),
                            highest_limit(c) / ROUNDINGS);
}

double verify_floor(const Reference *r, const Case *c, int output, double limit)
{
    return r->floor ? r->floor[output] * verify_limit(c) / limit : 0;
}

/* Where a gradient is far off, it is measured against what it is the difference
 * of. */
static int find_error(Reference *r, const Case *c, float *const *got,
                      double *rel_l2)
{
    *rel_l2 = reference_error(r, got);
    if (*rel_l2 <= verify_limit(c) || isnan(*rel_l2) || case_dtype(c) != F32 ||
        c->pass == PASS_FORWARD)
        return OK;
    TRY(verify_floors(r, c));
    *rel_l2 = reference_error(r, got);
    return OK;
}

/* Error that rounding causes in r: one rounding at a time, repeated; for
 * gradients, where a rounding may cross a corner, also many at once if needed
 * to explain so large an error. */
static int roundings_of(Reference *r, const Case *c, double rel_l2,
                        double *change)
{
    double jumped;

    TRY(reference_moved(r, F32, change));
    *change *= ROUNDINGS;
    if (rel_l2 <= *change || c->pass == PASS_FORWARD)
        return OK;
    TRY(reference_jumped(r, &jumped));
    *change = fmax(*change, jumped);
    return OK;
}

/* Where the definition itself turns roundings into more, the limit is higher;
 * where into so much that an error would not show, there is none. */
static int allow_roundings(Comparison *out, Reference *r, const Case *c)
{
    double change;

    if (!(out->rel_l2 > out->limit) || case_dtype(c) != F32)
        return OK;
    TRY(roundings_of(r, c, out->rel_l2, &change));
    if (out->rel_l2 > highest_limit(c) && out->rel_l2 <= change)
        return fail(ERR_UNSUPPORTED,
                    "with these weights the network amplifies rounding "
                    "errors to %.0e, so a comparison would mean nothing; "
                    "give other weights (--weights)",
                    change / ROUNDINGS);
    out->limit = fmax(out->limit, fmin(change, highest_limit(c)));
    return OK;
}

int verify_outputs(Comparison *out, Reference *r, const Case *c,
                   float *const *got)
{
    *out = (Comparison){ .rel_l2 = NAN, .limit = verify_limit(c) };
    snprintf(out->at, sizeof(out->at), "%dx%dx%dx%d", r->c.batch, r->c.channels,
             r->c.height, r->c.width);
    TRY(find_error(r, c, got, &out->rel_l2));
    TRY(verify_rounded_limit(r, c, &out->limit));
    return allow_roundings(out, r, c);
}

/* In the graph of c, at the reference's shape. */
static void find_culprit(Comparison *out, const Reference *r, const Case *c,
                         Device *dev)
{
    const DeviceSettings settings = { .threads = c->threads, .isa = "" };
    Device *own = NULL;
    Graph *g;

    if (case_dtype(c) != F32 || network_build(&g, c, &r->values, r->taps))
        return;
    if (dev ||
        backend_open(&own, case_name("backend", c->backend), &settings) == OK)
        culprit_find(out->culprit, g, dev ? dev : own, r->inputs);
    backend_close(own);
    graph_free(g);
}

/* Runs c at the reference's shape. */
static int compare(Comparison *out, Reference *r, const Case *c, Device *dev)
{
    Case small = *c;
    float **got;
    Graph *g;
    int err;

    small.batch = r->c.batch;
    small.height = r->c.height;
    small.width = r->c.width;
    TRY(network_build(&g, &small, &r->values, r->taps));
    got = calloc((size_t)graph_outputs(g), sizeof(*got));
    BUG_IF(!got);
    err = verify_run(got, g, &small, dev, r->inputs);
    if (!err)
        err = verify_outputs(out, r, c, got);
    for (int i = 0; i < graph_outputs(g); i++)
        free(got[i]);
    free(got);
    graph_free(g);
    if (!err && !(out->rel_l2 <= out->limit))
        find_culprit(out, r, &small, dev);
    return err;
}

int verify_case(Comparison *out, const Case *c, double budget,
                const Checker *with)
{
    Reference *own = NULL, **at = with && with->ref ? with->ref : &own;
    int err;

    *out = (Comparison){ .rel_l2 = NAN, .limit = verify_limit(c) };
    err = reference_find(at, c, budget);
    if (!err)
        err = compare(out, *at, c, with ? with->dev : NULL);
    reference_free(own);
    return err;
}

int verify_other_floors(const Case *c, const Checker *with)
{
    TRY(reference_find(with->ref, c, VERIFY_BUDGET));
    return case_dtype(c) == F32 && c->pass != PASS_FORWARD
               ? verify_floors(*with->ref, c)
               : OK;
}

int verify_other(double *limit, const Case *c, double rel_l2,
                 const Checker *with)
{
    Comparison v = { .rel_l2 = rel_l2, .limit = *limit };

    TRY(reference_find(with->ref, c, VERIFY_BUDGET));
    TRY(allow_roundings(&v, *with->ref, c));
    *limit = v.limit;
    return OK;
}
