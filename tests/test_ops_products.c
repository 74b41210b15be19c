/*
 * test_ops_products.c - conv2d, dwconv1d, linear, matmul and sum_rows: what
 * follows from their equations.
 */
#include <math.h>
#include <stdlib.h>

#include "tests/eval.h"
#include "tests/test.h"

static const double TOL = 1e-6;

static Tensor *map(Graph *g, int N, int C, int H, int W)
{
    return graph_input(g, "x", DIMS(N, C, H, W));
}

static Tensor *channels(Graph *g, Tensor *x, int begin, int count)
{
    return op_slice(g, x, 1, begin, count);
}

TEST(conv2d, delta_kernel_is_identity)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 5, 4, 3);
    Tensor *w = eval_constant(g, "w", DIMS(5, 5, 3, 3), 0);

    for (int c = 0; c < 5; c++)
        w->host[(c * 5 + c) * 9 + 4] = 1;
    CHECK_SAME(
        g, op_conv2d(g, x, w, NULL, &(Conv2dAttr){ .pad_h = 1, .pad_w = 1 }), x,
        0);
    graph_free(g);
}

/* The tap left of the middle brings what is left: a correlation, as PyTorch's,
 * and no mirrored convolution. */
TEST(conv2d, left_tap_shifts_right_and_pads_with_zero)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 1, 1, 3, 6), *y;
    Tensor *w =
        eval_weight(g, "w", DIMS(1, 1, 1, 3), (const float[]){ 1, 0, 0 });

    y = op_conv2d(g, x, w, NULL, &(Conv2dAttr){ .pad_w = 1 });
    CHECK_SAME(g, op_slice(g, y, 3, 1, 5), op_slice(g, x, 3, 0, 5), 0);
    CHECK_SAME(g, op_slice(g, y, 3, 0, 1),
               op_scale_shift(g, op_slice(g, x, 3, 0, 1), 0, 0), 0);
    graph_free(g);
}

TEST(conv2d, stride_two_keeps_every_second)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 3, 7, 5);
    Tensor *w = graph_weight(g, "w", DIMS(4, 3, 3, 3));
    const Conv2dAttr all = { .pad_h = 1, .pad_w = 1 };
    const Conv2dAttr second = { .stride = 2, .pad_h = 1, .pad_w = 1 };

    CHECK_SAME(g, op_conv2d(g, x, w, NULL, &second),
               op_avg_pool2d(g, op_conv2d(g, x, w, NULL, &all), 1, 2), 0);
    graph_free(g);
}

TEST(conv2d, one_by_one_is_linear)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 3, 5);
    Tensor *w = graph_weight(g, "w", DIMS(7, 6, 1, 1));
    Tensor *b = graph_weight(g, "b", DIMS(7));

    CHECK_SAME(g, op_conv2d(g, x, w, b, NULL),
               op_linear(g, x, op_view(g, w, DIMS(7, 6)), b), 0);
    graph_free(g);
}

TEST(conv2d, groups_are_convolutions_side_by_side)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 5, 4);
    Tensor *w = graph_weight(g, "w", DIMS(4, 3, 3, 3));
    const Conv2dAttr grouped = { .pad_h = 1, .pad_w = 1, .groups = 2 };
    const Conv2dAttr one = { .pad_h = 1, .pad_w = 1 };
    Tensor *half[2];

    for (int i = 0; i < 2; i++)
        half[i] = op_conv2d(g, channels(g, x, 3 * i, 3),
                            op_slice(g, w, 0, 2 * i, 2), NULL, &one);
    CHECK_SAME(g, op_conv2d(g, x, w, NULL, &grouped), op_concat(g, 1, 2, half),
               0);
    graph_free(g);
}

TEST(conv2d, shared_weights_serve_every_group)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 5, 4);
    Tensor *w = graph_weight(g, "w", DIMS(3, 2, 3, 3));
    Tensor *b = graph_weight(g, "b", DIMS(3));
    const Conv2dAttr shared = {
        .pad_h = 1, .pad_w = 1, .groups = 3, .shared = true
    };
    const Conv2dAttr one = { .pad_h = 1, .pad_w = 1 };
    Tensor *third[3];

    for (int i = 0; i < 3; i++)
        third[i] = op_conv2d(g, channels(g, x, 2 * i, 2), w, b, &one);
    CHECK_SAME(g, op_conv2d(g, x, w, b, &shared), op_concat(g, 1, 3, third), 0);
    graph_free(g);
}

TEST(conv2d, adds_bias_and_shortcut_before_its_activation)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 5, 4), *y;
    Tensor *z = graph_input(g, "z", DIMS(2, 8, 5, 4));
    Tensor *w = graph_weight(g, "w", DIMS(8, 6, 1, 1));
    Tensor *b = graph_weight(g, "b", DIMS(8));

    y = op_add(
        g, op_add(g, op_conv2d(g, x, w, NULL, NULL), op_view(g, b, DIMS(1, 8))),
        z);
    y = op_scale_shift(g, y, 1, 0);
    CHECK_SAME(g,
               op_conv2d_add(g, x, w, b, z, &(Conv2dAttr){ .act = ACT_RELU }),
               op_relu(g, y), TOL);
    CHECK_SAME(g,
               op_conv2d_add(g, x, w, b, z, &(Conv2dAttr){ .act = ACT_RELU6 }),
               op_relu6(g, y), TOL);
    graph_free(g);
}

TEST(dwconv1d, is_a_depthwise_conv2d_of_height_one)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 5, 9));
    Tensor *w = graph_weight(g, "w", DIMS(5, 1, 7));
    Tensor *b = graph_weight(g, "b", DIMS(5));
    const Conv2dAttr attr = { .pad_w = 3, .groups = 5 };
    Tensor *y = op_conv2d(g, op_view(g, x, DIMS(2, 5, 1, 9)),
                          op_view(g, w, DIMS(5, 1, 1, 7)), b, &attr);

    CHECK_SAME(g, op_dwconv1d(g, x, w, b), op_view(g, y, DIMS(2, 5, 9)), TOL);
    graph_free(g);
}

/* ECA: with one channel the strip's positions are the channels of a vector. */
TEST(dwconv1d, of_one_channel_runs_over_channels)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 8)), *y;
    Tensor *w = eval_weight(g, "w", DIMS(1, 1, 3), (const float[]){ 0, 0, 1 });

    y = op_dwconv1d(g, op_view(g, x, DIMS(2, 1, 8)), w, NULL);
    y = op_view(g, y, DIMS(2, 8));
    CHECK_SAME(g, channels(g, y, 0, 7), channels(g, x, 1, 7), 0);
    graph_free(g);
}

TEST(linear, two_by_three_by_hand)
{
    Graph *g = graph_new();
    Tensor *x = eval_weight(g, "x", DIMS(1, 3), (const float[]){ 1, 2, 3 });
    Tensor *w = eval_weight(g, "w", DIMS(2, 3),
                            (const float[]){ 1, 10, 100, -1, 0, 1 });
    Tensor *b = eval_weight(g, "b", DIMS(2), (const float[]){ 0.5f, -2 });
    float *y = eval(g, op_linear(g, x, w, b));

    REQUIRE(y);
    CHECK(y[0] == 321.5f && y[1] == 0);
    free(y);
    graph_free(g);
}

/* In PyTorch's order the matrix of image n and group i is contiguous: C/groups
 * rows of L numbers. */
static float matmul_by_hand(const float *a, const float *b, int inner,
                            const int step[2])
{
    double sum = 0;

    for (int k = 0; k < inner; k++)
        sum += (double)a[k * step[0]] * b[k * step[1]];
    return (float)sum;
}

TEST(matmul, multiplies_the_matrices_of_each_group)
{
    enum { N = 2, G = 3, M = 4, L = 5 };
    Graph *g = graph_new();
    Tensor *a = graph_input(g, "a", DIMS(N, G * M, L));
    Tensor *b = graph_input(g, "b", DIMS(N, G * M, L));
    float *x = eval(g, a), *z = eval(g, b);
    float *rows = eval(
        g,
        op_matmul(g, a, b,
                  &(MatmulAttr){ .groups = G, .trans_b = true, .scale = 2 }));
    float *columns = eval(
        g, op_matmul(g, a, b, &(MatmulAttr){ .groups = G, .trans_a = true }));

    REQUIRE(x && z && rows && columns);
    for (int m = 0; m < N * G; m++) {
        const float *p = x + m * M * L, *q = z + m * M * L;

        for (int i = 0; i < M; i++)
            for (int j = 0; j < M; j++)
                CHECK(fabsf(rows[(m * M + i) * M + j] -
                            2 * matmul_by_hand(p + i * L, q + j * L, L,
                                               (int[]){ 1, 1 })) < 1e-6);
        for (int i = 0; i < L; i++)
            for (int j = 0; j < L; j++)
                CHECK(fabsf(columns[(m * L + i) * L + j] -
                            matmul_by_hand(p + i, q + j, M, (int[]){ L, L })) <
                      1e-6);
    }
    free(x);
    free(z);
    free(rows);
    free(columns);
    graph_free(g);
}

/* (a b^T)^T = b a^T, and a strip holds what a stack does. */
TEST(matmul, transposes_and_strips_agree)
{
    Graph *g = graph_new();
    Tensor *a = graph_input(g, "a", DIMS(2, 6, 5));
    Tensor *b = graph_input(g, "b", DIMS(2, 6, 5));
    Tensor *v = graph_input(g, "v", DIMS(2, 6, 7));
    const MatmulAttr scores = { .groups = 2, .trans_b = true };
    const MatmulAttr plain = { .groups = 2, .strip = true };
    const MatmulAttr transposed = { .groups = 2,
                                    .trans_a = true,
                                    .strip = true };

    CHECK_SAME(g, op_matmul(g, op_matmul(g, a, b, &scores), v, &plain),
               op_matmul(g, op_matmul(g, b, a, &scores), v, &transposed), TOL);
    graph_free(g);
}

TEST(matmul, by_the_identity_changes_nothing)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 4, 3));
    Tensor *eye = eval_constant(g, "eye", DIMS(2, 1, 4, 4), 0);

    for (int i = 0; i < 8; i++)
        eye->host[i * 4 + i % 4] = 1;
    CHECK_SAME(g, op_matmul(g, eye, x, &(MatmulAttr){ .strip = true }), x, 0);
    graph_free(g);
}

TEST(matmul, of_vectors_is_their_outer_product)
{
    Graph *g = graph_new();
    Tensor *u = graph_input(g, "u", DIMS(2, 3));
    Tensor *v = graph_input(g, "v", DIMS(2, 5));
    float *x = eval(g, u), *z = eval(g, v);
    float *y = eval(g, op_matmul(g, u, v, &(MatmulAttr){ .trans_b = true }));

    REQUIRE(x && z && y);
    for (int i = 0; i < 30; i++)
        CHECK(y[i] == x[i / 5] * z[i / 15 * 5 + i % 5]);
    free(x);
    free(z);
    free(y);
    graph_free(g);
}

/* sum over i of u_i v_j = v_j sum(u): how AFGCA uses it. */
TEST(sum_rows, of_an_outer_product_is_a_scaled_vector)
{
    Graph *g = graph_new();
    Tensor *u = graph_input(g, "u", DIMS(2, 6));
    Tensor *v = graph_input(g, "v", DIMS(2, 6)), *sum;
    Tensor *uv = op_matmul(g, u, v, &(MatmulAttr){ .trans_b = true });

    sum = op_global_avg_pool(g, op_view(g, u, DIMS(2, 1, 6)), SQUEEZE_MEAN);
    CHECK_SAME(g, op_sum_rows(g, uv),
               op_mul(g, v, op_scale_shift(g, sum, 6, 0)), TOL);
    graph_free(g);
}
