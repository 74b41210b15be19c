/*
 * digits_data.c - 1,797 images of hand-written digits, in a fixed order.
 */
#include "tests/digits_data.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/err.h"

enum {
    STRIDE = 1111, /* has no divisor in common with DIGITS */
    SIDE = 8,
    WHITE = 16,
};

static const char path[] = "tests/digits/digits.bin";

Digit *digits_load(void)
{
    FILE *f = fopen(path, "rb");
    Digit *digits = malloc(DIGITS * sizeof(*digits));
    size_t n = 0;

    BUG_IF(!digits);
    if (f) {
        n = fread(digits, sizeof(*digits), DIGITS, f);
        fclose(f);
    }
    if (n == DIGITS)
        return digits;
    fail(ERR_INPUT,
         "%s holds %zu images, not %d: run from the root of the "
         "repository",
         path, n, DIGITS);
    free(digits);
    return NULL;
}

const Digit *digits_at(const Digit *digits, int place)
{
    return &digits[(long)place * STRIDE % DIGITS];
}

void digits_pixels(float *x, const Digit *digit)
{
    for (int h = 0; h < DIGITS_SIDE; h++)
        for (int w = 0; w < DIGITS_SIDE; w++)
            x[h * DIGITS_SIDE + w] =
                (float)digit->grey[h / 2 * SIDE + w / 2] / WHITE;
}

void digits_target(float *target, const Digit *digit)
{
    for (int k = 0; k < DIGITS_CLASSES; k++)
        target[k] = k == digit->digit;
}
