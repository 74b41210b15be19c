/*
 * overlay.c - a scale of colours, and what is drawn with it.
 *
 * The colours are a helix in OKLab (B. Ottosson, "A perceptual color space for
 * image processing", 2020), in which distance is how far two colours look
 * apart: lightness and hue grow evenly, and the chroma stays, so that all steps
 * are of one length.
 */
#include "harness/attribution/overlay.h"

#include <math.h>

#include "kernels/core/err.h"

static const double PI = 3.14159265358979323846;

/* The helix: from dark and violet to light and yellow, at a chroma that a
 * screen can show all the way. */
static const double DARK = 0.30, LIGHT = 0.90, CHROMA = 0.095;
static const double VIOLET = 300, YELLOW = 100; /* degrees */

static const double ALPHA = 0.5; /* of the colours */

/* Encodes linear light v for a screen (sRGB). */
static unsigned char screen(double v)
{
    const double c = fmin(fmax(v, 0), 1);

    return (unsigned char)lrint(
        255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * pow(c, 1 / 2.4) - 0.055));
}

void colour_at(unsigned char rgb[3], double t)
{
    const double at = t > 0 ? fmin(t, 1) : 0;
    const double L = DARK + (LIGHT - DARK) * at;
    const double hue = (VIOLET + (YELLOW - VIOLET) * at) * PI / 180;
    const double a = CHROMA * cos(hue), b = CHROMA * sin(hue);
    /* of long, medium and short waves */
    const double l = pow(L + 0.3963377774 * a + 0.2158037573 * b, 3);
    const double m = pow(L - 0.1055613458 * a - 0.0638541728 * b, 3);
    const double s = pow(L - 0.0894841775 * a - 1.2914855480 * b, 3);

    rgb[0] = screen(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
    rgb[1] = screen(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
    rgb[2] = screen(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s);
}

int image_overlay(Image *out, const Image *view, const float *map, double scale)
{
    TRY(image_new(out, view->width, view->height));
    for (int y = 0; y < view->height; y++)
        for (int x = 0; x < view->width; x++) {
            unsigned char colour[3];

            colour_at(colour, scale > 0 ? map[y * view->width + x] / scale : 0);
            for (int c = 0; c < 3; c++)
                image_at(out, x, y)[c] = (unsigned char)lrint(
                    (1 - ALPHA) * image_at(view, x, y)[c] + ALPHA * colour[c]);
        }
    return OK;
}
