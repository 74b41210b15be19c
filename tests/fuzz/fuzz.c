/*
 * fuzz.c - the list of targets, and what they share.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attention_zoo/zoo.h"
#include "harness/cli/cmd.h"
#include "kernels/core/err.h"
#include "plots/plot.h"
#include "results/store.h"
#include "tests/databases.h"

static const FuzzTarget targets[] = {
#define X(id, help) { #id, help, fuzz_##id },
    FUZZ_TARGETS(X)
#undef X
};
enum { NTARGETS = sizeof(targets) / sizeof(targets[0]) };

const FuzzTarget *fuzz_target(int i)
{
    return i >= 0 && i < NTARGETS ? &targets[i] : NULL;
}

void fuzz_run(const FuzzTarget *target, const uint8_t *data, size_t n)
{
    FILE *const shown = stdout, *null = fopen("/dev/null", "w");
    uint8_t *copy = malloc(n ? n : 1);

    BUG_IF(!null || !copy);
    if (n)
        memcpy(copy, data, n);
    stdout = null;
    target->run(copy, n);
    stdout = shown;
    fclose(null);
    free(copy);
}

const char *fuzz_file(const char *name, const void *data, size_t n)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "wb");

    BUG_IF(!f);
    BUG_IF(n && fwrite(data, 1, n, f) != n);
    BUG_IF(fclose(f));
    return path;
}

unsigned fuzz_choose(Choices *c, unsigned n)
{
    unsigned x = 0;

    for (unsigned over = 1; over < n && c->left; over <<= 8) {
        x = x << 8 | *c->at++;
        c->left--;
    }
    return x % n;
}

static void command(int (*run)(int argc, char **argv), const char *db,
                    const char *a, const char *b)
{
    char flag[600], first[64], second[64];
    char *argv[] = { flag, first, second, NULL };

    snprintf(flag, sizeof(flag), "--db=%s", db);
    snprintf(first, sizeof(first), "%s", a);
    snprintf(second, sizeof(second), "%s", b);
    run(1 + (*a != 0) + (*b != 0), argv);
}

/* Figures are composed and then cannot be written: no gnuplot is started. */
static void draw(const char *db)
{
    const PlotOptions options = { .out = "/dev/null/figures",
                                  .formats = "svg",
                                  .focus = "scsa",
                                  .module_at = zoo_name };
    char note[PLOT_NOTE];
    Store *s;

    if (store_open(&s, db, STORE_READ) != OK)
        return;
    for (int i = 0; plot_name(i); i++)
        plot_draw(i, s, &options, note);
    store_close(s);
}

/* Removes the files that SQLite left next to the database before this one. */
static void remove_journals(const char *path)
{
    static const char *const ends[] = { "-journal", "-wal", "-shm" };
    char journal[600];

    for (int i = 0; i < 3; i++) {
        snprintf(journal, sizeof(journal), "%s%s", path, ends[i]);
        unlink(journal);
    }
}

void fuzz_read_database(const char *path, unsigned what)
{
    remove_journals(path);
    if (what & READ_TABLES) {
        command(cmd_table, path, "", "");
        command(cmd_table, path, "bench", "--format=latex");
        command(cmd_table, path, "profile", "--format=markdown");
    }
    if (what & READ_EXPORTS) {
        command(cmd_export, path, "--format=json", "");
        command(cmd_export, path, "--samples", "");
        command(cmd_export, path, "", "");
    }
    if (what & READ_PAPER) {
        command(cmd_reproduce, path, "--stored", "table1");
        command(cmd_reproduce, path, "--stored", "table2");
    }
    if (what & READ_FIGURES)
        draw(path);
}
