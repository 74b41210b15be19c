/*
 * test_taps.c - networks up to a layer that is named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/network/network.h"
#include "tests/stored.h"
#include "tests/test.h"

static const WeightValues seeded = { .seed = 1 };

static Graph *tapped(const char *settings, const char *tap)
{
    Case c = stored_case(settings);
    Graph *g;

    if (network_build_tapped(&g, &c, &seeded, &tap, 1) == OK)
        return g;
    test_failed(__FILE__, __LINE__, "%s of %s: %s", tap, settings,
                err_message());
    return NULL;
}

/* The tap's values for the seeded input; the caller frees. */
static float *values_of(Graph *g, size_t *n)
{
    static float input[3 * 32 * 32];
    float *values[1] = { NULL };
    Device *dev;

    *n = tensor_count(graph_output_at(g, 0, NULL));
    for (size_t i = 0; i < sizeof(input) / sizeof(*input); i++)
        input[i] = (float)(i % 7) - 3;
    BUG_IF(backend_open(&dev, "cpu", NULL) != OK);
    if (network_run(values, g, dev, false, (float *[]){ input }) != OK)
        test_failed(__FILE__, __LINE__, "%s", err_message());
    backend_close(dev);
    return values[0];
}

#define SMALL "backbone=resnet18 height=32 width=32 "

/* bn2 of the last block is before the shortcut and the ReLU, layer4 after. */
TEST(taps, are_layers_by_name)
{
    static const struct {
        const char *settings, *tap, *last;
        int C, H;
    } taps[] = {
        { SMALL, "layer3", "layer3.1.act2", 256, 2 },
        { SMALL, "stage3", "layer3.1.act2", 256, 2 },
        { SMALL, "layer4.1.bn2", "layer4.1.bn2", 512, 1 },
        { SMALL, "layer1.0", "layer1.0.act2", 64, 8 },
        { SMALL, "maxpool", "maxpool", 64, 8 },
        { SMALL "module=se ", "layer2.1.attn", "layer2.1.attn", 128, 4 },
        { "module=ca channels=32 height=8 width=8", "output", "", 32, 8 },
        { "backbone=mobilenetv2_100 height=32 width=32 channels=3", "stage2",
          "blocks.2", 32, 4 },
    };

    for (size_t i = 0; i < sizeof(taps) / sizeof(*taps); i++) {
        Graph *g = tapped(taps[i].settings, taps[i].tap);
        const char *name;
        Tensor *t;

        REQUIRE(g != NULL);
        t = graph_output_at(g, 0, &name);
        CHECK(graph_outputs(g) == 1 && !strcmp(name, taps[i].tap));
        CHECK_MSG(!strncmp(t->name, taps[i].last, strlen(taps[i].last)),
                  "%s ends at %s", taps[i].tap, t->name);
        CHECK(t->dim[1] == taps[i].C && t->dim[2] == taps[i].H);
        CHECK(t->id == graph_size(g) - 1);
        graph_free(g);
    }
}

/* Folding leaves a tap what it was, even within what is folded. */
TEST(taps, are_the_same_folded)
{
    static const char *const taps[] = { "layer3", "layer1.1.bn2",
                                        "layer2.0.bn1", "layer1.0.attn" };

    for (size_t i = 0; i < sizeof(taps) / sizeof(*taps); i++) {
        Graph *a = tapped(SMALL "module=se", taps[i]);
        Graph *b = tapped(SMALL "module=se graph=folded", taps[i]);
        double difference = 0, norm = 0;
        size_t n, m;
        float *x, *y;

        REQUIRE(a && b);
        CHECK(graph_size(b) < graph_size(a));
        x = values_of(a, &n);
        y = values_of(b, &m);
        REQUIRE(x && y && n == m);
        for (size_t k = 0; k < n; k++) {
            difference += (x[k] - y[k]) * (x[k] - y[k]);
            norm += x[k] * x[k];
        }
        CHECK_MSG(difference <= 1e-10 * norm, "%s: %g of %g", taps[i],
                  difference, norm);
        free(x);
        free(y);
        graph_free(a);
        graph_free(b);
    }
}

TEST(taps, that_are_not_there_are_refused)
{
    const char *near = "layer4.1.bm2", *far = "qqqqqqqqqqqqq",
               *stage = "stage1";
    Case c = stored_case(SMALL);
    Graph *g;

    CHECK(network_build_tapped(&g, &c, &seeded, &near, 1) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "unknown tap 'layer4.1.bm2'"), "%s",
              err_message());
    CHECK_MSG(strstr(err_message(), "mean 'layer4.1.bn2'?"), "%s",
              err_message());
    CHECK(network_build_tapped(&g, &c, &seeded, &far, 1) == ERR_INPUT);
    CHECK(!strstr(err_message(), "mean"));
    c = stored_case("module=se channels=32 height=8 width=8");
    CHECK(network_build_tapped(&g, &c, &seeded, &stage, 1) == ERR_INPUT);
}
