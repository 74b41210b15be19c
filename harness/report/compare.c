/*
 * compare.c - says how two runs compare.
 */
#include "harness/report/compare.h"

#include <math.h>
#include <string.h>

#include "analysis/slice.h"
#include "harness/devices/program.h"
#include "harness/report/table.h"

/* ---- names --------------------------------------------------------------- */

/* Columns that follow from the module, which is named. */
static bool follows(const char *column)
{
    return !strcmp(column, "position") || !strcmp(column, "norm_gain");
}

static void add_word(char *text, const char *key, const char *value)
{
    const size_t n = strlen(text);

    snprintf(text + n, COMPARE_NAME - n, "%s%s%s%s", n ? " " : "", key,
             *key ? "=" : "", value);
}

char *compare_name(const Run *r, const Run *other, char text[COMPARE_NAME])
{
    const bool modules = strcmp(r->c.module.text, other->c.module.text) != 0;
    char value[SLICE_TEXT], theirs[SLICE_TEXT];
    const char *column;

    text[0] = '\0';
    if (modules)
        add_word(text, "",
                 strcmp(r->c.module.text, "none") ? r->c.module.text : "plain");
    for (int i = 0; (column = slice_column(i)); i++) {
        slice_value(r, column, value);
        if (!strcmp(value, slice_value(other, column, theirs)) ||
            !strcmp(column, "source") || !strcmp(column, "module") ||
            (modules && follows(column)))
            continue;
        if (strcmp(column, "settings"))
            add_word(text, column, value);
        else if (settings_label(r, value)[0])
            add_word(text, "", value);
        else if (!modules)
            add_word(text, "", "default settings");
    }
    return text;
}

const char *compare_case(const Run *r)
{
    const char *flags = strstr(r->o.repeat, " --");

    return flags ? flags + 1 : "(all defaults)";
}

/* ---- one comparison ------------------------------------------------------ */

static void put_ratio(FILE *out, const Ratio *r)
{
    fprintf(out, "%.3f [%.3f, %.3f]", r->ratio, r->lo, r->hi);
}

static void put_verdict(FILE *out, Verdict v, const RatioGate *g)
{
    fputs(verdict_name(v), out);
    if (v == SAME)
        fprintf(out, " within %g %%", 100 * g->delta);
}

static const char *why_apart(Apart apart)
{
    static const char *const why[] = {
        [INTERLEAVED] = "",
        [OTHER_MACHINE] = "on another machine",
        [OTHER_BUILD] = "by another build",
        [OTHER_TIME] = "at another time",
    };

    return why[apart];
}

static void put_rounds(FILE *out, const Paired *p)
{
    fprintf(out, "  %d rounds", p->ratio.n);
    if (p->left_out) {
        fprintf(out, "; %d more were disturbed and left out: with them ",
                p->left_out);
        put_ratio(out, &p->all);
    }
    fputc('\n', out);
    if (p->processes > 1)
        fprintf(out,
                "  in %d processes, whose ratios are up to %.2f %% apart\n",
                p->processes, 100 * (p->apart - 1));
    if (minima_disagree(&p->ratio, p->minima))
        fprintf(out,
                "  second opinion: by the smallest times it is %.3f, outside "
                "of the interval\n",
                p->minima);
}

/* A ratio of throughputs as the cost in percent. */
static void put_cost(FILE *out, const char *what, const char *whose,
                     const Ratio *r)
{
    if (r->n)
        fprintf(out, "  %s cost%s%s: %.2f %% [%.2f, %.2f]\n", what,
                *whose ? " of " : "", whose, 100 * (1 - r->ratio),
                100 * (1 - r->hi), 100 * (1 - r->lo));
}

static void put_answer(FILE *out, const Compared *c, const RatioGate *g)
{
    const double percent = 100 * g->fail_above;

    if (!g->limited) {
        if (c->more > 0)
            fprintf(out,
                    "  about %d more rounds (%.3g s of sampling) would tell "
                    "them apart, if the ratio stays what it is\n",
                    c->more, c->more_s);
        return;
    }
    if (c->answer == GATE_FAILED)
        fprintf(out, "  fails: the whole interval is above %+g %%\n", percent);
    else if (c->answer == GATE_PASSED)
        fprintf(out, "  passes: none of the interval is above %+g %%\n",
                percent);
    else if (c->apart != INTERLEAVED)
        fprintf(out,
                "  ambiguous: not interleaved, so %+g %% cannot be "
                "judged\n",
                percent);
    else if (c->more > 0)
        fprintf(out,
                "  ambiguous: %+g %% is within the interval; about %d more "
                "rounds (%.3g s of sampling) would settle it\n",
                percent, c->more, c->more_s);
    else
        fprintf(out,
                "  ambiguous: %+g %% cannot be told from it by %d rounds, and "
                "nobody can say how many would do\n",
                percent, c->ratio.n);
}

static void put_apart(FILE *out, const Compared *c, const char *a,
                      const char *b, const Ratio *plain)
{
    fprintf(out,
            " by the medians, with the widest interval: not interleaved "
            "(measured %s), no verdict\n",
            why_apart(c->apart));
    if (!plain || !plain[0].n || !plain[1].n)
        return;
    fprintf(out, "  of the plain network's throughput are left: %s ", a);
    put_ratio(out, &plain[0]);
    fprintf(out, ", %s ", b);
    put_ratio(out, &plain[1]);
    fputs("; each is interleaved, so these can be compared between "
          "machines\n",
          out);
}

void compare_print(FILE *out, const Compared *c, const char *a, const char *b,
                   const RatioGate *g, const Ratio *plain)
{
    fprintf(out, "%s takes ", b);
    put_ratio(out, &c->ratio);
    fprintf(out, " times the time of %s", a);
    if (c->apart == INTERLEAVED) {
        fputs(": ", out);
        put_verdict(out, c->verdict, g);
        fputc('\n', out);
        put_rounds(out, &c->paired);
    } else {
        put_apart(out, c, a, b, plain);
    }
    put_cost(out, "direct", a, &c->direct_a);
    put_cost(out, "direct", b, &c->direct_b);
    put_cost(out, "indirect", "", &c->indirect);
    put_answer(out, c, g);
}

/* ---- several ------------------------------------------------------------- */

static const Compared *first_apart(const Compared *c, int n, Apart apart)
{
    for (int i = 0; i < n; i++)
        if (c[i].apart == apart)
            return &c[i];
    return NULL;
}

void compare_advise(FILE *out, const Compared *c, int n)
{
    const Compared *x;
    char path[PROGRAM_TEXT];

    program_path(path);
    if ((x = first_apart(c, n, OTHER_BUILD)))
        fprintf(out,
                "for a verdict on two builds measure them interleaved: %s run "
                "%s --peer=\"OTHER/attnbench serve\"\n",
                path, compare_case(x->a));
    if ((x = first_apart(c, n, OTHER_TIME)))
        fprintf(out,
                "one build measured at two times shows what the machine did "
                "meanwhile; for a verdict give two cases: %s compare '%s' "
                "'--module=...'\n",
                path, compare_case(x->a));
    if (first_apart(c, n, OTHER_MACHINE))
        fputs("two machines cannot be interleaved, so there is no verdict on "
              "them; compare ratios that each measured itself\n",
              out);
}

void compare_sum(FILE *out, const Compared *c, int n, const RatioGate *g)
{
    int verdict[VERDICTS] = { 0 }, apart = 0, said = 0;

    for (int i = 0; i < n; i++)
        if (c[i].apart == INTERLEAVED)
            verdict[c[i].verdict]++;
        else
            apart++;
    fprintf(out, "%d case%s", n, n == 1 ? "" : "s");
    for (int v = 0; v < VERDICTS; v++)
        if (verdict[v]) {
            fprintf(out, "%s %d ", said++ ? "," : ":", verdict[v]);
            put_verdict(out, (Verdict)v, g);
        }
    if (apart)
        fprintf(out, "%s %d not interleaved", said ? "," : ":", apart);
    fputc('\n', out);
}

/* ---- history ------------------------------------------------------------- */

static const TableColumn history_columns[] = {
    { "started_at", "date", "", "", true, FOR_ALL, false },
    { "git_commit", "commit", "", "", true, FOR_ALL, false },
    { "source", "source", "", "", true, FOR_ALL, false },
    { "time", "median", "", "", false, FOR_ALL, false },
    { "ratio", "to plain", "", "", false, FOR_ALL, false },
    { "machine", "machine", "", "", true, FOR_ALL, true },
};
enum { HISTORY = sizeof(history_columns) / sizeof(history_columns[0]) };

static void put_run(Table *t, const Run *r, const RunList *all, bool moved)
{
    const Ratio q = compare_to_plain(all, r);
    const int row = table_row(t);
    char text[CELL_TEXT];

    table_set(t, row, "started_at", "%.16s", r->started_at);
    table_set(t, row, "git_commit", "%.7s%s", r->git_commit,
              r->dirty ? "+" : "");
    table_set(t, row, "source", "%s", r->source);
    table_set(t, row, "time", "%s",
              interval_text(r->time.median, r->time.lo, r->time.hi, text));
    if (q.n)
        table_set(t, row, "ratio", "%.3f [%.3f, %.3f]", q.ratio, q.lo, q.hi);
    table_set(t, row, "machine", "%s%s%s%s, %d cores", moved ? "* " : "",
              r->cpu, *r->gpu ? ", " : "", r->gpu, r->cores);
}

void compare_history(FILE *out, const Run *const *run, int n,
                     const RunList *all)
{
    bool any = false;
    Table t;

    table_init(&t, history_columns, HISTORY);
    for (int i = 0; i < n; i++) {
        const bool moved = i && !run_same_machine(run[i], run[i - 1]);

        any |= moved;
        put_run(&t, run[i], all, moved);
    }
    table_print(&t, TABLE_TEXT, out);
    table_free(&t);
    if (any)
        fputs("* another machine than the row before: its times cannot be "
              "compared with those above.\n",
              out);
    fputs("Not interleaved with each other, so there is no verdict; what is "
          "to plain was interleaved with it.\n",
          out);
}
