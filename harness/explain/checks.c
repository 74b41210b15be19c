/*
 * checks.c - writes what counters agree and disagree with.
 */
#include "harness/explain/checks.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/counted.h"
#include "harness/report/table.h"

/* "calibration: DRAM read 1.000, FP32 1.000" */
static void write_calibration(FILE *to, const StoredProfile *p)
{
    static const char *const names[][2] = {
        { "dram_read_bytes", "DRAM read" },
        { "dram_write_bytes", "DRAM write" },
        { "fp32_flops", "FP32" },
        { "fp16_flops", "FP16" },
        { "tensor_flops", "tensor" },
    };
    int n = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const double part = counted_calibration(p, names[i][0]);

        if (!isnan(part))
            fprintf(to, "%s%s %.3f", n++ ? ", " : "calibration: ", names[i][1],
                    part);
    }
    if (n)
        fprintf(to, "\n");
}

/* A row of the whole run is of a calibration, which has a ratio alone. */
static void put_disagreement(Table *t, const StoredProfile *p,
                             const Disagreement *d)
{
    const int row = table_row(t);

    table_set(t, row, "quantity", "%s", d->name);
    if (d->step == WHOLE_RUN) {
        table_set(t, row, "ratio", "%.3f", d->counted);
        return;
    }
    table_set(t, row, "step", "%d", d->step);
    table_set(t, row, "op", "%s", p->step[d->step].op);
    table_set(t, row, "kernel", "%s", p->step[d->step].kernel);
    table_set(t, row, "counted", "%.6g", d->counted);
    table_set(t, row, "modelled", "%.6g", d->expected);
    table_set(t, row, "ratio", "%.3f", d->counted / d->expected);
}

static void write_disagreements(FILE *to, const StoredProfile *p)
{
    static const TableColumn columns[] = {
        { "step", "step", "", "", false, FOR_ALL, false },
        { "op", "op", "", "", true, FOR_ALL, false },
        { "kernel", "kernel", "", "", true, FOR_ALL, false },
        { "quantity", "quantity", "", "", true, FOR_ALL, false },
        { "counted", "counted", "", "", false, FOR_ALL, false },
        { "modelled", "modelled", "", "", false, FOR_ALL, false },
        { "ratio", "ratio", "", "", false, FOR_ALL, false },
    };
    Table t;
    int n;
    Disagreement *all = counted_disagreements(p, &n);

    table_init(&t, columns, sizeof(columns) / sizeof(*columns));
    for (int i = 0; i < n; i++)
        put_disagreement(&t, p, &all[i]);
    if (n) {
        fprintf(to, "disagreements:\n");
        table_print(&t, TABLE_TEXT, to);
    }
    table_free(&t);
    free(all);
}

static void write_cold(FILE *to, const StoredProfile *p)
{
    const ColdCheck c = counted_cold(p);

    if (c.is == COLD_NOT_CHECKED)
        fprintf(to, "cold: not checked: %s\n", c.reason);
    else
        fprintf(to,
                "cold: %s: of the %.0f bytes that it must read from memory it "
                "read %.0f\n",
                c.is == COLD_HELD ? "yes" : "no", c.compulsory, c.read);
}

void checks_write(FILE *to, const StoredProfile *p, bool cold)
{
    write_calibration(to, p);
    write_disagreements(to, p);
    if (cold)
        write_cold(to, p);
}
