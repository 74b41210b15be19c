/*
 * test_gradients.c - gradient rules: of every op against differences, and what
 * graph_grad makes and does not make.
 */
#include <stdio.h>
#include <string.h>

#include "kernels/ops/grad.h"
#include "kernels/ops/ops.h"
#include "tests/eval.h"
#include "tests/gradient_trial.h"
#include "tests/test.h"

static const double LIMIT = 1e-6; /* of differences, in double */

TEST(gradients, agree_with_differences_at_every_small_case)
{
    GradientTrial t;

    for (int i = 0; (t = gradient_trial(i)).op; i++) {
        CHECK_MSG(!t.message[0], "%s '%s': %s", t.op, t.why, t.message);
        CHECK_MSG(t.error <= LIMIT, "%s '%s': source %d is off by %.2g", t.op,
                  t.why, t.source, t.error);
    }
}

TEST(gradients, every_op_is_tried)
{
    static const char *const ops[] = {
#define X(id) #id,
        OPS(X) FUSED_OPS(X)
#undef X
    };

    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
        bool tried = strcmp(ops[k], "view") == 0; /* it has no cases */
        GradientTrial t;

        for (int i = 0; !tried && (t = gradient_trial(i)).op; i++)
            tried = t.tried && strcmp(t.op, ops[k]) == 0;
        CHECK_MSG(tried, "no gradient of %s was compared", ops[k]);
    }
}

static Gradient gradient(Graph *g, Tensor *of, Tensor *const *wrt, int n)
{
    Dims dims = { .rank = of->rank };

    memcpy(dims.dim, of->dim, sizeof(dims.dim));
    return (Gradient){
        .of = of, .dy = graph_input(g, "dy", dims), .wrt = wrt, .n = n
    };
}

TEST(gradients, of_several_ways_are_added_up)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 3)), *grad;
    Tensor *y = op_add(g, op_scale_shift(g, x, 2, 1), op_mul(g, x, x));
    Gradient wanted = gradient(g, y, &x, 1);
    Tensor *two_x = op_scale_shift(g, x, 2, 2);

    graph_grad(g, &wanted, &grad);
    REQUIRE(graph_error(g) == OK);
    CHECK_SAME(g, grad, op_mul(g, wanted.dy, two_x), 1e-6);
    graph_free(g);
}

TEST(gradients, only_what_leads_to_what_is_asked_for_is_made)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, 4, 5, 5));
    Tensor *w = graph_weight(g, "w", DIMS(4, 4, 1, 1));
    Tensor *y = op_conv2d(g, op_relu(g, x), w, NULL, NULL), *grad;
    Gradient wanted = gradient(g, y, &w, 1);
    const int before = graph_size(g);

    graph_grad(g, &wanted, &grad);
    REQUIRE(graph_error(g) == OK);
    CHECK(grad && tensor_same_dims(grad, w));
    CHECK(graph_size(g) == before + 1 && grad->op == &conv2d_grad_w_def);
    graph_free(g);
}

TEST(gradients, of_what_does_not_depend_on_it_are_null)
{
    Graph *g = graph_new();
    Tensor *wrt[] = { graph_input(g, "x", DIMS(1, 4)),
                      graph_input(g, "other", DIMS(1, 4)) };
    Gradient wanted = gradient(g, op_relu(g, wrt[0]), wrt, 2);
    Tensor *grads[2];

    graph_grad(g, &wanted, grads);
    REQUIRE(graph_error(g) == OK);
    CHECK(grads[0] && !grads[1]);
    graph_free(g);
}

TEST(gradients, of_the_tensor_itself_is_dy)
{
    Graph *g = graph_new();
    Tensor *y = op_relu(g, graph_input(g, "x", DIMS(1, 4))), *grad;
    Gradient wanted = gradient(g, y, &y, 1);

    graph_grad(g, &wanted, &grad);
    CHECK(grad == wanted.dy);
    graph_free(g);
}

TEST(gradients, stop_at_gates_when_told_to)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 3, 4, 4)), *grad;
    Tensor *s = op_sigmoid(g, op_global_avg_pool(g, x, SQUEEZE_MEAN));
    Gradient wanted = gradient(g, op_gate(g, x, s), &x, 1);

    wanted.through = gradient_past_gates;
    graph_grad(g, &wanted, &grad);
    REQUIRE(graph_error(g) == OK);
    CHECK_SAME(g, grad, op_mul(g, wanted.dy, s), 1e-6);
    graph_free(g);
}

static Tensor *odd_node(Graph *g, Tensor *x)
{
    static Op odd;

    odd = relu_def;
    odd.name = "odd";
    odd.grad = NULL;
    return graph_apply(g, &odd, NULL, &x);
}

TEST(gradients, without_a_rule_are_refused_by_name)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 3)), *grad;
    Gradient wanted = gradient(g, odd_node(g, x), &x, 1);

    graph_grad(g, &wanted, &grad);
    CHECK(graph_error(g) == ERR_UNSUPPORTED);
    CHECK(strstr(err_message(), "odd has no gradient"));
    graph_free(g);
}
