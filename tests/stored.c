/*
 * stored.c - databases of sweeps with known times, for plots and tables.
 */
#include "tests/stored.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "results/erf.h"
#include "results/profile.h"
#include "tests/databases.h"
#include "tests/test.h"

enum { SAMPLES = 10 };

static Build the_build(void)
{
    Build build = a_build;

    snprintf(build.git_commit, sizeof(build.git_commit),
             "0123456789abcdef0123456789abcdef01234567");
    return build;
}

Stored stored_begin(const char *path, const char *experiment,
                    const char *source)
{
    const Build build = the_build();
    Sweep sweep = a_sweep;
    Stored s = { 0 };
    bool resumed;

    snprintf(s.experiment, sizeof(s.experiment), "%s", experiment);
    snprintf(sweep.experiment, sizeof(sweep.experiment), "%s", experiment);
    snprintf(sweep.source, sizeof(sweep.source), "%s", source);
    snprintf(sweep.started_at, sizeof(sweep.started_at),
             "2026-11-22T10:00:00Z");
    BUG_IF(store_open(&s.store, path, STORE_WRITE));
    BUG_IF(store_sweep_begin(s.store, &a_machine, &build, &sweep, true,
                             &s.sweep, &resumed));
    return s;
}

void stored_restart(Stored *s)
{
    const Build build = the_build();
    Sweep sweep = a_sweep;
    bool resumed;

    snprintf(sweep.experiment, sizeof(sweep.experiment), "%s", s->experiment);
    snprintf(sweep.started_at, sizeof(sweep.started_at),
             "2026-11-22T11:00:00Z");
    BUG_IF(store_sweep_begin(s->store, &a_machine, &build, &sweep, false,
                             &s->sweep, &resumed));
    BUG_IF(!resumed);
}

void stored_end(Stored *s)
{
    BUG_IF(store_sweep_end(s->store, s->sweep));
    store_close(s->store);
}

Case stored_case(const char *settings)
{
    char text[256];
    Case c;

    case_defaults(&c);
    snprintf(text, sizeof(text), "%s", settings);
    for (char *rest, *word = strtok_r(text, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');

        *equals = '\0';
        BUG_IF(case_set(&c, word, equals + 1));
    }
    BUG_IF(case_complete(&c));
    return c;
}

/* Counts of one image. */
typedef struct Counts {
    double params, paper_flops;
} Counts;

static Outcome counted(const Case *c, const char *status, Counts counts)
{
    char repeat[CASE_TEXT];
    Outcome o = an_outcome(case_print(c, repeat));

    BUG_IF(param_set(param_find(outcome_fields, "status"), &o, status));
    snprintf(o.message, sizeof(o.message), "%s",
             strcmp(status, "ok") ? "because" : "");
    o.params = counts.params;
    o.flops = 2.0 * c->channels * c->height * c->width;
    o.bytes = 8.0 * c->channels * c->height * c->width;
    o.paper_flops = counts.paper_flops * c->batch;
    return o;
}

static void add_counted(Stored *s, const Case *c, double ns, const char *status,
                        Counts counts)
{
    const Outcome o = counted(c, status, counts);
    double times[SAMPLES];
    int round[SAMPLES];

    for (int i = 0; i < SAMPLES; i++) {
        times[i] = ns * (1 + 0.01 * i);
        round[i] = i;
    }
    BUG_IF(store_run(
        s->store, s->sweep, c, &o,
        &(Samples){ o.status == STATUS_OK ? SAMPLES : 0, times, round, NULL }));
}

void stored_quads(Stored *s, const char *settings, const StoredQuads *q)
{
    enum { QUADS = 12, EACH = 2, N = QUADS * EACH };
    const Case c = stored_case(settings);
    Outcome o = counted(&c, "ok", (Counts){ 25.6e6, 4.11e9 });
    Telemetry state[N];
    double ns[N];
    int round[N];

    for (int i = 0; i < N; i++) {
        const int quad = i / EACH;
        const bool disturbed = quad < q->disturbed;

        round[i] = q->first + quad;
        ns[i] = q->ns * (1 + q->noise * (quad * 5 % QUADS - 5.5)) *
                (disturbed ? 3 : 1);
        state[i] = telemetry_unknown();
        state[i].switches = disturbed;
        if (!q->untimed && q->share > 0)
            state[i].module_ns = q->share * ns[i];
    }
    if (!q->untimed) {
        o.steps_ns = q->ns;
        o.steps_lo_ns = 0.98 * q->ns;
        o.steps_hi_ns = 1.02 * q->ns;
    }
    BUG_IF(store_run(s->store, s->sweep, &c, &o,
                     &(Samples){ N, ns, round, state }));
}

void stored_add(Stored *s, const Case *c, double ns, const char *status)
{
    add_counted(s, c, ns, status, (Counts){ 25.6e6, 4.11e9 });
}

void stored_network(Stored *s, const char *settings, double ns, double params,
                    double paper_flops)
{
    const Case c = stored_case(settings);

    add_counted(s, &c, ns, "ok", (Counts){ params, paper_flops });
}

static void add(Stored *s, const char *settings, double ns, const char *status)
{
    const Case c = stored_case(settings);

    stored_add(s, &c, ns, status);
}

void stored_bench(const char *path)
{
    Stored s = stored_begin(path, "bench", "attnbench");

    add(&s, "backbone=resnet50 batch=4", 40e6, "ok");
    add(&s, "backbone=resnet50 batch=4 copy=1", 40.4e6, "ok");
    add(&s, "backbone=resnet50 batch=4 module=scsa", 50e6, "ok");
    add(&s, "backbone=resnet50 batch=4 module=se", 42e6, "ok");
    add(&s, "backbone=resnet50 batch=4 module=se_conv", 44e6, "ok");
    stored_end(&s);
}

/* scsa x^2 ns, se 100 x ns, sa as scsa but not below 128 channels. */
static void add_point(Stored *s, int x, const char *fmt)
{
    static const char *const modules[] = { "se", "sa", "scsa" };
    char settings[256];

    for (int i = 0; i < 3; i++) {
        const int n = snprintf(settings, sizeof(settings), fmt, x, x);

        snprintf(settings + n, sizeof(settings) - (size_t)n, " module=%s",
                 modules[i]);
        add(s, settings, i ? (double)x * x : 100.0 * x,
            i == 1 && strstr(settings, "channels=64 ") ? "unsupported" : "ok");
    }
}

void stored_channels(const char *path)
{
    Stored s = stored_begin(path, "channels", "attnbench");

    for (int x = 64; x <= 1024; x *= 2)
        add_point(&s, x, "channels=%d height=28 width=28");
    stored_end(&s);
}

void stored_resolution(const char *path)
{
    Stored s = stored_begin(path, "resolution", "attnbench");

    for (int x = 7; x <= 112; x *= 2)
        add_point(&s, x, "channels=128 height=%d width=%d");
    stored_end(&s);
}

void stored_stages(const char *path)
{
    static const char *const who[] = { "se", "scsa", "scsa impl=fused" };
    static const double times[] = { 1, 4, 2 };
    Stored s = stored_begin(path, "module_stages", "attnbench");

    for (int stage = 0; stage < 2; stage++)
        for (int i = 0; i < 3; i++) {
            const int channels = stage ? 64 : 256, side = stage ? 56 : 14;
            char settings[128];

            snprintf(settings, sizeof(settings),
                     "module=%s batch=8 channels=%d height=%d width=%d", who[i],
                     channels, side, side);
            add(&s, settings, times[i] * channels, "ok");
        }
    stored_end(&s);
}

/* A step of the mul, or the whole run: n times all of it. */
static int add_quantities(Quantity *to, int step, int n)
{
    const Quantity all[] = {
        { step, "", "time_ns", SOURCE_TIMED, 1000.0 * n, "" },
        { step, "", "flops", SOURCE_MODELLED, 1000.0 * n, "" },
        { step, "", "bytes", SOURCE_MODELLED, 4000.0 * n, "" },
        { step, "", "compulsory_bytes", SOURCE_MODELLED, 2000, "" },
        { step, "", "working_set_bytes", SOURCE_MODELLED, 100, "" },
        { step, "", "cache_bytes", SOURCE_MODELLED, 100, "" },
    };
    const int count = step == WHOLE_RUN ? 6 : 3;

    memcpy(to, all, (size_t)count * sizeof(*to));
    return count;
}

static void add_profile(Stored *s, const Case *c, int steps)
{
    StoredStep step[2] = { { "mul", "mul_rows", "scale", "64x56x56" },
                           { "relu", "relu", "relu", "64x56x56" } };
    char repeat[CASE_TEXT];
    Quantity quantity[12];
    StoredProfile p = { step, steps, quantity, 0 };
    int64_t id;

    p.nquantities = add_quantities(quantity, WHOLE_RUN, steps);
    for (int i = 0; i < steps; i++)
        p.nquantities += add_quantities(quantity + p.nquantities, i, 1);
    BUG_IF(store_run_id(s->store, s->sweep, case_print(c, repeat), &id));
    BUG_IF(store_profile(s->store, id, &p));
}

void stored_profiles(const char *path)
{
    static const struct {
        const char *name, *unit;
        double value;
    } of[] = { { "llc_read", "bytes/s", 50e9 },
               { "llc_update", "bytes/s", 90e9 },
               { "dram_copy", "bytes/s", 10e9 },
               { "fma_f32", "flop/s", 100e9 } };
    Stored s = stored_begin(path, "profile", "attnbench");
    Roofs roofs = { .n = 4 };

    for (int i = 0; i < 4; i++) {
        const Case c = stored_case(
            i == 0   ? "module=se channels=64 height=56 width=56"
            : i == 1 ? "module=scsa channels=64 height=56 width=56"
            : i == 2
                ? "module=se channels=256 height=14 width=14"
                : "module=scsa impl=fused channels=256 height=14 width=14");
        Roof *r = &roofs.at[i];

        stored_add(&s, &c, 1000, "ok");
        add_profile(&s, &c, i == 1 ? 2 : 1);
        *r = (Roof){ .backend = "cpu",
                     .threads = 2,
                     .value = of[i].value,
                     .lo = of[i].value,
                     .hi = of[i].value,
                     .n = 9,
                     .clock_mhz = NAN };
        snprintf(r->name, sizeof(r->name), "%s", of[i].name);
        snprintf(r->unit, sizeof(r->unit), "%s", of[i].unit);
    }
    BUG_IF(store_roofs(s.store, &a_machine, &roofs));
    stored_end(&s);
}

/* A row as it is stored, also of a network that is not built here. */
static void add_paper_row(Stored *s, const PaperRow *row, const PaperRow *base,
                          int i, int arm)
{
    const double ns = 40e6 * base->throughput / row->throughput;
    double times[SAMPLES];
    int round[SAMPLES];
    char repeat[CASE_TEXT];
    Case c = stored_case("backbone=resnet50 batch=4");
    Outcome o;

    snprintf(repeat, sizeof(repeat), "attnbench run %s --batch=4%s",
             row->network, arm ? " --copy=1" : "");
    for (int k = 0; k < SAMPLES; k++) {
        round[k] = k;
        times[k] = ns * (1 + 0.01 * ((i * 5 + arm + k * 7) % SAMPLES));
    }
    c.copy = arm;
    o = an_outcome(repeat);
    o.converged = i % 4 != 3;
    o.params = row->params;
    o.paper_flops = row->flops * c.batch;
    BUG_IF(store_run(s->store, s->sweep, &c, &o,
                     &(Samples){ SAMPLES, times, round, NULL }));
}

void stored_paper(const char *path, PaperTable table, int skip)
{
    Stored s = stored_begin(path, table == PAPER_TABLE1 ? "table1" : "table2",
                            "attnbench");
    Paper paper;

    BUG_IF(paper_read(&paper, table));
    for (int i = 0; i < paper.n; i++) {
        const PaperRow *row = &paper.at[i], *base = paper_base(&paper, row);

        if (skip && i % skip == 0 && row != base)
            continue;
        add_paper_row(&s, row, base, i, 0);
        if (row == base)
            add_paper_row(&s, row, base, i, 1);
    }
    stored_end(&s);
}

/* ---- receptive fields ------------------------------------------------------ */

enum { FIELD_MAX = 64 };

static void fill_map(float *map, int side, double sigma)
{
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            const double y = i - side / 2, x = j - side / 2;

            map[i * side + j] =
                (float)exp(-(y * y + x * x) / (2 * sigma * sigma));
        }
}

static void add_number(ErfRowPart *p, const char *name, double value)
{
    ErfRowNumber *n = &p->number[p->numbers++];

    snprintf(n->name, sizeof(n->name), "%s", name);
    n->value = value;
    n->lo = 0.9 * value;
    n->hi = 1.1 * value;
}

static void add_field(const Stored *s, int module, int tap, int side,
                      const char *weights, const char *hash)
{
    static const char *const modules[] = { "none", "se", "scsa" };
    static const char *const parts[] = { "whole", "past_gates", "gates" };
    static const double share[] = { 1, 0.8, 0.2 };
    static float map[FIELD_MAX * FIELD_MAX];
    ErfRow row = { .c = stored_case("backbone=resnet50 graph=folded"),
                   .o = an_outcome(""),
                   .protocol = "attnbench",
                   .described = "in full",
                   .draws = 50,
                   .observations = 10,
                   .seed = 1,
                   .y = side / 2,
                   .x = side / 2,
                   .field_height = NAN,
                   .field_width = NAN,
                   .past_height = 99,
                   .past_width = 99,
                   .peak = 1,
                   .parts = module ? 3 : 1 };

    row.c.height = row.c.width = side;
    row.c.norm_gain = 0;
    BUG_IF(case_set(&row.c, "module", modules[module]) ||
           case_set(&row.c, "weights", weights) || case_complete(&row.c));
    fill_map(map, side, tap ? 6 : 4);
    snprintf(row.o.weights_hash, sizeof(row.o.weights_hash), "%s", hash);
    snprintf(row.tap, sizeof(row.tap), "stage%d", tap + 3);
    snprintf(row.layer, sizeof(row.layer), "layer%d.2.act3", tap + 3);
    snprintf(row.o.repeat, sizeof(row.o.repeat), "attnbench erf %d %d %d %s",
             module, tap, side, weights);
    for (int p = 0; p < row.parts; p++) {
        snprintf(row.part[p].part, 16, "%s", parts[p]);
        row.part[p].map = map;
        add_number(&row.part[p], "area_20", 0.05);
        add_number(&row.part[p], "area_50", 0.1 * (module + 1) - side / 1e3);
        add_number(&row.part[p], "area_95", 0.5);
        add_number(&row.part[p], "radius", side / 4.0);
        add_number(&row.part[p], "mass_share", share[p]);
    }
    BUG_IF(store_erf(s->store, s->sweep, &row, 1));
}

void stored_fields(const char *path)
{
    Stored s = stored_begin(path, "erf", "attnbench");

    for (int side = 32; side <= FIELD_MAX; side += 16)
        for (int i = 0; i < 6; i++)
            add_field(&s, i / 2, i % 2, side, "seeded", "");
    stored_end(&s);
}

void stored_trained_fields(const char *path)
{
    static const char *const weights[] = { "a/plain.safetensors",
                                           "a/se.safetensors",
                                           "b/se_long.safetensors" };
    Stored s = stored_begin(path, "erf_trained", "attnbench");

    add_field(&s, 2, 0, 48, weights[0], "what it held before");
    for (int i = 0; i < 6; i++)
        add_field(&s, i / 2 > 0, i % 2, 48, weights[i / 2], "now");
    stored_end(&s);
}
