/*
 * test_core.c - errors, graphs, and tensors' order of storage.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/host.h"
#include "tests/eval.h"
#include "tests/test.h"

TEST(err, fail_within_puts_a_prefix_before_the_sentence)
{
    CHECK(fail(ERR_IO, "no %s", "disk") == ERR_IO);
    CHECK(strcmp(err_message(), "no disk") == 0);
    CHECK(fail_within(ERR_IO, "%s", "a.db") == ERR_IO);
    CHECK(strcmp(err_message(), "a.db: no disk") == 0);
}

TEST(graph, first_error_sticks_and_names_scope_and_op)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, 6, 2, 2)), *y;

    graph_scope(g, "layer%d", 1);
    graph_scope(g, "attn");
    y = op_channel_shuffle(g, x, 4);
    CHECK(y == NULL);
    graph_end_scope(g);
    graph_end_scope(g);
    CHECK(op_relu(g, y) == NULL); /* NULL in, NULL out */
    CHECK(graph_fail(g, "a later mistake") == NULL);
    CHECK(graph_weight(g, "w", DIMS(1)) == NULL);
    fail(ERR_IO, "something else happened meanwhile");
    CHECK(graph_error(g) == ERR_INPUT);
    CHECK(strcmp(err_message(), "layer1.attn: channel_shuffle: groups=4 does "
                                "not divide channels=6") == 0);
    graph_free(g);
}

TEST(graph, what_has_no_implementation_is_told_from_a_mistake)
{
    Graph *g = graph_new();

    CHECK(graph_unsupported(g, "shuffle=%s has no impl=fused", "on") == NULL);
    CHECK(graph_fail(g, "a later mistake") == NULL);
    CHECK(graph_error(g) == ERR_UNSUPPORTED);
    CHECK(strcmp(err_message(), "shuffle=on has no impl=fused") == 0);
    graph_free(g);
}

TEST(graph, refuses_two_tensors_of_one_name)
{
    Graph *g = graph_new();

    graph_weight(g, "w", DIMS(2));
    CHECK(graph_weight(g, "w", DIMS(3)) == NULL);
    CHECK(graph_error(g) == ERR_INPUT);
    CHECK(strcmp(err_message(), "w: there is already a tensor of this name") ==
          0);
    graph_free(g);
}

TEST(graph, refuses_dims_that_are_not_positive)
{
    Graph *g = graph_new();

    CHECK(graph_input(g, "x", DIMS(2, 0, 3)) == NULL);
    CHECK(graph_error(g) == ERR_INPUT);
    CHECK(strcmp(err_message(), "x: dimension 1 is 0, must be positive") == 0);
    graph_free(g);
}

TEST(graph, weights_are_named_by_their_scopes)
{
    Graph *g = graph_new();

    graph_scope(g, "layer%d", 2);
    graph_scope(g, "0");
    graph_weight(g, "conv1.weight", DIMS(4, 3));
    graph_end_scope(g);
    graph_buffer(g, "mean", DIMS(5));
    graph_end_scope(g);
    graph_weight(g, "bias", DIMS(7));
    CHECK(graph_find(g, "layer2.0.conv1.weight"));
    CHECK(graph_find(g, "layer2.mean"));
    CHECK(graph_find(g, "bias"));
    CHECK(!graph_find(g, "mean"));
    CHECK(graph_params(g) == 12 + 7); /* buffers are not learned */
    graph_free(g);
}

TEST(graph, outputs_are_found_by_name_and_kept)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 3)), *y = op_relu(g, x);
    const char *name;

    graph_output(g, "y", y);
    CHECK(graph_outputs(g) == 1 && graph_output_at(g, 0, &name) == y);
    CHECK(strcmp(name, "y") == 0 && y->kept && !x->kept);
    CHECK(graph_output_named(g, "y") == y && !graph_output_named(g, "x"));
    graph_free(g);
}

TEST(graph, counts_every_reading)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 3)), *y = op_relu(g, x);

    op_mul(g, y, y);
    op_add(g, x, y);
    CHECK(graph_readers(g, x) == 2 && graph_readers(g, y) == 3);
    graph_free(g);
}

TEST(tensor, strides_follow_the_layout)
{
    Tensor t = { .rank = 4, .dim = { 2, 3, 4, 5 }, .layout = CHANNELS_LAST };

    CHECK(tensor_at(&t, 1, 0, 0, 0) == 60 && tensor_at(&t, 0, 1, 0, 0) == 1);
    CHECK(tensor_at(&t, 0, 0, 1, 0) == 15 && tensor_at(&t, 0, 0, 0, 1) == 3);
    t.layout = ROW_MAJOR;
    CHECK(tensor_at(&t, 1, 0, 0, 0) == 60 && tensor_at(&t, 0, 1, 0, 0) == 20);
    CHECK(tensor_at(&t, 0, 0, 1, 0) == 5 && tensor_at(&t, 0, 0, 0, 1) == 1);
    CHECK(tensor_rows(&t) == 40 && tensor_positions(&t) == 20);
    CHECK(tensor_channels(&t) == 3 && tensor_bytes(&t) == 480);
}

/* Layouts of rank 1 and 2 are the same. */
TEST(tensor, vectors_have_one_layout)
{
    Tensor t = { .rank = 2, .dim = { 2, 3 }, .layout = CHANNELS_LAST };

    CHECK(tensor_at(&t, 1, 0, 0, 0) == 3 && tensor_at(&t, 0, 1, 0, 0) == 1);
    CHECK(tensor_rows(&t) == 2 && tensor_positions(&t) == 1);
    t = (Tensor){ .rank = 1, .dim = { 7 } };
    CHECK(tensor_channels(&t) == 7 && tensor_rows(&t) == 1);
}

TEST(tensor, conversion_puts_each_number_in_its_place)
{
    Tensor t = { .rank = 4, .dim = { 1, 2, 1, 3 }, .layout = CHANNELS_LAST };
    static const float nchw[] = { 1, 2, 3, 10, 20, 30 };
    static const float nhwc[] = { 1, 10, 2, 20, 3, 30 };
    float own[6];

    tensor_from_nchw(&t, own, nchw);
    CHECK(memcmp(own, nhwc, sizeof(own)) == 0);
}

TEST(tensor, conversion_there_and_back_is_identity)
{
    static const Dims dims[] = {
        { 1, { 7 } },          { 2, { 3, 5 } },        { 3, { 2, 3, 5 } },
        { 4, { 2, 3, 4, 5 } }, { 4, { 1, 17, 1, 9 } },
    };

    for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++)
        for (int layout = ROW_MAJOR; layout <= CHANNELS_LAST; layout++) {
            Tensor t = { .rank = dims[i].rank, .layout = (Layout)layout };
            float x[256], own[256], back[256];

            memcpy(t.dim, dims[i].dim, sizeof(t.dim));
            eval_values(x, tensor_count(&t), "x");
            tensor_from_nchw(&t, own, x);
            tensor_to_nchw(&t, back, own);
            CHECK(memcmp(back, x, tensor_bytes(&t)) == 0);
            CHECK(layout == CHANNELS_LAST ||
                  memcmp(own, x, tensor_bytes(&t)) == 0);
        }
}

TEST(tensor, dims_as_text)
{
    Tensor t = { .rank = 4, .dim = { 2, 64, 56, 56 } };
    char text[DIMS_TEXT];

    CHECK(strcmp(tensor_dims_text(&t, text), "(2,64,56,56)") == 0);
    CHECK(strcmp(dtype_name(F32), "f32") == 0 && dtype_size(BF16) == 2);
}

/* ---- host ----------------------------------------------------------------- */

static void end_well(void *arg)
{
    *(int *)arg = 2; /* in the child's memory */
}

static void end_badly(void *arg)
{
    raise(*(int *)arg);
}

TEST(host, code_that_dies_takes_nobody_with_it)
{
    static const int deadly[] = { SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGABRT };
    int one = 1;

    CHECK(host_survives(end_well, &one) && one == 1);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        int signal = deadly[i];

        CHECK_MSG(!host_survives(end_badly, &signal), "%d", signal);
    }
}

/* ---- backend -------------------------------------------------------------- */

enum { MANY = 5000 };

static const Kernel *numbered(const void *kernels, int i)
{
    return i < MANY ? (const Kernel *)kernels + i : NULL;
}

TEST(backend, a_list_of_kernels_has_no_limit)
{
    Kernel *kernels = calloc(MANY, sizeof(*kernels));
    const Kernel **list = NULL;

    REQUIRE(kernel_list(&list, numbered, kernels) == OK);
    for (int i = 0; i < MANY; i++)
        CHECK(list[i] == &kernels[i]);
    CHECK(!list[MANY]);
    free(list);
    free(kernels);
}
