/*
 * pictures.h - image files made in a test, through the libraries.
 */
#ifndef TESTS_PICTURES_H
#define TESTS_PICTURES_H

#include <stdbool.h>

#include "harness/files/image.h"

/* Where a file of that name lies in the test's folder, until the next call. */
const char *picture_path(const char *name);

/* A picture of this formula at each pixel (x, y) and channel c. */
Image picture_make(int width, int height, int (*at)(int x, int y, int c));

/* Writes a JPEG of quality 100 without subsampling, all of one colour of 1, 3
 * or 4 components; space is libjpeg's. */
void picture_jpeg(const char *path, int width, int height, int components,
                  int space, const unsigned char *colour);

/* How a PNG's pixels are stored, which are the bytes of row in every row. */
typedef struct PngKind {
    int colour, bits; /* libpng's */
    bool interlaced;
    const unsigned char *row;
} PngKind;
void picture_png(const char *path, int width, int height, const PngKind *kind);

/* A PNG's head alone, which claims these sides. */
void picture_png_head(const char *path, int width, int height);

/* All bytes of a file, to be freed; and a file of these. */
unsigned char *picture_bytes(const char *path, size_t *n);
void picture_write(const char *path, const void *bytes, size_t n);

#endif
