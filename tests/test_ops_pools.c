/*
 * test_ops_pools.c - pools, means and norms: what follows from their
 * equations.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/eval.h"
#include "tests/test.h"

static const double TOL = 1e-6;

static Tensor *map(Graph *g, int N, int C, int H, int W)
{
    return graph_input(g, "x", DIMS(N, C, H, W));
}

TEST(avg_pool2d, is_a_depthwise_convolution_with_equal_weights)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 3, 9, 8);
    Tensor *w = eval_constant(g, "w", DIMS(3, 1, 3, 3), 1);
    Tensor *y =
        op_conv2d(g, x, w, NULL, &(Conv2dAttr){ .stride = 2, .groups = 3 });

    CHECK_SAME(g, op_avg_pool2d(g, x, 3, 2), op_scale_shift(g, y, 1 / 9.0, 0),
               TOL);
    graph_free(g);
}

TEST(avg_pool2d, ignores_what_no_window_reaches)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 1, 3, 15, 13);
    Tensor *inside = op_slice(g, op_slice(g, x, 2, 0, 14), 3, 0, 7);

    CHECK_SAME(g, op_avg_pool2d(g, x, 7, 7), op_avg_pool2d(g, inside, 7, 7), 0);
    graph_free(g);
}

/* Padding with 0 would show in a map of negative numbers. */
TEST(max_pool2d, pads_with_less_than_anything)
{
    Graph *g = graph_new();
    Tensor *x = op_scale_shift(g, map(g, 1, 4, 5, 5), 0, -3);
    Tensor *y = op_max_pool2d(g, x, 3, 2, 1);

    CHECK_SAME(g, y, op_scale_shift(g, y, 0, -3), 0);
    graph_free(g);
}

TEST(max_pool2d, over_the_whole_map_is_the_global_maximum)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 5, 6, 6);

    CHECK_SAME(g, op_view(g, op_max_pool2d(g, x, 6, 1, 0), DIMS(2, 5)),
               op_global_max_pool(g, x), 0);
    CHECK_SAME(g, op_max_pool2d(g, x, 1, 1, 0), x, 0);
    graph_free(g);
}

TEST(max_pool2d, of_windows_by_hand)
{
    static const float want[] = { 4, 5, 9, 8 };
    Graph *g = graph_new();
    float *y;
    Tensor *x =
        op_view(g,
                eval_weight(g, "x", DIMS(1, 9),
                            (const float[]){ 1, 2, 5, 4, 3, 0, 9, 8, 7 }),
                DIMS(1, 1, 3, 3));

    y = eval(g, op_max_pool2d(g, x, 2, 1, 0));
    REQUIRE(y);
    CHECK(memcmp(y, want, sizeof(want)) == 0);
    free(y);
    graph_free(g);
}

TEST(adaptive_avg_pool2d, at_its_own_size_is_identity)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 3, 5, 7);

    CHECK_SAME(g, op_adaptive_avg_pool2d(g, x, 5, 7), x, 0);
    graph_free(g);
}

TEST(adaptive_avg_pool2d, to_one_number_is_the_global_mean)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 3, 5, 7);

    CHECK_SAME(g, op_view(g, op_adaptive_avg_pool2d(g, x, 1, 1), DIMS(2, 3)),
               op_global_avg_pool(g, x, SQUEEZE_MEAN), 0);
    graph_free(g);
}

TEST(adaptive_avg_pool2d, with_even_windows_is_avg_pool2d)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 3, 8, 8);

    CHECK_SAME(g, op_adaptive_avg_pool2d(g, x, 4, 4), op_avg_pool2d(g, x, 2, 2),
               0);
    graph_free(g);
}

/* 5 to 3: windows 0-1, 1-3, 3-4. */
TEST(adaptive_avg_pool2d, uneven_windows_overlap)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 1, 2, 5, 1), *part[3];
    static const int begin[] = { 0, 1, 3 }, count[] = { 2, 3, 2 };

    for (int i = 0; i < 3; i++)
        part[i] = op_adaptive_avg_pool2d(
            g, op_slice(g, x, 2, begin[i], count[i]), 1, 1);
    CHECK_SAME(g, op_adaptive_avg_pool2d(g, x, 3, 1), op_concat(g, 2, 3, part),
               TOL);
    graph_free(g);
}

TEST(means, of_strips_are_adaptive_pools)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 3, 5, 7);

    CHECK_SAME(g, op_mean_h(g, x, SQUEEZE_MEAN),
               op_view(g, op_adaptive_avg_pool2d(g, x, 1, 7), DIMS(2, 3, 7)),
               0);
    CHECK_SAME(g, op_mean_w(g, x, SQUEEZE_MEAN),
               op_view(g, op_adaptive_avg_pool2d(g, x, 5, 1), DIMS(2, 3, 5)),
               0);
    graph_free(g);
}

TEST(means, of_both_strips_are_the_global_mean)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 3, 5, 7);
    Tensor *mean = op_global_avg_pool(g, x, SQUEEZE_MEAN);

    CHECK_SAME(
        g, op_global_avg_pool(g, op_mean_h(g, x, SQUEEZE_MEAN), SQUEEZE_MEAN),
        mean, TOL);
    CHECK_SAME(
        g, op_global_avg_pool(g, op_mean_w(g, x, SQUEEZE_MEAN), SQUEEZE_MEAN),
        mean, TOL);
    graph_free(g);
}

TEST(means, over_channels_are_a_convolution_to_one)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 8, 3, 5);
    Tensor *w = eval_constant(g, "w", DIMS(1, 8, 1, 1), 0.125f);

    CHECK_SAME(g, op_mean_c(g, x), op_conv2d(g, x, w, NULL, NULL), TOL);
    graph_free(g);
}

/* One position at a time, channels are the positions of a strip. */
TEST(maxima, over_channels_are_over_positions_of_a_view)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 4, 6, 1, 1);

    CHECK_SAME(g, op_view(g, op_max_c(g, x), DIMS(4, 1)),
               op_global_max_pool(g, op_view(g, x, DIMS(4, 1, 6))), 0);
    graph_free(g);
}

TEST(maxima, let_a_nan_win)
{
    Graph *g = graph_new();
    Tensor *x = op_view(
        g, eval_weight(g, "x", DIMS(1, 4), (const float[]){ 1, NAN, 3, 2 }),
        DIMS(1, 1, 2, 2));
    float *pooled = eval(g, op_max_pool2d(g, x, 2, 1, 0));
    float *most = eval(g, op_global_max_pool(g, x));

    REQUIRE(pooled && most);
    CHECK(isnan(pooled[0]) && isnan(most[0]));
    free(pooled);
    free(most);
    graph_free(g);
}

/* With the mean and variance of the data, the result has mean bias[c] and
 * mean square deviation weight[c]^2. */
TEST(batch_norm, of_its_own_statistics_has_bias_and_weight)
{
    enum { N = 3, C = 4, P = 20 };
    Graph *g = graph_new();
    Tensor *x = map(g, N, C, 4, 5), *mean, *var, *weight, *bias;
    float *in = eval(g, x), m[C], v[C], *y;

    REQUIRE(in);
    for (int c = 0; c < C; c++) {
        double sum = 0, squares = 0;

        for (int i = 0; i < N * P; i++) {
            const double value = in[(i / P * C + c) * P + i % P];

            sum += value;
            squares += value * value;
        }
        m[c] = (float)(sum / (N * P));
        v[c] = (float)(squares / (N * P) - (double)m[c] * m[c]);
    }
    mean = eval_weight(g, "mean", DIMS(C), m);
    var = eval_weight(g, "variance", DIMS(C), v);
    weight =
        eval_weight(g, "weight", DIMS(C), (const float[]){ 1, 2, 0.5f, -1 });
    bias = eval_weight(g, "bias", DIMS(C), (const float[]){ 0, 1, -1, 5 });
    y = eval(g, op_batch_norm(g, x, weight, bias, mean, var, 0));
    REQUIRE(y);
    for (int c = 0; c < C; c++) {
        double sum = 0, squares = 0;

        for (int i = 0; i < N * P; i++) {
            const double d = y[(i / P * C + c) * P + i % P] - bias->host[c];

            sum += d;
            squares += d * d;
        }
        CHECK(fabs(sum / (N * P)) < 1e-5);
        CHECK(fabs(squares / (N * P) - weight->host[c] * weight->host[c]) <
              1e-4);
    }
    free(in);
    free(y);
    graph_free(g);
}

/* eps is added to the variance, not to its root. */
TEST(batch_norm, adds_eps_under_the_root)
{
    Graph *g = graph_new();
    Tensor *x = eval_weight(g, "x", DIMS(1, 1), (const float[]){ 5 });
    Tensor *one = eval_constant(g, "one", DIMS(1), 1);
    Tensor *nought = eval_constant(g, "nought", DIMS(1), 0);
    float *y = eval(g, op_batch_norm(g, x, one, nought, one, nought, 4));

    REQUIRE(y);
    CHECK(y[0] == 2); /* (5 - 1) / sqrt(0 + 4) */
    free(y);
    graph_free(g);
}

static Tensor *plain_group_norm(Graph *g, Tensor *x, int groups)
{
    Tensor *one = graph_find(g, "one"), *nought = graph_find(g, "nought");

    if (!one)
        one = eval_constant(g, "one", DIMS(1), 1);
    if (!nought)
        nought = eval_constant(g, "nought", DIMS(1), 0);
    return op_group_norm(g, x, one, nought, groups, 0);
}

TEST(group_norm, forgets_scale_and_shift_of_x)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 4, 5);

    CHECK_SAME(g, plain_group_norm(g, op_scale_shift(g, x, 3, -0.5), 2),
               plain_group_norm(g, x, 2), 1e-5);
    graph_free(g);
}

TEST(group_norm, groups_are_norms_of_slices)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 4, 5), *half[2];

    for (int i = 0; i < 2; i++)
        half[i] = plain_group_norm(g, op_slice(g, x, 1, 3 * i, 3), 1);
    CHECK_SAME(g, plain_group_norm(g, x, 2), op_concat(g, 1, 2, half), 0);
    graph_free(g);
}

TEST(group_norm, has_zero_mean_and_unit_mean_square)
{
    Graph *g = graph_new();
    Tensor *y = plain_group_norm(g, map(g, 1, 6, 4, 5), 1);
    Tensor *strip = op_view(g, y, DIMS(1, 1, 120));
    float *mean = eval(g, op_global_avg_pool(g, strip, SQUEEZE_MEAN));
    float *square =
        eval(g, op_global_avg_pool(g, op_mul(g, strip, strip), SQUEEZE_MEAN));

    REQUIRE(mean && square);
    CHECK(fabsf(mean[0]) < 1e-6 && fabsf(square[0] - 1) < 1e-6);
    free(mean);
    free(square);
    graph_free(g);
}

TEST(group_norm, repeats_short_weights)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 4, 5);
    Tensor *w = eval_weight(g, "w", DIMS(2), (const float[]){ 2, 3 });
    Tensor *b = eval_weight(g, "b", DIMS(2), (const float[]){ 5, 7 });
    Tensor *ww =
        eval_weight(g, "ww", DIMS(6), (const float[]){ 2, 3, 2, 3, 2, 3 });
    Tensor *bb =
        eval_weight(g, "bb", DIMS(6), (const float[]){ 5, 7, 5, 7, 5, 7 });

    CHECK_SAME(g, op_group_norm(g, x, w, b, 6, 1e-5),
               op_group_norm(g, x, ww, bb, 6, 1e-5), 0);
    graph_free(g);
}

/* Each position of a channels-last map is an image of a batch of vectors. */
TEST(layer_norm, is_a_group_norm_of_each_position)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 4, 5), *y;
    Tensor *w = graph_weight(g, "w", DIMS(6)),
           *b = graph_weight(g, "b", DIMS(6));

    y = op_group_norm(g, op_view(g, x, DIMS(40, 6)), w, b, 1, 1e-5);
    CHECK_SAME(g, op_layer_norm(g, x, w, b, 1e-5),
               op_view(g, y, DIMS(2, 6, 4, 5)), TOL);
    graph_free(g);
}

TEST(dct_pool, of_frequency_nought_is_the_mean_times_root_of_area)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 4, 9);
    Tensor *mean = op_global_avg_pool(g, x, SQUEEZE_MEAN);

    CHECK_SAME(g, op_dct_pool(g, x, &(DctPoolAttr){ .n = 1 }),
               op_scale_shift(g, mean, 6, 0), TOL);
    graph_free(g);
}

TEST(dct_pool, basis_is_orthonormal)
{
    enum { L = 7 };

    for (int q = 0; q < L; q++)
        for (int r = 0; r < L; r++) {
            double dot = 0;

            for (int p = 0; p < L; p++)
                dot += dct_basis(p, q, L) * dct_basis(p, r, L);
            CHECK(fabs(dot - (q == r)) < 1e-12);
        }
}

/* A map that is one basis function has 1 at its frequency, 0 elsewhere; u runs
 * along H and v along W. */
TEST(dct_pool, finds_the_frequency_of_each_group)
{
    enum { H = 4, W = 6, C = 4 };
    static const DctPoolAttr attr = { 2, { 1, 2 }, { 2, 1 } };
    Graph *g = graph_new();
    Tensor *x;
    float values[H * W * C], *y;

    for (int i = 0; i < H * W * C; i++)
        values[i] =
            (float)(dct_basis(i / C / W, 1, H) * dct_basis(i / C % W, 2, W));
    x = eval_weight(g, "x", DIMS(H * W, C), values);
    y = eval(g, op_dct_pool(g, op_view(g, x, DIMS(1, C, H, W)), &attr));
    REQUIRE(y);
    for (int c = 0; c < C; c++)
        CHECK(fabs(y[c] - (c < 2)) < 1e-6);
    free(y);
    graph_free(g);
}
