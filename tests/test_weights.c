/*
 * test_weights.c - weights from a file: all of them or none, and what is wrong
 * with the file in one sentence.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network.h"
#include "harness/seed.h"
#include "harness/verify.h"
#include "kernels/core/err.h"
#include "tests/test.h"

enum { SIDE = 33, SEED = 5 };

static Case network_of(const char *backbone, const char *form,
                       const char *weights)
{
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", backbone) == OK);
    CHECK(case_set(&c, "form", form) == OK);
    CHECK(case_set(&c, "weights", weights) == OK);
    c.height = c.width = SIDE;
    CHECK(case_complete(&c) == OK);
    return c;
}

static Case case_of(const char *weights)
{
    return network_of("resnet18", "train", weights);
}

/* What a change does to a file that would fit: leaves a tensor out, renames
 * it, gives it another shape; what is added. */
typedef struct Change {
    const char *left_out, *renamed, *reshaped, *added;
} Change;

static void write_tensor(StWriter *w, const Tensor *t, const Change *how)
{
    int dim[MAX_RANK];

    memcpy(dim, t->dim, sizeof(dim));
    if (how->left_out && !strcmp(t->name, how->left_out))
        return;
    if (how->reshaped && !strcmp(t->name, how->reshaped))
        dim[0]--;
    st_writer_tensor(w,
                     how->renamed && !strcmp(t->name, how->renamed) ? "odd.name"
                                                                    : t->name,
                     t->rank, dim, t->host);
}

/* The weights of c, seeded with SEED, and the counters that PyTorch keeps. */
static const char *file_of(const Case *c, const Change *how)
{
    static char path[512];
    const Values values = { .seed = SEED };
    StWriter *w = st_writer_new();
    Graph *g;

    snprintf(path, sizeof(path), "%s/%s.safetensors", test_tmpdir(),
             c->backbone.text);
    BUG_IF(network_build(&g, c, &values, TAPS_NONE));
    for (int i = 0; i < graph_size(g); i++)
        if (tensor_is_weight(graph_at(g, i)))
            write_tensor(w, graph_at(g, i), how);
    st_writer_tensor(w, "bn1.num_batches_tracked", 0, NULL, (float[]){ 7 });
    if (how->added)
        st_writer_tensor(w, how->added, 1, (int[]){ 2 }, (float[]){ 1, 2 });
    BUG_IF(st_writer_save(w, path));
    st_writer_free(w);
    graph_free(g);
    return path;
}

static const char *weights_file(const Change *how)
{
    const Case c = case_of("seeded");

    return file_of(&c, how);
}

static float *logits(const Case *c, uint64_t seed)
{
    const Values values = { .seed = seed };
    float x[3 * SIDE * SIDE], *y[1];
    Graph *g;

    seed_input(x, sizeof(x) / sizeof(x[0]), "input", SEED);
    BUG_IF(network_build(&g, c, &values, TAPS_NONE));
    BUG_IF(verify_run(y, g, c, NULL, (float *[]){ x }));
    graph_free(g);
    return y[0];
}

TEST(weights, of_a_file_answer_as_those_that_were_written)
{
    const Case seeded = case_of("seeded");
    const Case file = case_of(weights_file(&(Change){ NULL }));
    float *want = logits(&seeded, SEED), *got = logits(&file, SEED + 1),
          *other = logits(&seeded, SEED + 1);

    CHECK(memcmp(want, got, 1000 * sizeof(float)) == 0);
    CHECK(verify_error(other, want, 1000) > 0.1);
    free(want);
    free(got);
    free(other);
}

/* A file of merged weights is for form=deploy: what it was merged from cannot
 * be told.  One of train does for both. */
TEST(weights, are_known_to_be_of_either_form_by_their_names)
{
    const Case train = network_of("repvgg_a0", "train", "seeded"),
               deploy = network_of("repvgg_a0", "deploy", "seeded");
    const Values values = { .seed = SEED + 1 };
    float *want = logits(&deploy, SEED), *got;
    Comparison found;
    Case file;
    Graph *g;

    file =
        network_of("repvgg_a0", "deploy", file_of(&train, &(Change){ NULL }));
    got = logits(&file, SEED + 1);
    CHECK(memcmp(want, got, 1000 * sizeof(float)) == 0);
    free(got);

    file =
        network_of("repvgg_a0", "deploy", file_of(&deploy, &(Change){ NULL }));
    got = logits(&file, SEED + 1);
    CHECK(memcmp(want, got, 1000 * sizeof(float)) == 0);
    free(got);
    free(want);
    CHECK_MSG(verify_case(&found, &file, VERIFY_BUDGET, NULL) == OK, "%s",
              err_message());
    CHECK(found.rel_l2 <= found.limit);

    CHECK(case_set(&file, "form", "train") == OK);
    CHECK(network_build(&g, &file, &values, TAPS_NONE) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "form=deploy"), "%s", err_message());
}

/* timm's files of RepViT have a second head, for training. */
TEST(weights, that_only_training_wants_are_passed_over)
{
    const Case seeded = network_of("repvit_m1_0", "train", "seeded");
    const Case file = network_of(
        "repvit_m1_0", "train",
        file_of(&seeded, &(Change){ .added = "head.head_dist.l.bias" }));
    float *want = logits(&seeded, SEED), *got = logits(&file, SEED + 1);

    CHECK(memcmp(want, got, 1000 * sizeof(float)) == 0);
    free(want);
    free(got);
}

static void refused(const Change *how, const char *says)
{
    const char *path = weights_file(how);
    const Values values = { .seed = SEED };
    const Case c = case_of(path);
    Graph *g;

    CHECK(network_build(&g, &c, &values, TAPS_NONE) == ERR_INPUT);
    CHECK(!g);
    CHECK_MSG(strstr(err_message(), path) == err_message() &&
                  strstr(err_message(), says),
              "'%s' does not say '%s'", err_message(), says);
}

TEST(weights, that_do_not_fit_are_listed)
{
    refused(&(Change){ .left_out = "layer1.0.bn1.bias" },
            "does not fit: 1 missing (layer1.0.bn1.bias)");
    refused(&(Change){ .renamed = "fc.weight" },
            "1 missing (fc.weight); 1 too many (odd.name)");
    refused(&(Change){ .reshaped = "conv1.weight" },
            "1 of another shape (conv1.weight is (63,3,7,7), not (64,3,7,7))");
    refused(&(Change){ .added = "head_dist.bias" },
            "1 too many (head_dist.bias)");
}

/* A plain network's file has no weights for what is plugged in. */
TEST(weights, of_a_plain_network_do_not_do_for_a_module)
{
    const Values values = { .seed = SEED };
    Case c = case_of(weights_file(&(Change){ NULL }));
    Graph *g;

    CHECK(case_set(&c, "module", "se") == OK);
    CHECK(network_build(&g, &c, &values, TAPS_NONE) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "16 missing (layer1.0.attn.") &&
                  strstr(err_message(), ", ...)"),
              "%s", err_message());
}

/* A half of a net must not run, and one is not left behind. */
TEST(weights, of_a_file_that_cannot_be_read_stop_with_its_name)
{
    const Values values = { .seed = SEED };
    Case c = case_of("/nowhere/x.safetensors");
    Graph *g;

    CHECK(network_build(&g, &c, &values, TAPS_NONE) == ERR_IO);
    CHECK(strstr(err_message(), "/nowhere/x.safetensors"));
    CHECK(network_build(&g, &c, NULL, TAPS_NONE) == OK); /* to count */
    graph_free(g);
}

TEST(weights, paths_are_such_as_no_shell_has_to_quote)
{
    char text[CASE_TEXT], longest[300];
    Case c = case_of("a/b_c-1.2+x=y@z:0%.safetensors"), again;

    case_print(&c, text);
    CHECK_MSG(strstr(text, " --weights=a/b_c-1.2+x=y@z:0%.safetensors"), "%s",
              text);
    again = c;
    CHECK(case_set(&c, "weights", "a b.safetensors") == ERR_INPUT);
    CHECK(strstr(err_message(), "by a link"));
    CHECK(case_set(&c, "weights", "a\".safetensors") == ERR_INPUT);
    CHECK(case_set(&c, "weights", "") == ERR_INPUT);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    CHECK(case_set(&c, "weights", longest) == ERR_INPUT);
    CHECK(strstr(err_message(), "longer than 239 characters"));
    CHECK(memcmp(&again, &c, sizeof(c)) == 0);
}
