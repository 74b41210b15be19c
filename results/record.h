/*
 * record.h - what is stored: each field once.
 *
 * A field has one name: JSON key = flag = struct member = SQL column.  The
 * tables here hold all that is known of it; the store, import, CSV,
 * captions and comparisons loop over them.  A new setting is a member of Case,
 * a line of case_params and a column of the table run.
 */
#ifndef RESULTS_RECORD_H
#define RESULTS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/core/moment.h"
#include "kernels/core/param.h"

/* ---- the case: what is measured, and how ------------------------------- */

/* The choices of a case's fields, in the order of their names. */
enum { IMPL_COMPOSED, IMPL_FUSED };
enum { AT_AUTO, AT_MID, AT_OUT }; /* position                         */
enum { MADE_TRAIN, MADE_DEPLOY }; /* form, as enum Form has it        */
enum { GRAPH_AS_WRITTEN, GRAPH_FOLDED };
enum { ON_CPU, ON_CUDA, ON_REF, ON_MODEL }; /* backend                */
enum { PASS_FORWARD, PASS_INPUT_GRAD, PASS_BACKWARD, PASS_TRAIN };
enum { STATE_HOT, STATE_COLD, STATE_GRAPH };

enum { SETTINGS_TEXT = 512 };

/* One point to measure.  Fields are the keys of an experiment, the flags of the
 * command line and columns of the table run. */
typedef struct Case {
    ParamName backbone; /* "none": the module alone                       */
    ParamName module;   /* "none": the plain backbone                     */
    int impl, position, form;
    ParamFile weights; /* "seeded", or a file (.safetensors)             */
    double norm_gain;  /* of seeded weights (network/seed.h); 0: default  */
    int graph, backend;
    int dtype; /* as enum Dtype has it                           */
    int batch;
    int channels, height, width; /* of the input; 0 until completed       */
    int pass, state;
    int threads; /* 0: all cores                                   */
    int copy;    /* tells copies of one case apart: A/A comparisons */

    char settings[SETTINGS_TEXT]; /* the module's own, a JSON object   */
} Case;

/* A field's role: it says which network is measured, or how; or it is a text
 * that may have any character, also those that control a screen. */
enum { SAYS_NOTHING, SAYS_WHAT, SAYS_HOW, SAYS_PROSE };

extern const Param case_params[];   /* what a user sets, except ...      */
extern const Param case_settings[]; /* ... the module's own, as one text */

/* The name of a field's choice: case_name("pass", PASS_TRAIN) is "train". */
const char *case_name(const char *field, int choice);
const char *status_name(int status);

/* ---- where and by what --------------------------------------------------- */

typedef struct Machine {
    char cpu[128];
    int cores;
    double memory_bytes;
    char gpu[128];
    char driver[64];
    char os[128]; /* distribution and kernel */
} Machine;
extern const Param machine_fields[];

typedef struct Build {
    char git_commit[64]; /* 40 hex digits, or "unknown" */
    int dirty;
    char compiler[128];
    char flags[512];
    char libraries[256]; /* "onednn 2.6.0, sqlite 3.40.1, ..." */
    char program[32];    /* hash of its files, 16 hex digits; "": not known */
} Build;
extern const Param build_fields[];

/* A sweep, and the start that is being made. */
typedef struct Sweep {
    char source[64]; /* "attnbench", or the name of another program        */
    char experiment[64];
    char question[256];
    char cases_hash[32]; /* of the expanded list, and of its files of
                            weights and images, to recognise it           */

    /* UTC, ISO 8601; "": now.  Two sources that are measured interleaved, in
     * the same rounds, are begun with the same started_at and seed. */
    char started_at[32];
    int64_t seed; /* of the order of the rounds                           */
    char argv[16384];
    char governor[32];
    double load;     /* 1-minute load average at the start; NAN: not known */
    int denormals;   /* 1: flushed to zero; -1: not known                  */
    double load_end; /* ... and at its end, for store_start_end            */
} Sweep;
extern const Param sweep_fields[]; /* of the table sweep */
extern const Param start_fields[]; /* of the table start */

/* Kind of a run: the time; the time and its profile; the effective receptive
 * field. */
enum { KIND_TIME, KIND_PROFILE, KIND_ERF };

/* ---- the outcome of a case ----------------------------------------------- */

enum {
    STATUS_OK,
    STATUS_WRONG,
    STATUS_UNSUPPORTED,
    STATUS_OUT_OF_MEMORY,
    STATUS_FAILED
};

enum { REPEAT_TEXT = 2048 };

typedef struct Outcome {
    int kind;
    char
        stored_at[32]; /* UTC, ISO 8601; "": now                              */
    char
        repeat[REPEAT_TEXT]; /* the command line that repeats the case        */
    int status;
    char message[512];
    char verified_at[64]; /* dims of the input that was checked, or ""        */
    char
        weights_hash[32]; /* of the file; "": seeded, or not known            */
    double rel_l2;        /* error against the reference; NAN: none           */
    int converged;        /* 1: the interval is within the target             */
    int reps;             /* runs timed together in one sample                */
    int threads_used;     /* 0: not known, or a device without threads        */
    double steps_ns, steps_lo_ns, steps_hi_ns; /* sum of the median times of
                             its steps, and the 95 % interval; NAN: not timed */
    double module_steps_ns, module_steps_lo_ns, module_steps_hi_ns; /* the same
                             of the modules' steps alone                      */
    double params, macs, flops, paper_flops, transcendentals, bytes;
    double
        arena_bytes; /* activations                                         */
} Outcome;
extern const Param outcome_fields[];

/* ok, and no more known of it. */
Outcome outcome_of_nothing(void);

/*
 * Telemetry of a sample, next to its time: NAN, -1 and NULL where it is not
 * known.  All but module_ns covers the whole sample, which is reps runs.
 */
typedef struct Telemetry {
    Moment device;       /* right after it                                  */
    double module_ns;    /* the part of ns that the module's steps took;
                            NAN: steps were not timed, or there is none     */
    double started_ns;   /* when it began, since the start of the sweep did */
    double cpu_ns;       /* CPU time that all threads of the process used   */
    double run_delay_ns; /* its threads were ready and waited for a CPU     */
    double steal_ns;     /* the hypervisor ran something else; in steps of
                            10 ms                                           */
    int switches;        /* involuntary context switches of its threads     */
    int process;         /* which of a run that is spread over several; 0:
                            the first                                       */
} Telemetry;
extern const Param telemetry_fields[];

/* Nothing is known of a sample of the first process. */
Telemetry telemetry_unknown(void);

/* Samples, in the order measured; borrowed. */
typedef struct Samples {
    int n;
    const double *ns; /* of one run                                        */
    const int *round; /* the same round: measured interleaved              */
    const Telemetry *telemetry; /* NULL: nothing is known                  */
} Samples;

#endif
