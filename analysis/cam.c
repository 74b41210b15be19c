/*
 * cam.c - numbers that describe a class activation map.
 */
#include "analysis/cam.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/core/err.h"

const char *cam_number_name(int i)
{
    static const char *const names[] = {
#define X(id, help) #id,
        CAM_NUMBERS_OF(X)
#undef X
    };

    return i >= 0 && i < CAM_NUMBERS ? names[i] : NULL;
}

const char *cam_number_help(int i)
{
    static const char *const helps[] = {
#define X(id, help) help,
        CAM_NUMBERS_OF(X)
#undef X
    };

    return i >= 0 && i < CAM_NUMBERS ? helps[i] : NULL;
}

static double positive(float v)
{
    return v > 0 ? v : 0;
}

/* How much of row i of n lies in the middle half. */
static double in_middle(int i, int n)
{
    const double from = fmax(i, n / 4.0), to = fmin(i + 1, 3 * n / 4.0);

    return fmax(to - from, 0);
}

static int falling(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* The share of n values, the highest first, that comes to half of mass; of the
 * last only as much as is needed. */
static double half_in(double *value, int n, double mass)
{
    double left = mass / 2;
    int i = 0;

    qsort(value, (size_t)n, sizeof(*value), falling);
    while (i < n - 1 && value[i] < left)
        left -= value[i++];
    return (i + left / value[i]) / n;
}

int cam_numbers(double number[CAM_NUMBERS], const float *map, int rows,
                int columns)
{
    const int n = rows * columns;
    double mass = 0, absolute = 0, central = 0;
    double *value = malloc((size_t)n * sizeof(*value));
    int peak = 0;

    BUG_IF(n < 1);
    if (!value)
        return fail(ERR_MEMORY, "no memory for a map of %d numbers", n);
    for (int i = 0; i < n; i++) {
        value[i] = positive(map[i]);
        mass += value[i];
        absolute += fabs((double)map[i]);
        central += value[i] * in_middle(i / columns, rows) *
                   in_middle(i % columns, columns);
        if (value[i] > value[peak])
            peak = i;
    }
    number[CAM_peak] = value[peak];
    number[CAM_mean] = mass / n;
    number[CAM_kept] = mass / absolute;
    number[CAM_central] = central / mass;
    number[CAM_peak_y] = mass > 0 ? (peak / columns + 0.5) / rows : NAN;
    number[CAM_peak_x] = mass > 0 ? (peak % columns + 0.5) / columns : NAN;
    number[CAM_half_in] = mass > 0 ? half_in(value, n, mass) : NAN;
    free(value);
    return OK;
}
