/*
 * record.c - the tables of what is stored.
 */
#include "results/record.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>

enum { MAX_BATCH = 65536, MAX_CHANNELS = 65536, MAX_SIDE = 16384 };

CHOICES(impl, "composed", "fused")
CHOICES(position, "auto", "mid", "out")
CHOICES(form, "train", "deploy")
CHOICES(graph, "as_written", "folded")
CHOICES(backend, "cpu", "cuda", "ref", "model")
CHOICES(dtype, "f32", "tf32", "f16", "bf16")
CHOICES(pass, "forward", "input_grad", "backward", "train")
CHOICES(state, "hot", "cold", "graph")
CHOICES(kind, "time", "profile", "erf")
CHOICES(status, "ok", "wrong", "unsupported", "out_of_memory", "failed")

/* clang-format off */
#define WHAT .role = SAYS_WHAT
#define HOW  .role = SAYS_HOW
#define PROSE .role = SAYS_PROSE

const Param case_params[] = {
    FIELD(Case, backbone, NAME, WHAT, .initial = "none", .usual = "none",
          .help = "the network; none: the module alone"),
    FIELD(Case, module, NAME, WHAT, .initial = "none", .usual = "none",
          .help = "the attention module; none: the plain network; all: each "
                  "module"),
    FIELD(Case, impl, CHOICE, HOW, .initial = "composed", .choice = impl_choice,
          .help = "the module as a graph of ops, or as one op of its own"),
    FIELD(Case, position, CHOICE, WHAT, .initial = "auto", .usual = "auto",
          .choice = position_choice, .caption = "at %s",
          .help = "where in a block the module is: inside (mid), on its "
                  "output (out), or as in its paper (auto); see 'attnbench "
                  "list backbones'"),
    FIELD(Case, form, CHOICE, WHAT, .initial = "train", .usual = "train",
          .choice = form_choice, .caption = "form %s",
          .help = "the network as it is trained, or with its branches merged "
                  "for use: RepVGG, RepViT, ACNet"),
    FIELD(Case, weights, FILE, WHAT, .initial = "seeded", .usual = "seeded",
          .caption = "weights %s",
          .help = "a file of the network's weights (.safetensors), which "
                  "sets the number of classes; names as in timm, in modules "
                  "as in 'attnbench count --by=op'; seeded: generated from "
                  "the names"),
    FIELD(Case, norm_gain, REAL, HOW, .initial = "0", .max = 100,
          .caption = "norm gain %s",
          .help = "scale of the seeded weights of the network's own norms "
                  "(0.75 to 1.25 times this); 0: chosen so that the input "
                  "still affects the output"),
    FIELD(Case, graph, CHOICE, HOW, .initial = "as_written",
          .choice = graph_choice,
          .help = "the network as published, or with batch norms, activations "
                  "and shortcuts folded into convolutions"),
    FIELD(Case, backend, CHOICE, HOW, .initial = "cpu",
          .choice = backend_choice,
          .help = "device; best: cuda if it can run the case, else cpu"),
    FIELD(Case, dtype, CHOICE, HOW, .initial = "f32", .choice = dtype_choice,
          .help = "data type of the computation"),
    FIELD(Case, batch, INT, HOW, .initial = "1", .min = 1, .max = MAX_BATCH,
          .caption = "batch %s", .help = "N: images in one run"),
    FIELD(Case, channels, INT, WHAT, .initial = "0", .max = MAX_CHANNELS,
          .caption = "%s channels",
          .help = "C of the input; 0: the backbone's own, 64 for a module "
                  "alone"),
    FIELD(Case, height, INT, WHAT, .initial = "0", .max = MAX_SIDE,
          .caption = "height %s",
          .help = "H of the input; 0: the backbone's own, 56 for a module "
                  "alone"),
    FIELD(Case, width, INT, WHAT, .initial = "0", .max = MAX_SIDE,
          .caption = "width %s",
          .help = "W of the input; 0: the backbone's own, 56 for a module "
                  "alone"),
    FIELD(Case, pass, CHOICE, HOW, .initial = "forward", .choice = pass_choice,
          .help = "forward; forward and gradient of the input; forward and all "
                  "gradients (backward); one training step"),
    FIELD(Case, state, CHOICE, HOW, .initial = "hot", .choice = state_choice,
          .help = "hot: warm caches; cold: nothing of a run in the caches; "
                  "graph: warm, replayed as a CUDA graph"),
    FIELD(Case, threads, INT, HOW, .initial = "0", .max = 1024,
          .caption = "%s threads", .help = "number of threads; 0: all cores"),
    FIELD(Case, copy, INT, HOW, .initial = "0", .max = 1000, .usual = "0",
          .caption = "copy %s",
          .help = "number of a copy of the same case, for A/A comparisons"),
    PARAM_END,
};

const Param case_settings[] = {
    FIELD(Case, settings, TEXT, WHAT, .initial = "{}"),
    PARAM_END,
};

const Param machine_fields[] = {
    FIELD(Machine, cpu, TEXT),
    FIELD(Machine, cores, INT, .min = 1, .max = INT_MAX),
    FIELD(Machine, memory_bytes, REAL),
    FIELD(Machine, gpu, TEXT),
    FIELD(Machine, driver, TEXT),
    FIELD(Machine, os, TEXT),
    PARAM_END,
};

const Param build_fields[] = {
    FIELD(Build, git_commit, TEXT),
    FIELD(Build, dirty, INT, .max = 1),
    FIELD(Build, compiler, TEXT),
    FIELD(Build, flags, TEXT),
    FIELD(Build, libraries, TEXT),
    FIELD(Build, program, TEXT),
    PARAM_END,
};

const Param sweep_fields[] = {
    FIELD(Sweep, source, TEXT),
    FIELD(Sweep, experiment, TEXT),
    FIELD(Sweep, question, TEXT, PROSE),
    FIELD(Sweep, cases_hash, TEXT),
    PARAM_END,
};

const Param start_fields[] = {
    FIELD(Sweep, started_at, TEXT),
    FIELD(Sweep, seed, LONG),
    FIELD(Sweep, argv, TEXT, PROSE),
    FIELD(Sweep, governor, TEXT),
    FIELD(Sweep, load, REAL),
    FIELD(Sweep, denormals, INT, .min = -1, .max = 1),
    FIELD(Sweep, load_end, REAL),
    PARAM_END,
};

const Param outcome_fields[] = {
    FIELD(Outcome, kind, CHOICE, .initial = "time", .choice = kind_choice),
    FIELD(Outcome, stored_at, TEXT),
    FIELD(Outcome, repeat, TEXT, PROSE),
    FIELD(Outcome, status, CHOICE, .initial = "ok", .choice = status_choice),
    FIELD(Outcome, message, TEXT, PROSE),
    FIELD(Outcome, verified_at, TEXT),
    FIELD(Outcome, weights_hash, TEXT),
    FIELD(Outcome, rel_l2, REAL),
    FIELD(Outcome, converged, INT, .max = 1),
    FIELD(Outcome, reps, INT, .max = INT_MAX),
    FIELD(Outcome, threads_used, INT, .max = INT_MAX),
    FIELD(Outcome, steps_ns, REAL),
    FIELD(Outcome, steps_lo_ns, REAL),
    FIELD(Outcome, steps_hi_ns, REAL),
    FIELD(Outcome, module_steps_ns, REAL),
    FIELD(Outcome, module_steps_lo_ns, REAL),
    FIELD(Outcome, module_steps_hi_ns, REAL),
    FIELD(Outcome, params, REAL),
    FIELD(Outcome, macs, REAL),
    FIELD(Outcome, flops, REAL),
    FIELD(Outcome, paper_flops, REAL),
    FIELD(Outcome, transcendentals, REAL),
    FIELD(Outcome, bytes, REAL),
    FIELD(Outcome, arena_bytes, REAL),
    PARAM_END,
};

const Param telemetry_fields[] = {
    FIELD_OF(Telemetry, device, clock_mhz, REAL),
    FIELD_OF(Telemetry, device, temperature_c, REAL),
    FIELD_OF(Telemetry, device, power_w, REAL),
    FIELD_OF(Telemetry, device, throttle, PATH),
    FIELD(Telemetry, module_ns, REAL),
    FIELD(Telemetry, started_ns, REAL),
    FIELD(Telemetry, cpu_ns, REAL),
    FIELD(Telemetry, run_delay_ns, REAL),
    FIELD(Telemetry, steal_ns, REAL),
    FIELD(Telemetry, switches, INT),
    FIELD(Telemetry, process, INT, .initial = "0"),
    PARAM_END,
};
/* clang-format on */

const char *case_name(const char *field, int choice)
{
    return param_find(case_params, field)->choice(choice);
}

const char *status_name(int status)
{
    return status_choice(status);
}

Telemetry telemetry_unknown(void)
{
    return (Telemetry){
        .device = { NAN, NAN, NAN, NULL },
        .module_ns = NAN,
        .started_ns = NAN,
        .cpu_ns = NAN,
        .run_delay_ns = NAN,
        .steal_ns = NAN,
        .switches = -1,
    };
}

Outcome outcome_of_nothing(void)
{
    Outcome o = { .reps = 1 };

    for (const Param *p = outcome_fields; p->name; p++)
        if (p->kind == PARAM_KIND_REAL)
            *(double *)((char *)&o + p->offset) = NAN;
    return o;
}
