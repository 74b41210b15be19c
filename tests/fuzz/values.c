/*
 * values.c - a database in which some values are others, whatever its
 * constraints say.
 *
 * The first byte chooses what the database holds; then each change is a column,
 * which of its rows, and a value; or rows and tables are left out.  Databases
 * are made once, their constraints dropped, and changed in memory.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/fuzz/fuzz.h"
#include "tests/stored.h"

enum { CHANGES = 16, EVERY = 8, COLUMNS = 256 };

/* A database without constraints, and its columns. */
typedef struct Original {
    unsigned char *bytes;
    sqlite3_int64 size;
    struct {
        char table[32], column[32];
    } at[COLUMNS];
    unsigned n;
} Original;

/* Few rows of the paper's tables: how their orders agree is drawn a thousand
 * times, which is slow and not what is looked for. */
static void make_table1(const char *path)
{
    stored_paper(path, PAPER_TABLE1, 2);
}

static void make_table2(const char *path)
{
    stored_paper(path, PAPER_TABLE2, 1);
}

static void make_shapes(const char *path)
{
    stored_resolution(path);
    stored_stages(path);
}

/* The databases, and the commands that read them. */
static const struct {
    void (*make)(const char *path);
    unsigned what;
} kinds[] = {
    { stored_bench, READ_TABLES | READ_EXPORTS | READ_FIGURES },
    { stored_profiles, READ_TABLES | READ_EXPORTS | READ_FIGURES },
    { stored_channels, READ_TABLES | READ_FIGURES },
    { make_shapes, READ_TABLES | READ_FIGURES },
    { make_table1, READ_PAPER },
    { make_table1, READ_FIGURES },
    { make_table2, READ_PAPER },
    { make_table2, READ_FIGURES },
    { stored_fields, READ_FIGURES },
    { stored_trained_fields, READ_FIGURES },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Values as SQL: of every type, at the ends of its range, names that mean
 * something, texts that terminals, LaTeX, gnuplot or JSON read in their way. */
static const char *const values[] = {
    "NULL",
    "''",
    "0",
    "-1",
    "1",
    "2",
    "7",
    "16",
    "224",
    "100000",
    "2147483647",
    "2147483648",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "0.5",
    "1e308",
    "-1e308",
    "1e-320",
    "9e999",
    "-9e999",
    "'none'",
    "'scsa'",
    "'se'",
    "'sa'",
    "'resnet50'",
    "'mobilenetv2_100'",
    "'swin_t'",
    "'ok'",
    "'failed'",
    "'wrong'",
    "'attnbench'",
    "'bench'",
    "'channels'",
    "'profile'",
    "'table1'",
    "'table2'",
    "'module_stages'",
    "'fused'",
    "'backward'",
    "'bf16'",
    "'cpu'",
    "'cuda'",
    "'time_ns'",
    "'counted'",
    "'timed'",
    "'whole'",
    "'gates'",
    "'stage4'",
    "'2026-01-01T00:00:00Z'",
    "'{}'",
    "'{\"a\":'",
    "'[1]'",
    "'{\"reduction\":4}'",
    "'{\"reduction\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}'",
    "'attnbench run --module=se --reduction=4'",
    "'attnbench run --module=scsa --kernels=3,5,7,9,11,13,15,17'",
    "'a' || char(27) || '[31m'",
    "'a' || char(10) || 'b'",
    "'a''b\"c\\d`e$(f)&_%{}'",
    "'%s%n%d'",
    "CAST(x'fffe41' AS TEXT)",
    "x'00ff00'",
    "zeroblob(3000)",
    "printf('%.*c', 5000, 'a')",
};
enum { NVALUES = sizeof(values) / sizeof(values[0]) };

/* ---- the originals ------------------------------------------------------- */

/* Statements that a query writes, each in a row. */
static void run_each(sqlite3 *db, const char *query)
{
    char *all = NULL;
    sqlite3_stmt *q;

    BUG_IF(sqlite3_prepare_v2(db, query, -1, &q, NULL));
    while (sqlite3_step(q) == SQLITE_ROW) {
        char *more = sqlite3_mprintf("%z%s;", all, sqlite3_column_text(q, 0));

        BUG_IF(!more);
        all = more;
    }
    sqlite3_finalize(q);
    BUG_IF(sqlite3_exec(db, all ? all : "", NULL, NULL, NULL));
    sqlite3_free(all);
}

/* Each table becomes one with columns of the same names and nothing else. */
static void drop_constraints(sqlite3 *db)
{
    run_each(db, "SELECT 'ALTER TABLE ' || name || ' RENAME TO old_' || name "
                 "FROM sqlite_schema WHERE type = 'table'");
    run_each(db,
             "SELECT 'CREATE TABLE ' || substr(t.name, 5) || '(' || "
             "group_concat(c.name) || '); INSERT INTO ' || substr(t.name, 5) "
             "|| ' SELECT * FROM ' || t.name || '; DROP TABLE ' || t.name "
             "FROM sqlite_schema t, pragma_table_info(t.name) c "
             "WHERE t.type = 'table' GROUP BY t.name");
    BUG_IF(sqlite3_exec(db, "VACUUM", NULL, NULL, NULL));
}

static void list_columns(Original *o, sqlite3 *db)
{
    sqlite3_stmt *q;

    BUG_IF(sqlite3_prepare_v2(
        db,
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) "
        "c WHERE t.type = 'table' ORDER BY t.name, c.cid",
        -1, &q, NULL));
    while (sqlite3_step(q) == SQLITE_ROW) {
        BUG_IF(o->n == COLUMNS);
        snprintf(o->at[o->n].table, sizeof(o->at[o->n].table), "%s",
                 sqlite3_column_text(q, 0));
        snprintf(o->at[o->n].column, sizeof(o->at[o->n].column), "%s",
                 sqlite3_column_text(q, 1));
        o->n++;
    }
    sqlite3_finalize(q);
}

static void make(Original *o, void (*maker)(const char *path))
{
    char path[600];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s", temp_path("original.db"));
    remove(path);
    maker(path);
    BUG_IF(sqlite3_open(path, &db));
    drop_constraints(db);
    list_columns(o, db);
    o->bytes = sqlite3_serialize(db, "main", &o->size, 0);
    BUG_IF(!o->bytes);
    sqlite3_close(db);
}

/* ---- changes ------------------------------------------------------------- */

static void change(const Original *o, sqlite3 *db, Choices *c)
{
    const unsigned i = fuzz_choose(c, o->n), how = fuzz_choose(c, 256);
    const char *table = o->at[i].table, *column = o->at[i].column;
    const char *value = values[fuzz_choose(c, NVALUES)];
    const unsigned every = 1 + how % EVERY, row = how / EVERY % every;
    char *sql;

    if (how < 200)
        sql = sqlite3_mprintf("UPDATE %s SET %s = %s WHERE rowid %% %u = %u",
                              table, column, value, every, row);
    else if (how < 220)
        sql = sqlite3_mprintf("DELETE FROM %s WHERE rowid %% %u = %u", table,
                              every, row);
    else if (how < 240)
        sql = sqlite3_mprintf("INSERT INTO %s(%s) VALUES (%s)", table, column,
                              value);
    else if (how < 250)
        sql = sqlite3_mprintf("INSERT INTO %s SELECT * FROM %s WHERE "
                              "rowid %% %u = %u",
                              table, table, every, row);
    else
        sql = sqlite3_mprintf("DROP TABLE %s", table);
    BUG_IF(!sql);
    sqlite3_exec(db, sql, NULL, NULL, NULL); /* its table may be gone */
    sqlite3_free(sql);
}

static const char *changed(const Original *o, Choices *c)
{
    unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)o->size), *bytes;
    sqlite3_int64 size;
    const char *path;
    sqlite3 *db;

    BUG_IF(!copy || sqlite3_open(":memory:", &db));
    memcpy(copy, o->bytes, (size_t)o->size);
    BUG_IF(sqlite3_deserialize(db, "main", copy, o->size, o->size,
                               SQLITE_DESERIALIZE_FREEONCLOSE |
                                   SQLITE_DESERIALIZE_RESIZEABLE));
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    for (int i = 0; i < CHANGES && c->left; i++)
        change(o, db, c);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    bytes = sqlite3_serialize(db, "main", &size, 0);
    BUG_IF(!bytes);
    path = fuzz_file("values.db", bytes, (size_t)size);
    sqlite3_free(bytes);
    sqlite3_close(db);
    return path;
}

void fuzz_values(const uint8_t *data, size_t n)
{
    static Original originals[KINDS];
    Choices c = { data, n };
    const unsigned which = fuzz_choose(&c, KINDS);
    Original *o = &originals[which];

    if (!o->bytes)
        make(o, kinds[which].make);
    fuzz_read_database(changed(o, &c), kinds[which].what);
}
