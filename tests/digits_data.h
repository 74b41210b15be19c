/*
 * digits_data.h - 1,797 images of hand-written digits, in a fixed order.
 *
 * tests/digits/README.md says where they are from.
 */
#ifndef TESTS_DIGITS_DATA_H
#define TESTS_DIGITS_DATA_H

#include <stddef.h>

enum {
    DIGITS = 1797,
    DIGITS_TRAINING = 1437, /* those at the first places; 360 are for tests */
    DIGITS_SIDE = 16,       /* each pixel of an 8x8 image becomes 2x2 */
    DIGITS_PIXELS = DIGITS_SIDE * DIGITS_SIDE,
    DIGITS_CLASSES = 10,
};

/* 64 grey values of 0 to 16, row by row, and the digit. */
typedef struct Digit {
    unsigned char grey[64], digit;
} Digit;

/* All of them; the caller frees.  NULL: an error that says why. */
Digit *digits_load(void);

/* The image at a place of the order: neighbours in it are no neighbours in the
 * file, where images of one writer follow each other. */
const Digit *digits_at(const Digit *digits, int place);

/* It, as floats of 0 to 1, (1,DIGITS_SIDE,DIGITS_SIDE); its class as
 * probabilities. */
void digits_pixels(float *x, const Digit *digit);
void digits_target(float *target, const Digit *digit);

#endif
