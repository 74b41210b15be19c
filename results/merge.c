/*
 * merge.c - adds what another database holds.
 *
 * The other file is attached, and each table copied by one INSERT ... SELECT.
 * Columns and references are the schema's own (pragma_table_info,
 * pragma_foreign_key_list), so that a new column needs no line here.  An id is
 * another in each database: the temporary table run_map has the ids of runs
 * there (old) and here (new), and a row is copied if all that it refers to is
 * in such a map.
 */
#include "results/merge.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "results/sql.h"

/* Columns of the table ?1, and the table that they are an id of, or NULL. */
#define COLUMNS                                                           \
    "(SELECT c.name AS name, CASE c.name WHEN 'id' THEN ?1 ELSE"          \
    "  (SELECT k.\"table\" FROM pragma_foreign_key_list(?1, 'main') AS k" \
    "   WHERE k.\"from\" = c.name AND EXISTS (SELECT 1 FROM"              \
    "    pragma_table_info(k.\"table\", 'main') WHERE name = 'id')) END"  \
    "  AS target FROM pragma_table_info(?1, 'main') AS c)"

/* A row there with the rows of the maps that it refers to. */
#define FROM_OTHER                                                             \
    "' FROM other.' || ?1 || ' AS o' || coalesce(group_concat(' JOIN map_of_'" \
    " || target || ' ON map_of_' || target || '.old = o.' || name, ''), '')"

/* In this order: what is referred to comes first. */
static const struct MergeTable {
    const char *name;
    const char *same; /* when m, a row here, is o, a row there; CONTENT; or "":
                         the table has no id                               */
    bool shared;      /* what is there already may be referred to          */
    size_t count;     /* where in an Added its rows are counted, + 1   */
} tables[] = {
#define CONTENT      NULL
#define COUNT(field) 1 + offsetof(Added, field)
    { "machine", CONTENT, true, 0 },
    { "build", CONTENT, true, 0 },
    { "sweep",
      "m.experiment = o.experiment AND m.source = o.source AND EXISTS "
      "(SELECT 1 FROM main.start AS a JOIN other.start AS b "
      "USING (started_at, seed) WHERE a.sweep_id = m.id "
      "AND b.sweep_id = o.id AND b.start = 0)",
      true, COUNT(sweeps) },
    { "start", "", false, 0 },
    { "run", "m.sweep_id = map_of_sweep.new AND m.repeat = o.repeat", false,
      COUNT(runs) },
    { "sample", "", false, COUNT(samples) },
    { "step", "", false, 0 },
    { "quantity", "", false, 0 },
    { "roof", "", false, COUNT(roofs) },
    { "erf", "m.run_id = map_of_run.new AND m.tap = o.tap", false,
      COUNT(erfs) },
    { "erf_map", "", false, 0 },
    { "erf_number", "", false, 0 },
#undef COUNT
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

/* Gives ids to the rows that are to be added. */
static int map_new(const Store *s, const char *table, const char *same)
{
    char *from;
    int err;

    TRY(sql_run(s,
                sqlite3_mprintf(
                    "DROP TABLE IF EXISTS temp.map_of_%s; CREATE TEMP TABLE "
                    "map_of_%s (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)",
                    table, table)));
    TRY(sql_text(&from, s,
                 "SELECT " FROM_OTHER " FROM " COLUMNS " WHERE name <> 'id'",
                 table));
    err = sql_run(s,
                  sqlite3_mprintf(
                      "INSERT INTO map_of_%s SELECT o.id, row_number() OVER "
                      "(ORDER BY o.id) + (SELECT coalesce(max(id), 0) FROM "
                      "main.%s)%s WHERE NOT EXISTS (SELECT 1 FROM main.%s AS m "
                      "WHERE %s)",
                      table, table, from, table, same));
    sqlite3_free(from);
    return err;
}

/* Maps the other rows to those that are the same. */
static int map_shared(const Store *s, const char *table, const char *same)
{
    return sql_run(
        s, sqlite3_mprintf("INSERT OR IGNORE INTO map_of_%s SELECT o.id, m.id "
                           "FROM other.%s AS o JOIN main.%s AS m ON %s",
                           table, table, table, same));
}

static int copy_rows(const Store *s, const char *table, int *n)
{
    char *sql;

    TRY(sql_text(&sql, s,
                 "SELECT 'INSERT INTO main.' || ?1 || ' (' || "
                 "group_concat(name, ', ') || ') SELECT ' || group_concat("
                 "coalesce('map_of_' || target || '.new', 'o.' || name), "
                 "', ') || " FROM_OTHER " || ' WHERE true' || "
                 "(SELECT iif(wr, '', ' ORDER BY o.rowid') FROM "
                 "pragma_table_list(?1) WHERE schema = 'main') || "
                 "' ON CONFLICT DO NOTHING' FROM " COLUMNS,
                 table));
    TRY(sql_run(s, sql));
    *n = sqlite3_changes(s->db);
    return OK;
}

static int merge_table(const Store *s, const struct MergeTable *t, Added *added)
{
    char *same = NULL;
    int n = 0, err = OK;

    if (t->same == CONTENT)
        TRY(sql_text(&same, s,
                     "SELECT group_concat('m.' || name || ' = o.' || name, "
                     "' AND ') FROM pragma_table_info(?1, 'main') "
                     "WHERE name <> 'id'",
                     t->name));
    else if (*t->same)
        same = sqlite3_mprintf("%s", t->same);
    if (same)
        err = map_new(s, t->name, same);
    if (!err)
        err = copy_rows(s, t->name, &n);
    if (!err && t->shared)
        err = map_shared(s, t->name, same);
    if (t->count)
        *(int *)(void *)((char *)added + t->count - 1) = n;
    sqlite3_free(same);
    return err;
}

/* Two copies of a sweep that were both resumed have different starts of one
 * number. */
static int refuse_forked(const Store *s)
{
    int64_t n = 0;

    TRY(sql_query(s, &n,
                  "SELECT count(*) FROM map_of_sweep JOIN other.start AS o ON "
                  "o.sweep_id = old JOIN main.start AS m ON m.sweep_id = new "
                  "AND m.start = o.start WHERE m.started_at <> o.started_at",
                  ""));
    if (n)
        return fail(ERR_INPUT,
                    "a sweep that is there already was resumed in both "
                    "databases; merge them into a new one each");
    return OK;
}

/* Checks what holds only when all rows are there. */
static int finish(const Store *s, Added *added)
{
    int64_t profiles = 0, there = 0;

    TRY(sql_query(s, &profiles,
                  "SELECT count(*) FROM map_of_run WHERE EXISTS (SELECT 1 FROM "
                  "main.step WHERE run_id = new) OR EXISTS (SELECT 1 FROM "
                  "main.quantity WHERE run_id = new)",
                  ""));
    TRY(sql_query(s, &there, "SELECT count(*) FROM other.sweep", ""));
    added->profiles = (int)profiles;
    added->there = (int)there - added->sweeps;
    return sql_exec(s, "UPDATE main.sweep SET ended_at = o.ended_at FROM "
                       "map_of_sweep JOIN other.sweep AS o ON o.id = old "
                       "WHERE main.sweep.id = new AND "
                       "main.sweep.ended_at IS NULL");
}

static int merge_all(const Store *s, Added *added)
{
    for (int i = 0; i < TABLES; i++) {
        TRY(merge_table(s, &tables[i], added));
        if (tables[i].count == 1 + offsetof(Added, sweeps))
            TRY(refuse_forked(s));
    }
    return finish(s, added);
}

static int attach(const Store *s, Store *other)
{
    char *uri = NULL;
    int err;

    if (other->in_memory) {
        TRY(sql_exec(s, "ATTACH ':memory:' AS other"));
        return sql_copy(other, s->db, "other");
    }
    TRY(sql_uri(other, &uri));
    err = sql_query(s, NULL, "ATTACH ? AS other", "t", uri);
    free(uri);
    return err;
}

int store_merge(Store *s, const char *path, Added *added)
{
    Store *other;
    int err;

    *added = (Added){ 0 };
    TRY(store_open_waiting(&other, path, STORE_READ, s->wait));
    err = attach(s, other);
    store_close(other);
    if (!err)
        err = store_group_begin(s);
    if (!err)
        err = store_group_end(s, merge_all(s, added));
    sqlite3_exec(s->db, "DETACH other", NULL, NULL, NULL);
    return err ? fail_within(err, "merging %s", path) : OK;
}
