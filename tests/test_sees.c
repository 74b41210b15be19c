/*
 * test_sees.c - what a seeded network puts out depends on its input, so that a
 * broken first layer changes it.
 *
 * Inputs are small where that says enough, so that this takes seconds: 64x64,
 * else 224x224.  SEES=224 in the environment takes that size for all and prints
 * a line for each network with each module; SEES= prints alone.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "harness/devices/backends.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
#include "tests/test.h"

enum { SMALL = 64, WHOLE = 224, SEED = 1, CHANNELS = 3 };

/* Images that a network is shown: noise as a case file's, maps of structure as
 * those that are timed, nothing. */
enum { NOISE, OTHER_NOISE, MAP, OTHER_MAP, NOTHING, IMAGES };

/* A changed input changes the output by at least this much of its spread. */
static const double SENSITIVITY = 1e-2;

/* The most that verify_case ever lets pass in f32. */
static const double UNNOTICED = 1e-4;

static const WeightValues seeded = { .seed = SEED };

/* One network while it is looked at. */
typedef struct Look {
    Case c;
    Graph *g;
    Device *dev;
    float *input;
    float *output; /* an answer to each image */
    size_t outputs;
} Look;

static void fill_input(Look *l)
{
    const Dims dims = DIMS(1, CHANNELS, l->c.height, l->c.width);
    const size_t n = CHANNELS * (size_t)l->c.height * (size_t)l->c.width;

    l->input = calloc(IMAGES * n, sizeof(*l->input));
    BUG_IF(!l->input);
    seed_input(l->input + NOISE * n, n, "input", SEED);
    seed_input(l->input + OTHER_NOISE * n, n, "input", SEED + 1);
    seed_structured(l->input + MAP * n, dims, "input", SEED);
    seed_structured(l->input + OTHER_MAP * n, dims, "input", SEED + 1);
}

/* Outputs for all images, to be freed; NULL after a failure. */
static float *run(const Look *l)
{
    float *y[1] = { NULL };

    if (network_run(y, l->g, l->dev, false, (float *[]){ l->input }))
        CHECK_MSG(false, "%s: %s", l->c.backbone.text, err_message());
    return y[0];
}

/* How much of the spread of one answer the other is away from it. */
static double change(const Look *l, int image, int other)
{
    const float *y = l->output + (size_t)image * l->outputs;
    const float *z = l->output + (size_t)other * l->outputs;
    double mean = 0, away = 0, spread = 0;

    for (size_t i = 0; i < l->outputs; i++)
        mean += y[i] / (double)l->outputs;
    for (size_t i = 0; i < l->outputs; i++) {
        away += ((double)z[i] - y[i]) * ((double)z[i] - y[i]);
        spread += (y[i] - mean) * (y[i] - mean);
    }
    return sqrt(away / spread);
}

/* When the input becomes another of its kind, and when it becomes nothing: the
 * least; NAN if any is. */
static double sensitivity(const Look *l, int first_kind)
{
    double least = INFINITY;

    for (int i = first_kind; i <= MAP; i += 2)
        for (int other = i + 1; other <= NOTHING; other += NOTHING - i - 1) {
            const double d = change(l, i, other);

            if (!(d >= least))
                least = d;
        }
    return least;
}

/* The weight of the first layer. */
static Tensor *first_weight(const Graph *g)
{
    for (int i = 0; i < graph_size(g); i++)
        if (graph_at(g, i)->role == ROLE_WEIGHT)
            return graph_at(g, i);
    return NULL;
}

/* The largest of its numbers with the other sign. */
static void break_one(Tensor *t)
{
    float *at = t->host;

    for (size_t i = 0; i < tensor_count(t); i++)
        if (fabsf(t->host[i]) > fabsf(*at))
            at = &t->host[i];
    *at = -*at;
}

/* The relative error that one wrong weight in the first layer makes, of maps as
 * those that are timed: of one image, as the others would take time alone. */
static double error_of_one_weight(const Look *l)
{
    const size_t pixels = (size_t)l->c.height * (size_t)l->c.width;
    Look one = *l;
    double e = NAN;
    float *wrong;

    one.c.batch = 1;
    one.input += MAP * CHANNELS * pixels;
    BUG_IF(network_build(&one.g, &one.c, &seeded, TAPS_NONE));
    break_one(first_weight(one.g));
    wrong = run(&one);
    if (wrong)
        e = verify_error(wrong, l->output + MAP * l->outputs, l->outputs);
    free(wrong);
    graph_free(one.g);
    return e;
}

/* SCSA wants windows of 7x7 in the last stage; some see so much in small maps,
 * or so little, that only the network's own size says anything. */
static int side_of(const char *backbone, const char *module)
{
    const char *asked = getenv("SEES");

    if (asked && atoi(asked) > 0)
        return atoi(asked);
    return !strcmp(backbone, "swin_t") || !strcmp(backbone, "repvgg_a0") ||
                   !strcmp(module, "scsa") || !strcmp(module, "cpca")
               ? WHOLE
               : SMALL;
}

static void look_away(Look *l)
{
    graph_free(l->g);
    free(l->input);
    free(l->output);
}

/* False where the network does not take the module. */
static bool look_at(Look *l, const char *backbone, const char *module,
                    const char *norm_gain)
{
    case_defaults(&l->c);
    CHECK(case_set(&l->c, "backbone", backbone) == OK);
    CHECK(case_set(&l->c, "module", module) == OK);
    CHECK(case_set(&l->c, "norm_gain", norm_gain) == OK);
    l->c.batch = IMAGES;
    l->c.height = l->c.width = side_of(backbone, module);
    if (case_complete(&l->c) || network_build(&l->g, &l->c, &seeded, TAPS_NONE))
        return false;
    fill_input(l);
    l->output = run(l);
    l->outputs = tensor_count(graph_output_named(l->g, "output")) / IMAGES;
    if (l->output)
        return true;
    look_away(l);
    return false;
}

/* Gates without bounds make products of maps, which grow to infinity or vanish:
 * with no gain does a chain of many see both noise and maps of structure. */
typedef struct Exception {
    const char *backbone, *module;
    bool refused; /* whatever is timed; else maps alone are seen ...      */
    double sensitivity; /* ... so well                                    */
} Exception;

static const Exception exceptions[] = {
    { "repvgg_a0", "cpca", true, 0 },
    { "mobilenetv2_100", "cpca", false, 1e-3 },
};

static const Exception *exception_of(const Look *l)
{
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
        if (strcmp(exceptions[i].backbone, l->c.backbone.text) == 0 &&
            strcmp(exceptions[i].module, l->c.module.text) == 0)
            return &exceptions[i];
    return NULL;
}

/* Nothing is compared with what says nothing. */
static void check_refused(const Look *l)
{
    Case c = l->c;
    Comparison v;

    c.batch = 1;
    CHECK_MSG(verify_case(&v, &c, VERIFY_BUDGET, NULL) == ERR_UNSUPPORTED,
              "%s with %s: %.1e, limit %.1e", c.backbone.text, c.module.text,
              v.rel_l2, v.limit);
}

static void check(const Look *l)
{
    const Exception *x = exception_of(l);
    const double s = sensitivity(l, x ? MAP : NOISE);
    const double wanted = x ? x->sensitivity : SENSITIVITY;
    const double e = error_of_one_weight(l);

    if (getenv("SEES"))
        printf("    %-16s %-8s gain %-5g sensitivity %.1e, one weight %.1e\n",
               l->c.backbone.text, l->c.module.text, l->c.norm_gain, s, e);
    if (x && x->refused) {
        check_refused(l);
        return;
    }
    CHECK_MSG(s >= wanted,
              "%s with %s, norm_gain=%g: another input changes its output by "
              "%.1e of its spread; a row of harness/backbones/norm_gain.c "
              "would help",
              l->c.backbone.text, l->c.module.text, l->c.norm_gain, s);
    CHECK_MSG(e > UNNOTICED,
              "%s with %s, norm_gain=%g: a wrong weight in its first layer "
              "makes an error of %.1e",
              l->c.backbone.text, l->c.module.text, l->c.norm_gain, e);
}

/* A backbone without and with each module that it takes. */
static int check_backbone(const Backbone *b, Device *dev)
{
    int seen = 0;

    for (int m = -1; m < 0 || zoo_at(m); m++) {
        Look l = { .dev = dev };

        if (!look_at(&l, b->name, m < 0 ? "none" : zoo_name(m), "0"))
            continue;
        check(&l);
        look_away(&l);
        seen++;
    }
    return seen;
}

static Device *one_thread(void)
{
    Device *dev;

    BUG_IF(backend_open(&dev, "cpu",
                        &(DeviceSettings){ .threads = 1, .isa = "" }));
    return dev;
}

/* A test each, so that none takes long; n: how many modules it takes at least,
 * plain included. */
static void check_network(const char *name, int n)
{
    Device *dev = one_thread();
    const int seen = check_backbone(backbone_find(name), dev);

    CHECK_MSG(seen >= n, "%s: %d networks, not %d", name, seen, n);
    backend_close(dev);
}

#define SEES(backbone, n)                                 \
    TEST(sees, backbone##_and_a_wrong_weight_in_its_stem) \
    {                                                     \
        check_network(#backbone, n);                      \
    }
SEES(resnet18, 12)
SEES(resnet34, 12)
SEES(resnet50, 13)
SEES(resnet101, 13)
SEES(mobilenetv2_100, 11)
SEES(acnet_r18, 12)
SEES(repvgg_a0, 11)
SEES(repvit_m1_0, 6)
SEES(swin_t, 12)

TEST(sees, every_backbone_is_looked_at)
{
    int n = 0;

    while (backbone_at(n))
        n++;
    CHECK(n == 9); /* of the list above */
}

/* With a gain of 1 this one is blind: so these tests can fail. */
TEST(sees, nothing_through_norms_that_are_too_small)
{
    Look l = { .dev = one_thread() };
    double s, e;

    REQUIRE(look_at(&l, "repvgg_a0", "scsa", "1"));
    s = sensitivity(&l, NOISE);
    e = error_of_one_weight(&l);
    CHECK_MSG(s < 1e-5 && e < 1e-5, "%.1e, %.1e", s, e);
    look_away(&l);
    backend_close(l.dev);
}
