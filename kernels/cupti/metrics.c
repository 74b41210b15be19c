/*
 * metrics.c - the table of quantities.
 *
 * A fused multiply-add is two operations, and an instruction on packed pairs
 * twice what it is on one number.  Half-precision instructions are taken to be
 * of pairs; that these are counted so, calibration_fp16_flops tells.  Code that
 * uses one lane of them is counted double, and code that uses none is not
 * counted as 0: ptxas makes zeros and other constants by multiply-adds of
 * pairs.  Tensor metrics count operations already, of every instruction that
 * there is, and padding as work.  The transcendental unit (XU) is counted by
 * warps, and also converts integers.  A GPU that uses a processor's memory
 * counts no bytes of it.
 *
 * Sources: descriptions in CUPTI's own list of metrics; NVIDIA's Nsight Compute
 * guide, metrics of the rooflines.
 */
#include "kernels/cupti/metrics.h"

#include <math.h>
#include <string.h>

/* Families of chips that count by the same names. */
typedef enum Family { GA100, GA102, AD102, GH100, GB100, GB202, GB10B } Family;

static const struct {
    const char *name;
    Family family;
} chips[] = {
    { "GA100", GA100 }, /* A100 */
    { "GA102", GA102 }, { "GA103", GA102 }, { "GA104", GA102 },
    { "GA106", GA102 }, { "GA107", GA102 }, { "AD102", AD102 },
    { "AD103", AD102 }, { "AD104", AD102 }, { "AD106", AD102 },
    { "AD107", AD102 }, { "GH100", GH100 }, /* H100, H200 */
    { "GB100", GB100 }, { "GB102", GB100 }, { "GB110", GB100 },
    { "GB202", GB202 }, { "GB203", GB202 }, { "GB205", GB202 },
    { "GB206", GB202 }, { "GB207", GB202 }, { "GB10B", GB10B },
    { "GB20B", GB10B }, /* in a processor's memory */
};
enum { NCHIPS = sizeof(chips) / sizeof(chips[0]) };

#define ONLY(family)   (1u << (family))
#define BUT(family)    (~ONLY(family))
#define ANY            (~0u)
#define DRAM           (BUT(GB202) & BUT(GB10B))
#define DTYPE(d)       (1u << (d))
#define INSTRUCTION(x) "smsp__sass_thread_inst_executed_op_" x "_pred_on.sum"
#define TENSOR(x)      "sm__ops_path_tensor_src_" x ".sum"
enum { WARP = 32 };

/* clang-format off */
#define M SET_MEMORY
#define I SET_INSTRUCTIONS
#define T SET_TENSOR
static const Metric metrics[] = {
    { M, "dram_read_bytes",  "dram__bytes_read.sum",
                                                 1, true, DRAM, ANY },
    { M, "dram_read_bytes",  "dram__bytes_op_read.sum",
                                                 1, true, ONLY(GB202), ANY },
    { M, "dram_write_bytes", "dram__bytes_write.sum",
                                                 1, true, DRAM, ANY },
    { M, "dram_write_bytes", "dram__bytes_op_write.sum",
                                                 1, true, ONLY(GB202), ANY },
    { M, "l2_bytes",         "lts__t_bytes.sum",   1, true, ANY, ANY },
    { M, "l1_bytes",         "l1tex__t_bytes.sum", 1, true, ANY, ANY },
    { M, "transcendentals",  "smsp__inst_executed_pipe_xu.sum",
                                                 WARP, true, ANY, ANY },
    { M, "occupancy", "sm__warps_active.avg.pct_of_peak_sustained_active",
                                                 0.01, false, ANY, ANY },
    { M, "clock_mhz", "sm__cycles_elapsed.avg.per_second",
                                                 1e-6, false, ANY, ANY },
    /* not time_ns: under a profiler a step takes as long as it likes */
    { M, "gpu__time_duration.sum", "gpu__time_duration.sum",
                                                 1, true, ANY, ANY },

    { I, "fp32_flops", INSTRUCTION("ffma"),  2, true, ANY, ANY },
    { I, "fp32_flops", INSTRUCTION("fadd"),  1, true, ANY, ANY },
    { I, "fp32_flops", INSTRUCTION("fmul"),  1, true, ANY, ANY },
    { I, "fp32_flops", INSTRUCTION("ffma2"), 4, true, ONLY(GB100), ANY },
    { I, "fp32_flops", INSTRUCTION("fadd2"), 2, true, ONLY(GB100), ANY },
    { I, "fp32_flops", INSTRUCTION("fmul2"), 2, true, ONLY(GB100), ANY },
    { I, "fp16_flops", INSTRUCTION("hfma"),  4, true, ANY, ANY },
    { I, "fp16_flops", INSTRUCTION("hadd"),  2, true, ANY, ANY },
    { I, "fp16_flops", INSTRUCTION("hmul"),  2, true, ANY, ANY },

    /* f32, too: a count of 0 shows that nothing was rounded to tf32 */
    { T, "tensor_flops", TENSOR("tf32_dst_fp32"), 1, true,
                         ANY, DTYPE(F32) | DTYPE(TF32) },
    { T, "tensor_flops", TENSOR("bf16_dst_fp32"), 1, true, ANY, DTYPE(BF16) },
    { T, "tensor_flops", TENSOR("fp16"), 1, true, ONLY(GH100), DTYPE(F16) },
    { T, "tensor_flops", TENSOR("fp16_dst_fp16"), 1, true,
                         BUT(GH100), DTYPE(F16) },
    { T, "tensor_flops", TENSOR("fp16_dst_fp32"), 1, true,
                         BUT(GH100), DTYPE(F16) },
};
/* clang-format on */
enum { NMETRICS = sizeof(metrics) / sizeof(metrics[0]) };

const char *metrics_chip(int i)
{
    return i < NCHIPS ? chips[i].name : NULL;
}

const Metric *metrics_at(int i)
{
    return i < NMETRICS ? &metrics[i] : NULL;
}

int metrics_of(const Metric *out[MAX_METRICS], MetricSet set, const char *chip,
               Dtype dtype)
{
    int c = 0, n = 0;

    while (c < NCHIPS && strcmp(chips[c].name, chip))
        c++;
    for (int i = 0; c < NCHIPS && i < NMETRICS; i++)
        if (metrics[i].set == set && metrics[i].chips >> chips[c].family & 1 &&
            metrics[i].dtypes >> dtype & 1)
            out[n++] = &metrics[i];
    return n;
}

double metrics_quantity(const Metric *const *m, const double *values, int n,
                        const char *quantity, const char **missing)
{
    double sum = 0;

    *missing = NULL;
    for (int i = 0; i < n; i++) {
        if (strcmp(m[i]->quantity, quantity))
            continue;
        if (isnan(values[i]))
            *missing = m[i]->name;
        sum += m[i]->factor * values[i];
    }
    return sum;
}
