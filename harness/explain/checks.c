/*
 * checks.c - writes what counters agree and disagree with.
 */
#include "harness/explain/checks.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/counted.h"

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

static void write_disagreements(FILE *to, const StoredProfile *p)
{
    int n;
    Disagreement *all = counted_disagreements(p, &n);

    if (n)
        fprintf(to, "disagreements:\n");
    for (int i = 0; i < n; i++) {
        const Disagreement *d = &all[i];

        if (d->step == WHOLE_RUN)
            fprintf(to, "  %s: %.3f\n", d->name, d->counted);
        else
            fprintf(to,
                    "  step %d, %s by %s: %s %.6g counted, %.6g modelled: "
                    "%.3f\n",
                    d->step, p->step[d->step].op, p->step[d->step].kernel,
                    d->name, d->counted, d->expected, d->counted / d->expected);
    }
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
