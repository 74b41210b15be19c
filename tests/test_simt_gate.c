/*
 * test_simt_gate.c - the CUDA kernel "gate" on the host: right however an image
 * is cut, in shared memory or not, and cut as the card has room for.
 *
 * tests/kernel_cases_modules.c has its shapes; test_kernels.c runs them on the
 * cuts of a small card.
 */
#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"
#include "kernels/cuda/backend/cuda.h"
#include "kernels/cuda/backend/device.h"
#include "tests/kernel_trial.h"
#include "tests/on_simt.h"
#include "tests/test.h"

enum { OF_A_CARD = 132 };

static const Kernel *const gates[] = {
#define X(id) &cuda_##id,
    MODULE_OPS(X)
#undef X
        NULL,
};

/* A card that has such clusters and lets a block have so much shared memory. */
static Device *open_card(int sms, int max_cluster, int block_kib)
{
    Device *dev = simt_device();
    CudaDevice *cuda = cuda_device(dev);

    dev->kernels = gates;
    cuda->sms = sms;
    cuda->max_cluster = max_cluster;
    cuda->block_shared_bytes = (size_t)block_kib << 10;
    return dev;
}

static bool any(const Kernel *k)
{
    return k != NULL;
}

/* CBAM has five maps of positions next to x: too many for a block or two. */
static bool has_room(const Kernel *k)
{
    return k->op != &cbam_def;
}

static void agrees(int max_cluster, int block_kib, const char *how, Dtype dtype)
{
    Device *dev = open_card(OF_A_CARD, max_cluster, block_kib);

    CHECK(kernel_trials_of(dev, how, PLAIN, dtype,
                           max_cluster > 2 ? any : has_room) > 0);
    simt_device_close(dev);
}

/* ---- right, however it is cut --------------------------------------------- */

TEST(simt_gate, agrees_in_clusters_as_large_as_there_are)
{
    if (simt_is_checked() && !getenv("SLOW"))
        SKIP("half a minute: SLOW=1 build/run_tests_checked simt_gate");
    agrees(8, 227, "clusters of 8", F32);
}

TEST(simt_gate, agrees_in_pairs_of_blocks)
{
    if (simt_is_checked())
        SKIP("the accesses are those of clusters of 8");
    agrees(2, 227, "clusters of 2", F16);
}

/* As an A100 has it: what one block cannot hold is read again. */
TEST(simt_gate, agrees_without_clusters)
{
    agrees(1, 163, "no clusters", F16);
}

/* Half of the map beyond a cache does not fit eight blocks any more. */
TEST(simt_gate, agrees_where_no_cluster_holds_an_image)
{
    agrees(8, 99, "clusters of 8, 99 KiB", F32);
}

/* ---- how it is cut --------------------------------------------------------- */

typedef struct Choice {
    const char *module;
    int n, c, size;
    Dtype dtype;
    unsigned cluster, most_kib;
    const char *why;
} Choice;

static const Choice choices[] = {
    { "se", 32, 64, 56, F16, 4, 113, "two blocks a multiprocessor" },
    { "se", 8, 64, 56, F16, 8, 113, "more blocks where a batch is small" },
    { "eca", 32, 128, 28, F16, 4, 113, "as many as multiprocessors" },
    { "se", 32, 512, 7, F16, 4, 113, "of two rows each" },
    { "se", 1, 512, 1, F32, 1, 113, "one row is not cut" },
    { "ca", 8, 64, 56, F32, 8, 227, "with strips" },
};
enum { NCHOICES = sizeof(choices) / sizeof(choices[0]) };

static Graph *graph_of(const Choice *c)
{
    const Module *m = zoo_find(c->module);
    _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };
    Graph *g = graph_new();
    Tensor *y;

    if (m->params)
        param_defaults(m->params, settings);
    y = zoo_fuse(g, m, graph_input(g, "x", DIMS(c->n, c->c, c->size, c->size)),
                 settings);
    graph_output(g, "y", y);
    BUG_IF(graph_error(g));
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (!tensor_is_weight(t))
            continue;
        BUG_IF(graph_alloc_host(t));
        for (size_t k = 0; k < tensor_count(t); k++)
            t->host[k] = 0.25f;
    }
    graph_set_dtype(g, c->dtype);
    return g;
}

TEST(simt_gate, clusters_are_as_the_batch_needs_them)
{
    if (simt_is_checked())
        SKIP("nothing to judge");
    for (int i = 0; i < NCHOICES; i++) {
        const Choice *c = &choices[i];
        Device *dev = open_card(OF_A_CARD, 8, 227);
        Graph *g = graph_of(c);
        Plan *p = NULL;
        SimtShape l;

        REQUIRE(plan_new(&p, dev, g) == OK && plan_run(p) == OK);
        l = simt_launched();
        CHECK_MSG(
            l.cluster == c->cluster && l.shared_bytes <= c->most_kib << 10,
            "%s: clusters of %u, %zu bytes", c->why, l.cluster, l.shared_bytes);
        plan_free(p);
        graph_free(g);
        simt_device_close(dev);
    }
}

TEST(simt_gate, what_no_block_has_room_for_is_refused_with_what_to_do)
{
    const Choice c = { "ela", 1, 512, 112, F32, 0, 0, "" };
    Device *dev = open_card(OF_A_CARD, 8, 227);
    Graph *g = graph_of(&c);
    Plan *p = NULL;

    CHECK(plan_new(&p, dev, g) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "--impl=composed"), "%s", err_message());
    plan_free(p);
    graph_free(g);
    simt_device_close(dev);
}
