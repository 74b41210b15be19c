/*
 * test_digits.c - a small network is trained, with each module, on real images
 *
 * The first steps have PyTorch's losses (tests/make_losses.py writes them), and
 * a few epochs recognise more than 97 % of images that were not trained on.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attention_zoo/zoo.h"
#include "tests/digits_data.h"
#include "tests/digits_net.h"
#include "tests/digits_train.h"
#include "tests/test.h"

enum {
    STEPS = 50,
    EPOCH_STEPS = DIGITS_TRAINING / DIGITS_BATCH,
};

/* How the epochs go: PyTorch's losses are at rates of their own, which are less,
 * and CPCA needs a smaller one here, too (tests/digits/README.md says why). */
typedef struct Schedule {
    double rate;
    int epochs;
} Schedule;

static Schedule schedule_of(const char *module)
{
    if (strcmp(module, "cpca") == 0)
        return (Schedule){ 0.005, 20 };
    return (Schedule){ 0.05, 10 };
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- the first steps ----------------------------------------------------- */

/* PyTorch's losses, in float32 and in float64, at a learning rate. */
typedef struct Losses {
    double rate, single[STEPS], twice[STEPS];
    int n;
} Losses;

static void read_losses(Losses *l, const char *module)
{
    FILE *f = fopen("tests/digits/losses.csv", "r");
    char line[128], name[64];
    double rate, single, twice;
    int step;

    l->n = 0;
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%63[^,],%lf,%d,%lf,%lf", name, &rate, &step, &single,
                   &twice) != 5 ||
            strcmp(name, module) != 0 || step != l->n + 1 || step > STEPS)
            continue;
        l->rate = rate;
        l->single[l->n] = single;
        l->twice[l->n++] = twice;
    }
    if (f)
        fclose(f);
}

/* The largest relative difference. */
static double off(const double *got, const double *want)
{
    double worst = 0;

    for (int i = 0; i < STEPS; i++) {
        const double d = fabs(got[i] - want[i]) / want[i];

        if (!(d <= worst)) /* NAN, too */
            worst = d;
    }
    return worst;
}

static void check_losses(const char *module)
{
    const double begin = seconds();
    double got[STEPS], d;
    Losses want;
    Training *t;

    read_losses(&want, module);
    if (!want.n) {
        printf("    %-8s has no losses of PyTorch in tests/digits/losses.csv\n",
               module);
        return;
    }
    REQUIRE(want.n == STEPS);
    t = training_new(module, want.rate);
    REQUIRE(t != NULL);
    for (int i = 0; i < STEPS; i++)
        got[i] = training_step(t);
    training_free(t);

    d = off(got, want.single);
    printf("    %-8s losses %.4f %.4f %.4f at steps 1, 10, 50; off by %.1e, "
           "from float64 by %.1e (PyTorch: %.1e); %.1f s\n",
           module, got[0], got[9], got[STEPS - 1], d, off(got, want.twice),
           off(want.single, want.twice), seconds() - begin);
    CHECK_MSG(d <= 1e-3, "%s: losses are off by %g", module, d);
}

/* ---- epochs -------------------------------------------------------------- */

static void check_accuracy(const char *module)
{
    const double begin = seconds();
    const Schedule how = schedule_of(module);
    Training *t = training_new(module, how.rate);
    double loss = 0, accuracy;

    REQUIRE(t != NULL);
    for (int i = 0; i < how.epochs * EPOCH_STEPS; i++)
        loss = training_step(t);
    accuracy = training_accuracy(t);
    training_free(t);
    printf("    %-8s %.2f %% of %d images after %d epochs, loss %.4f; %.1f s\n",
           module, 100 * accuracy, DIGITS - DIGITS_TRAINING, how.epochs, loss,
           seconds() - begin);
    CHECK_MSG(accuracy > 0.97, "%s recognises %g %%", module, 100 * accuracy);
}

static void check_all(void (*check)(const char *module))
{
    if (!getenv("SLOW"))
        SKIP("takes a minute: SLOW=1 build/run_tests digits");
    check("none");
    for (int i = 0; zoo_name(i); i++)
        check(zoo_name(i));
}

TEST(digits, losses_are_those_of_pytorch)
{
    check_losses("none");
    check_losses("se");
    check_losses("scsa");
}

TEST(digits, losses_with_every_module_are_those_of_pytorch)
{
    check_all(check_losses);
}

TEST(digits, scsa_learns_to_read)
{
    check_accuracy("scsa");
}

TEST(digits, every_module_learns_to_read)
{
    check_all(check_accuracy);
}
