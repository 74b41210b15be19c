/*
 * erf.c - keeps receptive fields.
 *
 * Maps are stored as this machine has floats, which are little-endian wherever
 * attnbench runs.
 */
#include "results/erf.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

enum { SQL_SIZE = 2048 };

/* clang-format off */
const Param erf_fields[] = {
    FIELD(ErfRow, tap, TEXT),
    FIELD(ErfRow, layer, TEXT),
    FIELD(ErfRow, protocol, TEXT),
    FIELD(ErfRow, described, TEXT, .role = SAYS_PROSE),
    FIELD(ErfRow, draws, INT, .max = INT_MAX),
    FIELD(ErfRow, observations, INT, .max = INT_MAX),
    FIELD(ErfRow, seed, LONG),
    FIELD(ErfRow, images_hash, TEXT),
    FIELD(ErfRow, y, REAL, .min = INT_MIN),
    FIELD(ErfRow, x, REAL, .min = INT_MIN),
    FIELD(ErfRow, field_height, REAL),
    FIELD(ErfRow, field_width, REAL),
    FIELD(ErfRow, past_height, REAL),
    FIELD(ErfRow, past_width, REAL),
    FIELD(ErfRow, peak, REAL),
    PARAM_END,
};

const Param erf_number_fields[] = {
    FIELD(ErfRowNumber, name, TEXT),
    FIELD(ErfRowNumber, value, REAL, .min = INT_MIN),
    FIELD(ErfRowNumber, lo, REAL, .min = INT_MIN),
    FIELD(ErfRowNumber, hi, REAL, .min = INT_MIN),
    PARAM_END,
};

static const Param read_fields[] = {
    FIELD(ErfRow, cpu, TEXT), FIELD(ErfRow, git_commit, TEXT),
    FIELD(ErfRow, dirty, INT),
    PARAM_END,
};
static const struct {
    const Param *fields;
    size_t at; /* where in an ErfRow their struct stands */
} tables[] = {
    { erf_fields },
    { read_fields },
    { case_params, offsetof(ErfRow, c) },
    { case_settings, offsetof(ErfRow, c) },
    { outcome_fields, offsetof(ErfRow, o) },
};
/* clang-format on */
enum { NTABLES = sizeof(tables) / sizeof(tables[0]) };

static size_t map_bytes(const ErfRow *row)
{
    return (size_t)row->c.height * (size_t)row->c.width * sizeof(float);
}

/* ---- adding -------------------------------------------------------------- */

static int add_map(const Store *s, int64_t id, const ErfRow *row,
                   const ErfRowPart *p)
{
    sqlite3_stmt *stmt;
    int err = OK;

    if (sqlite3_prepare_v2(s->db,
                           "INSERT INTO erf_map (erf_id, part, map) "
                           "VALUES (?, ?, ?)",
                           -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_text(stmt, 2, p->part, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(stmt, 3, p->map, map_bytes(row), SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        err = sql_refused(s);
    sqlite3_finalize(stmt);
    return err;
}

static int add_part(const Store *s, int64_t id, const ErfRow *row,
                    const ErfRowPart *p)
{
    char part[64];

    TRY(add_map(s, id, row, p));
    snprintf(part, sizeof(part), "%lld, '%s'", (long long)id, p->part);
    for (int i = 0; i < p->numbers; i++) {
        const Stored parts[] = { { erf_number_fields, &p->number[i] },
                                 { NULL, NULL } };

        TRY(sql_insert(s, "INSERT", "erf_number", parts, "erf_id, part", part));
    }
    return OK;
}

static int add_tap(Store *s, int64_t run_id, const ErfRow *row)
{
    const Stored parts[] = { { erf_fields, row }, { NULL, NULL } };
    char id[32];
    int64_t erf_id;

    snprintf(id, sizeof(id), "%lld", (long long)run_id);
    TRY(sql_insert(s, "INSERT", "erf", parts, "run_id", id));
    erf_id = sqlite3_last_insert_rowid(s->db);
    for (int i = 0; i < row->parts; i++)
        TRY(add_part(s, erf_id, row, &row->part[i]));
    return OK;
}

static int add_all(Store *s, int64_t sweep_id, const ErfRow *rows, int n)
{
    Outcome o = rows->o;
    int64_t id;

    o.kind = KIND_ERF;
    TRY(store_run(s, sweep_id, &rows->c, &o, &(Samples){ 0 }));
    TRY(sql_query(s, &id, "SELECT max(id) FROM run", ""));
    for (int i = 0; i < n; i++)
        TRY(add_tap(s, id, &rows[i]));
    return OK;
}

int store_erf(Store *s, int64_t sweep_id, const ErfRow *rows, int n)
{
    TRY(sql_exec(s, "SAVEPOINT change"));
    return sql_finish(s, add_all(s, sweep_id, rows, n));
}

/* ---- reading ------------------------------------------------------------- */

static void text_at(sqlite3_stmt *row, int column, char *to, size_t size)
{
    const unsigned char *text = sqlite3_column_text(row, column);

    snprintf(to, size, "%s", text ? (const char *)text : "");
}

/* Statements about one row. */
static int prepare(sqlite3_stmt **out, const Store *s, const char *sql,
                   int64_t id)
{
    if (sqlite3_prepare_v2(s->db, sql, -1, out, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(*out, 1, id);
    return OK;
}

static int read_map(ErfRowPart *p, const Store *s, sqlite3_stmt *stmt,
                    const ErfRow *row)
{
    const size_t bytes = map_bytes(row);

    if ((size_t)sqlite3_column_bytes(stmt, 1) != bytes)
        return fail(ERR_INPUT,
                    "%s is damaged: the map of receptive field %lld is not of "
                    "%dx%d numbers",
                    s->path, (long long)row->id, row->c.height, row->c.width);
    p->map = malloc(bytes);
    if (!p->map)
        return fail(ERR_MEMORY, "no memory for a map of %zu bytes", bytes);
    memcpy(p->map, sqlite3_column_blob(stmt, 1), bytes);
    return OK;
}

static int read_parts(ErfRow *row, const Store *s, bool maps)
{
    sqlite3_stmt *stmt;
    int err = OK;

    TRY(prepare(&stmt, s,
                maps ? "SELECT part, map FROM erf_map WHERE erf_id = ? "
                       "ORDER BY rowid"
                     : "SELECT part FROM erf_map WHERE erf_id = ? "
                       "ORDER BY rowid",
                row->id));
    while (!err && row->parts < ERF_ROW_PARTS &&
           sqlite3_step(stmt) == SQLITE_ROW) {
        ErfRowPart *p = &row->part[row->parts++];

        text_at(stmt, 0, p->part, sizeof(p->part));
        if (maps)
            err = read_map(p, s, stmt, row);
    }
    sqlite3_finalize(stmt);
    return err;
}

static ErfRowPart *find_part(ErfRow *row, const unsigned char *name)
{
    const ErfRowPart *p = erf_row_part(row, (const char *)name);

    return p ? &row->part[p - row->part] : NULL;
}

static int read_numbers(ErfRow *row, const Store *s)
{
    sqlite3_stmt *stmt;
    int err = OK;

    TRY(sql_select(
        &stmt, s, erf_number_fields,
        ", part FROM erf_number WHERE erf_id = ? ORDER BY part, name",
        row->id));
    while (!err && sqlite3_step(stmt) == SQLITE_ROW) {
        ErfRowPart *p = find_part(
            row, sqlite3_column_text(stmt, sqlite3_column_count(stmt) - 1));

        if (p && p->numbers < ERF_ROW_NUMBERS)
            err = sql_read_fields(stmt, 0, erf_number_fields,
                                  &p->number[p->numbers++]);
    }
    return sqlite3_finalize(stmt) == SQLITE_OK ? err : sql_refused(s);
}

/* Checks the place: readers count pixels about it without checking. */
static int check_place(const Store *s, const ErfRow *row)
{
    if (row->y >= 0 && row->y <= row->c.height - 1 && row->x >= 0 &&
        row->x <= row->c.width - 1)
        return OK;
    return fail(ERR_INPUT,
                "%s is damaged: receptive field %lld is of pixel (%g, %g), "
                "outside its map of %dx%d",
                s->path, (long long)row->id, row->y, row->x, row->c.height,
                row->c.width);
}

static int read_row(ErfRow *row, const Store *s, sqlite3_stmt *stmt, bool maps)
{
    int at = 0;

    memset(row, 0, sizeof(*row));
    row->id = sqlite3_column_int64(stmt, at++);
    for (int k = 0; k < NTABLES; k++)
        for (const Param *p = tables[k].fields; p->name; p++)
            TRY(sql_read(stmt, at++, p, (char *)row + tables[k].at));
    TRY(check_place(s, row));
    TRY(read_parts(row, s, maps));
    if (!row->parts)
        return fail(ERR_INPUT, "%s is damaged: receptive field %lld has no map",
                    s->path, (long long)row->id);
    return read_numbers(row, s);
}

/* All fields of all rows that count. */
static void read_sql(char sql[SQL_SIZE])
{
    size_t n = (size_t)snprintf(sql, SQL_SIZE, "SELECT erf.id");

    for (int k = 0; k < NTABLES; k++)
        for (const Param *p = tables[k].fields; p->name; p++)
            n += (size_t)snprintf(sql + n, SQL_SIZE - n, ", %s%s",
                                  tables[k].fields == erf_fields ? "erf." : "",
                                  p->name);
    n += (size_t)snprintf(
        sql + n, SQL_SIZE - n,
        " FROM erf JOIN run ON run.id = run_id "
        "JOIN sweep ON sweep.id = sweep_id "
        "JOIN machine ON machine.id = machine_id "
        "JOIN build ON build.id = build_id WHERE erf.id IN "
        "(SELECT max(erf.id) FROM erf JOIN run ON run.id = run_id GROUP BY "
        "repeat, tap, weights_hash, images_hash) ORDER BY erf.id");
    BUG_IF(n >= SQL_SIZE);
}

int store_erf_read(ErfRows *out, Store *s, bool maps)
{
    char sql[SQL_SIZE];
    sqlite3_stmt *stmt;
    int64_t any = 0;
    int err = OK;

    *out = (ErfRows){ NULL, 0 };
    TRY(sql_query(s, &any, "SELECT count(*) FROM erf", ""));
    if (!any)
        return OK;
    read_sql(sql);
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    out->at = calloc((size_t)any, sizeof(*out->at));
    if (!out->at)
        err = fail(ERR_MEMORY, "no memory for %lld receptive fields",
                   (long long)any);
    while (!err && out->n < any && sqlite3_step(stmt) == SQLITE_ROW)
        err = read_row(&out->at[out->n++], s, stmt, maps);
    sqlite3_finalize(stmt);
    if (err)
        erf_rows_free(out);
    return err;
}

void erf_rows_free(ErfRows *rows)
{
    for (int i = 0; i < rows->n; i++)
        for (int p = 0; p < ERF_ROW_PARTS; p++)
            free(rows->at[i].part[p].map);
    free(rows->at);
    *rows = (ErfRows){ NULL, 0 };
}

ErfRowNumber erf_row_number(const ErfRowPart *p, const char *name)
{
    for (int i = 0; p && i < p->numbers; i++)
        if (strcmp(p->number[i].name, name) == 0)
            return p->number[i];
    return (ErfRowNumber){ "", NAN, NAN, NAN };
}

const ErfRowPart *erf_row_part(const ErfRow *row, const char *part)
{
    for (int i = 0; i < row->parts; i++)
        if (strcmp(row->part[i].part, part) == 0)
            return &row->part[i];
    return NULL;
}
