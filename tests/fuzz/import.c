/*
 * import.c - what another program measured, into a database.
 */
#include "harness/report/import.h"

#include <sqlite3.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/fuzz/fuzz.h"

static Store *open_new(void)
{
    const char *path = temp_path("imported.db");
    Store *s;

    unlink(path);
    BUG_IF(store_open(&s, path, STORE_WRITE) != OK);
    sqlite3_exec(store_sqlite(s),
                 "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF", NULL,
                 NULL, NULL);
    return s;
}

/* A refused file leaves nothing behind, so that the next finds it empty. */
void fuzz_import(const uint8_t *data, size_t n)
{
    static Store *s;
    Added count;
    const char *path;
    int err;

    if (!s)
        s = open_new();
    path = fuzz_file("import.json", data, n);
    err = import_json(s, path, &count);
    BUG_IF(!sqlite3_get_autocommit(store_sqlite(s)));
    if (err == OK) {
        store_close(s);
        s = NULL;
    }
}
