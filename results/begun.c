/*
 * begun.c - notes which cases are under way, before they are.
 *
 * A process that a case kills (by the memory that it takes, or a fault) cannot
 * say so.  A case that is alone under way when that happens is suspect; one
 * among others that are sampled together may be innocent.  What to do about it
 * is the sweep's (harness/measure/begun.c).
 */
#include "results/begun.h"

#include <stdio.h>

#include "kernels/core/err.h"
#include "results/sql.h"

int store_at_work(Store *s, int64_t sweep_id, Worker *out, bool *found)
{
    sqlite3_stmt *stmt = NULL;
    int code;

    *out = (Worker){ .pid = 0 };
    if (sqlite3_prepare_v2(s->db,
                           "SELECT host, pid, born, (julianday('now') - "
                           "julianday(seen)) * 86400 FROM at_work "
                           "WHERE sweep_id = ?",
                           -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(stmt, 1, sweep_id);
    code = sqlite3_step(stmt);
    *found = code == SQLITE_ROW;
    if (*found) {
        snprintf(out->host, sizeof(out->host), "%s",
                 (const char *)sqlite3_column_text(stmt, 0));
        out->pid = sqlite3_column_int64(stmt, 1);
        out->born = sqlite3_column_int64(stmt, 2);
        out->silent_s = sqlite3_column_double(stmt, 3);
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW || code == SQLITE_DONE ? OK : sql_refused(s);
}

static int take(const Store *s, int64_t sweep_id, const Worker *me,
                bool after_kill)
{
    if (after_kill)
        TRY(sql_query(s, NULL,
                      "UPDATE begun SET kills = kills + 1, "
                      "alone = together = 1 WHERE sweep_id = ? AND together",
                      "i", sweep_id));
    TRY(sql_query(s, NULL, "UPDATE begun SET together = 0 WHERE sweep_id = ?",
                  "i", sweep_id));
    return sql_query(s, NULL,
                     "INSERT OR REPLACE INTO at_work (sweep_id, host, pid, "
                     "born, seen) VALUES (?, ?, ?, ?, "
                     "strftime('%Y-%m-%dT%H:%M:%fZ'))",
                     "itii", sweep_id, me->host, me->pid, me->born);
}

int store_take(Store *s, int64_t sweep_id, const Worker *me, bool after_kill)
{
    TRY(sql_exec(s, "SAVEPOINT change"));
    return sql_finish(s, take(s, sweep_id, me, after_kill));
}

int store_leave(Store *s, int64_t sweep_id)
{
    TRY(store_begin_cases(s, sweep_id, NULL, 0, 0));
    return sql_query(s, NULL, "DELETE FROM at_work WHERE sweep_id = ?", "i",
                     sweep_id);
}

int store_seen(Store *s, int64_t sweep_id)
{
    return sql_query(s, NULL,
                     "UPDATE at_work SET seen = "
                     "strftime('%Y-%m-%dT%H:%M:%fZ') WHERE sweep_id = ?",
                     "i", sweep_id);
}

static int begin(Store *s, int64_t sweep_id, const char *const *repeat, int n,
                 int together)
{
    TRY(sql_query(s, NULL, "UPDATE begun SET together = 0 WHERE sweep_id = ?",
                  "i", sweep_id));
    for (int i = 0; i < n; i++)
        TRY(sql_query(s, NULL,
                      "INSERT INTO begun (sweep_id, repeat, together, kills, "
                      "alone) VALUES (?1, ?2, ?3, 0, 0) "
                      "ON CONFLICT DO UPDATE SET together = ?3",
                      "iti", sweep_id, repeat[i], (int64_t)together));
    return store_seen(s, sweep_id);
}

int store_begin_cases(Store *s, int64_t sweep_id, const char *const *repeat,
                      int n, int together)
{
    TRY(sql_exec(s, "SAVEPOINT change"));
    return sql_finish(s, begin(s, sweep_id, repeat, n, together));
}

int store_kills(Store *s, int64_t sweep_id, const char *repeat, int *kills,
                bool *alone)
{
    int64_t n = 0, of_one = 0;

    TRY(sql_query(s, &n,
                  "SELECT kills FROM begun WHERE sweep_id = ? AND repeat = ?",
                  "it", sweep_id, repeat));
    TRY(sql_query(s, &of_one,
                  "SELECT alone FROM begun WHERE sweep_id = ? AND repeat = ?",
                  "it", sweep_id, repeat));
    *kills = (int)n;
    *alone = of_one == 1;
    return OK;
}
