/*
 * cam.c - forward to the scores, back from one of them to the tap.
 */
#include "harness/attribution/cam.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/first_image.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"
#include "kernels/ops/grad.h"

static const char output[] = "output"; /* as network_build calls the scores */

typedef struct Work {
    const Case *c;
    const CamAsk *ask;
    Device *dev;
    Graph *g;
    Plan *plan;
    Tensor *tap, *scores, *dy, *grad; /* (1,C,h,w), (1,K), (1,K), (1,C,h,w) */
} Work;

static int check_case(const Case *c)
{
    int classes;

    if (strcmp(c->backbone.text, "none") == 0)
        return fail(ERR_INPUT, "a module alone has no classes; give a "
                               "--backbone");
    if (c->batch != 1)
        return fail(ERR_INPUT,
                    "a map is made from one image (batch=%d); leave out "
                    "--batch and run each image on its own",
                    c->batch);
    if (case_dtype(c) != F32)
        return fail(ERR_UNSUPPORTED,
                    "gradients are computed in f32 only (dtype=%s); leave "
                    "out --dtype",
                    case_name("dtype", c->dtype));
    TRY(network_classes(&classes, c));
    if (classes == NO_CLASSES)
        return fail(ERR_INPUT,
                    "%s has no classifier, so there is no class score to "
                    "explain; give a file that has one",
                    c->weights.text);
    return OK;
}

static int build(Graph **g, const Case *c, const CamAsk *ask,
                 const WeightValues *values)
{
    const char *const taps[] = { ask->tap, output };

    return (ask->build ? ask->build : network_build_tapped)(g, c, values, taps,
                                                            2);
}

/* A tap has the name of the layer that computes it, which folding takes. */
static int find_layer(Cam *out, const Work *w, bool host_memory)
{
    Case c = *w->c;
    const Tensor *tap;
    Graph *g;
    int err;

    c.graph = GRAPH_AS_WRITTEN;
    TRY(build(&g, &c, w->ask, NULL));
    tap = graph_output_at(g, 0, NULL);
    snprintf(out->layer, sizeof(out->layer), "%s", tap->name);
    err = network_check_memory(g, host_memory, 0);
    graph_free(g);
    return err;
}

/* The gradient of the scores, weighted by dy, with respect to the tap. */
static int add_gradient(Work *w)
{
    char dims[DIMS_TEXT];

    w->tap = graph_output_at(w->g, 0, NULL);
    w->scores = graph_output_at(w->g, 1, NULL);
    if (w->tap->rank != 4)
        return fail(ERR_INPUT,
                    "tap %s is not a map of channels, rows and columns (its "
                    "shape is %s); choose a layer before the pooling, such "
                    "as stage4",
                    w->ask->tap, tensor_dims_text(w->tap, dims));
    if (w->scores->rank != 2)
        return fail(ERR_INPUT,
                    "the network's output is not a list of scores (its shape "
                    "is %s)",
                    tensor_dims_text(w->scores, dims));
    w->dy = graph_input(w->g, "grad_output", DIMS(1, w->scores->dim[1]));
    graph_grad(w->g, &(Gradient){ w->scores, w->dy, &w->tap, 1, NULL },
               &w->grad);
    TRY(graph_error(w->g));
    if (!w->grad)
        return fail(ERR_INPUT, "no score depends on tap %s", w->ask->tap);
    graph_output(w->g, "grad", w->grad);
    return graph_error(w->g);
}

static int want_finite(const float *x, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return fail(ERR_UNSUPPORTED,
                        "%s %zu is %g: the network overflows floats with "
                        "these weights; give other weights (--weights)",
                        what, i, (double)x[i]);
    return OK;
}

static int choose_class(Cam *out, const Work *w, const float *score)
{
    double sum = 0, highest;
    int top = 0;

    out->classes = w->scores->dim[1];
    TRY(want_finite(score, (size_t)out->classes, "the score of class"));
    for (int i = 1; i < out->classes; i++)
        if (score[i] > score[top])
            top = i;
    out->class = w->ask->class == CAM_TOP ? top : w->ask->class;
    if (out->class < 0 || out->class >= out->classes)
        return fail(ERR_INPUT,
                    "unknown class %d; the network has classes 0 "
                    "to %d",
                    out->class, out->classes - 1);
    highest = score[top];
    for (int i = 0; i < out->classes; i++)
        sum += exp(score[i] - highest);
    out->score = score[out->class];
    out->probability = exp(out->score - highest) / sum;
    return OK;
}

/* Equations (1) and (2), except for the ReLU; a and g are (C,h,w). */
static int weigh(float *map, const float *a, const float *g, const Tensor *tap)
{
    const size_t pixels = (size_t)tap->dim[2] * (size_t)tap->dim[3];
    double *sum = calloc(pixels, sizeof(*sum));

    if (!sum)
        return fail(ERR_MEMORY, "no memory for a map of %zu numbers", pixels);
    for (int c = 0; c < tap->dim[1]; c++, a += pixels, g += pixels) {
        double weight = 0;

        for (size_t i = 0; i < pixels; i++)
            weight += g[i];
        weight /= (double)pixels;
        for (size_t i = 0; i < pixels; i++)
            sum[i] += weight * a[i];
    }
    for (size_t i = 0; i < pixels; i++)
        map[i] = (float)sum[i];
    free(sum);
    return OK;
}

/* Copy of a tensor's values, to be freed. */
static int read(float **values, const Work *w, const Tensor *t)
{
    *values = malloc(tensor_count(t) * sizeof(**values));
    if (!*values)
        return fail(ERR_MEMORY, "no memory for %zu numbers of a layer",
                    tensor_count(t));
    return plan_get(w->plan, t, *values);
}

static int build_definition(Graph **out, const Case *c,
                            const WeightValues *values, const void *arg)
{
    Work w = { .c = c, .ask = arg };
    int err = build(&w.g, c, w.ask, values);

    if (!err)
        err = add_gradient(&w);
    if (err)
        graph_free(w.g);
    *out = err ? NULL : w.g;
    return err;
}

/* All that the map is made of, which has just been computed. */
static int check(Cam *out, const Work *w)
{
    const WeightValues values = { .seed = 1 };
    float *dy = calloc((size_t)out->classes, sizeof(*dy));
    float *input = (float *)(uintptr_t)w->ask->input;
    float *const inputs[NETWORK_INPUTS] = { input, dy };
    Comparison v;
    int err;

    if (!dy)
        return fail(ERR_MEMORY, "no memory for %d scores", w->scores->dim[1]);
    dy[out->class] = 1;
    err = first_image_check(&v, &(FirstImage){ .c = w->c,
                                               .values = &values,
                                               .build = build_definition,
                                               .arg = w->ask,
                                               .inputs = inputs,
                                               .g = w->g,
                                               .plan = w->plan,
                                               .dev = w->dev });
    out->rel_l2 = v.rel_l2;
    out->limit = v.limit;
    free(dy);
    return err;
}

/* Twice the way: which score is the highest is known only after the first. */
static int find_class(Cam *out, const Work *w)
{
    float *dy = calloc((size_t)w->scores->dim[1], sizeof(*dy));
    float *score = NULL;
    int err;

    if (!dy)
        return fail(ERR_MEMORY, "no memory for %d scores", w->scores->dim[1]);
    err = plan_set(w->plan, w->dy, dy);
    if (!err)
        err = plan_run(w->plan);
    if (!err)
        err = read(&score, w, w->scores);
    if (!err)
        err = choose_class(out, w, score);
    if (!err) {
        dy[out->class] = 1;
        err = plan_set(w->plan, w->dy, dy);
    }
    free(score);
    free(dy);
    return err;
}

static int make_map(Cam *out, const Work *w)
{
    const Tensor *t = w->tap;
    const size_t pixels = (size_t)t->dim[2] * (size_t)t->dim[3];
    float *a = NULL, *g = NULL;
    int err = read(&a, w, w->tap);

    out->channels = t->dim[1];
    out->rows = t->dim[2];
    out->columns = t->dim[3];
    out->map = malloc(pixels * sizeof(*out->map));
    if (!out->map && !err)
        err = fail(ERR_MEMORY, "no memory for a map of %zu numbers", pixels);
    if (!err)
        err = read(&g, w, w->grad);
    if (!err)
        err = weigh(out->map, a, g, t);
    if (!err)
        err = want_finite(out->map, pixels, "the map at position");
    if (!err)
        err = cam_numbers(out->number, out->map, out->rows, out->columns);
    if (!err) {
        for (size_t i = 0; i < pixels; i++)
            out->map[i] = fmaxf(out->map[i], 0);
    }
    free(a);
    free(g);
    return err;
}

int cam_run(Cam *out, const Case *c, const CamAsk *ask, Device *dev)
{
    const WeightValues values = { .seed = 1 };
    Work w = { .c = c, .ask = ask, .dev = dev };
    int err;

    memset(out, 0, sizeof(*out));
    TRY(check_case(c));
    TRY(find_layer(out, &w, dev->backend->host_memory));
    TRY(build(&w.g, c, ask, &values));
    err = add_gradient(&w);
    if (!err)
        err = plan_new(&w.plan, dev, w.g);
    if (!err)
        err = plan_set(w.plan, network_input(w.g, 0), ask->input);
    if (!err)
        err = find_class(out, &w);
    if (!err)
        err = plan_run(w.plan);
    if (!err)
        err = check(out, &w);
    if (!err)
        err = make_map(out, &w);
    plan_free(w.plan);
    graph_free(w.g);
    if (err)
        cam_free(out);
    return err;
}

void cam_free(Cam *cam)
{
    free(cam->map);
    cam->map = NULL;
}
