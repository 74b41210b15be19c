/*
 * schema.c - makes the tables, and brings those of an older attnbench up to
 * date.
 *
 * There is no list of changes: an older file should hold what
 * results/schema.sql makes in an empty database.  A table that differs is
 * replaced, and its rows are copied, with the columns that both have; views and
 * triggers are all dropped and made again.  So a change is written in one
 * place, schema.sql.  A new column needs a default, or may be NULL.
 *
 * Source: sqlite.org/lang_altertable.html section 7.
 */
#include <sqlite3.h>

#include "kernels/core/err.h"
#include "results/sql.h"

static const char schema[] =
#include "results/schema.sql.inc"
    ;

int sql_read_version(const Store *s, int64_t *id, int64_t *version)
{
    TRY(sql_query(s, id, "PRAGMA application_id", ""));
    return sql_query(s, version, "PRAGMA user_version", "");
}

/* Runs what a change consists of in one transaction: a kill leaves either all
 * of it or the file as it was. */
static int in_transaction(const Store *s, int (*change)(const Store *s))
{
    int err;

    TRY(sql_exec(s, "BEGIN IMMEDIATE"));
    err = change(s);
    if (!err)
        err = sql_exec(s, "COMMIT");
    if (err)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

static int make(const Store *s)
{
    int64_t id = 0, version = 0;

    TRY(sql_read_version(s, &id, &version));
    return id == APPLICATION_ID ? OK /* another process was faster */
                                : sql_exec(s, schema);
}

int sql_make_schema(const Store *s)
{
    return in_transaction(s, make);
}

/* ---- an older schema ---------------------------------------------------- */

#define OLD "attnbench_old_" /* a table while it is replaced */

/* A table, index, view or trigger, and the statement that makes it. */
typedef struct Object {
    const char *type, *name, *sql;
} Object;

static int drop_object(const Store *s, const Object *o)
{
    return sql_run(
        s, sqlite3_mprintf("DROP %s IF EXISTS main.\"%w\"", o->type, o->name));
}

/* Makes what is not there. */
static int make_object(const Store *s, const Object *o)
{
    int64_t n = 0;

    TRY(sql_query(s, &n,
                  "SELECT count(*) FROM main.sqlite_schema WHERE type = ? AND "
                  "name = ?",
                  "tt", o->type, o->name));
    return n ? OK : sql_exec(s, o->sql);
}

/* Moves the rows of a table to one that is as it should be. */
static int replace_table(const Store *s, const Object *o)
{
    char *columns;
    int err;

    TRY(sql_run(s, sqlite3_mprintf("ALTER TABLE main.%s RENAME TO " OLD "%s",
                                   o->name, o->name)));
    TRY(sql_exec(s, o->sql));
    TRY(sql_text(&columns, s,
                 "SELECT group_concat(name, ', ') FROM pragma_table_info(?1) "
                 "WHERE name IN (SELECT name FROM pragma_table_info('" OLD
                 "' || ?1))",
                 o->name));
    err = sql_run(s,
                  sqlite3_mprintf("INSERT INTO main.%s (%s) SELECT %s FROM "
                                  "main." OLD "%s; DROP TABLE main." OLD "%s",
                                  o->name, columns, columns, o->name, o->name));
    sqlite3_free(columns);
    return err;
}

static int renew_table(const Store *s, const Object *o)
{
    int64_t same = 0;

    TRY(make_object(s, o));
    TRY(sql_query(s, &same,
                  "SELECT count(*) FROM main.sqlite_schema WHERE "
                  "type = 'table' AND name = ? AND sql = ?",
                  "tt", o->name, o->sql));
    return same ? OK : replace_table(s, o);
}

/* Calls f for all objects of those types of the fresh database, in the order
 * made. */
static int each(const Store *s, const Store *fresh, const char *types,
                int (*f)(const Store *s, const Object *o))
{
    sqlite3_stmt *row;
    int err = OK;

    if (sqlite3_prepare_v2(fresh->db,
                           "SELECT type, name, sql FROM sqlite_schema WHERE "
                           "sql <> '' AND instr(?, type) ORDER BY rowid",
                           -1, &row, NULL) != SQLITE_OK)
        return sql_refused(fresh);
    sqlite3_bind_text(row, 1, types, -1, SQLITE_STATIC);
    while (!err && sqlite3_step(row) == SQLITE_ROW)
        err = f(s, &(Object){ (const char *)sqlite3_column_text(row, 0),
                              (const char *)sqlite3_column_text(row, 1),
                              (const char *)sqlite3_column_text(row, 2) });
    if (sqlite3_finalize(row) != SQLITE_OK && !err)
        err = sql_refused(fresh);
    return err;
}

static int renew(const Store *s, const Store *fresh)
{
    TRY(each(s, fresh, "view trigger", drop_object));
    TRY(each(s, fresh, "table", renew_table));
    TRY(each(s, fresh, "index view trigger", make_object));
    return sql_run(
        s, sqlite3_mprintf("PRAGMA main.user_version = %d", SCHEMA_VERSION));
}

static int upgrade(const Store *s)
{
    Store fresh = { .path = s->path };
    int64_t id = 0, version = 0;
    int err;

    TRY(sql_read_version(s, &id, &version));
    if (version >= SCHEMA_VERSION) /* another process was faster */
        return OK;
    err = sqlite3_open(":memory:", &fresh.db) == SQLITE_OK
              ? sql_exec(&fresh, schema)
              : sql_refused(&fresh);
    if (!err)
        err = renew(s, &fresh);
    sqlite3_close(fresh.db);
    return err;
}

/* References are to names, and stay as they are while a table is replaced. */
int sql_upgrade(const Store *s)
{
    int err;

    TRY(sql_exec(s, "PRAGMA foreign_keys = OFF; "
                    "PRAGMA legacy_alter_table = ON"));
    err = in_transaction(s, upgrade);
    sqlite3_exec(s->db, "PRAGMA legacy_alter_table = OFF", NULL, NULL, NULL);
    return err ? fail_within(err, "upgrading it to schema %d", SCHEMA_VERSION)
               : OK;
}

int sql_copy(const Store *from, sqlite3 *to, const char *name)
{
    Store other = *from;
    sqlite3_backup *copy;
    int err = OK;

    /* Locks are waited for here, and what is damaged has its own sentence. */
    TRY(sql_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema"));
    other.db = to;
    copy = sqlite3_backup_init(to, name, from->db, "main");
    if (copy)
        sqlite3_backup_step(copy, -1);
    if (!copy || sqlite3_backup_finish(copy) != SQLITE_OK)
        err = sql_refused(&other);
    sqlite3_exec(from->db, "COMMIT", NULL, NULL, NULL);
    return err;
}

int sql_upgrade_copy(Store *s)
{
    sqlite3 *memory = NULL;
    int err = sqlite3_open(":memory:", &memory) == SQLITE_OK
                  ? sql_copy(s, memory, "main")
                  : fail(ERR_MEMORY, "%s: out of memory", s->path);

    if (err) {
        sqlite3_close(memory);
        return err;
    }
    sqlite3_extended_result_codes(memory, 1);
    sqlite3_close(s->db);
    s->db = memory;
    s->in_memory = true;
    return sql_upgrade(s);
}
