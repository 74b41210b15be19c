/*
 * reference.h - what a case must agree with: its definition, run on "ref".
 *
 * The definition is the case as_written, composed, in f32 and form=train (in
 * form=deploy if that is what its weights are of).  It is the same for every
 * impl, form, graph, backend, dtype, state and number of threads, and it is
 * slow; so it is kept for the next case that has the same.
 */
#ifndef HARNESS_REFERENCE_H
#define HARNESS_REFERENCE_H

#include "harness/network/case.h"
#include "harness/network/network.h"
#include "kernels/core/backend.h"

/* Builds a case's graph; values NULL: without. */
typedef int ReferenceBuild(Graph **out, const Case *c,
                           const WeightValues *values, const void *arg);

typedef struct Reference {
    char asked[CASE_TEXT]; /* the definition, at the shape that was asked for */
    Case c;                /* the same at the shape that it has               */
    WeightValues values;
    Taps taps;
    ReferenceBuild *build; /* with arg; NULL: network_build with taps */
    const void *arg;
    Device *dev;                   /* that runs it; NULL: one of "ref" */
    Graph *graph;                  /* of c, without values           */
    float *inputs[NETWORK_INPUTS]; /* in PyTorch's order             */
    float **expected;              /* an array for each output       */
    double *floor;                 /* see below; NULL until asked for */
    double moved[NDTYPES], jumped; /* see below; NaN until asked for */
} Reference;

/*
 * Makes *at the reference of c, with seeded weights and input, at c's shape or
 * at the largest that takes at most budget (verify.h).  *at is NULL or an
 * earlier reference, which is kept if it is the same, and freed if it is not.
 * After an error it is NULL.
 */
int reference_find(Reference **at, const Case *c, double budget);

/* The reference of c at its own shape, with these weights and inputs. */
int reference_new(Reference **out, const Case *c, const WeightValues *values,
                  Taps taps, float *const *inputs);
void reference_free(Reference *r);

/* The same of another graph than the case's usual one: build makes it, of c
 * and of its definition.  Where that is more work than budget, and c is not its
 * own definition, spare (or NULL) runs it instead of "ref": then c is compared
 * with what it is as_written and composed on the same device. */
int reference_new_built(Reference **out, const Case *c,
                        const WeightValues *values, ReferenceBuild *build,
                        const void *arg, float *const *inputs, double budget,
                        Device *spare);

/* The worst error of these outputs, an array for each: over the output, or
 * over its floor where that is higher. */
double reference_error(const Reference *r, float *const *got);

/*
 * Gradients may be the difference of far larger numbers: of a batch norm over
 * two values, or of a norm over one pixel, which is 0.  Floats leave a rounding
 * of these, which is anything next to the difference.  So this runs the
 * reference once more, with every result moved by a rounding of its terms
 * (Op.terms), and gives each gradient a floor: what that has changed in it,
 * times factor.  A network that turns roundings into more than `most` of all
 * its gradients gets none: there nothing can be told.
 */
int reference_floors(Reference *r, double factor, double most);

/* The floor of output i of c, whose values are n numbers, at r's shape or at a
 * larger one: there it is as much of the output.  0 where there is none. */
double reference_floor(const Reference *r, const Case *c, int i,
                       const float *values, size_t n);

/*
 * How much the reference changes, at its worst output, when it is rounded to
 * dtype: weights, input and the result of every op.  For F32, where that is
 * nothing, when every weight and input is moved to its neighbour.
 */
int reference_moved(Reference *r, Dtype dtype, double *change);

/* The same when every weight and input is moved to its 32nd neighbour.  Of
 * gradients that need not be 32 times as much: it is a matter of chance whether
 * the corner of a ReLU is crossed. */
static const double REFERENCE_JUMP = 32;
int reference_jumped(Reference *r, double *change);

/* State that successive comparisons share. */
typedef struct Checker {
    Device *dev;     /* with the case's backend and threads; NULL: a new one */
    Reference **ref; /* kept for the next case, the caller's to free; or NULL */
    Hashes *hashes;  /* hashes of the weights files read so far, or NULL */
} Checker;

#endif
