/*
 * fields.c - rows of the database from structs and back, by their tables.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

enum { INSERT_SIZE = 4096 };

void sql_bind(sqlite3_stmt *stmt, int at, const Param *p, const void *record)
{
    const void *field = (const char *)record + p->offset;
    const int *number = field;

    switch (p->kind) {
    case PARAM_KIND_INT:
        if (*number >= 0)
            sqlite3_bind_int(stmt, at, *number);
        else /* or it would stay what it was for the row before */
            sqlite3_bind_null(stmt, at);
        break;
    case PARAM_KIND_LONG:
        sqlite3_bind_int64(stmt, at, *(const int64_t *)field);
        break;
    case PARAM_KIND_REAL: /* NAN becomes NULL */
        sqlite3_bind_double(stmt, at, *(const double *)field);
        break;
    case PARAM_KIND_CHOICE:
        sqlite3_bind_text(stmt, at, p->choice(*number), -1, SQLITE_STATIC);
        break;
    case PARAM_KIND_PATH:
        sqlite3_bind_text(stmt, at, *(const char *const *)field, -1,
                          SQLITE_STATIC);
        break;
    case PARAM_KIND_NAME:
    case PARAM_KIND_FILE:
    case PARAM_KIND_TEXT:
        sqlite3_bind_text(stmt, at, field, -1, SQLITE_STATIC);
        break;
    case PARAM_KIND_INTS:
        BUG_IF(p->name); /* there is no such column */
        break;
    }
}

static int read_choice(int *out, const Param *p, const char *text)
{
    for (*out = 0; p->choice(*out); ++*out)
        if (!strcmp(p->choice(*out), text))
            return OK;
    return fail(ERR_INPUT,
                "a row of the database has %s '%.40s', unknown to this "
                "attnbench; update attnbench",
                p->name, text);
}

int sql_read(sqlite3_stmt *row, int column, const Param *p, void *record)
{
    void *field = (char *)record + p->offset;
    const char *text = (const char *)sqlite3_column_text(row, column);
    const bool null = !text;

    switch (p->kind) {
    case PARAM_KIND_INT:
        *(int *)field = null ? -1 : sqlite3_column_int(row, column);
        break;
    case PARAM_KIND_LONG:
        *(int64_t *)field = sqlite3_column_int64(row, column);
        break;
    case PARAM_KIND_REAL:
        *(double *)field = null ? NAN : sqlite3_column_double(row, column);
        break;
    case PARAM_KIND_CHOICE:
        return read_choice(field, p, null ? "" : text);
    case PARAM_KIND_NAME:
    case PARAM_KIND_FILE:
    case PARAM_KIND_TEXT:
        snprintf(field, p->size, "%s", null ? "" : text);
        break;
    case PARAM_KIND_PATH:
    case PARAM_KIND_INTS:
        BUG_IF(p->name); /* there is no such column */
        break;
    }
    return OK;
}

/* Adds "a, b, c" of the fields, or as many '?'. */
static size_t list(char *text, size_t n, const Stored *parts, const char *value)
{
    const char *separator = n && text[n - 1] != '(' ? ", " : "";

    for (; parts->fields; parts++)
        for (const Param *p = parts->fields; p->name; p++, separator = ", ") {
            n += (size_t)snprintf(text + n, INSERT_SIZE - n, "%s%s", separator,
                                  value ? value : p->name);
            BUG_IF(n >= INSERT_SIZE - 256);
        }
    return n;
}

/* Runs a statement whose parameters are the fields; *id is its first column. */
static int run(const Store *s, const char *sql, const Stored *parts,
               int64_t *id)
{
    sqlite3_stmt *stmt;
    int code, at = 1, err = OK;

    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    for (; parts->fields; parts++)
        for (const Param *p = parts->fields; p->name; p++)
            sql_bind(stmt, at++, p, parts->record);
    code = sqlite3_step(stmt);
    if (code == SQLITE_ROW && id)
        *id = sqlite3_column_int64(stmt, 0);
    else if (code != SQLITE_DONE && code != SQLITE_ROW)
        err = sql_refused(s);
    sqlite3_finalize(stmt);
    return err;
}

/* Ends a statement of n bytes, "INSERT INTO table (more columns". */
static void end_insert(char sql[INSERT_SIZE], size_t n, const Stored *parts,
                       const char *values)
{
    n = list(sql, n, parts, NULL);
    n += (size_t)snprintf(sql + n, INSERT_SIZE - n, ") VALUES (%s", values);
    n = list(sql, n, parts, "?");
    snprintf(sql + n, INSERT_SIZE - n, ")");
}

int sql_insert(const Store *s, const char *verb, const char *table,
               const Stored *parts, const char *columns, const char *values)
{
    char sql[INSERT_SIZE];
    const int n =
        snprintf(sql, sizeof(sql), "%s INTO %s (%s", verb, table, columns);

    end_insert(sql, (size_t)n, parts, values);
    return run(s, sql, parts, NULL);
}

int sql_prepare_insert(sqlite3_stmt **out, const Store *s, const char *head,
                       const char *values, const Param *fields)
{
    const Stored parts[] = { { fields, NULL }, { NULL, NULL } };
    char sql[INSERT_SIZE];
    const int n = snprintf(sql, sizeof(sql), "%s", head);

    end_insert(sql, (size_t)n, parts, values);
    return sqlite3_prepare_v2(s->db, sql, -1, out, NULL) == SQLITE_OK
               ? OK
               : sql_refused(s);
}

int sql_find(const Store *s, const char *table, const Param *fields,
             const void *record, int64_t *id)
{
    const Stored parts[] = { { fields, record }, { NULL, NULL } };
    char sql[INSERT_SIZE];
    size_t n =
        (size_t)snprintf(sql, sizeof(sql), "SELECT id FROM %s WHERE (", table);

    n = list(sql, n, parts, NULL);
    n += (size_t)snprintf(sql + n, sizeof(sql) - n, ") = (");
    n = list(sql, n, parts, "?");
    snprintf(sql + n, sizeof(sql) - n, ")");
    return run(s, sql, parts, id);
}

int sql_select(sqlite3_stmt **out, const Store *s, const Param *fields,
               const char *rest, int64_t id)
{
    const Stored parts[] = { { fields, NULL }, { NULL, NULL } };
    char sql[INSERT_SIZE] = "SELECT (";
    size_t n = list(sql, strlen(sql), parts, NULL);

    sql[strlen("SELECT ")] = ' ';
    BUG_IF(snprintf(sql + n, sizeof(sql) - n, " %s", rest) >=
           (int)(sizeof(sql) - n));
    if (sqlite3_prepare_v2(s->db, sql, -1, out, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(*out, 1, id);
    return OK;
}

int sql_read_fields(sqlite3_stmt *row, int column, const Param *fields,
                    void *record)
{
    for (const Param *p = fields; p->name; p++)
        TRY(sql_read(row, column++, p, record));
    return OK;
}

int sql_now(const Store *s, char text[32])
{
    sqlite3_stmt *stmt;

    if (*text)
        return OK;
    if (sqlite3_prepare_v2(s->db, "SELECT strftime('%Y-%m-%dT%H:%M:%fZ')", -1,
                           &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(text, 32, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return *text ? OK : sql_refused(s);
}
