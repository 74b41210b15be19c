/*
 * test_cudnn.c - the graphs and engines of convolutions, on cards that are
 * only described: cuDNN answers for those without a GPU, all but running.
 */
#include "tests/test.h"

#ifndef WITH_CUDNN

TEST(cudnn, offline)
{
    SKIP("built without cuDNN 9's headers");
}

#else

#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network/network.h"
#include "kernels/cuda/library/conv_graph.h"
#include "tests/described.h"
#include "tests/eval.h"
#include "tests/kernel_cases.h"

enum { MAX_SEEN = 64 };

static const char *const cards[] = { "h200", "a100", "rtx4090" };
enum { NCARDS = sizeof(cards) / sizeof(cards[0]) };

static ConvTarget target(const Described *card)
{
    return (ConvTarget){ .description = card->device };
}

/* "h200 f16 conv2d (8,64,56,56) 3x3 -> (8,64,56,56)" */
static const char *title(const Described *card, const Tensor *out)
{
    static char text[256];
    const ConvParts p = conv_parts(out);
    char x[DIMS_TEXT], y[DIMS_TEXT];

    snprintf(text, sizeof(text), "%s %s %s %s %dx%d -> %s", card->name,
             dtype_name(out->dtype), out->op->name, tensor_dims_text(p.x, x),
             p.w->dim[2], p.w->dim[3], tensor_dims_text(p.y, y));
    return text;
}

/* out has engines; those for f32 have no tensor cores; and if it is regular,
 * one for the other types has.  The number of engines. */
static int check_engines(const Described *card, const Tensor *out, bool regular)
{
    ConvEngine engine[ENGINES_TRIED];
    ConvGraph graph;
    int n = 0, with = 0, err = conv_graph_init(&graph, out, target(card));

    if (!err)
        err = conv_engines(&graph, engine, ENGINES_TRIED, &n);
    CHECK_MSG(err == OK && n > 0, "%s: %s", title(card, out), err_message());
    for (int i = 0; i < n; i++) {
        with += engine[i].tensor_cores;
        conv_engine_free(&engine[i]);
    }
    CHECK_MSG(out->dtype != F32 || !with, "%s: %d with tensor cores",
              title(card, out), with);
    CHECK_MSG(out->dtype == F32 || with || !regular, "%s: no tensor cores",
              title(card, out));
    conv_graph_free(&graph);
    return n;
}

/* ---- ResNet-50 ---------------------------------------------------------- */

/* Folded, but where there are gradients of what would be folded. */
static Graph *resnet50(const char *pass, const char *batch)
{
    const bool backward = strcmp(pass, "backward") == 0;
    Graph *g = NULL;
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", "resnet50") == OK);
    CHECK(case_set(&c, "module", "none") == OK);
    CHECK(case_set(&c, "graph", backward ? "as_written" : "folded") == OK);
    CHECK(case_set(&c, "pass", pass) == OK);
    CHECK(case_set(&c, "batch", batch) == OK);
    CHECK(case_complete(&c) == OK);
    BUG_IF(network_build(&g, &c, NULL, TAPS_NONE));
    return g;
}

static bool same_conv(const Tensor *a, const Tensor *b)
{
    const ConvParts p = conv_parts(a), q = conv_parts(b);

    return tensor_same_dims(p.x, q.x) && tensor_same_dims(p.w, q.w) &&
           p.attr->stride == q.attr->stride && p.attr->act == q.attr->act &&
           !a->src[3] == !b->src[3];
}

/* The tensors of g that op makes, of those alike the first; all is how many
 * there are alike or not. */
static int different(const Graph *g, const Op *op, Tensor *found[MAX_SEEN],
                     int *all)
{
    int n = 0;

    *all = 0;
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);
        int k = 0;

        if (t->op != op)
            continue;
        ++*all;
        while (k < n && !same_conv(t, found[k]))
            k++;
        if (k == n && n < MAX_SEEN)
            found[n++] = t;
    }
    return n;
}

/* All of op in ResNet-50 have engines, in types below ndtypes; how many of op
 * there are. */
static int check_resnet50(const Op *op, const char *pass, const char *batch,
                          Dtype ndtypes)
{
    Graph *g = resnet50(pass, batch);
    Tensor *conv[MAX_SEEN];
    int all, n = different(g, op, conv, &all), engines = 0;

    for (int i = 0; i < NCARDS; i++) {
        Described card;

        described_open(&card, cards[i]);
        for (Dtype d = 0; d < ndtypes; d++) {
            graph_set_dtype(g, d);
            for (int k = 0; k < n; k++) {
                const ConvParts p = conv_parts(conv[k]);

                CHECK(conv_graph_takes(conv[k]));
                engines += check_engines(&card, conv[k], p.x->dim[1] > 3);
            }
        }
        described_close(&card);
    }
    printf("    %s, batch %s: %d of %d differ; %d engines for %d graphs\n",
           op->name, batch, n, all, engines, n * NCARDS * (int)ndtypes);
    graph_free(g);
    return all;
}

TEST(cudnn, resnet50_has_engines_at_batch_8)
{
    CHECK(check_resnet50(&conv2d_def, "forward", "8", NDTYPES) == 53);
}

TEST(cudnn, resnet50_has_engines_at_batch_32)
{
    CHECK(check_resnet50(&conv2d_def, "forward", "32", NDTYPES) == 53);
}

/* And the classifier, which is a 1x1 there. */
TEST(cudnn, resnet50_has_engines_for_its_gradients)
{
    CHECK(check_resnet50(&conv2d_grad_x_def, "input_grad", "8", F32 + 1) == 54);
    CHECK(check_resnet50(&conv2d_grad_w_def, "backward", "8", F32 + 1) == 54);
}

/* ---- awkward convolutions ----------------------------------------------- */

/* A case as a graph of one op. */
static Tensor *case_build(Graph *g, const KernelCase *c)
{
    Tensor *src[MAX_SRC];

    for (int k = 0; k < MAX_SRC; k++)
        src[k] = kernel_case_source(g, c, k);
    return graph_apply(g, c->op, c->attr, src);
}

static bool is_conv(const Op *op)
{
    return op == &conv2d_def || op == &conv2d_grad_x_def ||
           op == &conv2d_grad_w_def;
}

/* Gradients are in f32 only. */
static Dtype dtypes_of(const Op *op)
{
    return op == &conv2d_def ? NDTYPES : F32 + 1;
}

static void check_taken(const char *name)
{
    int taken = 0, refused = 0;
    Described card;

    described_open(&card, name);
    for (int i = 0; kernel_case_at(i); i++) {
        Graph *g = graph_new();
        const Tensor *out;

        if (is_conv(kernel_case_at(i)->op)) {
            out = case_build(g, kernel_case_at(i));
            for (Dtype d = 0; d < dtypes_of(out->op); d++) {
                graph_set_dtype(g, d);
                if (conv_graph_takes(out))
                    taken += check_engines(&card, out, false) > 0;
                else
                    refused++;
            }
        }
        graph_free(g);
    }
    described_close(&card);
    CHECK_MSG(taken > 33 && refused > 16, "%d, %d", taken, refused);
}

/* A test each, so that none takes long. */
TEST(cudnn, what_it_takes_has_engines_on_h200)
{
    check_taken("h200");
}

TEST(cudnn, what_it_takes_has_engines_on_a100)
{
    check_taken("a100");
}

TEST(cudnn, what_it_takes_has_engines_on_rtx4090)
{
    check_taken("rtx4090");
}

static bool takes(Conv2dAttr attr, Dims w, bool weight)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, 8, 4, 4)),
           *k = weight ? graph_weight(g, "w", w) : graph_input(g, "w", w);
    bool yes;

    if (!weight)
        k->layout = ROW_MAJOR;
    yes = conv_graph_takes(op_conv2d(g, x, k, NULL, &attr));
    CHECK(graph_error(g) == OK);
    graph_free(g);
    return yes;
}

TEST(cudnn, refuses_what_is_better_done_otherwise)
{
    const Conv2dAttr plain = { 0 }, depthwise = { .groups = 8 };

    CHECK(takes(plain, DIMS(8, 8, 1, 1), true));
    CHECK(takes((Conv2dAttr){ .act = ACT_RELU }, DIMS(8, 8, 1, 1), true));
    CHECK(!takes((Conv2dAttr){ .act = ACT_RELU6 }, DIMS(8, 8, 1, 1), true));
    CHECK(takes((Conv2dAttr){ .groups = 2 }, DIMS(8, 4, 1, 1), true));
    CHECK(!takes((Conv2dAttr){ .groups = 2, .shared = true }, DIMS(4, 4, 1, 1),
                 true));
    CHECK(!takes(depthwise, DIMS(8, 1, 3, 3), true));
    CHECK(!takes(depthwise, DIMS(16, 1, 3, 3), true));
    CHECK(!takes(plain, DIMS(8, 8, 1, 1), false)); /* computed, not given */
}

/* ---- engines as text ---------------------------------------------------- */

static Tensor *residual(Graph *g)
{
    Tensor *x = graph_input(g, "x", DIMS(8, 64, 14, 14));
    Tensor *w = graph_weight(g, "w", DIMS(256, 64, 3, 3));
    Tensor *b = graph_weight(g, "b", DIMS(256));
    Tensor *z = graph_input(g, "z", DIMS(8, 256, 14, 14));

    return op_conv2d_add(
        g, x, w, b, z,
        &(Conv2dAttr){ .pad_h = 1, .pad_w = 1, .act = ACT_RELU });
}

TEST(cudnn, an_engine_is_made_again_from_its_text)
{
    ConvEngine engine[ENGINES_TRIED], again;
    ConvGraph graph;
    Graph *g = graph_new();
    Tensor *out = residual(g);
    Described card;
    int n = 0;

    described_open(&card, "h200");
    graph_set_dtype(g, F16);
    REQUIRE(conv_graph_init(&graph, out, target(&card)) == OK);
    REQUIRE(conv_engines(&graph, engine, ENGINES_TRIED, &n) == OK);
    CHECK(n > 4);
    for (int i = 0; i < n; i++) {
        REQUIRE(conv_engine_init(&again, &graph, engine[i].text) == OK);
        CHECK(strcmp(again.text, engine[i].text) == 0);
        CHECK(again.workspace_bytes == engine[i].workspace_bytes);
        CHECK(again.tensor_cores == engine[i].tensor_cores);
        conv_engine_free(&again);
        for (int k = 0; k < i; k++)
            CHECK(strcmp(engine[i].text, engine[k].text) != 0);
    }
    for (int i = 0; i < n; i++)
        conv_engine_free(&engine[i]);
    conv_graph_free(&graph);
    described_close(&card);
    graph_free(g);
}

TEST(cudnn, a_text_that_is_no_engine_is_refused)
{
    static const char *const wrong[] = {
        "", "fast", "999999", "-1", "44 2", "44 2=", "44 2=1 x", "0 2=999999",
    };
    ConvEngine e;
    ConvGraph graph;
    Graph *g = graph_new();
    Tensor *out = residual(g);
    Described card;

    described_open(&card, "h200");
    REQUIRE(conv_graph_init(&graph, out, target(&card)) == OK);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_MSG(conv_engine_init(&e, &graph, wrong[i]) != OK, "'%s'",
                  wrong[i]);
        CHECK(err_message()[0] && !e.plan && !e.made.n);
    }
    conv_graph_free(&graph);
    described_close(&card);
    graph_free(g);
}

/* A note of tf32's engine does not make f32 round. */
TEST(cudnn, f32_refuses_an_engine_of_tf32)
{
    ConvEngine engine[ENGINES_TRIED], e;
    ConvGraph tf32, f32;
    Graph *g = graph_new();
    Tensor *out = residual(g);
    Described card;
    int n = 0, refused = 0;

    described_open(&card, "h200");
    graph_set_dtype(g, TF32);
    REQUIRE(conv_graph_init(&tf32, out, target(&card)) == OK);
    graph_set_dtype(g, F32);
    REQUIRE(conv_graph_init(&f32, out, target(&card)) == OK);
    REQUIRE(conv_engines(&tf32, engine, ENGINES_TRIED, &n) == OK);
    for (int i = 0; i < n; i++) {
        const int err = conv_engine_init(&e, &f32, engine[i].text);

        CHECK((err != OK) == engine[i].tensor_cores);
        CHECK(err == OK || strstr(err_message(), "rounds f32 to tf32"));
        refused += err != OK;
        conv_engine_free(&e);
        conv_engine_free(&engine[i]);
    }
    CHECK(refused > 0);
    conv_graph_free(&tf32);
    conv_graph_free(&f32);
    described_close(&card);
    graph_free(g);
}

#endif
