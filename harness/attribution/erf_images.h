/*
 * erf_images.h - the images of a folder as the draws of a receptive field.
 */
#ifndef HARNESS_ERF_IMAGES_H
#define HARNESS_ERF_IMAGES_H

#include "harness/attribution/erf.h"
#include "harness/files/hash.h"
#include "harness/files/image.h"

typedef struct ErfImages {
    ImageList list; /* all of the folder's */
    int draws;
    char about[512];
    char hash[HASH_TEXT]; /* hash of the images' bytes */
} ErfImages;

/*
 * Picks one image of a folder per draw, in order, evenly spaced from the first
 * to the last: a folder sorted by class gives all classes equally. draws 0:
 * ERF_DRAWS of them, or all if they are fewer.  ERR_INPUT where there are
 * fewer than asked for.
 */
int erf_images_open(ErfImages *out, const char *folder, int draws);
void erf_images_close(ErfImages *images);

/* Fills draws with what a network sees of them (harness/files/resize.h); images
 * has to stay.  A draw fails with ERR_INPUT that names a file that is broken.
 */
ErfInput erf_images_input(ErfImages *images);

#endif
