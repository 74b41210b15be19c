/*
 * test_ops_shapes.c - shapes that ops refuse, with their sentences, and costs
 * computed by hand.
 */
#include <stdio.h>
#include <string.h>

#include "tests/eval.h"
#include "tests/test.h"

/* Tensors to build wrong things from. */
typedef struct Parts {
    Tensor *map, *strip, *vector, *stack; /* 8 channels */
} Parts;

static Parts parts(Graph *g)
{
    Parts p = {
        graph_input(g, "map", DIMS(2, 8, 6, 5)),
        graph_input(g, "strip", DIMS(2, 8, 6)),
        graph_input(g, "vector", DIMS(2, 8)),
    };

    p.stack = op_matmul(g, p.strip, p.strip, &(MatmulAttr){ .trans_b = true });
    return p;
}

static Tensor *weight(Graph *g, Dims dims)
{
    return graph_weight(g, "w", dims);
}

/* Each returns NULL after one wrong call. */
typedef Tensor *Wrong(Graph *g, Parts p);

#define WRONG(id, expr)                  \
    static Tensor *id(Graph *g, Parts p) \
    {                                    \
        (void)p;                         \
        return expr;                     \
    }

WRONG(conv_of_strip,
      op_conv2d(g, p.strip, weight(g, DIMS(4, 8, 1, 1)), NULL, NULL))
WRONG(conv_of_stack,
      op_conv2d(g, p.stack, weight(g, DIMS(4, 1, 1, 1)), NULL, NULL))
WRONG(conv_channels,
      op_conv2d(g, p.map, weight(g, DIMS(4, 7, 1, 1)), NULL, NULL))
WRONG(conv_groups, op_conv2d(g, p.map, weight(g, DIMS(4, 8, 1, 1)), NULL,
                             &(Conv2dAttr){ .groups = 3 }))
WRONG(conv_outputs, op_conv2d(g, p.map, weight(g, DIMS(5, 4, 1, 1)), NULL,
                              &(Conv2dAttr){ .groups = 2 }))
WRONG(conv_kernel, op_conv2d(g, p.map, weight(g, DIMS(4, 8, 7, 7)), NULL, NULL))
WRONG(conv_stride, op_conv2d(g, p.map, weight(g, DIMS(4, 8, 1, 1)), NULL,
                             &(Conv2dAttr){ .stride = -1 }))
WRONG(conv_bias, op_conv2d(g, p.map, weight(g, DIMS(4, 8, 1, 1)),
                           graph_weight(g, "b", DIMS(5)), NULL))
WRONG(conv_shortcut,
      op_conv2d_add(g, p.map, weight(g, DIMS(4, 8, 1, 1)), NULL, p.map, NULL))
WRONG(dw_even, op_dwconv1d(g, p.strip, weight(g, DIMS(8, 1, 4)), NULL))
WRONG(dw_channels, op_dwconv1d(g, p.strip, weight(g, DIMS(7, 1, 3)), NULL))
WRONG(linear_inputs, op_linear(g, p.vector, weight(g, DIMS(4, 9)), NULL))
WRONG(matmul_inner,
      op_matmul(g, p.strip, p.map, &(MatmulAttr){ .trans_b = true }))
WRONG(matmul_groups,
      op_matmul(g, p.strip, p.strip, &(MatmulAttr){ .groups = 3 }))
WRONG(matmul_stack,
      op_matmul(g, p.stack, p.strip, &(MatmulAttr){ .groups = 2 }))
WRONG(matmul_images, op_matmul(g, p.strip, op_slice(g, p.strip, 0, 0, 1),
                               &(MatmulAttr){ .trans_b = true }))
WRONG(gn_groups, op_group_norm(g, p.map, weight(g, DIMS(8)),
                               graph_weight(g, "b", DIMS(8)), 3, 0))
WRONG(gn_weights, op_group_norm(g, p.map, weight(g, DIMS(3)),
                                graph_weight(g, "b", DIMS(3)), 2, 0))
WRONG(ln_weights, op_layer_norm(g, p.map, weight(g, DIMS(3)),
                                graph_weight(g, "b", DIMS(3)), 0))
WRONG(pool_window, op_avg_pool2d(g, p.map, 7, 7))
WRONG(pool_pad, op_max_pool2d(g, p.map, 3, 2, 2))
WRONG(adaptive_size, op_adaptive_avg_pool2d(g, p.map, 0, 3))
WRONG(mean_of_strip, op_mean_h(g, p.strip, SQUEEZE_MEAN))
WRONG(sum_of_map, op_sum_rows(g, p.map))
WRONG(softmax_dim, op_softmax(g, p.strip, 3))
WRONG(mul_dims, op_mul(g, p.map, op_slice(g, p.map, 2, 0, 3)))
WRONG(mul_rank, op_mul(g, p.strip, p.map))
WRONG(mul_channels, op_mul(g, p.map, op_slice(g, p.vector, 1, 0, 3)))
WRONG(concat_dims, op_concat(g, 1, 2, (Tensor *[]){ p.map, p.strip }))
WRONG(concat_two_dims,
      op_concat(g, 2, 2, (Tensor *[]){ p.map, op_slice(g, p.map, 1, 0, 4) }))
WRONG(concat_many, op_concat(g, 1, 5, (Tensor *[]){ p.map }))
WRONG(slice_outside, op_slice(g, p.map, 1, 6, 3))
WRONG(slice_dim, op_slice(g, p.vector, 2, 0, 1))
WRONG(shuffle_groups, op_channel_shuffle(g, p.map, 3))
WRONG(view_count, op_view(g, p.map, DIMS(2, 8, 31)))
WRONG(dct_frequency, op_dct_pool(g, p.map, &(DctPoolAttr){ 1, { 6 }, { 0 } }))
WRONG(dct_groups, op_dct_pool(g, p.map, &(DctPoolAttr){ 3 }))
WRONG(missing_source, op_mul(g, p.map, NULL))

TEST(shapes, what_does_not_fit_is_refused_with_a_sentence)
{
    static const struct {
        Wrong *build;
        const char *sentence;
    } wrong[] = {
        { conv_of_strip, "conv2d: x has 3 dims (2,8,6), wants 4 to 4" },
        { conv_of_stack, "conv2d: x (2,1,8,8) is a stack of matrices or a "
                         "weight, wants a channels-last map or strip" },
        { conv_channels,
          "conv2d: w (4,7,1,1) takes 7 channels per group, x has "
          "8 in 1 group" },
        { conv_groups, "conv2d: groups=3 does not divide channels=8" },
        { conv_outputs, "conv2d: groups=2 does not divide the 5 outputs of w" },
        { conv_kernel,
          "conv2d: the kernel 7x7 is larger than the padded map 6x5" },
        { conv_stride, "conv2d: stride=-1 groups=1 pad_h=0 pad_w=0: none may "
                       "be negative" },
        { conv_bias, "conv2d: b is (5), wants (4)" },
        { conv_shortcut, "conv2d: z is (2,8,6,5), wants (2,4,6,5)" },
        { dw_even, "dwconv1d: k=4 is even, must be odd" },
        { dw_channels, "dwconv1d: w is (7,1,3), wants (8,1,3)" },
        { linear_inputs, "linear: w is (4,9), wants (4,8)" },
        { matmul_inner, "matmul: a is 8x6 and b is 30x8 in each group" },
        { matmul_groups, "matmul: groups=3 does not divide channels=8 of a" },
        { matmul_stack,
          "matmul: a (2,1,8,8) is a stack of 1 groups, groups=2" },
        { matmul_images, "matmul: a has 2 images, b has 1" },
        { gn_groups, "group_norm: groups=3 does not divide channels=8" },
        { gn_weights, "group_norm: the 3 weights do not divide channels=8" },
        { ln_weights, "layer_norm: weight is (3), wants (8)" },
        { pool_window, "avg_pool2d: the window 7x7 is larger than the padded "
                       "map 6x5" },
        { pool_pad, "max_pool2d: k=3 stride=2 pad=2: k and stride must be "
                    "positive, pad 0 to k/2" },
        { adaptive_size,
          "adaptive_avg_pool2d: the result 0x3 must be positive" },
        { mean_of_strip, "mean_h: x has 3 dims (2,8,6), wants 4 to 4" },
        { sum_of_map,
          "sum_rows: x (2,8,6,5) is a map, wants a stack of matrices" },
        { softmax_dim, "softmax: dim=3, x has dims 0 to 2" },
        { mul_dims, "mul: y (2,8,3,5) does not broadcast to x (2,8,6,5)" },
        { mul_rank, "mul: y (2,8,6,5) does not broadcast to x (2,8,6)" },
        { mul_channels, "mul: y (2,3) does not broadcast to x (2,8,6,5)" },
        { concat_dims,
          "concat: (2,8,6,5) and (2,8,6) differ in more than dim 1" },
        { concat_two_dims,
          "concat: (2,8,6,5) and (2,4,6,5) differ in more than dim 2" },
        { concat_many, "concat: 5 tensors, wants 2 to 4" },
        { slice_outside, "slice: begin=6 count=3 is outside dim 1, of size 8" },
        { slice_dim, "slice: dim=2, x has dims 0 to 1" },
        { shuffle_groups,
          "channel_shuffle: groups=3 does not divide channels=8" },
        { view_count, "view: (2,8,6,5) has 480 elements, (2,8,31) has 496" },
        { dct_frequency, "dct_pool: frequency (6,0) is outside the map 6x5" },
        { dct_groups, "dct_pool: 3 frequencies do not divide channels=8" },
        { missing_source, "mul: source 1 is missing" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        Graph *g = graph_new();

        CHECK(wrong[i].build(g, parts(g)) == NULL);
        CHECK(graph_error(g) == ERR_INPUT);
        CHECK_MSG(strcmp(err_message(), wrong[i].sentence) == 0,
                  "'%s', not '%s'", err_message(), wrong[i].sentence);
        graph_free(g);
    }
}

TEST(shapes, results_have_the_dims_of_the_equations)
{
    Graph *g = graph_new();
    const Parts p = parts(g);
    Tensor *const w = weight(g, DIMS(12, 4, 3, 3));
    const struct {
        Tensor *t;
        const char *dims;
    } is[] = {
        { op_conv2d(g, p.map, w, NULL,
                    &(Conv2dAttr){ .stride = 2, .pad_h = 1, .groups = 2 }),
          "(2,12,3,2)" },
        { op_linear(g, p.strip, graph_weight(g, "l", DIMS(3, 8)), NULL),
          "(2,3,6)" },
        { p.stack, "(2,1,8,8)" },
        { op_matmul(g, p.stack, p.map, &(MatmulAttr){ .strip = true }),
          "(2,8,30)" },
        { op_matmul(g, p.strip, p.map,
                    &(MatmulAttr){ .groups = 4, .trans_a = true }),
          "(2,4,6,30)" },
        { op_sum_rows(g, p.stack), "(2,8)" },
        { op_avg_pool2d(g, p.map, 2, 2), "(2,8,3,2)" },
        { op_max_pool2d(g, p.map, 3, 2, 1), "(2,8,3,3)" },
        { op_adaptive_avg_pool2d(g, p.map, 7, 1), "(2,8,7,1)" },
        { op_global_avg_pool(g, p.strip, SQUEEZE_MEAN), "(2,8)" },
        { op_mean_h(g, p.map, SQUEEZE_MEAN), "(2,8,5)" },
        { op_mean_w(g, p.map, SQUEEZE_MEAN), "(2,8,6)" },
        { op_max_c(g, p.map), "(2,1,6,5)" },
        { op_dct_pool(g, p.map, &(DctPoolAttr){ 2, { 0, 1 }, { 1, 0 } }),
          "(2,8)" },
        { op_slice(g, p.map, 2, 1, 4), "(2,8,4,5)" },
    };
    char dims[DIMS_TEXT];

    REQUIRE(graph_error(g) == OK);
    for (size_t i = 0; i < sizeof(is) / sizeof(is[0]); i++)
        CHECK_MSG(strcmp(tensor_dims_text(is[i].t, dims), is[i].dims) == 0,
                  "%s is %s, not %s", is[i].t->op->name, dims, is[i].dims);
    graph_free(g);
}

/* macs, flops, transcendentals, bytes, paper_flops: each by hand. */
static void check_cost(const Tensor *t, Cost want)
{
    const Cost is = t->op->cost(t);

    CHECK_MSG(is.macs == want.macs, "%s: macs %g", t->op->name, is.macs);
    CHECK_MSG(is.flops == want.flops, "%s: flops %g", t->op->name, is.flops);
    CHECK_MSG(is.transcendentals == want.transcendentals,
              "%s: transcendentals %g", t->op->name, is.transcendentals);
    CHECK_MSG(is.bytes == want.bytes, "%s: bytes %g", t->op->name, is.bytes);
    CHECK_MSG(is.paper_flops == want.paper_flops, "%s: paper_flops %g",
              t->op->name, is.paper_flops);
}

TEST(costs, of_products_by_hand)
{
    Graph *g = graph_new();
    const Parts p = parts(g);
    Tensor *w = graph_weight(g, "w", DIMS(4, 8, 3, 3));
    Tensor *b = graph_weight(g, "b", DIMS(4));
    Tensor *shared = graph_weight(g, "s", DIMS(2, 2, 1, 1));
    Tensor *z = graph_input(g, "z", DIMS(2, 4, 6, 5));
    Tensor *l = graph_weight(g, "l", DIMS(4, 8));
    Tensor *k = graph_weight(g, "k", DIMS(8, 1, 3));
    const Conv2dAttr same = { .pad_h = 1, .pad_w = 1, .act = ACT_RELU };
    const Conv2dAttr folded = { .groups = 4, .shared = true };

    /* 240 outputs of 72 taps; bias, addition and relu one each */
    check_cost(op_conv2d_add(g, p.map, w, b, z, &same),
               (Cost){ 17280, 34560 + 720, 0, 4.0 * (480 + 288 + 4 + 240 + 240),
                       17280 });
    /* 480 outputs of 2 taps, as 8 images of two channels */
    check_cost(op_conv2d(g, p.map, shared, NULL, &folded),
               (Cost){ 960, 1920, 0, 4.0 * (480 + 4 + 480), 960 });
    check_cost(op_linear(g, p.vector, l, b),
               (Cost){ 64, 136, 0, 4.0 * (16 + 32 + 4 + 8), 64 });
    check_cost(op_dwconv1d(g, p.strip, k, NULL),
               (Cost){ 288, 576, 0, 4.0 * (96 + 24 + 96), 288 });
    /* strip by itself: read once */
    check_cost(p.stack, (Cost){ 0, 1536, 0, 4.0 * (96 + 128), 768 });
    check_cost(op_matmul(g, p.stack, p.strip,
                         &(MatmulAttr){ .strip = true, .scale = 0.5 }),
               (Cost){ 0, 1536 + 96, 0, 4.0 * (128 + 96 + 96), 768 });
    graph_free(g);
}

TEST(costs, of_norms_and_pools_by_hand)
{
    Graph *g = graph_new();
    const Parts p = parts(g);
    Tensor *w = graph_weight(g, "w", DIMS(8)),
           *b = graph_weight(g, "b", DIMS(8));
    const double in = 4 * 480, v = 4 * 16;

    check_cost(op_batch_norm(g, p.map, w, b, w, b, 0),
               (Cost){ 0, 960 + 40, 0, 2 * in + 64, 960 });
    check_cost(op_group_norm(g, p.map, w, b, 4, 0),
               (Cost){ 0, 3840 + 40, 0, 2 * in + 64, 2400 });
    check_cost(op_layer_norm(g, p.map, w, b, 0),
               (Cost){ 0, 3840 + 300, 0, 2 * in + 64, 2400 });
    check_cost(op_global_avg_pool(g, p.map, SQUEEZE_MEAN),
               (Cost){ 0, 480, 0, in + v, 0 });
    check_cost(op_global_avg_pool(g, p.map, SQUEEZE_ADAPTIVE),
               (Cost){ 0, 480, 0, in + v, 480 });
    check_cost(op_global_max_pool(g, p.map), (Cost){ 0, 464, 0, in + v, 0 });
    check_cost(op_mean_w(g, p.map, SQUEEZE_ADAPTIVE),
               (Cost){ 0, 480, 0, in + 4 * 96, 480 });
    check_cost(op_mean_c(g, p.map), (Cost){ 0, 480, 0, in + 4 * 60, 0 });
    check_cost(op_max_c(g, p.map), (Cost){ 0, 420, 0, in + 4 * 60, 0 });
    /* 2x2 windows, 96 of them */
    check_cost(op_avg_pool2d(g, p.map, 2, 2),
               (Cost){ 0, 384, 0, in + 4 * 96, 0 });
    /* rows 2 3 3 and columns 2 3 2 of the windows are inside: 8 * 7 */
    check_cost(op_max_pool2d(g, p.map, 3, 2, 1),
               (Cost){ 0, 16 * 56 - 144, 0, in + 4 * 144, 0 });
    /* 6 to 4 rows: 2 each; 5 to 5 columns: 1 each */
    check_cost(op_adaptive_avg_pool2d(g, p.map, 4, 5),
               (Cost){ 0, 16 * 8 * 5, 0, in + 4 * 320, 480 });
    check_cost(op_dct_pool(g, p.map, &(DctPoolAttr){ 1 }),
               (Cost){ 0, 960, 0, in + v, 0 });
    graph_free(g);
}

TEST(costs, of_the_rest_by_hand)
{
    Graph *g = graph_new();
    const Parts p = parts(g);
    const double in = 4 * 480, v = 4 * 16;

    check_cost(op_softmax(g, p.map, 1), (Cost){ 0, 1920, 480, 2 * in, 0 });
    check_cost(op_relu(g, p.map), (Cost){ 0, 480, 0, 2 * in, 0 });
    check_cost(op_relu6(g, p.map), (Cost){ 0, 960, 0, 2 * in, 0 });
    check_cost(op_sigmoid(g, p.map), (Cost){ 0, 1440, 480, 2 * in, 0 });
    check_cost(op_gelu(g, p.map), (Cost){ 0, 1920, 480, 2 * in, 0 });
    check_cost(op_mul(g, p.map, p.vector), (Cost){ 0, 480, 0, 2 * in + v, 0 });
    check_cost(op_mul(g, p.map, p.map), (Cost){ 0, 480, 0, 2 * in, 0 });
    check_cost(op_add_act(g, p.map, p.vector, ACT_RELU6),
               (Cost){ 0, 1440, 0, 2 * in + v, 0 });
    check_cost(op_sum_rows(g, p.stack), (Cost){ 0, 112, 0, 4 * 144, 0 });
    check_cost(op_concat(g, 1, 2, (Tensor *[]){ p.map, p.map }),
               (Cost){ 0, 0, 0, 3 * in, 0 });
    check_cost(op_slice(g, p.map, 1, 0, 2), (Cost){ 0, 0, 0, in / 2, 0 });
    check_cost(op_channel_shuffle(g, p.map, 2), (Cost){ 0, 0, 0, 2 * in, 0 });
    check_cost(op_view(g, p.map, DIMS(2, 240)), (Cost){ 0 });
    graph_free(g);
}
