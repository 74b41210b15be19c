/*
 * test_scsa_variants.c - the variants of SCSA, Table 1 of its paper: what
 * follows from the equations for each.
 *
 * The same variants against PyTorch are case files, scsa_variant_*; the table
 * itself is in test_table1.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "harness/network/case.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
#include "tests/test.h"

/* ---- one variant on one input ------------------------------------------- */

enum { N = 2, C = 16, H = 9, W = 8, COUNT = N * C * H * W };

/* A variant with values.  Weights are seeded by their names, so variants that
 * have a weight of one name and shape have the same values in it. */
typedef struct Variant {
    const char *settings;
    Case c;
    Graph *g;
} Variant;

/* Settings are flags: "--smsa=off --head_num=4". */
static void set_flags(Case *c, const char *flags)
{
    char text[256], *save = NULL;

    snprintf(text, sizeof(text), "%s", flags);
    for (char *s = strtok_r(text, " ", &save); s;
         s = strtok_r(NULL, " ", &save)) {
        char *value = strchr(s, '=');

        REQUIRE(value != NULL);
        *value++ = '\0';
        CHECK_MSG(case_set(c, s + 2, value) == OK, "%s", err_message());
    }
}

static Case case_of(const char *settings, int h, int w)
{
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "module", "scsa") == OK);
    set_flags(&c, settings);
    c.batch = N;
    c.channels = C;
    c.height = h;
    c.width = w;
    return c;
}

static Variant open_at(const char *settings, int h, int w)
{
    const WeightValues values = { .seed = 5 };
    Variant v = { settings, case_of(settings, h, w), NULL };

    if (network_build(&v.g, &v.c, &values, TAPS_NONE))
        test_failed(__FILE__, __LINE__, "%s: %s", settings, err_message());
    return v;
}

static Variant open_variant(const char *settings)
{
    return open_at(settings, H, W);
}

static float *weight(const Variant *v, const char *name, size_t *n)
{
    Tensor *t = graph_find(v->g, name);

    if (!t)
        test_failed(__FILE__, __LINE__, "%s: no weight %s", v->settings, name);
    BUG_IF(!t);
    *n = tensor_count(t);
    return t->host;
}

/* weight = weight * by + add, every element. */
static void change(Variant *v, const char *name, float by, float add)
{
    size_t n;
    float *w = weight(v, name, &n);

    for (size_t i = 0; i < n; i++)
        w[i] = w[i] * by + add;
}

/* Puts all of one weight into another, from its element `at` on; returns the
 * element after it. */
static size_t put(Variant *to, const char *name, size_t at, const Variant *from,
                  const char *source)
{
    size_t n, have;
    const float *w = weight(from, source, &n);
    float *into = weight(to, name, &have);

    BUG_IF(at + n > have);
    memcpy(into + at, w, n * sizeof(*w));
    return at + n;
}

/* y of x (PyTorch's order), by our CPU kernels; the caller frees it. */
static float *run(const Variant *v, float *x)
{
    float *y = NULL;

    if (verify_run(&y, v->g, &v->c, NULL, (float *[]){ x }))
        test_failed(__FILE__, __LINE__, "%s: %s", v->settings, err_message());
    BUG_IF(!y);
    return y;
}

static float *input(void)
{
    static float x[COUNT];

    seed_structured(x, DIMS(N, C, H, W), "input", 5);
    return x;
}

/* y of the usual input; ends v. */
static float *finish(Variant *v)
{
    float *y = run(v, input());

    graph_free(v->g);
    return y;
}

static double difference(const float *a, const float *b)
{
    return verify_error(a, b, COUNT);
}

/* Ends both: they are to compute the same, or clearly not. */
static void check_equal(Variant *a, Variant *b, bool equal)
{
    float *y = finish(a), *z = finish(b);
    const double d = difference(y, z);

    CHECK_MSG(equal ? d <= 1e-6 : d > 1e-3, "'%s' and '%s' differ by %g",
              a->settings, b->settings, d);
    free(y);
    free(z);
}

static void check_same(const char *one, const char *other, bool equal)
{
    Variant a = open_variant(one), b = open_variant(other);

    check_equal(&a, &b, equal);
}

/* ---- halves and their order ---------------------------------------------- */

/* first(x), then second of that. */
static float *by_hand(const char *first, const char *second)
{
    Variant a = open_variant(first), b = open_variant(second);
    float *between = run(&a, input()), *y = run(&b, between);

    free(between);
    graph_free(a.g);
    graph_free(b.g);
    return y;
}

static void check_order(const char *order, const char *first,
                        const char *second)
{
    Variant v = open_variant(order);
    float *y = finish(&v), *hand = by_hand(first, second);

    CHECK_MSG(difference(y, hand) <= 1e-6, "'%s' is not '%s' then '%s': %g",
              order, first, second, difference(y, hand));
    free(y);
    free(hand);
}

TEST(scsa_variants, each_order_is_its_halves_one_after_the_other)
{
    check_order("", "--pcsa=off", "--smsa=off");
    check_order("--order=channel_first", "--smsa=off", "--pcsa=off");
    check_order("--order=channel_first --window_size=3",
                "--smsa=off --window_size=3", "--pcsa=off");
    check_same("--order=channel_first --window_size=3", "--window_size=3",
               false);
}

/* Two gates of sigmoid(0) in one half, one in the other. */
TEST(scsa_variants, a_half_without_weights_leaves_its_gates_at_one_half)
{
    static const struct {
        const char *settings, *zero[2];
        float factor;
    } halves[] = {
        { "--smsa=off", { "v.weight", "v.weight" }, 0.5f },
        { "--pcsa=off --norm=ln", { "norm_h.weight", "norm_w.weight" }, 0.25f },
    };

    for (int k = 0; k < 2; k++) {
        Variant v = open_variant(halves[k].settings);
        int wrong = 0;
        float *y;

        for (int i = 0; i < 2; i++)
            change(&v, halves[k].zero[i], 0, 0);
        if (k == 1) {
            change(&v, "norm_h.bias", 0, 0);
            change(&v, "norm_w.bias", 0, 0);
        }
        y = finish(&v);
        for (int i = 0; i < COUNT; i++)
            wrong += y[i] != halves[k].factor * input()[i];
        CHECK_MSG(wrong == 0, "%s: %d are not %g x", halves[k].settings, wrong,
                  (double)halves[k].factor);
        free(y);
    }
}

/* ---- norms --------------------------------------------------------------- */

static const char *const convolutions[] = { "local_dwc", "global_dwc_s",
                                            "global_dwc_m", "global_dwc_l" };

/* Convolutions that change nothing, where every size is 1. */
static void pass_through(Variant *v, float bias)
{
    char name[64];

    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%s.weight", convolutions[i]);
        change(v, name, 0, 1);
        snprintf(name, sizeof(name), "%s.bias", convolutions[i]);
        change(v, name, 0, bias);
    }
}

/* Where the convolutions change nothing, it does not matter on which side of
 * them the norm is; where they do, it does. */
TEST(scsa_variants, norm_position_is_the_side_of_the_convolutions)
{
    static const char *const norms[] = { "gn", "bn", "ln" };

    for (int i = 0; i < 3; i++) {
        char before[96], after[64];
        Variant a, b;

        snprintf(after, sizeof(after), "--norm=%s --group_kernel_sizes=1,1,1,1",
                 norms[i]);
        snprintf(before, sizeof(before), "%s --norm_position=before", after);
        check_same(before, after, false);
        a = open_variant(before);
        b = open_variant(after);
        pass_through(&a, 0);
        pass_through(&b, 0);
        check_equal(&a, &b, true);
    }
}

/* A norm of single channels takes away what a bias adds; one that comes
 * before the convolutions cannot. */
TEST(scsa_variants, only_a_norm_after_the_convolutions_removes_their_bias)
{
    static const char *const settings[] = {
        "--norm_groups=16", "--norm_groups=16 --norm_position=before"
    };

    for (int k = 0; k < 2; k++) {
        Variant a = open_variant(settings[k]), b = open_variant(settings[k]);

        change(&b, "global_dwc_s.bias", 1, 0.5f);
        check_equal(&a, &b, k == 0);
    }
}

TEST(scsa_variants, no_norm_is_a_batch_norm_that_does_nothing)
{
    Variant none = open_variant("--norm=none"), bn = open_variant("--norm=bn");
    char name[64];

    for (int axis = 0; axis < 2; axis++) {
        static const struct {
            const char *name;
            float value;
        } idle[] = { { "weight", 1 },
                     { "bias", 0 },
                     { "running_mean", 0 },
                     { "running_var", 1 - 1e-5f } };

        for (int i = 0; i < 4; i++) {
            snprintf(name, sizeof(name), "norm_%c.%s", axis ? 'w' : 'h',
                     idle[i].name);
            change(&bn, name, 0, idle[i].value);
        }
    }
    check_equal(&none, &bn, true);
    check_same("--norm=none", "--norm=bn", false);
}

/* The gates y / x of x and of x plus d(row), for all channels alike. */
static double gates_moved_by(const char *settings)
{
    Variant v = open_variant(settings);
    float moved[COUNT], *y, *z;
    double worst = 0;

    for (int i = 0; i < COUNT; i++)
        moved[i] = input()[i] + 2 * (float)(i / W % H);
    y = run(&v, input());
    z = run(&v, moved);
    for (int i = 0; i < COUNT; i++)
        if (fabsf(input()[i]) > 0.1f && fabsf(moved[i]) > 0.1f)
            worst = fmax(worst, fabs((double)y[i] / input()[i] -
                                     (double)z[i] / moved[i]));
    free(y);
    free(z);
    graph_free(v.g);
    return worst;
}

/* A layer norm does not see a value equal in all channels of a position; a
 * group norm compares positions, so it does. */
TEST(scsa_variants, a_layer_norm_compares_the_channels_of_each_position)
{
    CHECK(gates_moved_by("--pcsa=off --norm=ln --norm_position=before") < 1e-4);
    CHECK(gates_moved_by("--pcsa=off --norm_groups=1 "
                         "--norm_position=before") > 0.01);
}

/* At one position both readings of GN->LN are one. */
TEST(scsa_variants, both_layer_norms_are_one_on_a_single_pixel)
{
    Variant a = open_at("--window_size=1 --norm=ln", 1, 1);
    Variant b = open_at("--window_size=1 --norm_groups=1", 1, 1);
    float *y = run(&a, input()), *z = run(&b, input());

    CHECK(verify_error(y, z, N * C) <= 1e-6);
    free(y);
    free(z);
    graph_free(a.g);
    graph_free(b.g);
    check_same("--norm=ln", "--norm_groups=1", false);
}

/* ---- sizes and sharing --------------------------------------------------- */

/* The convolutions of one become those of the other, each in as many parts:
 * {0, 0, 1, 1} makes two of four. */
static void join(Variant *to, const Variant *from, const int into[4])
{
    char name[64], source[64];

    for (int k = 0; k < 2; k++) {
        const char *const what = k ? "bias" : "weight";
        size_t at = 0;

        for (int i = 0; i < 4; i++) {
            snprintf(source, sizeof(source), "%s.%s", convolutions[i], what);
            snprintf(name, sizeof(name), "%s.%s", convolutions[into[i]], what);
            at = put(to, name, i > 0 && into[i] == into[i - 1] ? at : 0, from,
                     source);
        }
    }
}

TEST(scsa_variants, fewer_sizes_are_four_with_equal_ones_among_them)
{
    static const struct {
        const char *few, *four;
        int into[4];
    } rows[] = {
        { "--group_kernel_sizes=7",
          "--group_kernel_sizes=7,7,7,7 --norm_groups=1",
          { 0, 0, 0, 0 } },
        { "--group_kernel_sizes=7 --norm_groups=4",
          "--group_kernel_sizes=7,7,7,7",
          { 0, 0, 0, 0 } },
        { "--group_kernel_sizes=3,7",
          "--group_kernel_sizes=3,3,7,7 --norm_groups=2",
          { 0, 0, 1, 1 } },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Variant few = open_variant(rows[i].few);
        Variant four = open_variant(rows[i].four);

        join(&few, &four, rows[i].into);
        check_equal(&few, &four, true);
    }
    check_same("--group_kernel_sizes=7",
               "--group_kernel_sizes=7 --norm_groups=4", false);
}

TEST(scsa_variants, norm_groups_are_as_many_as_sizes_unless_told)
{
    check_same("", "--norm_groups=4", true);
    check_same("--group_kernel_sizes=3,7",
               "--group_kernel_sizes=3,7 --norm_groups=2", true);
    check_same("", "--norm_groups=2", false);
}

TEST(scsa_variants, unshared_convolutions_that_are_equal_are_shared_ones)
{
    Variant two, one;
    char name[64], own[64];

    for (int spare = 0; spare < 2; spare++) {
        two = open_variant("--shared=off");
        one = open_variant("");
        for (int i = 0; i < 16; i++) {
            const char *const what = i & 4 ? "bias" : "weight";

            snprintf(name, sizeof(name), "%s.%s", convolutions[i % 4], what);
            snprintf(own, sizeof(own), "%s_%c.%s", convolutions[i % 4],
                     i & 8 ? 'h' : 'w', what);
            if (!spare || i & 8) /* or those of the columns stay as they are */
                put(&two, own, 0, &one, name);
        }
        check_equal(&two, &one, !spare);
    }
}

/* ---- the channel half ---------------------------------------------------- */

/* The gates y / x of a variant with smsa=off, one a channel. */
static void find_gates(const char *settings, double gate[N * C])
{
    Variant v = open_variant(settings);
    float *y = finish(&v);

    for (int p = 0; p < N * C; p++) {
        double x_y = 0, x_x = 0;

        for (int i = p * H * W; i < (p + 1) * H * W; i++) {
            x_y += (double)input()[i] * y[i];
            x_x += (double)input()[i] * input()[i];
        }
        gate[p] = x_y / x_x;
    }
    free(y);
}

/* Channel i of head h moves to where channel h of as many heads as a head has
 * channels would be. */
TEST(scsa_variants, shuffle_interleaves_the_gates_of_the_heads)
{
    enum { HEADS = 4, OF_HEAD = C / HEADS };
    double plain[N * C], shuffled[N * C];

    find_gates("--smsa=off --window_size=3 --head_num=4", plain);
    find_gates("--smsa=off --window_size=3 --head_num=4 --shuffle=on",
               shuffled);
    for (int p = 0; p < N * C; p++) {
        const int c = p % C, h = c / OF_HEAD, i = c % OF_HEAD;

        CHECK_MSG(fabs(shuffled[p - c + i * HEADS + h] - plain[p]) < 1e-6,
                  "channel %d", p);
    }
    CHECK(fabs(shuffled[1] - plain[1]) > 1e-4);
}

TEST(scsa_variants, one_head_has_nothing_to_shuffle)
{
    check_same("--head_num=1 --shuffle=on", "", true);
    check_same("--head_num=1 --shuffle=on --window_size=3", "--window_size=3",
               true);
}

/* Scores over another root are scores of a longer or shorter q. */
TEST(scsa_variants, scale_divides_the_scores)
{
    static const struct {
        const char *window, *scale;
        float ratio; /* of a head's channels to positions */
    } rows[] = {
        { "--window_size=3", "pooled_map", C / 6.0f }, /* 3x2 windows */
        { "--window_size=4", "pooled_map", C / 4.0f },
        { "--window_size=3", "input_map", C / 72.0f },
        { "--window_size=3 --head_num=4", "pooled_map", C / 4 / 6.0f },
        { "--window_size=-1", "pooled_map", C },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Variant a, b = open_variant(rows[i].window);
        float *y = run(&b, input()), *z;
        char settings[96];

        snprintf(settings, sizeof(settings), "%s --scale=%s", rows[i].window,
                 rows[i].scale);
        a = open_variant(settings);
        z = run(&a, input());
        CHECK_MSG(difference(y, z) > 3e-5, "%s changes nothing: %g", settings,
                  difference(y, z));
        change(&b, "q.weight", sqrtf(rows[i].ratio), 0);
        check_equal(&a, &b, true);
        free(y);
        free(z);
    }
}

/* Without a window there is one mean, so an order of pixels does not count. */
TEST(scsa_variants, without_a_window_channels_are_compared_by_their_means)
{
    float backwards[COUNT];

    for (int k = 0; k < 2; k++) {
        Variant v = open_variant(k ? "--smsa=off --window_size=2"
                                   : "--smsa=off --window_size=-1");
        float *y = run(&v, input()), *z;
        double worst = 0;

        for (int i = 0; i < COUNT; i++) /* columns turned round by one */
            backwards[i] = input()[i / W * W + (i + 1) % W];
        z = run(&v, backwards);
        for (int i = 0; i < COUNT; i++)
            worst =
                fmax(worst, fabs((double)z[i] - y[i / W * W + (i + 1) % W]));
        CHECK_MSG(k ? worst > 1e-4 : worst < 1e-5, "%s: %g", v.settings, worst);
        free(y);
        free(z);
        graph_free(v.g);
    }
}

/* Windows of 2 see a map that is twice as large, of equal quarters, as windows
 * of 1 see the map. */
TEST(scsa_variants, a_window_of_one_compares_every_pixel)
{
    enum { TWICE = 4 * COUNT };
    Variant one = open_variant("--smsa=off --window_size=1");
    Variant two = open_at("--smsa=off --window_size=2", 2 * H, 2 * W);
    float *large = malloc(TWICE * sizeof(*large)), *y, *z;
    double worst = 0;

    BUG_IF(!large);
    for (int i = 0; i < TWICE; i++)
        large[i] = input()[i / (4 * W) * W + i % (2 * W) / 2];
    y = finish(&one);
    z = run(&two, large);
    for (int i = 0; i < TWICE; i++)
        worst = fmax(worst,
                     fabs((double)z[i] - y[i / (4 * W) * W + i % (2 * W) / 2]));
    CHECK_MSG(worst < 1e-5, "%g", worst);
    free(large);
    free(y);
    free(z);
    graph_free(two.g);
}
