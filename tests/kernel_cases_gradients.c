/*
 * kernel_cases_gradients.c - what gradients are made of, for the table of
 * kernel_cases.h; convolutions apart
 *
 * Every form of broadcast and of its sum; norms of few and of many rows, since
 * those of a batch are norms of one image, and layer norms of images of one
 * position; maxima with ties, which zeros of a relu are.
 */
#include "tests/kernel_cases_rows.h"

#define DIM(dim)    ATTR(DimAttr, dim)
#define NORM(g)     ATTR(NormAttr, g, 1e-5)
#define NORM_W(...) ATTR(NormGradAttr, __VA_ARGS__, 1e-5)
#define POOL(...)   ATTR(PoolAttr, __VA_ARGS__)
#define SIZE(h, w)  ATTR(SizeAttr, h, w)
#define SLICE(...)  ATTR(SliceGradAttr, __VA_ARGS__)

/* Pool, then the size of x. */
#define AVG(k, stride, h, w) ATTR(PoolGradAttr, { k, stride, 0 }, h, w)

/* Heads, then map, window, shift. */
#define WIN(heads, ...) ATTR(WindowBiasGradAttr, { __VA_ARGS__ }, heads)

/* The dims of the result; expand: a factor first. */
#define DIMS_(...)                                    \
    {                                                 \
        sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), \
        {                                             \
            __VA_ARGS__                               \
        }                                             \
    }
#define TO(scale, ...) \
    ATTR(ExpandAttr, DIMS_(__VA_ARGS__), CHANNELS_LAST, scale)
#define TO_STACK(scale, ...) \
    ATTR(ExpandAttr, DIMS_(__VA_ARGS__), ROW_MAJOR, scale)
#define OF(...)       TO(1, __VA_ARGS__)
#define OF_STACK(...) TO_STACK(1, __VA_ARGS__)

/* clang-format off */

/* v: y or x; the same shapes for each. */
#define UNARY(op)                                                   \
    { &op, { D(2,64,14,14), D(2,64,14,14) }, "common" },            \
    { &op, { D(1,1,1,1), D(1,1,1,1) }, "smallest" },                \
    { &op, { D(3,5), D(3,5) }, "odd vectors" },                     \
    { &op, { D(1,17,7,3), D(1,17,7,3) }, "odd" },                   \
    { &op, { D(2,33,9), D(2,33,9) }, "a strip" },                   \
    { &op, { STACK(1,2,5,3), STACK(1,2,5,3) }, "a stack" },         \
    { &op, { D(1,33,37,29), D(1,33,37,29) }, "more than goes at once, odd" }

/* The sum of x alone, and of products. */
#define REDUCE(x, why, to)                                          \
    { &reduce_def, { x, NONE }, why, to },                          \
    { &reduce_def, { x, x }, "products: " why, to }

/* dx and dw of the same x and groups. */
#define GROUP_NORM(x, groups, weights, why)                                  \
    { &group_norm_grad_x_def, { x, x, D(weights) }, why, NORM(groups) },     \
    { &group_norm_grad_w_def, { x, x }, why, NORM_W(groups, weights) }

#define BATCH_NORM(x, C, why)                                                \
    { &batch_norm_grad_x_def, { x, D(C), D(C) }, why, NORM(1) },             \
    { &batch_norm_grad_w_def, { x, x, D(C), D(C) }, why, NORM(1) }

static const DctPoolGradAttr fca_top16 = {
    .dct = { .n = 16,
             .u = { 0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2 },
             .v = { 0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2 } },
    .h = 7, .w = 7,
};
static const DctPoolGradAttr fca_large = {
    .dct = { .n = 2, .u = { 0, 3 }, .v = { 1, 0 } }, .h = 41, .w = 37,
};
static const DctPoolGradAttr one_number = {
    .dct = { .n = 1, .u = { 0 }, .v = { 0 } }, .h = 1, .w = 1,
};
static const DctPoolGradAttr fca_odd = {
    .dct = { .n = 3, .u = { 0, 1, 2 }, .v = { 2, 0, 1 } }, .h = 5, .w = 3,
};

const KernelCase gradients_cases[] = {
    UNARY(relu_grad_def),
    UNARY(relu6_grad_def),
    UNARY(sigmoid_grad_def),
    UNARY(hard_swish_grad_def),
    UNARY(gelu_grad_def),

    /* expand, in the forms of mul's broadcast */
    { &expand_def, { D(2,64,14,14) }, "nothing but the factor",
      TO(-1.5, 2,64,14,14) },
    { &expand_def, { D(2,64) }, "a mean over positions", TO(0.25, 2,64,14,14) },
    { &expand_def, { D(2,64,1,1) }, "the same, as a map", TO(1, 2,64,14,14) },
    { &expand_def, { D(2,1,14,14) }, "a mean over channels",
      TO(0.25, 2,64,14,14) },
    { &expand_def, { D(2,64,9,1) }, "a number a row", TO(0.5, 2,64,9,14) },
    { &expand_def, { D(2,64,9) }, "the same, as a strip", TO(0.5, 2,64,9,14) },
    { &expand_def, { D(2,64,1,14) }, "a number a column", TO(0.5, 2,64,9,14) },
    { &expand_def, { D(2,32,7,7) }, "groups of two", TO(2, 2,64,7,7) },
    { &expand_def, { D(2,32,5) }, "groups of three and rows",
      TO(1, 2,96,5,3) },
    { &expand_def, { D(2,3,5,3) }, "groups of 16", TO(1, 2,48,5,3) },
    { &expand_def, { D(1,64) }, "a number a channel", TO(1, 2,64,7,7) },
    { &expand_def, { D(1) }, "one number", TO(0.125, 3,17,5,7) },
    { &expand_def, { D(3) }, "a number an image", TO(3, 3,17,5,7) },
    { &expand_def, { D(3,1) }, "the same, vectors", TO(3, 3,17) },
    { &expand_def, { D(3,17,1) }, "a strip", TO(0.5, 3,17,9) },
    { &expand_def, { D(1,17,5,7) }, "one map for all images",
      TO(1, 3,17,5,7) },
    { &expand_def, { D(3,1,5,1) }, "a number a row for all channels",
      TO(1, 3,17,5,7) },
    { &expand_def, { D(3,1,1,7) }, "a number a column for all channels",
      TO(1, 3,17,5,7) },
    { &expand_def, { D(2,21) }, "of a stack: the sum over its rows",
      TO(1, 2,21,5,7) },
    { &expand_def, { STACK(2,3,1,7) }, "a stack by rows",
      TO_STACK(1, 2,3,5,7) },
    { &expand_def, { STACK(2,3,5,1) }, "a stack by columns",
      TO_STACK(1, 2,3,5,7) },
    { &expand_def, { STACK(2,24,5,3) }, "stored across", TO(1, 2,24,5,3) },
    { &expand_def, { D(1,12,5,1) },
      "five dims: a number for 4 neighbours and a row", TO(1, 3,48,5,7) },
    { &expand_def, { D(1,1,1,1) }, "smallest", TO(1, 1,1,1,1) },
    { &expand_def, { D(2,33) }, "more than goes at once, odd",
      TO(1, 2,33,37,29) },

    /* reduce, in the same forms */
    REDUCE(D(2,64,14,14), "nothing to sum", OF(2,64,14,14)),
    REDUCE(D(2,64,14,14), "a gate a channel", OF(2,64)),
    REDUCE(D(2,64,14,14), "the same, as a map", OF(2,64,1,1)),
    REDUCE(D(2,64,14,14), "a gate a position", OF(2,1,14,14)),
    REDUCE(D(2,64,9,14), "a gate a row", OF(2,64,9,1)),
    REDUCE(D(2,64,9,14), "the same, as a strip", OF(2,64,9)),
    REDUCE(D(2,64,9,14), "a gate a column", OF(2,64,1,14)),
    REDUCE(D(2,64,7,7), "a gate a group of two", OF(2,32,7,7)),
    REDUCE(D(2,256,7,7), "a gate a group of eight", OF(2,32,7,7)),
    REDUCE(D(2,96,5,3), "a gate a group of three", OF(2,32)),
    REDUCE(D(2,96,5,3), "a gate a group and row", OF(2,32,5)),
    REDUCE(D(2,48,5,3), "a gate for 16 neighbours", OF(2,3,5,3)),
    REDUCE(D(2,64,7,7), "a number a channel", OF(1,64)),
    REDUCE(D(2,64,49), "strips to vectors", OF(2,64)),
    REDUCE(D(2,64,49), "strips to positions", OF(2,1,49)),
    REDUCE(D(2,64), "vectors to one", OF(1,64)),
    REDUCE(D(2,64), "vectors to a number an image", OF(2,1)),
    REDUCE(D(2,64), "vectors to a number", OF(1)),
    REDUCE(D(3,17,5,7), "a map to a number", OF(1)),
    REDUCE(D(3,17,5,7), "a map to a number an image", OF(3)),
    REDUCE(D(3,17,5,7), "odd, a gate a channel", OF(3,17)),
    REDUCE(D(3,17,5,7), "odd, a gate a position", OF(3,1,5,7)),
    REDUCE(D(3,17,5,7), "one map for all images", OF(1,17,5,7)),
    REDUCE(D(3,17,5,7), "one gate a position for all", OF(1,1,5,7)),
    REDUCE(D(3,17,5,7), "a gate a row for all channels", OF(3,1,5,1)),
    REDUCE(D(3,17,5,7), "a gate a row for all images and channels",
           OF(1,1,5,1)),
    REDUCE(D(3,17,5,7), "a gate a column for all channels", OF(3,1,1,7)),
    REDUCE(D(3,17,5,7), "a number a column", OF(1,1,1,7)),
    REDUCE(D(2,3,900), "SA's: three numbers, repeated", OF(1,3,1)),
    REDUCE(D(2,21,5,7), "rows and columns of maps", OF(2,21)),
    REDUCE(STACK(2,3,5,7), "equal stacks", OF_STACK(2,3,5,7)),
    REDUCE(STACK(2,3,5,7), "a stack by rows", OF_STACK(2,3,1,7)),
    REDUCE(STACK(2,3,5,7), "a stack by columns", OF_STACK(2,3,5,1)),
    REDUCE(STACK(3,4,49,49), "Swin's bias", OF_STACK(1,4,49,49)),
    REDUCE(D(2,24,5,3), "stored across", OF_STACK(2,24,5,3)),
    REDUCE(D(2,24,5,3), "stored across, a gate a group and column",
           OF_STACK(2,6,1,3)),
    REDUCE(STACK(2,24,5,3), "the other way", OF(2,24,5,1)),
    REDUCE(D(3,48,5,7), "five dims: a gate for 4 neighbours and a row",
           OF(1,12,5,1)),
    REDUCE(D(1,1,1,1), "smallest", OF(1,1,1,1)),
    REDUCE(D(1,64,40,41), "many rows to few numbers", OF(1,64)),
    REDUCE(D(2,33,37,29), "more than goes at once, odd", OF(1,33)),
    REDUCE(D(2,2056,5,5), "rows wider than a block", OF(1,2056)),
    REDUCE(D(3,2056,5,5), "the same, an image apart", OF(3,2056)),
    REDUCE(D(3,40,29,31), "wide: one map for all images", OF(1,40,29,31)),
    REDUCE(D(1,33,67,61), "one number of many", OF(1)),

    /* softmax_grad */
    { &softmax_grad_def, { STACK(2,1,64,64), STACK(2,1,64,64) },
      "SCSA's scores", DIM(3) },
    { &softmax_grad_def, { D(2,8,32), D(2,8,32) },
      "EMA's: over the channels of each group", DIM(1) },
    { &softmax_grad_def, { D(2,64), D(2,64) },
      "over the channels of vectors", DIM(1) },
    { &softmax_grad_def, { D(1,1), D(1,1) }, "smallest", DIM(1) },
    { &softmax_grad_def, { D(3,17,5,7), D(3,17,5,7) },
      "a map over channels", DIM(1) },
    { &softmax_grad_def, { D(3,17,5,7), D(3,17,5,7) },
      "a map over rows", DIM(2) },
    { &softmax_grad_def, { D(3,17,5,7), D(3,17,5,7) },
      "a map over columns", DIM(3) },
    { &softmax_grad_def, { D(3,4,3,3), D(3,4,3,3) },
      "a map over images", DIM(0) },
    { &softmax_grad_def, { D(2,33,9), D(2,33,9) },
      "a strip over positions", DIM(2) },
    { &softmax_grad_def, { STACK(1,3,5,7), STACK(1,3,5,7) },
      "a stack over rows", DIM(2) },
    { &softmax_grad_def, { D(1,1000), D(1,1000) }, "1000 classes", DIM(1) },
    { &softmax_grad_def, { D(3,5,300), D(3,5,300) },
      "many short ones", DIM(1) },
    { &softmax_grad_def, { D(3,16), D(3,16) },
      "the longest for a thread", DIM(1) },
    { &softmax_grad_def, { D(3,17), D(3,17) },
      "the shortest for a warp", DIM(1) },
    { &softmax_grad_def, { STACK(1,2,5,129), STACK(1,2,5,129) },
      "one more than a warp of packs", DIM(3) },
    { &softmax_grad_def, { STACK(3,4,49,49), STACK(3,4,49,49) },
      "Swin's", DIM(3) },

    /* norms */
    BATCH_NORM(D(2,64,14,14), 64, "common"),
    BATCH_NORM(D(1,1,1,1), 1, "smallest"),
    BATCH_NORM(D(3,5,7,3), 5, "odd"),
    BATCH_NORM(D(2,33,9), 33, "a strip"),
    BATCH_NORM(D(4,17), 17, "vectors"),
    BATCH_NORM(D(1,1024,2,2), 1024, "many channels"),
    BATCH_NORM(D(2,64,26,26), 64, "more rows than threads"),
    BATCH_NORM(D(2,33,20,20), 33, "the same, odd"),
    BATCH_NORM(D(3,2056,2,3), 2056, "a row wider than a block"),
    GROUP_NORM(D(1,520,5,5), 4, 520, "two groups of 130 are whole packs"),
    GROUP_NORM(D(1,64,392), 64, 64, "a batch norm of a batch"),
    GROUP_NORM(D(1,33,1073), 33, 33, "the same, odd"),
    GROUP_NORM(D(1,2056,9), 2056, 2056, "the same, wider than a block"),
    GROUP_NORM(D(98,96), 1, 96, "a layer norm: images of one position"),
    GROUP_NORM(D(37,33), 1, 33, "the same, odd"),
    GROUP_NORM(D(5,1027), 1, 1027, "the same, long"),
    GROUP_NORM(D(1,64,32,33), 1, 64, "one group, large"),
    GROUP_NORM(D(1,64,40,41), 64, 4, "a group a channel, large, 4 weights"),
    GROUP_NORM(D(1,20,59,61), 4, 20, "odd groups of 5, large"),
    GROUP_NORM(D(1,120,5,5), 40, 120, "40 groups of 3"),
    GROUP_NORM(D(2,2056,3,3), 1, 2056, "a group wider than a block"),
    GROUP_NORM(D(2,64,8,8), 1, 64, "SCSA's: one group"),
    GROUP_NORM(D(2,64,56), 4, 64, "SCSA's strips: 4 groups"),
    GROUP_NORM(D(2,64,28), 16, 64, "ELA's strips: 16 groups"),
    GROUP_NORM(D(2,256,7,7), 256, 8, "EMA's: a group a channel, 8 weights"),
    GROUP_NORM(D(1,128,5,3), 128, 1, "SA's: one weight"),
    GROUP_NORM(D(1,2,2,2), 1, 2, "small"),
    GROUP_NORM(D(3,15,7,5), 3, 15, "odd: groups of 5"),
    GROUP_NORM(D(2,34,9,1), 2, 17, "odd: groups of 17, weights of one"),
    GROUP_NORM(D(1,12,3,3), 2, 4, "weights that no group holds whole"),
    GROUP_NORM(D(3,20), 4, 20, "vectors"),
    GROUP_NORM(D(9,20), 4, 5, "vectors, weights of one group"),
    GROUP_NORM(D(20,64,7,3), 8, 64, "many images"),

    /* pools */
    { &avg_pool2d_grad_def, { D(2,64,8,8) }, "SCSA's", AVG(7,7, 56,56) },
    { &avg_pool2d_grad_def, { D(2,512,1,1) },
      "SCSA's, one window", AVG(7,7, 7,7) },
    { &avg_pool2d_grad_def, { D(1,17,2,1) },
      "odd: rows and columns left over", AVG(7,7, 15,13) },
    { &avg_pool2d_grad_def, { D(1,1,1,1) }, "smallest", AVG(1,1, 1,1) },
    { &avg_pool2d_grad_def, { D(3,5,7,4) }, "overlapping", AVG(3,1, 9,6) },
    { &avg_pool2d_grad_def, { D(2,33,5,4) },
      "overlapping, some left over", AVG(3,2, 12,10) },
    { &avg_pool2d_grad_def, { D(1,33,3,3) }, "gaps", AVG(2,3, 8,8) },
    { &avg_pool2d_grad_def, { D(1,264,3,1) },
      "33 packs of eight", AVG(5,2, 9,5) },
    { &max_pool2d_grad_def, { D(2,64,32,32), D(2,64,16,16) },
      "ResNet's", POOL(3,2,1) },
    { &max_pool2d_grad_def, { D(1,17,15,13), D(1,17,8,7) },
      "odd", POOL(3,2,1) },
    { &max_pool2d_grad_def, { D(1,1,1,1), D(1,1,1,1) },
      "smallest", POOL(1,1,0) },
    { &max_pool2d_grad_def, { D(2,5,1,1), D(2,5,1,1) },
      "mostly padding", POOL(3,2,1) },
    { &max_pool2d_grad_def, { D(3,33,7,9), D(3,33,3,4) },
      "no padding, some left over", POOL(2,2,0) },
    { &max_pool2d_grad_def, { D(1,8,9,9), D(1,8,9,9) },
      "overlapping", POOL(5,1,2) },
    { &max_pool2d_grad_def, { D(1,33,8,8), D(1,33,3,3) },
      "gaps", POOL(2,3,0) },
    { &max_pool2d_grad_def, { D(1,264,17,15), D(1,264,9,8) },
      "33 packs of eight", POOL(3,2,1) },
    { &max_pool2d_grad_def, { D(1,1,65,63), D(1,1,65,63) },
      "one channel", POOL(3,1,1) },
    { &adaptive_avg_pool2d_grad_def, { D(2,64,7,7) },
      "FCA's: uneven windows", SIZE(15,13) },
    { &adaptive_avg_pool2d_grad_def, { D(2,64,7,7) },
      "even windows", SIZE(14,14) },
    { &adaptive_avg_pool2d_grad_def, { D(1,5,1,1) }, "global", SIZE(9,9) },
    { &adaptive_avg_pool2d_grad_def, { D(1,17,6,5) },
      "its own size", SIZE(6,5) },
    { &adaptive_avg_pool2d_grad_def, { D(2,3,5,7) },
      "larger than the map", SIZE(2,3) },
    { &adaptive_avg_pool2d_grad_def, { D(1,1,1,1) }, "smallest", SIZE(1,1) },
    { &adaptive_avg_pool2d_grad_def, { D(2,40,1,2) },
      "few large windows", SIZE(37,41) },
    { &global_max_pool_grad_def, { D(2,64,56,56), D(2,64) }, "common" },
    { &global_max_pool_grad_def, { D(1,1,1,1), D(1,1) }, "smallest" },
    { &global_max_pool_grad_def, { D(3,17,7,5), D(3,17) }, "odd" },
    { &global_max_pool_grad_def, { D(2,33,13), D(2,33) }, "a strip" },
    { &global_max_pool_grad_def, { D(1,2056,7,7), D(1,2056) },
      "many channels" },
    { &global_max_pool_grad_def, { D(1,3,61,67), D(1,3) }, "few channels" },
    { &max_c_grad_def, { D(2,64,14,14), D(2,1,14,14) }, "common" },
    { &max_c_grad_def, { D(1,1,1,1), D(1,1,1,1) }, "smallest" },
    { &max_c_grad_def, { D(3,17,7,5), D(3,1,7,5) }, "odd" },
    { &max_c_grad_def, { D(2,5,7,5), D(2,1,7,5) }, "few channels" },
    { &max_c_grad_def, { D(1,2056,7,7), D(1,1,7,7) }, "many channels" },
    { &max_c_grad_def, { D(1,33,37,29), D(1,1,37,29) },
      "more than goes at once, odd" },
    { &dct_pool_grad_def, { D(2,64) }, "FCA's", &fca_top16 },
    { &dct_pool_grad_def, { D(1,66) }, "large, two frequencies", &fca_large },
    { &dct_pool_grad_def, { D(3,15) }, "odd", &fca_odd },
    { &dct_pool_grad_def, { D(1,1) }, "smallest", &one_number },

    /* moves */
    { &slice_grad_def, { D(2,16,56) }, "SCSA's second quarter",
      SLICE(1,16,64) },
    { &slice_grad_def, { D(2,64,14) }, "CA's second strip", SLICE(2,9,23) },
    { &slice_grad_def, { D(2,64,7,7) }, "SA's second half", SLICE(1,64,128) },
    { &slice_grad_def, { D(1,5,5,7) }, "odd channels", SLICE(1,3,17) },
    { &slice_grad_def, { D(3,17,3,7) }, "rows of maps", SLICE(2,1,5) },
    { &slice_grad_def, { D(3,17,5,1) }, "the last column", SLICE(3,6,7) },
    { &slice_grad_def, { D(2,17,5,7) }, "images", SLICE(0,1,3) },
    { &slice_grad_def, { D(3,2,77) }, "SA's second halves, of 4",
      SLICE(1,2,4) },
    { &slice_grad_def, { D(2,3,400) }, "a long run", SLICE(2,100,600) },
    { &slice_grad_def, { D(3,1) }, "one number of vectors", SLICE(1,4,5) },
    { &slice_grad_def, { D(1,1,1,1) }, "smallest", SLICE(1,0,1) },
    { &slice_grad_def, { D(2,64,7,7) }, "all of it", SLICE(1,0,64) },
    { &slice_grad_def, { STACK(2,3,5,4) }, "stacks", SLICE(3,2,7) },
    { &slice_grad_def, { D(2,8,5,3) }, "8 after 8 of 24", SLICE(1,8,24) },
    { &slice_grad_def, { D(2,9,5,3) }, "9 after 8 of 24", SLICE(1,8,24) },
    { &slice_grad_def, { D(1,63,41,57) }, "more than goes at once, odd",
      SLICE(1,1,65) },
    { &patch_split_def, { D(2,384,7,7) }, "Swin's", NULL },
    { &patch_split_def, { D(3,68,3,5) }, "odd channels", NULL },
    { &patch_split_def, { D(1,4,1,1) }, "smallest", NULL },
    { &patch_split_def, { D(2,528,13,17) }, "more than goes at once", NULL },
    { &window_bias_grad_def, { STACK(1,3,49,49) },
      "Swin's", WIN(3, 56,56, 7,7, 0,0) },
    { &window_bias_grad_def, { STACK(1,24,49,49) },
      "Swin's, shifted", WIN(6, 14,14, 7,7, 3,3) },
    { &window_bias_grad_def, { STACK(1,45,10,10) },
      "odd, shifts that differ", WIN(5, 6,15, 2,5, 1,4) },
    { &window_bias_grad_def, { STACK(1,3,12,12) },
      "one head, shifted across only", WIN(1, 9,4, 3,4, 0,2) },
    { &window_bias_grad_def, { STACK(1,1,1,1) },
      "smallest", WIN(1, 1,1, 1,1, 0,0) },
    { NULL }
};
/* clang-format on */
