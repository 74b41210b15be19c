/*
 * import_csv.c - one sweep from CSV: a row for each sample.
 *
 * Columns are the keys of a case, of its outcome, and of the sweep (source,
 * experiment, question), with settings as JSON; ns is the time, round its
 * round, and clock_mhz and so on the device's moment.  Rows of one case are one
 * run.  A run that failed is one row without ns.
 */
#include "harness/report/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "harness/files/file.h"
#include "harness/files/hash.h"
#include "kernels/core/err.h"

/* What the columns are. */
typedef struct Columns {
    bool of_sweep[CSV_COLUMNS_MAX];
    bool of_moment[CSV_COLUMNS_MAX];
    bool of_sample[CSV_COLUMNS_MAX]; /* ns, round, moments */
    int ns, round, settings;         /* -1: none     */
} Columns;

static char *read_text(const char *path)
{
    char *text = NULL;
    size_t size;
    FILE *f;
    const int err = file_open(&f, &size, path);

    if (err) {
        fail_within(err, "%s", path);
        return NULL;
    }
    text = calloc(1, size + 1);
    if (!text) {
        fail(ERR_MEMORY, "%s: no memory for %zu bytes", path, size);
    } else if (fread(text, 1, size, f) != size || strlen(text) != size) {
        fail(ERR_INPUT, "%s is no text: it has a zero byte", path);
        free(text);
        text = NULL;
    }
    fclose(f);
    return text;
}

static bool is_sweep_key(const char *name)
{
    return !strcmp(name, "source") || !strcmp(name, "experiment") ||
           !strcmp(name, "question");
}

static bool is_moment_key(const char *name)
{
    const char *key;

    for (int i = 0; (key = import_moment_key(i)); i++)
        if (strcmp(key, name) == 0)
            return true;
    return false;
}

static int read_columns(const Csv *csv, Columns *c)
{
    c->ns = csv_column(csv, "ns");
    c->round = csv_column(csv, "round");
    c->settings = csv_column(csv, "settings");
    if (c->ns < 0)
        return fail(ERR_INPUT,
                    "%s:1: there is no column ns; a row for each sample is "
                    "wanted",
                    csv->name);
    for (int i = 0; i < csv->ncolumns; i++) {
        c->of_sweep[i] = is_sweep_key(csv->column[i]);
        c->of_moment[i] = is_moment_key(csv->column[i]);
        c->of_sample[i] = i == c->ns || i == c->round || c->of_moment[i];
    }
    return OK;
}

static int set_settings(ImportRun *r, const char *text)
{
    cJSON *settings = cJSON_Parse(text);
    int err = fail(ERR_INPUT, "settings: '%.40s' is not JSON", text);

    if (settings)
        err = import_settings(r, settings);
    cJSON_Delete(settings);
    return err;
}

/* All of a row but its sample.  The module comes before its settings. */
static int set_run(const Csv *csv, const Columns *c, ImportRun *r)
{
    for (int i = 0; i < csv->ncolumns; i++)
        if (!c->of_sweep[i] && !c->of_sample[i] && i != c->settings)
            TRY(import_set(&import_run, r, csv->column[i], csv->cell[i]));
    if (c->settings >= 0 && *csv->cell[c->settings])
        TRY(set_settings(r, csv->cell[c->settings]));
    return OK;
}

static int set_sweep(const Csv *csv, const Columns *c, ImportSweep *w)
{
    for (int i = 0; i < csv->ncolumns; i++)
        if (c->of_sweep[i])
            TRY(import_set(&import_sweep, w, csv->column[i], csv->cell[i]));
    return OK;
}

/* Whether two rows differ in nothing but their samples, or the sweep. */
static bool same_run(const Csv *csv, const Columns *c, char *const *cell,
                     char *const *other)
{
    for (int i = 0; i < csv->ncolumns; i++)
        if (!c->of_sample[i] && strcmp(cell[i], other[i]))
            return false;
    return true;
}

static int check_sweep(const Csv *csv, const Columns *c, char *const *first)
{
    for (int i = 0; i < csv->ncolumns; i++)
        if (c->of_sweep[i] && strcmp(csv->cell[i], first[i]))
            return fail(ERR_INPUT,
                        "%s was '%s' and is '%s'; a file holds one sweep",
                        csv->column[i], first[i], csv->cell[i]);
    return OK;
}

static int number(const char *name, const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    if (end == text || *end)
        return fail(ERR_INPUT, "%s: '%.40s' is not a number", name, text);
    return OK;
}

static int add_sample(const Csv *csv, const Columns *c, ImportRun *r)
{
    Moment moment = IMPORT_NO_MOMENT;
    double ns, round = NAN;

    if (!*csv->cell[c->ns]) {
        r->empty_line = csv->line;
        return OK;
    }
    TRY(number("ns", csv->cell[c->ns], &ns));
    if (c->round >= 0)
        TRY(number("round", csv->cell[c->round], &round));
    for (int i = 0; i < csv->ncolumns; i++)
        if (c->of_moment[i])
            TRY(import_moment(&moment, csv->column[i], csv->cell[i]));
    return import_sample(r, ns, round, &moment);
}

/* The runs there are: the cells of the row that began each, and where to find
 * it by what its cells come to.  A place holds the number of a run from 1. */
typedef struct Seen {
    struct Cells {
        char *cell[CSV_COLUMNS_MAX];
    } * first;
    int *place;
    size_t places; /* a power of two, at least twice the runs */
} Seen;

static void seen_free(Seen *s)
{
    free(s->first);
    free(s->place);
}

/* A hash of all that two rows of a run share. */
static size_t hash_row(const Csv *csv, const Columns *c, char *const *cell)
{
    uint64_t h = HASH_START;

    for (int i = 0; i < csv->ncolumns; i++)
        if (!c->of_sample[i])
            h = hash_bytes(h, cell[i], strlen(cell[i]) + 1);
    return (size_t)(h ^ h >> 32);
}

/* The place where the run of a row is, or would be. */
static int *find_place(const Csv *csv, const Columns *c, const Seen *s,
                       char *const *cell)
{
    size_t at = hash_row(csv, c, cell) & (s->places - 1);

    while (s->place[at] &&
           !same_run(csv, c, cell, s->first[s->place[at] - 1].cell))
        at = (at + 1) & (s->places - 1);
    return &s->place[at];
}

/* Room for one more than n runs. */
static int grow(const Csv *csv, const Columns *c, Seen *s, int n)
{
    const size_t places = s->places ? 2 * s->places : 64;
    struct Cells *first;
    int *place;

    if (2 * ((size_t)n + 1) <= s->places)
        return OK;
    first = realloc(s->first, places / 2 * sizeof(*first));
    if (first)
        s->first = first;
    place = calloc(places, sizeof(*place));
    if (!first || !place) {
        free(place);
        return fail(ERR_MEMORY, "memory ran out at %d runs", n);
    }
    free(s->place);
    s->place = place;
    s->places = places;
    for (int i = 0; i < n; i++)
        *find_place(csv, c, s, s->first[i].cell) = i + 1;
    return OK;
}

/* The run that the row belongs to, made if it is new. */
static int find_run(const Csv *csv, const Columns *c, ImportSweep *w,
                    Seen *seen, int *at)
{
    ImportRun *r;
    int *place;

    if (*at < w->nruns && same_run(csv, c, csv->cell, seen->first[*at].cell))
        return OK;
    TRY(grow(csv, c, seen, w->nruns));
    place = find_place(csv, c, seen, csv->cell);
    if (*place) {
        *at = *place - 1;
        return OK;
    }
    if (w->nruns == 0)
        TRY(set_sweep(csv, c, w));
    else
        TRY(check_sweep(csv, c, seen->first[0].cell));
    memcpy(seen->first[w->nruns].cell, csv->cell, sizeof(csv->cell));
    *at = w->nruns;
    TRY(import_add_run(w, &r));
    *place = w->nruns;
    return set_run(csv, c, r);
}

static int read_rows(Csv *csv, const Columns *c, ImportSweep *w, Seen *seen)
{
    int at = 0, err;
    bool more;

    for (;;) {
        TRY(csv_next(csv, &more));
        if (!more)
            break;
        err = find_run(csv, c, w, seen, &at);
        if (!err)
            err = add_sample(csv, c, &w->run[at]);
        if (err)
            return fail_within(err, "%s:%d", csv->name, csv->line);
        if (w->run[at].empty_line && w->run[at].outcome.n)
            return fail(ERR_INPUT,
                        "%s:%d: ns is empty; a row is a sample, and of this "
                        "run there are others: leave the row out",
                        csv->name, w->run[at].empty_line);
    }
    for (int i = 0; i < w->nruns; i++) {
        err = import_check(&w->run[i]);
        if (err)
            return fail_within(err, "%s: runs[%d]", csv->name, i);
    }
    return OK;
}

static int store(Store *s, const char *path, ImportSweep *w, ImportCount *count)
{
    int err = store_group_begin(s);

    if (!err)
        err = store_group_end(s, import_store(s, w));
    if (err)
        return fail_within(err, "%s", path);
    count->sweeps = 1;
    count->runs = w->nruns;
    for (int i = 0; i < w->nruns; i++)
        count->samples += w->run[i].outcome.n;
    return OK;
}

int import_csv(Store *s, const char *path, ImportCount *count)
{
    char *text = read_text(path);
    Columns columns = { 0 };
    Seen seen = { 0 };
    ImportSweep w;
    Csv csv;
    int err;

    *count = (ImportCount){ 0 };
    if (!text)
        return ERR_IO;
    import_init(&w);
    err = csv_open(&csv, path, text);
    if (!err)
        err = read_columns(&csv, &columns);
    if (!err)
        err = read_rows(&csv, &columns, &w, &seen);
    if (!err)
        err = store(s, path, &w, count);
    import_free(&w);
    seen_free(&seen);
    free(text);
    return err;
}
