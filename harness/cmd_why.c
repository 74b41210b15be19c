/*
 * cmd_why.c - attnbench why [EXPERIMENT] --module=M
 *
 * A module's time against what its operations and bytes would take at best on
 * this machine, composed and, where there is such an op, fused; and the ops
 * that take most of it.
 */
#include "harness/cmd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/roofline.h"
#include "harness/flags.h"
#include "harness/profiler.h"
#include "harness/roofs.h"
#include "harness/sweep.h"
#include "harness/table.h"
#include "kernels/core/err.h"

static const double ROOF_SECONDS = 0.2; /* each */

typedef struct WhySettings {
    int top, seconds;
    const char *db;
} WhySettings;

static const Param why_params[] = {
    PARAM_INT(WhySettings, top, 5, 0, 1000, "how many ops to show"),
    PARAM_INT(WhySettings, seconds, 2, 0, 3600, "how long to measure each"),
    PARAM_PATH(WhySettings, db, STORE_PATH, "the database"),
    PARAM_END,
};

static const Usage usage = {
    .name = "why",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what = "Says why a module, or a network, costs what it costs: how many "
            "kernels it\nis, how many bytes it moves beside what it "
            "must, and how near that comes to\nthis machine's roofs, which "
            "are measured if the database has none.  All of it is\nkept in the "
            "database, as experiment 'profile': 'attnbench plot roofline' "
            "draws it.",
    .params = why_params,
    .takes_case = true,
    .examples = "  attnbench why --module=scsa --batch=8\n"
                "  attnbench why --module=se,cbam,scsa --channels=256 "
                "--height=14 --width=14\n"
                "  attnbench why module_stages --batch=8 --state=hot --top=0 "
                "--seconds=1\n",
};

/* "SCSA composed 8x64x56x56" */
static void print_label(const Case *c)
{
    const Module *m = case_module(c);

    if (strcmp(c->backbone.text, "none"))
        printf("%s%s", c->backbone.text, m ? " with " : "");
    if (m)
        printf("%s %s", m->name, c->impl.text);
    printf(" %dx%dx%dx%d", c->batch, c->channels, c->height, c->width);
}

/* "27 kernels, 9.8 times the bytes that it must move; memory-bound at 61 % of
 * L3's 141 GB/s; its floor is 4.1 times faster" */
static void print_line(const Profiled *p, const Limits *limits)
{
    const Level level = roofline_level(&p->rows, WHOLE_RUN);
    const Work w = roofline_work(&p->rows, WHOLE_RUN);
    const char *memory = level_name(level, p->arm.c->backend.text);
    const double launches = quantity_value(&p->rows, WHOLE_RUN, "launches");
    /* on a CPU each step is one */
    const int kernels = isnan(launches) ? p->profile.n : (int)launches;
    char a[32], b[32];
    Place place;

    roofline_place(&place, &w, limits, level);
    print_label(p->arm.c);
    printf(": %s us, %d kernel%s, %s times the bytes that it must move",
           three_digits(w.ns / 1e3, a), kernels, kernels == 1 ? "" : "s",
           three_digits(w.bytes / w.compulsory, b));
    if (isnan(place.reached)) {
        printf("; no roof was measured for it\n");
        return;
    }
    if (place.memory_bound)
        printf("; memory-bound at %.0f %% of %s's %s GB/s", 100 * place.reached,
               memory, three_digits(limits->bytes[level] / 1e9, a));
    else
        printf("; compute-bound at %.0f %% of %s GFLOP/s", 100 * place.reached,
               three_digits(limits->flops / 1e9, a));
    printf("; its floor is %s times faster\n",
           three_digits(w.ns / place.floor_ns, a));
}

static void print_top(const Profiled *p, const Limits *limits, int top)
{
    const ProfileStep **order = profile_slowest(&p->profile);
    char us[32], dims[DIMS_TEXT];

    for (int i = 0; i < top && i < p->profile.n; i++) {
        const ProfileStep *s = order[i];
        const int step = (int)(s - p->profile.step);
        const Level level = roofline_level(&p->rows, step);
        const Work w = roofline_work(&p->rows, step);
        Place place;

        roofline_place(&place, &w, limits, level);
        printf("    %-18s %-20s %8s us %5.1f %%", s->out->op->name,
               tensor_dims_text(s->out, dims), three_digits(s->ns / 1e3, us),
               100 * s->ns / p->profile.sum_ns);
        if (!isnan(place.reached))
            printf("   %3.0f %% of the roof of %s", 100 * place.reached,
                   place.memory_bound
                       ? level_name(level, p->arm.c->backend.text)
                       : "arithmetic");
        printf("\n");
    }
    free(order);
}

static int why_case(const Case *c, const WhySettings *s, Store *store,
                    int64_t sweep_id)
{
    Limits limits;
    Roofs roofs;
    Profiled p;
    int err = profiler_run(&p, c, s->seconds, "");

    if (!err)
        err = roofs_get(&roofs, store, p.dev, ROOF_SECONDS, false);
    if (!err)
        err = profiler_store(&p, store, sweep_id);
    if (!err) {
        roofline_limits(&limits, &roofs, c->dtype.text);
        print_line(&p, &limits);
        print_top(&p, &limits, s->top);
    }
    profiler_free(&p);
    return err;
}

static int why_cases(const Experiment *e, const WhySettings *s, Store *store,
                     int64_t sweep_id)
{
    for (int i = 0; i < e->ncases; i++) {
        const int err = why_case(&e->cases[i], s, store, sweep_id);

        if (err && err != ERR_UNSUPPORTED)
            return err;
        if (err) {
            print_label(&e->cases[i]);
            printf(": %s\n", err_message());
        }
    }
    printf("\n(modelled: operations and bytes that the ops state; a "
           "multiply-add is 2, an\noperand is read once an op.  Bytes come "
           "from the nearest memory that holds all\nthat the op, or the "
           "whole, touches.  A share above 100 %% is work that was\nspared: "
           "Winograd's convolution needs fewer operations than the "
           "definition, and\na part of a map may have stayed in a cache "
           "nearer than the one that holds all\nof it.)\n");
    return OK;
}

/* Where neither the user nor an experiment says which impl: both. */
static int read_cases(Experiment *e, const Flags *flags)
{
    const char *found = NULL;
    Flag with_impl[FLAGS_MAX];
    char path[512];
    int n = 0;
    bool said = flags->nargs > 0;

    if (flags->nargs)
        TRY(sweep_find(flags->arg[0], path, sizeof(path), &found));
    else if (!flags->nflags)
        return fail(ERR_INPUT, "there is nothing to ask about: name an "
                               "experiment, or give --module or --backbone");
    for (; n < flags->nflags; n++) {
        with_impl[n] = flags->flag[n];
        said |= strcmp(flags->flag[n].name, "impl") == 0;
    }
    if (!said && n < FLAGS_MAX)
        with_impl[n++] = (Flag){ "impl", "composed,fused" };
    return experiment_read(e, found, with_impl, n);
}

int cmd_why(int argc, char **argv)
{
    WhySettings s;
    Experiment e;
    Flags flags;
    Store *store;
    int64_t sweep_id;
    int err;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    TRY(read_cases(&e, &flags));
    snprintf(e.experiment, sizeof(e.experiment), "profile");
    err = sweep_begin(
        &(Sweeping){ .experiment = &e,
                     .settings = &(SweepSettings){ .db = s.db, .fresh = 1 },
                     .command = usage.name,
                     .argc = argc,
                     .argv = argv },
        &store, &sweep_id);
    if (!err) {
        err = why_cases(&e, &s, store, sweep_id);
        if (!err)
            err = store_sweep_end(store, sweep_id);
        store_close(store);
    }
    experiment_free(&e);
    return err;
}
