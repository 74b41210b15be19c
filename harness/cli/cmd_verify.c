/*
 * cmd_verify.c - attnbench verify FILE...
 */
#include "harness/cli/cmd.h"

#include <math.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "harness/check/verify.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "kernels/core/err.h"
#include "kernels/core/visible.h"
#include "kernels/cpu/cpu.h"
#include "results/folder.h"

typedef struct VerifySettings {
    ParamName impl, form, graph, backend, isa, dtype, pass;
    int threads, verbose;
    const char *write;
} VerifySettings;

/* The names that a case takes: they are listed once, in case.c. */
#define CASE_CHOICE(id)                                 \
    static const char *id##_choice(int i)               \
    {                                                   \
        return param_find(case_params, #id)->choice(i); \
    }
CASE_CHOICE(impl)
CASE_CHOICE(form)
CASE_CHOICE(graph)
CASE_CHOICE(backend)
CASE_CHOICE(dtype)
CASE_CHOICE(pass)

static const char *isa_choice(int i)
{
    return i == 0 ? "best" : cpu_isa_known(i - 1);
}

static const Param verify_params[] = {
    PARAM_NAME(VerifySettings, impl, "composed", impl_choice,
               "the module as a graph of ops, or as one op of its own"),
    PARAM_NAME(VerifySettings, form, "train", form_choice,
               "the network as it is trained, or with its branches merged"),
    PARAM_NAME(VerifySettings, graph, "as_written", graph_choice,
               "the network as published, or folded"),
    PARAM_NAME(VerifySettings, backend, "cpu", backend_choice,
               "device to run on"),
    PARAM_NAME(VerifySettings, isa, "best", isa_choice,
               "instruction set of our own CPU kernels"),
    PARAM_NAME(VerifySettings, dtype, "f32", dtype_choice,
               "data type of the computation"),
    PARAM_NAME(VerifySettings, pass, "forward", pass_choice,
               "forward; or also the gradients that a file has"),
    PARAM_INT(VerifySettings, threads, 0, 0, 1024,
              "number of threads; 0: all cores"),
    PARAM_INT(VerifySettings, verbose, 0, 0, 1, "one line per output"),
    PARAM_PATH(VerifySettings, write, "",
               "folder for the computed values, as .safetensors"),
    PARAM_END,
};

static const Usage usage = {
    .name = "verify",
    .args = "FILE...",
    .min_args = 1,
    .max_args = ARGS_MAX,
    .what = "Compares case files (.safetensors: expected values that another "
            "program\n"
            "computed) with an implementation.  A module passes with a "
            "relative L2 error\n"
            "up to 3e-6, a backbone up to 1e-5; the gradient of an input up "
            "to 1e-5, of a\n"
            "parameter up to 5e-5.  In other dtypes than f32 the limit is "
            "twice the error of\n"
            "the definition rounded to that dtype at every op.  The error of "
            "a gradient that\n"
            "is a small difference of large numbers is relative to 32 "
            "roundings of those.",
    .params = verify_params,
    .exits = "Exit status: 0 if every file that could be compared passed; 1 if "
             "one failed, or none could be compared; 2 if the command line is "
             "wrong.",
    .examples = "  attnbench verify tests/cases/*.safetensors\n"
                "  attnbench verify --graph=folded "
                "tests/cases/resnet50_scsa.safetensors\n",
};

static int read_how(Case *how, const VerifySettings *s)
{
    case_defaults(how);
    TRY(case_set(how, "impl", s->impl.text));
    TRY(case_set(how, "form", s->form.text));
    TRY(case_set(how, "graph", s->graph.text));
    TRY(case_set(how, "backend", s->backend.text));
    TRY(case_set(how, "dtype", s->dtype.text));
    TRY(case_set(how, "pass", s->pass.text));
    how->threads = s->threads;
    return OK;
}

static void print_verdict(const char *path, const Verified *v, bool verbose)
{
    static const char *const word[NVERDICTS] = {
        [VERIFY_PASSED] = "passed",
        [VERIFY_FAILED] = "FAILED",
        [VERIFY_SKIPPED] = "skipped",
    };
    char name[4 * PATH_MAX];

    printf("%-7s  ", word[v->verdict]);
    if (v->why[0]) {
        /* The sentence of a file that cannot be read has its name already. */
        visible(name, sizeof(name), path);
        if (strncmp(v->why, name, strlen(name)))
            printf("%s: ", name);
        visible_write(stdout, v->why);
        fputc('\n', stdout);
        return;
    }
    printf("%-56s  %.2e (limit %.0e)\n", visible(name, sizeof(name), path),
           v->rel_l2, v->limit);
    for (int i = 0; verbose && i < v->outputs; i++)
        printf("             %-52s  %.2e (limit %.0e%s)\n",
               visible(name, sizeof(name), v->output[i].name),
               v->output[i].rel_l2, v->output[i].limit,
               v->output[i].beside_floor ? ", of 32 roundings" : "");
}

/* Where the best does not open every file says so. */
static int open_device(Device **dev, const Case *how, const char *isa)
{
    const bool best = strcmp(isa, "best") == 0;
    int err;

    *dev = NULL;
    if (!best && how->backend != ON_CPU)
        return fail(ERR_INPUT,
                    "isa=%s: backend=%s has no instruction sets to choose "
                    "from; leave out --isa",
                    isa, case_name("backend", how->backend));
    err = backend_open(
        dev, case_name("backend", how->backend),
        &(DeviceSettings){ .threads = how->threads, .isa = best ? "" : isa });
    return best ? OK : err;
}

int cmd_verify(int argc, char **argv)
{
    int count[NVERDICTS] = { 0 };
    Device *dev = NULL;
    VerifySettings s;
    Flags flags;
    Case how;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    TRY(read_how(&how, &s));
    if (s.write[0])
        TRY(folder_make(s.write));
    TRY(open_device(&dev, &how, s.isa.text));
    for (int i = 0; i < flags.nargs; i++) {
        Verified v;

        verify_file(&v, flags.arg[i], &how, dev, s.write[0] ? s.write : NULL);
        print_verdict(flags.arg[i], &v, s.verbose);
        fflush(stdout);
        count[v.verdict]++;
        if (backend_lost(dev)) {
            backend_close(dev);
            TRY(open_device(&dev, &how, s.isa.text));
        }
    }
    backend_close(dev);
    printf("%d passed, %d failed, %d skipped\n", count[VERIFY_PASSED],
           count[VERIFY_FAILED], count[VERIFY_SKIPPED]);
    return count[VERIFY_FAILED] || !count[VERIFY_PASSED] ? CMD_BAD : OK;
}
