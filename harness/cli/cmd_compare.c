/*
 * cmd_compare.c - attnbench compare A B
 *
 * Two cases are measured now, interleaved; two databases or sweeps were before.
 */
#include "harness/cli/cmd.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/slice.h"
#include "harness/cli/compare_cases.h"
#include "harness/cli/flags.h"
#include "harness/devices/interrupt.h"
#include "harness/files/file.h"
#include "harness/measure/db.h"
#include "harness/measure/sweep.h"
#include "harness/report/compare.h"
#include "kernels/core/err.h"

typedef struct CompareSettings {
    SweepSettings sweep;
    ParamName fail_above, delta;
    int history;
} CompareSettings;

static const Param own_params[] = {
    PARAM_NAME(CompareSettings, fail_above, "", NULL,
               "limit in percent: the exit status is 1 if B is slower than A "
               "by more, 2 if that is not sure; default: none"),
    PARAM_NAME(CompareSettings, delta, "1%", NULL,
               "differences up to this many percent count as the same"),
    PARAM_INT(CompareSettings, history, 0, 0, 1,
              "list the stored runs of the one case A, over builds and "
              "machines"),
    PARAM_END,
};

static const Usage about = {
    .name = "compare",
    .args = "A B",
    .what =
        "Says by how much B is faster or slower than A.  A and B are the first "
        "two words that are no settings of this command: two cases, each the "
        "settings that it has of its own, in quotes, and are measured now, "
        "interleaved, until it is clear or the budget is spent; two databases, "
        "of which the cases that both hold are compared; or the numbers of two "
        "sweeps in --db.  Settings of a case that follow are those of both "
        "cases; or they choose among the stored runs.  There is a verdict only "
        "on what was measured interleaved.",
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if no ratio is above --fail-above, or it is not "
             "given; 1 if the whole interval of one is above it; 2 if that is "
             "ambiguous, or not interleaved; 3 if the command line or a file "
             "is wrong, or nothing could be measured.",
    .examples =
        "  attnbench compare --module=se --module=cpca --channels=128\n"
        "  attnbench compare \"--module=none\" \"--module=scsa --impl=fused\" "
        "--backbone=resnet50 --batch=8 --fail-above=5%\n"
        "  attnbench compare 3 5 --fail-above=3%\n"
        "  attnbench compare --history --module=se --channels=64\n",
};

/* ---- the command line ---------------------------------------------------- */

/* Those of a sweep, except those that say nothing here; two cases have more
 * time than one of many. */
static void make_params(Param out[SWEEP_PARAMS], const Param *all)
{
    static const char *const left_out[] = { "peer", "peer_limit", "fresh",
                                            "block" };
    static const struct {
        const char *name, *initial;
    } ours[] = { { "budget", "60" },
                 { "limit", "60" },
                 { "max_samples", "100000" } };
    int n = 0;

    for (const Param *p = all; p->name; p++) {
        bool keep = true;

        for (int i = 0; i < 4; i++)
            keep &= strcmp(p->name, left_out[i]) != 0;
        if (!keep)
            continue;
        out[n] = *p;
        for (int i = 0; i < 3; i++)
            if (!strcmp(p->name, ours[i].name))
                out[n].initial = ours[i].initial;
        n++;
    }
    out[n] = (Param)PARAM_END;
}

typedef struct Line {
    CompareSettings set;
    const char *word[2]; /* what is compared */
    int nwords;
    Flags flags; /* the rest */
    RatioGate gate;
    int argc; /* as it was given */
    char **argv;
} Line;

static int forms(const Line *l)
{
    const char *a = l->nwords ? l->word[0] : "",
               *b = l->nwords > 1 ? l->word[1] : "";

    return fail(ERR_INPUT,
                "cannot compare '%s' with '%s'; give two cases, each in quotes "
                "(\"--module=se\" \"--module=cpca\"), or two databases that "
                "there are, or the numbers of two sweeps",
                a, b);
}

/* How many of argv are a setting of the command itself; 0: none. */
static int own_setting(const Param *params, int argc, char **argv)
{
    const char *text = argv[0];
    char name[PARAM_NAME_MAX];
    const Param *p;

    if (!strcmp(text, "--help") || !strcmp(text, "-h"))
        return 1;
    if (strncmp(text, "--", 2) || strcspn(text + 2, "=") >= sizeof(name))
        return 0;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(text + 2, "="), text + 2);
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : *c;
    p = param_find(params, name);
    if (!p)
        return 0;
    return strchr(text, '=') || (p->min == 0 && p->max == 1) || argc < 2 ? 1
                                                                         : 2;
}

static bool wants_history(const Line *l)
{
    for (int i = 0; i < l->argc; i++)
        if (!strcmp(l->argv[i], "--history") ||
            !strcmp(l->argv[i], "--history=1"))
            return true;
    return false;
}

/* Takes out the words; rest gets the others. */
static int take_words(Line *l, const Param *params, char **rest)
{
    const int wanted = wants_history(l) ? 1 : 2;
    int n = 0;

    for (int i = 0, used; i < l->argc; i += used) {
        used = own_setting(params, l->argc - i, l->argv + i);
        if (!used && l->nwords < wanted) {
            l->word[l->nwords++] = l->argv[i];
            used = 1;
            continue;
        }
        used = used ? used : 1;
        for (int k = 0; k < used; k++)
            rest[n++] = l->argv[i + k];
    }
    return n;
}

static int read_gate(RatioGate *g, const CompareSettings *set)
{
    *g = (RatioGate){ .limited = set->fail_above.text[0] != '\0' };
    if (g->limited)
        TRY(gate_percent(&g->fail_above, "fail_above", set->fail_above.text,
                         -99, 10000));
    return gate_percent(&g->delta, "delta", set->delta.text, 0, 100);
}

static int read_line(Line *l, const Usage *usage, const Param *all)
{
    char **rest = malloc((size_t)(l->argc + 1) * sizeof(*rest));
    int n, err;

    BUG_IF(!rest);
    n = take_words(l, usage->params, rest);
    param_defaults(all, &l->set);
    err = flags_parse(&l->flags, usage, &l->set, n, rest);
    free(rest);
    TRY(err);
    if (l->flags.help)
        return OK;
    TRY(read_gate(&l->gate, &l->set));
    l->set.sweep.fresh = 1; /* both now, or neither */
    return l->nwords == (l->set.history ? 1 : 2) ? OK : forms(l);
}

/* ---- two cases, measured now --------------------------------------------- */

static const Run *find_run(const RunList *list, const Case *c)
{
    char repeat[CASE_TEXT];

    case_print(c, repeat);
    for (int i = 0; i < list->n; i++)
        if (!strcmp(list->at[i].o.repeat, repeat))
            return &list->at[i];
    return NULL;
}

static int report_cases(const Line *l, const Case c[2], const RunList *list,
                        int *answer)
{
    char name[2][COMPARE_NAME];
    const Run *r[2];
    Compared x;

    for (int i = 0; i < 2; i++) {
        r[i] = find_run(list, &c[i]);
        if (!r[i])
            return fail(ERR_IO, "'%s' was not measured", l->word[i]);
        if (!run_is_ok(r[i]))
            return fail(ERR_UNSUPPORTED, "'%s' has no time: %s: %s", l->word[i],
                        status_name(r[i]->o.status), r[i]->o.message);
    }
    compare_runs(&x, r[0], r[1], &l->gate);
    putchar('\n');
    compare_print(stdout, &x, compare_name(r[0], r[1], name[0]),
                  compare_name(r[1], r[0], name[1]), &l->gate, NULL);
    *answer = x.answer;
    return OK;
}

/* Reads what has been stored, so that it is judged as it is later. */
static int read_cases(const Line *l, const Case c[2], int64_t sweep,
                      int *answer)
{
    const RunFilter filter = { .sweep = sweep };
    RunList list;
    Store *s;
    int err;

    TRY(db_open(&s, l->set.sweep.db, STORE_READ));
    err = summary_read(&list, s, &filter);
    if (!err) {
        err = report_cases(l, c, &list, answer);
        summary_free(&list);
    }
    store_close(s);
    return err;
}

static int measure_cases(const Line *l, const Case c[2], Tally *tally,
                         int64_t *sweep)
{
    Sweeping s = { .settings = &l->set.sweep,
                   .command = "compare",
                   .argc = l->argc,
                   .argv = l->argv,
                   .out = stdout };
    Experiment e;
    int err;

    TRY(sweep_protocol(&s.protocol, &l->set.sweep));
    s.protocol.to_first = true;
    s.protocol.gate = l->gate;
    if (!flags_given(&l->flags, "delta"))
        s.protocol.gate.delta = 0; /* the ratio is wanted, to the target */
    experiment_of_cases(&e, "compare", "Which of two cases is faster?", c, 2);
    s.experiment = &e;
    err = sweep_run(&s, tally, sweep);
    experiment_free(&e);
    return err;
}

static int compare_cases(const Line *l, int *answer)
{
    Tally tally = { 0 };
    int64_t sweep;
    Case c[2];

    TRY(compare_cases_read(c, l->word, 2, &l->flags));
    if (compare_cases_copy(c))
        puts("both are one case, which is measured twice (A/A)");
    TRY(measure_cases(l, c, &tally, &sweep));
    if (tally.interrupted) {
        fflush(stdout);
        interrupt_end();
    }
    return read_cases(l, c, sweep, answer);
}

/* ---- what is stored ------------------------------------------------------ */

/* The two sides, and what to call them. */
typedef struct Sides {
    RunList list[2];
    char name[2][512];
    bool by_source;
} Sides;

static int choose(RunList *list, const char *name, const Flags *flags)
{
    Wanted wanted[FLAGS_MAX];

    if (!list->n)
        return fail(ERR_INPUT,
                    "%s holds no runs; 'attnbench export' lists the sweeps "
                    "of a database",
                    name);
    for (int i = 0; i < flags->nflags; i++)
        wanted[i] = (Wanted){ flags->flag[i].name, flags->flag[i].value };
    return slice_keep(list, wanted, flags->nflags);
}

static int read_side(const Line *l, Sides *s, int i, const char *db,
                     int64_t sweep)
{
    const RunFilter filter = { .sweep = sweep };
    Store *store;
    int err;

    TRY(db_open(&store, db, STORE_READ));
    err = summary_read(&s->list[i], store, &filter);
    store_close(store);
    TRY(err);
    return choose(&s->list[i], s->name[i], &l->flags);
}

static void print_row(const Line *l, const Sides *s, const Compared *x)
{
    const Ratio plain[2] = { compare_to_plain(&s->list[0], x->a),
                             compare_to_plain(&s->list[1], x->b) };

    printf("%s\n  ", compare_case(x->a));
    compare_print(stdout, x, "A", "B", &l->gate, plain);
}

static void print_all(const Line *l, const Sides *s, Compared *x,
                      const Match *m, int n, int *answer)
{
    for (int i = 0; i < 2; i++)
        printf("%c: %s\n", "AB"[i], s -> name[i]);
    putchar('\n');
    for (int i = 0; i < n; i++) {
        compare_runs(&x[i], m[i].a, m[i].b, &l->gate);
        *answer = gate_worst(*answer, x[i].answer);
        print_row(l, s, &x[i]);
    }
    putchar('\n');
    compare_sum(stdout, x, n, &l->gate);
    compare_advise(stdout, x, n);
}

static int compare_sides(const Line *l, const Sides *s, int *answer)
{
    Compared *x;
    int n, alone[2];
    Match *m;

    TRY(compare_match(&m, &n, alone, &s->list[0], &s->list[1], s->by_source));
    x = malloc((size_t)(n + 1) * sizeof(*x));
    BUG_IF(!x);
    if (n)
        print_all(l, s, x, m, n, answer);
    free(x);
    free(m);
    if (!n)
        return fail(ERR_INPUT,
                    "%s and %s have no case in common that was measured: %d "
                    "and %d are in one alone",
                    s->name[0], s->name[1], alone[0], alone[1]);
    if (alone[0] + alone[1])
        printf("not compared: %d that only A has, %d that only B has\n",
               alone[0], alone[1]);
    return OK;
}

static bool is_file(const char *path)
{
    FILE *f;

    if (file_open(&f, NULL, path))
        return false;
    fclose(f);
    return true;
}

static bool is_number(const char *text)
{
    const size_t n = strspn(text, "0123456789");

    return n && n < 10 && !text[n] && text[0] != '0';
}

static int compare_stored(const Line *l, bool files, int *answer)
{
    Sides s = { .by_source = files };
    int err = OK;

    for (int i = 0; i < 2 && !err; i++) {
        snprintf(s.name[i], sizeof(s.name[i]), "%s%s", files ? "" : "sweep ",
                 l->word[i]);
        err = read_side(l, &s, i, files ? l->word[i] : l->set.sweep.db,
                        files ? -1 : atoi(l->word[i]));
    }
    if (!err)
        err = compare_sides(l, &s, answer);
    summary_free(&s.list[0]);
    summary_free(&s.list[1]);
    return err;
}

/* ---- the history of a case ----------------------------------------------- */

static int by_date(const void *a, const void *b)
{
    const Run *x = *(const Run *const *)a, *y = *(const Run *const *)b;
    const int d = strcmp(x->started_at, y->started_at);

    return d ? d : (x->id > y->id) - (x->id < y->id);
}

static int print_history(const RunList *list, const Case *c)
{
    const Run **run = malloc((size_t)(list->n + 1) * sizeof(*run));
    char repeat[CASE_TEXT];
    int n = 0;

    BUG_IF(!run);
    case_print(c, repeat);
    for (int i = 0; i < list->n; i++)
        if (run_is_ok(&list->at[i]) && !strcmp(list->at[i].o.repeat, repeat))
            run[n++] = &list->at[i];
    qsort(run, (size_t)n, sizeof(*run), by_date);
    if (n)
        compare_history(stdout, run, n, list);
    free(run);
    return n ? OK
             : fail(ERR_INPUT,
                    "the database has no time of this case; "
                    "measure it: %s",
                    repeat);
}

static int history(const Line *l)
{
    const RunFilter filter = { .sweep = -1 };
    RunList list;
    Store *s;
    Case c;
    int err;

    TRY(compare_cases_read(&c, l->word, 1, &l->flags));
    TRY(db_open(&s, l->set.sweep.db, STORE_READ));
    err = summary_read(&list, s, &filter);
    store_close(s);
    TRY(err);
    err = print_history(&list, &c);
    summary_free(&list);
    return err;
}

/* ---- the command --------------------------------------------------------- */

static bool are(const Line *l, bool (*what)(const char *word))
{
    return what(l->word[0]) && what(l->word[1]);
}

static bool is_settings(const char *word)
{
    return strncmp(word, "--", 2) == 0;
}

int cmd_compare(int argc, char **argv)
{
    Param all[SWEEP_PARAMS], params[SWEEP_PARAMS];
    Line l = { .argc = argc, .argv = argv };
    int answer = GATE_PASSED, err;
    Usage usage = about;

    sweep_params(all, own_params);
    make_params(params, all);
    usage.params = params;
    TRY(read_line(&l, &usage, all));
    if (l.flags.help)
        return flags_help(&l.flags, &usage, stdout);
    if (l.set.history)
        err = history(&l);
    else if (are(&l, is_settings))
        err = compare_cases(&l, &answer);
    else if (are(&l, is_file) || are(&l, is_number))
        err = compare_stored(&l, are(&l, is_file), &answer);
    else
        err = forms(&l);
    return err ? err : answer;
}
