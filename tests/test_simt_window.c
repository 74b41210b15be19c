/*
 * test_simt_window.c - window_attention on tensor cores, on the host: which
 * cases are theirs, what they move, and that banks are never met twice.
 *
 * tests/kernel_cases_windows.c has its shapes; test_kernels.c runs them.
 */
#include <stdlib.h>

#include "kernels/core/plan.h"
#include "kernels/cuda/backend/cuda.h"
#include "tests/kernel_cases.h"
#include "tests/kernel_trial.h"
#include "tests/on_simt.h"
#include "tests/test.h"

enum { HEADS = 2, CHANNELS = 64 };

/* Swin's attention over maps of 14x14: four windows an image, two heads. */
static Tensor *build(Graph *g, Dtype dtype, int images, WindowAttr window,
                     int heads)
{
    Tensor *qkv = graph_input(
        g, "qkv", DIMS(images, 3 * CHANNELS, window.map_h, window.map_w));
    Tensor *table = graph_weight(
        g, "table", DIMS((2 * window.h - 1) * (2 * window.w - 1), heads));
    Tensor *y = op_window_attention(g, qkv, table,
                                    &(WindowAttentionAttr){ window, heads });

    graph_output(g, "y", y);
    BUG_IF(graph_error(g) || graph_alloc_host(table));
    for (size_t i = 0; i < tensor_count(table); i++)
        table->host[i] = 0.01f * (float)i;
    graph_set_dtype(g, dtype);
    return y;
}

static bool is_taken(Dtype dtype, WindowAttr window, int heads)
{
    Graph *g = graph_new();
    const Tensor *y = build(g, dtype, 1, window, heads);
    const Kernel *k = &cuda_window_attention_mma;
    const bool taken = (k->dtypes & DTYPE_BIT(dtype)) && k->supports(y);

    graph_free(g);
    return taken;
}

TEST(simt_window, tensor_cores_take_short_types_and_what_they_have_room_for)
{
    const WindowAttr swin = { 14, 14, 7, 7, 3, 3 };

    CHECK(is_taken(F16, swin, 2) && is_taken(BF16, swin, 2));
    CHECK(!is_taken(F32, swin, 2));
    CHECK(is_taken(F16, swin, 8) && !is_taken(F16, swin, 16)); /* 8 and 4 */
    CHECK(!is_taken(F16, swin, 1));                            /* of 64 */
    CHECK(is_taken(F16, (WindowAttr){ 8, 8, 8, 8, 0, 0 }, 2));
    CHECK(!is_taken(F16, (WindowAttr){ 5, 13, 5, 13, 0, 0 }, 2)); /* 65 */
}

/* ---- what is right ------------------------------------------------------- */

static const Kernel *const kernels[] = { &cuda_window_attention_mma, NULL };

static bool any(const Kernel *k)
{
    return k != NULL;
}

/* On all cases that it takes: the others are not for it. */
static void agrees(int order, const char *how, Values values, Dtype dtype)
{
    Device *dev = simt_device();

    if (simt_is_checked()) {
        simt_device_close(dev);
        SKIP("the accesses are the same, and judged by simt_kernels");
    }
    simt_set_order(order, 1);
    dev->kernels = kernels;
    CHECK(kernel_trials_of(dev, how, values, dtype, any) >= 12);
    simt_set_order(SIMT_FORWARD, 1);
    simt_device_close(dev);
}

TEST(simt_window, agrees_with_the_definition_in_reverse)
{
    agrees(SIMT_REVERSE, "reverse", PLAIN, F16);
}

TEST(simt_window, agrees_with_the_definition_in_random_order)
{
    agrees(SIMT_RANDOM, "random", PLAIN, BF16);
}

TEST(simt_window, passes_nan_and_infinity_on_in_f16)
{
    agrees(SIMT_FORWARD, "forward", NONFINITE, F16);
}

/* ---- what it moves ------------------------------------------------------- */

/* Requests of a run, of the checked build. */
static SimtCounts counts_of(int images, int shift)
{
    const WindowAttr window = { 14, 14, 7, 7, shift, shift };
    Device *dev = simt_device();
    SimtCounts c = { 0 };
    Graph *g;
    Plan *p;

    if (!simt_is_checked()) {
        simt_backend.close(dev);
        SKIP("only the checked build counts requests");
    }
    dev->kernels = kernels;
    g = graph_new();
    build(g, F16, images, window, HEADS);
    BUG_IF(plan_new(&p, dev, g));
    simt_count_start();
    BUG_IF(plan_run(p));
    simt_count_stop();
    for (int i = 0; simt_counted(i); i++)
        if (simt_counted(i)->threads == 128 && simt_counted(i)->shared.units)
            c = *simt_counted(i);
    plan_free(p);
    graph_free(g);
    simt_device_close(dev);
    return c;
}

TEST(simt_window, every_number_is_read_and_written_once)
{
    const SimtCounts c = counts_of(4, 0);
    const double map = 4 * 14 * 14 * CHANNELS * 2, table = 169 * HEADS * 2;

    CHECK(c.image_read + c.weight_read >= 3 * map + table);
    CHECK(c.image_read + c.weight_read < 3 * map + table + 64);
    CHECK(c.written == map);
    CHECK(c.stores.units == c.stores.ideal);
    CHECK(c.loads.units < 3 * map / 32 + 16 * 169 * HEADS);
}

/* The host's device runs 16 blocks at once: 2 windows each, or 4.  Reading the
 * bias, once a block, may meet banks twice; windows may not. */
TEST(simt_window, more_windows_meet_no_bank_twice)
{
    for (int shift = 0; shift <= 3; shift += 3) {
        const SimtCounts few = counts_of(4, shift), more = counts_of(8, shift);

        CHECK(few.blocks == 16 && more.blocks == 16);
        CHECK(more.shared.units > few.shared.units);
        CHECK_MSG(more.shared.units - more.shared.ideal ==
                      few.shared.units - few.shared.ideal,
                  "shift %d: %g wavefronts, ideal %g; then %g, ideal %g", shift,
                  few.shared.units, few.shared.ideal, more.shared.units,
                  more.shared.ideal);
    }
}
