/*
 * test_weights.c - weights from a file: all of them or none, and what is wrong
 * with the file in one sentence.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/attribution/cam.h"
#include "harness/backbones/backbones.h"
#include "harness/check/verify.h"
#include "harness/devices/backends.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
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

/* A change of a file that would fit: it leaves a tensor or a scope out, renames
 * it, gives it another shape, spoils its second number; adds one; puts a prefix
 * before all names except the added one's; keeps some rows of the classifier;
 * takes the names of older files. */
typedef struct Change {
    const char *left_out, *renamed, *reshaped, *spoilt, *added, *prefix;
    int classes;
    bool older;
    float by; /* what spoils it */
} Change;

static void write_tensor(StWriter *w, const Tensor *t, const Backbone *b,
                         const Change *how)
{
    char name[2 * MAX_NAME], own[MAX_NAME];
    int dim[MAX_RANK];

    memcpy(dim, t->dim, sizeof(dim));
    memcpy(own, t->name, sizeof(own));
    if (how->left_out && name_in_scope(t->name, how->left_out))
        return;
    if (how->reshaped && !strcmp(t->name, how->reshaped))
        dim[0]--;
    if (how->spoilt && !strcmp(t->name, how->spoilt))
        t->host[1] = how->by;
    if (how->classes && dim[0] == IMAGENET_CLASSES)
        dim[0] = how->classes;
    if (how->older)
        b->older(own, t->name);
    snprintf(name, sizeof(name), "%s%s", how->prefix ? how->prefix : "",
             how->renamed && !strcmp(t->name, how->renamed) ? "odd.name" : own);
    st_writer_tensor(w, name, t->rank, dim, t->host);
}

/* The weights of c, seeded with SEED, and the counters that PyTorch keeps. */
static const char *file_of(const Case *c, const Change *how)
{
    static char path[512];
    const WeightValues values = { .seed = SEED };
    const Backbone *b = backbone_find(c->backbone.text);
    StWriter *w = st_writer_new();
    char counter[2 * MAX_NAME];
    Graph *g;

    snprintf(counter, sizeof(counter), "%sbn1.num_batches_tracked",
             how->prefix ? how->prefix : "");
    snprintf(path, sizeof(path), "%s/%s.safetensors", test_tmpdir(),
             c->backbone.text);
    BUG_IF(network_build(&g, c, &values, TAPS_NONE));
    for (int i = 0; i < graph_size(g); i++)
        if (tensor_is_weight(graph_at(g, i)))
            write_tensor(w, graph_at(g, i), b, how);
    st_writer_tensor(w, counter, 0, NULL, (float[]){ 7 });
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
    const WeightValues values = { .seed = seed };
    float x[3 * SIDE * SIDE], *y[1];
    Graph *g;

    seed_input(x, sizeof(x) / sizeof(x[0]), "input", SEED);
    BUG_IF(network_build(&g, c, &values, TAPS_NONE));
    BUG_IF(verify_run(y, g, c, NULL, (float *[]){ x }));
    graph_free(g);
    return y[0];
}

static bool st_has(const char *path, const char *name)
{
    Safetensors *st;
    bool has;

    BUG_IF(st_open(&st, path));
    has = st_find(st, name) != NULL;
    st_close(st);
    return has;
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
    const WeightValues values = { .seed = SEED + 1 };
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
    const WeightValues values = { .seed = SEED };
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
            "1 missing (fc.weight); 1 unexpected (odd.name)");
    refused(&(Change){ .reshaped = "conv1.weight" },
            "1 of another shape (conv1.weight is (63,3,7,7), not (64,3,7,7))");
    refused(&(Change){ .added = "head_dist.bias" },
            "1 unexpected (head_dist.bias)");
}

TEST(weights, that_are_not_finite_are_named)
{
    refused(&(Change){ .spoilt = "layer1.0.bn1.bias", .by = NAN },
            ": number 1 of tensor 'layer1.0.bn1.bias' is nan");
    refused(&(Change){ .spoilt = "fc.weight", .by = -INFINITY },
            ": number 1 of tensor 'fc.weight' is -inf");
}

/* A plain network's file has no weights for what is plugged in. */
TEST(weights, of_a_plain_network_do_not_do_for_a_module)
{
    const WeightValues values = { .seed = SEED };
    Case c = case_of(weights_file(&(Change){ NULL }));
    Graph *g;

    CHECK(case_set(&c, "module", "se") == OK);
    CHECK(network_build(&g, &c, &values, TAPS_NONE) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "16 missing (layer1.0.attn.") &&
                  strstr(err_message(), ", ...)"),
              "%s", err_message());
}

/* The first rows of a classifier give the first logits. */
TEST(weights, are_for_as_many_classes_as_the_file_has)
{
    const Case seeded = case_of("seeded");
    const Case file = case_of(weights_file(&(Change){ .classes = 10 }));
    float *want = logits(&seeded, SEED), *got = logits(&file, SEED + 1);
    Graph *all, *ten;
    int classes = 0;

    CHECK(network_classes(&classes, &file) == OK && classes == 10);
    CHECK(memcmp(want, got, 10 * sizeof(float)) == 0);
    REQUIRE(network_build(&all, &seeded, NULL, TAPS_NONE) == OK);
    REQUIRE(network_build(&ten, &file, NULL, TAPS_NONE) == OK);
    CHECK(graph_output_named(ten, "output")->dim[1] == 10);
    CHECK(graph_params(all) - graph_params(ten) == 990 * 513);
    graph_free(all);
    graph_free(ten);
    free(want);
    free(got);
}

TEST(weights, of_every_backbone_may_have_other_classes_or_none)
{
    const WeightValues values = { .seed = SEED };
    const Backbone *b;

    for (int i = 0; (b = backbone_at(i)); i++)
        for (int none = 0; none < 2; none++) {
            Case c = network_of(b->name, "train", "seeded");
            Change how = { .classes = none ? 0 : 7,
                           .left_out = none ? b->classifier : NULL };
            const Tensor *y;
            Graph *g;

            c.height = c.width = b->height;
            c = network_of(b->name, "train", file_of(&c, &how));
            c.height = c.width = b->height;
            CHECK_MSG(network_build(&g, &c, &values, TAPS_NONE) == OK, "%s: %s",
                      b->name, err_message());
            y = g ? graph_output_named(g, "output") : NULL;
            CHECK_MSG(y && y->rank == 2 && (y->dim[1] == 7) == !none, "%s",
                      b->name);
            graph_free(g);
        }
}

/* RepVGG's names of training, without a head, in the form of use. */
TEST(weights, without_a_classifier_are_merged_too)
{
    const Case train = network_of("repvgg_a0", "train", "seeded");
    const WeightValues values = { .seed = SEED };
    const Case c =
        network_of("repvgg_a0", "deploy",
                   file_of(&train, &(Change){ .left_out = "head.fc" }));
    Graph *g;

    REQUIRE(network_build(&g, &c, &values, TAPS_NONE) == OK);
    CHECK(graph_output_named(g, "output")->dim[1] == 1280);
    CHECK(!graph_find(g, "head.fc.weight"));
    graph_free(g);
}

TEST(weights, without_a_classifier_have_maps_and_no_scores)
{
    const WeightValues values = { .seed = SEED };
    Case c = case_of(weights_file(&(Change){ .left_out = "fc" }));
    const char *const tap[] = { "stage3" };
    float x[3 * SIDE * SIDE] = { 0 };
    Device *dev;
    Graph *g;
    Cam cam;

    REQUIRE(network_build_tapped(&g, &c, &values, tap, 1) == OK);
    CHECK(graph_output_named(g, "stage3")->dim[1] == 256);
    graph_free(g);

    REQUIRE(backend_open(&dev, "cpu", &(DeviceSettings){ .isa = "" }) == OK);
    CHECK(cam_run(&cam, &c,
                  &(CamAsk){ .tap = "stage4", .class = CAM_TOP, .input = x },
                  dev) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "has no classifier, so there is no class "
                                    "score"),
              "%s", err_message());
    backend_close(dev);

    CHECK(case_set(&c, "pass", "train") == OK);
    CHECK(network_build(&g, &c, &values, TAPS_NONE) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "no loss"), "%s", err_message());
}

/* Another name for the classifier is a fault, and not a file without one. */
TEST(weights, with_a_classifier_of_another_name_are_refused)
{
    refused(&(Change){ .left_out = "fc", .added = "classifier.bias" },
            "1 unexpected (classifier.bias); it has no classifier 'fc' (only "
            "that may be left out)");
}

TEST(weights, may_have_a_prefix_that_all_names_share)
{
    static const char *const prefixes[] = { "module.", "_orig_mod.", "model.",
                                            "backbone.", "model.encoder." };
    const Case seeded = case_of("seeded");
    float *want = logits(&seeded, SEED);

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        const Case file =
            case_of(weights_file(&(Change){ .prefix = prefixes[i] }));
        float *got = logits(&file, SEED + 1);

        CHECK_MSG(memcmp(want, got, 1000 * sizeof(float)) == 0, "%s",
                  prefixes[i]);
        free(got);
    }
    free(want);
}

TEST(weights, with_a_prefix_before_some_names_are_refused_with_it)
{
    refused(&(Change){ .prefix = "backbone.", .added = "head.bias" },
            "102 of 102 are there with the prefix 'backbone.'; save only "
            "those");
}

/* The authors' files of Swin, which timm renames. */
TEST(weights, of_swin_may_have_their_first_names)
{
    const WeightValues values = { .seed = SEED }, other = { .seed = SEED + 1 };
    Case seeded = network_of("swin_t", "train", "seeded"), file;
    Graph *want, *got;

    seeded.height = seeded.width = 224;
    file = network_of(
        "swin_t", "train",
        file_of(&seeded, &(Change){ .older = true,
                                    .added = "layers.0.blocks.1.attn_mask" }));
    file.height = file.width = 224;
    REQUIRE(network_build(&want, &seeded, &values, TAPS_NONE) == OK);
    REQUIRE(network_build(&got, &file, &other, TAPS_NONE) == OK);
    for (int i = 0; i < graph_size(want); i++) {
        const Tensor *t = graph_at(want, i);

        if (tensor_is_weight(t))
            CHECK_MSG(memcmp(t->host, graph_at(got, i)->host,
                             tensor_count(t) * sizeof(float)) == 0,
                      "%s", t->name);
    }
    CHECK(!st_has(file.weights.text, "layers.3.downsample.norm.weight"));
    CHECK(st_has(file.weights.text, "layers.0.downsample.norm.weight"));
    CHECK(st_has(file.weights.text, "head.weight"));
    graph_free(want);
    graph_free(got);
}

/* A half of a net must not run, and one is not left behind. */
TEST(weights, of_a_file_that_cannot_be_read_stop_with_its_name)
{
    const WeightValues values = { .seed = SEED };
    Case c = case_of("/nowhere/x.safetensors");
    Graph *g;

    CHECK(network_build(&g, &c, &values, TAPS_NONE) == ERR_IO);
    CHECK(strstr(err_message(), "/nowhere/x.safetensors"));
    CHECK(network_build(&g, &c, NULL, TAPS_NONE) == ERR_IO); /* to count */
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
    CHECK(strstr(err_message(), "use a symlink"));
    CHECK(case_set(&c, "weights", "a\".safetensors") == ERR_INPUT);
    CHECK(case_set(&c, "weights", "") == ERR_INPUT);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    CHECK(case_set(&c, "weights", longest) == ERR_INPUT);
    CHECK(strstr(err_message(), "longer than 239 characters"));
    CHECK(memcmp(&again, &c, sizeof(c)) == 0);
}
