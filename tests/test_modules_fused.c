/*
 * test_modules_fused.c - what holds for every module as one op whatever its
 * weights are, on "cpu": that it halves x at each gate without weights, and
 * that neither threads, nor neighbours in the batch, nor the place of the
 * result change a bit of it.  SCSA has its own: test_scsa_fused.c.
 *
 * A row of the table is a module at a shape, with settings: one by whole
 * vectors of channels, and one by none.
 */
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "harness/check/verify.h"
#include "kernels/core/plan.h"
#include "kernels/cpu/cpu.h"
#include "tests/sample.h"
#include "tests/test.h"

typedef struct Row {
    const char *module, *settings; /* "reduction=4", "": all defaults */
    int N, C, H, W;
} Row;

static const Row rows[] = {
    { "se", "", 3, 64, 14, 9 },
    { "se", "reduction=3", 5, 21, 5, 7 },
    { "se_conv", "", 3, 64, 14, 9 },
    { "se_conv", "reduction=3", 5, 21, 5, 7 },
    { "eca", "", 3, 128, 14, 9 },
    { "eca", "kernel_size=9", 5, 21, 5, 7 },
    { "fca", "", 3, 64, 14, 9 },
    { "fca", "dct_h=7 dct_w=7", 5, 16, 9, 8 },
    { "fca", "dct_h=8 dct_w=7", 1, 16, 9, 12 },
    { "afgca", "", 3, 64, 14, 9 },
    { "afgca", "", 5, 21, 5, 7 },
    { "afgca", "", 4, 2, 3, 3 },
    { "cbam", "", 3, 64, 14, 19 },
    { "cbam", "kernel_size=3", 5, 21, 5, 7 },
    { "sa", "", 3, 128, 14, 9 },
    { "sa", "group_num=3", 5, 42, 5, 7 },
    { "ela", "", 3, 64, 14, 9 },
    { "ela", "groups=3", 5, 21, 5, 7 },
    { "ca", "", 3, 64, 14, 9 },
    { "ca", "reduction=2", 5, 21, 5, 7 },
    { "ema", "", 3, 64, 14, 9 },
    { "ema", "factor=7", 5, 21, 5, 7 },
    { "ema", "factor=16", 2, 256, 6, 5 },
};
enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

/* One module on one device: values go in, the result comes out. */
typedef struct One {
    Device *dev;
    Graph *g;
    Tensor *input, *x, *y; /* x: what it reads, y: its result */
    float weights;         /* they are in [-1,1) times this, or all 1 */
    bool ones;
    float offset; /* the input is in [-1,1) plus this */
    int infinite; /* number of it that is infinite; 0: none */
} One;

static void one_open(One *m, const Backend *backend, int threads)
{
    const DeviceSettings settings = { threads, "", .crowded = true };

    *m = (One){ .g = graph_new(), .weights = 1 };
    BUG_IF(backend->open(&m->dev, &settings) != OK);
}

/* "name=value name=value" into settings. */
static void settle(const Module *module, void *settings, const char *text)
{
    char copy[64], *rest = copy, *word;

    if (module->params)
        param_defaults(module->params, settings);
    snprintf(copy, sizeof(copy), "%s", text);
    while ((word = strsep(&rest, " "))) {
        char *value = strchr(word, '=');

        if (!value)
            continue;
        *value++ = '\0';
        BUG_IF(param_set(param_find(module->params, word), settings, value) !=
               OK);
    }
}

/* between: an op stands between input and module, so that the module may write
 * its result over what it reads. */
static void build(One *m, Row r, bool between)
{
    _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };
    const Module *module = zoo_find(r.module);
    uint64_t state = 3;

    settle(module, settings, r.settings);
    m->input = graph_input(m->g, "input", DIMS(r.N, r.C, r.H, r.W));
    m->x = between ? op_scale_shift(m->g, m->input, 1, 0) : m->input;
    m->y = zoo_fuse(m->g, module, m->x, settings);
    BUG_IF(!m->y);
    graph_output(m->g, "output", m->y);
    for (int k = 1; k < MAX_SRC && m->y->src[k]; k++) {
        Tensor *w = m->y->src[k];
        const bool variance = strstr(w->name, "running_var") != NULL;

        BUG_IF(graph_alloc_host(w) != OK);
        sample_fill(&state, w->host, tensor_count(w));
        for (size_t i = 0; i < tensor_count(w); i++)
            w->host[i] = m->ones    ? 1
                         : variance ? 1 + w->host[i] / 2
                                    : w->host[i] * m->weights;
    }
}

static size_t numbers(Row r)
{
    return (size_t)r.N * (size_t)r.C * (size_t)r.H * (size_t)r.W;
}

static float *sample(size_t n, float offset)
{
    float *x = malloc(n * sizeof(*x));
    uint64_t state = 5;

    BUG_IF(!x);
    sample_fill(&state, x, n);
    for (size_t i = 0; i < n; i++)
        x[i] += offset;
    return x;
}

/* The result for the first numbers of one sequence; ends m. */
static float *finish(One *m)
{
    const size_t n = tensor_count(m->y);
    float *x = sample(n, m->offset), *y = malloc(n * sizeof(*y));
    Plan *plan;

    if (m->infinite)
        x[m->infinite] = INFINITY;
    BUG_IF(!y || plan_new(&plan, m->dev, m->g) != OK);
    BUG_IF(plan_set(plan, m->input, x) != OK);
    BUG_IF(plan_run(plan) != OK);
    BUG_IF(plan_get(plan, m->y, y) != OK);
    plan_free(plan);
    graph_free(m->g);
    m->dev->backend->close(m->dev);
    free(x);
    return y;
}

static float *result(Row r, int threads)
{
    One m;

    one_open(&m, &cpu_backend, threads);
    build(&m, r, false);
    return finish(&m);
}

static bool same_bits(const float *a, const float *b, size_t n)
{
    return memcmp(a, b, n * sizeof(*a)) == 0;
}

/* ---- the equations ------------------------------------------------------- */

/* Where the result has channel c, c being x's. */
static int moved_to(Row r, int c)
{
    return strcmp(r.module, "sa") ? c : c % (r.C / 2) * 2 + c / (r.C / 2);
}

TEST(modules_fused, without_weights_every_gate_halves)
{
    for (int i = 0; i < NROWS; i++) {
        const Row r = rows[i];
        const size_t P = (size_t)r.H * (size_t)r.W;
        const float part = 1 / (float)(1 << zoo_find(r.module)->gates);
        float *x = sample(numbers(r), 0), *y;
        bool right = true;
        One m;

        one_open(&m, &cpu_backend, 2);
        m.weights = 0;
        build(&m, r, false);
        y = finish(&m);
        for (int c = 0; c < r.N * r.C; c++) {
            const int to = c / r.C * r.C + moved_to(r, c % r.C);

            for (size_t p = 0; p < P; p++)
                right &= y[(size_t)to * P + p] == x[(size_t)c * P + p] * part;
        }
        CHECK_MSG(right, "%s, row %d", r.module, i);
        free(x);
        free(y);
    }
}

/* Squares must not cancel where the mean is large. */
TEST(modules_fused, a_large_mean_costs_no_digits)
{
    for (int i = 0; i < NROWS; i++) {
        const Backend *backends[] = { &cpu_backend, &ref_backend };
        const size_t n = numbers(rows[i]);
        float *y[2];
        double error = 0, norm = 0;

        if (strcmp(rows[i].module, "sa"))
            continue;
        for (int k = 0; k < 2; k++) {
            One m;

            one_open(&m, backends[k], k ? 0 : 2);
            m.offset = 1000;
            build(&m, rows[i], false);
            y[k] = finish(&m);
        }
        for (size_t k = 0; k < n; k++) {
            const double d = (double)y[0][k] - y[1][k];

            error += d * d;
            norm += (double)y[1][k] * y[1][k];
        }
        CHECK_MSG(sqrt(error / norm) < 3e-6, "%s, row %d: %g", rows[i].module,
                  i, sqrt(error / norm));
        free(y[0]);
        free(y[1]);
    }
}

/* Gates of 0 and 1, and NaN where infinities of both signs meet, wherever the
 * definition has them: also where the kernel has other algebra. */
TEST(modules_fused, an_infinity_is_felt_as_the_definition_says)
{
    const Backend *backends[] = { &cpu_backend, &ref_backend };

    /* Then with weights of 1, and all else of x below 0. */
    for (int i = 0; i < 2 * NROWS; i++)
        for (int at = 1; at <= 3; at++) {
            const Row r = rows[i / 2];
            const size_t n = numbers(r);
            size_t wrong = 0;
            float *y[2];

            for (int k = 0; k < 2; k++) {
                One m;

                one_open(&m, backends[k], k ? 0 : 2);
                m.infinite = (int)n * at / 4 + at % 2 * r.H * r.W;
                m.ones = i % 2;
                m.offset = m.ones ? -2 : 0;
                build(&m, r, false);
                y[k] = finish(&m);
            }
            for (size_t k = 0; k < n; k++)
                wrong += isnan(y[0][k]) != isnan(y[1][k]) ||
                         isinf(y[0][k]) != isinf(y[1][k]) ||
                         fabsf(y[0][k] - y[1][k]) > 1e-5f;
            CHECK_MSG(!wrong, "%s, row %d: %zu numbers, infinity %d", r.module,
                      i / 2, wrong, at);
            free(y[0]);
            free(y[1]);
        }
}

/* ---- the same bits ------------------------------------------------------- */

TEST(modules_fused, threads_do_not_change_a_bit)
{
    for (int i = 0; i < NROWS; i++) {
        float *one = result(rows[i], 1);

        for (int threads = 2; threads <= 5; threads++) {
            float *y = result(rows[i], threads);

            CHECK_MSG(same_bits(one, y, numbers(rows[i])),
                      "%s, row %d, %d threads", rows[i].module, i, threads);
            free(y);
        }
        free(one);
    }
}

TEST(modules_fused, an_image_does_not_see_its_neighbours)
{
    for (int i = 0; i < NROWS; i++) {
        Row first = rows[i];
        float *all = result(first, 2), *alone;

        first.N = 1;
        alone = result(first, 2);
        CHECK_MSG(same_bits(all, alone, numbers(first)), "%s, row %d",
                  first.module, i);
        free(all);
        free(alone);
    }
}

/* EMA reads rows that it has written: it is never in place. */
TEST(modules_fused, in_place_it_computes_the_same)
{
    for (int i = 0; i < NROWS; i++) {
        float *apart = result(rows[i], 2), *y;
        Plan *plan;
        One m;

        one_open(&m, &cpu_backend, 2);
        build(&m, rows[i], true);
        BUG_IF(plan_new(&plan, m.dev, m.g) != OK);
        CHECK_MSG((m.x->data == m.y->data) == !!strcmp(rows[i].module, "ema"),
                  "%s, row %d", rows[i].module, i);
        plan_free(plan);
        y = finish(&m);
        CHECK_MSG(same_bits(apart, y, numbers(rows[i])), "%s, row %d",
                  rows[i].module, i);
        free(apart);
        free(y);
    }
}

/* ---- the authors' code --------------------------------------------------- */

static int verify_all(const char *module, const Case *how)
{
    char pattern[64];
    int passed = 0;
    glob_t files;

    snprintf(pattern, sizeof(pattern), "tests/cases/%s_[cos]*.safetensors",
             module);
    if (glob(pattern, 0, NULL, &files))
        return 0;
    for (size_t k = 0; k < files.gl_pathc; k++) {
        Verified v;

        verify_file(&v, files.gl_pathv[k], how, NULL, NULL);
        passed += v.verdict == VERIFY_PASSED;
        CHECK_MSG(v.verdict == VERIFY_PASSED,
                  "attnbench verify --impl=fused %s: %s (%g)",
                  files.gl_pathv[k], v.why, v.rel_l2);
    }
    globfree(&files);
    return passed;
}

TEST(modules_fused, agree_with_pytorch)
{
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "impl", "fused") == OK);
    for (int i = 0; i < NROWS; i++)
        if (i == 0 || strcmp(rows[i].module, rows[i - 1].module))
            CHECK_MSG(verify_all(rows[i].module, &how) >= 3, "%s",
                      rows[i].module);
}

/* In training the norm of se_conv and ca is over the batch, which their fused
 * op does not have; what has no such norm trains. */
TEST(modules_fused, a_norm_over_the_batch_is_refused_in_training)
{
    static const struct {
        const char *module;
        int status;
    } of[] = { { "se_conv", ERR_UNSUPPORTED },
               { "ca", ERR_UNSUPPORTED },
               { "se", OK },
               { "ela", OK } };

    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        Graph *g = NULL;
        int status;
        Case c;

        case_defaults(&c);
        REQUIRE(case_set(&c, "module", of[i].module) == OK);
        REQUIRE(case_set(&c, "impl", "fused") == OK);
        REQUIRE(case_set(&c, "pass", "train") == OK);
        REQUIRE(case_complete(&c) == OK);
        status = network_build(&g, &c, NULL, TAPS_NONE);
        CHECK_MSG(status == of[i].status, "%s: %d", of[i].module, status);
        if (status == ERR_UNSUPPORTED)
            CHECK(strstr(err_message(), "use impl=composed") != NULL);
        graph_free(g);
    }
}
