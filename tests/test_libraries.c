/*
 * test_libraries.c - how the kernels made of cuDNN and cuBLASLt choose: by
 * time, and then by what they noted.
 *
 * The libraries compute on the host (fake_libraries.h); that they compute the
 * right thing is tested in test_kernels.c.
 */
#include "tests/test.h"

#ifndef WITH_CUDNN

TEST(libraries, on_the_host)
{
    SKIP("built without cuDNN's and cuBLASLt's headers");
}

#else

#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/plan.h"
#include "kernels/cuda/library/conv_graph.h"
#include "kernels/ops/ops.h"
#include "kernels/simt/host.h"
#include "tests/described.h"
#include "tests/eval.h"
#include "tests/fake_libraries.h"

/* Notes in memory. */
enum { MAX_KEPT = 16, NOTE = 512 };
typedef struct Memory {
    Notes notes;
    int n, found, kept;
    char key[MAX_KEPT][NOTE], value[MAX_KEPT][NOTE];
} Memory;

static int find_key(const Memory *m, const char *key)
{
    int i = 0;

    while (i < m->n && strcmp(m->key[i], key))
        i++;
    return i;
}

static bool find(void *arg, const char *key, char *value, size_t size)
{
    Memory *m = arg;
    const int i = find_key(m, key);

    if (i == m->n || strlen(m->value[i]) >= size)
        return false;
    snprintf(value, size, "%s", m->value[i]);
    m->found++;
    return true;
}

static void keep(void *arg, const char *key, const char *value)
{
    Memory *m = arg;
    const int i = find_key(m, key);

    BUG_IF(i == MAX_KEPT);
    CHECK(strlen(key) < NOTE && strlen(value) < NOTE);
    snprintf(m->key[i], NOTE, "%s", key);
    snprintf(m->value[i], NOTE, "%s", value);
    m->n += i == m->n;
    m->kept++;
}

static Device *open_with(Memory *m)
{
    Device *dev = NULL;

    if (simt_is_checked())
        test_skip("the checker knows nothing of these libraries' memory");
    *m = (Memory){ .notes = { m, find, keep } };
    fake_calls = (FakeCalls){ 0 };
    BUG_IF(fake_libraries->open(&dev, &(DeviceSettings){ .notes = &m->notes }));
    return dev;
}

/* ---- graphs ------------------------------------------------------------- */

typedef Tensor *Build(Graph *g);

static Tensor *conv_of(Graph *g, const Conv2dAttr *attr)
{
    Tensor *x = graph_input(g, "x", DIMS(2, 16, 6, 6));
    Tensor *w = graph_weight(g, "w", DIMS(8, 16, 3, 3));

    return op_conv2d(g, x, w, graph_weight(g, "b", DIMS(8)), attr);
}

static Tensor *conv(Graph *g)
{
    return conv_of(g, &(Conv2dAttr){ .act = ACT_RELU });
}

static Tensor *conv_strided(Graph *g)
{
    return conv_of(g, &(Conv2dAttr){ .act = ACT_RELU, .stride = 2 });
}

static Tensor *conv_padded(Graph *g)
{
    return conv_of(g, &(Conv2dAttr){ .act = ACT_RELU, .pad_w = 1 });
}

static Tensor *conv_linear(Graph *g)
{
    return conv_of(g, NULL);
}

static Tensor *conv_1x1(Graph *g)
{
    Tensor *x = graph_input(g, "x", DIMS(2, 16, 6, 6));
    Tensor *w = graph_weight(g, "w", DIMS(16, 16, 1, 1));

    return op_conv2d_add(g, x, w, graph_weight(g, "b", DIMS(16)), x,
                         &(Conv2dAttr){ .act = ACT_RELU });
}

/* act'(made) (w turned * dy + z), dx being 6x6. */
static Tensor *grad_x_of(Graph *g, Dims w, Dims dy, Conv2dAttr conv)
{
    const Conv2dGradAttr attr = { conv, 6, 6 };
    const Dims dx = DIMS(dy.dim[0], w.dim[1], 6, 6);
    Tensor *src[] = { graph_input(g, "dy", dy), graph_weight(g, "w", w),
                      graph_input(g, "z", dx), graph_input(g, "made", dx) };

    return graph_apply(g, &conv2d_grad_x_def, &attr, src);
}

static Tensor *grad_x(Graph *g)
{
    return grad_x_of(g, DIMS(8, 16, 3, 3), DIMS(2, 8, 3, 3),
                     (Conv2dAttr){ 2, 1, 1, 1, false, ACT_RELU });
}

static Tensor *grad_x_1x1(Graph *g)
{
    return grad_x_of(g, DIMS(8, 16, 1, 1), DIMS(2, 8, 6, 6),
                     (Conv2dAttr){ 1, 0, 0, 1, false, ACT_RELU });
}

static Tensor *grad_w(Graph *g)
{
    return op_conv2d_grad_w(g, graph_input(g, "x", DIMS(2, 8, 6, 6)),
                            graph_input(g, "dy", DIMS(2, 16, 4, 4)), 3, 3,
                            NULL);
}

static Tensor *grad_w_1x1(Graph *g)
{
    return op_conv2d_grad_w(g, graph_input(g, "x", DIMS(2, 8, 6, 6)),
                            graph_input(g, "dy", DIMS(2, 16, 6, 6)), 1, 1,
                            NULL);
}

static Tensor *linear(Graph *g)
{
    Tensor *x = graph_input(g, "x", DIMS(4, 24));

    return op_linear(g, x, graph_weight(g, "w", DIMS(8, 24)),
                     graph_weight(g, "b", DIMS(8)));
}

static Tensor *linear_unbiased(Graph *g)
{
    Tensor *x = graph_input(g, "x", DIMS(4, 24));

    return op_linear(g, x, graph_weight(g, "w", DIMS(8, 24)), NULL);
}

static Tensor *matmul(Graph *g)
{
    Tensor *x = graph_input(g, "x", DIMS(2, 8, 9));

    return op_matmul(g, x, x, &(MatmulAttr){ .groups = 4, .trans_b = true });
}

static int set_inputs(Plan *plan, const Graph *g)
{
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);
        const size_t n = tensor_count(t);
        float *values;
        int err;

        if (t->role != ROLE_INPUT)
            continue;
        values = malloc(n * sizeof(*values));
        BUG_IF(!values);
        eval_values(values, n, t->name);
        err = plan_set(plan, t, values);
        free(values);
        TRY(err);
    }
    return OK;
}

/* Plans build's graph; grows the workspace between planning and running, if
 * asked to; and compares the result with the definition. */
static int plan_and_run(Device *dev, Build *build, Dtype dtype, bool grow)
{
    Graph *g = graph_new();
    Tensor *y = build(g);
    const size_t n = tensor_count(y);
    float *got = malloc(n * sizeof(float)), *want = eval(g, y);
    Plan *plan = NULL;
    int err;

    BUG_IF(!got);
    graph_set_dtype(g, dtype);
    err = plan_new(&plan, dev, g);
    if (!err && grow)
        err = fake_grow(dev);
    if (!err)
        err = set_inputs(plan, g);
    if (!err)
        err = plan_run(plan);
    if (!err)
        err = plan_get(plan, y, got);
    if (!err)
        CHECK(eval_error(got, want, n) < 4 * dtype_epsilon(dtype) + 1e-6);
    plan_free(plan);
    free(got);
    free(want);
    graph_free(g);
    return err;
}

/* ---- choosing ----------------------------------------------------------- */

/* The first choice is used again, without another trial. */
static void check_notes(Build *build, Dtype dtype, int fastest)
{
    Memory m;
    Device *dev = open_with(&m);

    fake_calls.fastest = fastest;
    CHECK(plan_and_run(dev, build, dtype, false) == OK);
    CHECK(m.kept == 1 && m.found == 0 && fake_calls.launches > 10);

    fake_calls.launches = 0;
    CHECK(plan_and_run(dev, build, dtype, false) == OK);
    CHECK(m.kept == 1 && m.found == 1 && fake_calls.launches <= 2);

    snprintf(m.value[0], NOTE, "something else");
    CHECK(plan_and_run(dev, build, dtype, false) == OK);
    CHECK(m.kept == 2 && strcmp(m.value[0], "something else"));
    fake_libraries->close(dev);
}

TEST(libraries, note_what_they_chose_and_use_it_again)
{
    check_notes(conv, F16, 2);
    check_notes(conv_1x1, F32, 2);
    check_notes(conv_1x1, F16, FAKE_ALGORITHM + 2);
    check_notes(grad_x, F32, 2);
    check_notes(grad_x_1x1, F32, FAKE_ALGORITHM + 2);
    check_notes(grad_w, F32, 2);
    check_notes(grad_w_1x1, F32, FAKE_ALGORITHM + 2);
    check_notes(linear, BF16, FAKE_ALGORITHM + 2);
    check_notes(matmul, F32, FAKE_ALGORITHM + 2);
}

TEST(libraries, choose_the_fastest_engine)
{
    ConvEngine engine[ENGINES_TRIED];
    ConvGraph graph;
    Described card;
    Graph *g = graph_new();
    Tensor *out = conv(g);
    Memory m;
    Device *dev = open_with(&m);
    int n;

    described_open(&card, "h200");
    graph_set_dtype(g, F16);
    REQUIRE(conv_graph_init(&graph, out,
                            (ConvTarget){ .description = card.device }) == OK);
    REQUIRE(conv_engines(&graph, engine, ENGINES_TRIED, &n) == OK);
    for (int i = 0; i < n; i++) {
        m.n = 0;
        fake_calls.fastest = i;
        CHECK(plan_and_run(dev, conv, F16, false) == OK);
        CHECK_MSG(!strcmp(m.value[0], engine[i].text), "%s, not %s", m.value[0],
                  engine[i].text);
    }
    for (int i = 0; i < n; i++)
        conv_engine_free(&engine[i]);
    conv_graph_free(&graph);
    described_close(&card);
    graph_free(g);
    fake_libraries->close(dev);
}

static void check_algorithms(Build *build)
{
    char value[3][NOTE];
    Memory m;
    Device *dev = open_with(&m);

    for (int i = 0; i < 3; i++) {
        m.n = 0;
        fake_calls.fastest = FAKE_ALGORITHM + i;
        CHECK(plan_and_run(dev, build, F32, false) == OK);
        snprintf(value[i], NOTE, "%s", m.value[0]);
    }
    CHECK(strcmp(value[0], value[1]) && strcmp(value[1], value[2]) &&
          strcmp(value[0], value[2]));
    fake_libraries->close(dev);
}

TEST(libraries, choose_the_fastest_algorithm)
{
    check_algorithms(linear);
    check_algorithms(conv_1x1);
}

/* Either library may be the faster one for a 1x1. */
static void check_as_linear(Build *build, Dtype dtype)
{
    Memory m;
    Device *dev = open_with(&m);

    fake_calls.fastest = FAKE_ALGORITHM;
    CHECK(plan_and_run(dev, build, dtype, true) == OK);
    CHECK_MSG(!strncmp(m.value[0], "linear ", 7), "%s", m.value[0]);
    m.n = 0;
    fake_calls.fastest = 0;
    CHECK(plan_and_run(dev, build, dtype, true) == OK);
    CHECK_MSG(strncmp(m.value[0], "linear ", 7), "%s", m.value[0]);
    m.n = 0;
    fake_calls.refusing = true;
    CHECK(plan_and_run(dev, build, dtype, true) == OK);
    CHECK_MSG(strncmp(m.value[0], "linear ", 7), "%s", m.value[0]);
    fake_libraries->close(dev);
}

TEST(libraries, try_a_convolution_as_a_linear)
{
    check_as_linear(conv_1x1, F16);
    check_as_linear(grad_x_1x1, F32);
    check_as_linear(grad_w_1x1, F32);
}

TEST(libraries, have_a_key_for_whatever_a_choice_depends_on)
{
    static Build *const builds[] = { conv,        conv_strided, conv_padded,
                                     conv_linear, linear,       linear_unbiased,
                                     matmul,      grad_x,       grad_w };
    enum { NBUILDS = sizeof(builds) / sizeof(builds[0]) };
    Memory m;
    Device *dev = open_with(&m);

    for (int i = 0; i < NBUILDS; i++)
        CHECK(plan_and_run(dev, builds[i], F32, false) == OK);
    CHECK(m.n == NBUILDS && m.found == 0);
    for (Dtype d = TF32; d < NDTYPES; d++)
        CHECK(plan_and_run(dev, conv, d, false) == OK);
    CHECK(m.n == NBUILDS + 3 && m.found == 0);
    for (int i = 0; i < m.n; i++)
        CHECK_MSG(strstr(m.key[i], "; a described H200"), "%s", m.key[i]);
    fake_libraries->close(dev);
}

TEST(libraries, choose_without_notes)
{
    Device *dev;

    if (simt_is_checked())
        SKIP("the checker knows nothing of these libraries' memory");
    fake_calls = (FakeCalls){ 0 };
    REQUIRE(fake_libraries->open(&dev, NULL) == OK);
    CHECK(plan_and_run(dev, conv, F32, false) == OK);
    CHECK(plan_and_run(dev, linear, F32, false) == OK);
    fake_libraries->close(dev);
}

/* ---- copies of a plan ---------------------------------------------------- */

/* fake_libraries.c looks at where they are told that their data are. */
static void check_copies(Build *build, Dtype dtype, int fastest)
{
    Graph *g = graph_new();
    Tensor *y = build(g);
    const size_t bytes = tensor_count(y) * sizeof(float);
    float *got = malloc(bytes), *want = malloc(bytes);
    Plan *plan;
    Memory m;
    Device *dev = open_with(&m);

    BUG_IF(!got || !want);
    fake_calls.fastest = fastest;
    eval_fill(g);
    graph_set_dtype(g, dtype);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    fake_calls.launches = 0;
    CHECK_MSG(plan_copies(plan, 3 * plan_arena_bytes(plan)) == OK, "%s",
              err_message());
    CHECK_MSG(fake_calls.launches == 0 && m.kept == 1 && m.found == 0,
              "chosen again");
    plan_drop_packed(plan);
    CHECK(set_inputs(plan, g) == OK);
    CHECK(plan_run(plan) == OK && plan_get(plan, y, want) == OK);
    for (int i = 0; i < graph_size(g); i++)
        if (graph_at(g, i)->data)
            memset(graph_at(g, i)->data, 0xff, tensor_bytes(graph_at(g, i)));
    for (int i = 1; i < plan_ncopies(plan); i++) {
        plan_use(plan, i);
        CHECK(plan_run(plan) == OK && plan_get(plan, y, got) == OK);
        CHECK_MSG(!memcmp(got, want, bytes), "%s: copy %d: %g, not %g",
                  y->op->name, i, got[0], want[0]);
    }
    plan_free(plan);
    free(got);
    free(want);
    graph_free(g);
    fake_libraries->close(dev);
}

TEST(libraries, keep_their_choice_in_copies_of_a_plan)
{
    check_copies(conv, F16, 2);
    check_copies(conv_1x1, F16, FAKE_ALGORITHM + 2);
    check_copies(grad_x, F32, 2);
    check_copies(grad_x_1x1, F32, FAKE_ALGORITHM + 2);
    check_copies(grad_w, F32, 2);
    check_copies(linear, BF16, FAKE_ALGORITHM + 2);
    check_copies(matmul, F32, FAKE_ALGORITHM + 2);
}

/* ---- what may happen ---------------------------------------------------- */

TEST(libraries, follow_the_workspace)
{
    Memory m;
    Device *dev = open_with(&m);

    CHECK(plan_and_run(dev, conv, F32, true) == OK);
    CHECK(plan_and_run(dev, conv_1x1, F32, true) == OK);
    CHECK(plan_and_run(dev, linear, F32, true) == OK);
    CHECK(plan_and_run(dev, matmul, F32, true) == OK);
    CHECK(plan_and_run(dev, grad_x, F32, true) == OK);
    CHECK(plan_and_run(dev, grad_w, F32, true) == OK);
    fake_libraries->close(dev);
}

TEST(libraries, pass_over_what_does_not_run)
{
    Memory m;
    Device *dev = open_with(&m);

    fake_calls.broken = 2;
    CHECK(plan_and_run(dev, conv, F32, false) == OK);
    CHECK(plan_and_run(dev, linear, F32, false) == OK);
    CHECK(m.kept == 2);
    fake_libraries->close(dev);
}

TEST(libraries, say_why_nothing_runs)
{
    Memory m;
    Device *dev = open_with(&m);

    fake_calls.broken = 1000;
    CHECK(plan_and_run(dev, conv, F32, false) == ERR_DEVICE);
    CHECK_MSG(strstr(err_message(), "cuDNN: CUDNN_STATUS_EXECUTION_FAILED"),
              "%s", err_message());
    CHECK(plan_and_run(dev, linear, F32, false) == ERR_DEVICE);
    CHECK_MSG(strstr(err_message(), "cuBLASLt: failed"), "%s", err_message());
    fake_calls = (FakeCalls){ .refusing = true };
    CHECK(plan_and_run(dev, linear, F32, false) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "cuBLASLt lists no algorithm"), "%s",
              err_message());
    CHECK(plan_and_run(dev, matmul, F32, false) == OK); /* by the next kernel */
    CHECK(m.kept == 0);
    fake_libraries->close(dev);
}

/* Sums are in f32, operands are rounded for tf32 alone. */
TEST(libraries, multiply_in_the_type_that_was_asked_for)
{
    Memory m;
    Device *dev = open_with(&m);

    for (Dtype d = 0; d < NDTYPES; d++) {
        CHECK(plan_and_run(dev, linear, d, false) == OK);
        CHECK(fake_calls.compute ==
              (d == TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F));
    }
    fake_libraries->close(dev);
}

#endif
