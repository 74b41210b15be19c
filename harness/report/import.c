/*
 * import.c - what an imported file may hold, by table, and how it is stored.
 */
#include "harness/report/import.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/core/visible.h"

struct ImportLevel {
    struct {
        const Param *fields;
        size_t at; /* where in the level's struct theirs stands */
    } table[3];
    const char *const *parts;
    const Param *lists; /* fields of which each sample has a value */
};

#define LIST(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

/* clang-format off */
static const Param sweep_own[] = {
    FIELD(ImportSweep, ended_at, TEXT),
    PARAM_END,
};

static const Param run_own[] = {
    FIELD(ImportRun, start, INT, .max = INT_MAX),
    PARAM_END,
};

static const Param quantity_own[] = {
    FIELD(Quantity, step, INT, .min = WHOLE_RUN, .max = INT_MAX),
    PARAM_END,
};

static const Param part_own[] = {
    FIELD(ErfRowPart, part, TEXT),
    PARAM_END,
};

const ImportLevel import_sweep = {
    .table = { { sweep_fields, offsetof(ImportSweep, sweep) },
               { sweep_own } },
    .parts = LIST("machine", "build", "starts", "runs"),
};
const ImportLevel import_machine = { .table = { { machine_fields } } };
const ImportLevel import_build = { .table = { { build_fields } } };
const ImportLevel import_start = { .table = { { start_fields } } };
const ImportLevel import_run = {
    .table = {
        { outcome_fields, offsetof(ImportRun, o) },
        { run_own },
        { case_params, offsetof(ImportRun, c) },
    },
    .parts = LIST("settings", "ns", "round", "time", "steps", "quantities",
                  "erf"),
    .lists = telemetry_fields,
};
const ImportLevel import_step = { .table = { { step_fields } } };
const ImportLevel import_quantity = {
    .table = { { quantity_fields }, { quantity_own } },
};
const ImportLevel import_roof = {
    .table = { { roof_fields, offsetof(ImportRoof, roof) } },
    .parts = LIST("machine"),
};
const ImportLevel import_erf = {
    .table = { { erf_fields } },
    .parts = LIST("parts"),
};
const ImportLevel import_erf_part = {
    .table = { { part_own } },
    .parts = LIST("map", "numbers"),
};
const ImportLevel import_erf_number = { .table = { { erf_number_fields } } };
/* clang-format on */

bool import_is_part(const ImportLevel *level, const char *key)
{
    for (int i = 0; level->parts && level->parts[i]; i++)
        if (strcmp(level->parts[i], key) == 0)
            return true;
    return level->lists && param_find(level->lists, key);
}

static int number_text(const cJSON *value, char *text, size_t size)
{
    const double x = value->valuedouble;

    if (!cJSON_IsNumber(value))
        return fail(ERR_INPUT, "%s: expected text or a number",
                    value->string ? value->string : "a list");
    snprintf(text, size, x == rint(x) && fabs(x) < 1e15 ? "%.0f" : "%.17g", x);
    return OK;
}

/* A value as text for param_set: a list is "3,5,7", null is "". */
static int import_text(const cJSON *value, char *text, size_t size)
{
    size_t n = 0;

    text[0] = '\0';
    if (cJSON_IsNull(value))
        return OK;
    if (cJSON_IsString(value)) {
        if (strlen(value->valuestring) >= size)
            return fail(ERR_INPUT, "%s is longer than %zu bytes", value->string,
                        size - 1);
        snprintf(text, size, "%s", value->valuestring);
        return OK;
    }
    if (!cJSON_IsArray(value))
        return number_text(value, text, size);
    for (const cJSON *v = value->child; v; v = v->next) {
        char number[32];

        TRY(number_text(v, number, sizeof(number)));
        if (n + sizeof(number) + 1 >= size)
            return fail(ERR_INPUT, "%s: the list is too long", value->string);
        n += (size_t)snprintf(text + n, size - n, "%s%s", n ? "," : "", number);
    }
    return OK;
}

enum { TABLES = sizeof(import_run.table) / sizeof(import_run.table[0]) };

/* The i-th name of a level: fields, then parts. */
static const char *known_name(const void *arg, int i)
{
    const ImportLevel *level = arg;

    for (int k = 0; k < TABLES; k++)
        for (const Param *p = level->table[k].fields; p && p->name; p++)
            if (i-- == 0)
                return p->name;
    for (int k = 0; level->parts && level->parts[k]; k++)
        if (i-- == 0)
            return level->parts[k];
    return NULL;
}

/* Sets a number that is infinite, as a result may be but no setting is: false
 * where the field takes none. */
static bool set_infinite(const Param *p, void *record, const cJSON *value)
{
    const double x = value->valuedouble;

    if (p->kind != PARAM_KIND_REAL || p->max || !cJSON_IsNumber(value) ||
        !isinf(x) || (x < 0 && p->min != INT_MIN))
        return false;
    *(double *)(void *)((char *)record + p->offset) = x;
    return true;
}

static int set_field(const Param *p, void *record, const cJSON *value,
                     const char *text)
{
    const bool prose = p->role == SAYS_PROSE || p->kind != PARAM_KIND_TEXT;

    if (p->kind == PARAM_KIND_INT && p->min == -1 && cJSON_IsNull(value))
        text = "-1";
    if (!prose && !is_visible(text))
        return fail(ERR_INPUT, "%s: '%.80s' has a control character in it",
                    p->name, text);
    if (set_infinite(p, record, value))
        return OK;
    return param_set(p, record, text);
}

int import_set(const ImportLevel *level, void *out, const cJSON *value)
{
    char text[sizeof(((Sweep *)0)->argv)];
    const char *near, *key = value->string;

    for (int k = 0; k < TABLES; k++) {
        const Param *p = param_find(level->table[k].fields, key);

        if (!p)
            continue;
        TRY(import_text(value, text, sizeof(text)));
        if (level->table[k].fields == case_params)
            return case_set(&((ImportRun *)out)->c, key, text);
        return set_field(p, (char *)out + level->table[k].at, value, text);
    }
    near = name_nearest(key, known_name, level);
    return fail(ERR_INPUT, "unknown key '%.40s'%s%s%s", key,
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "");
}

void import_blank(const ImportLevel *level, void *out)
{
    for (int k = 0; k < TABLES; k++)
        for (const Param *p = level->table[k].fields; p && p->name; p++) {
            char *field = (char *)out + level->table[k].at + p->offset;

            if (p->kind == PARAM_KIND_REAL)
                *(double *)(void *)field = NAN;
            else if (p->kind == PARAM_KIND_INT && p->min == -1)
                *(int *)(void *)field = -1;
        }
}

int import_settings(ImportRun *r, const cJSON *settings)
{
    const Module *m = case_module(&r->c);
    char text[CASE_TEXT];

    if (!cJSON_IsObject(settings))
        return fail(ERR_INPUT, "settings: expected an object, such as "
                               "{\"reduction\": 16}");
    for (const cJSON *v = settings->child; v; v = v->next) {
        if (!m || !param_find(m->params, v->string))
            return fail(ERR_INPUT, "settings: module %s has no '%.40s'",
                        m ? m->name : "none", v->string);
        TRY(import_text(v, text, sizeof(text)));
        TRY(case_set(&r->c, v->string, text));
    }
    return OK;
}

int import_check(ImportRun *r)
{
    const Outcome *o = &r->o;

    TRY(case_complete(&r->c));
    if (!*o->repeat)
        case_print(&r->c, r->o.repeat);
    if (o->status == STATUS_OK && !r->n && o->kind != KIND_ERF)
        return fail(ERR_INPUT, "status is ok, but there are no samples");
    if (o->status == STATUS_OK && !o->reps)
        return fail(ERR_INPUT, "status is ok, but reps is 0");
    if (o->status != STATUS_OK && !*o->message)
        return fail(ERR_INPUT, "status is %s, but no message says why",
                    status_name(o->status));
    return OK;
}

int import_time(double *ns, double value)
{
    *ns = value;
    return value > 0 && value < 1e18
               ? OK
               : fail(ERR_INPUT, "ns=%g: a time is above 0", value);
}

int import_round(int *round, double value)
{
    if (!(value >= 0 && value <= INT_MAX && value == rint(value)))
        return fail(ERR_INPUT, "round=%g: a round is an integer from 0", value);
    *round = (int)value;
    return OK;
}

static int import_count(int *out, const Param *field, double value)
{
    if (!(value >= 0 && value <= INT_MAX && value == rint(value)))
        return fail(ERR_INPUT, "%s=%g: it must be an integer from 0",
                    field->name, value);
    *out = (int)value;
    return OK;
}

int import_telemetry(Telemetry *t, const Param *field, const cJSON *value)
{
    void *at = (char *)t + field->offset;
    const bool text = field->kind == PARAM_KIND_PATH;

    if (cJSON_IsNull(value) ||
        (text && cJSON_IsString(value) && !*value->valuestring))
        return OK;
    if (text ? !cJSON_IsString(value) : !cJSON_IsNumber(value))
        return fail(ERR_INPUT, "%s: expected a %s", field->name,
                    text ? "text" : "number");
    if (text)
        *(const char **)at = value->valuestring;
    else if (field->kind == PARAM_KIND_INT)
        return import_count(at, field, value->valuedouble);
    else
        *(double *)at = value->valuedouble;
    return OK;
}

static int store_one(Store *s, int64_t sweep, const ImportRun *r, Added *added)
{
    const Samples samples = { r->n, r->ns, r->round, r->telemetry };
    int64_t id;

    added->runs++;
    added->samples += r->n;
    added->erfs += r->nerf;
    if (r->nerf)
        return store_erf(s, sweep, r->erf, r->nerf);
    TRY(store_run(s, sweep, &r->c, &r->o, &samples));
    if (!r->profile.nsteps && !r->profile.nquantities)
        return OK;
    TRY(store_run_id(s, sweep, r->o.repeat, &id));
    added->profiles++;
    return store_profile(s, id, &r->profile);
}

/* Fields that a start shares with the others of its sweep. */
static Sweep whole_start(const ImportSweep *w, int k)
{
    Sweep start;

    import_blank(&import_start, memset(&start, 0, sizeof(start)));
    if (w->nstarts)
        start = w->start[k];
    memcpy(start.source, w->sweep.source, sizeof(start.source));
    memcpy(start.experiment, w->sweep.experiment, sizeof(start.experiment));
    memcpy(start.question, w->sweep.question, sizeof(start.question));
    memcpy(start.cases_hash, w->sweep.cases_hash, sizeof(start.cases_hash));
    return start;
}

static int store_start(Store *s, const ImportSweep *w, int k, int64_t *id,
                       Added *added)
{
    const Sweep start = whole_start(w, k);
    bool there = false, resumed;

    if (*start.started_at)
        TRY(store_has_sweep(s, &start, &there));
    if (there)
        return fail(ERR_INPUT,
                    "the sweep of %s by %s that started at %s is there already",
                    start.experiment, start.source, start.started_at);
    /* The second start continues the sweep that the first one began. */
    TRY(store_sweep_begin(s, &w->machine, &w->build, &start, k == 0, id,
                          &resumed));
    TRY(store_start_end(s, *id, start.load_end));
    for (int i = 0; i < w->nruns; i++) {
        const ImportRun *r = &w->run[i];
        const int err = r->start == k ? store_one(s, *id, r, added) : OK;

        if (err)
            return fail_within(err, "runs[%d]", i);
    }
    return OK;
}

/* Times of one round are compared with each other: runs that were not
 * interleaved must not share one. */
static void part_rounds(ImportSweep *w)
{
    int next = 0;

    for (int i = 0; i < w->nruns; i++)
        for (int k = 0; !w->run[i].alone && k < w->run[i].n; k++)
            if (w->run[i].round[k] >= next && w->run[i].round[k] < INT_MAX / 2)
                next = w->run[i].round[k] + 1;
    for (int i = 0; i < w->nruns; i++)
        for (int k = 0; w->run[i].alone && k < w->run[i].n; k++)
            w->run[i].round[k] = next++;
}

int import_store(Store *s, ImportSweep *w, Added *added)
{
    const int nstarts = w->nstarts ? w->nstarts : 1;
    int64_t id = 0;

    if (!*w->sweep.source || !*w->sweep.experiment)
        return fail(ERR_INPUT, "%s is missing",
                    *w->sweep.source ? "experiment" : "source");
    if (!w->nruns)
        return fail(ERR_INPUT, "there are no runs");
    for (int i = 0; i < w->nruns; i++)
        if (w->run[i].start >= nstarts)
            return fail(ERR_INPUT, "runs[%d]: start=%d, but there are %d", i,
                        w->run[i].start, nstarts);
    part_rounds(w);
    for (int k = 0; k < nstarts; k++)
        TRY(store_start(s, w, k, &id, added));
    added->sweeps++;
    if (!strcmp(w->ended_at, IMPORT_NOW))
        return store_sweep_end(s, id);
    return *w->ended_at ? store_sweep_ended(s, id, w->ended_at) : OK;
}

int import_store_roof(Store *s, const ImportRoof *r, Added *added)
{
    const Roofs one = { .at = { r->roof }, .n = 1 };
    bool has = false;

    TRY(store_has_roof(s, &r->machine, &r->roof, &has));
    if (has)
        return OK;
    added->roofs++;
    return store_roofs(s, &r->machine, &one);
}
