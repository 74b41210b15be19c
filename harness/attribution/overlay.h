/*
 * overlay.h - maps as colours over a picture.
 *
 * The usual overlay adds picture and colours and then divides by its own
 * highest value, so that a colour means something else in every picture.
 * Here a pixel is half picture, half colour, always, and the colours' scale is
 * the caller's: the same in all pictures that are to be compared.
 */
#ifndef HARNESS_OVERLAY_H
#define HARNESS_OVERLAY_H

#include "harness/files/image.h"

/* The colour of t (0 to 1; beyond, as at the ends): from dark violet through
 * green to yellow.  Equal steps of t are equally far apart to the eye, and
 * lighter is more. */
void colour_at(unsigned char rgb[3], double t);

/* view with map (view's height and width) over it, of which scale is the
 * lightest colour; out is a new image.  A scale of 0 is all dark. */
int image_overlay(Image *out, const Image *view, const float *map,
                  double scale);

#endif
