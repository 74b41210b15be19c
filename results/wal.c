/*
 * wal.c - how the database is shared with other processes: locks are waited
 * for, and where WAL mode does not work there is a rollback journal.
 *
 * WAL mode needs memory that processes share, which many file systems of a
 * network do not have.  SQLite notices only when it reads the first row.
 */
#include <sqlite3.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

enum {
    BUSY_MS = 5000, /* that a lock is waited for by those who do not wait */
    SAY_MS = 1000,  /* after which a wait is worth a word */
    LOOK_MS = 50,   /* at most this from one look at a lock to the next */
};

bool sql_is_stopped(const Store *s)
{
    return s->wait && s->wait->stop && *s->wait->stop;
}

/* A file system without the shared memory that WAL mode wants. */
bool sql_lacks_shared_memory(int code)
{
    return code == SQLITE_PROTOCOL || code == SQLITE_IOERR_SHMOPEN ||
           code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMLOCK ||
           code == SQLITE_IOERR_SHMMAP;
}

/* Asked by SQLite each time that it finds the file locked; 0: give up. */
static int on_busy(void *arg, int tries)
{
    Store *s = arg;
    const double ms = tries < 6 ? 1 << tries : LOOK_MS;
    const bool worth_a_word =
        s->waited_ms < SAY_MS && s->waited_ms + ms >= SAY_MS;

    s->waited_ms = tries ? s->waited_ms + ms : ms;
    if (sql_is_stopped(s) || (!s->wait && s->waited_ms > BUSY_MS))
        return 0;
    if (tries && worth_a_word && s->wait && s->wait->say)
        s->wait->say(s->path);
    sqlite3_sleep((int)ms);
    return 1;
}

/* Opens it (once more) and looks whether it can be read; SQLite's code. */
int sql_open(Store *s, const char *name, int flags, const char *first)
{
    int code;

    sqlite3_close(s->db);
    s->db = NULL;
    if (strncmp(name, "file:", 5) != 0) /* a name; ATTACH may have addresses */
        flags |= SQLITE_OPEN_URI;
    code = sqlite3_open_v2(name, &s->db, flags, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_handler(s->db, on_busy, s);
    if (first)
        sqlite3_exec(s->db, first, NULL, NULL, NULL);
    return sqlite3_exec(s->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL,
                        NULL);
}

/* Out of WAL mode without memory to share: who locks a file for itself alone
 * needs none.  Then others may have it again. */
int sql_leave_wal(Store *s)
{
    const int code = sql_open(s, s->path, SQLITE_OPEN_READWRITE,
                              "PRAGMA locking_mode = EXCLUSIVE");

    if (code != SQLITE_OK)
        return sql_refused(s);
    return sql_exec(s, "PRAGMA journal_mode = DELETE;"
                       "PRAGMA locking_mode = NORMAL;"
                       "SELECT count(*) FROM sqlite_schema");
}

/* Only reading a row shows whether WAL mode works here. */
int sql_use_wal(Store *s)
{
    int code;

    /* Refused while another process reads; then commits wait for readers. */
    sqlite3_busy_timeout(s->db, 0);
    sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    sqlite3_busy_handler(s->db, on_busy, s);
    code = sqlite3_exec(s->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL,
                        NULL);
    if (sql_lacks_shared_memory(code))
        return sql_leave_wal(s);
    return code == SQLITE_OK ? OK : sql_refused(s);
}
