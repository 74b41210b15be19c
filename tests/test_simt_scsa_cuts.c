/*
 * test_simt_scsa_cuts.c - how the CUDA kernel "cluster" of fused SCSA cuts an
 * image: by how many clusters a card runs at once, and that each cut is right.
 */
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/core/plan.h"
#include "kernels/simt/host.h"
#include "tests/scsa_on_simt.h"
#include "tests/test.h"

/* Multiprocessors of a card's groups, which no cluster may leave: all 132 are
 * there, but in some cards not in fours. */
typedef struct Groups {
    int n, sms[OF_A_CARD];
} Groups;
static const Groups in_fours = { 8, { 16, 16, 16, 16, 16, 16, 18, 18 } };
static const Groups one_short = { 8, { 18, 18, 18, 16, 16, 16, 16, 14 } };
static const Groups two_short = { 8, { 18, 18, 18, 18, 16, 16, 14, 14 } };
static const Groups in_threes = { 2, { 3, 3 } };
static const Groups in_pairs_of_four = { 2, { 4, 4 } };
static const Groups one_by_one = { 4, { 1, 1, 1, 1 } };

static const struct Choice {
    const Groups *groups;
    int n, c, size;
    const char *dtype, *why;
    unsigned cluster, threads, most_kib; /* of shared memory */
} choices[] = {
    { &in_fours, 32, 32, 16, "f32", "32 images, 32 clusters", 4, 512, 227 },
    { &one_short, 32, 32, 16, "f32", "32 images, 31 clusters", 4, 256, 113 },
    { &one_short, 31, 32, 16, "f32", "31 images, 31 clusters", 4, 512, 227 },
    { &two_short, 31, 32, 16, "f32", "31 images, 30 clusters", 4, 256, 113 },
    { &in_fours, 16, 64, 16, "f32", "16 images, 16 of eight", 8, 512, 227 },
    { &one_short, 16, 64, 16, "f32", "16 images, 15 of eight", 4, 512, 227 },
    { &in_threes, 1, 64, 56, "f16", "two a multiprocessor", 4, 256, 113 },
    { &in_threes, 1, 128, 28, "f16", "... at stage 2", 4, 256, 113 },
    { &in_threes, 1, 256, 14, "f32", "... at stage 3", 4, 256, 113 },
    { &in_threes, 1, 512, 7, "f32", "... at stage 4", 4, 256, 113 },
    { &in_pairs_of_four, 1, 64, 56, "f32", "two of eight", 8, 256, 113 },
    { &one_by_one, 1, 64, 16, "f32", "no cluster at all", 1, 256, 227 },
};
enum { NCHOICES = sizeof(choices) / sizeof(choices[0]) };

TEST(simt_scsa_cuts, clusters_are_as_the_card_has_room_for)
{
    static const Kernel *const both[] = { &cuda_scsa_cluster, &cuda_scsa,
                                          NULL };

    for (int i = 0; i < NCHOICES; i++) {
        const struct Choice *c = &choices[i];
        Device *dev = scsa_open(both, OF_A_CARD);
        const Shape shape = { c->n, c->c, c->size,  c->size,
                              7,    1,    c->dtype, c->why };
        SimtShape l;

        simt_set_groups(c->groups->sms, c->groups->n);
        scsa_agrees(dev, &shape);
        l = simt_launched();
        CHECK_MSG(l.cluster == c->cluster && l.threads == c->threads &&
                      l.shared_bytes <= c->most_kib << 10,
                  "%s: clusters of %u, %u threads, %zu bytes", c->why,
                  l.cluster, l.threads, l.shared_bytes);
        scsa_close(dev);
    }
}

TEST(simt_scsa_cuts, a_card_that_has_no_room_for_a_cluster_says_so)
{
    const Shape s = { 1, 64, 14, 14, 7, 1, "f32", "" };
    Device *dev = scsa_open(scsa_by_cluster, OF_A_CARD);
    Graph *g = scsa_graph(&s);
    Plan *p = NULL;

    simt_set_groups(one_by_one.sms, one_by_one.n);
    CHECK(plan_new(&p, dev, g) == ERR_UNSUPPORTED);
    CHECK(strstr(err_message(), "runs no cluster of 8 blocks"));
    plan_free(p);
    graph_free(g);
    scsa_close(dev);
}

/* ---- the stages of ResNet-50 --------------------------------------------- */

static const Shape stages[] = {
    { 1, 64, 56, 56, 7, 1, "f16", "stage 1" },
    { 1, 64, 56, 56, 7, 1, "f32", "stage 1" },
    { 1, 128, 28, 28, 7, 1, "f16", "stage 2" },
    { 1, 128, 28, 28, 7, 1, "f32", "stage 2" },
    { 1, 256, 14, 14, 7, 1, "f16", "stage 3" },
    { 1, 256, 14, 14, 7, 1, "f32", "stage 3" },
    { 1, 512, 7, 7, 7, 1, "f16", "stage 4" },
    { 1, 512, 7, 7, 7, 1, "f32", "stage 4" },
};
enum { NSTAGES = sizeof(stages) / sizeof(stages[0]) };

/* As one image of eight, and as one of 32, which have four blocks. */
TEST(simt_scsa_cuts, stages_agree_on_a_whole_card)
{
    for (int sms = 4; sms <= OF_A_CARD; sms += OF_A_CARD - 4) {
        Device *dev = scsa_open(scsa_by_cluster, sms);

        for (int i = 0; i < NSTAGES; i++) {
            scsa_agrees(dev, &stages[i]);
            CHECK(simt_launched().cluster == (sms == 4 ? 4 : 8));
        }
        scsa_close(dev);
    }
}

/* ---- wavefronts ---------------------------------------------------------- */

/* Wavefronts of shared memory that a block of four may need for an image: the
 * unit for it serves one a cycle.  By stages, as above; 2 % above what is. */
static const double most_wavefronts[NSTAGES] = { 11790, 14090, 8860, 9180,
                                                 8320,  7250,  7360, 6600 };

TEST(simt_scsa_cuts, a_block_needs_few_wavefronts)
{
    Device *dev;

    if (!simt_is_checked())
        SKIP("only the checked build counts");
    dev = scsa_open(scsa_by_cluster, 4);
    for (int i = 0; i < NSTAGES; i++) {
        Graph *g = scsa_graph(&stages[i]);
        const SimtCounts *found;
        Plan *p = NULL;

        BUG_IF(plan_new(&p, dev, g) != OK);
        simt_count_start();
        BUG_IF(plan_run(p) != OK);
        simt_count_stop();
        found = simt_counted(0);
        REQUIRE(found && !simt_counted(1));
        CHECK_MSG(found->shared.units <= found->blocks * most_wavefronts[i],
                  "%s in %s: %.0f wavefronts a block, %.0f conflicts",
                  stages[i].why, stages[i].dtype,
                  found->shared.units / found->blocks,
                  (found->shared.units - found->shared.ideal) / found->blocks);
        plan_free(p);
        graph_free(g);
    }
    scsa_close(dev);
}
