/*
 * test_counted.c - profiles whose counters do not agree with what is known, one
 * by one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/counted.h"
#include "harness/explain/checks.h"
#include "kernels/core/err.h"
#include "tests/test.h"

static StoredStep steps[] = {
    { "conv2d", "tiles", "conv1", "(8,64,56,56)" },
    { "conv2d", "cudnn", "conv2", "(8,64,56,56)" },
};

enum { MOST = 16 };

/* Two steps, and these quantities up to one without a name. */
static StoredProfile profile(Quantity quantities[MOST])
{
    StoredProfile p = { steps, 2, quantities, 0 };

    while (p.nquantities < MOST && quantities[p.nquantities].name[0])
        p.nquantities++;
    return p;
}

#define COUNTED(step, name, value)                \
    {                                             \
        step, "", name, SOURCE_COUNTED, value, "" \
    }
#define MODELLED(step, name, value)                \
    {                                              \
        step, "", name, SOURCE_MODELLED, value, "" \
    }

static Disagreement disagreement;

/* How many there are; the last of them is kept. */
static int disagreements(Quantity quantities[MOST])
{
    const StoredProfile p = profile(quantities);
    int n;
    Disagreement *all = counted_disagreements(&p, &n);

    disagreement = n ? all[n - 1] : (Disagreement){ 0 };
    free(all);
    return n;
}

TEST(counted, a_factor_of_known_work_may_be_off_by_a_hundredth)
{
    Quantity q[MOST] = {
        COUNTED(WHOLE_RUN, "calibration_dram_read_bytes", 1.009),
        COUNTED(WHOLE_RUN, "calibration_fp32_flops", 0.991),
        COUNTED(WHOLE_RUN, "dram_read_bytes", 12345),
    };
    const StoredProfile p = profile(q);

    CHECK(disagreements(q) == 0);
    CHECK(counted_calibration(&p, "dram_read_bytes") == 1.009);
    CHECK(counted_calibration(&p, "fp32_flops") == 0.991);
    CHECK(isnan(counted_calibration(&p, "fp16_flops")));
    q[0].value = 1.011;
    CHECK(disagreements(q) == 1);
    CHECK(disagreement.step == WHOLE_RUN && disagreement.counted == 1.011 &&
          disagreement.expected == 1 &&
          !strcmp(disagreement.name, "calibration_dram_read_bytes"));
    q[1].value = 0.989;
    CHECK(disagreements(q) == 2);
    CHECK(!strcmp(disagreement.name, "calibration_fp32_flops"));
    /* half as many, which is what an instruction of pairs may be counted as */
    q[0].value = 0.5;
    CHECK(disagreements(q) == 2);
}

TEST(counted, what_was_not_counted_does_not_disagree)
{
    Quantity q[MOST] = {
        COUNTED(WHOLE_RUN, "calibration_fp32_flops", NAN),
        COUNTED(0, "fp32_flops", NAN),
        MODELLED(0, "fp32_flops", 100),
        COUNTED(1, "fp32_flops", 5), /* a library's: nothing is modelled */
        MODELLED(1, "flops", 100),
    };

    CHECK(disagreements(q) == 0);
    q[1].value = 100;
    CHECK(disagreements(q) == 0);
    q[1].value = 102;
    CHECK(disagreements(q) == 1);
}

TEST(counted, operations_of_a_step_are_those_that_are_modelled)
{
    Quantity q[MOST] = {
        MODELLED(0, "flops", 2000),
        MODELLED(0, "fp32_flops", 1000),
        COUNTED(0, "fp32_flops", 1010),
        COUNTED(0, "transcendentals", 32),
        MODELLED(0, "transcendentals", 1),
        COUNTED(WHOLE_RUN, "fp32_flops", 1e6),
        MODELLED(WHOLE_RUN, "fp32_flops", 1),
    };

    CHECK(disagreements(q) == 0);
    q[2].value = 1011;
    CHECK(disagreements(q) == 1);
    CHECK(disagreement.step == 0 && disagreement.counted == 1011 &&
          disagreement.expected == 1000 &&
          !strcmp(disagreement.name, "fp32_flops"));
    q[2].value = 989;
    CHECK(disagreements(q) == 1);
    q[2].value = 0;
    CHECK(disagreements(q) == 1);
    /* of one launch of the step, not of the step */
    snprintf(q[2].launch, sizeof(q[2].launch), "tiles_kernel");
    CHECK(disagreements(q) == 0);
    q[2].launch[0] = '\0';
    q[2].source = SOURCE_TIMED;
    CHECK(disagreements(q) == 0);
}

TEST(counted, a_cold_run_reads_what_it_must)
{
    Quantity q[MOST] = {
        MODELLED(WHOLE_RUN, "compulsory_bytes", 5000),
        MODELLED(WHOLE_RUN, "compulsory_read_bytes", 1000),
        COUNTED(0, "dram_read_bytes", 1),
        COUNTED(WHOLE_RUN, "dram_read_bytes", 990),
    };
    StoredProfile p = profile(q);
    ColdCheck c = counted_cold(&p);

    CHECK(c.is == COLD_HELD && c.read == 990 && c.compulsory == 1000);
    q[3].value = 1e9;
    CHECK(counted_cold(&p).is == COLD_HELD);
    q[3].value = 989;
    CHECK(counted_cold(&p).is == COLD_NOT_HELD);
    q[3].value = 0;
    CHECK(counted_cold(&p).is == COLD_NOT_HELD);
}

TEST(counted, a_cold_run_that_nobody_counted_is_not_checked)
{
    Quantity q[MOST] = {
        COUNTED(WHOLE_RUN, "dram_read_bytes", NAN),
        MODELLED(WHOLE_RUN, "compulsory_read_bytes", 1000),
    };
    StoredProfile p = profile(q);
    ColdCheck c;

    snprintf(q[0].reason, sizeof(q[0].reason), "no permission");
    c = counted_cold(&p);
    CHECK(c.is == COLD_NOT_CHECKED && !strcmp(c.reason, "no permission"));
    q[0].step = 0;
    c = counted_cold(&p);
    CHECK(c.is == COLD_NOT_CHECKED &&
          strstr(c.reason, "no counter here counts"));
    q[0] = (Quantity)COUNTED(WHOLE_RUN, "dram_read_bytes", 2000);
    CHECK(counted_cold(&p).is == COLD_HELD);
    p.nquantities = 1;
    c = counted_cold(&p);
    CHECK(c.is == COLD_NOT_CHECKED && strstr(c.reason, "not stored"));
}

/* ---- in words ------------------------------------------------------------ */

static void check_written(Quantity quantities[MOST], bool cold,
                          const char *expected)
{
    const StoredProfile p = profile(quantities);
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    BUG_IF(!f);
    checks_write(f, &p, cold);
    fclose(f);
    CHECK_MSG(strcmp(text, expected) == 0, "%s", text);
    free(text);
}

TEST(counted, all_checks_are_told_in_a_line_each)
{
    Quantity none[MOST] = { MODELLED(0, "flops", 1) };
    Quantity good[MOST] = {
        COUNTED(WHOLE_RUN, "calibration_fp32_flops", 1),
        COUNTED(WHOLE_RUN, "calibration_tensor_flops", NAN),
        COUNTED(WHOLE_RUN, "calibration_dram_read_bytes", 1.0021),
        COUNTED(WHOLE_RUN, "dram_read_bytes", 1500),
        MODELLED(WHOLE_RUN, "compulsory_read_bytes", 1000),
    };
    Quantity bad[MOST] = {
        COUNTED(WHOLE_RUN, "calibration_fp16_flops", 0.5),
        COUNTED(0, "fp32_flops", 1200000),
        MODELLED(0, "fp32_flops", 1000000),
        COUNTED(WHOLE_RUN, "dram_read_bytes", 7),
        MODELLED(WHOLE_RUN, "compulsory_read_bytes", 1000),
    };

    check_written(none, false, "");
    check_written(none, true,
                  "cold: not checked: no counter here counts the bytes read "
                  "from memory\n");
    check_written(good, false, "calibration: DRAM read 1.002, FP32 1.000\n");
    check_written(good, true,
                  "calibration: DRAM read 1.002, FP32 1.000\n"
                  "cold: yes: of the 1000 bytes that it must read from memory "
                  "it read 1500\n");
    check_written(
        bad, true,
        "calibration: FP16 0.500\n"
        "disagreements:\n"
        "step  op      kernel  quantity                counted  modelled  "
        "ratio\n"
        "                      calibration_fp16_flops                     "
        "0.500\n"
        "   0  conv2d  tiles   fp32_flops              1.2e+06     1e+06  "
        "1.200\n"
        "cold: no: of the 1000 bytes that it must read from memory it "
        "read 7\n");
}
