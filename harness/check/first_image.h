/*
 * first_image.h - what erf and cam show, compared with the definition once.
 *
 * Both take gradients of graphs of their own, of many draws or of one picture.
 * One image of the first run is compared with the definition: as_written,
 * composed, in form=train, run by "ref".
 */
#ifndef HARNESS_FIRST_IMAGE_H
#define HARNESS_FIRST_IMAGE_H

#include "harness/check/verify.h"
#include "kernels/core/plan.h"

typedef struct FirstImage {
    const Case *c;              /* whatever its batch               */
    const WeightValues *values; /* as g was given                   */
    ReferenceBuild *build;
    const void *arg;
    float *const *inputs; /* of one image, in the order of g  */
    const Graph *g;
    Plan *plan; /* of g; it has run */
    Device *dev;
} FirstImage;

/*
 * Compares the first image of every output.  ERR_DEVICE where one is wrong,
 * with the step that differs most.  Where roundings alone make as much (see
 * verify_case), nothing can be concluded, and out->limit is infinite.  Where
 * the definition takes more than about two seconds, and c is not as_written and
 * composed itself, c's own device runs that in its place, and no step is named.
 */
int first_image_check(Comparison *out, const FirstImage *ask);

#endif
