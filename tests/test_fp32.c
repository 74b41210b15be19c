/*
 * test_fp32.c - which of an op's operations a GPU counts, by the kernels that
 * it has.
 */
#include <math.h>
#include <string.h>

#include "harness/explain/fp32.h"
#include "kernels/core/err.h"
#include "kernels/core/graph.h"
#include "kernels/ops/ops.h"
#include "kernels/simt/host.h"
#include "tests/test.h"

static const Kernel *kernel_of(const Op *op, const char *name)
{
    const Kernel *k;

    for (int i = 0; (k = simt_backend.kernel_at(i)); i++)
        if (k->op == op && !strcmp(k->name, name))
            return k;
    BUG_IF(true);
    return NULL;
}

static double flops_by(const Tensor *out, const char *kernel)
{
    return fp32_flops(out, kernel_of(out->op, kernel));
}

/* A convolution of 4 to 8 channels on 5x5 with a bias: n = 200. */
static Tensor *conv(Graph *g, Activation act)
{
    Tensor *x = graph_input(g, "x", DIMS(1, 4, 5, 5));
    Tensor *w = graph_weight(g, "w", DIMS(8, 4, 3, 3));
    Tensor *b = graph_weight(g, "b", DIMS(8));
    Tensor *y = op_conv2d(
        g, x, w, b,
        &(Conv2dAttr){
            .stride = 1, .pad_h = 1, .pad_w = 1, .groups = 1, .act = act });

    BUG_IF(!y);
    return y;
}

TEST(fp32, comparisons_of_an_activation_are_not_counted)
{
    const double flops = 2 * 200 * 4 * 9 + 200;

    if (!simt_backend.kernel_at(0))
        SKIP("the CUDA kernels are not here");
    for (int act = ACT_NONE; act <= ACT_RELU6; act++) {
        Graph *g = graph_new();
        Tensor *y = conv(g, act), *x = y->src[0];

        CHECK(flops_by(y, "tiles") == flops);
        CHECK(y->op->cost(y).flops == flops + 200 * act);
        CHECK(flops_by(op_add_act(g, x, x, act), "packs") == 100);
        graph_free(g);
    }
}

TEST(fp32, kernels_that_do_not_say_so_are_not_known)
{
    const Kernel library = { .op = &conv2d_def, .name = "cudnn" };
    Graph *g;
    Tensor *y;

    if (!simt_backend.kernel_at(0))
        SKIP("the CUDA kernels are not here");
    g = graph_new();
    y = conv(g, ACT_NONE);
    CHECK(isnan(fp32_flops(y, &library)));
    CHECK(isnan(flops_by(y, "warp_per_output")));
    CHECK(isnan(flops_by(op_sigmoid(g, y), "packs")));
    CHECK(!isnan(flops_by(op_scale_shift(g, y, 2, 1), "packs")));
    graph_set_dtype(g, F16);
    CHECK(isnan(flops_by(y, "tiles")));
    graph_free(g);
}
