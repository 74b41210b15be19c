/*
 * kernel_cases_one_position.c - maps of 1x1 with all that follows a
 * convolution, for the table of kernel_cases.h
 *
 * A library that is handed an addend of (1,C,1,1) has to tell a map of one
 * position from one number per channel, and one that is handed a bias and a
 * map of one channel likewise.  So every kind of convolution meets every bias,
 * addend and activation here, at batch 1 and 2, with channels below, at and
 * above a vector; and every operand of which some dims are 1.
 */
#include "tests/kernel_cases_rows.h"

/* Fields: stride, pad_h, pad_w, groups, shared, act. */
#define CONV(...) ATTR(Conv2dAttr, __VA_ARGS__)

/* Fields: h, w of the result, then those of CONV. */
#define GRAD(h, w, ...) ATTR(Conv2dGradAttr, { __VA_ARGS__ }, h, w)

/* Fields: groups, trans_a, trans_b, strip, scale. */
#define MATMUL(...) ATTR(MatmulAttr, __VA_ARGS__)

/* clang-format off */

/* Dims come in brackets; B and Z are D, or this for an operand left out. */
#define ABSENT(...) NONE

#define ACTS(x, w, B, b, Z, y, why, ...)                                     \
    { &conv2d_def, { D x, D w, B b, Z y }, why, CONV(__VA_ARGS__) },         \
    { &conv2d_def, { D x, D w, B b, Z y }, why ", relu",                     \
      CONV(__VA_ARGS__, .act = ACT_RELU) },                                  \
    { &conv2d_def, { D x, D w, B b, Z y }, why ", relu6",                    \
      CONV(__VA_ARGS__, .act = ACT_RELU6) }

/* All that graph_fold can put after a convolution of x to y. */
#define FOLLOWED(x, w, b, y, why, ...)                                       \
    ACTS(x, w, ABSENT, b, ABSENT, y, why, __VA_ARGS__),                      \
    ACTS(x, w, D, b, ABSENT, y, why ", bias", __VA_ARGS__),                  \
    ACTS(x, w, ABSENT, b, D, y, why ", addend", __VA_ARGS__),                \
    ACTS(x, w, D, b, D, y, why ", bias, addend", __VA_ARGS__)

/* N images of C channels, and of C2, twice as many, where groups have to have
 * two. */
#define KINDS(N, C, C2, C4, O)                                               \
    FOLLOWED((N,C,1,1), (C,1,3,3), (C), (N,C,1,1),                           \
             "1x1 map, depthwise 3x3", 1, 1, 1, C),                          \
    FOLLOWED((N,C,1,1), (C,1,1,1), (C), (N,C,1,1),                           \
             "1x1 map, depthwise 1x1", 1, 0, 0, C),                          \
    FOLLOWED((N,C,2,2), (C,1,3,3), (C), (N,C,1,1),                           \
             "2x2 to 1x1, depthwise, stride 2", 2, 1, 1, C),                 \
    FOLLOWED((N,C,1,1), (C2,1,3,3), (C2), (N,C2,1,1),                        \
             "1x1 map, two outputs a channel", 1, 1, 1, C),                  \
    FOLLOWED((N,C2,1,1), (C2,2,3,3), (C2), (N,C2,1,1),                       \
             "1x1 map, groups of two", 1, 1, 1, C),                          \
    FOLLOWED((N,C2,1,1), (4,2,1,1), (4), (N,C4,1,1),                         \
             "1x1 map, groups of two to 4, shared", 1, 0, 0, C, true),       \
    FOLLOWED((N,C,1,1), (O,C,1,1), (O), (N,O,1,1),                           \
             "1x1 map, dense 1x1", 1, 0, 0, 1),                              \
    FOLLOWED((N,C,2,2), (O,C,3,3), (O), (N,O,1,1),                           \
             "2x2 to 1x1, dense 3x3, stride 2", 2, 1, 1, 1)

/* Bias, addend and relu where other dims are 1. */
#define ALL_OF_IT(x, w, b, y, why, ...)                                      \
    { &conv2d_def, { D x, D w, D b, D y }, why,                              \
      CONV(__VA_ARGS__, .act = ACT_RELU) },                                  \
    { &conv2d_def, { D x, D w, NONE, D y }, why ", addend alone",            \
      CONV(__VA_ARGS__) }

#define LINEAR(N, I, O)                                                      \
    { &linear_def, { D(N,I), D(O,I) }, "few rows" },                         \
    { &linear_def, { D(N,I), D(O,I), D(O) }, "few rows, bias" },             \
    { &linear_def, { D(N,I,1,1), D(O,I), D(O) }, "1x1 map, bias" }

#define SCALED(N, C)                                                         \
    { &matmul_def, { D(N,C,1,1), D(N,C,1,1) },                               \
      "1x1 maps, scaled", MATMUL(1, false, true, false, 0.3) },              \
    { &matmul_def, { STACK(N,1,C,C), D(N,C,1,1) },                           \
      "values at one position, scaled", MATMUL(1, false, false, true, 0.3) }, \
    { &matmul_def, { STACK(N,C,1,1), STACK(N,C,1,1) },                       \
      "1x1 matrices, scaled", MATMUL(C, false, false, false, -2) }

/* The gradient of x as it is, and with all that graph_fold puts after it. */
#define GRAD_X(dy, w, x, why, ...)                                           \
    { &conv2d_grad_x_def, { D dy, D w }, why, GRAD(__VA_ARGS__) },           \
    { &conv2d_grad_x_def, { D dy, D w, D x }, why ", addend",                \
      GRAD(__VA_ARGS__) },                                                   \
    { &conv2d_grad_x_def, { D dy, D w, NONE, D x }, why ", before a relu",   \
      GRAD(__VA_ARGS__, .act = ACT_RELU) },                                  \
    { &conv2d_grad_x_def, { D dy, D w, D x, D x },                           \
      why ", addend, before a relu6", GRAD(__VA_ARGS__, .act = ACT_RELU6) }

#define GRADIENTS(N, C, O)                                                   \
    GRAD_X((N,C,1,1), (C,1,3,3), (N,C,1,1), "1x1 map, depthwise 3x3",        \
           1, 1, 1, 1, 1, C),                                                \
    GRAD_X((N,C,1,1), (C,1,3,3), (N,C,2,2),                                  \
           "1x1 of 2x2, depthwise, stride 2", 2, 2, 2, 1, 1, C),             \
    GRAD_X((N,O,1,1), (O,C,1,1), (N,C,1,1), "1x1 map, dense 1x1",            \
           1, 1, 1, 0, 0, 1),                                                \
    GRAD_X((N,O,1,1), (O,C,3,3), (N,C,2,2),                                  \
           "1x1 of 2x2, dense 3x3, stride 2", 2, 2, 2, 1, 1, 1),             \
    { &conv2d_grad_w_def, { D(N,C,1,1), D(N,C,1,1) },                        \
      "1x1 map, depthwise 3x3", GRAD(3, 3, 1, 1, 1, C) },                    \
    { &conv2d_grad_w_def, { D(N,C,1,1), D(N,O,1,1) },                        \
      "1x1 map, dense 1x1", GRAD(1, 1, 1, 0, 0, 1) },                        \
    { &conv2d_grad_w_def, { D(N,C,2,2), D(N,O,1,1) },                        \
      "2x2 to 1x1, dense 3x3, stride 2", GRAD(3, 3, 2, 1, 1, 1) }

const KernelCase one_position_cases[] = {
    KINDS(1, 3, 6, 12, 5),
    KINDS(2, 3, 6, 12, 5),
    KINDS(1, 17, 34, 68, 19),
    KINDS(2, 17, 34, 68, 19),
    KINDS(1, 48, 96, 192, 33),
    KINDS(2, 48, 96, 192, 33),

    ALL_OF_IT((1,17,1,5), (17,1,3,3), (17), (1,17,1,5),
              "a row, depthwise", 1, 1, 1, 17),
    ALL_OF_IT((1,48,5,1), (48,1,3,3), (48), (1,48,5,1),
              "a column, depthwise", 1, 1, 1, 48),
    ALL_OF_IT((1,48,2,2), (48,1,3,3), (48), (1,48,2,2),
              "2x2, depthwise", 1, 1, 1, 48),
    ALL_OF_IT((1,17,1,5), (33,17,1,1), (33), (1,33,1,5),
              "a row, dense", 1, 0, 0, 1),
    ALL_OF_IT((1,17,5,1), (33,17,3,3), (33), (1,33,5,1),
              "a column, dense", 1, 1, 1, 1),
    ALL_OF_IT((1,1,4,5), (1,1,3,3), (1), (1,1,4,5),
              "one channel, one image", 1, 1, 1, 1),
    ALL_OF_IT((2,1,4,5), (1,1,3,3), (1), (2,1,4,5),
              "one channel", 1, 1, 1, 1),
    ALL_OF_IT((1,17,4,5), (1,17,1,1), (1), (1,1,4,5),
              "17 channels to one", 1, 0, 0, 1),
    ALL_OF_IT((2,17,1,1), (1,17,1,1), (1), (2,1,1,1),
              "17 channels to one, 1x1 map", 1, 0, 0, 1),
    ALL_OF_IT((1,1,1,1), (17,1,1,1), (17), (1,17,1,1),
              "one number to 17", 1, 0, 0, 1),

    LINEAR(1, 17, 3),
    LINEAR(2, 17, 3),
    LINEAR(1, 48, 17),
    LINEAR(2, 48, 17),
    LINEAR(1, 3, 1),
    LINEAR(2, 3, 1),
    SCALED(1, 3),
    SCALED(2, 3),
    SCALED(1, 17),
    SCALED(2, 17),
    SCALED(1, 48),
    SCALED(2, 48),

    GRADIENTS(1, 3, 5),
    GRADIENTS(2, 3, 5),
    GRADIENTS(1, 17, 19),
    GRADIENTS(2, 17, 19),
    GRADIENTS(1, 48, 33),
    GRADIENTS(2, 48, 33),
    { NULL }
};
/* clang-format on */
