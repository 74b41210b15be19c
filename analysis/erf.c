/*
 * erf.c - areas, spreads and their intervals.
 */
#include "analysis/erf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/draw.h"
#include "analysis/stats.h"
#include "kernels/core/err.h"

enum { RESAMPLES = 1000 };

/* Luo et al.: of the centre's value, the share of a Gaussian's mass that lies
 * more than two standard deviations off. */
static const double LUO_THRESHOLD = 1 - 0.9545;

const int erf_level[ERF_AREAS] = { 20, 30, 50, 68, 95, 99 };

static const struct {
    const char *name, *help;
} numbers[ERF_NUMBERS] = {
#define X(id, help) { #id, help },
    ERF_NUMBERS_OF(X)
#undef X
};

const char *erf_number_name(int i)
{
    return i >= 0 && i < ERF_NUMBERS ? numbers[i].name : NULL;
}

const char *erf_number_help(int i)
{
    return i >= 0 && i < ERF_NUMBERS ? numbers[i].help : NULL;
}

/* ---- squares ----------------------------------------------------------- */

/* Mass and pixels at each distance from the place: ring r is what the square
 * of that number has more than the one before it. */
typedef struct Rings {
    int n;
    double *mass, *pixels, total;
    double inner; /* half side of the first square: 0, or 1/2 */
} Rings;

/* How far pixel i is from a place, rounded down. */
static int distance(double place, int i)
{
    return (int)fabs(i - place);
}

static void rings_of(Rings *r, const ErfMap *m)
{
    const double rows = fmax(m->y, m->height - 1 - m->y);
    const double columns = fmax(m->x, m->width - 1 - m->x);
    int *across = malloc((size_t)m->width * sizeof(*across));
    const float *v = m->value;

    r->n = (int)ceil(fmax(rows, columns)) + 1;
    r->mass = calloc((size_t)r->n, sizeof(double));
    r->pixels = calloc((size_t)r->n, sizeof(double));
    BUG_IF(!r->mass || !r->pixels || !across);
    r->total = 0;
    r->inner = fmax(m->y - floor(m->y), m->x - floor(m->x));
    for (int j = 0; j < m->width; j++)
        across[j] = distance(m->x, j);
    for (int i = 0; i < m->height; i++) {
        const int down = distance(m->y, i);

        for (int j = 0; j < m->width; j++, v++) {
            const int at = down > across[j] ? down : across[j];

            r->mass[at] += *v;
            r->pixels[at]++;
        }
    }
    for (int i = 0; i < r->n; i++)
        r->total += r->mass[i];
    free(across);
}

static void rings_free(Rings *r)
{
    free(r->mass);
    free(r->pixels);
}

/* The last square holds all, so that every t < 1 is reached. */
static double square(const Rings *r, double t, double *half)
{
    double mass = 0, pixels = 0;

    for (int i = 0; i < r->n; i++) {
        mass += r->mass[i];
        pixels += r->pixels[i];
        *half = i + r->inner;
        if (mass > t * r->total)
            break;
    }
    return pixels;
}

double erf_square(const ErfMap *map, double t, double *half)
{
    double pixels;
    Rings r;

    rings_of(&r, map);
    pixels = square(&r, t, half);
    rings_free(&r);
    return pixels;
}

/* ---- numbers ----------------------------------------------------------- */

/* Mean of the one, two or four pixels that are nearest to the place. */
static double centre_value(const ErfMap *m)
{
    double sum = 0;
    int n = 0;

    for (int i = (int)floor(m->y); i <= (int)ceil(m->y); i++)
        for (int j = (int)floor(m->x); j <= (int)ceil(m->x); j++)
            if (i >= 0 && j >= 0 && i < m->height && j < m->width) {
                sum += m->value[(size_t)i * (size_t)m->width + (size_t)j];
                n++;
            }
    return n ? sum / n : 0;
}

typedef struct Moments {
    double mass, y, x, yy, xx; /* about the place */
    double entropy;            /* sum of v log v  */
    double above;              /* pixels, Luo's   */
} Moments;

static Moments moments_of(const ErfMap *m)
{
    const double threshold = LUO_THRESHOLD * centre_value(m);
    const float *v = m->value;
    Moments s = { 0 };

    for (int i = 0; i < m->height; i++) {
        const double y = i - m->y;
        double row = 0;

        for (int j = 0; j < m->width; j++, v++) {
            const double x = j - m->x;

            row += *v;
            s.x += *v * x;
            s.xx += *v * x * x;
            s.above += *v > threshold;
            if (*v > 0)
                s.entropy += *v * log(*v);
        }
        s.mass += row;
        s.y += row * y;
        s.yy += row * y * y;
    }
    return s;
}

void erf_numbers(double number[ERF_NUMBERS], const ErfMap *map)
{
    const double pixels = (double)map->height * map->width;
    const Moments s = moments_of(map);
    double half, y, x;
    Rings r;

    for (int i = 0; i < ERF_NUMBERS; i++)
        number[i] = NAN;
    if (!(s.mass > 0) || isinf(s.mass))
        return;
    rings_of(&r, map);
    for (int i = 0; i < ERF_AREAS; i++)
        number[ERF_area_20 + i] =
            square(&r, erf_level[i] / 100.0, &half) / pixels;
    rings_free(&r);
    y = s.y / s.mass;
    x = s.x / s.mass;
    number[ERF_luo_side] = sqrt(s.above);
    number[ERF_sigma_y] = sqrt(fmax(0, s.yy / s.mass - y * y));
    number[ERF_sigma_x] = sqrt(fmax(0, s.xx / s.mass - x * x));
    number[ERF_radius] = hypot(number[ERF_sigma_y], number[ERF_sigma_x]);
    number[ERF_entropy_area] = exp(log(s.mass) - s.entropy / s.mass) / pixels;
    number[ERF_offset_y] = y;
    number[ERF_offset_x] = x;
}

/* ---- intervals --------------------------------------------------------- */

static void apply_curve(float *map, size_t n, ErfCurve curve)
{
    float lo = INFINITY, hi = -INFINITY;

    for (size_t i = 0; i < n && curve == ERF_MIN_MAX; i++) {
        lo = fminf(lo, map[i]);
        hi = fmaxf(hi, map[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (curve == ERF_LOG)
            map[i] = log10f(map[i] + 1);
        else if (curve == ERF_MIN_MAX)
            map[i] = hi > lo ? (map[i] - lo) / (hi - lo) : 0;
}

/* Numbers of the mean in which draw i counts weight[i] times of n in all. */
static void numbers_of_mean(double number[ERF_NUMBERS], float *mean,
                            const ErfDraws *d, const int *weight)
{
    const size_t pixels = (size_t)d->shape.height * (size_t)d->shape.width;
    ErfMap map = d->shape;
    double share = 0;

    memset(mean, 0, pixels * sizeof(*mean));
    for (int k = 0; k < d->n; k++) {
        const float w = (float)weight[k] / (float)d->n;

        share += (d->mass_share ? d->mass_share[k] : 1) * weight[k] / d->n;
        for (size_t i = 0; i < pixels && weight[k]; i++)
            mean[i] += w * d->map[k][i];
    }
    apply_curve(mean, pixels, d->curve);
    map.value = mean;
    erf_numbers(number, &map);
    number[ERF_luo_ratio] = number[ERF_luo_side] / d->field;
    number[ERF_mass_share] = share;
}

static void resample(int *weight, int n, int which)
{
    uint64_t state = (uint64_t)which << 32;

    memset(weight, 0, (size_t)n * sizeof(*weight));
    for (int i = 0; i < n; i++)
        weight[draw_bits(&state) % (uint64_t)n]++;
}

/* values: ERF_NUMBERS rows of RESAMPLES. */
static int bootstrap(double *values, const ErfDraws *d)
{
    const size_t pixels = (size_t)d->shape.height * (size_t)d->shape.width;
    bool missing = false;

#pragma omp parallel reduction(|| : missing)
    {
        float *mean = malloc(pixels * sizeof(*mean));
        int *weight = malloc((size_t)d->n * sizeof(*weight));

        missing = !mean || !weight;
#pragma omp for
        for (int b = 0; b < RESAMPLES; b++) {
            double number[ERF_NUMBERS];

            if (missing)
                continue;
            resample(weight, d->n, b);
            numbers_of_mean(number, mean, d, weight);
            for (int i = 0; i < ERF_NUMBERS; i++)
                values[i * RESAMPLES + b] = number[i];
        }
        free(weight);
        free(mean);
    }
    return missing ? fail(ERR_MEMORY, "no memory for the mean of %d maps", d->n)
                   : OK;
}

int erf_estimate(ErfEstimate out[ERF_NUMBERS], float *mean,
                 const ErfDraws *draws)
{
    double *values = malloc(sizeof(double) * ERF_NUMBERS * RESAMPLES);
    int *once = malloc((size_t)draws->n * sizeof(*once));
    double number[ERF_NUMBERS];
    int err = OK;

    if (!values || !once) {
        err = fail(ERR_MEMORY, "no memory for %d draws", draws->n);
        goto out;
    }
    for (int i = 0; i < draws->n; i++)
        once[i] = 1;
    if (draws->n > 1)
        err = bootstrap(values, draws);
    if (err)
        goto out;
    numbers_of_mean(number, mean, draws, once);
    for (int i = 0; i < ERF_NUMBERS; i++) {
        out[i] = (ErfEstimate){ number[i], NAN, NAN };
        if (draws->n > 1)
            bootstrap_interval(values + (size_t)i * RESAMPLES, RESAMPLES,
                               draws->n, &out[i].lo, &out[i].hi);
    }
out:
    free(once);
    free(values);
    return err;
}
