/*
 * kernel_cases_windows.c - Swin's ops, for the table of kernel_cases.h
 *
 * The shapes of Swin-T; windows and shifts that differ down and across; and for
 * the attention, positions and channels of a head below, at and above vectors,
 * panels and tiles of rows, and windows masked in all ways.
 */
#include "tests/kernel_cases_rows.h"

/* Map, window, shift. */
#define WIN(...) ATTR(WindowAttr, __VA_ARGS__)

/* clang-format off */
/* Map (N,C,H,W); window, shift, heads. */
#define WINDOWS(n, c, H, W, wh, ww, sh, sw, heads, why)                   \
    { &window_attention_def,                                              \
      { D(n, 3 * (c), H, W), D((2 * (wh)-1) * (2 * (ww)-1), heads) },     \
      why,                                                                \
      &(const WindowAttentionAttr){ { H, W, wh, ww, sh, sw }, heads } }

const KernelCase windows_cases[] = {
    /* window_partition, window_reverse, window_bias, patch_merge */
    { &window_partition_def, { D(2,96,14,14) },
      "Swin's, shifted", WIN(14, 14, 7, 7, 3, 3) },
    { &window_partition_def, { D(3,32,7,7) },
      "one window", WIN(7, 7, 7, 7, 0, 0) },
    { &window_partition_def, { D(2,17,6,15) },
      "odd channels, shifts that differ", WIN(6, 15, 2, 5, 1, 4) },
    { &window_partition_def, { D(1,6,9,4) },
      "shifted across only", WIN(9, 4, 3, 4, 0, 2) },
    { &window_partition_def, { D(1,1,1,1) },
      "smallest", WIN(1, 1, 1, 1, 0, 0) },
    { &window_partition_def, { D(2,66,42,35) },
      "more than goes at once", WIN(42, 35, 7, 7, 3, 3) },
    { &window_reverse_def, { D(8,96,7,7) },
      "Swin's, shifted", WIN(14, 14, 7, 7, 3, 3) },
    { &window_reverse_def, { D(3,32,7,7) },
      "one window", WIN(7, 7, 7, 7, 0, 0) },
    { &window_reverse_def, { D(18,17,2,5) },
      "odd channels, shifts that differ", WIN(6, 15, 2, 5, 1, 4) },
    { &window_reverse_def, { D(3,6,3,4) },
      "shifted across only", WIN(9, 4, 3, 4, 0, 2) },
    { &window_reverse_def, { D(1,1,1,1) },
      "smallest", WIN(1, 1, 1, 1, 0, 0) },
    { &window_reverse_def, { D(60,66,7,7) },
      "more than goes at once", WIN(42, 35, 7, 7, 3, 3) },
    { &window_bias_def, { D(169,3) },
      "Swin's", WIN(56, 56, 7, 7, 0, 0) },
    { &window_bias_def, { D(169,6) },
      "Swin's, shifted", WIN(14, 14, 7, 7, 3, 3) },
    { &window_bias_def, { D(27,5) },
      "odd, shifts that differ", WIN(6, 15, 2, 5, 1, 4) },
    { &window_bias_def, { D(35,1) },
      "one head, shifted across only", WIN(9, 4, 3, 4, 0, 2) },
    { &window_bias_def, { D(1,1) },
      "smallest", WIN(1, 1, 1, 1, 0, 0) },
    { &patch_merge_def, { D(2,96,14,14) }, "Swin's", NULL },
    { &patch_merge_def, { D(3,17,6,10) }, "odd channels", NULL },
    { &patch_merge_def, { D(1,1,2,2) }, "smallest", NULL },
    { &patch_merge_def, { D(2,132,26,34) }, "more than goes at once", NULL },

    /* window_attention */
    WINDOWS(1,96,56,56, 7,7, 0,0, 3, "stage 1"),
    WINDOWS(2,192,28,28, 7,7, 3,3, 6, "stage 2, shifted"),
    WINDOWS(1,384,14,14, 7,7, 3,3, 12, "stage 3, shifted"),
    WINDOWS(2,768,7,7, 7,7, 0,0, 24, "stage 4, one window"),
    WINDOWS(1,1,1,1, 1,1, 0,0, 1, "smallest window"),
    WINDOWS(3,5,2,3, 1,1, 0,0, 5, "windows of one position, heads of one"),
    WINDOWS(2,14,6,4, 3,2, 1,1, 2, "heads of 7, a vector of positions or less"),
    WINDOWS(1,34,8,12, 4,4, 2,1, 2, "heads of 17, 16 positions"),
    WINDOWS(2,32,9,10, 3,5, 2,0, 2, "heads of 16, shifted down only"),
    WINDOWS(1,62,8,21, 4,7, 0,6, 2, "heads of 31, shifted across only"),
    WINDOWS(1,33,7,14, 7,7, 0,3, 1, "a map one window high"),
    WINDOWS(1,96,16,16, 8,8, 7,1, 3, "64 positions"),
    WINDOWS(1,65,5,13, 5,13, 2,6, 1, "65 positions and channels, one window"),
    WINDOWS(1,140,24,12, 12,12, 6,6, 2, "144 positions, heads of 70"),
    WINDOWS(2,32,3,8, 3,4, 0,0, 4, "heads of 8, tensor cores' fewest"),
    WINDOWS(1,48,10,6, 5,3, 2,1, 3, "heads of 16, 15 positions, masked"),
    WINDOWS(1,48,12,14, 6,7, 5,3, 2, "heads of 24, 42 positions, masked"),
    WINDOWS(1,64,14,8, 7,8, 1,0, 2, "56 positions: 7 tiles of keys, all used"),
    WINDOWS(1,32,19,6, 19,3, 0,1, 1, "57 positions: 8 tiles of keys"),
    WINDOWS(1,32,64,2, 64,1, 32,0, 1, "windows of one column, shifted by half"),
    WINDOWS(24,32,14,14, 7,7, 3,3, 1, "more windows than blocks at once"),
    { NULL }
};
/* clang-format on */
