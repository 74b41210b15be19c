/*
 * test_plan.c - a plan's memory: shared by lifetime, and never seen in the
 * values.
 *
 * Random graphs are planned for a device whose elementwise kernels work in
 * place, and compared with an evaluation in which every tensor has memory of
 * its own.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/host.h"
#include "kernels/core/plan.h"
#include "tests/eval.h"
#include "tests/sample.h"
#include "tests/test.h"

static int run_definition(Device *dev, const Tensor *out, void *state)
{
    (void)dev;
    (void)state;
    return out->op->ref(out);
}

/* A linear layer whose plan() copies its weights and whose run() has only the
 * copies. */
static int pack_linear(Device *dev, const Tensor *out, void **state)
{
    const Tensor *w = out->src[1];

    (void)dev;
    *state = malloc(tensor_bytes(w));
    BUG_IF(!*state);
    memcpy(*state, w->host, tensor_bytes(w));
    return OK;
}

static int run_packed_linear(Device *dev, const Tensor *out, void *state)
{
    Tensor w = *out->src[1], copy = *out;

    (void)dev;
    w.data = state;
    copy.src[1] = &w;
    return copy.op->ref(&copy);
}

static const Kernel relu_in_place = {
    .op = &relu_def,
    .name = "in_place",
    .run = run_definition,
    .inplace = 1,
};
static const Kernel add_in_place = {
    .op = &add_def,
    .name = "in_place",
    .run = run_definition,
    .inplace = 3,
};
static const Kernel mul_in_place = {
    .op = &mul_def,
    .name = "in_place",
    .run = run_definition,
    .inplace = 3,
};
static const Kernel linear_packed = {
    .op = &linear_def,
    .name = "packed",
    .plan = pack_linear,
    .run = run_packed_linear,
    .packs = 1 << 1,
};
static const Kernel definition = { .name = "definition",
                                   .run = run_definition };

static const Kernel *const kernels[] = {
    &relu_in_place, &add_in_place, &mul_in_place,
    &linear_packed, &definition,   NULL,
};

/* The device "ref" with these kernels, or with none. */
static Device *open_device(const Kernel *const *list)
{
    const DeviceSettings settings = { 1, "" };
    Device *dev;

    BUG_IF(ref_backend.open(&dev, &settings) != OK);
    dev->kernels = list;
    return dev;
}

/* A tensor of one of a few shapes, made of those so far. */
static Tensor *grow(Graph *g, uint64_t *state, Tensor *const *t, int n)
{
    Tensor *x = t[sample_below(state, n)], *y = t[sample_below(state, n)];
    const int N = x->dim[0], C = x->dim[1], H = x->dim[2], W = x->dim[3];

    switch (sample_below(state, 9)) {
    case 0:
        return op_relu(g, x);
    case 1:
        return op_sigmoid(g, x);
    case 2:
        return tensor_same_dims(x, y) ? op_add(g, x, y) : op_relu(g, y);
    case 3:
        return op_mul(g, x, op_global_avg_pool(g, x, SQUEEZE_MEAN));
    case 4:
        return op_view(g, x, DIMS(N, C, W, H));
    case 5:
        return op_relu(g, op_view(g, x, DIMS(N, C, H * W, 1)));
    case 6:
        return op_add(g, x, op_mean_c(g, x));
    case 7:
        return C > 1 ? op_slice(g, x, 1, 0, C / 2) : op_sigmoid(g, y);
    default:
        return C < 8 ? op_concat(g, 1, 2, (Tensor *[]){ x, x }) : op_relu(g, x);
    }
}

static Graph *random_graph(uint64_t seed)
{
    Graph *g = graph_new();
    uint64_t state = seed;
    Tensor *t[40] = { graph_input(g, "x", DIMS(2, 4, 2, 3)),
                      graph_input(g, "y", DIMS(2, 4, 2, 3)) };
    char name[16];
    int n = 2;

    while (n < 40) {
        t[n] = grow(g, &state, t + (n > 6 ? n - 6 : 0), n > 6 ? 6 : n);
        snprintf(name, sizeof(name), "t%d", n);
        if (n == 39 || sample_below(&state, 6) == 0)
            if (graph_outputs(g) < 20)
                graph_output(g, name, t[n]);
        n++;
    }
    return g;
}

/* Every tensor in memory of its own, by definition: what a plan must equal.
 * In value[id], each from malloc. */
static void evaluate(Graph *g, float **value)
{
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        value[i] = malloc(tensor_bytes(t));
        BUG_IF(!value[i]);
        t->data = value[i];
        if (t->role == ROLE_INPUT)
            eval_values(value[i], tensor_count(t), t->name);
        else if (t->op->view)
            memcpy(value[i], t->src[0]->data, tensor_bytes(t));
        else
            BUG_IF(t->op->ref(t));
    }
}

static void fill_inputs(Graph *g)
{
    for (int i = 0; i < graph_size(g); i++)
        if (graph_at(g, i)->role == ROLE_INPUT)
            eval_values(graph_at(g, i)->data, tensor_count(graph_at(g, i)),
                        graph_at(g, i)->name);
}

static void check_outputs(const Graph *g, float *const *value, int seed)
{
    for (int i = 0; i < graph_outputs(g); i++) {
        const Tensor *t = graph_output_at(g, i, NULL);

        CHECK_MSG(memcmp(t->data, value[t->id], tensor_bytes(t)) == 0,
                  "seed %d: output %d differs", seed, i);
    }
}

TEST(plan, of_random_graphs_gives_what_unplanned_memory_gives)
{
    Device *dev = open_device(kernels);

    for (int seed = 1; seed <= 300; seed++) {
        Graph *g = random_graph((uint64_t)seed);
        float *value[256];
        Plan *plan;

        REQUIRE(graph_error(g) == OK && graph_size(g) <= 256);
        evaluate(g, value);
        REQUIRE(plan_new(&plan, dev, g) == OK);
        fill_inputs(g);
        REQUIRE(plan_run(plan) == OK);
        check_outputs(g, value, seed);
        REQUIRE(plan_run(plan) == OK); /* and again, on the same input */
        check_outputs(g, value, seed);
        for (int i = 0; i < graph_size(g); i++)
            free(value[i]);
        plan_free(plan);
        graph_free(g);
    }
    ref_backend.close(dev);
}

static const Tensor *storage(const Tensor *t)
{
    while (t->op && t->op->view)
        t = t->src[0];
    return t;
}

/* The last node that reads t's storage; a large number for what stays. */
static int last_reader(const Graph *g, const Tensor *t)
{
    int last = t->role == ROLE_INPUT || t->kept ? graph_size(g) : t->id;

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *u = graph_at(g, i);

        if (u->kept && storage(u) == t)
            return graph_size(g);
        for (int k = 0; k < MAX_SRC; k++)
            if (u->src[k] && storage(u->src[k]) == t && i > last)
                last = i;
    }
    return last;
}

static bool apart(const Tensor *a, const Tensor *b)
{
    const char *p = a->data, *q = b->data;

    return p + tensor_bytes(a) <= q || q + tensor_bytes(b) <= p;
}

/* A tensor and an earlier one that is still read after it, or while it is
 * made, share no byte; but an in-place kernel may take what dies there. */
TEST(plan, live_buffers_do_not_overlap)
{
    Device *dev = open_device(kernels);
    int shared = 0, in_place = 0;

    for (int seed = 1; seed <= 100; seed++) {
        Graph *g = random_graph((uint64_t)seed);
        Plan *plan;

        REQUIRE(plan_new(&plan, dev, g) == OK);
        for (int i = 0; i < graph_size(g); i++) {
            const Tensor *t = graph_at(g, i);

            for (int j = 0; j < i && storage(t) == t; j++) {
                const Tensor *u = graph_at(g, j);
                const int last = last_reader(g, u);

                if (storage(u) != u || apart(t, u))
                    continue;
                shared++;
                in_place += last == i;
                CHECK_MSG(last < i ||
                              (last == i && t->data == u->data &&
                               (t->op == &relu_def || t->op == &add_def ||
                                t->op == &mul_def)),
                          "seed %d: %d takes the memory of %d, read until %d",
                          seed, i, j, last);
            }
        }
        plan_free(plan);
        graph_free(g);
    }
    CHECK(shared > 1000 && in_place > 100); /* it does share */
    ref_backend.close(dev);
}

/* A number that is broadcast has as large a buffer as a short row, but the row
 * must not take it: it is read for every element. */
TEST(plan, in_place_never_takes_a_broadcast_operand)
{
    Device *dev = open_device(kernels);
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, 8));
    Tensor *s = graph_input(g, "s", DIMS(1, 1)), *y;
    float got[8], xs[8], ss[1];
    Plan *plan;

    y = op_add(g, x, op_sigmoid(g, s));
    graph_output(g, "y", y);
    eval_values(xs, 8, "x");
    eval_values(ss, 1, "s");
    REQUIRE(plan_new(&plan, dev, g) == OK);
    CHECK(y->data != y->src[1]->data);
    plan_set(plan, x, xs);
    plan_set(plan, s, ss);
    CHECK(plan_run(plan) == OK && plan_get(plan, y, got) == OK);
    for (int i = 1; i < 8; i++)
        CHECK(fabsf(got[i] - got[0] - (xs[i] - xs[0])) < 1e-6);
    plan_free(plan);
    graph_free(g);
    ref_backend.close(dev);
}

/* A chain of n equal maps needs two, or one where every step is in place;
 * input and output are kept apart. */
TEST(plan, a_chain_needs_no_more_than_its_widest_step)
{
    Device *dev = open_device(kernels);
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, 16, 8, 8)), *y = x;
    Plan *plan;

    for (int i = 0; i < 20; i++)
        y = op_sigmoid(g, y);
    graph_output(g, "y", y);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    CHECK(plan_arena_bytes(plan) <= 4 * tensor_bytes(x));
    plan_free(plan);
    for (int i = 0; i < 20; i++)
        y = op_relu(g, y);
    graph_output(g, "z", y);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    CHECK(plan_arena_bytes(plan) <= 4 * tensor_bytes(x));
    plan_free(plan);
    graph_free(g);
    ref_backend.close(dev);
}

TEST(plan, drops_only_weights_that_every_reader_packed)
{
    Device *dev = open_device(kernels);
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 4));
    Tensor *packed = graph_weight(g, "packed", DIMS(4, 4));
    Tensor *both = graph_weight(g, "both", DIMS(4, 4));
    Tensor *y = op_linear(g, op_linear(g, x, packed, NULL), both, NULL);
    float in[8], first[8], second[8];
    Plan *plan;

    y = op_add(g, y, op_slice(g, both, 0, 0, 2));
    graph_output(g, "y", y);
    eval_fill(g);
    eval_values(in, 8, "x");
    REQUIRE(plan_new(&plan, dev, g) == OK);
    plan_set(plan, x, in);
    CHECK(plan_run(plan) == OK && plan_get(plan, y, first) == OK);
    plan_drop_packed(plan);
    CHECK(!packed->host && both->host);
    CHECK(plan_run(plan) == OK && plan_get(plan, y, second) == OK);
    CHECK(memcmp(first, second, sizeof(first)) == 0);
    plan_free(plan);
    graph_free(g);
    ref_backend.close(dev);
}

TEST(plan, says_which_weight_has_no_values)
{
    Device *dev = open_device(kernels);
    Graph *g = graph_new();
    Plan *plan;

    op_linear(g, graph_input(g, "x", DIMS(2, 4)),
              graph_weight(g, "fc.weight", DIMS(3, 4)), NULL);
    CHECK(plan_new(&plan, dev, g) == ERR_INPUT && !plan);
    CHECK(strcmp(err_message(), "weight fc.weight has no values") == 0);
    graph_free(g);
    ref_backend.close(dev);
}

static int refuse(Device *dev, const Tensor *out, void **state)
{
    (void)dev;
    *state = malloc(1);
    return fail(ERR_UNSUPPORTED, "nothing for %s today", out->op->name);
}

static int break_down(Device *dev, const Tensor *out, void **state)
{
    (void)dev;
    (void)out;
    (void)state;
    return fail(ERR_DEVICE, "broken");
}

static const Kernel refusing = { .op = &relu_def,
                                 .name = "refusing",
                                 .plan = refuse,
                                 .run = run_definition,
                                 .inplace = 1 };
static const Kernel broken = {
    .op = &relu_def, .name = "broken", .plan = break_down, .run = run_definition
};

/* Plans relu(relu(x)); returns the kernel of the second one, which may be in
 * place. */
static int plan_relus(const Kernel *const *list, const Kernel **second)
{
    Device *dev = open_device(list);
    Graph *g = graph_new();
    Tensor *y = op_relu(g, op_relu(g, graph_input(g, "x", DIMS(2, 4))));
    Plan *plan;
    int err;

    graph_output(g, "y", y);
    err = plan_new(&plan, dev, g);
    *second = NULL;
    if (!err) {
        plan_step(plan, 1, second);
        CHECK((y->data == y->src[0]->data) == ((*second)->inplace == 1));
    }
    plan_free(plan);
    graph_free(g);
    ref_backend.close(dev);
    return err;
}

/* Where the refusing one would have been in place, so must be the next. */
TEST(plan, a_kernel_that_refuses_is_passed_over)
{
    static const Kernel not_in_place = { .name = "definition",
                                         .run = run_definition };
    static const Kernel *const lists[][4] = {
        { &refusing, &not_in_place, &relu_in_place, NULL },
        { &refusing, NULL },
        { &refusing, &broken, NULL },
        { &broken, &relu_in_place, NULL },
    };
    const Kernel *second;

    CHECK(plan_relus(lists[0], &second) == OK && second == &relu_in_place);
    CHECK(plan_relus(lists[1], &second) == ERR_UNSUPPORTED);
    CHECK(strcmp(err_message(), "nothing for relu today") == 0);
    CHECK(plan_relus(lists[2], &second) == ERR_DEVICE);
    CHECK(plan_relus(lists[3], &second) == ERR_DEVICE);
}

TEST(plan, says_which_op_has_no_kernel)
{
    static const Kernel *const none[] = { NULL };
    Device *dev = open_device(none);
    Graph *g = graph_new();
    Plan *plan;

    op_relu(g, graph_input(g, "x", DIMS(2, 4)));
    CHECK(plan_new(&plan, dev, g) == ERR_UNSUPPORTED && !plan);
    CHECK(strcmp(err_message(), "ref has no kernel for f32 relu -> (2,4)") ==
          0);
    graph_free(g);
    ref_backend.close(dev);
}

TEST(plan, times_every_step_and_steps_over_views)
{
    Device *dev = open_device(kernels);
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(2, 4)), *y;
    const Kernel *kernel;
    double ns[2] = { -1, -1 };
    Plan *plan;

    y = op_relu(g, op_view(g, op_sigmoid(g, x), DIMS(2, 1, 4)));
    graph_output(g, "y", y);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    CHECK(plan_steps(plan) == 2);
    CHECK(plan_step(plan, 0, &kernel)->op == &sigmoid_def);
    CHECK(kernel == &definition);
    CHECK(plan_step(plan, 1, &kernel) == y && kernel == &relu_in_place);
    CHECK(plan_run_timed(plan, ns) == OK && ns[0] >= 0 && ns[1] >= 0);
    plan_free(plan);
    graph_free(g);
    ref_backend.close(dev);
}

/* ---- definitions that fail ----------------------------------------------- */

static int like_source(Tensor *out)
{
    out->rank = out->src[0]->rank;
    memcpy(out->dim, out->src[0]->dim, sizeof(out->dim));
    return OK;
}

static int starved(const Tensor *out)
{
    return fail(ERR_MEMORY, "no memory for %zu sums", tensor_count(out));
}

static int starved_terms(const Tensor *out, float *terms)
{
    (void)terms;
    return starved(out);
}

static int ones(const Tensor *out)
{
    for (size_t i = 0; i < tensor_count(out); i++)
        ((float *)out->data)[i] = 1;
    return OK;
}

/* One step of op, after something else failed. */
static int run_once(const Op *op, bool shakes)
{
    const DeviceSettings settings = { .isa = "", .shakes = shakes };
    Graph *g = graph_new();
    Plan *plan = NULL;
    Device *dev;
    int err;

    graph_output(
        g, "y",
        graph_apply(g, op, NULL, (Tensor *[]){ graph_input(g, "x", DIMS(2)) }));
    BUG_IF(ref_backend.open(&dev, &settings) != OK);
    CHECK_MSG(plan_new(&plan, dev, g) == OK, "%s", err_message());
    fail(ERR_INPUT, "this was before");
    err = plan ? plan_run(plan) : OK;
    plan_free(plan);
    ref_backend.close(dev);
    graph_free(g);
    return err;
}

TEST(plan, a_definition_without_memory_is_an_error)
{
    static const Op fails = {
        .name = "fails", .sources = 1, .shape = like_source, .ref = starved
    };
    static const Op works = { .name = "works",
                              .sources = 1,
                              .shape = like_source,
                              .ref = ones,
                              .terms = starved_terms };

    CHECK(run_once(&fails, false) == ERR_MEMORY);
    CHECK_MSG(strstr(err_message(), "fails (definition)") &&
                  strstr(err_message(), "no memory for 2 sums"),
              "%s", err_message());
    CHECK(run_once(&works, false) == OK);
    CHECK(run_once(&works, true) == ERR_MEMORY);
}
