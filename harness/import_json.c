/*
 * import_json.c - sweeps from JSON, as attnbench export writes it.
 *
 * The file is one sweep, {"source": ..., "experiment": ..., "runs": [...]}, or
 * {"sweeps": [...]}.  A run is the keys of a case and its outcome, with "ns" a
 * list of times and "round" the round of each.  Statistics ("time") are left
 * unread: they follow from the samples.
 */
#include "harness/import.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/json.h"
#include "kernels/core/err.h"

enum { TEXT_SIZE = 2048 };

/* Where in the file the sentence that was just left belongs. */
static int at(const Json *j, const cJSON *item, int err)
{
    return err == ERR_INPUT ? json_fail(j, item, "%s", err_message()) : err;
}

static int expect(const Json *j, const cJSON *item, bool is, const char *wanted)
{
    if (!is)
        return json_fail(j, item, "%s%s%s is wanted, not %s",
                         item->string ? item->string : "",
                         item->string ? ": " : "", wanted, json_kind(item));
    return OK;
}

/* Sets all single values of an object. */
static int read_values(const Json *j, const cJSON *o, const ImportLevel *level,
                       void *out)
{
    char text[TEXT_SIZE];

    TRY(expect(j, o, cJSON_IsObject(o), "an object"));
    for (const cJSON *v = o->child; v; v = v->next) {
        if (import_is_part(level, v->string))
            continue;
        TRY(at(j, v, import_text(v, text, sizeof(text))));
        TRY(at(j, v, import_set(level, out, v->string, text)));
    }
    return OK;
}

static int read_samples(const Json *j, const cJSON *o, ImportRun *r)
{
    const cJSON *ns = cJSON_GetObjectItemCaseSensitive(o, "ns");
    const cJSON *round = cJSON_GetObjectItemCaseSensitive(o, "round");
    const cJSON *k = round ? round->child : NULL;

    if (ns)
        TRY(expect(j, ns, cJSON_IsArray(ns), "a list"));
    if (round)
        TRY(expect(j, round, cJSON_IsArray(round), "a list"));
    for (const cJSON *v = ns ? ns->child : NULL; v; v = v->next) {
        TRY(expect(j, v, cJSON_IsNumber(v), "a number"));
        if (round && !k)
            return json_fail(j, round, "round is shorter than ns");
        if (k)
            TRY(expect(j, k, cJSON_IsNumber(k), "a number"));
        TRY(at(j, v,
               import_sample(r, v->valuedouble, k ? k->valuedouble : NAN)));
        k = k ? k->next : NULL;
    }
    if (k)
        return json_fail(j, round, "round is longer than ns");
    return OK;
}

/* The module comes before its settings, wherever it stands. */
static int read_run(const Json *j, const cJSON *o, ImportRun *r)
{
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(o, "settings");

    TRY(read_values(j, o, &import_run, r));
    if (settings)
        TRY(at(j, settings, import_settings(r, settings)));
    TRY(read_samples(j, o, r));
    return at(j, o, import_check(r));
}

static int read_starts(const Json *j, const cJSON *starts, ImportSweep *w)
{
    TRY(expect(j, starts, cJSON_IsArray(starts), "a list"));
    w->start =
        calloc((size_t)cJSON_GetArraySize(starts) + 1, sizeof(*w->start));
    if (!w->start)
        return fail(ERR_MEMORY, "memory ran out at %s", j->path);
    for (const cJSON *o = starts->child; o; o = o->next) {
        Sweep *start = &w->start[w->nstarts++];

        start->denormals = -1;
        TRY(read_values(j, o, &import_start, start));
    }
    return OK;
}

static int read_sweep(const Json *j, const cJSON *o, ImportSweep *w)
{
    const cJSON *machine, *build, *starts, *runs;

    TRY(read_values(j, o, &import_sweep, w));
    machine = cJSON_GetObjectItemCaseSensitive(o, "machine");
    build = cJSON_GetObjectItemCaseSensitive(o, "build");
    starts = cJSON_GetObjectItemCaseSensitive(o, "starts");
    runs = cJSON_GetObjectItemCaseSensitive(o, "runs");
    if (machine) {
        w->machine = (Machine){ .cores = 0 };
        TRY(read_values(j, machine, &import_machine, &w->machine));
        if (!*w->machine.cpu || !w->machine.cores)
            return json_fail(j, machine, "machine: cpu and cores are wanted");
    }
    if (build)
        TRY(read_values(j, build, &import_build, &w->build));
    if (starts)
        TRY(read_starts(j, starts, w));
    if (!runs)
        return json_fail(j, o, "runs is missing");
    TRY(expect(j, runs, cJSON_IsArray(runs), "a list"));
    for (const cJSON *v = runs->child; v; v = v->next) {
        ImportRun *r;

        TRY(import_add_run(w, &r));
        TRY(read_run(j, v, r));
    }
    return OK;
}

static int one_sweep(Store *s, const Json *j, const cJSON *o,
                     ImportCount *count)
{
    ImportSweep w;
    int err;

    import_init(&w);
    err = read_sweep(j, o, &w);
    if (!err)
        err = at(j, o, import_store(s, &w));
    count->sweeps++;
    count->runs += w.nruns;
    for (int i = 0; i < w.nruns; i++)
        count->samples += w.run[i].outcome.n;
    import_free(&w);
    return err;
}

static int all_sweeps(Store *s, const Json *j, ImportCount *count)
{
    const cJSON *sweeps = cJSON_GetObjectItemCaseSensitive(j->root, "sweeps");

    TRY(expect(j, j->root, cJSON_IsObject(j->root), "an object"));
    if (!sweeps)
        return one_sweep(s, j, j->root, count);
    TRY(expect(j, sweeps, cJSON_IsArray(sweeps), "a list"));
    if (j->root->child->next)
        return json_fail(j, j->root, "beside 'sweeps' there may be no key");
    for (const cJSON *o = sweeps->child; o; o = o->next)
        TRY(one_sweep(s, j, o, count));
    return OK;
}

int import_json(Store *s, const char *path, ImportCount *count)
{
    Json j;
    int err;

    *count = (ImportCount){ 0 };
    TRY(json_read(&j, path));
    err = store_group_begin(s);
    if (!err)
        err = store_group_end(s, all_sweeps(s, &j, count));
    json_free(&j);
    return err;
}
