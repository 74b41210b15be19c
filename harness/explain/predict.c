/*
 * predict.c - from counts of requests to predicted times.
 */
#include "harness/explain/predict.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "harness/files/file.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"

/* clang-format off */
/* Defaults: an H200 by its data sheet (4.8 TB/s, of which a copy reaches nine
 * tenths; 132 multiprocessors at 1.98 GHz; 60 MB of L2 in two halves), and
 * estimates: nobody has measured them here. */
const Param card_params[] = {
    PARAM_REAL(CardFacts, launch_ns, 2500, 0, 0,
               "from a launch to the next in a stream"),
    PARAM_REAL(CardFacts, node_ns, 1200, 0, 0,
               "from a node of a graph to the next"),
    PARAM_REAL(CardFacts, dram_bytes_per_ns, 4300, 0, 0,
               "of a copy, both ways"),
    PARAM_REAL(CardFacts, l2_bytes_per_ns, 5500, 0, 0,
               "of a copy that L2 holds"),
    PARAM_REAL(CardFacts, round_trip_ns, 600, 0, 0,
               "of a read that waits for memory"),
    PARAM_REAL(CardFacts, cluster_barrier_ns, 500, 0, 0, "of a cluster.sync"),
    PARAM_INT(CardFacts, sms, 132, 1, 4096, "multiprocessors"),
    PARAM_REAL(CardFacts, ghz, 1.98, 0, 0, "clock of a multiprocessor"),
    PARAM_REAL(CardFacts, l2_bytes, 36e6, 0, 0,
               "that a run may touch and still find in L2"),
    PARAM_END,
};
/* clang-format on */

/* Multiply-adds a cycle of a multiprocessor of compute capability 9.0. */
enum { FMA_LANES = 128 };

const char *bound_name(Bound b)
{
    static const char *const names[] = { "launches", "bytes", "wavefronts",
                                         "arithmetic", "waits" };

    return names[b];
}

/* A whole file of at most this size. */
enum { CARD_BYTES = 64 << 10 };

static int read_text(char **out, const char *path)
{
    size_t size;
    FILE *f;

    if (file_open(&f, &size, path))
        return fail_within(ERR_INPUT, "%s", path);
    *out = size <= CARD_BYTES ? calloc(size + 1, 1) : NULL;
    if (*out)
        size = fread(*out, 1, size, f);
    fclose(f);
    if (!*out)
        return fail(ERR_INPUT, "%s: too long for the constants of a card",
                    path);
    return OK;
}

int card_read(CardFacts *card, const char *path)
{
    char *text;
    Csv csv;
    bool more;
    int key, value, err;

    param_defaults(card_params, card);
    TRY(read_text(&text, path));
    err = csv_open(&csv, path, text);
    key = err ? -1 : csv_column(&csv, "key");
    value = err ? -1 : csv_column(&csv, "value");
    if (!err && (key < 0 || value < 0))
        err = fail(ERR_INPUT, "%s: no columns 'key' and 'value'", path);
    while (!err && !(err = csv_next(&csv, &more)) && more) {
        const Param *p = param_find(card_params, csv.cell[key]);

        if (p && param_set(p, card, csv.cell[value]))
            err = fail_within(ERR_INPUT, "%s:%d", path, csv.line);
    }
    free(text);
    return err;
}

/* ---- a launch ------------------------------------------------------------ */

/* Cycles of the multiprocessor that has most blocks. */
static double busiest(const SimtCounts *c, int sms)
{
    const double all = c->loads.cycles + c->stores.cycles + c->shared.cycles;
    const double blocks = ceil((double)c->blocks / sms);
    const double most = all / c->blocks * blocks;

    return most > c->block_cycles ? most : c->block_cycles;
}

double predict_launch(const SimtCounts *c, const CardFacts *card, double scale,
                      int sms, double flops, bool in_l2, Bound *bound)
{
    const double bytes = (c->image_read + c->written) * scale + c->weight_read;
    const double of[NBOUNDS] = {
        [BOUND_LAUNCH] = card->launch_ns,
        [BOUND_BYTES] =
            bytes / (in_l2 ? card->l2_bytes_per_ns : card->dram_bytes_per_ns),
        /* an image has one multiprocessor at least: of more images than there
         * are of these, each has several */
        [BOUND_CYCLES] =
            busiest(c, sms) * fmax(1, scale / card->sms) / card->ghz,
        [BOUND_FLOPS] = flops / (2.0 * FMA_LANES * card->sms * card->ghz),
        [BOUND_WAITS] = c->rounds * card->round_trip_ns +
                        c->cluster_syncs * card->cluster_barrier_ns,
    };
    double work = 0;

    *bound = BOUND_LAUNCH;
    for (Bound b = 0; b < NBOUNDS; b++) {
        if (of[b] > of[*bound])
            *bound = b;
        if (b >= BOUND_BYTES && b <= BOUND_FLOPS && of[b] > work)
            work = of[b];
    }
    return work + of[BOUND_WAITS];
}

/* ---- a case -------------------------------------------------------------- */

/* One image, on its share of the multiprocessors. */
typedef struct Share {
    Case c;
    double scale; /* images in the batch */
    int sms;
} Share;

static int share_of(Share *s, const Case *c, const CardFacts *card)
{
    if (strcmp(c->backbone.text, "none") != 0)
        return fail(ERR_UNSUPPORTED,
                    "model: predicts a module alone, not a network (%s); give "
                    "--backbone=none",
                    c->backbone.text);
    if (c->pass != PASS_FORWARD)
        return fail(ERR_UNSUPPORTED, "model: predicts --pass=forward alone");
    s->c = *c;
    s->c.batch = 1;
    s->c.backend = ON_CPU;
    s->scale = c->batch;
    s->sms = (int)lround((double)card->sms / c->batch);
    if (s->sms < 1)
        s->sms = 1;
    return OK;
}

static int fill_inputs(Predicted *p)
{
    for (int i = 0; network_input(p->graph, i); i++) {
        Tensor *t = network_input(p->graph, i);
        float *x = malloc(tensor_count(t) * sizeof(*x));
        int err;

        if (!x)
            return fail(ERR_MEMORY, "no memory for an input");
        network_seed_input(x, t, 1);
        err = plan_set(p->plan, t, x);
        free(x);
        TRY(err);
    }
    return OK;
}

/* From the first of the activations to the end of the last. */
static void find_images(const Graph *g, char **begin, size_t *bytes)
{
    char *first = NULL, *end = NULL;

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        char *at = t->data;

        if (!at || t->role == ROLE_WEIGHT || t->role == ROLE_BUFFER)
            continue;
        if (!first || at < first)
            first = at;
        if (at + tensor_bytes(t) > end)
            end = at + tensor_bytes(t);
    }
    *begin = first;
    *bytes = (size_t)(end - first);
}

static void add_requests(SimtRequests *sum, const SimtRequests *one)
{
    sum->units += one->units;
    sum->ideal += one->ideal;
}

static double ratio(const SimtRequests *r)
{
    return r->ideal > 0 ? r->units / r->ideal : NAN;
}

/* Adds up the launches of a step. */
static int predict_step(Predicted *p, int i, const Model *model,
                        const CardFacts *card, const Share *share, bool in_l2)
{
    PredictedStep *s = &p->step[i];
    double most = -1, flops;
    int n = 0;

    s->out = plan_step(p->plan, i, &s->kernel);
    TRY(plan_run_step(p->plan, i));
    while (model->counted(n))
        n++;
    flops = s->out->op->cost(s->out).flops * share->scale / (n ? n : 1);
    for (int k = 0; k < n; k++) {
        const SimtCounts *c = model->counted(k);
        Bound bound;
        const double ns = predict_launch(c, card, share->scale, share->sms,
                                         flops, in_l2, &bound);

        s->ns += ns + card->launch_ns;
        s->graph_ns += ns + card->node_ns;
        s->bytes +=
            (c->image_read + c->written) * share->scale + c->weight_read;
        add_requests(&s->global, &c->loads);
        add_requests(&s->global, &c->stores);
        add_requests(&s->shared, &c->shared);
        if (ns > most) {
            most = ns;
            s->bound = bound;
        }
    }
    s->launches = n;
    s->sectors = ratio(&s->global);
    s->waves = ratio(&s->shared);
    return OK;
}

static void add_up(Predicted *p, const Case *c)
{
    double most = -1;

    for (int i = 0; i < p->nsteps; i++) {
        const PredictedStep *s = &p->step[i];

        p->all.launches += s->launches;
        p->all.ns += s->ns;
        p->all.graph_ns += s->graph_ns;
        p->all.bytes += s->bytes;
        add_requests(&p->all.global, &s->global);
        add_requests(&p->all.shared, &s->shared);
        if (s->ns > most) {
            most = s->ns;
            p->all.bound = s->bound;
        }
    }
    p->all.sectors = ratio(&p->all.global);
    p->all.waves = ratio(&p->all.shared);
    p->maps = p->all.bytes / ((double)c->batch * c->channels * c->height *
                              c->width * dtype_size(case_dtype(c)));
}

static int predict(Predicted *p, const Case *c, const Model *model,
                   const CardFacts *card)
{
    const WeightValues seeded = { .seed = 1 };
    char *images;
    size_t bytes;
    double touched;
    Share share;

    TRY(share_of(&share, c, card));
    TRY(network_build(&p->graph, &share.c, &seeded, TAPS_NONE));
    TRY(model->open(&p->dev, share.sms));
    TRY(plan_new(&p->plan, p->dev, p->graph));
    TRY(fill_inputs(p));
    p->nsteps = plan_steps(p->plan);
    p->step = calloc((size_t)p->nsteps + 1, sizeof(*p->step));
    if (!p->step)
        return fail(ERR_MEMORY, "no memory for %d steps", p->nsteps);
    find_images(p->graph, &images, &bytes);
    touched = (double)bytes * share.scale;
    for (int i = 0; i < graph_size(p->graph); i++)
        if (tensor_is_weight(graph_at(p->graph, i)))
            touched += (double)tensor_bytes(graph_at(p->graph, i));
    model->begin(p->dev, images, bytes);
    for (int i = 0; i < p->nsteps; i++) {
        model->next();
        TRY(predict_step(p, i, model, card, &share,
                         c->state != STATE_COLD && touched <= card->l2_bytes));
    }
    add_up(p, c);
    return OK;
}

int predict_case(Predicted *out, const Case *c, const Model *model,
                 const CardFacts *card)
{
    memset(out, 0, sizeof(*out));
    return predict(out, c, model, card);
}

void predicted_free(Predicted *p, const Model *model)
{
    free(p->step);
    plan_free(p->plan);
    graph_free(p->graph);
    if (p->dev)
        model->close(p->dev);
}
