/*
 * drawn.c - draws by plot_draw, for the tests of figures.
 */
#include "tests/drawn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "tests/databases.h"
#include "tests/stored.h"
#include "tests/test.h"

bool have_gnuplot(void)
{
    return system("gnuplot --version >/dev/null 2>&1") == 0;
}

static int figure(const char *name)
{
    int i = 0;

    while (plot_name(i) && strcmp(plot_name(i), name))
        i++;
    return i;
}

char *draw(const char *db, const char *name, PlotOptions o, int *err)
{
    char note[PLOT_NOTE], file[64];
    Store *s;
    size_t n;

    o.out = test_tmpdir();
    o.formats = o.formats ? o.formats : "svg,png";
    o.focus = "scsa";
    o.module_at = zoo_name;
    *err = store_open(&s, db, STORE_READ);
    if (*err)
        return NULL;
    *err = plot_draw(figure(name), s, &o, note);
    store_close(s);
    snprintf(file, sizeof(file), "%s.dat", name);
    return read_bytes(temp_path(file), &n);
}

const char *full_database(void)
{
    static char db[256];

    snprintf(db, sizeof(db), "%s", temp_path("full.db"));
    stored_bench(db);
    stored_channels(db);
    stored_resolution(db);
    stored_stages(db);
    stored_profiles(db);
    stored_fields(db);
    stored_paper(db, PAPER_TABLE1, 0);
    stored_paper(db, PAPER_TABLE2, 0);
    return db;
}
