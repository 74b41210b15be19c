/*
 * cam.h - numbers that describe a class activation map.
 *
 * All are shares, except the peak and the mean: a factor on the map does not
 * change them.
 * Knows no network: harness/attribution/cam.h makes the maps.
 */
#ifndef ANALYSIS_CAM_H
#define ANALYSIS_CAM_H

/* clang-format off */
#define CAM_NUMBERS_OF(X)                                                    \
    X(peak,    "highest value")                                              \
    X(peak_y,  "its place from the top, as a share of the height")           \
    X(peak_x,  "its place from the left, as a share of the width")           \
    X(mean,    "mean value")                                                 \
    X(kept,    "share of the map's absolute mass that ReLU kept")            \
    X(central, "share of the mass in the middle half of rows and columns; "  \
               "0.25 if it were flat")                                       \
    X(half_in, "smallest share of the map that holds half of the mass; 0.5 " \
               "if it were flat")
/* clang-format on */

typedef enum CamNumber {
#define X(id, help) CAM_##id,
    CAM_NUMBERS_OF(X)
#undef X
        CAM_NUMBERS
} CamNumber;

const char *cam_number_name(int i); /* NULL past the end */
const char *cam_number_help(int i);

/*
 * Measures the map (rows, columns) after a ReLU; map itself does not change.
 * If nothing is left, peak and mean are 0, and the rest is NAN but kept, which
 * is NAN only where the map was 0 before.
 */
int cam_numbers(double number[CAM_NUMBERS], const float *map, int rows,
                int columns);

#endif
