/*
 * test_fold.c - a folded graph computes what the graph as written does, and
 * only what may be folded is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ops/grad.h"
#include "kernels/ops/shapes.h"
#include "tests/eval.h"
#include "tests/sample.h"
#include "tests/test.h"

enum { C = 8 };

/* conv2d, batch norm: with weights named after themselves. */
static Tensor *conv(Graph *g, Tensor *x, const char *name, int groups)
{
    const Conv2dAttr attr = { .pad_h = 1, .pad_w = 1, .groups = groups };
    Tensor *w;

    graph_scope(g, "%s", name);
    w = graph_weight(g, "weight", DIMS(C, C / groups, 3, 3));
    x = op_conv2d(g, x, w, NULL, &attr);
    graph_end_scope(g);
    return x;
}

static Tensor *bn(Graph *g, Tensor *x, const char *name)
{
    Tensor *w, *b, *m, *v;

    graph_scope(g, "%s", name);
    w = graph_weight(g, "weight", DIMS(C));
    b = graph_weight(g, "bias", DIMS(C));
    m = graph_buffer(g, "running_mean", DIMS(C));
    v = graph_buffer(g, "running_var", DIMS(C));
    x = op_batch_norm(g, x, w, b, m, v, 1e-5);
    graph_end_scope(g);
    return x;
}

static Tensor *biased(Graph *g, Tensor *x, const char *name)
{
    Tensor *w, *b;

    graph_scope(g, "%s", name);
    w = graph_weight(g, "weight", DIMS(C, C, 1, 1));
    b = graph_weight(g, "bias", DIMS(C));
    x = op_conv2d(g, x, w, b, NULL);
    graph_end_scope(g);
    return x;
}

typedef Tensor *Net(Graph *g, Tensor *x);

#define NET(id, ...)                       \
    static Tensor *id(Graph *g, Tensor *x) \
    {                                      \
        Tensor *y = x;                     \
        __VA_ARGS__;                       \
        return y;                          \
    }

/* Graphs that fold.  Steps are written one under the other. */
NET(conv_bn, y = conv(g, y, "a", 1); y = bn(g, y, "n"))
NET(conv_bn_relu, y = conv(g, y, "a", 1); y = bn(g, y, "n"); y = op_relu(g, y))
NET(depthwise, y = conv(g, y, "a", C); y = bn(g, y, "n"); y = op_relu6(g, y))
NET(grouped, y = conv(g, y, "a", 2); y = bn(g, y, "n"); y = op_relu(g, y))
NET(bias_bn, y = biased(g, y, "a"); y = bn(g, y, "n"))
NET(bias_relu6, y = biased(g, y, "a"); y = op_relu6(g, y))
NET(shortcut_left, y = conv(g, y, "a", 1); y = op_add(g, x, y))
NET(shortcut_right, y = conv(g, y, "a", 1); y = op_add(g, y, x))
NET(residual, y = conv(g, y, "a", 1); y = bn(g, y, "n"); y = op_add(g, y, x);
    y = op_relu(g, y))
NET(fused_add, y = conv(g, y, "a", 1); y = op_add_act(g, y, x, ACT_RELU))
NET(projection, y = conv(g, y, "a", 1); y = bn(g, y, "n");
    y = op_add(g, y, bn(g, conv(g, x, "d", 1), "dn")); y = op_relu(g, y))
NET(projection_first, y = bn(g, conv(g, x, "d", 1), "dn");
    y = op_add(g, bn(g, conv(g, x, "a", 1), "n"), y); y = op_relu(g, y))
NET(late_shortcut, y = conv(g, y, "a", 1); x = op_sigmoid(g, x);
    y = op_add(g, y, x))
NET(plain_add_relu, y = op_add(g, op_sigmoid(g, x), x); y = op_relu(g, y))
NET(broadcast_add_relu6,
    y = op_add(g, x, op_global_avg_pool(g, x, SQUEEZE_MEAN));
    y = op_relu6(g, y))

/* Graphs that do not fold, or not entirely. */
NET(relu_between, y = conv(g, y, "a", 1); y = op_relu(g, y); y = bn(g, y, "n"))
NET(two_readers, y = conv(g, y, "a", 1);
    y = op_mul(g, bn(g, y, "n"), op_sigmoid(g, y)))
NET(norm_first, y = bn(g, y, "n"); y = conv(g, y, "a", 1))
NET(twice_itself, y = conv(g, y, "a", 1); y = op_add(g, y, y))
NET(two_activations, y = conv(g, y, "a", 1); y = op_relu(g, y);
    y = op_relu6(g, y))
NET(broadcast_shortcut, y = conv(g, y, "a", 1);
    y = op_add(g, y, op_global_avg_pool(g, x, SQUEEZE_MEAN)))
NET(two_shortcuts, y = conv(g, y, "a", 1); y = op_add(g, y, x);
    y = op_add(g, y, x))
NET(kept_between, y = conv(g, y, "a", 1); graph_output(g, "middle", y);
    y = bn(g, y, "n"); y = op_relu(g, y))
NET(kept_norm, y = conv(g, y, "a", 1); y = bn(g, y, "n");
    graph_output(g, "middle", y); y = op_relu(g, y))

static Tensor *shared_filters(Graph *g, Tensor *x)
{
    Tensor *w = graph_weight(g, "w", DIMS(2, 2, 1, 1));

    x = op_conv2d(g, x, w, NULL, &(Conv2dAttr){ .groups = 4, .shared = true });
    return op_relu(g, bn(g, x, "n"));
}

static Tensor *one_weight_twice(Graph *g, Tensor *x)
{
    Tensor *w = graph_weight(g, "w", DIMS(C, C, 1, 1));

    x = bn(g, op_conv2d(g, x, w, NULL, NULL), "n");
    return op_relu(g, op_conv2d(g, x, w, NULL, NULL));
}

/* The gradient of y with respect to x, which is appended to the graph. */
static Tensor *grad_of(Graph *g, Tensor *y, Tensor *x)
{
    Tensor *dx = NULL;
    const Gradient wanted = {
        .of = y,
        .dy = y ? graph_input(g, "dy", dims_of(y)) : NULL,
        .wrt = &x,
        .n = 1,
    };

    graph_grad(g, &wanted, &dx);
    return dx;
}

/* Gradients: of a chain, a block with a shortcut, one with a projection. */
NET(grad_relu, y = op_relu(g, conv(g, y, "a", 1)); y = conv(g, y, "b", 2);
    y = grad_of(g, y, x))
NET(grad_relu6, y = op_relu6(g, conv(g, y, "a", C)); y = conv(g, y, "b", 1);
    y = grad_of(g, y, x))
NET(grad_block, y = op_relu(g, conv(g, y, "a", 1));
    y = op_add(g, conv(g, y, "b", 1), y); y = grad_of(g, y, x))
NET(grad_projection, y = op_relu(g, conv(g, y, "a", 1));
    y = op_add(g, conv(g, y, "b", 1), conv(g, y, "c", 1)); y = grad_of(g, y, x))
NET(grad_kept, y = op_relu(g, conv(g, y, "a", 1));
    graph_output(g, "middle", grad_of(g, conv(g, y, "b", 1), y));
    y = op_relu_grad(g, y, graph_output_named(g, "middle")))
NET(grad_as_the_result, y = grad_of(g, conv(g, y, "a", 1), y);
    y = op_relu_grad(g, y, x))

static Graph *written(Net *net)
{
    Graph *g = graph_new();
    Tensor *y = net(g, graph_input(g, "x", DIMS(2, C, 5, 6)));

    graph_output(g, "y", y);
    return g;
}

static int nodes(const Graph *g)
{
    int n = 0;

    for (int i = 0; i < graph_size(g); i++)
        n += graph_at(g, i)->role == ROLE_NODE;
    return n;
}

/* Relative error of the folded graph's outputs; the worst of them. */
static double fold_error(Graph *g, Graph *folded)
{
    double worst = 0;

    for (int i = 0; i < graph_outputs(g); i++) {
        const char *name;
        Tensor *t = graph_output_at(g, i, &name);
        float *a, *b;
        double error;

        if (strcmp(name, "evaluated") == 0)
            break;
        a = eval(g, t);
        b = eval(folded, graph_output_named(folded, name));
        error = a && b ? eval_error(b, a, tensor_count(t)) : 1;
        worst = error <= worst ? worst : error;
        free(a);
        free(b);
    }
    return worst;
}

static void check_fold(const char *name, Net *net, int before, int after)
{
    Graph *g = written(net), *folded;
    double error;

    REQUIRE(graph_error(g) == OK);
    eval_fill(g);
    REQUIRE(graph_fold(&folded, g) == OK);
    CHECK_MSG(nodes(g) == before && nodes(folded) == after,
              "%s: %d nodes become %d, not %d become %d", name, nodes(g),
              nodes(folded), before, after);
    error = fold_error(g, folded);
    CHECK_MSG(error <= 1e-6, "%s: relative L2 error %.2g", name, error);
    graph_free(folded);
    graph_free(g);
}

#define FOLDS(net, before, after) check_fold(#net, net, before, after)

TEST(fold, chains_become_one_node)
{
    FOLDS(conv_bn, 2, 1);
    FOLDS(conv_bn_relu, 3, 1);
    FOLDS(depthwise, 3, 1);
    FOLDS(grouped, 3, 1);
    FOLDS(bias_bn, 2, 1);
    FOLDS(bias_relu6, 2, 1);
    FOLDS(shortcut_left, 2, 1);
    FOLDS(shortcut_right, 2, 1);
    FOLDS(residual, 4, 1);
    FOLDS(fused_add, 2, 1);
    FOLDS(projection, 6, 2);
    FOLDS(projection_first, 6, 2);
    FOLDS(late_shortcut, 3, 2);
    FOLDS(plain_add_relu, 3, 2);
    FOLDS(broadcast_add_relu6, 3, 2);
}

TEST(fold, chains_of_gradients_become_one_node)
{
    FOLDS(grad_relu, 6, 4);
    FOLDS(grad_relu6, 6, 4);
    FOLDS(grad_block, 8, 4);
    FOLDS(grad_projection, 10, 6);
}

TEST(fold, leaves_gradients_that_are_no_chain)
{
    FOLDS(grad_kept, 5, 4);
    FOLDS(grad_as_the_result, 3, 3);
}

TEST(fold, leaves_what_is_no_chain)
{
    FOLDS(relu_between, 3, 2);
    FOLDS(two_readers, 4, 4);
    FOLDS(norm_first, 2, 2);
    FOLDS(twice_itself, 2, 2);
    FOLDS(two_activations, 3, 2);
    FOLDS(broadcast_shortcut, 3, 3);
    FOLDS(two_shortcuts, 3, 2);
    FOLDS(kept_between, 3, 3);
    FOLDS(kept_norm, 3, 2);
    FOLDS(shared_filters, 3, 3);
    FOLDS(one_weight_twice, 4, 3);
}

/* Random nets over one shape: whatever comes of it, the values stay. */
static Tensor *random_net(Graph *g, uint64_t *state, int steps)
{
    Tensor *t[64] = { graph_input(g, "x", DIMS(1, C, 3, 4)) };
    char name[16];
    int n = 1;

    while (n <= steps) {
        /* mostly the latest, so that chains arise */
        Tensor *x = t[sample_below(state, 4) ? n - 1 : sample_below(state, n)];
        Tensor *other = t[sample_below(state, n)];

        snprintf(name, sizeof(name), "t%d", n);
        switch (sample_below(state, 7)) {
        case 0:
            t[n] = conv(g, x, name, 1 << sample_below(state, 3));
            break;
        case 1:
            t[n] = biased(g, x, name);
            break;
        case 2:
            t[n] = bn(g, x, name);
            break;
        case 3:
            t[n] = op_relu(g, x);
            break;
        case 4:
            t[n] = op_relu6(g, x);
            break;
        case 5:
            t[n] = op_add(g, x, other);
            break;
        default:
            t[n] = op_sigmoid(g, x);
            break;
        }
        if (sample_below(state, 8) == 0)
            graph_output(g, name, t[n]);
        n++;
    }
    return t[n - 1];
}

TEST(fold, random_nets_keep_their_values)
{
    int folds = 0;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        Graph *g = graph_new(), *folded;
        uint64_t state = seed;
        double error;
        Tensor *y;

        y = random_net(g, &state, 20);
        graph_output(g, "y", y);
        if (seed % 2)
            graph_output(g, "dx", grad_of(g, y, graph_find(g, "x")));
        REQUIRE(graph_error(g) == OK);
        eval_fill(g);
        REQUIRE(graph_fold(&folded, g) == OK);
        folds += nodes(g) - nodes(folded);
        error = fold_error(g, folded);
        CHECK_MSG(error <= 1e-6, "seed %d: relative L2 error %.2g", (int)seed,
                  error);
        graph_free(folded);
        graph_free(g);
    }
    CHECK(folds > 200);
}

TEST(fold, of_a_folded_graph_changes_nothing)
{
    Graph *g = written(projection), *once, *again;

    eval_fill(g);
    REQUIRE(graph_fold(&once, g) == OK);
    REQUIRE(graph_fold(&again, once) == OK);
    CHECK(nodes(again) == nodes(once));
    CHECK(graph_params(again) == graph_params(once));
    CHECK(fold_error(once, again) == 0);
    graph_free(again);
    graph_free(once);
    graph_free(g);
}

TEST(fold, of_weights_without_values_leaves_them_without)
{
    Graph *g = written(projection), *folded;
    double macs = 0;

    REQUIRE(graph_fold(&folded, g) == OK);
    for (int i = 0; i < graph_size(folded); i++) {
        const Tensor *t = graph_at(folded, i);

        CHECK(!t->host);
        if (t->op)
            macs += t->op->cost(t).macs;
    }
    /* two convolutions of C to C, 3x3, at 2x5x6 positions */
    CHECK(macs == 2.0 * C * C * 9 * 60);
    CHECK(graph_params(folded) == 2.0 * (C * C * 9 + C));
    graph_free(folded);
    graph_free(g);
}

TEST(fold, keeps_scopes_weight_names_and_the_graph_it_reads)
{
    Graph *g = written(conv_bn_relu), *folded;
    const Tensor *y;
    float before;

    eval_fill(g);
    before = graph_find(g, "a.weight")->host[0];
    REQUIRE(graph_fold(&folded, g) == OK);
    y = graph_output_named(folded, "y");
    CHECK(y->op == &conv2d_def && strcmp(y->name, "a") == 0);
    CHECK(graph_find(folded, "a.weight") == y->src[1]);
    CHECK(graph_find(folded, "a.bias") == y->src[2]);
    CHECK(!graph_find(folded, "n.weight"));
    CHECK(graph_find(g, "a.weight")->host[0] == before);
    CHECK(graph_find(folded, "a.weight")->host[0] != before);
    graph_free(folded);
    graph_free(g);
}

TEST(fold, of_a_failed_graph_gives_its_error)
{
    Graph *g = graph_new(), *folded;

    graph_fail(g, "the first mistake");
    CHECK(graph_fold(&folded, g) == ERR_INPUT && !folded);
    CHECK(strcmp(err_message(), "the first mistake") == 0);
    graph_free(g);
}
