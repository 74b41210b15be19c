/*
 * test_cpu_backend.c - the device "cpu": its threads, its float mode, its
 * caches, and that a network planned on it computes what "ref" computes.
 */
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/host.h"
#include "kernels/core/plan.h"
#include "kernels/cpu/cpu.h"
#include "kernels/ops/ops.h"
#include "tests/eval.h"
#include "tests/sample.h"
#include "tests/test.h"

static int cpus_allowed(void)
{
    cpu_set_t mask;

    return sched_getaffinity(0, sizeof(mask), &mask) ? 1 : CPU_COUNT(&mask);
}

static Device *open_cpu(int threads)
{
    const DeviceSettings settings = { threads, "" };
    Device *dev = NULL;

    if (threads > cpus_allowed())
        SKIP("needs more CPUs than this process may use");
    CHECK_MSG(cpu_backend.open(&dev, &settings) == OK, "%s", err_message());
    return dev;
}

/* ---- opening ---------------------------------------------------------- */

TEST(cpu, every_isa_of_this_processor_opens)
{
    int n = 0;

    for (; cpu_isa_name(n); n++) {
        const DeviceSettings settings = { 0, cpu_isa_name(n) };
        Device *dev;

        REQUIRE(cpu_backend.open(&dev, &settings) == OK);
        CHECK(strstr(dev->about, cpu_isa_name(n)));
        CHECK(dev->kernels[0]);
        cpu_backend.close(dev);
    }
    CHECK(n >= 1);
    CHECK(strcmp(cpu_isa_name(n - 1), "generic") == 0);
}

TEST(cpu, the_best_isa_is_the_default)
{
    Device *dev;

    REQUIRE(cpu_backend.open(&dev, NULL) == OK);
    CHECK(strstr(dev->about, cpu_isa_name(0)));
    cpu_backend.close(dev);
}

TEST(cpu, an_unknown_isa_is_refused)
{
    const DeviceSettings settings = { 0, "avx1024" };
    Device *dev;

    CHECK(cpu_backend.open(&dev, &settings) == ERR_INPUT);
    CHECK(dev == NULL);
    CHECK(strstr(err_message(), "no isa 'avx1024'"));
    CHECK(strstr(err_message(), "generic"));
}

TEST(cpu, more_threads_than_cpus_are_refused)
{
    const DeviceSettings settings = { 100000, "" };
    Device *dev;

    CHECK(cpu_backend.open(&dev, &settings) == ERR_UNSUPPORTED);
    CHECK(strstr(err_message(), "threads=100000"));
    cpu_backend.close(dev);
}

TEST(cpu, a_crowded_team_shares_its_cpus)
{
    const int n = cpus_allowed() + 1;
    const DeviceSettings settings = { n, "", .crowded = true };
    Device *dev;

    REQUIRE(cpu_backend.open(&dev, &settings) == OK);
    CHECK(dev->threads == n && omp_get_max_threads() == n);
    cpu_backend.close(dev);
    CHECK(cpus_allowed() == n - 1);
}

TEST(cpu, zero_threads_is_one_for_each_core_at_most)
{
    const int allowed = cpus_allowed();
    Device *dev = open_cpu(0);

    CHECK(dev->threads >= 1 && dev->threads <= allowed);
    cpu_backend.close(dev);
}

/* ---- threads ---------------------------------------------------------- */

/* The CPUs that thread i of a team of n may run on. */
static void read_masks(int n, cpu_set_t *mask)
{
#pragma omp parallel num_threads(n)
    sched_getaffinity(0, sizeof(cpu_set_t), &mask[omp_get_thread_num()]);
}

static void check_pinned(const Device *dev)
{
    cpu_set_t *mask = calloc((size_t)dev->threads, sizeof(*mask)), all;

    CPU_ZERO(&all);
    read_masks(dev->threads, mask);
    for (int i = 0; i < dev->threads; i++) {
        CHECK(CPU_COUNT(&mask[i]) == 1);
        CPU_OR(&all, &all, &mask[i]);
    }
    CHECK(CPU_COUNT(&all) == dev->threads);
    free(mask);
}

TEST(cpu, each_thread_has_a_cpu_of_its_own)
{
    Device *dev = open_cpu(0);

    check_pinned(dev);
    cpu_backend.close(dev);
}

TEST(cpu, close_gives_all_cpus_back)
{
    const int allowed = cpus_allowed(), threads = omp_get_max_threads();
    Device *dev = open_cpu(0);
    const int n = dev->threads;
    cpu_set_t *mask = calloc((size_t)n, sizeof(*mask));

    cpu_backend.close(dev);
    CHECK(omp_get_max_threads() == threads);
    read_masks(n, mask);
    for (int i = 0; i < n; i++)
        CHECK(CPU_COUNT(&mask[i]) == allowed);
    free(mask);
}

TEST(cpu, two_devices_take_turns_at_the_threads)
{
    const int allowed = cpus_allowed();
    Device *two = open_cpu(2), *one = open_cpu(1);

    for (int turn = 0; turn < 3; turn++) {
        double ns;

        for (int i = 0; i < 2; i++) {
            Device *dev = i ? one : two;

            CHECK(cpu_backend.clock_start(dev) == OK);
            CHECK(omp_get_max_threads() == dev->threads);
            check_pinned(dev);
            CHECK(cpu_backend.clock_stop(dev, &ns) == OK && ns > 0);
        }
    }
    cpu_backend.close(two);
    CHECK(cpus_allowed() == 1); /* the other still has this thread */
    cpu_backend.close(one);
    CHECK(cpus_allowed() == allowed);
}

/* ---- denormals -------------------------------------------------------- */

static bool is_zero_product(float a, float b)
{
    uint32_t bits;

    __asm__ volatile("" : "+m"(a), "+m"(b)); /* not computed by the compiler */
    a *= b;
    memcpy(&bits, &a, sizeof(bits));
    return bits == 0;
}

/* How many of n threads take a denormal for zero. */
static int flushing(int n)
{
    int count = 0;

#pragma omp parallel num_threads(n) reduction(+ : count)
    count += is_zero_product(1e-39f, 1e10f) && is_zero_product(2e-38f, 0.01f);
    return count;
}

TEST(cpu, every_thread_flushes_denormals_until_close)
{
#if !defined(__x86_64__) && !defined(__aarch64__)
    SKIP("nothing is known about flushing on this processor");
#endif
    Device *dev = open_cpu(0);
    const int n = dev->threads;

    CHECK(flushing(n) == n);
    CHECK(cpu_flushes_denormals(dev));
    cpu_backend.close(dev);
    CHECK(flushing(n) == 0);
}

/* ---- caches ----------------------------------------------------------- */

static double read_ns(const volatile char *p, size_t bytes)
{
    const double start = host_now_ns();

    for (size_t i = 0; i < bytes; i += 64)
        (void)p[i];
    return host_now_ns() - start;
}

/* In a hot cache a line comes many times faster; the best of several tries,
 * because other programs may get between. */
TEST(cpu_speed, a_read_after_evict_beside_one_from_the_caches)
{
    enum { BYTES = 1 << 18, TRIES = 7 };
    Device *dev = open_cpu(0);
    double hot = INFINITY, cold = INFINITY;
    char *p;

    if (!getenv("SPEED"))
        SKIP("a benchmark: make speed");
    REQUIRE(cpu_backend.alloc(dev, (void **)&p, BYTES) == OK);
    memset(p, 1, BYTES);
    for (int i = 0; i < TRIES; i++) {
        double ns;

        CHECK(cpu_backend.evict(dev) == OK);
        ns = read_ns(p, BYTES);
        cold = ns < cold ? ns : cold;
        ns = read_ns(p, BYTES);
        hot = ns < hot ? ns : hot;
    }
    printf("    %d KiB: from the caches %.0f ns, after evict %.1f times that\n",
           BYTES >> 10, hot, cold / hot);
    cpu_backend.release(dev, p);
    cpu_backend.close(dev);
}

/* ---- plans ------------------------------------------------------------ */

static void fill_weights(Graph *g)
{
    uint64_t state = 7;

    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (t->role == ROLE_NODE || t->role == ROLE_INPUT)
            continue;
        REQUIRE(graph_alloc_host(t) == OK);
        for (size_t k = 0; k < tensor_count(t); k++)
            t->host[k] = sample_float(&state) / 4;
    }
}

static Tensor *conv(Graph *g, const char *name, Tensor *x, Dims w, Tensor *z,
                    Conv2dAttr attr)
{
    Tensor *weight, *bias;

    graph_scope(g, "%s", name);
    weight = graph_weight(g, "weight", w);
    bias = graph_weight(g, "bias", DIMS(w.dim[0]));
    x = z ? op_conv2d_add(g, x, weight, bias, z, &attr)
          : op_conv2d(g, x, weight, bias, &attr);
    graph_end_scope(g);
    return x;
}

/* Every kind of convolution, pool and product that there is, on sizes that no
 * vector divides. */
static Graph *small_net(void)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "input", DIMS(3, 3, 30, 26)), *y, *z;

    x = conv(
        g, "stem", x, DIMS(20, 3, 7, 7), NULL,
        (Conv2dAttr){ .stride = 2, .pad_h = 3, .pad_w = 3, .act = ACT_RELU });
    x = op_max_pool2d(g, x, 3, 2, 1);
    y = conv(g, "point", x, DIMS(12, 20, 1, 1), NULL,
             (Conv2dAttr){ .act = ACT_RELU6 });
    y = conv(g, "depthwise", y, DIMS(12, 1, 3, 3), NULL,
             (Conv2dAttr){ .pad_h = 1, .pad_w = 1, .groups = 12 });
    y = conv(g, "grouped", y, DIMS(12, 4, 1, 3), NULL,
             (Conv2dAttr){ .pad_w = 1, .groups = 3 });
    y = conv(
        g, "shared", y, DIMS(4, 4, 3, 3), NULL,
        (Conv2dAttr){ .pad_h = 1, .pad_w = 1, .groups = 3, .shared = true });
    z = conv(g, "back", y, DIMS(20, 12, 1, 1), x,
             (Conv2dAttr){ .act = ACT_RELU }); /* x dies here: in place  */
    y = conv(g, "again", y, DIMS(20, 12, 1, 1), z,
             (Conv2dAttr){ 0 }); /* z does not: from aside */
    x = op_avg_pool2d(g, op_add(g, y, z), 3, 2);
    graph_output(g, "map", x);
    y = op_matmul(g, x, x,
                  &(MatmulAttr){ .groups = 5, .trans_b = true, .scale = 0.5 });
    y = op_matmul(g, y, x, &(MatmulAttr){ .groups = 5, .strip = true });
    graph_output(g, "strip", y);
    y = op_linear(g, y, graph_weight(g, "fc.weight", DIMS(7, 20)),
                  graph_weight(g, "fc.bias", DIMS(7)));
    graph_output(g, "output", y);
    return g;
}

static int run_plan(Plan *plan, Graph *g)
{
    Tensor *input = graph_find(g, "input");
    const size_t n = tensor_count(input);
    float *values = malloc(n * sizeof(*values));
    uint64_t state = 42;
    int err;

    for (size_t i = 0; i < n; i++)
        values[i] = sample_float(&state);
    err = plan_set(plan, input, values);
    free(values);
    return err ? err : plan_run(plan);
}

/* The outputs of g on a device, one after the other: the caller frees. */
static float *outputs_on(Device *dev, Graph *g, size_t *count)
{
    Plan *plan = NULL;
    float *values;

    *count = 0;
    for (int i = 0; i < graph_outputs(g); i++)
        *count += tensor_count(graph_output_at(g, i, NULL));
    values = malloc(*count * sizeof(*values));
    CHECK_MSG(plan_new(&plan, dev, g) == OK && run_plan(plan, g) == OK, "%s",
              err_message());
    *count = 0;
    for (int i = 0; plan && i < graph_outputs(g); i++) {
        const Tensor *t = graph_output_at(g, i, NULL);

        CHECK(plan_get(plan, t, values + *count) == OK);
        *count += tensor_count(t);
    }
    plan_free(plan);
    return values;
}

static void check_against_ref(int threads, const char *isa)
{
    const DeviceSettings settings = { threads, isa, .crowded = true };
    Graph *g = small_net();
    Device *cpu, *ref;
    float *is, *should;
    size_t n;

    REQUIRE(graph_error(g) == OK);
    fill_weights(g);
    REQUIRE(ref_backend.open(&ref, NULL) == OK);
    should = outputs_on(ref, g, &n);
    ref_backend.close(ref);
    REQUIRE(cpu_backend.open(&cpu, &settings) == OK);
    is = outputs_on(cpu, g, &n);
    CHECK_MSG(eval_error(is, should, n) <= 3e-6,
              "threads=%d isa=%s: relative error %g", threads, isa,
              eval_error(is, should, n));
    cpu_backend.close(cpu);
    free(is);
    free(should);
    graph_free(g);
}

TEST(cpu, a_net_on_one_thread_equals_its_definition)
{
    check_against_ref(1, "");
}

TEST(cpu, a_net_on_two_threads_equals_its_definition)
{
    check_against_ref(2, "");
}

TEST(cpu, a_net_on_three_threads_equals_its_definition)
{
    check_against_ref(3, "");
}

TEST(cpu, a_net_on_all_threads_equals_its_definition)
{
    check_against_ref(0, "");
}

TEST(cpu, a_net_in_every_isa_equals_its_definition)
{
    for (int i = 0; cpu_isa_name(i); i++)
        check_against_ref(0, cpu_isa_name(i));
}

/* Plans of a device share a scratchpad, which grows with the largest. */
TEST(cpu, a_plan_outlives_the_scratchpad_that_it_began_with)
{
    enum { SIZES = 3 };
    Device *dev = open_cpu(0);
    Graph *g[SIZES];
    Plan *plan[SIZES];
    float *first = NULL;

    for (int i = 0; i < SIZES; i++) {
        const int C = 16 << (2 * i);
        Tensor *y;

        g[i] = graph_new();
        y = conv(g[i], "conv", graph_input(g[i], "input", DIMS(2, C, 14, 14)),
                 DIMS(C, C, 3, 3), NULL,
                 (Conv2dAttr){ .pad_h = 1, .pad_w = 1 });
        graph_output(g[i], "output", y);
        fill_weights(g[i]);
        REQUIRE(plan_new(&plan[i], dev, g[i]) == OK);
        REQUIRE(run_plan(plan[0], g[0]) == OK);
        y = graph_output_named(g[0], "output");
        if (!first) {
            first = malloc(tensor_bytes(y));
            memcpy(first, y->data, tensor_bytes(y));
        }
        CHECK(memcmp(first, y->data, tensor_bytes(y)) == 0);
    }
    for (int i = 0; i < SIZES; i++) {
        plan_free(plan[i]);
        graph_free(g[i]);
    }
    free(first);
    cpu_backend.close(dev);
}

TEST(cpu, packed_weights_are_not_read_again)
{
    Device *dev = open_cpu(0);
    Graph *g = small_net();
    Tensor *y;
    Plan *plan;
    float *before;

    fill_weights(g);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    REQUIRE(run_plan(plan, g) == OK);
    y = graph_output_named(g, "output");
    before = malloc(tensor_bytes(y));
    memcpy(before, y->data, tensor_bytes(y));
    memset(y->data, 0xff, tensor_bytes(y));
    plan_drop_packed(plan);
    CHECK(graph_find(g, "stem.weight")->host == NULL);
    CHECK(run_plan(plan, g) == OK);
    CHECK(memcmp(before, y->data, tensor_bytes(y)) == 0);
    free(before);
    plan_free(plan);
    graph_free(g);
    cpu_backend.close(dev);
}
