/*
 * verify.h - is it right?  A case against the reference, and case files
 * (expected values that another program computed) against an implementation.
 *
 * The measure is the relative L2 error, |got - expected| / |expected|.
 */
#ifndef HARNESS_VERIFY_H
#define HARNESS_VERIFY_H

#include <stddef.h>

#include "harness/check/culprit.h"
#include "harness/check/reference.h"
#include "harness/network/case.h"
#include "kernels/core/graph.h"

/* The largest error with which c, a module or a backbone, is right in f32; and
 * one of its outputs, of which gradients may have larger ones. */
double verify_limit(const Case *c);
double verify_output_limit(const Case *c, const char *output);

/* NaN where got has one. */
double verify_error(const float *got, const float *expected, size_t n);

/* The same over floor where |expected| is less. */
double verify_error_beside(const float *got, const float *expected, size_t n,
                           double floor);

/*
 * Gives r the floors against which gradients of c in f32 are measured: 32
 * roundings of what each is the difference of, over verify_limit (see
 * reference_floors). verify_floor is that of one output of c, whose limit is
 * limit; 0 where it has none, and before r has any.
 */
int verify_floors(Reference *r, const Case *c);
double verify_floor(const Reference *r, const Case *c, int output,
                    double limit);

/*
 * Runs g, which has values, once on dev, or, if that is NULL, on c's backend
 * and threads; as a recording if c's state is graph.  values gets an array for
 * each output of g, in PyTorch's order; free each.
 */
int verify_run(float **values, Graph *g, const Case *c, Device *dev,
               float *const *inputs);

/*
 * The limit of c in its dtype.  Below f32 rounding decides: the reference,
 * with weights, input and the result of every op rounded to dtype, has some
 * error, and a kernel may have twice that.  ERR_UNSUPPORTED if it overflows.
 */
int verify_rounded_limit(Reference *r, const Case *c, double *limit);

/* Result of a comparison with the reference. */
typedef struct Comparison {
    double rel_l2; /* NaN before there is one                             */
    double limit;  /* verify_limit, or more where the case is sensitive   */
    char at[64];   /* the shape, "8x64x56x56"                             */
    char culprit[CULPRIT_TEXT]; /* of one that is wrong; "" if not known  */
} Comparison;

/*
 * Compares c with the definitions of its ops, as_written, composed and in f32,
 * on the same seeded weights and input: at c's own shape, or at the largest
 * that takes the reference at most budget (fewer images first, then, for a
 * module alone, a smaller map; a backbone runs at one image whatever that
 * costs).  VERIFY_BUDGET is about a second.  with may be NULL.
 *
 * Some cases amplify rounding: a softmax of large scores does.  Where the
 * error is beyond the limit, the reference runs again with every weight and
 * input moved to its neighbour in float, and the limit becomes 32 times what
 * that changes, but never above 1e-4, or 1e-2 for gradients; of these it may
 * also be what changes when all are moved to their 32nd neighbours.  A gradient
 * is measured against 32 roundings of the numbers that it is the difference of,
 * where these are more (reference_floors).
 */
static const double VERIFY_BUDGET = 8e9;
int verify_case(Comparison *out, const Case *c, double budget,
                const Checker *with);

/* The same for outputs of c that are there already, an array for each. */
int verify_outputs(Comparison *out, Reference *r, const Case *c,
                   float *const *got);

/* The floors against which another program's gradients are measured, in
 * *with->ref, which must be given. */
int verify_other_floors(const Case *c, const Checker *with);

/* The same for an error that c has elsewhere, as of another program: raises
 * limit where roundings make as much.  with->ref is wanted. */
int verify_other(double *limit, const Case *c, double rel_l2,
                 const Checker *with);

/* Result for one case file. */
typedef enum VerifyVerdict {
    VERIFY_PASSED,
    VERIFY_FAILED,
    VERIFY_SKIPPED,
    NVERDICTS,
} VerifyVerdict;

enum { VERIFY_OUTPUTS = 64, VERIFY_TEXT = 512 };

typedef struct Verified {
    VerifyVerdict verdict;
    char why[VERIFY_TEXT]; /* of a failure before the end, or a skip */
    double rel_l2, limit;  /* of the worst output; NaN if none       */
    int outputs;           /* as many are compared; these are listed: */
    struct {
        char name[MAX_NAME];
        double rel_l2, limit;
        bool beside_floor; /* rel_l2 is over more than the output */
    } output[VERIFY_OUTPUTS];
} Verified;

/*
 * Runs the case of a file, which says no more than the network, its seeds and
 * its module's settings, with the impl, graph, backend, dtype, pass and
 * threads of how (on dev, or, if that is NULL, on a device opened for it), and
 * compares every output that the file has; below f32 by verify_rounded_limit.
 * In f32 a gradient beyond its limit is measured against its floor, as
 * verify_case does.  With a pass that goes backwards, a file without gradients
 * is skipped.  Skipped is what this build does not have, failed is all else
 * that is not right. write, unless NULL, is a folder for what was computed: a
 * file of the same name.
 */
void verify_file(Verified *out, const char *path, const Case *how, Device *dev,
                 const char *write);

#endif
