/*
 * erf_images.c - the images of a folder as the draws of a receptive field.
 */
#include "harness/attribution/erf_images.h"

#include <stdio.h>
#include <string.h>

#include "harness/files/resize.h"
#include "kernels/core/err.h"

static const char *draw_path(const ErfImages *images, int draw)
{
    return images->list.path[(long long)draw * images->list.n / images->draws];
}

/* A broken image is named before the first draw, not at its own. */
static int check_image(const char *path)
{
    Image image;

    TRY(image_read(&image, path));
    image_free(&image);
    return OK;
}

/* Hash of the contents of the draws' files, in order; names do not matter. */
static int hash_draws(char text[HASH_TEXT], const ErfImages *images)
{
    uint64_t all = HASH_START;

    for (int i = 0; i < images->draws; i++) {
        uint64_t h = HASH_START;

        TRY(hash_file(&h, draw_path(images, i)));
        TRY(check_image(draw_path(images, i)));
        all = hash_bytes(all, &h, sizeof(h));
    }
    hash_text(text, all);
    return OK;
}

int erf_images_open(ErfImages *out, const char *folder, int draws)
{
    int err;

    TRY(image_list(&out->list, folder));
    if (!draws)
        draws = out->list.n < ERF_DRAWS ? out->list.n : ERF_DRAWS;
    out->draws = draws;
    if (out->list.n < draws) {
        const int n = out->list.n;

        erf_images_close(out);
        return fail(ERR_INPUT,
                    "%s has %d images, too few for %d draws; give --draws=%d",
                    folder, n, draws, n);
    }
    err = hash_draws(out->hash, out);
    snprintf(out->about, sizeof(out->about),
             "images of %.200s (%d of %d, evenly, FNV-1a %s), as for "
             "evaluation on ImageNet",
             folder, draws, out->list.n, out->hash);
    if (err)
        erf_images_close(out);
    return err;
}

void erf_images_close(ErfImages *images)
{
    image_list_free(&images->list);
}

static int fill(void *arg, int draw, float *chw, const Case *c)
{
    if (c->channels != 3)
        return fail(ERR_INPUT, "images have 3 channels, but the input has %d",
                    c->channels);
    return image_input(chw, NULL, draw_path(arg, draw), c->height, c->width);
}

ErfInput erf_images_input(ErfImages *images)
{
    return (ErfInput){ fill, images, images->about, images->hash };
}
