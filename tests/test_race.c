/*
 * test_race.c - which kernel a plan takes where time is to tell: on a device of
 * the test's own, whose kernels take as long as they are told to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/host.h"
#include "kernels/core/plan.h"
#include "kernels/cuda/library/race.h"
#include "kernels/ops/ops.h"
#include "tests/test.h"

/* Three kernels, "first", "second" and "third". */
enum { KERNELS = 3 };
static struct {
    double ns[KERNELS];       /* what a run takes                    */
    int refuses, fails;       /* bits: its plan does; its run does   */
    int plans[KERNELS], held; /* states that are not released       */
    int runs;
    double now_ns, started_ns;
    int kept; /* notes */
    char key[512], note[128];
} seen;

static int plan_as(int i, void **state)
{
    seen.plans[i]++;
    seen.held++;
    *state = malloc(1);
    return seen.refuses >> i & 1 ? fail(ERR_UNSUPPORTED, "refused") : OK;
}

static int run_as(int i)
{
    seen.runs++;
    seen.now_ns += seen.ns[i];
    return seen.fails >> i & 1 ? fail(ERR_DEVICE, "failed") : OK;
}

static void release(void *state)
{
    seen.held -= state != NULL;
    free(state);
}

#define KERNEL(i)                                                     \
    static int plan_##i(Device *dev, const Tensor *out, void **state) \
    {                                                                 \
        (void)dev;                                                    \
        (void)out;                                                    \
        return plan_as(i, state);                                     \
    }                                                                 \
    static int run_##i(Device *dev, const Tensor *out, void *state)   \
    {                                                                 \
        (void)dev;                                                    \
        (void)out;                                                    \
        CHECK(state != NULL);                                         \
        return run_as(i);                                             \
    }
KERNEL(0)
KERNEL(1)
KERNEL(2)

#define LISTED(i, called)                                                     \
    {                                                                         \
        .name = called, .plan = plan_##i, .run = run_##i, .release = release, \
    }
static const Kernel first = LISTED(0, "first"), second = LISTED(1, "second"),
                    third = LISTED(2, "third");
static const Kernel *const kernels[] = { &first, &second, &third, NULL };

static int clock_start(Device *dev)
{
    (void)dev;
    seen.started_ns = seen.now_ns;
    return OK;
}

static int clock_stop(Device *dev, double *ns)
{
    (void)dev;
    *ns = seen.now_ns - seen.started_ns;
    return OK;
}

static bool find(void *arg, const char *key, char *value, size_t size)
{
    (void)arg;
    if (strcmp(key, seen.key))
        return false;
    snprintf(value, size, "%s", seen.note);
    return true;
}

static void keep(void *arg, const char *key, const char *value)
{
    (void)arg;
    seen.kept++;
    snprintf(seen.key, sizeof(seen.key), "%s", key);
    snprintf(seen.note, sizeof(seen.note), "%s", value);
}

static const Notes notes = { NULL, find, keep };
static const Backend backend = { .name = "racing",
                                 .host_memory = true,
                                 .alloc = host_alloc,
                                 .release = host_release,
                                 .upload = host_copy,
                                 .download = host_copy,
                                 .clock_start = clock_start,
                                 .clock_stop = clock_stop,
                                 .race = cuda_race };

/* The name of the kernel that a plan takes for a linear of rows x in -> out. */
static const char *taken(int rows, int in, int out)
{
    CudaDevice dev = {
        .base = { .backend = &backend, .kernels = kernels, .about = "a card" },
        .notes = &notes
    };
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(rows, in));
    Tensor *w = graph_weight(g, "w", DIMS(out, in));
    const Kernel *k = NULL;
    Plan *plan;

    memset(seen.plans, 0, sizeof(seen.plans));
    seen.runs = 0;
    w->host = calloc((size_t)out * (size_t)in, sizeof(float));
    graph_output(g, "y", op_linear(g, x, w, NULL));
    CHECK_MSG(plan_new(&plan, &dev.base, g) == OK, "%s", err_message());
    if (!plan)
        return "none";
    plan_step(plan, 0, &k);
    plan_free(plan);
    graph_free(g);
    CHECK_MSG(seen.held == 0, "%d states are left", seen.held);
    return k->name;
}

static void takes_ns(double a, double b, double c)
{
    seen.ns[0] = a;
    seen.ns[1] = b;
    seen.ns[2] = c;
}

/* SE's. */
TEST(race, the_fastest_kernel_of_a_small_step_is_taken)
{
    takes_ns(3000, 2000, 2500);
    CHECK(strcmp(taken(32, 64, 4), "second") == 0);
    takes_ns(3000, 2000, 1500);
    CHECK(strcmp(taken(32, 64, 8), "third") == 0);
    takes_ns(1000, 2000, 1500);
    CHECK(strcmp(taken(32, 64, 16), "first") == 0);
}

TEST(race, a_choice_is_noted_and_not_made_again)
{
    takes_ns(3000, 2000, 2500);
    CHECK(strcmp(taken(32, 64, 4), "second") == 0);
    CHECK(seen.kept == 1 && !strcmp(seen.note, "1 second"));
    CHECK_MSG(strstr(seen.key, "kernel of linear f32 -> (32,4) ") &&
                  strstr(seen.key, "; a card"),
              "%s", seen.key);
    takes_ns(1000, 2000, 3000); /* nobody looks */
    CHECK(strcmp(taken(32, 64, 4), "second") == 0);
    CHECK(seen.runs == 0 && !seen.plans[0] && seen.plans[1] == 1);
    /* the result has the same shape, the operands have not */
    CHECK(strcmp(taken(32, 128, 4), "first") == 0);
    CHECK(seen.kept == 2);
}

TEST(race, a_note_of_another_list_is_not_believed)
{
    takes_ns(3000, 2000, 2500);
    taken(32, 64, 4);
    snprintf(seen.note, sizeof(seen.note), "2 second");
    CHECK(strcmp(taken(32, 64, 4), "second") == 0);
    snprintf(seen.note, sizeof(seen.note), "7 seventh");
    CHECK(strcmp(taken(32, 64, 4), "second") == 0);
    CHECK(seen.kept == 3);
}

TEST(race, a_large_product_is_the_first_s)
{
    takes_ns(3000, 2000, 2500);
    CHECK(strcmp(taken(1024, 512, 512), "first") == 0);
    CHECK(seen.kept == 0 && seen.runs == 0 && seen.plans[0] == 1);
}

TEST(race, one_that_refuses_or_fails_is_out)
{
    takes_ns(3000, 1000, 2000);
    seen.refuses = 1 << 1;
    CHECK(strcmp(taken(32, 64, 4), "third") == 0);
    seen.refuses = 0;
    seen.fails = 1 << 1;
    CHECK(strcmp(taken(32, 64, 8), "third") == 0);
    seen.fails = 0;
    seen.refuses = 1 << 1 | 1 << 2;
    CHECK(strcmp(taken(32, 64, 16), "first") == 0);
    CHECK(seen.runs == 0);
}
