/*
 * test_cupti.c - the table of counters against the CUPTI that is installed,
 * which needs no GPU for that; and what is made of numbers that were counted.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cupti/cupti_host.h"
#include "kernels/cupti/metrics.h"
#include "tests/databases.h"
#include "tests/test.h"

static Cupti opened(void)
{
    Cupti cupti;

#ifdef __SANITIZE_ADDRESS__
    SKIP("CUPTI opens its parts with RTLD_DEEPBIND, and sanitizers refuse it");
#endif
    if (cupti_open(&cupti))
        SKIP(err_message());
    return cupti;
}

/* ---- names --------------------------------------------------------------- */

/* A set's metrics by name. */
static int names_of(const char *names[MAX_METRICS], MetricSet set,
                    const char *chip, Dtype dtype)
{
    const Metric *m[MAX_METRICS];
    const int n = metrics_of(m, set, chip, dtype);

    for (int i = 0; i < n; i++)
        names[i] = m[i]->name;
    return n;
}

/* Times that a step runs until a set is counted. */
static int expected_passes(MetricSet set, const char *chip, Dtype dtype)
{
    if (set != SET_TENSOR)
        return 1;
    return dtype == F16                                    ? 2
           : dtype != BF16 && strncmp(chip, "GB1", 3) == 0 ? 2
                                                           : 1;
}

TEST(cupti, every_chip_has_every_metric_in_so_many_passes)
{
    Cupti cupti = opened();

    for (int c = 0; metrics_chip(c); c++)
        for (int set = 0; set < NSETS; set++)
            for (int d = 0; d < NDTYPES; d++) {
                const char *chip = metrics_chip(c), *names[MAX_METRICS];
                const int n = names_of(names, set, chip, d);
                CuptiHost h;
                int err;

                if (d != F32 && set != SET_TENSOR)
                    continue;
                CHECK(n > 0);
                err = cupti_host_open(&h, &cupti, chip, NULL, names, n);
                CHECK_MSG(err == OK, "%s", err_message());
                CHECK_MSG(err || h.passes == expected_passes(set, chip, d),
                          "%s, set %d, %s: %d passes", chip, set, dtype_name(d),
                          h.passes);
                cupti_host_close(&h);
            }
    cupti_close(&cupti);
}

TEST(cupti, a_metric_that_is_not_there_is_refused_by_its_name)
{
    const char *names[] = { "lts__t_bytes.sum", "lts__t_bites.sum" },
               *no_rollup = "lts__t_bytes";
    Cupti cupti = opened();
    CuptiHost h;

    CHECK(cupti_host_open(&h, &cupti, "GH100", NULL, names, 2) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "GH100 has no metric 'lts__t_bites.sum'"),
              "%s", err_message());
    cupti_host_close(&h);
    CHECK(!cupti_host_has(&cupti, "GH100", NULL, no_rollup));
    CHECK(cupti_host_has(&cupti, "GH100", NULL, names[0]));
    /* the names differ between chips: one table for all would not do */
    CHECK(!cupti_host_has(&cupti, "GB202", NULL, "dram__bytes_read.sum"));
    CHECK(!cupti_host_has(&cupti, "GH100", NULL, "dram__bytes_op_read.sum"));
    cupti_close(&cupti);
}

TEST(cupti, a_chip_that_it_does_not_know_is_refused)
{
    const char *name = "lts__t_bytes.sum";
    Cupti cupti = opened();
    CuptiHost h;

    CHECK(cupti_host_open(&h, &cupti, "GH900", NULL, &name, 1) ==
          ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "CUPTI does not know this GPU"), "%s",
              err_message());
    cupti_host_close(&h);
    cupti_close(&cupti);
}

typedef struct Seen {
    int n;
    bool l2;
} Seen;

static void see(void *arg, const char *metric)
{
    Seen *seen = arg;

    seen->n++;
    seen->l2 |= strcmp(metric, "lts__t_bytes") == 0;
}

TEST(cupti, lists_what_a_chip_has)
{
    Cupti cupti = opened();
    Seen seen = { 0 };

    CHECK(cupti_host_list(&cupti, "GH100", see, &seen) == OK);
    CHECK_MSG(seen.n > 1000 && seen.l2, "%d metrics", seen.n);
    cupti_close(&cupti);
}

/* ---- quantities ---------------------------------------------------------- */

typedef struct Value {
    const char *metric;
    double value;
} Value;

/* A quantity of a set, of the values that are given by name; others are 0. */
static double quantity_of(const char *chip, MetricSet set, Dtype dtype,
                          const char *quantity, const Value *counted,
                          const char **missing)
{
    const Metric *m[MAX_METRICS];
    double values[MAX_METRICS] = { 0 };
    const int n = metrics_of(m, set, chip, dtype);

    for (; counted->metric; counted++)
        for (int i = 0; i < n; i++)
            if (strcmp(m[i]->name, counted->metric) == 0)
                values[i] = counted->value;
    return metrics_quantity(m, values, n, quantity, missing);
}

#define OP(x) "smsp__sass_thread_inst_executed_op_" x "_pred_on.sum"

TEST(metrics, a_multiply_add_is_two_and_a_pair_of_them_four)
{
    static const Value counted[] = {
        { OP("fadd"), 1 },      { OP("fmul"), 10 },
        { OP("ffma"), 100 },    { OP("fadd2"), 1000 },
        { OP("fmul2"), 10000 }, { OP("ffma2"), 1e5 },
        { OP("hadd"), 1 },      { OP("hmul"), 10 },
        { OP("hfma"), 100 },    { NULL },
    };
    const char *missing;

    CHECK(quantity_of("GH100", SET_INSTRUCTIONS, F32, "fp32_flops", counted,
                      &missing) == 1 + 10 + 200);
    CHECK(quantity_of("GB100", SET_INSTRUCTIONS, F32, "fp32_flops", counted,
                      &missing) == 1 + 10 + 200 + 2000 + 20000 + 4e5);
    CHECK(quantity_of("GH100", SET_INSTRUCTIONS, F16, "fp16_flops", counted,
                      &missing) == 2 + 20 + 400);
    CHECK(!missing);
}

TEST(metrics, units_are_those_of_the_quantities)
{
    static const Value counted[] = {
        { "sm__warps_active.avg.pct_of_peak_sustained_active", 62.5 },
        { "sm__cycles_elapsed.avg.per_second", 1.98e9 },
        { "smsp__inst_executed_pipe_xu.sum", 7 },
        { "dram__bytes_read.sum", 4096 },
        { "dram__bytes_op_read.sum", 8192 },
        { NULL },
    };
    const char *missing;

#define MEMORY(chip, q) quantity_of(chip, SET_MEMORY, F32, q, counted, &missing)
    CHECK(MEMORY("GH100", "occupancy") == 0.625);
    CHECK(fabs(MEMORY("GH100", "clock_mhz") - 1980) < 1e-9);
    CHECK(MEMORY("GH100", "transcendentals") == 7 * 32);
    CHECK(MEMORY("GH100", "dram_read_bytes") == 4096);
    CHECK(MEMORY("GB202", "dram_read_bytes") == 8192);
}

TEST(metrics, tensor_operations_are_those_of_the_dtype)
{
    static const Value counted[] = {
        { "sm__ops_path_tensor_src_tf32_dst_fp32.sum", 1 },
        { "sm__ops_path_tensor_src_bf16_dst_fp32.sum", 2 },
        { "sm__ops_path_tensor_src_fp16.sum", 4 },
        { "sm__ops_path_tensor_src_fp16_dst_fp16.sum", 8 },
        { "sm__ops_path_tensor_src_fp16_dst_fp32.sum", 16 },
        { NULL },
    };
    const char *missing;

#define TENSOR(chip, d) \
    quantity_of(chip, SET_TENSOR, d, "tensor_flops", counted, &missing)
    CHECK(TENSOR("GH100", F32) == 1 && TENSOR("GH100", TF32) == 1);
    CHECK(TENSOR("GH100", BF16) == 2 && TENSOR("GA100", BF16) == 2);
    CHECK(TENSOR("GH100", F16) == 4);
    CHECK(TENSOR("GA100", F16) == 8 + 16 && TENSOR("GB100", F16) == 8 + 16);
}

TEST(metrics, a_quantity_lacks_its_value_where_one_counter_does)
{
    static const Value counted[] = { { OP("fadd"), 1 },
                                     { OP("ffma"), NAN },
                                     { NULL } };
    const char *missing;

    CHECK(isnan(quantity_of("GH100", SET_INSTRUCTIONS, F32, "fp32_flops",
                            counted, &missing)));
    CHECK(missing && strcmp(missing, OP("ffma")) == 0);
    CHECK(quantity_of("GH100", SET_INSTRUCTIONS, F32, "fp16_flops", counted,
                      &missing) == 0);
    CHECK(!missing);
}

TEST(metrics, another_chip_has_none)
{
    const Metric *m[MAX_METRICS];

    CHECK(metrics_of(m, SET_MEMORY, "TU102", F32) == 0);
    CHECK(metrics_of(m, SET_MEMORY, "GH100", F32) == 8);
    CHECK(metrics_of(m, SET_MEMORY, "GB102", F32) == 8);
    CHECK(metrics_of(m, SET_MEMORY, "GB20B", F32) == 6); /* of no DRAM */
}

/* ---- refusals ------------------------------------------------------------ */

TEST(cupti, each_refusal_says_what_helps)
{
    static const struct {
        int code;
        const char *says;
    } cases[] = {
        { 26, "another profiler" },
        { 33, "virtual" },
        { 35, "NVreg_RestrictProfilingToAdminUsers=0" },
        { 39, "another tool is attached" },
        { 40, "ask who runs it" },
        { 41, "confidential" },
        { 43, "MIG" },
        { 42, "use another" },
        { 999, "driver" },
        { 5, "CUPTI refused (call: 5)" },
    };

    CHECK(cupti_check(0, "call") == OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(cupti_check(cases[i].code, "call") == ERR_UNSUPPORTED);
        CHECK_MSG(strstr(err_message(), cases[i].says), "%s", err_message());
    }
}

static const char *file_of(const char *name, const char *text)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "w");

    BUG_IF(!f || fputs(text, f) < 0 || fclose(f));
    return path;
}

TEST(cupti, who_may_count_is_told_before_a_run)
{
    char open[512], closed[512], user[512], root[512];

    snprintf(open, sizeof(open), "%s",
             file_of("open", "Other: 3\nRmProfilingAdminOnly: 0\n"));
    snprintf(closed, sizeof(closed), "%s",
             file_of("closed", "Other: 3\nRmProfilingAdminOnly: 1\n"));
    snprintf(user, sizeof(user), "%s",
             file_of("user", "Name: x\nCapEff:\t00000000a80425fb\n"));
    snprintf(root, sizeof(root), "%s",
             file_of("root", "Name: x\nCapEff:\t000001ffffffffff\n"));
    CHECK(cupti_may_count(open, user) == OK);
    CHECK(cupti_may_count(closed, root) == OK);
    CHECK(cupti_may_count("/nowhere/params", user) == OK);
    CHECK(cupti_may_count(closed, user) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "CAP_SYS_ADMIN"), "%s", err_message());
}
