/*
 * test_counters.c - sessions of counters over a CUPTI that is not there: the
 * order of calls, runs until every pass is through, each refusal, and what
 * comes out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cupti/counters.h"
#include "tests/fake_cupti.h"
#include "tests/test.h"

enum { ROWS = 8192, STEPS = 600 };

typedef struct Row {
    int step;
    char name[64], reason[300];
    double value;
} Row;

static struct Trial {
    Row row[ROWS];
    int n, launches[STEPS], before[STEPS];
    int fails_at; /* the step whose launch fails, from 1; 0: none */
} trial;

/* Comes right before a step, and in no range. */
static int before(void *arg, int step)
{
    const FakeCupti *fake = arg;

    CHECK(trial.launches[step] == trial.before[step] && !fake->pushed);
    trial.before[step]++;
    return OK;
}

static int launch(void *arg, int step)
{
    (void)arg;
    trial.launches[step]++;
    return step + 1 == trial.fails_at ? fail(ERR_DEVICE, "a launch failed")
                                      : OK;
}

static void take(void *arg, const Counted *c)
{
    Row *row = &trial.row[trial.n++];

    (void)arg;
    BUG_IF(trial.n == ROWS);
    row->step = c->step;
    row->value = c->value;
    snprintf(row->name, sizeof(row->name), "%s", c->quantity);
    snprintf(row->reason, sizeof(row->reason), "%s", c->reason);
}

/* Counts a run of the given number of steps; what is asked for has one row. */
static int count_by(const Cupti *cupti, int steps, const char *metrics,
                    const Calibration *calibration)
{
    static int context;
    const int fails_at = trial.fails_at;

    memset(&trial, 0, sizeof(trial));
    trial.fails_at = fails_at;
    return counters_count_by(cupti, &context,
                             &(Counting){ .steps = steps,
                                          .dtype = F16,
                                          .metrics = metrics,
                                          .launch = launch,
                                          .take = take },
                             calibration);
}

static int count(const Cupti *cupti, int steps, const char *metrics)
{
    return count_by(cupti, steps, metrics, NULL);
}

static const Row *row_of(int step, const char *name)
{
    const Row *found = NULL;

    for (int i = 0; i < trial.n; i++)
        if (trial.row[i].step == step && !strcmp(trial.row[i].name, name)) {
            CHECK_MSG(!found, "%s of step %d comes twice", name, step);
            found = &trial.row[i];
        }
    return found;
}

static double value_of(int step, const char *name)
{
    const Row *row = row_of(step, name);

    CHECK_MSG(row, "%s of step %d is missing", name, step);
    return row ? row->value : NAN;
}

/* Every row has a value or a reason. */
static void all_is_said(const FakeCupti *fake)
{
    CHECK_MSG(!fake->wrong, "%s is out of order in %s", fake->wrong,
              fake->calls);
    CHECK_MSG(fake->open == 0 && !fake->enabled && !fake->started, "%s",
              fake->calls);
    for (int i = 0; i < trial.n; i++)
        CHECK_MSG(isnan(trial.row[i].value) == (trial.row[i].reason[0] != 0),
                  "%s of step %d: %g '%s'", trial.row[i].name,
                  trial.row[i].step, trial.row[i].value, trial.row[i].reason);
}

TEST(counters, each_step_and_the_run_have_every_quantity)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    CHECK_MSG(count(&cupti, 3, "") == OK, "%s", err_message());
    all_is_said(fake);
    CHECK(fake->sessions == 3 && fake->starts == 3);
    for (int i = 0; i < 3; i++)
        CHECK(trial.launches[i] == 3);
    /* the fake has 100, 200 and 300 of everything */
    CHECK(value_of(0, "dram_read_bytes") == 100);
    CHECK(value_of(2, "dram_write_bytes") == 300);
    CHECK(value_of(1, "fp32_flops") == 200 * (2 + 1 + 1));
    CHECK(value_of(1, "fp16_flops") == 200 * (4 + 2 + 2));
    CHECK(value_of(1, "transcendentals") == 200 * 32);
    CHECK(value_of(1, "tensor_flops") == 200);
    CHECK(value_of(1, "occupancy") == 2);
    CHECK(value_of(ALL_STEPS, "l2_bytes") == 600);
    CHECK(value_of(ALL_STEPS, "fp32_flops") == 600 * 4);
    CHECK(!row_of(ALL_STEPS, "occupancy") && !row_of(ALL_STEPS, "clock_mhz"));
    CHECK(!row_of(0, "time_ns"));
}

TEST(counters, calls_come_in_cupti_s_order)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    CHECK(count(&cupti, 1, "lts__t_bytes.sum") == OK);
    CHECK_MSG(
        !strcmp(fake->calls,
                "initialize supported chip available available "
                "host_initialize host_metrics host_deinitialize "
                "host_initialize host_metrics host_image_size host_image "
                "host_passes enable data_size data_initialize configure "
                "start push pop stop decode data_info range_info host_values "
                "disable host_deinitialize deinitialize "),
        "%s", fake->calls);
    CHECK(trial.n == 2 && value_of(0, "lts__t_bytes.sum") == 100 &&
          value_of(ALL_STEPS, "lts__t_bytes.sum") == 100);
}

TEST(counters, the_run_repeats_until_all_passes_are_through)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    fake->passes = 5;
    CHECK(count(&cupti, 2, "lts__t_bytes.sum,lts__t_sectors.sum") == OK);
    all_is_said(fake);
    CHECK(fake->sessions == 2 && fake->starts == 10);
    CHECK(trial.launches[0] == 10 && trial.launches[1] == 10);
    fake->passes = 1000;
    CHECK(count(&cupti, 2, "lts__t_bytes.sum") == OK);
    all_is_said(fake);
    CHECK(strstr(row_of(ALL_STEPS, "lts__t_bytes.sum")->reason,
                 "64 passes were not enough"));
}

TEST(counters, many_steps_are_counted_in_batches)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    CHECK(count(&cupti, STEPS, "lts__t_bytes.sum") == OK);
    all_is_said(fake);
    CHECK(fake->sessions == 3 && fake->most_ranges == 256);
    /* all run in each: a step finds what those before it leave */
    CHECK(trial.launches[0] == 3 && trial.launches[STEPS - 1] == 3);
    for (int i = 0; i < STEPS; i++)
        CHECK(value_of(i, "lts__t_bytes.sum") == 100 * (i + 1));
    CHECK(value_of(ALL_STEPS, "lts__t_bytes.sum") ==
          100. * STEPS * (STEPS + 1) / 2);
}

TEST(counters, only_sums_are_summed_over_steps)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    CHECK(count(&cupti, 2, "a.sum,a.sum.per_second,a.avg") == OK);
    all_is_said(fake);
    CHECK(value_of(ALL_STEPS, "a.sum") == 300);
    CHECK(!row_of(ALL_STEPS, "a.sum.per_second") &&
          !row_of(ALL_STEPS, "a.avg"));
    CHECK(value_of(1, "a.sum.per_second") == 200 &&
          value_of(1, "a.avg") == 200);
}

/* ---- refusals ------------------------------------------------------------ */

TEST(counters, a_refusal_at_any_call_is_the_reason_of_every_quantity)
{
    static const char *const calls[] = {
        "initialize",      "supported",  "chip",        "available",
        "enable",          "data_size",  "configure",   "data_initialize",
        "start",           "push",       "pop",         "stop",
        "decode",          "data_info",  "range_info",  "host_values",
        "host_image_size", "host_image", "host_passes",
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        Cupti cupti;
        FakeCupti *fake = fake_cupti(&cupti);
        const Row *row;

        fake->fails = calls[i];
        fake->code = 35;
        CHECK(count(&cupti, 2, "") == OK);
        row = row_of(ALL_STEPS, "dram_read_bytes");
        CHECK_MSG(row && isnan(row->value) &&
                      strstr(row->reason, "counters are for administrators"),
                  "%s: %s", calls[i], row ? row->reason : "no row");
        CHECK(row_of(ALL_STEPS, "tensor_flops") &&
              row_of(ALL_STEPS, "fp32_flops") &&
              row_of(ALL_STEPS, "occupancy"));
        for (int k = 0; k < trial.n; k++)
            CHECK(isnan(trial.row[k].value) && trial.row[k].reason[0]);
    }
}

TEST(counters, nothing_is_asked_of_a_cupti_that_did_not_start)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    fake->fails = "initialize";
    fake->code = 999;
    CHECK(count(&cupti, 2, "") == OK);
    CHECK_MSG(!strcmp(fake->calls, "initialize deinitialize "), "%s",
              fake->calls);
    CHECK(trial.launches[0] == 0);
}

TEST(counters, a_virtual_gpu_says_so)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    fake->virtual_gpu = 2; /* disabled by who runs it */
    CHECK(count(&cupti, 2, "") == OK);
    CHECK(strstr(row_of(ALL_STEPS, "l1_bytes")->reason, "the GPU is virtual"));
    CHECK(!strstr(fake->calls, "enable"));
}

TEST(counters, a_quantity_without_one_of_its_metrics_has_none)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    fake->lacks = "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum";
    CHECK(count(&cupti, 2, "") == OK);
    all_is_said(fake);
    CHECK(isnan(value_of(ALL_STEPS, "fp32_flops")));
    CHECK(strstr(row_of(ALL_STEPS, "fp32_flops")->reason,
                 "GH100 does not count smsp__sass_thread"));
    CHECK(!row_of(0, "fp32_flops"));
    CHECK(value_of(ALL_STEPS, "fp16_flops") == 300 * 8);

    fake = fake_cupti(&cupti);
    fake->blank = "lts__t_bytes.sum";
    CHECK(count(&cupti, 2, "") == OK);
    all_is_said(fake);
    CHECK(isnan(value_of(1, "l2_bytes")) && value_of(1, "l1_bytes") == 200);
    CHECK(isnan(value_of(ALL_STEPS, "l2_bytes")));
}

TEST(counters, dropped_steps_and_unknown_chips_are_told)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    fake->dropped = 1;
    CHECK(count(&cupti, 2, "lts__t_bytes.sum") == OK);
    CHECK(strstr(row_of(ALL_STEPS, "lts__t_bytes.sum")->reason,
                 "dropped 1 of 2 steps"));
    fake = fake_cupti(&cupti);
    fake->chip = "XX900";
    CHECK(count(&cupti, 2, "") == OK);
    CHECK(strstr(row_of(ALL_STEPS, "l2_bytes")->reason, "no metrics for this"));
    CHECK(count(&cupti, 2, "lts__t_bytes.sum") == OK);
    CHECK(value_of(1, "lts__t_bytes.sum") == 200);
}

TEST(counters, a_launch_that_fails_is_an_error_and_ends_the_session)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);

    trial.fails_at = 2;
    CHECK(count(&cupti, 3, "") == ERR_DEVICE);
    CHECK_MSG(strcmp(err_message(), "a launch failed") == 0, "%s",
              err_message());
    CHECK(!fake->wrong && !fake->open && !fake->enabled && !fake->started);
}

/* ---- calibration --------------------------------------------------------- */

/* The fake has 100 of every metric in a range that is no step. */
typedef struct Work {
    int launches[NSETS];
    int steps_before; /* launches of steps when the last was launched */
    int err;
} Work;

static int launch_known(void *arg, MetricSet set)
{
    Work *w = arg;

    w->launches[set]++;
    w->steps_before = trial.launches[0];
    return w->err ? fail(w->err, "known work failed") : OK;
}

static Calibration known(Work *w)
{
    return (Calibration){ .known = { { SET_MEMORY, "dram_read_bytes", 100 },
                                     { SET_MEMORY, "dram_write_bytes", 80 },
                                     { SET_INSTRUCTIONS, "fp32_flops", 800 },
                                     { SET_INSTRUCTIONS, "fp16_flops", 640 },
                                     { SET_TENSOR, "tensor_flops", 1000 } },
                          .n = 5,
                          .launch = launch_known,
                          .arg = w };
}

TEST(counters, known_work_is_counted_before_the_steps_and_told_as_a_factor)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);
    Work w = { { 0 } };
    const Calibration c = known(&w);

    fake->chip = "GH100";
    CHECK(count_by(&cupti, 2, "", &c) == OK);
    all_is_said(fake);
    CHECK(value_of(ALL_STEPS, "calibration_dram_read_bytes") == 1);
    CHECK(value_of(ALL_STEPS, "calibration_dram_write_bytes") == 1.25);
    CHECK(value_of(ALL_STEPS, "calibration_fp32_flops") == 0.5);
    CHECK(value_of(ALL_STEPS, "calibration_fp16_flops") == 800. / 640);
    CHECK(value_of(ALL_STEPS, "calibration_tensor_flops") == 0.1);
    CHECK(!row_of(ALL_STEPS, "calibration_l2_bytes"));
    /* nothing is corrected, and no step has it in it */
    CHECK(value_of(0, "dram_write_bytes") == 100 &&
          value_of(ALL_STEPS, "dram_write_bytes") == 300);
    CHECK(!row_of(0, "calibration_dram_read_bytes"));
    /* each twice, the first time for nothing; the steps once after it, so that
     * they find the caches as they left them */
    for (int set = 0; set < NSETS; set++)
        CHECK(w.launches[set] == 2);
    CHECK(trial.launches[0] == NSETS * 2 && trial.launches[1] == NSETS * 2);
    CHECK(w.steps_before == (NSETS - 1) * 2);
    CHECK(fake->most_ranges == 3);
}

TEST(counters, known_work_belongs_to_the_first_batch_and_every_pass)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);
    Work w = { { 0 } };
    const Calibration c = known(&w);

    fake->passes = 3;
    CHECK(count_by(&cupti, 300, "", &c) == OK);
    all_is_said(fake);
    CHECK(fake->sessions == 2 * NSETS && fake->most_ranges == 257);
    for (int set = 0; set < NSETS; set++)
        CHECK(w.launches[set] == 2 * 3);
    CHECK(value_of(ALL_STEPS, "calibration_dram_read_bytes") == 1);
    CHECK(value_of(ALL_STEPS, "dram_read_bytes") == 100. * 300 * 301 / 2);
}

TEST(counters, what_cannot_be_calibrated_says_why)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);
    Work w = { { 0 } };
    Calibration c = known(&w);
    const Row *row;

    /* there is no memory for it: the steps are counted all the same */
    snprintf(c.reason, sizeof(c.reason), "no memory for it");
    CHECK(count_by(&cupti, 2, "", &c) == OK);
    all_is_said(fake);
    row = row_of(ALL_STEPS, "calibration_fp32_flops");
    CHECK(row && !strcmp(row->reason, "no memory for it"));
    CHECK(value_of(ALL_STEPS, "fp32_flops") == 300 * 4);
    CHECK(w.launches[0] == 0 && fake->most_ranges == 2);

    /* one of its metrics is missing, or has no value */
    c = known(&w);
    fake = fake_cupti(&cupti);
    fake->lacks = "dram__bytes_read.sum";
    fake->blank = "dram__bytes_write.sum";
    CHECK(count_by(&cupti, 2, "", &c) == OK);
    all_is_said(fake);
    CHECK(strstr(row_of(ALL_STEPS, "calibration_dram_read_bytes")->reason,
                 "GH100 does not count dram__bytes_read"));
    CHECK(strstr(row_of(ALL_STEPS, "calibration_dram_write_bytes")->reason,
                 "CUPTI has no value of dram__bytes_write"));
    CHECK(value_of(ALL_STEPS, "calibration_fp32_flops") == 0.5);

    /* all of it is refused, before and after the known work was counted */
    for (int late = 0; late < 2; late++) {
        fake = fake_cupti(&cupti);
        fake->fails = late ? "range_info" : "enable";
        fake->code = 35;
        CHECK(count_by(&cupti, 2, "", &c) == OK);
        all_is_said(fake);
        row = row_of(ALL_STEPS, "calibration_tensor_flops");
        CHECK(row && strstr(row->reason, "for administrators"));
    }
    fake = fake_cupti(&cupti);
    fake->fails = "initialize";
    fake->code = 999;
    CHECK(count_by(&cupti, 2, "", &c) == OK);
    CHECK(isnan(value_of(ALL_STEPS, "calibration_dram_read_bytes")));
}

TEST(counters, known_work_that_fails_is_an_error_as_a_step_is)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);
    Work w = { .err = ERR_DEVICE };
    const Calibration c = known(&w);

    CHECK(count_by(&cupti, 2, "", &c) == ERR_DEVICE);
    CHECK(strcmp(err_message(), "known work failed") == 0);
    CHECK(!fake->wrong && !fake->open && !fake->enabled && !fake->started);
}

TEST(counters, a_metric_that_is_named_is_counted_once_and_not_calibrated)
{
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);
    Work w = { { 0 } };
    const Calibration c = known(&w);

    CHECK(count_by(&cupti, 1, "a.sum,a.sum.per_second,a.sum,b.sum,a.sum", &c) ==
          OK);
    all_is_said(fake);
    CHECK(fake->sessions == 3 && trial.n == 3 + 2); /* two are sums */
    CHECK(value_of(0, "a.sum") == 100 && value_of(0, "b.sum") == 100);
    for (int set = 0; set < NSETS; set++)
        CHECK(w.launches[set] == 0);
}

TEST(counters, what_comes_before_a_step_is_in_no_range)
{
    static int context;
    Cupti cupti;
    FakeCupti *fake = fake_cupti(&cupti);
    Work w = { { 0 } };
    const Calibration c = known(&w);

    memset(&trial, 0, sizeof(trial));
    fake->passes = 2;
    CHECK(counters_count_by(&cupti, &context,
                            &(Counting){ .steps = 3,
                                         .dtype = F16,
                                         .metrics = "",
                                         .before = before,
                                         .launch = launch,
                                         .take = take,
                                         .arg = fake },
                            &c) == OK);
    all_is_said(fake);
    for (int i = 0; i < 3; i++)
        CHECK(trial.before[i] == 2 * 2 * NSETS &&
              trial.launches[i] == trial.before[i]);
}
