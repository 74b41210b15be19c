/*
 * digits_train.c - trains the network of the digits on the CPU.
 *
 * The CPU's weights are those of the host, so that the graph's values are
 * always the latest.
 */
#include "tests/digits_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"
#include "tests/digits_data.h"
#include "tests/digits_net.h"

enum { TESTED = DIGITS - DIGITS_TRAINING };

struct Training {
    const char *module;
    Digit *digits;
    Device *dev;
    Graph *g;
    Plan *plan;
    int step;
};

/* Sets the images, and the targets if g has such an input, from place first
 * on; those for training start again after the last. */
static int set_batch(const Training *t, Graph *g, Plan *plan, int first)
{
    Tensor *input = graph_find(g, "input"), *target = graph_find(g, "target");
    const int n = input->dim[0];
    float *x = malloc(tensor_count(input) * sizeof(float)),
          *p = malloc((size_t)n * DIGITS_CLASSES * sizeof(float));
    int err;

    BUG_IF(!x || !p);
    for (int i = 0; i < n; i++) {
        const int place =
            first < DIGITS_TRAINING ? (first + i) % DIGITS_TRAINING : first + i;
        const Digit *digit = digits_at(t->digits, place);

        digits_pixels(x + (size_t)i * DIGITS_PIXELS, digit);
        digits_target(p + (size_t)i * DIGITS_CLASSES, digit);
    }
    err = plan_set(plan, input, x);
    if (!err && target)
        err = plan_set(plan, target, p);
    free(p);
    free(x);
    return err;
}

Training *training_new(const char *module, double rate)
{
    Training *t = calloc(1, sizeof(*t));

    BUG_IF(!t);
    t->module = module;
    t->digits = digits_load();
    t->g = digits_net_training(module, DIGITS_BATCH, rate);
    if (t->digits &&
        !backend_open(&t->dev, "cpu", &(DeviceSettings){ .threads = 1 }) &&
        !plan_new(&t->plan, t->dev, t->g))
        return t;
    training_free(t);
    return NULL;
}

void training_free(Training *t)
{
    if (!t)
        return;
    plan_free(t->plan);
    backend_close(t->dev);
    graph_free(t->g);
    free(t->digits);
    free(t);
}

double training_step(Training *t)
{
    const int first = (int)((long)t->step * DIGITS_BATCH % DIGITS_TRAINING);
    float loss;

    if (set_batch(t, t->g, t->plan, first) || plan_run(t->plan) ||
        plan_get(t->plan, graph_output_named(t->g, "loss"), &loss))
        return NAN;
    t->step++;
    return loss;
}

/* ---- accuracy ------------------------------------------------------------ */

/* Sums over batches of a tensor (1,C,rows): of each channel. */
typedef struct Moments {
    double *sum, *squares;
    size_t rows;
} Moments;

static int add_moments(Moments *m, Plan *plan, const Tensor *t)
{
    const size_t C = (size_t)t->dim[1], rows = (size_t)t->dim[2];
    float *x = malloc(C * rows * sizeof(float));
    int err;

    BUG_IF(!x);
    err = plan_get(plan, t, x);
    for (size_t i = 0; i < C * rows && !err; i++) {
        m->sum[i / rows] += x[i];
        m->squares[i / rows] += (double)x[i] * x[i];
    }
    m->rows += rows;
    free(x);
    return err;
}

/* Into the running_mean and running_var next to a weight. */
static void store_moments(Graph *net, const char *weight, const Moments *m)
{
    const int length = (int)(strlen(weight) - strlen("weight"));
    char name[MAX_NAME + 16];
    Tensor *mean, *var;

    snprintf(name, sizeof(name), "%.*srunning_mean", length, weight);
    mean = graph_find(net, name);
    snprintf(name, sizeof(name), "%.*srunning_var", length, weight);
    var = graph_find(net, name);
    BUG_IF(!mean || !var);
    for (int c = 0; c < mean->dim[0]; c++) {
        const double mu = m->sum[c] / (double)m->rows;

        mean->host[c] = (float)mu;
        var->host[c] = (float)(m->squares[c] / (double)m->rows - mu * mu);
    }
}

static int gather(const Training *t, Graph *g, Plan *plan, Moments *m)
{
    for (int first = 0; first + DIGITS_BATCH <= DIGITS_TRAINING;
         first += DIGITS_BATCH) {
        TRY(set_batch(t, g, plan, first));
        TRY(plan_run(plan));
        for (int i = 0; i < graph_outputs(g); i++)
            if (m[i].sum)
                TRY(add_moments(&m[i], plan, graph_output_at(g, i, NULL)));
    }
    return OK;
}

/* Gives net's batch norms their statistics. */
static int set_statistics(const Training *t, Graph *net)
{
    Graph *g = digits_net_statistics(t->module, DIGITS_BATCH);
    const int n = graph_outputs(g);
    Moments *m = calloc((size_t)n, sizeof(*m));
    Plan *plan = NULL;
    int err;

    BUG_IF(!m);
    for (int i = 0; i < n; i++) {
        const Tensor *x = graph_output_at(g, i, NULL);

        if (x == graph_output_named(g, "output"))
            continue;
        m[i].sum = calloc((size_t)x->dim[1], sizeof(double));
        m[i].squares = calloc((size_t)x->dim[1], sizeof(double));
        BUG_IF(!m[i].sum || !m[i].squares);
    }
    digits_net_copy_weights(g, t->g);
    err = plan_new(&plan, t->dev, g);
    if (!err)
        err = gather(t, g, plan, m);
    for (int i = 0; i < n; i++) {
        const char *name;

        graph_output_at(g, i, &name);
        if (!err && m[i].sum)
            store_moments(net, name, &m[i]);
        free(m[i].sum);
        free(m[i].squares);
    }
    free(m);
    plan_free(plan);
    graph_free(g);
    return err;
}

static int largest(const float *y, int n)
{
    int at = 0;

    for (int i = 1; i < n; i++)
        if (y[i] > y[at])
            at = i;
    return at;
}

static double accuracy_of(const Training *t, Graph *net)
{
    float y[TESTED * DIGITS_CLASSES];
    Plan *plan = NULL;
    int right = 0,
        err = set_statistics(t, net) || plan_new(&plan, t->dev, net) ||
              set_batch(t, net, plan, DIGITS_TRAINING) || plan_run(plan) ||
              plan_get(plan, graph_output_named(net, "output"), y);

    for (int i = 0; i < TESTED && !err; i++)
        right += largest(y + i * DIGITS_CLASSES, DIGITS_CLASSES) ==
                 digits_at(t->digits, DIGITS_TRAINING + i)->digit;
    plan_free(plan);
    return err ? NAN : (double)right / TESTED;
}

double training_accuracy(Training *t)
{
    Graph *net = digits_net(t->module, TESTED);
    double accuracy;

    digits_net_copy_weights(net, t->g);
    accuracy = accuracy_of(t, net);
    graph_free(net);
    return accuracy;
}
