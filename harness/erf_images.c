/*
 * erf_images.c - the images of a folder as the draws of a receptive field.
 */
#include "harness/erf_images.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/resize.h"
#include "kernels/core/err.h"

static const char *draw_path(const ErfImages *images, int draw)
{
    return images->list.path[(long long)draw * images->list.n / images->draws];
}

/* Of the names below the folder, so that another place changes nothing. */
static uint64_t hash_names(const ErfImages *images, const char *folder)
{
    const size_t below = strlen(folder);
    uint64_t h = 0xCBF29CE484222325u;

    for (int i = 0; i < images->draws; i++) {
        const char *c = draw_path(images, i) + below;

        do /* FNV-1a, the end of each name included */
            h = (h ^ (unsigned char)*c) * 0x100000001B3u;
        while (*c++);
    }
    return h;
}

int erf_images_open(ErfImages *out, const char *folder, int draws)
{
    out->draws = draws;
    TRY(image_list(&out->list, folder));
    if (out->list.n < draws) {
        const int n = out->list.n;

        erf_images_close(out);
        return fail(ERR_INPUT,
                    "%s has %d images, and %d draws want one each: give "
                    "--draws=%d",
                    folder, n, draws, n);
    }
    snprintf(out->about, sizeof(out->about),
             "images of %.200s (%d, FNV-1a of their names %016" PRIx64
             "), evenly, as for evaluation on ImageNet",
             folder, out->list.n, hash_names(out, folder));
    return OK;
}

void erf_images_close(ErfImages *images)
{
    image_list_free(&images->list);
}

static int fill(void *arg, int draw, float *chw, const Case *c)
{
    if (c->channels != 3)
        return fail(ERR_INPUT, "an image has 3 channels, and the input has %d",
                    c->channels);
    return image_input(chw, NULL, draw_path(arg, draw), c->height, c->width);
}

ErfInput erf_images_input(ErfImages *images)
{
    return (ErfInput){ fill, images, images->about };
}
