/*
 * cmd_profile.c - attnbench profile [EXPERIMENT] --backbone=B --module=M
 */
#include "harness/cli/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/devices/interrupt.h"
#include "harness/explain/profile_page.h"
#include "harness/explain/threads.h"
#include "harness/files/wrap.h"
#include "harness/measure/sweep.h"
#include "kernels/core/err.h"
#include "kernels/cupti/counters.h"

typedef struct ProfileSettings {
    int top, seconds, force;
    ParamName by, format;
    const char *db, *metrics;
} ProfileSettings;

static const char *by_choice(int i)
{
    static const char *const names[] = { "op", "module", NULL };

    return names[i];
}

static const char *format_choice(int i)
{
    static const char *const names[] = { "text", "csv", NULL };

    return names[i];
}

static const Param profile_params[] = {
    PARAM_NAME(ProfileSettings, by, "op", by_choice,
               "the first table: one row per op, or per block and module"),
    PARAM_INT(ProfileSettings, top, 15, 0, 100000,
              "number of steps, and of GPU kernels, to show"),
    PARAM_INT(ProfileSettings, seconds, 3, 0, 3600,
              "seconds to measure each case"),
    PARAM_NAME(ProfileSettings, format, "text", format_choice,
               "csv: by op every step, in the order of execution; by module "
               "every row"),
    PARAM_INT(ProfileSettings, force, 0, 0, 1,
              "measure even if another attnbench is measuring on this machine"),
    PARAM_PATH(ProfileSettings, db, STORE_PATH, "the database to store it in"),
    PARAM_PATH(ProfileSettings, metrics, "",
               "hardware counters to read, a,b; for a GPU, CUPTI's names; "
               "without a value: list them"),
    PARAM_END,
};

static const Usage usage = {
    .name = "profile",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what = "Shows where the time of a case, or of each case of an "
            "experiment, goes: by kind\n"
            "of op or by block and module, by step and, on a GPU, by kernel.  "
            "A step's time is\n"
            "the median over rounds.  Cases that differ in their module alone "
            "are measured in\n"
            "the same rounds, and the later ones show how they differ from "
            "the first.  A case on\n"
            "several threads of a CPU is then tried on one.  The results are "
            "stored in the\n"
            "database, as experiment 'profile'.",
    .params = profile_params,
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if a case was profiled; 1 if none could be; 2 if "
             "the command line or the experiment is wrong.",
    .lists = "metrics",
    .examples = "  attnbench profile --backbone=resnet50 --graph=folded "
                "--batch=8\n"
                "  attnbench profile --backbone=resnet50 --module=none,scsa "
                "--by=module --top=0\n"
                "  attnbench profile --module=scsa --channels=256 --height=14 "
                "--width=14\n"
                "  attnbench profile module_stages --batch=8 --state=hot "
                "--seconds=1\n",
};

static bool is_csv(const ProfileSettings *s)
{
    return strcmp(s->format.text, "csv") == 0;
}

static ProfileBy by_of(const ProfileSettings *s)
{
    return strcmp(s->by.text, "module") == 0 ? PROFILE_MODULE : PROFILE_OP;
}

/* All cases, and what the later ones are compared with. */
typedef struct Work {
    const Experiment *e;
    const ProfileSettings *s;
    Store *store;
    int64_t sweep_id;
    const Case *base; /* case that the sums are of; NULL: none yet */
    ProfileSums sums;
    int bad, printed, rounds; /* so far */
} Work;

/* One thread against several, where a whole run was timed with several. */
static int print_threads(const Work *w, Profiled *p)
{
    char text[THREADS_TEXT];
    Ratio ratio;

    TRY(threads_try(&ratio, &p->arm, w->s->seconds / 2.0));
    if (threads_advice(text, &ratio, p->dev->threads)[0])
        wrap_to_screen(stdout, "%s\n", text);
    return OK;
}

static int print_case(Work *w, Profiled *p, const ProfilePage *page)
{
    if (is_csv(w->s)) {
        profile_page_csv(page);
        return OK;
    }
    if (w->printed++)
        putchar('\n');
    profile_page_text(page);
    return print_threads(w, p);
}

/* A case that is stored, but whose times are not, says why. */
static int finish_case(Work *w, Profiled *p, bool together)
{
    ProfilePage page = { .by = by_of(w->s),
                         .top = w->s->top,
                         .profiled = p,
                         .base = w->base ? &w->sums : NULL,
                         .together = together };
    int err = profiler_store(p, w->store, w->sweep_id);

    if (err)
        return err;
    profile_sums(&page.sums, &p->profile, page.by);
    if (!trial_ok(&p->arm)) {
        fprintf(stderr, "%s: %s: %s\n", p->arm.repeat,
                status_name(p->arm.status), p->arm.message);
        w->bad++;
    }
    err = print_case(w, p, &page);
    if (w->base) {
        profile_sums_free(&page.sums);
    } else {
        w->base = p->arm.c;
        w->sums = page.sums;
    }
    return err;
}

static void forget_base(Work *w)
{
    profile_sums_free(&w->sums);
    w->base = NULL;
}

/* Returns OK if the other cases can continue after this error. */
static int give_up(Work *w, const Case *c, int err)
{
    char repeat[CASE_TEXT];

    if (err != ERR_UNSUPPORTED || w->e->ncases == 1)
        return err;
    fprintf(stderr, "%s: %s\n", case_print(c, repeat), err_message());
    w->bad++;
    return OK;
}

/* Cases that are profiled together. */
enum { TOGETHER = 16 };
typedef struct Group {
    Profiled at[TOGETHER];
    int n;
} Group;

/* Prepares the cases from *next on that can be profiled together, and moves
 * *next past them: one that has no memory next to the others is left for a
 * group after this. */
static int prepare_group(Group *g, Work *w, int *next)
{
    const Case *first = &w->e->cases[*next];

    for (; *next < w->e->ncases && g->n < TOGETHER; ++*next) {
        const Case *c = &w->e->cases[*next];
        Profiled *p = &g->at[g->n];
        int err;

        if (!profiler_alike(first, c))
            return OK;
        err = profiler_prepare(p, c, g->n ? &g->at[0] : NULL);
        if (!err) {
            g->n++;
            continue;
        }
        if (g->n && p->arm.status == STATUS_OUT_OF_MEMORY) {
            profiler_free(p);
            return OK;
        }
        profiler_free(p);
        TRY(give_up(w, c, err));
    }
    return OK;
}

static int profile_group(Group *g, Work *w, int *next)
{
    Profiled *all[TOGETHER];
    const Case *first = &w->e->cases[*next];
    bool together;
    int err;

    if (w->base && !profiler_alike(w->base, first))
        forget_base(w);
    together = w->base == NULL;
    TRY(prepare_group(g, w, next));
    for (int i = 0; i < g->n; i++) {
        all[i] = &g->at[i];
        all[i]->first_round = w->rounds;
    }
    if (g->n == 0)
        return OK;
    err = profiler_measure(all, g->n, w->s->seconds, w->s->metrics);
    if (err) {
        TRY(give_up(w, first, err));
        w->bad += g->n - 1;
        return OK;
    }
    w->rounds += all[0]->profile.rounds;
    for (int i = 0; i < g->n; i++)
        TRY(finish_case(w, all[i], together));
    return OK;
}

/* A case without a profile says why; the others continue. */
static int profile_cases(Work *w)
{
    int next = 0, err = OK;

    if (is_csv(w->s))
        profile_page_csv_head(by_of(w->s));
    while (!err && next < w->e->ncases) {
        Group *g = calloc(1, sizeof(*g));

        BUG_IF(!g);
        err = profile_group(g, w, &next);
        while (g->n > 0) /* the first has the device of all */
            profiler_free(&g->at[--g->n]);
        free(g);
    }
    if (w->base)
        forget_base(w);
    return err ? err : w->bad == w->e->ncases ? CMD_BAD : OK;
}

static int profile_experiment(Experiment *e, const ProfileSettings *s, int argc,
                              char **argv)
{
    const SweepSettings settings = { .db = s->db,
                                     .fresh = 1,
                                     .force = s->force };
    const Sweeping sweeping = { .experiment = e,
                                .settings = &settings,
                                .command = usage.name,
                                .argc = argc,
                                .argv = argv };
    int64_t sweep_id;
    Store *store;

    snprintf(e->experiment, sizeof(e->experiment), "profile");
    TRY(sweep_begin(&sweeping, &store, &sweep_id));
    return sweep_end(
        store, sweep_id,
        profile_cases(
            &(Work){ .e = e, .s = s, .store = store, .sweep_id = sweep_id }));
}

static void print_metric(void *arg, const char *metric)
{
    (void)arg;
    printf("%s\n", metric);
}

/* Lists the counters of this machine's GPU. */
static int list_metrics(void)
{
    Device *dev;
    int err;

    TRY(backend_open(&dev, "cuda", NULL));
    err = counters_list(print_metric, NULL);
    backend_close(dev);
    return err;
}

int cmd_profile(int argc, char **argv)
{
    ProfileSettings s;
    Experiment e;
    Flags flags;
    int err;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    if (strcmp(s.metrics, "help") == 0)
        return list_metrics();
    TRY(flags_cases(&e, &flags, &usage,
                    "nothing to profile; name an experiment, or give "
                    "--backbone or --module"));
    err = profile_experiment(&e, &s, argc, argv);
    experiment_free(&e);
    return interrupt_finish(err, s.db);
}
