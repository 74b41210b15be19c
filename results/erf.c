/*
 * erf.c - keeps receptive fields.
 *
 * Maps are stored as this machine has floats, which are little-endian wherever
 * attnbench runs.
 */
#include "results/erf.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

enum { SQL_SIZE = 2048 };

typedef struct Column {
    const char *name;
    char kind; /* t char[size], i int, l int64_t, d double */
    size_t offset, size;
} Column;

/* clang-format off */
#define TEXT(field) \
    { #field, 't', offsetof(ErfRow, field), sizeof(((ErfRow *)0)->field) }
#define INT(field)  { #field, 'i', offsetof(ErfRow, field), 0 }
#define LONG(field) { #field, 'l', offsetof(ErfRow, field), 0 }
#define REAL(field) { #field, 'd', offsetof(ErfRow, field), 0 }
/* clang-format on */

static const Column columns[] = {
    TEXT(backbone),
    TEXT(module),
    TEXT(impl),
    TEXT(position),
    TEXT(form),
    TEXT(weights),
    TEXT(graph),
    TEXT(backend),
    INT(channels),
    INT(height),
    INT(width),
    TEXT(settings),
    TEXT(tap),
    TEXT(layer),
    TEXT(protocol),
    TEXT(described),
    INT(draws),
    INT(observations),
    LONG(seed),
    TEXT(repeat),
    REAL(y),
    REAL(x),
    REAL(field_height),
    REAL(field_width),
    REAL(past_height),
    REAL(past_width),
    REAL(peak),
    TEXT(weights_hash),
    TEXT(images_hash),
    REAL(norm_gain),
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

/* Adds "a, b, c" of the columns, or of as many '?'. */
static size_t list_columns(char *text, size_t n, const char *value)
{
    for (int i = 0; i < COLUMNS; i++)
        n += (size_t)snprintf(text + n, SQL_SIZE - n, ", %s",
                              value ? value : columns[i].name);
    BUG_IF(n >= SQL_SIZE);
    return n;
}

/* ---- adding -------------------------------------------------------------- */

static void bind_column(sqlite3_stmt *stmt, int at, const Column *c,
                        const ErfRow *row)
{
    const char *field = (const char *)row + c->offset;

    switch (c->kind) {
    case 't':
        sqlite3_bind_text(stmt, at, field, -1, SQLITE_STATIC);
        break;
    case 'i':
        sqlite3_bind_int(stmt, at, *(const int *)(const void *)field);
        break;
    case 'l':
        sqlite3_bind_int64(stmt, at, *(const int64_t *)(const void *)field);
        break;
    default: /* NAN becomes NULL */
        sqlite3_bind_double(stmt, at, *(const double *)(const void *)field);
    }
}

static int add_row(const Store *s, int64_t machine, int64_t build,
                   const ErfRow *row)
{
    char sql[SQL_SIZE];
    sqlite3_stmt *stmt;
    int err = OK;
    size_t n;

    n = (size_t)snprintf(sql, SQL_SIZE,
                         "INSERT INTO erf (machine_id, build_id, stored_at");
    n = list_columns(sql, n, NULL);
    n += (size_t)snprintf(sql + n, SQL_SIZE - n,
                          ") VALUES (?, ?, coalesce(nullif(?, ''), "
                          "strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ'))");
    n = list_columns(sql, n, "?");
    snprintf(sql + n, SQL_SIZE - n, ")");
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(stmt, 1, machine);
    sqlite3_bind_int64(stmt, 2, build);
    sqlite3_bind_text(stmt, 3, row->stored_at, -1, SQLITE_STATIC);
    for (int i = 0; i < COLUMNS; i++)
        bind_column(stmt, 4 + i, &columns[i], row);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        err = sql_refused(s);
    sqlite3_finalize(stmt);
    return err;
}

static int add_map(const Store *s, int64_t id, const ErfRow *row,
                   const ErfRowPart *p)
{
    const size_t bytes =
        (size_t)row->height * (size_t)row->width * sizeof(float);
    sqlite3_stmt *stmt;
    int err = OK;

    if (sqlite3_prepare_v2(s->db,
                           "INSERT INTO erf_map (erf_id, part, map) "
                           "VALUES (?, ?, ?)",
                           -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_text(stmt, 2, p->part, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(stmt, 3, p->map, bytes, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        err = sql_refused(s);
    sqlite3_finalize(stmt);
    return err;
}

static int add_part(const Store *s, int64_t id, const ErfRow *row,
                    const ErfRowPart *p)
{
    TRY(add_map(s, id, row, p));
    for (int i = 0; i < p->numbers; i++)
        TRY(sql_query(s, NULL,
                      "INSERT INTO erf_number (erf_id, part, name, value, lo, "
                      "hi) VALUES (?, ?, ?, ?, ?, ?)",
                      "ittddd", id, p->part, p->number[i].name,
                      p->number[i].value, p->number[i].lo, p->number[i].hi));
    return OK;
}

static int add_all(Store *s, const Machine *m, const Build *b,
                   const ErfRow *row)
{
    int64_t machine = 0, build = 0, id = 0;

    TRY(sql_machine_id(s, m, &machine));
    TRY(sql_build_id(s, b, &build));
    TRY(add_row(s, machine, build, row));
    TRY(sql_query(s, &id, "SELECT max(id) FROM erf", ""));
    for (int i = 0; i < row->parts; i++)
        TRY(add_part(s, id, row, &row->part[i]));
    return OK;
}

int store_erf(Store *s, const Machine *m, const Build *b, const ErfRow *row)
{
    TRY(store_group_begin(s));
    return store_group_end(s, add_all(s, m, b, row));
}

/* ---- reading ------------------------------------------------------------- */

static double real_at(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(row, column);
}

static void text_at(sqlite3_stmt *row, int column, char *to, size_t size)
{
    const unsigned char *text = sqlite3_column_text(row, column);

    snprintf(to, size, "%s", text ? (const char *)text : "");
}

static void read_column(sqlite3_stmt *stmt, int at, const Column *c,
                        ErfRow *row)
{
    char *field = (char *)row + c->offset;

    switch (c->kind) {
    case 't':
        text_at(stmt, at, field, c->size);
        break;
    case 'i':
        *(int *)(void *)field = sqlite3_column_int(stmt, at);
        break;
    case 'l':
        *(int64_t *)(void *)field = sqlite3_column_int64(stmt, at);
        break;
    default:
        *(double *)(void *)field = real_at(stmt, at);
    }
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
    const size_t bytes =
        (size_t)row->height * (size_t)row->width * sizeof(float);

    if ((size_t)sqlite3_column_bytes(stmt, 1) != bytes)
        return fail(ERR_INPUT,
                    "%s is damaged: the map of receptive field %lld is not of "
                    "%dx%d numbers",
                    s->path, (long long)row->id, row->height, row->width);
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

    TRY(prepare(&stmt, s,
                "SELECT part, name, value, lo, hi FROM erf_number "
                "WHERE erf_id = ? ORDER BY part, name",
                row->id));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        ErfRowPart *p = find_part(row, sqlite3_column_text(stmt, 0));
        ErfRowNumber *n;

        if (!p || p->numbers == ERF_ROW_NUMBERS)
            continue;
        n = &p->number[p->numbers++];
        text_at(stmt, 1, n->name, sizeof(n->name));
        n->value = real_at(stmt, 2);
        n->lo = real_at(stmt, 3);
        n->hi = real_at(stmt, 4);
    }
    return sqlite3_finalize(stmt) == SQLITE_OK ? OK : sql_refused(s);
}

/* Checks the place: who reads it counts pixels about it without looking. */
static int check_place(const Store *s, const ErfRow *row)
{
    if (row->y >= 0 && row->y <= row->height - 1 && row->x >= 0 &&
        row->x <= row->width - 1)
        return OK;
    return fail(ERR_INPUT,
                "%s is damaged: receptive field %lld is of pixel (%g, %g), "
                "which a map of %dx%d has not",
                s->path, (long long)row->id, row->y, row->x, row->height,
                row->width);
}

static int read_row(ErfRow *row, const Store *s, sqlite3_stmt *stmt, bool maps)
{
    *row = (ErfRow){ .id = sqlite3_column_int64(stmt, 0) };
    text_at(stmt, 1, row->stored_at, sizeof(row->stored_at));
    text_at(stmt, 2, row->cpu, sizeof(row->cpu));
    text_at(stmt, 3, row->commit, sizeof(row->commit));
    for (int i = 0; i < COLUMNS; i++)
        read_column(stmt, 4 + i, &columns[i], row);
    TRY(check_place(s, row));
    TRY(read_parts(row, s, maps));
    if (!row->parts)
        return fail(ERR_INPUT, "%s is damaged: receptive field %lld has no map",
                    s->path, (long long)row->id);
    return read_numbers(row, s);
}

int store_erf_read(ErfRows *out, Store *s, bool maps)
{
    char sql[SQL_SIZE];
    sqlite3_stmt *stmt;
    int64_t any = 0;
    int err = OK;
    size_t n;

    *out = (ErfRows){ NULL, 0 };
    TRY(sql_query(s, &any, "SELECT count(*) FROM erf", ""));
    if (!any)
        return OK;
    n = (size_t)snprintf(sql, SQL_SIZE,
                         "SELECT erf.id, stored_at, cpu, substr(git_commit, 1, "
                         "7) || CASE dirty WHEN 1 THEN '+' ELSE '' END");
    n = list_columns(sql, n, NULL);
    snprintf(sql + n, SQL_SIZE - n,
             " FROM erf JOIN machine ON machine.id = machine_id "
             "JOIN build ON build.id = build_id WHERE erf.id IN "
             "(SELECT max(id) FROM erf GROUP BY repeat, tap, "
             "weights_hash, images_hash) ORDER BY erf.id");
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    out->at = calloc((size_t)any, sizeof(*out->at));
    BUG_IF(!out->at);
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
