/*
 * cmd_roofs.c - attnbench roofs
 */
#include "harness/cli/cmd.h"

#include <stdio.h>
#include <string.h>

#include "analysis/roofline.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/explain/roofs.h"
#include "harness/measure/alone.h"
#include "harness/measure/db.h"
#include "harness/report/table.h"
#include "kernels/core/err.h"

typedef struct RoofsSettings {
    ParamName backend;
    int threads, seconds, fresh, force;
    const char *db;
} RoofsSettings;

static const Param roofs_params[] = {
    PARAM_NAME(RoofsSettings, backend, "cpu", backend_name,
               "device to measure"),
    PARAM_INT(RoofsSettings, threads, 0, 0, 1024,
              "number of threads; 0: all cores"),
    PARAM_INT(RoofsSettings, seconds, 1, 1, 600, "seconds to measure each"),
    PARAM_INT(RoofsSettings, fresh, 0, 0, 1,
              "measure again even if the database has roofs"),
    PARAM_INT(RoofsSettings, force, 0, 0, 1,
              "measure even if another attnbench is measuring on this machine"),
    PARAM_PATH(RoofsSettings, db, STORE_PATH, "the database"),
    PARAM_END,
};

static const Usage usage = {
    .name = "roofs",
    .args = "",
    .what = "Measures the peak speeds of this machine: bandwidths of its "
            "caches and\n"
            "of memory, and peaks of arithmetic.  They are stored in the "
            "database, for\n"
            "'attnbench plot roofline' and 'attnbench why'.",
    .params = roofs_params,
    .exits = "Exit status: 0 if there are roofs; 1 if they could not be "
             "measured; 2 if the command line is wrong.",
    .examples = "  attnbench roofs\n"
                "  attnbench roofs --threads=1 --fresh\n",
};

static void print_roofs(const Roofs *roofs, const Device *dev)
{
    char doubt[ROOFS_DOUBT];

    printf("%s\n\n  %-12s %12s %-20s %5s  %s\n", dev->about, "roof", "median",
           "95 % interval", "n", "measured");
    for (int i = 0; i < roofs->n; i++) {
        const Roof *r = &roofs->at[i];
        char value[32], lo[32], hi[32], interval[80];

        snprintf(interval, sizeof(interval), "[%s, %s]",
                 digits_like(r->lo / 1e9, r->value / 1e9, lo),
                 digits_like(r->hi / 1e9, r->value / 1e9, hi));
        printf("  %-12s %6s %s %-20s %5d  %.19s%s\n", r->name,
               three_digits(r->value / 1e9, value),
               strcmp(r->unit, "bytes/s") ? "Gop/s" : "GB/s ", interval, r->n,
               r->measured_at[0] ? r->measured_at : "now",
               roof_is_wide(r) ? "  too wide" : "");
    }
    if (roofs_doubt(doubt, roofs)[0])
        printf("\n%s\n", doubt);
}

/* Those that are all stored are only printed: a sweep may run meanwhile. */
static int get_roofs(Roofs *roofs, const RoofsSettings *s, Device *dev)
{
    Store *store;
    int err, lock;

    TRY(db_open(&store, s->db, STORE_WRITE));
    err = roofs_read(roofs, store, dev);
    if (!err && (s->fresh || roofs_lack(roofs, dev)))
        err = alone_take(&lock, s->force); /* to the end of the process */
    if (!err)
        err = roofs_get(roofs, store, dev, s->seconds, s->fresh);
    if (!err && !roofs->n)
        err = fail(ERR_UNSUPPORTED, "backend '%s' has no roofs to measure",
                   dev->backend->name);
    store_close(store);
    return err;
}

int cmd_roofs(int argc, char **argv)
{
    RoofsSettings s;
    Device *dev;
    Flags flags;
    Roofs roofs;
    int err;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    TRY(backend_open(&dev, s.backend.text,
                     &(DeviceSettings){ .threads = s.threads, .isa = "" }));
    err = get_roofs(&roofs, &s, dev);
    if (!err)
        print_roofs(&roofs, dev);
    backend_close(dev);
    return err;
}
