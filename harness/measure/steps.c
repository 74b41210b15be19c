/*
 * steps.c - times the steps of a network inside its passes.
 */
#include "harness/measure/steps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/interval.h"
#include "kernels/core/err.h"

/* Batches of samples, whose spread says how far their sum can be trusted: more
 * batches make each too short to be independent of its neighbours. */
enum { MOST_BATCHES = 10, LEAST_BATCHES = 5 };

struct Steps {
    int n;        /* of the plan                                     */
    bool modules; /* some steps are a module's, and none is mixed     */
    bool *inside; /* of a module                                     */
    double *at;   /* n + 1 marks of the clock                        */
    double *sum;  /* of each step, over the runs of the current sample */
    float *ns;    /* of each step of one run; sample by sample       */
    int samples, room;
};

bool steps_tell_modules(const Plan *plan)
{
    bool any = false;

    for (int i = 0; i < plan_steps(plan); i++) {
        const Origin origin = plan_step(plan, i, NULL)->origin;

        if (origin == ORIGIN_MIXED)
            return false;
        any |= origin == ORIGIN_MODULE;
    }
    return any;
}

Steps *steps_new(const Plan *plan)
{
    const size_t n = (size_t)plan_steps(plan);
    Steps *s = calloc(1, sizeof(*s));

    BUG_IF(!s);
    s->n = (int)n;
    s->inside = calloc(n + 1, sizeof(*s->inside));
    s->at = calloc(n + 1, sizeof(*s->at));
    s->sum = calloc(n + 1, sizeof(*s->sum));
    BUG_IF(!s->inside || !s->at || !s->sum);
    for (int i = 0; i < s->n; i++)
        s->inside[i] = plan_step(plan, i, NULL)->origin == ORIGIN_MODULE;
    s->modules = steps_tell_modules(plan);
    return s;
}

void steps_free(Steps *s)
{
    if (!s)
        return;
    free(s->inside);
    free(s->at);
    free(s->sum);
    free(s->ns);
    free(s);
}

int steps_run(Steps *s, Plan *plan)
{
    TRY(plan_run_marked(plan, s->at));
    for (int i = 0; i < s->n; i++)
        s->sum[i] += s->at[i + 1] - s->at[i];
    return OK;
}

static void keep_sample(Steps *s, int runs)
{
    const size_t n = (size_t)s->n;

    if (s->samples == s->room) {
        s->room = s->room ? 2 * s->room : 32;
        s->ns = realloc(s->ns, n * (size_t)s->room * sizeof(*s->ns));
        BUG_IF(!s->ns);
    }
    for (size_t i = 0; i < n; i++)
        s->ns[(size_t)s->samples * n + i] = (float)(s->sum[i] / runs);
    s->samples++;
}

double steps_end(Steps *s, int runs, bool keep)
{
    double ns = 0;

    for (int i = 0; i < s->n; i++)
        if (s->inside[i])
            ns += s->sum[i];
    if (keep)
        keep_sample(s, runs);
    memset(s->sum, 0, (size_t)s->n * sizeof(*s->sum));
    return s->modules ? ns / runs : NAN;
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Sums of the steps' medians over some samples: all steps, and those of
 * modules. */
typedef struct Sums {
    double all, module;
} Sums;

/* Takes n samples from first on; one is room for them. */
static Sums sums_of_medians(const Steps *s, int first, int n, float *one)
{
    Sums sums = { 0, 0 };

    for (int i = 0; i < s->n; i++) {
        double median;

        for (int k = 0; k < n; k++)
            one[k] = s->ns[(size_t)(first + k) * (size_t)s->n + (size_t)i];
        qsort(one, (size_t)n, sizeof(*one), ascending);
        median = ((double)one[(n - 1) / 2] + (double)one[n / 2]) / 2;
        sums.all += median;
        if (s->inside[i])
            sums.module += median;
    }
    return sums;
}

/* An interval about centre from its logarithm in n batches, by Student's t.
 * Few samples have higher medians than many where times are skewed, so it holds
 * both the centre and the batches' mean. */
static StepsTime interval_of(double centre, const double *batch, int n)
{
    double mean = 0, var = 0, half;

    for (int i = 0; i < n; i++)
        mean += batch[i] / n;
    for (int i = 0; i < n; i++)
        var += (batch[i] - mean) * (batch[i] - mean) / (n - 1);
    half = student_point(n - 1, 0.05) * sqrt(var / n);
    mean = exp(mean);
    return (StepsTime){ centre, fmin(centre, mean) * exp(-half),
                        fmax(centre, mean) * exp(half) };
}

static int count_batches(int samples)
{
    const int third = samples / 3;

    return third > MOST_BATCHES    ? MOST_BATCHES
           : third < LEAST_BATCHES ? LEAST_BATCHES
                                   : third;
}

void steps_stitch(const Steps *s, StepsTime *pass, StepsTime *modules)
{
    const int n = count_batches(s->samples);
    double all[MOST_BATCHES], outside[MOST_BATCHES];
    StepsTime rest;
    float *one;
    Sums sums;

    *pass = *modules = (StepsTime){ NAN, NAN, NAN };
    if (s->samples < STATS_LEAST)
        return;
    one = malloc((size_t)s->samples * sizeof(*one));
    BUG_IF(!one);
    for (int i = 0; i < n; i++) {
        const int from = s->samples * i / n, to = s->samples * (i + 1) / n;

        sums = sums_of_medians(s, from, to - from, one);
        all[i] = log(sums.all);
        outside[i] = log(1 - sums.module / sums.all);
    }
    sums = sums_of_medians(s, 0, s->samples, one);
    free(one);
    *pass = interval_of(sums.all, all, n);
    if (!s->modules)
        return;
    rest = interval_of(1 - sums.module / sums.all, outside, n);
    *modules = (StepsTime){ sums.module, fmax(0, (1 - rest.hi) * sums.all),
                            (1 - rest.lo) * sums.all };
}
