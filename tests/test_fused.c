/*
 * test_fused.c - fused ops against the graphs that they replace.
 */
#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "kernels/ops/fused.h"
#include "kernels/ops/ops.h"
#include "tests/sample.h"
#include "tests/test.h"

enum { N = 2, C = 12, H = 9, W = 16 };

/* SCSA of seeded weights, as a graph of ops or as one op, on "ref". */
static float *scsa_of(bool fused, Cost *cost, size_t *count)
{
    _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(N, C, H, W)), *y;
    uint64_t state = 7;
    float *result;

    param_defaults(scsa_module.params, settings);
    y = (fused ? scsa_module.fuse : scsa_module.build)(g, x, settings);
    BUG_IF(!y);
    *cost = (Cost){ 0 };
    *count = tensor_count(y);
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (t->op && t->op->view) {
            t->data = t->src[0]->data;
            continue;
        }
        t->data = malloc(tensor_count(t) * sizeof(float));
        BUG_IF(!t->data);
        if (t->role != ROLE_NODE)
            sample_fill(&state, t->data, tensor_count(t));
        else
            BUG_IF(t->op->ref(t));
    }
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->role == ROLE_NODE) {
            const Cost c = t->op->cost(t);

            cost->macs += c.macs;
            cost->flops += c.flops;
            cost->transcendentals += c.transcendentals;
            cost->bytes += c.bytes;
            cost->paper_flops += c.paper_flops;
        }
        if (t != y && !(t->op && t->op->view))
            free(t->data);
    }
    result = y->data;
    graph_free(g);
    return result;
}

TEST(fused, scsa_is_the_graph_that_it_replaces)
{
    Cost one, many;
    size_t n, m;
    float *fused = scsa_of(true, &one, &n);
    float *composed = scsa_of(false, &many, &m);

    CHECK(n == m && !memcmp(fused, composed, n * sizeof(float)));
    CHECK(one.macs == many.macs && one.flops == many.flops);
    CHECK(one.transcendentals == many.transcendentals);
    CHECK(one.paper_flops == many.paper_flops);
    free(fused);
    free(composed);
}

/* The map in, the map out, and the weights: 4 convolutions of C/4 (k + 1),
 * 6 C of the norms, 3 C of the scales. */
TEST(fused, scsa_must_move_the_map_twice_and_its_weights)
{
    const double weights = C / 4 * (4 + 6 + 8 + 10) + 9 * C;
    Cost one;
    size_t n;
    float *y = scsa_of(true, &one, &n);

    CHECK(one.bytes == 4 * (2.0 * N * C * H * W + weights));
    free(y);
}

/* Its gates are in the graph that it replaces; attention of windows has none. */
TEST(fused, an_op_is_gated_if_what_it_replaces_is)
{
    const WindowAttentionAttr attention = {
        .window = { .map_h = 4, .map_w = 4, .h = 2, .w = 2 }, .heads = 1
    };
    _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(N, C, H, W));
    Tensor *qkv = graph_input(g, "qkv", DIMS(1, 6, 4, 4));
    Tensor *table = graph_weight(g, "table", DIMS(9, 1));

    param_defaults(scsa_module.params, settings);
    CHECK(node_is_gated(scsa_module.fuse(g, x, settings)));
    CHECK(!node_is_gated(op_window_attention(g, qkv, table, &attention)));
    CHECK(node_is_gated(op_gate(g, x, x)) && !node_is_gated(op_mul(g, x, x)));
    graph_free(g);
}
