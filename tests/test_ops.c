/*
 * test_ops.c - what follows from the equations of the ops, whatever the values.
 *
 * These hold the definitions to account: kernels are only compared with them.
 * Most compute the same thing in two ways; where the test has a loop of its
 * own, that is the second way.  Here are the ops on single numbers, softmax
 * and those that move data; products, pools and norms have files of their own.
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

static Tensor *channels(Graph *g, Tensor *x, int begin, int count)
{
    return op_slice(g, x, 1, begin, count);
}

TEST(softmax, sums_to_one_along_its_dim)
{
    for (int dim = 0; dim < 4; dim++) {
        Graph *g = graph_new();
        Tensor *x = map(g, 3, 4, 5, 6);
        float *y = eval(g, op_softmax(g, x, dim));
        const int step[] = { 120, 30, 6, 1 }, n = dim + 3;

        REQUIRE(y);
        for (int i = 0; i < 360; i++) {
            double sum = 0;

            for (int k = 0; k < n && i / step[dim] % n == 0; k++)
                sum += y[i + k * step[dim]];
            CHECK(i / step[dim] % n || fabs(sum - 1) < 1e-6);
            CHECK(y[i] > 0);
        }
        free(y);
        graph_free(g);
    }
}

/* Adding 1000 rounds x to 2^-14. */
TEST(softmax, ignores_a_shift_however_large)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(3, 8));

    CHECK_SAME(g, op_softmax(g, op_scale_shift(g, x, 1, 1000), 1),
               op_softmax(g, x, 1), 1e-4);
    graph_free(g);
}

TEST(softmax, ratios_are_exponentials)
{
    Graph *g = graph_new();
    Tensor *x = eval_weight(g, "x", DIMS(1, 2), (const float[]){ 1, 3 });
    float *y = eval(g, op_softmax(g, x, 1));

    REQUIRE(y);
    CHECK(fabs(y[1] / y[0] - exp(2)) < 1e-5);
    free(y);
    graph_free(g);
}

TEST(unary, odd_parts_give_x_back)
{
    Graph *g = graph_new();
    Tensor *x = op_scale_shift(g, map(g, 2, 3, 4, 5), 4, 0);
    Tensor *minus = op_scale_shift(g, x, -1, 0);
    Tensor *pairs[][2] = {
        { op_relu(g, x), op_relu(g, minus) },
        { op_gelu(g, x), op_gelu(g, minus) },
        { op_hard_swish(g, x), op_hard_swish(g, minus) },
    };

    for (int i = 0; i < 3; i++)
        CHECK_SAME(
            g, op_add(g, pairs[i][0], op_scale_shift(g, pairs[i][1], -1, 0)), x,
            TOL);
    graph_free(g);
}

TEST(unary, values_at_chosen_points)
{
    static const struct {
        Tensor *(*op)(Graph *g, Tensor *x);
        float x, y;
    } points[] = {
        { op_relu, -2, 0 },
        { op_relu, 2, 2 },
        { op_relu6, -1, 0 },
        { op_relu6, 5, 5 },
        { op_relu6, 7, 6 },
        { op_sigmoid, 0, 0.5f },
        { op_sigmoid, 1, 0.7310586f },
        { op_hard_swish, -3, 0 },
        { op_hard_swish, 3, 3 },
        { op_hard_swish, 1, 2 / 3.0f },
        { op_gelu, 1, 0.8413447f },
        { op_gelu, -1, -0.15865526f },
    };

    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        Graph *g = graph_new();
        Tensor *x = eval_weight(g, "x", DIMS(1), &points[i].x);
        float *y = eval(g, points[i].op(g, x));

        REQUIRE(y);
        CHECK_MSG(fabsf(y[0] - points[i].y) < 1e-7, "point %zu: %.9g", i,
                  (double)y[0]);
        free(y);
        graph_free(g);
    }
}

TEST(unary, sigmoids_of_x_and_minus_x_sum_to_one)
{
    Graph *g = graph_new();
    Tensor *x = op_scale_shift(g, map(g, 1, 3, 4, 5), 8, 0);
    Tensor *minus = op_scale_shift(g, x, -1, 0);

    CHECK_SAME(g, op_add(g, op_sigmoid(g, x), op_sigmoid(g, minus)),
               op_scale_shift(g, x, 0, 1), TOL);
    graph_free(g);
}

TEST(concat, slices_give_the_pieces_back)
{
    for (int dim = 0; dim < 4; dim++) {
        Graph *g = graph_new();
        Dims dims[3] = { DIMS(2, 3, 4, 5), DIMS(2, 3, 4, 5), DIMS(2, 3, 4, 5) };
        const char *const names[] = { "a", "b", "c" };
        Tensor *x[3], *y;
        int begin = 0;

        for (int i = 0; i < 3; i++) {
            dims[i].dim[dim] += i;
            x[i] = graph_input(g, names[i], dims[i]);
        }
        y = op_concat(g, dim, 3, x);
        for (int i = 0; i < 3; i++) {
            const int count = dims[i].dim[dim];

            CHECK_SAME(g, op_slice(g, y, dim, begin, count), x[i], 0);
            begin += count;
        }
        graph_free(g);
    }
}

TEST(channel_shuffle, by_the_other_factor_undoes_it)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 12, 2, 3);

    CHECK_SAME(g, op_channel_shuffle(g, op_channel_shuffle(g, x, 3), 4), x, 0);
    graph_free(g);
}

/* Groups (0 1 2)(3 4 5) interleave: 0 3 1 4 2 5. */
TEST(channel_shuffle, interleaves_groups)
{
    static const float want[] = { 0, 3, 1, 4, 2, 5 };
    Graph *g = graph_new();
    Tensor *x =
        eval_weight(g, "x", DIMS(1, 6), (const float[]){ 0, 1, 2, 3, 4, 5 });
    float *y = eval(g, op_channel_shuffle(g, x, 2));

    REQUIRE(y);
    CHECK(memcmp(y, want, sizeof(want)) == 0);
    free(y);
    graph_free(g);
}

/* Channel i + C/G j at position l becomes channel i at position l G + j. */
TEST(view, turns_groups_of_channels_into_positions)
{
    enum { C = 6, G = 3, L = 4 };
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, C, L));
    float *a = eval(g, x);
    float *b = eval(g, op_view(g, x, DIMS(1, C / G, L, G)));

    REQUIRE(a && b);
    for (int c = 0; c < C; c++)
        for (int l = 0; l < L; l++)
            CHECK(a[c * L + l] == b[(c % (C / G) * L + l) * G + c / (C / G)]);
    free(a);
    free(b);
    graph_free(g);
}

/* The fold of groups into the batch, by view and by attribute. */
TEST(view, makes_softmax_act_within_groups)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 12)), *y, *part[3];

    y = op_softmax(g, op_view(g, x, DIMS(2, 4, 3)), 1);
    for (int i = 0; i < 3; i++)
        part[i] = op_softmax(g, channels(g, x, 4 * i, 4), 1);
    CHECK_SAME(g, op_view(g, y, DIMS(2, 12)), op_concat(g, 1, 3, part), 0);
    graph_free(g);
}

TEST(binary, missing_and_single_dims_are_repeated)
{
    Graph *g = graph_new();
    Tensor *x = map(g, 2, 6, 3, 4);
    Tensor *s = graph_input(g, "s", DIMS(2, 6));
    Tensor *h = graph_input(g, "h", DIMS(2, 6, 3)), *w;
    Tensor *ones = eval_constant(g, "ones", DIMS(2, 6, 3, 4), 1);

    CHECK_SAME(g, op_mul(g, x, s), op_mul(g, x, op_mul(g, ones, s)), 0);
    CHECK_SAME(g, op_mul(g, x, s),
               op_mul(g, x, op_view(g, s, DIMS(2, 6, 1, 1))), 0);
    CHECK_SAME(g, op_add(g, x, h),
               op_add(g, x, op_view(g, h, DIMS(2, 6, 3, 1))), 0);
    w = op_mean_c(g, x);
    CHECK_SAME(g, channels(g, op_mul(g, x, w), 4, 1),
               op_mul(g, channels(g, x, 4, 1), w), 0);
    graph_free(g);
}

TEST(binary, one_channel_serves_its_group)
{
    enum { N = 2, C = 6, P = 12 };
    Graph *g = graph_new();
    Tensor *x = map(g, N, C, 3, 4);
    Tensor *s = graph_input(g, "s", DIMS(N, 2, 3, 4));
    float *a = eval(g, x), *b = eval(g, s);
    float *product = eval(g, op_mul(g, x, s)), *sum = eval(g, op_add(g, x, s));

    REQUIRE(a && b && product && sum);
    for (int i = 0; i < N * C * P; i++) {
        const int n = i / (C * P), c = i / P % C, p = i % P;
        const float gate = b[(n * 2 + c / 3) * P + p];

        CHECK(product[i] == a[i] * gate && sum[i] == a[i] + gate);
    }
    free(a);
    free(b);
    free(product);
    free(sum);
    graph_free(g);
}

TEST(binary, activation_comes_after_the_sum)
{
    Graph *g = graph_new();
    Tensor *x = op_scale_shift(g, map(g, 2, 6, 3, 4), 8, 0);
    Tensor *y = graph_input(g, "y", DIMS(2, 6, 3, 4));

    CHECK_SAME(g, op_add_act(g, x, y, ACT_RELU), op_relu(g, op_add(g, x, y)),
               0);
    CHECK_SAME(g, op_add_act(g, x, y, ACT_RELU6), op_relu6(g, op_add(g, x, y)),
               0);
    graph_free(g);
}
