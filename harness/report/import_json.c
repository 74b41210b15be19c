/*
 * import_json.c - results from JSON, as attnbench export writes it.
 *
 * The file is one sweep, {"source": ..., "experiment": ..., "runs": [...]}, or
 * {"sweeps": [...], "roofs": [...]}, each of which may be left out.  A run is
 * the keys of a case and its outcome, with "ns" a list of times and "round" the
 * round of each; what else is known of them ("clock_mhz" and so on) are lists,
 * too.
 * Statistics ("time") are left unread: they follow from the samples.
 */
#include "harness/report/import.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/environment.h"
#include "harness/files/json.h"
#include "harness/report/foreign.h"
#include "kernels/core/err.h"

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

/* Reads the objects of a list, of one level, to be freed; none if there is no
 * such list. */
static int read_list(const Json *j, const cJSON *o, const char *key,
                     const ImportLevel *level, size_t size, void *items, int *n)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key);
    char *item;

    if (!list)
        return OK;
    TRY(expect(j, list, cJSON_IsArray(list), "a list"));
    item = calloc((size_t)cJSON_GetArraySize(list) + 1, size);
    if (!item)
        return fail(ERR_MEMORY, "no memory for %s", j->path);
    *(void **)items = item;
    for (const cJSON *v = list->child; v; v = v->next, item += size) {
        import_blank(level, item);
        TRY(read_values(j, v, level, item));
        ++*n;
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

static int read_telemetry(const Json *j, const cJSON *o, ImportRun *r,
                          const Param *field)
{
    const cJSON *v;

    TRY(open_list(j, o, field->name, r->n, &v));
    for (int i = 0; v; v = v->next, i++)
        TRY(at_item(j, v, import_telemetry(&r->telemetry[i], field, v)));
    return OK;
}

static int read_rounds(const Json *j, const cJSON *o, ImportRun *r)
{
    const cJSON *v;

    TRY(open_list(j, o, "round", r->n, &v));
    r->alone = !v;
    for (int i = 0; v; v = v->next, i++) {
        TRY(expect(j, v, cJSON_IsNumber(v), "a number"));
        TRY(at_item(j, v, import_round(&r->round[i], v->valuedouble)));
    }
    return OK;
}

static int read_samples(const Json *j, const cJSON *o, ImportRun *r)
{
    const cJSON *ns = cJSON_GetObjectItemCaseSensitive(o, "ns");
    const size_t n = ns ? (size_t)cJSON_GetArraySize(ns) : 0;

    if (ns)
        TRY(expect(j, ns, cJSON_IsArray(ns), "a list"));
    r->ns = calloc(n + 1, sizeof(*r->ns));
    r->round = calloc(n + 1, sizeof(*r->round));
    r->telemetry = calloc(n + 1, sizeof(*r->telemetry));
    if (!r->ns || !r->round || !r->telemetry)
        return fail(ERR_MEMORY, "no memory for %s", j->path);
    for (const cJSON *v = ns ? ns->child : NULL; v; v = v->next) {
        TRY(expect(j, v, cJSON_IsNumber(v), "a number"));
        r->telemetry[r->n] = telemetry_unknown();
        TRY(at_item(j, v, import_time(&r->ns[r->n++], v->valuedouble)));
    }
    TRY(read_rounds(j, o, r));
    for (const Param *p = telemetry_fields; p->name; p++)
        TRY(read_telemetry(j, o, r, p));
    return OK;
}

/* ---- receptive fields --------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The bytes of a map, two digits each. */
static int read_map(const Json *j, const cJSON *o, const ErfRow *row,
                    ErfRowPart *p)
{
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(o, "map");
    const size_t bytes =
        (size_t)row->c.height * (size_t)row->c.width * sizeof(float);
    const char *text;

    if (!map)
        return json_fail(j, o, "map is missing");
    TRY(expect(j, map, cJSON_IsString(map), "a string"));
    text = map->valuestring;
    if (strlen(text) != 2 * bytes || !bytes)
        return json_fail(j, map,
                         "map: expected %zu hexadecimal digits, 8 for each "
                         "of %dx%d numbers, not %zu",
                         2 * bytes, row->c.height, row->c.width, strlen(text));
    p->map = malloc(bytes);
    if (!p->map)
        return fail(ERR_MEMORY, "no memory for %s", j->path);
    for (size_t i = 0; i < bytes; i++) {
        const int high = hex_digit(text[2 * i]);
        const int low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return json_fail(j, map, "map: '%.2s' is not hexadecimal",
                             text + 2 * i);
        ((unsigned char *)p->map)[i] = (unsigned char)(16 * high + low);
    }
    return OK;
}

static int read_part(const Json *j, const cJSON *o, ErfRow *row)
{
    ErfRowPart *p = &row->part[row->parts];
    ErfRowNumber *numbers = NULL;
    int n = 0, err;

    if (row->parts == ERF_ROW_PARTS)
        return json_fail(j, o, "there are more than %d parts", ERF_ROW_PARTS);
    row->parts++;
    TRY(read_values(j, o, &import_erf_part, p));
    TRY(read_map(j, o, row, p));
    err = read_list(j, o, "numbers", &import_erf_number, sizeof(*numbers),
                    &numbers, &n);
    if (!err && n > ERF_ROW_NUMBERS)
        err =
            json_fail(j, o, "there are more than %d numbers", ERF_ROW_NUMBERS);
    if (!err && n)
        memcpy(p->number, numbers, (size_t)n * sizeof(*numbers));
    p->numbers = err ? 0 : n;
    free(numbers);
    return err;
}

/* Reads one tap of a run whose case is complete. */
static int read_tap(const Json *j, const cJSON *o, ErfRow *row)
{
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(o, "parts");

    import_blank(&import_erf, row);
    TRY(read_values(j, o, &import_erf, row));
    if (!cJSON_GetArraySize(parts))
        return json_fail(j, parts ? parts : o, "there are no parts");
    TRY(expect(j, parts, cJSON_IsArray(parts), "a list"));
    for (const cJSON *v = parts->child; v; v = v->next)
        TRY(read_part(j, v, row));
    return OK;
}

static int read_erf(const Json *j, const cJSON *o, ImportRun *r)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "erf");

    if (!list)
        return OK;
    TRY(expect(j, list, cJSON_IsArray(list), "a list"));
    if (r->o.kind != KIND_ERF || r->n || r->profile.nsteps)
        return json_fail(j, list,
                         "erf: expected a run of kind erf, without samples and "
                         "steps");
    r->erf = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*r->erf));
    if (!r->erf)
        return fail(ERR_MEMORY, "no memory for %s", j->path);
    for (const cJSON *v = list->child; v; v = v->next) {
        ErfRow *row = &r->erf[r->nerf++];

        row->c = r->c;
        row->o = r->o;
        TRY(read_tap(j, v, row));
    }
    return OK;
}

/* ---- sweeps ------------------------------------------------------------- */

/* The module comes before its settings, wherever it stands. */
static int read_run(const Json *j, const cJSON *o, ImportRun *r)
{
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(o, "settings");
    StoredProfile *p = &r->profile;

    case_defaults(&r->c);
    r->o = outcome_of_nothing();
    TRY(read_values(j, o, &import_run, r));
    if (settings)
        TRY(at_item(j, settings, import_settings(r, settings)));
    TRY(read_samples(j, o, r));
    TRY(read_list(j, o, "steps", &import_step, sizeof(*p->step), &p->step,
                  &p->nsteps));
    TRY(read_list(j, o, "quantities", &import_quantity, sizeof(*p->quantity),
                  &p->quantity, &p->nquantities));
    TRY(at_item(j, o, import_check(r)));
    return read_erf(j, o, r);
}

static int read_runs(const Json *j, const cJSON *o, ImportSweep *w)
{
    const cJSON *runs = cJSON_GetObjectItemCaseSensitive(o, "runs");

    if (!runs)
        return json_fail(j, o, "runs is missing");
    TRY(expect(j, runs, cJSON_IsArray(runs), "a list"));
    w->run = calloc((size_t)cJSON_GetArraySize(runs) + 1, sizeof(*w->run));
    if (!w->run)
        return fail(ERR_MEMORY, "no memory for %s", j->path);
    for (const cJSON *v = runs->child; v; v = v->next)
        TRY(read_run(j, v, &w->run[w->nruns++]));
    return OK;
}

/* This machine and no known build, unless it is said. */
static int read_place(const Json *j, const cJSON *o, Machine *m, Build *b)
{
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(o, "machine");
    const cJSON *build = cJSON_GetObjectItemCaseSensitive(o, "build");

    *b = (Build){ .git_commit = "unknown" };
    if (build)
        TRY(read_values(j, build, &import_build, b));
    if (!machine) {
        environment_machine(m);
        return OK;
    }
    *m = (Machine){ .cores = 0 };
    TRY(read_values(j, machine, &import_machine, m));
    return *m->cpu && m->cores
               ? OK
               : json_fail(j, machine, "machine: cpu and cores are required");
}

static int read_sweep(const Json *j, const cJSON *o, ImportSweep *w)
{
    TRY(read_values(j, o, &import_sweep, w));
    TRY(read_place(j, o, &w->machine, &w->build));
    TRY(read_list(j, o, "starts", &import_start, sizeof(*w->start), &w->start,
                  &w->nstarts));
    return read_runs(j, o, w);
}

static void free_sweep(ImportSweep *w)
{
    for (int i = 0; i < w->nruns; i++) {
        for (int k = 0; k < w->run[i].nerf; k++)
            for (int p = 0; p < w->run[i].erf[k].parts; p++)
                free(w->run[i].erf[k].part[p].map);
        free(w->run[i].erf);
        stored_profile_free(&w->run[i].profile);
        free(w->run[i].telemetry);
        free(w->run[i].round);
        free(w->run[i].ns);
    }
    free(w->run);
    free(w->start);
}

static int one_sweep(Store *s, const Json *j, const cJSON *o, Added *added)
{
    ImportSweep w = { .ended_at = IMPORT_NOW };
    int err = read_sweep(j, o, &w);

    if (!err)
        err = at_item(j, o, import_store(s, &w, added));
    free_sweep(&w);
    return err;
}

static int one_roof(Store *s, const Json *j, const cJSON *o, Added *added)
{
    ImportRoof r = { .roof.n = 0 };
    Build none;

    import_blank(&import_roof, &r);
    TRY(read_values(j, o, &import_roof, &r));
    TRY(read_place(j, o, &r.machine, &none));
    return at_item(j, o, import_store_roof(s, &r, added));
}

/* ---- files --------------------------------------------------------------- */

static const struct Section {
    const char *key;
    int (*read)(Store *s, const Json *j, const cJSON *o, Added *added);
} sections[] = {
    { "sweeps", one_sweep },
    { "roofs", one_roof },
};
enum { SECTIONS = sizeof(sections) / sizeof(sections[0]) };

static const struct Section *find_section(const char *key)
{
    for (int i = 0; i < SECTIONS; i++)
        if (!strcmp(sections[i].key, key))
            return &sections[i];
    return NULL;
}

static int read_section(Store *s, const Json *j, const cJSON *list,
                        Added *added)
{
    const struct Section *section = find_section(list->string);

    if (!section)
        return json_fail(j, list,
                         "unknown key '%.40s'; a file with 'sweeps' or 'roofs' "
                         "may have no other key",
                         list->string);
    TRY(expect(j, list, cJSON_IsArray(list), "a list"));
    for (const cJSON *o = list->child; o; o = o->next)
        TRY(section->read(s, j, o, added));
    return OK;
}

static int read_file(Store *s, const Json *j, Added *added)
{
    bool sectioned = false;

    TRY(expect(j, j->root, cJSON_IsObject(j->root), "an object"));
    for (const cJSON *v = j->root->child; v; v = v->next)
        sectioned |= find_section(v->string) != NULL;
    if (!sectioned) {
        TRY(foreign_json(j));
        return one_sweep(s, j, j->root, added);
    }
    for (const cJSON *v = j->root->child; v; v = v->next)
        TRY(read_section(s, j, v, added));
    return OK;
}

int import_json(Store *s, const char *path, Added *added)
{
    Json j;
    int err;

    *added = (Added){ 0 };
    TRY(json_read(&j, path));
    err = store_group_begin(s);
    if (!err)
        err = store_group_end(s, read_file(s, &j, added));
    json_free(&j);
    return err;
}
