/*
 * import_json.c - sweeps from JSON, as attnbench export writes it.
 *
 * The file is one sweep, {"source": ..., "experiment": ..., "runs": [...]}, or
 * {"sweeps": [...]}.  A run is the keys of a case and its outcome, with "ns" a
 * list of times and "round" the round of each; the device's moments
 * ("clock_mhz" and so on) are lists, too.  Statistics ("time") are left unread:
 * they follow from the samples.
 */
#include "harness/report/import.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/files/json.h"
#include "harness/report/foreign.h"
#include "kernels/core/err.h"

enum { MOMENT_KEYS = 4 };

/* Where in the file the sentence that was just left belongs. */
static int at_item(const Json *j, const cJSON *item, int err)
{
    return err == ERR_INPUT ? json_fail(j, item, "%s", err_message()) : err;
}

static int expect(const Json *j, const cJSON *item, bool is, const char *wanted)
{
    if (!is)
        return json_fail(j, item, "%s%sexpected %s, not %s",
                         item->string ? item->string : "",
                         item->string ? ": " : "", wanted, json_kind(item));
    return OK;
}

/* Sets all single values of an object. */
static int read_values(const Json *j, const cJSON *o, const ImportLevel *level,
                       void *out)
{
    TRY(expect(j, o, cJSON_IsObject(o), "an object"));
    for (const cJSON *v = o->child; v; v = v->next) {
        if (import_is_part(level, v->string))
            continue;
        TRY(at_item(j, v, import_set(level, out, v)));
    }
    return OK;
}

/* The first item of a list that has one for each of n samples, NULL if there
 * is no such list. */
static int open_list(const Json *j, const cJSON *o, const char *key, int n,
                     const cJSON **first)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key);
    int size;

    *first = NULL;
    if (!list)
        return OK;
    TRY(expect(j, list, cJSON_IsArray(list), "a list"));
    size = cJSON_GetArraySize(list);
    if (size != n)
        return json_fail(j, list, "%s is %s than ns", key,
                         size < n ? "shorter" : "longer");
    *first = list->child;
    return OK;
}

/* One value of each list of moments, which all move on. */
static int read_moment(const Json *j, Moment *m, const cJSON **at)
{
    for (int i = 0; moment_fields[i].name; i++) {
        if (!at[i])
            continue;
        TRY(at_item(j, at[i], import_moment(m, &moment_fields[i], at[i])));
        at[i] = at[i]->next;
    }
    return OK;
}

static int read_samples(const Json *j, const cJSON *o, ImportRun *r)
{
    const cJSON *ns = cJSON_GetObjectItemCaseSensitive(o, "ns");
    const int n = ns ? cJSON_GetArraySize(ns) : 0;
    const cJSON *round, *moments[MOMENT_KEYS];

    if (ns)
        TRY(expect(j, ns, cJSON_IsArray(ns), "a list"));
    TRY(open_list(j, o, "round", n, &round));
    for (int i = 0; moment_fields[i].name; i++)
        TRY(open_list(j, o, moment_fields[i].name, n, &moments[i]));
    for (const cJSON *v = ns ? ns->child : NULL; v; v = v->next) {
        Moment moment = import_no_moment();

        TRY(expect(j, v, cJSON_IsNumber(v), "a number"));
        if (round)
            TRY(expect(j, round, cJSON_IsNumber(round), "a number"));
        TRY(read_moment(j, &moment, moments));
        TRY(at_item(j, v,
                    import_sample(r, v->valuedouble,
                                  round ? round->valuedouble : NAN, &moment)));
        round = round ? round->next : NULL;
    }
    return OK;
}

/* The module comes before its settings, wherever it stands. */
static int read_run(const Json *j, const cJSON *o, ImportRun *r)
{
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(o, "settings");

    TRY(read_values(j, o, &import_run, r));
    if (settings)
        TRY(at_item(j, settings, import_settings(r, settings)));
    TRY(read_samples(j, o, r));
    return at_item(j, o, import_check(r));
}

static int read_starts(const Json *j, const cJSON *starts, ImportSweep *w)
{
    TRY(expect(j, starts, cJSON_IsArray(starts), "a list"));
    w->start =
        calloc((size_t)cJSON_GetArraySize(starts) + 1, sizeof(*w->start));
    if (!w->start)
        return fail(ERR_MEMORY, "no memory for %s", j->path);
    for (const cJSON *o = starts->child; o; o = o->next) {
        Sweep *start = &w->start[w->nstarts++];

        start->denormals = -1;
        start->load = start->load_end = NAN;
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
            return json_fail(j, machine, "machine: cpu and cores are required");
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
        err = at_item(j, o, import_store(s, &w));
    count->sweeps++;
    count->runs += w.nruns;
    for (int i = 0; i < w.nruns; i++)
        count->samples += w.run[i].n;
    import_free(&w);
    return err;
}

static int all_sweeps(Store *s, const Json *j, ImportCount *count)
{
    const cJSON *sweeps = cJSON_GetObjectItemCaseSensitive(j->root, "sweeps");

    TRY(expect(j, j->root, cJSON_IsObject(j->root), "an object"));
    if (!sweeps) {
        TRY(foreign_json(j));
        return one_sweep(s, j, j->root, count);
    }
    TRY(expect(j, sweeps, cJSON_IsArray(sweeps), "a list"));
    if (j->root->child->next)
        return json_fail(j, j->root,
                         "a file with 'sweeps' may have no other "
                         "key");
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
