/*
 * kernel_cases_products.c - linear and matmul, for the table of kernel_cases.h
 *
 * Every way that a module multiplies, and what is one less and one more than a
 * tile.
 */
#include "tests/kernel_cases_rows.h"

/* Fields: groups, trans_a, trans_b, strip, scale. */
#define MATMUL(...) ATTR(MatmulAttr, __VA_ARGS__)

/* clang-format off */
const KernelCase products_cases[] = {
    /* linear */
    { &linear_def, { D(2,64), D(4,64), D(4) }, "SE's first layer" },
    { &linear_def, { D(2,4), D(64,4) }, "SE's second layer" },
    { &linear_def, { D(1,2048), D(1000,2048), D(1000) },
      "ResNet-50's classifier" },
    { &linear_def, { D(8,512), D(1000,512), D(1000) },
      "ResNet-18's classifier" },
    { &linear_def, { D(1,1), D(1,1) }, "smallest" },
    { &linear_def, { D(1,1), D(1,1), D(1) }, "smallest, bias" },
    { &linear_def, { D(3,17), D(5,17), D(5) }, "odd" },
    { &linear_def, { D(1,5), D(33,5) }, "one more than a vector" },
    { &linear_def, { D(5,100), D(3,100) }, "few outputs" },
    { &linear_def, { D(2,12,7), D(20,12), D(20) }, "a strip" },
    { &linear_def, { D(2,24,5,3), D(10,24), D(10) }, "a map" },
    { &linear_def, { D(1,96,7,7), D(96,96) }, "a map, wide" },
    { &linear_def, { D(2,40,157), D(48,40), D(48) }, "many rows" },

    { &linear_def, { D(32,40), D(7,40) }, "32 rows" },
    { &linear_def, { D(33,44), D(63,44), D(63) }, "33 rows" },
    { &linear_def, { D(64,127), D(64,127) }, "64 rows" },
    { &linear_def, { D(65,136), D(65,136), D(65) }, "65 rows" },
    { &linear_def, { D(5,256), D(3,256) }, "two packs a lane" },

    /* matmul */
    { &matmul_def, { D(2,64,8,8), D(2,64,8,8) },
      "SCSA's scores: q k^T", MATMUL(1, false, true, false, 0.125) },
    { &matmul_def, { D(2,64,8,8), D(2,64,8,8) },
      "the same, 4 heads", MATMUL(4, false, true, false, 0.25) },
    { &matmul_def, { D(2,64,14,14), D(2,64,14,14) },
      "many positions, 2 heads", MATMUL(2, false, true, false, 0.18) },
    { &matmul_def, { STACK(2,1,64,64), D(2,64,8,8) },
      "SCSA's values", MATMUL(1, false, false, true, 1) },
    { &matmul_def, { STACK(2,4,16,16), D(2,64,8,8) },
      "the same, 4 heads", MATMUL(4, false, false, true, 1) },
    { &matmul_def, { D(1,512,1,1), D(1,512,1,1) },
      "one position: an outer product", MATMUL(1, false, true, false, 0.044) },
    { &matmul_def, { D(2,64), D(2,64) },
      "AFGCA's outer product of vectors", MATMUL(1, false, true, false, 1) },
    { &matmul_def, { D(3,37), D(3,37) },
      "the same, odd", MATMUL(1, false, true, false, 1) },
    { &matmul_def, { D(2,64), D(2,64,49) },
      "EMA's rows: groups of two channels", MATMUL(32, true, false, true, 1) },
    { &matmul_def, { D(2,256), D(2,256,7,7) },
      "EMA's rows: groups of 8, a map", MATMUL(32, true, false, true, 1) },
    { &matmul_def, { D(1,32), D(1,32,5,5) },
      "EMA's rows: groups of one", MATMUL(32, true, false, true, 1) },
    { &matmul_def, { D(1,1), D(1,1) },
      "smallest", MATMUL(1, false, true, false, 1) },
    { &matmul_def, { D(1,6,5), D(1,6,7) },
      "a^T b: positions by positions", MATMUL(2, true, false, false, 1) },
    { &matmul_def, { D(1,6,3), D(1,6,3) },
      "a b: columns meet rows", MATMUL(2, false, false, false, -2) },
    { &matmul_def, { D(1,10,4), D(1,8,5) },
      "a^T b^T within groups", MATMUL(2, true, true, false, 1) },
    { &matmul_def, { STACK(2,3,5,7), STACK(2,3,7,4) },
      "two stacks", MATMUL(3, false, false, false, 1) },
    { &matmul_def, { STACK(2,3,7,5), STACK(2,3,7,4) },
      "two stacks, a^T", MATMUL(3, true, false, false, 1) },
    { &matmul_def, { STACK(2,3,5,7), STACK(2,3,4,7) },
      "two stacks, b^T", MATMUL(3, false, true, false, 1) },
    { &matmul_def, { STACK(1,2,7,5), STACK(1,2,4,7) },
      "two stacks, both transposed, strip", MATMUL(2, true, true, true, 1) },
    { &matmul_def, { D(2,10,9), STACK(2,2,9,3) },
      "a strip by a stack", MATMUL(2, false, false, false, 1) },
    { &matmul_def, { D(1,32,197), D(1,32,197) },
      "attention of tokens: q^T k", MATMUL(2, true, false, false, 0.25) },

    { &matmul_def, { STACK(1,1,63,31), STACK(1,1,31,63) },
      "one less than a tile, every way", MATMUL(1, false, false, false, 1) },
    { &matmul_def, { STACK(1,1,64,32), STACK(1,1,32,64) },
      "a tile", MATMUL(1, false, false, false, 1) },
    { &matmul_def, { STACK(1,1,65,33), STACK(1,1,33,65) },
      "one more than a tile", MATMUL(1, false, false, false, 1) },
    { &matmul_def, { STACK(2,1,128,128), D(2,128,1,1) },
      "SCSA's values at one position", MATMUL(1, false, false, true, 1) },
    { &matmul_def, { STACK(1,1,20,63), D(1,63) },
      "the same, sums of 63", MATMUL(1, false, false, true, 1) },
    { &matmul_def, { STACK(1,1,20,65), D(1,65) },
      "the same, sums of 65", MATMUL(1, false, false, true, 1) },
    { &matmul_def, { STACK(2,2,64,64), D(2,128,8) },
      "2 heads, 8 positions", MATMUL(2, false, false, true, 1) },
    { &matmul_def, { STACK(2,2,64,64), D(2,128,9) },
      "2 heads, 9 positions", MATMUL(2, false, false, true, 1) },
    { &matmul_def, { D(1,32,40,40), D(1,32,40,40) },
      "sums over 1600 positions", MATMUL(1, false, true, false, 0.2) },
    { &matmul_def, { D(2,72,7), D(2,72,7) },
      "8 heads of 9", MATMUL(8, false, true, false, 1) },
    { NULL }
};
/* clang-format on */
