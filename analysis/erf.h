/*
 * erf.h - numbers that describe an effective receptive field.
 *
 * A map holds, for each pixel of the input, how strongly a unit of the network
 * responds to it: the gradient of that unit, made positive.  All numbers are
 * computed from linear data, so that a factor on the gradient does not change
 * them, unless a curve is asked for.  Knows no network:
 * harness/attribution/erf.h makes the maps.
 *
 * Source: W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the Effective
 * Receptive Field in Deep Convolutional Neural Networks", NeurIPS 2016; the
 * areas are those of X. Ding et al., "Scaling Up Your Kernels to 31x31",
 * CVPR 2022.
 */
#ifndef ANALYSIS_ERF_H
#define ANALYSIS_ERF_H

typedef struct ErfMap {
    int height, width;
    double y, x;        /* the unit's own place, in pixels from the first, a
                           whole number or a half: what is "centred" is there */
    const float *value; /* none negative                                     */
} ErfMap;

/*
 * area_t: the smallest square about the unit's place, of 1, 3, 5, ... (or 2, 4,
 * 6, ...) pixels a side, that holds more than t % of the mass; as the share of
 * the input that it covers.
 */
/* clang-format off */
#define ERF_NUMBERS_OF(X)                                                      \
    X(area_20,      "share of the input that holds 20 % of the mass")          \
    X(area_30,      "... 30 %")                                                \
    X(area_50,      "... 50 %")                                                \
    X(area_68,      "... 68 %")                                                \
    X(area_95,      "... 95 %")                                                \
    X(area_99,      "... 99 %")                                                \
    X(luo_side,     "root of the pixels above 4.55 % of the centre's value")   \
    X(luo_ratio,    "luo_side over the theoretical field within the input")    \
    X(radius,       "radius of gyration about the centroid, pixels")           \
    X(sigma_y,      "vertical standard deviation about the centroid, pixels")  \
    X(sigma_x,      "horizontal, pixels")                                      \
    X(entropy_area, "exp of the entropy: pixels in use, as a share of all")    \
    X(offset_y,     "centroid below the unit's place, pixels")                 \
    X(offset_x,     "centroid right of the unit's place, pixels")              \
    X(mass_share,   "mass of this part over that of all parts")
/* clang-format on */

typedef enum ErfNumber {
#define X(id, help) ERF_##id,
    ERF_NUMBERS_OF(X)
#undef X
        ERF_NUMBERS
} ErfNumber;

const char *erf_number_name(int i); /* NULL past the end */
const char *erf_number_help(int i);

/* The levels of the areas, in per cent, smallest first. */
enum { ERF_AREAS = 6 };
extern const int erf_level[ERF_AREAS];

/*
 * All numbers of a map except luo_ratio and mass_share, which do not follow
 * from the map: these are NAN, as are all numbers of a map without mass.
 */
void erf_numbers(double number[ERF_NUMBERS], const ErfMap *map);

/* How much of the input the square about the unit's place that holds more than
 * the share t of the mass covers, in pixels; and its half side, from the
 * place to the middle of its outermost pixels. */
double erf_square(const ErfMap *map, double t, double *half);

/* Transform of the mean map before it is measured. */
typedef enum ErfCurve {
    ERF_LINEAR,
    ERF_LOG,     /* log10(x + 1): depends on every factor       */
    ERF_MIN_MAX, /* (x - min) / (max - min): drops the pedestal */
} ErfCurve;

/* Draws of one map: n observations that are independent of each other. */
typedef struct ErfDraws {
    int n;
    ErfMap shape;             /* value is not read */
    float *const *map;        /* n maps            */
    const double *mass_share; /* of each; NULL: 1 */
    double field; /* side of the theoretical field within the input */
    ErfCurve curve;
} ErfDraws;

typedef struct ErfEstimate {
    double value, lo, hi; /* 95 % interval; NAN if n < 2 */
} ErfEstimate;

/*
 * The numbers of the mean of all draws, after the curve, into mean (height *
 * width), with their intervals over the draws: bootstrap, expanded percentile
 * (bootstrap_interval).  The same draws give the same intervals.
 */
int erf_estimate(ErfEstimate out[ERF_NUMBERS], float *mean,
                 const ErfDraws *draws);

#endif
