/*
 * sql.h - statements, their errors, and rows from structs and back.
 */
#ifndef RESULTS_SQL_H
#define RESULTS_SQL_H

#include <sqlite3.h>

#include "results/store.h"

enum {
    APPLICATION_ID = 0x61747462, /* "attb"; both as in schema.sql */
    SCHEMA_VERSION = 2,
};

struct Store {
    sqlite3 *db;
    StoreMode mode;
    char *path;
    const StoreWait *wait; /* how long locks are waited for, or NULL ... */
    double waited_ms;      /* ... this time, until now               */
    bool immutable;        /* read where SQLite may not write next to it */
    bool in_memory;        /* a copy of an older file, upgraded; to be read */
};

/* The sentence for what SQLite just refused; its error code. */
int sql_refused(const Store *s);

/* Opens it (again), runs the statements of first (or NULL), and checks
 * whether it can be read; SQLite's code. */
int sql_open(Store *s, const char *name, int flags, const char *first);

/* Reads what the file says of itself; 0 and 0 if it is empty. */
int sql_read_version(const Store *s, int64_t *id, int64_t *version);

/* Makes all tables in a file that has none. */
int sql_make_schema(const Store *s);

/* Brings a file of an older schema up to date, in one transaction; or a copy
 * of it, in memory, which becomes the store's database. */
int sql_upgrade(const Store *s);
int sql_upgrade_copy(Store *s);

/* Copies a whole database to an attached one of another connection. */
int sql_copy(const Store *from, sqlite3 *to, const char *name);

/* The address by which another connection opens the same file in the same way;
 * to be freed.  Of a file, which a copy in memory is not. */
int sql_uri(const Store *s, char **uri);

/* True if that code says that the file system has no shared memory. */
bool sql_lacks_shared_memory(int code);

/* Puts the file into WAL mode if that works here; or out of it. */
int sql_use_wal(Store *s);
int sql_leave_wal(Store *s);

/* True if the caller has ended the wait. */
bool sql_is_stopped(const Store *s);

/* Runs statements that have no parameters and whose rows are not needed. */
int sql_exec(const Store *s, const char *sql);

/* Runs statements that sqlite3_mprintf made, and frees them. */
int sql_run(const Store *s, char *sql);

/* The text that a query gives for a table's name, ?1: a part of a statement; to
 * be given to sqlite3_free. */
int sql_text(char **out, const Store *s, const char *sql, const char *table);

/*
 * Runs one statement; its parameters are given by types, one letter each:
 * t const char *, i int64_t, d double (NAN is stored as NULL).  The first
 * column of the first row goes to *out, which may be NULL; *out is left as it
 * was if there is no row.
 */
int sql_query(const Store *s, int64_t *out, const char *sql, const char *types,
              ...);

/* A struct and the table of those of its fields that are stored. */
typedef struct Stored {
    const Param *fields; /* NULL ends a list */
    const void *record;
} Stored;

/* Adds a row to a table: the fields of parts, and more columns whose values are
 * written in SQL (or "" twice).  A REAL of NAN, an INT below 0 and a PATH of
 * NULL are stored as NULL.  verb: "INSERT" or "INSERT OR IGNORE". */
int sql_insert(const Store *s, const char *verb, const char *table,
               const Stored *parts, const char *columns, const char *values);

/* Prepares "INSERT INTO sample (run_id, i" and those fields for many rows: its
 * parameters are those of values ("?, ?"), then the fields. */
int sql_prepare_insert(sqlite3_stmt **out, const Store *s, const char *head,
                       const char *values, const Param *fields);

/* The id of a row of a table that has this record's fields; *id is left as it
 * was if there is none. */
int sql_find(const Store *s, const char *table, const Param *fields,
             const void *record, int64_t *id);

/* Prepares a SELECT of fields, named before what follows ("FROM step WHERE
 * run_id = ?"), whose only parameter is id. */
int sql_select(sqlite3_stmt **out, const Store *s, const Param *fields,
               const char *rest, int64_t id);

/* Reads the columns from that one on into a record. */
int sql_read_fields(sqlite3_stmt *row, int column, const Param *fields,
                    void *record);

/* Now, UTC in ISO 8601, into text unless it says something already. */
int sql_now(const Store *s, char text[32]);

/* Binds a field to a parameter of a statement. */
void sql_bind(sqlite3_stmt *stmt, int at, const Param *p, const void *record);

/* The same the other way round: a column of a row into a field.  NULL is NAN,
 * -1 or "".  ERR_INPUT where the value is none of the field's choices: a newer
 * program wrote it. */
int sql_read(sqlite3_stmt *row, int column, const Param *p, void *record);

/* Ends what "SAVEPOINT change" began: keeps it, or undoes it if err. */
int sql_finish(const Store *s, int err);

/* The machine of this description, added if need be. */
int sql_machine_id(const Store *s, const Machine *m, int64_t *id);

/* The same for a build. */
int sql_build_id(const Store *s, const Build *b, int64_t *id);

#endif
