/*
 * store.c - opens the database, and refuses what is not one.
 *
 * The file is in WAL mode, so that readers and a writer never wait for each
 * other and a killed process loses nothing that was committed.  It stays so
 * when it is closed, or the next writer would have to wait for every reader to
 * turn it back; SQLite then leaves one plain file.
 *
 * Leaves out: adding runs (results/run.c), reading them (analysis/summary.c).
 * Source: sqlite.org/fileformat2.html section 1.3, sqlite.org/wal.html.
 */
#include "results/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/core/err.h"
#include "results/folder.h"
#include "results/sql.h"

enum {
    BEFORE_RELEASE_ID = 0x61746e62, /* of six schemas that nobody has */
    HEADER_BYTES = 100,             /* of an SQLite file */
};

static bool lacks_descriptors(const Store *s)
{
    const int code = sqlite3_system_errno(s->db);

    return code == EMFILE || code == ENFILE;
}

int sql_refused(const Store *s)
{
    const char *path = s->path, *why = sqlite3_errmsg(s->db);
    const int code = sqlite3_extended_errcode(s->db);

    if (code == SQLITE_READONLY_ROLLBACK || code == SQLITE_READONLY_RECOVERY)
        return fail(ERR_IO,
                    "%s was left in the middle of a write, and undoing that "
                    "needs write access; copy it and %s-* to a folder of "
                    "yours, and give that with --db",
                    path, path);
    if (sql_lacks_shared_memory(code))
        return fail(ERR_IO,
                    "%s is on a file system without locks or shared memory "
                    "(%s), such as some network drives; copy it to a local "
                    "disk, and give that with --db",
                    path, why);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        if (sql_is_stopped(s))
            return fail(ERR_STOPPED,
                        "stopped while waiting for %s, locked by another "
                        "process; results not stored yet are lost",
                        path);
        return fail(ERR_IO,
                    "%s is locked by another process; wait for it, or give "
                    "another file with --db",
                    path);
    case SQLITE_CANTOPEN:
        if (lacks_descriptors(s))
            return fail(ERR_IO,
                        "%s: %s; close other programs, or raise 'ulimit -n'",
                        path, strerror(sqlite3_system_errno(s->db)));
        return fail(ERR_IO,
                    "%s cannot be opened: its folder does not exist or is "
                    "not writable; give another file with --db",
                    path);
    case SQLITE_FULL:
        return fail(ERR_IO, "%s: the disk is full; nothing was added", path);
    case SQLITE_CORRUPT:
        return fail(ERR_INPUT,
                    "%s is damaged or truncated (%s); restore a copy, or "
                    "give another file with --db",
                    path, why);
    case SQLITE_NOTADB:
        return fail(ERR_INPUT, "%s is not an attnbench database", path);
    case SQLITE_CONSTRAINT:
        return fail(ERR_INPUT, "%s: %s", path, why);
    default:
        return fail(ERR_IO, "%s: %s", path, why);
    }
}

int sql_exec(const Store *s, const char *sql)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sql_refused(s);
    return OK;
}

int sql_query(const Store *s, int64_t *out, const char *sql, const char *types,
              ...)
{
    sqlite3_stmt *stmt = NULL;
    va_list args;
    int code, err = OK;

    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    va_start(args, types);
    for (int i = 0; types[i]; i++) {
        if (types[i] == 't')
            sqlite3_bind_text(stmt, i + 1, va_arg(args, const char *), -1,
                              SQLITE_TRANSIENT);
        else if (types[i] == 'i')
            sqlite3_bind_int64(stmt, i + 1, va_arg(args, int64_t));
        else
            sqlite3_bind_double(stmt, i + 1, va_arg(args, double));
    }
    va_end(args);
    code = sqlite3_step(stmt);
    if (code == SQLITE_ROW && out)
        *out = sqlite3_column_int64(stmt, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        err = sql_refused(s);
    sqlite3_finalize(stmt);
    return err;
}

int sql_run(const Store *s, char *sql)
{
    const int err = sql ? sql_exec(s, sql) : fail(ERR_MEMORY, "out of memory");

    sqlite3_free(sql);
    return err;
}

int sql_text(char **out, const Store *s, const char *sql, const char *table)
{
    sqlite3_stmt *stmt = NULL;
    int err = OK;

    *out = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *out = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
    if (!*out)
        err = sql_refused(s);
    sqlite3_finalize(stmt);
    return err;
}

static unsigned big_endian(const unsigned char *b)
{
    return (unsigned)b[0] << 24 | (unsigned)b[1] << 16 | (unsigned)b[2] << 8 |
           b[3];
}

static int judge_version(const char *path, int64_t version)
{
    if (version > SCHEMA_VERSION)
        return fail(ERR_INPUT,
                    "%s was written by a newer attnbench (schema %lld; this "
                    "one knows %d): update attnbench",
                    path, (long long)version, SCHEMA_VERSION);
    if (version < 1)
        return fail(ERR_INPUT, "%s has unknown schema %lld", path,
                    (long long)version);
    return OK;
}

/* Judges the first bytes before SQLite, which may write, sees the file. */
static int judge_header(const char *path, FILE *f)
{
    unsigned char header[HEADER_BYTES];

    if (fread(header, 1, sizeof(header), f) != sizeof(header))
        return fail(ERR_INPUT, "%s is not an attnbench database", path);
    if (memcmp(header, "SQLite format 3", 16) != 0)
        return fail(ERR_INPUT, "%s is not an attnbench database", path);
    if (big_endian(header + 68) == BEFORE_RELEASE_ID)
        return fail(ERR_INPUT,
                    "%s was written before the first release of attnbench "
                    "and cannot be read; give another file with --db, and "
                    "measure again",
                    path);
    if (big_endian(header + 68) != APPLICATION_ID)
        return fail(ERR_INPUT,
                    "%s is a database of another program; give another file "
                    "with --db",
                    path);
    return judge_version(path, big_endian(header + 60));
}

static int judge_file(const char *path, StoreMode mode)
{
    struct stat st;
    FILE *f;
    int err;

    if (!*path || *path == ':') /* to SQLite: in memory, and gone at the end */
        return fail(ERR_INPUT, "--db='%s' names no file", path);
    if (stat(path, &st)) {
        if (errno == ENOENT && mode == STORE_WRITE)
            return OK;
        if (errno == ENOENT)
            return fail(ERR_INPUT, "no database %s; 'attnbench run' creates it",
                        path);
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode))
        return fail(ERR_INPUT, "%s is a folder; a database is one file", path);
    if (!S_ISREG(st.st_mode))
        return fail(ERR_INPUT, "%s is not a regular file", path);
    if (st.st_size == 0 && mode == STORE_WRITE)
        return OK;
    if (st.st_size == 0)
        return fail(ERR_INPUT, "%s is empty; 'attnbench run' fills it", path);
    f = fopen(path, "rb");
    if (!f)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    err = judge_header(path, f);
    fclose(f);
    return err;
}

/* A view may never end, and a trigger may do anything: the program reads and
 * writes tables, which it made itself. */
static int judge_tables(const Store *s, StoreMode mode)
{
    static const char sql[] =
        "SELECT type, name FROM main.sqlite_schema WHERE (type = 'view' OR "
        "sql LIKE 'CREATE VIRTUAL%') AND name COLLATE NOCASE IN ('machine', "
        "'build', 'sweep', 'start', 'run', 'sample', 'step', 'quantity', "
        "'roof', 'erf', 'erf_map', 'erf_number', 'note', 'at_work', 'begun') "
        "OR ?1 AND type = 'trigger' AND (sql LIKE '%RECURSIVE%' OR name NOT IN "
        "('erf_final', 'run_verified', 'run_final', 'sample_final', "
        "'sweep_final'))";
    sqlite3_stmt *stmt = NULL;
    int code, err = OK;

    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int(stmt, 1, mode == STORE_WRITE);
    code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(stmt, 0);

        err = fail(ERR_INPUT,
                   "%s was changed by another program: its %s '%.40s' is not "
                   "attnbench's; restore a copy, or drop it",
                   s->path, strcmp(type, "table") ? type : "virtual table",
                   (const char *)sqlite3_column_text(stmt, 1));
    } else if (code != SQLITE_DONE) {
        err = sql_refused(s);
    }
    sqlite3_finalize(stmt);
    return err;
}

static int open_for_writing(Store *s)
{
    int64_t id = 0, version = 0;
    int code;

    TRY(folder_make_for(s->path));
    code =
        sql_open(s, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (s->db && sqlite3_db_readonly(s->db, "main") == 1)
        return fail(ERR_IO, "%s: you can read it but not write it", s->path);
    if (sql_lacks_shared_memory(code))
        TRY(sql_leave_wal(s));
    else if (code != SQLITE_OK)
        return sql_refused(s);
    TRY(sql_read_version(s, &id, &version));
    if (id != APPLICATION_ID) /* and before the file is in WAL mode */
        TRY(sql_make_schema(s));
    else
        TRY(judge_version(s->path, version));
    TRY(judge_tables(s, STORE_WRITE));
    if (id == APPLICATION_ID && version < SCHEMA_VERSION) {
        TRY(sql_upgrade(s));
        TRY(sql_read_version(s, &id, &version)); /* or a newer program did */
        TRY(judge_version(s->path, version));
    }
    TRY(sql_use_wal(s));
    /* NORMAL: a kill loses nothing, a power cut perhaps the last runs. */
    return sql_exec(s, "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL");
}

static bool has_wal(const char *path)
{
    char *wal = sqlite3_mprintf("%s-wal", path);
    struct stat st;
    const bool has = wal && stat(wal, &st) == 0 && st.st_size > 0;

    sqlite3_free(wal);
    return has;
}

/* "file:results/a%23b.db?immutable=1" */
int sql_uri(const Store *s, char **uri)
{
    const size_t size = 3 * strlen(s->path) + 32;
    size_t n = 0;

    *uri = malloc(size);
    if (!*uri)
        return fail(ERR_MEMORY, "%s: out of memory", s->path);
    n += (size_t)snprintf(*uri, size, "file:");
    for (const char *c = s->path; *c; c++)
        n += (size_t)snprintf(*uri + n, size - n,
                              strchr("?#%", *c) ? "%%%02X" : "%c", *c);
    snprintf(*uri + n, size - n, s->immutable ? "?immutable=1" : "?mode=rw");
    return OK;
}

/* In WAL mode SQLite wants to write next to the file even to read it.  Where it
 * cannot, nobody else can either, and the file stands still. */
static int open_immutable(Store *s)
{
    char *uri;
    int code;

    if (has_wal(s->path))
        return fail(ERR_IO,
                    "%s has changes in %s-wal, and its folder is not "
                    "writable; copy both to one that is",
                    s->path, s->path);
    s->immutable = true;
    TRY(sql_uri(s, &uri));
    code = sql_open(s, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    free(uri);
    return code == SQLITE_OK ? OK : sql_refused(s);
}

/* Opening it for writing takes back what a killed process left half done; and a
 * reader that may not write would leave files next to it. */
static int open_somehow(Store *s)
{
    const int code = sql_open(s, s->path, SQLITE_OPEN_READWRITE, NULL);

    if (code == SQLITE_OK)
        return OK;
    if (sql_lacks_shared_memory(code) && has_wal(s->path))
        return sql_leave_wal(s);
    if ((code & 0xff) == SQLITE_CANTOPEN && lacks_descriptors(s))
        return sql_refused(s);
    if (sql_lacks_shared_memory(code) || (code & 0xff) == SQLITE_CANTOPEN ||
        ((code & 0xff) == SQLITE_READONLY && code != SQLITE_READONLY_ROLLBACK &&
         code != SQLITE_READONLY_RECOVERY))
        return open_immutable(s);
    return sql_refused(s);
}

static int open_for_reading(Store *s)
{
    int64_t id = 0, version = 0, pages = 0;

    TRY(open_somehow(s));
    TRY(sql_read_version(s, &id, &version));
    TRY(sql_query(s, &pages, "PRAGMA page_count", ""));
    if (!pages) /* its making was taken back */
        return fail(ERR_INPUT, "%s is empty; 'attnbench run' fills it",
                    s->path);
    TRY(judge_version(s->path, version));
    TRY(judge_tables(s, STORE_READ));
    if (version < SCHEMA_VERSION)
        TRY(sql_upgrade_copy(s));
    /* A schema that is not trusted may not ask json_valid(), as ours does. */
    return sql_exec(s, "PRAGMA query_only = ON");
}

int store_open(Store **out, const char *path, StoreMode mode)
{
    return store_open_waiting(out, path, mode, NULL);
}

int store_open_waiting(Store **out, const char *path, StoreMode mode,
                       const StoreWait *wait)
{
    Store *s;
    int err;

    *out = NULL;
    TRY(judge_file(path, mode));
    s = calloc(1, sizeof(*s));
    if (!s || !(s->path = strdup(path))) {
        free(s);
        return fail(ERR_MEMORY, "%s: out of memory", path);
    }
    s->wait = wait;
    err = mode == STORE_WRITE ? open_for_writing(s) : open_for_reading(s);
    if (err) {
        store_close(s);
        return err;
    }
    s->mode = mode;
    *out = s;
    return OK;
}

void store_close(Store *s)
{
    if (!s)
        return;
    if (s->db) /* the last to close it tidies up, or nobody waits for that */
        sqlite3_busy_timeout(s->db, 0);
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

sqlite3 *store_sqlite(Store *s)
{
    return s->db;
}
