/*
 * resize.h - a picture as a network's input, as torchvision's evaluation
 * transform makes it of a PIL image: the shorter side to 256 pixels, the
 * middle 224 x 224, each channel by ImageNet's mean and deviation.
 *
 * For an input of other sides than 224, 256 is replaced by what is in the same
 * proportion to the longer of them, rounded.
 */
#ifndef HARNESS_RESIZE_H
#define HARNESS_RESIZE_H

#include "harness/files/image.h"

/*
 * Bilinear, over as many pixels as become one (antialiased), first along rows,
 * then along columns, rounded to bytes after each: byte for byte what PIL's
 * resize(..., BILINEAR) gives.
 */
int image_resize(Image *out, const Image *in, int width, int height);

/* The part of in of out's size, which is no larger, from column x, row y. */
int image_crop(Image *out, const Image *in, int x, int y, int width,
               int height);

/* Resized and cropped to what a network sees; out is a new image. */
int image_view(Image *out, const Image *in, int height, int width);

/* (3,height,width) floats, of mean 0 and deviation 1 over ImageNet. */
void image_normalise(float *chw, const Image *view);

/* The picture that is nearest to such floats. */
int image_denormalise(Image *out, const float *chw, int height, int width);

/* All of it, from a file; view may be NULL. */
int image_input(float *chw, Image *view, const char *path, int height,
                int width);

/* Bilinear from (h,w) to (height,width), pixels as squares (PyTorch's
 * align_corners=False); beyond the outermost middles it is flat. */
void map_upsample(float *out, int height, int width, const float *map, int h,
                  int w);

#endif
