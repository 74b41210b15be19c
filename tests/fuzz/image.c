/*
 * image.c - a picture from a file, as a network's input and enlarged.
 */
#include "harness/files/image.h"

#include "harness/files/resize.h"
#include "kernels/core/err.h"
#include "tests/fuzz/fuzz.h"

enum { HEIGHT = 24, WIDTH = 32 };

void fuzz_image(const uint8_t *data, size_t n)
{
    static float chw[3 * HEIGHT * WIDTH];
    const char *path = fuzz_file("picture", data, n);
    Image view = { 0 }, larger = { 0 };

    if (image_input(chw, &view, path, HEIGHT, WIDTH) != OK)
        return;
    if (image_resize(&larger, &view, 2 * WIDTH, 1) == OK)
        image_free(&larger);
    image_free(&view);
}
