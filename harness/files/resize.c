/*
 * resize.c - bilinear resizing, of bytes as PIL does it, and of maps.
 *
 * PIL computes in fixed point; a pixel whose exact value is near a half comes
 * out the same only if weights and sums are rounded where PIL rounds them.
 */
#include "harness/files/resize.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

enum {
    RESIZED = 256, /* of the shorter side ...       */
    CROPPED = 224, /* ... of which so much is taken */

    /* Bits after the point of a weight: a sum of bytes stays in 32. */
    POINT = 32 - 8 - 2,
};

static const double mean[3] = { 0.485, 0.456, 0.406 };
static const double deviation[3] = { 0.229, 0.224, 0.225 };

/* ---- bytes --------------------------------------------------------------- */

/* Part of a line of pixels that makes one pixel of the result. */
typedef struct Tap {
    int first, n;
    int32_t *weight; /* of 1 << POINT in all */
} Tap;

/* The triangle's weights for pixel i of n, made of `of`, into tap; real has
 * room for as many. */
static void find_weights(Tap *tap, double *real, int i, int n, int of)
{
    const double scale = (double)of / n, reach = fmax(scale, 1);
    const double centre = (i + 0.5) * scale, narrow = 1 / reach;
    const int first = (int)(centre - reach + 0.5);
    const int end = (int)(centre + reach + 0.5);
    double sum = 0;

    tap->first = first > 0 ? first : 0;
    tap->n = (end < of ? end : of) - tap->first;
    for (int k = 0; k < tap->n; k++) {
        const double at = (k + tap->first - centre + 0.5) * narrow;

        real[k] = fmax(1 - fabs(at), 0);
        sum += real[k];
    }
    for (int k = 0; k < tap->n; k++)
        tap->weight[k] =
            (int32_t)floor(real[k] * (1 / sum) * (1 << POINT) + 0.5);
}

/* Taps of all n pixels; *room is the memory behind them. */
static int make_taps(Tap **out, int32_t **room, int n, int of)
{
    const size_t most = (size_t)ceil(fmax((double)of / n, 1)) * 2 + 1;
    double *real = calloc(most, sizeof(*real));

    *out = calloc((size_t)n, sizeof(**out));
    *room = calloc((size_t)n * most, sizeof(**room));
    if (!real || !*out || !*room) {
        free(real);
        return fail(ERR_MEMORY, "no memory to resize %d pixels to %d", of, n);
    }
    for (int i = 0; i < n; i++) {
        (*out)[i].weight = *room + (size_t)i * most;
        find_weights(&(*out)[i], real, i, n, of);
    }
    free(real);
    return OK;
}

/* One byte: every step-th from in, weighted. */
static unsigned char weigh(const Tap *tap, const unsigned char *in, size_t step)
{
    int32_t sum = 1 << (POINT - 1);

    for (int k = 0; k < tap->n; k++)
        sum += tap->weight[k] * in[(size_t)(tap->first + k) * step];
    sum >>= POINT;
    return (unsigned char)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* in -> out, which differ in width, or in height, alone. */
static int resize_one_way(Image *out, const Image *in, bool rows)
{
    const int n = rows ? out->width : out->height;
    const int of = rows ? in->width : in->height;
    const size_t step = rows ? 3 : 3 * (size_t)in->width;
    Tap *taps;
    int32_t *room;
    const int err = make_taps(&taps, &room, n, of);

    for (int y = 0; !err && y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            for (int c = 0; c < 3; c++)
                image_at(out, x, y)[c] =
                    weigh(&taps[rows ? x : y],
                          image_at(in, rows ? 0 : x, rows ? y : 0) + c, step);
    free(room);
    free(taps);
    return err;
}

int image_resize(Image *out, const Image *in, int width, int height)
{
    Image wide;
    int err = image_new(&wide, width, in->height);

    *out = (Image){ 0 };
    if (!err)
        err = resize_one_way(&wide, in, true);
    if (!err)
        err = image_new(out, width, height);
    if (!err)
        err = resize_one_way(out, &wide, false);
    image_free(&wide);
    if (err)
        image_free(out);
    return err;
}

int image_crop(Image *out, const Image *in, int x, int y, int width, int height)
{
    BUG_IF(x < 0 || y < 0 || x + width > in->width || y + height > in->height);
    TRY(image_new(out, width, height));
    for (int i = 0; i < height; i++)
        memcpy(image_at(out, 0, i), image_at(in, x, y + i), (size_t)width * 3);
    return OK;
}

/* ---- a network's input --------------------------------------------------- */

/* Half of what is too much, rounded as Python does: a half to the even. */
static int margin(int have, int want)
{
    return (int)rint((have - want) / 2.0);
}

int image_view(Image *out, const Image *in, int height, int width)
{
    const int side = height > width ? height : width;
    const int to = (int)rint((double)side * RESIZED / CROPPED);
    const int shorter = in->width < in->height ? in->width : in->height;
    const long long w = (long long)to * in->width / shorter;
    const long long h = (long long)to * in->height / shorter;
    Image resized;
    int err;

    *out = (Image){ 0 };
    if (w * h > IMAGE_MAX_PIXELS)
        return fail(ERR_INPUT,
                    "%d x %d pixels are too narrow: resized to a shorter side "
                    "of %d they are %lld x %lld",
                    in->width, in->height, to, w, h);
    TRY(image_resize(&resized, in, (int)w, (int)h));
    err = image_crop(out, &resized, margin((int)w, width),
                     margin((int)h, height), width, height);
    image_free(&resized);
    return err;
}

void image_normalise(float *chw, const Image *view)
{
    const size_t pixels = (size_t)view->width * (size_t)view->height;

    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < pixels; i++)
            chw[c * pixels + i] =
                (float)((view->rgb[3 * i + c] / 255.0 - mean[c]) /
                        deviation[c]);
}

int image_denormalise(Image *out, const float *chw, int height, int width)
{
    const size_t pixels = (size_t)width * (size_t)height;

    TRY(image_new(out, width, height));
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < pixels; i++) {
            const double v = chw[c * pixels + i] * deviation[c] + mean[c];

            out->rgb[3 * i + c] =
                (unsigned char)lrint(255 * fmin(fmax(v, 0), 1));
        }
    return OK;
}

int image_input(float *chw, Image *view, const char *path, int height,
                int width)
{
    Image file, seen;
    int err;

    TRY(image_read(&file, path));
    err = image_view(&seen, &file, height, width);
    image_free(&file);
    if (err)
        return fail_within(err, "%s", path);
    image_normalise(chw, &seen);
    if (view)
        *view = seen;
    else
        image_free(&seen);
    return OK;
}

/* ---- maps ---------------------------------------------------------------- */

/* Between which two of n, and how far, pixel i of `of` lies. */
static void place(int i, int of, int n, int at[2], double *far)
{
    const double x = fmax((i + 0.5) * n / of - 0.5, 0);

    at[0] = (int)x < n - 1 ? (int)x : n - 1;
    at[1] = at[0] < n - 1 ? at[0] + 1 : n - 1;
    *far = x - at[0];
}

void map_upsample(float *out, int height, int width, const float *map, int h,
                  int w)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int row[2], column[2];
            double down, right, side[2];

            place(y, height, h, row, &down);
            place(x, width, w, column, &right);
            for (int k = 0; k < 2; k++)
                side[k] = (1 - right) * map[row[k] * w + column[0]] +
                          right * map[row[k] * w + column[1]];
            out[y * width + x] = (float)((1 - down) * side[0] + down * side[1]);
        }
}
