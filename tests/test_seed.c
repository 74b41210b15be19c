/*
 * test_seed.c - seeded values: the check values of the rule, and its kinds.
 */
#include "harness/network/seed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

/* Seed 1, name "input": made once by the Python of tests/make_cases.py. */
TEST(seed, input_has_the_known_values)
{
    static const float known[6] = { 0x1.0e2a16p-4f, 0x1.3bfbe4p+0f,
                                    0x1.fb75ep-5f,  -0x1.0356eep+0f,
                                    0x1.2f35fep-1f, -0x1.61f9dep-1f };
    float x[6];

    seed_input(x, 6, "input", 1);
    for (int i = 0; i < 6; i++)
        CHECK_MSG(known[i] == x[i], "x[%d] = %a", i, (double)x[i]);
}

static Tensor *seeded(Graph *g, const char *name, Dims dims)
{
    Tensor *t = graph_weight(g, name, dims);

    CHECK(seed_weight(t, 7, 1) == OK);
    return t;
}

static void check_range(const Tensor *t, double lo, double hi)
{
    double least = INFINITY, most = -INFINITY;

    for (size_t i = 0; i < tensor_count(t); i++) {
        least = fmin(least, t->host[i]);
        most = fmax(most, t->host[i]);
    }
    CHECK_MSG(least >= lo && most <= hi, "%s: %g to %g, wants %g to %g",
              t->name, least, most, lo, hi);
    CHECK_MSG(most - least > 0.95 * (hi - lo),
              "%s: %g to %g does not fill %g to %g", t->name, least, most, lo,
              hi);
}

TEST(seed, range_follows_from_name_and_shape)
{
    Graph *g = graph_new();
    const double fan_in = sqrt(3.0 / (48 * 9));

    check_range(seeded(g, "conv.weight", DIMS(64, 48, 3, 3)), -fan_in, fan_in);
    check_range(seeded(g, "fc.weight", DIMS(96, 300)), -0.1, 0.1);
    check_range(seeded(g, "bn1.weight", DIMS(512)), 0.75, 1.25);
    check_range(seeded(g, "bn1.running_var", DIMS(512)), 0.75, 1.25);
    check_range(seeded(g, "bn1.running_mean", DIMS(512)), -0.1, 0.1);
    check_range(seeded(g, "bn1.bias", DIMS(512)), -0.1, 0.1);
    check_range(seeded(g, "attn.c_b", DIMS(1, 512, 1, 1)), -0.1, 0.1);
    check_range(seeded(g, "attn.c_w", DIMS(1, 512, 1, 1)), -1, 1);
    check_range(seeded(g, "relative_position_bias_table", DIMS(169, 3)), -0.1,
                0.1);
    graph_free(g);
}

/* Weights of a network's own norms alone; statistics have none. */
TEST(seed, norm_gain_is_of_own_norms_and_of_nothing_else)
{
    Graph *g = graph_new();
    Tensor *own = graph_weight(g, "bn1.weight", DIMS(512));
    Tensor *of_module = graph_weight(g, "attn.norm.weight", DIMS(512));
    Tensor *conv = graph_weight(g, "conv.weight", DIMS(96, 300));
    Tensor *var = graph_buffer(g, "bn1.running_var", DIMS(512));

    of_module->origin = ORIGIN_MODULE;
    REQUIRE(seed_graph(g, 7, 2) == OK);
    check_range(own, 1.5, 2.5);
    check_range(of_module, 0.75, 1.25);
    check_range(conv, -0.1, 0.1);
    check_range(var, 0.75, 1.25);
    graph_free(g);
}

TEST(seed, value_depends_on_name_seed_and_index_only)
{
    float a[8], b[8];

    seed_fill(a, 8, "w", 3, -1, 1);
    seed_fill(b, 4, "w", 3, -1, 1);
    CHECK(memcmp(a, b, sizeof(*b) * 4) == 0);
    seed_fill(b, 8, "w", 4, -1, 1);
    CHECK(memcmp(a, b, sizeof(b)) != 0);
    seed_fill(b, 8, "v", 3, -1, 1);
    CHECK(memcmp(a, b, sizeof(b)) != 0);
}

/* The sum as it is defined, from four tensors that are seeded apart. */
TEST(seed, structured_input_is_the_sum_of_its_parts)
{
    enum { B = 2, C = 3, H = 5, W = 4, N = B * C * H * W };
    float all[N], chan[B * C], row[B * C * H], col[B * C * W], x[N];

    seed_structured(x, DIMS(B, C, H, W), "input", 11);
    seed_input(all, N, "input", 11);
    seed_input(chan, B * C, "input.chan", 11);
    seed_input(row, B * C * H, "input.row", 11);
    seed_input(col, B * C * W, "input.col", 11);
    for (int i = 0; i < N; i++) {
        const int bc = i / (H * W), h = i / W % H, w = i % W;
        const double sum = (double)all[i] + chan[bc] + 0.5 * row[bc * H + h] +
                           0.5 * col[bc * W + w];

        CHECK_MSG(x[i] == (float)sum, "element %d: %a", i, (double)x[i]);
    }
}
