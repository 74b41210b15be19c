/*
 * cmd_profile.c - attnbench profile --backbone=B --module=M
 */
#include "harness/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/arm.h"
#include "harness/backends.h"
#include "harness/flags.h"
#include "harness/profile.h"
#include "kernels/core/err.h"

#define WARMUP_NS 0.5e9

typedef struct ProfileSettings {
    int top, seconds;
    ParamName format;
} ProfileSettings;

static const char *format_choice(int i)
{
    static const char *const names[] = { "text", "csv", NULL };

    return names[i];
}

static const Param profile_params[] = {
    PARAM_INT(ProfileSettings, top, 15, 0, 100000, "how many steps to show"),
    PARAM_INT(ProfileSettings, seconds, 3, 0, 3600, "how long to measure"),
    PARAM_NAME(ProfileSettings, format, "text", format_choice,
               "csv has every step, in the order run"),
    PARAM_END,
};

static const Usage usage = {
    .name = "profile",
    .args = "",
    .what = "Says where the time of a case goes: by kind of op, and step by "
            "step.\nA step's time is the median over rounds; nothing is "
            "stored.",
    .params = profile_params,
    .takes_case = true,
    .examples = "  attnbench profile --backbone=resnet50 --graph=folded "
                "--batch=8\n"
                "  attnbench profile --module=scsa --channels=256 --height=14 "
                "--width=14\n",
};

static void print_share(double ns, const Profile *p, const Cost *cost)
{
    printf(" %9.1f %5.1f %% %9.1f %8.1f", ns / 1e3, 100 * ns / p->sum_ns,
           cost->flops / ns, cost->bytes / ns);
}

static void print_kinds(const Profile *p)
{
    ProfileKind *kinds = calloc((size_t)p->n + 1, sizeof(*kinds));
    int n;

    BUG_IF(!kinds);
    n = profile_kinds(p, kinds);
    printf("\n  %-20s %5s %9s %7s %9s %8s\n", "op", "steps", "us", "share",
           "GFLOP/s", "GB/s");
    for (int i = 0; i < n; i++) {
        printf("  %-20s %5d", kinds[i].op->name, kinds[i].steps);
        print_share(kinds[i].ns, p, &kinds[i].cost);
        printf("\n");
    }
    printf("  %-20s %5d %9.1f\n", "sum of the steps", p->n, p->sum_ns / 1e3);
    printf("  %-20s %5s %9.1f\n", "run as a whole", "", p->whole_ns / 1e3);
    free(kinds);
}

static int by_time(const void *a, const void *b)
{
    const ProfileStep *x = *(ProfileStep *const *)a,
                      *y = *(ProfileStep *const *)b;

    return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

static void print_top(const Profile *p, int top)
{
    const ProfileStep **order = calloc((size_t)p->n + 1, sizeof(*order));
    char dims[DIMS_TEXT];

    BUG_IF(!order);
    for (int i = 0; i < p->n; i++)
        order[i] = &p->step[i];
    qsort(order, (size_t)p->n, sizeof(*order), by_time);
    if (top > p->n)
        top = p->n;
    if (top > 0)
        printf("\n  %-16s %-16s %-24s %-18s %9s %7s %9s %8s\n", "op", "kernel",
               "where", "shape", "us", "share", "GFLOP/s", "GB/s");
    for (int i = 0; i < top; i++) {
        const ProfileStep *s = order[i];

        printf("  %-16s %-16s %-24s %-18s", s->out->op->name, s->kernel->name,
               s->out->name, tensor_dims_text(s->out, dims));
        print_share(s->ns, p, &s->cost);
        printf("\n");
    }
    free(order);
}

static void print_csv(const Profile *p)
{
    char dims[DIMS_TEXT];

    printf("step,op,kernel,scope,shape,median_ns,flops,bytes\n");
    for (int i = 0; i < p->n; i++) {
        const ProfileStep *s = &p->step[i];

        printf("%d,%s,%s,%s,\"%s\",%.0f,%.0f,%.0f\n", i, s->out->op->name,
               s->kernel->name, s->out->name, tensor_dims_text(s->out, dims),
               s->ns, s->cost.flops, s->cost.bytes);
    }
}

static void print_text(const Profile *p, const Arm *arm, int top)
{
    printf("%s\non %s: %s; %d rounds, relative L2 error %.1e\n", arm->repeat,
           arm->c->backend.text, arm->dev->about, p->rounds, arm->rel_l2);
    print_kinds(p);
    print_top(p, top);
    printf("\noutside convolutions and linears: %.1f %%\n",
           100 * p->outside_ns / p->sum_ns);
    printf("(GFLOP/s: a multiply-add is 2; GB/s: of the bytes that the op "
           "cannot avoid)\n");
}

static int profile_case(const Case *c, const ProfileSettings *s)
{
    const DeviceSettings settings = { c->threads, "" };
    Device *dev;
    Profile p;
    Arm arm;
    int err;

    TRY(backend_open(&dev, c->backend.text, &settings));
    arm_init(&arm, c, NULL, 0);
    arm_prepare(&arm, &(Checker){ dev, NULL }, WARMUP_NS, NULL);
    err = arm_ok(&arm)
              ? profile_plan(&p, dev, arm.plan, s->seconds)
              : fail(ERR_UNSUPPORTED, "%s: %s", arm.status, arm.message);
    if (!err) {
        if (strcmp(s->format.text, "csv") == 0)
            print_csv(&p);
        else
            print_text(&p, &arm, s->top);
        profile_free(&p);
    }
    arm_free(&arm);
    backend_close(dev);
    return err;
}

int cmd_profile(int argc, char **argv)
{
    ProfileSettings s;
    Flags flags;
    Case c;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    case_defaults(&c);
    TRY(flags_case(&flags, &c));
    TRY(case_complete(&c));
    if (strcmp(c.state.text, "hot"))
        return fail(ERR_INPUT,
                    "a profile is of hot runs, one after the other; leave out "
                    "--state=%s",
                    c.state.text);
    return profile_case(&c, &s);
}
