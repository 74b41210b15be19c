/*
 * test_ops_windows.c - what follows from the definitions of Swin's ops.
 */
#include <string.h>

#include "kernels/core/err.h"
#include "tests/eval.h"
#include "tests/test.h"

static const WindowAttr shifted = { 6, 15, 2, 5, 1, 4 };

TEST(windows, reverse_undoes_partition)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 7, 6, 15));
    Tensor *y = op_window_partition(g, x, &shifted);

    CHECK_SAME(g, x, op_window_reverse(g, y, &shifted), 0);
    graph_free(g);
}

/* The first window of a shifted map begins at the shift. */
TEST(windows, a_shift_moves_where_windows_begin)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, 7, 6, 15));
    Tensor *y = op_window_partition(g, x, &shifted), *want;

    want = op_slice(g, op_slice(g, x, 2, 1, 2), 3, 4, 5);
    CHECK_SAME(g, op_slice(g, y, 0, 0, 1), want, 0);
    graph_free(g);
}

TEST(windows, merged_patches_have_the_mean_of_the_map)
{
    enum { C = 5 };
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, C, 6, 4));
    Tensor *y = op_patch_merge(g, x), *sum = op_slice(g, y, 1, 0, C);

    for (int k = 1; k < 4; k++)
        sum = op_add(g, sum, op_slice(g, y, 1, k * C, C));
    CHECK_SAME(g, op_scale_shift(g, sum, 0.25, 0), op_avg_pool2d(g, x, 2, 2),
               1e-6);
    graph_free(g);
}

/* q k' is 0 where k is, so every position of a window counts alike. */
static Tensor *attention_of_no_keys(Graph *g, Tensor *v, WindowAttr a)
{
    Tensor *table =
        eval_constant(g, "table", DIMS((2 * a.h - 1) * (2 * a.w - 1), 2), 0.5f);
    Tensor *k = op_scale_shift(g, v, 0, 0);
    Tensor *qkv = op_concat(g, 1, 3, (Tensor *[]){ v, k, v });

    return op_window_attention(g, qkv, table, &(WindowAttentionAttr){ a, 2 });
}

TEST(windows, attention_without_keys_is_the_mean_of_the_window)
{
    const WindowAttr a = { 3, 4, 3, 4, 0, 0 };
    Graph *g = graph_new();
    Tensor *v = graph_input(g, "v", DIMS(2, 6, 3, 4));
    Tensor *mean = op_global_avg_pool(g, v, SQUEEZE_MEAN);

    CHECK_SAME(g, attention_of_no_keys(g, v, a),
               op_add(g, op_scale_shift(g, v, 0, 0), mean), 1e-6);
    graph_free(g);
}

/* With a shift, the corner that was rolled in is a region of its own. */
TEST(windows, masked_attention_stays_within_its_region)
{
    const WindowAttr a = { 6, 6, 3, 3, 1, 1 };
    Graph *g = graph_new();
    Tensor *v = graph_input(g, "v", DIMS(1, 6, 6, 6));
    Tensor *y = attention_of_no_keys(g, v, a);

    y = op_slice(g, op_slice(g, y, 2, 0, 1), 3, 0, 1);
    v = op_slice(g, op_slice(g, v, 2, 0, 1), 3, 0, 1);
    CHECK_SAME(g, y, v, 1e-6);
    graph_free(g);
}

TEST(windows, refuse_a_map_that_they_do_not_tile)
{
    const WindowAttr a = { 9, 14, 7, 7, 0, 0 };
    Graph *g = graph_new();

    op_window_partition(g, graph_input(g, "x", DIMS(1, 4, 9, 14)), &a);
    CHECK(graph_error(g) == ERR_INPUT);
    CHECK(strstr(err_message(), "7x7 do not tile a map of 9x14"));
    graph_free(g);
}

TEST(windows, refuse_a_shift_of_a_whole_window)
{
    const WindowAttr a = { 14, 14, 7, 7, 7, 0 };
    Graph *g = graph_new();

    op_window_partition(g, graph_input(g, "x", DIMS(1, 4, 14, 14)), &a);
    CHECK(graph_error(g) == ERR_INPUT);
    CHECK(strstr(err_message(), "shift=7x0"));
    graph_free(g);
}
