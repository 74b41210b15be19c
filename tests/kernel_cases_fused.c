/*
 * kernel_cases_fused.c - the cases of fused ops, for the table of
 * kernel_cases.h
 *
 * SCSA: the four stages of ResNet-50, then one of everything, heads and
 * windows of every kind, maps that windows do not divide, filters longer than
 * a strip, and quarters of one channel up to more than a vector.
 */
#include "tests/kernel_cases_rows.h"

/* clang-format off */
/* x (N,C,H,W), the four k, window, heads. */
#define SCSA(n, c, h, w, k0, k1, k2, k3, window, heads, why)              \
    { &scsa_def,                                                          \
      { D(n, c, h, w), D((c) / 4, 1, k0), D((c) / 4, 1, k1),              \
        D((c) / 4, 1, k2), D((c) / 4, 1, k3), D((c) / 4), D((c) / 4),     \
        D((c) / 4), D((c) / 4), D(c), D(c), D(c), D(c), D(c), D(c),       \
        D(c, 1, 1, 1), D(c, 1, 1, 1), D(c, 1, 1, 1) },                    \
      why, &(const ScsaAttr){ { k0, k1, k2, k3 }, window, heads, 1e-5 } }

const KernelCase fused_cases[] = {
    /* the stages of ResNet-50 */
    SCSA(1,64,56,56, 3,5,7,9, 7, 1, "stage 1"),
    SCSA(2,128,28,28, 3,5,7,9, 7, 1, "stage 2"),
    SCSA(3,256,14,14, 3,5,7,9, 7, 1, "stage 3"),
    SCSA(2,512,7,7, 3,5,7,9, 7, 1, "stage 4"),
    SCSA(1,512,7,7, 3,5,7,9, 7, 8, "stage 4, one image, 8 heads"),

    /* channels */
    SCSA(1,4,1,1, 3,5,7,9, 1, 1, "smallest"),
    SCSA(2,4,7,9, 3,5,7,9, 7, 4, "quarters and heads of one channel"),
    SCSA(2,8,14,16, 3,5,7,9, 7, 2, "quarters of two channels"),
    SCSA(3,12,9,16, 3,5,7,9, 7, 1, "quarters of three channels"),
    SCSA(1,20,8,15, 3,5,7,9, 7, 2, "quarters of five channels"),
    SCSA(2,36,15,7, 3,5,7,9, 7, 4, "quarters of nine channels"),
    SCSA(1,68,7,8, 3,5,7,9, 7, 1, "one more than a vector a quarter"),
    SCSA(1,132,10,9, 3,5,7,9, 3, 2, "four more than eight vectors"),

    /* windows */
    SCSA(1,16,5,3, 3,5,7,9, 1, 1, "every position is a window"),
    SCSA(2,24,7,5, 3,5,7,9, 2, 2, "windows of 2, a row and column left over"),
    SCSA(1,32,14,24, 3,5,7,9, 5, 4, "windows of 5, rows, columns left over"),
    SCSA(2,40,9,13, 3,5,7,9, -1, 1, "the whole map is the window"),
    SCSA(1,64,15,17, 3,5,7,9, -1, 8, "the same, 8 heads"),
    SCSA(3,32,13,27, 3,5,7,9, 7, 2, "one row of windows"),
    SCSA(1,48,27,13, 3,5,7,9, 7, 4, "one column of windows"),
    SCSA(1,16,26,28, 3,5,7,9, 2, 1, "182 windows"),
    SCSA(2,96,20,16, 3,5,7,9, 1, 8, "320 windows, 8 heads"),

    /* filters */
    SCSA(2,16,9,11, 1,1,1,1, 7, 1, "filters of one tap"),
    SCSA(1,32,3,4, 5,7,9,11, 3, 2, "filters longer than the map"),
    SCSA(2,20,1,9, 11,9,3,1, 1, 1, "one row; filters in falling order"),
    SCSA(1,20,9,1, 1,11,3,5, 1, 5, "one column; filters in any order"),
    SCSA(1,8,12,8, 255,3,3,3, 4, 1, "the longest filter"),
    { NULL }
};
/* clang-format on */
