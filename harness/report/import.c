/*
 * import.c - what an imported file may hold, by table, and how it is stored.
 */
#include "harness/report/import.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/environment.h"
#include "kernels/core/err.h"
#include "kernels/core/visible.h"

/* PROSE is text that may have any characters: what is printed shows them. */
typedef enum FieldKind { TEXT, PROSE, INT, REAL, SEED } FieldKind;

typedef struct Field {
    const char *name;
    FieldKind kind; /* char[size] twice, int, double, uint64_t */
    size_t offset, size;
    int min, max; /* of an INT; min -1: "" is -1, not known */
} Field;

struct ImportLevel {
    const Field *fields;
    const char *const *parts;
    bool takes_case; /* the keys of a case, too */
};

#define AT(type, member) offsetof(type, member), sizeof(((type *)0)->member)
#define LIST(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

/* clang-format off */
const ImportLevel import_sweep = {
    .fields = (const Field[]){
        { "source", TEXT, AT(ImportSweep, sweep.source) },
        { "experiment", TEXT, AT(ImportSweep, sweep.experiment) },
        { "question", PROSE, AT(ImportSweep, sweep.question) },
        { "cases_hash", TEXT, AT(ImportSweep, sweep.cases_hash) },
        { NULL },
    },
    .parts = LIST("machine", "build", "starts", "runs"),
};

const ImportLevel import_machine = {
    .fields = (const Field[]){
        { "cpu", TEXT, AT(Machine, cpu) },
        { "cores", INT, AT(Machine, cores), 1, INT_MAX },
        { "memory_bytes", REAL, AT(Machine, memory_bytes) },
        { "gpu", TEXT, AT(Machine, gpu) },
        { "driver", TEXT, AT(Machine, driver) },
        { "os", TEXT, AT(Machine, os) },
        { NULL },
    },
};

const ImportLevel import_build = {
    .fields = (const Field[]){
        { "git_commit", TEXT, AT(Build, git_commit) },
        { "dirty", INT, AT(Build, dirty), 0, 1 },
        { "compiler", TEXT, AT(Build, compiler) },
        { "flags", TEXT, AT(Build, flags) },
        { "libraries", TEXT, AT(Build, libraries) },
        { NULL },
    },
};

const ImportLevel import_start = {
    .fields = (const Field[]){
        { "started_at", TEXT, AT(Sweep, started_at) },
        { "seed", SEED, AT(Sweep, seed) },
        { "argv", PROSE, AT(Sweep, argv) },
        { "governor", TEXT, AT(Sweep, governor) },
        { "load", REAL, AT(Sweep, load) },
        { "denormals", INT, AT(Sweep, denormals), -1, 1 },
        { "load_end", REAL, AT(Sweep, load_end) },
        { NULL },
    },
};

const ImportLevel import_run = {
    .fields = (const Field[]){
        { "start", INT, AT(ImportRun, start), 0, INT_MAX },
        { "stored_at", TEXT, AT(ImportRun, stored_at) },
        { "repeat", PROSE, AT(ImportRun, repeat) },
        { "status", TEXT, AT(ImportRun, status) },
        { "message", PROSE, AT(ImportRun, message) },
        { "verified_at", TEXT, AT(ImportRun, verified_at) },
        { "weights_hash", TEXT, AT(ImportRun, weights_hash) },
        { "rel_l2", REAL, AT(ImportRun, outcome.rel_l2) },
        { "converged", INT, AT(ImportRun, outcome.converged), 0, 1 },
        { "reps", INT, AT(ImportRun, outcome.reps), 0, INT_MAX },
        { "threads_used", INT, AT(ImportRun, outcome.threads_used), 0,
          INT_MAX },
        { "params", REAL, AT(ImportRun, outcome.params) },
        { "macs", REAL, AT(ImportRun, outcome.macs) },
        { "flops", REAL, AT(ImportRun, outcome.flops) },
        { "paper_flops", REAL, AT(ImportRun, outcome.paper_flops) },
        { "transcendentals", REAL, AT(ImportRun, outcome.transcendentals) },
        { "bytes", REAL, AT(ImportRun, outcome.bytes) },
        { "arena_bytes", REAL, AT(ImportRun, outcome.arena_bytes) },
        { NULL },
    },
    .parts = LIST("settings", "ns", "round", "time", "clock_mhz",
                  "temperature_c", "power_w", "throttle"),
    .takes_case = true,
};
/* clang-format on */

bool import_is_part(const ImportLevel *level, const char *key)
{
    for (int i = 0; level->parts && level->parts[i]; i++)
        if (strcmp(level->parts[i], key) == 0)
            return true;
    return false;
}

/* The i-th name of a level: fields, parts, keys of a case. */
static const char *known_name(const void *arg, int i)
{
    const ImportLevel *level = arg;

    for (const Field *f = level->fields; f->name; f++)
        if (i-- == 0)
            return f->name;
    for (int k = 0; level->parts && level->parts[k]; k++)
        if (i-- == 0)
            return level->parts[k];
    for (const Param *p = case_params; level->takes_case && p->name; p++)
        if (i-- == 0)
            return p->name;
    return NULL;
}

static int set_text(const Field *f, char *out, const char *text)
{
    if (strlen(text) >= f->size)
        return fail(ERR_INPUT, "%s is longer than %zu bytes", f->name,
                    f->size - 1);
    if (f->kind == TEXT && !is_visible(text))
        return fail(ERR_INPUT, "%s: '%.80s' has a control character in it",
                    f->name, text);
    snprintf(out, f->size, "%s", text);
    return OK;
}

static int set_int(const Field *f, int *out, const char *text)
{
    char *end;
    long value;

    if (!*text && f->min == -1) {
        *out = -1;
        return OK;
    }
    errno = 0;
    value = strtol(text, &end, 10);
    if (end == text || *end)
        return fail(ERR_INPUT, "%s: '%.40s' is not an integer", f->name, text);
    if (errno || value < f->min || value > f->max)
        return fail(ERR_INPUT, "%s=%.40s is out of range: %d to %d", f->name,
                    text, f->min, f->max);
    *out = (int)value;
    return OK;
}

static int set_real(const Field *f, double *out, const char *text)
{
    char *end;
    const double value = strtod(text, &end);

    if (!*text) {
        *out = NAN;
        return OK;
    }
    if (end == text || *end)
        return fail(ERR_INPUT, "%s: '%.40s' is not a number", f->name, text);
    if (!(value >= 0 && value < INFINITY))
        return fail(ERR_INPUT, "%s=%.40s: 0 or more is wanted", f->name, text);
    *out = value;
    return OK;
}

static int set_seed(const Field *f, uint64_t *out, const char *text)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    if (!*text || *end || *text == '-' || errno)
        return fail(ERR_INPUT, "%s: '%.40s' is not an integer of 64 bits",
                    f->name, text);
    return OK;
}

int import_set(const ImportLevel *level, void *out, const char *key,
               const char *text)
{
    const char *near;

    for (const Field *f = level->fields; f->name; f++) {
        void *at = (char *)out + f->offset;

        if (strcmp(f->name, key))
            continue;
        switch (f->kind) {
        case TEXT:
        case PROSE:
            return set_text(f, at, text);
        case INT:
            return set_int(f, at, text);
        case REAL:
            return set_real(f, at, text);
        case SEED:
            return set_seed(f, at, text);
        }
    }
    if (level->takes_case && param_find(case_params, key))
        return case_set(&((ImportRun *)out)->c, key, text);
    near = name_nearest(key, known_name, level);
    return fail(ERR_INPUT, "there is no key '%.40s' here%s%s%s", key,
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "");
}

static int number_text(const cJSON *value, char *text, size_t size)
{
    const double x = value->valuedouble;

    if (!cJSON_IsNumber(value))
        return fail(ERR_INPUT, "%s: a text or a number is wanted",
                    value->string ? value->string : "a list");
    snprintf(text, size, x == rint(x) && fabs(x) < 1e15 ? "%.0f" : "%.17g", x);
    return OK;
}

int import_text(const cJSON *value, char *text, size_t size)
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

int import_settings(ImportRun *r, const cJSON *settings)
{
    const Module *m = case_module(&r->c);
    char text[CASE_TEXT];

    if (!cJSON_IsObject(settings))
        return fail(ERR_INPUT, "settings: an object is wanted, as in "
                               "{\"reduction\": 16}");
    for (const cJSON *v = settings->child; v; v = v->next) {
        const Param *p = m ? param_find(m->params, v->string) : NULL;

        if (!p)
            return fail(ERR_INPUT, "settings: module %s has no '%.40s'",
                        m ? m->name : "none", v->string);
        TRY(import_text(v, text, sizeof(text)));
        TRY(param_set(p, r->c.settings, text));
    }
    return OK;
}

int import_check(ImportRun *r)
{
    static const char *const known[] = { "ok",          "wrong",
                                         "unsupported", "out_of_memory",
                                         "failed",      NULL };
    const bool ok = strcmp(r->status, "ok") == 0;
    int i = 0;

    TRY(case_complete(&r->c));
    if (!*r->repeat)
        case_print(&r->c, r->repeat);
    while (known[i] && strcmp(known[i], r->status))
        i++;
    if (!known[i])
        return fail(ERR_INPUT,
                    "status is '%s'; it may be ok, wrong, unsupported, "
                    "out_of_memory or failed",
                    r->status);
    if (ok && !r->outcome.n)
        return fail(ERR_INPUT, "status is ok, but there are no samples");
    if (ok && !r->outcome.reps)
        return fail(ERR_INPUT, "status is ok, but reps is 0");
    if (!ok && !*r->message)
        return fail(ERR_INPUT, "status is %s, but no message says why",
                    r->status);
    return OK;
}

void import_init(ImportSweep *w)
{
    *w = (ImportSweep){ .build = { .git_commit = "unknown" } };
    environment_machine(&w->machine);
}

int import_add_run(ImportSweep *w, ImportRun **out)
{
    ImportRun *r;

    if (w->nruns == w->room) {
        const size_t room = w->room ? 2 * (size_t)w->room : 16;
        ImportRun *more = realloc(w->run, room * sizeof(*more));

        if (!more)
            return fail(ERR_MEMORY, "memory ran out at %d runs", w->nruns);
        w->run = more;
        w->room = (int)room;
    }
    *out = r = &w->run[w->nruns++];
    memset(r, 0, sizeof(*r));
    case_defaults(&r->c);
    r->outcome = (Outcome){ .rel_l2 = NAN,
                            .reps = 1,
                            .params = NAN,
                            .macs = NAN,
                            .flops = NAN,
                            .paper_flops = NAN,
                            .transcendentals = NAN,
                            .bytes = NAN,
                            .arena_bytes = NAN };
    snprintf(r->status, sizeof(r->status), "ok");
    return OK;
}

void import_free(ImportSweep *w)
{
    for (int i = 0; i < w->nruns; i++) {
        import_free_samples(&w->run[i]);
    }
    free(w->run);
    free(w->start);
}

static int store_one(Store *s, int64_t id, const ImportRun *r)
{
    char settings[CASE_TEXT];
    Outcome o = r->outcome;

    o.status = r->status;
    o.message = r->message;
    o.repeat = r->repeat;
    o.verified_at = r->verified_at;
    o.weights_hash = r->weights_hash;
    o.stored_at = *r->stored_at ? r->stored_at : NULL;
    o.ns = r->ns;
    o.round = r->round;
    o.moment = r->moment;
    return store_run(s, id, case_params, &r->c,
                     case_settings_json(&r->c, settings), &o);
}

/* What a start shares with the others of its sweep. */
static Sweep whole_start(const ImportSweep *w, int k)
{
    Sweep start =
        w->nstarts ? w->start[k]
                   : (Sweep){ .load = NAN, .load_end = NAN, .denormals = -1 };

    memcpy(start.source, w->sweep.source, sizeof(start.source));
    memcpy(start.experiment, w->sweep.experiment, sizeof(start.experiment));
    memcpy(start.question, w->sweep.question, sizeof(start.question));
    memcpy(start.cases_hash, w->sweep.cases_hash, sizeof(start.cases_hash));
    return start;
}

static int store_start(Store *s, const ImportSweep *w, int k, int64_t *id)
{
    const Sweep start = whole_start(w, k);
    bool there = false, resumed;

    if (*start.started_at)
        TRY(store_has_sweep(s, &start, &there));
    if (there)
        return fail(ERR_INPUT,
                    "the sweep of %s by %s that started at %s is there already",
                    start.experiment, start.source, start.started_at);
    /* The second start goes on with the sweep that the first one began. */
    TRY(store_sweep_begin(s, &w->machine, &w->build, &start, k == 0, id,
                          &resumed));
    TRY(store_start_end(s, *id, start.load_end));
    for (int i = 0; i < w->nruns; i++) {
        const ImportRun *r = &w->run[i];
        const int err = r->start == k ? store_one(s, *id, r) : OK;

        if (err)
            return fail_within(err, "runs[%d]", i);
    }
    return OK;
}

/* Times of one round are compared with each other: what was not measured turn
 * by turn must not look as if. */
static void part_rounds(ImportSweep *w)
{
    int next = 0;

    for (int i = 0; i < w->nruns; i++)
        for (int k = 0; !w->run[i].alone && k < w->run[i].outcome.n; k++)
            if (w->run[i].round[k] >= next && w->run[i].round[k] < INT_MAX / 2)
                next = w->run[i].round[k] + 1;
    for (int i = 0; i < w->nruns; i++)
        for (int k = 0; w->run[i].alone && k < w->run[i].outcome.n; k++)
            w->run[i].round[k] = next++;
}

int import_store(Store *s, ImportSweep *w)
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
        TRY(store_start(s, w, k, &id));
    return store_sweep_end(s, id);
}
