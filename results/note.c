/*
 * note.c - choices that a device made by timing, for the next process.
 */
#include <sqlite3.h>
#include <stdio.h>

#include "kernels/core/err.h"
#include "results/sql.h"

int store_note_find(Store *s, int64_t sweep_id, const char *key, char *value,
                    size_t size, bool *found)
{
    sqlite3_stmt *stmt = NULL;
    int code;

    *found = false;
    if (sqlite3_prepare_v2(s->db,
                           "SELECT value FROM note JOIN sweep "
                           "USING (machine_id) WHERE sweep.id = ? AND key = ?",
                           -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(stmt, 1, sweep_id);
    sqlite3_bind_text(stmt, 2, key, -1, SQLITE_STATIC);
    code = sqlite3_step(stmt);
    if (code == SQLITE_ROW && (size_t)sqlite3_column_bytes(stmt, 0) < size) {
        snprintf(value, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
        *found = true;
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW || code == SQLITE_DONE ? OK : sql_refused(s);
}

int store_note_keep(Store *s, int64_t sweep_id, const char *key,
                    const char *value)
{
    return sql_query(s, NULL,
                     "INSERT OR REPLACE INTO note "
                     "(machine_id, key, value, noted_at) "
                     "SELECT machine_id, ?, ?, "
                     "strftime('%Y-%m-%dT%H:%M:%fZ') "
                     "FROM sweep WHERE id = ?",
                     "tti", key, value, sweep_id);
}
