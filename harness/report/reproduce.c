/*
 * reproduce.c - from the rows of a paper's table to cases.
 */
#include "harness/report/reproduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network/case_flags.h"
#include "kernels/core/err.h"

static const struct {
    const char *name, *question;
} tables[] = {
    [PAPER_TABLE1] = { "table1", "What does each part of SCSA cost ResNet-50, "
                                 "here and in the paper's Table 1?" },
    [PAPER_TABLE2] = { "table2", "What does each attention module cost each "
                                 "backbone, here and in the paper's Table 2?" },
};

const char *reproduce_name(PaperTable table)
{
    return tables[table].name;
}

/* ---- a row as a case ------------------------------------------------- */

/* Sets what "--backbone=resnet50 --module=scsa" says. */
static int set_network(Case *c, const char *network)
{
    char text[PAPER_TEXT], *rest;

    snprintf(text, sizeof(text), "%s", network);
    for (char *word = strtok_r(text, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');

        BUG_IF(strncmp(word, "--", 2) || !equals);
        *equals = '\0';
        TRY(case_set(c, word + 2, equals + 1));
    }
    return OK;
}

int reproduce_case(Case *c, const PaperRow *row)
{
    case_defaults(c);
    TRY(set_network(c, row->network));
    TRY(case_set(c, "batch", case_flag_find("reproduce", "batch")->initial));
    return case_complete(c);
}

/* The paper decides what a row measures; the user decides how. */
static int check_flag(const Flag *f, const char *table)
{
    char repeat[PAPER_TEXT], network[PAPER_TEXT];

    snprintf(repeat, sizeof(repeat), "attnbench run --%s=", f->name);
    if (paper_network(repeat, network)[0])
        return fail(ERR_INPUT,
                    "%s is fixed for each row of %s; choose rows with --rows=",
                    f->name, table);
    if (strcmp(f->name, "copy") == 0 || strchr(f->value, ','))
        return fail(ERR_INPUT, "reproduce takes one value of %s, got '%s'",
                    f->name, f->value);
    return OK;
}

/* ---- which rows ------------------------------------------------------ */

/* The value of a setting in a network: "resnet50" of backbone. */
static void value_of(const char *network, const char *key, char text[64])
{
    char flag[64];
    const char *at;

    snprintf(flag, sizeof(flag), "--%s=", key);
    at = strstr(network, flag);
    at = at ? at + strlen(flag) : "";
    snprintf(text, 64, "%.*s", (int)strcspn(at, " "), at);
}

static bool is_named(const char *name, const char *ours, const char *papers)
{
    return strcasecmp(name, ours) == 0 || strcasecmp(name, papers) == 0;
}

/* True if a row is meant by "resnet50", "scsa" or "resnet50/scsa". */
static bool matches(const PaperRow *row, const char *name)
{
    char backbone[64], module[64], first[64];
    const char *slash = strchr(name, '/');

    value_of(row->network, "backbone", backbone);
    value_of(row->network, "module", module);
    if (is_named(name, backbone, row->backbone) ||
        is_named(name, module, row->method))
        return true;
    if (!slash)
        return false;
    snprintf(first, sizeof(first), "%.*s", (int)(slash - name), name);
    return is_named(first, backbone, row->backbone) &&
           is_named(slash + 1, module, row->method);
}

char *reproduce_row(const PaperRow *row, char text[PAPER_TEXT])
{
    char backbone[64], module[64];
    const char *at;
    bool variant; /* of a module: it has the paper's own name */

    value_of(row->network, "backbone", backbone);
    value_of(row->network, "module", module);
    at = strstr(row->network, "--module=");
    variant = !at || strchr(at, ' ');
    snprintf(text, PAPER_TEXT, "%s/%s", backbone,
             variant ? row->method : module);
    return text;
}

/* All names there are; some more than once. */
static const char *row_name(const void *arg, int i)
{
    const Paper *paper = arg;

    if (i >= 2 * paper->n)
        return NULL;
    return i % 2 ? paper->at[i / 2].method : paper->at[i / 2].backbone;
}

static int no_such_row(const Paper *paper, const char *name)
{
    const char *near = name_nearest(name, row_name, paper);

    return fail(ERR_INPUT, "--rows: the table has no row '%s'%s%s%s", name,
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "; --rows without a value lists them");
}

/* The next name in a list, NULL at its end; a comma in parentheses is part of
 * a name, "G2(3,7)".  *list continues behind it. */
static char *next_name(char **list)
{
    char *name = *list, *at = name;
    int depth = 0;

    for (; *at && (*at != ',' || depth); at++)
        depth += (*at == '(') - (*at == ')');
    *list = at + (*at == ',');
    *at = '\0';
    return *name ? name : NULL;
}

int reproduce_rows(bool wanted[PAPER_ROWS_MAX], const Paper *paper,
                   const char *rows)
{
    char text[1024], *list = text;

    for (int i = 0; i < paper->n; i++)
        wanted[i] = !*rows;
    if (snprintf(text, sizeof(text), "%s", rows) >= (int)sizeof(text))
        return fail(ERR_INPUT, "--rows: the list is too long");
    for (char *name; (name = next_name(&list));) {
        bool any = false;

        for (int i = 0; i < paper->n; i++)
            if (matches(&paper->at[i], name)) {
                wanted[i] = any = true;
                wanted[paper_base(paper, &paper->at[i]) - paper->at] = true;
            }
        if (!any)
            return no_such_row(paper, name);
    }
    return OK;
}

/* ---- all of it ------------------------------------------------------- */

static int set_flags(Case *c, const Flag *flags, int n)
{
    for (int i = 0; i < n; i++)
        TRY(case_set(c, flags[i].name, flags[i].value));
    return case_complete(c);
}

/* The hash is of all rows, so that parts of a table make one sweep. */
static int keep_wanted(Experiment *e, const Case *all, const int *row_of, int n,
                       const bool *wanted)
{
    int kept = 0;

    for (int i = 0; i < n; i++)
        if (wanted[row_of[i]])
            e->cases[kept++] = all[i];
    e->part = kept < n;
    e->ncases = kept;
    return kept ? OK
                : fail(ERR_UNSUPPORTED, "this build has none of the networks "
                                        "of these rows");
}

int reproduce_experiment(Experiment *out, PaperTable table, const Paper *paper,
                         const bool *wanted, const Flag *flags, int nflags)
{
    Case *all = calloc(2 * PAPER_ROWS_MAX, sizeof(*all));
    int row_of[2 * PAPER_ROWS_MAX], n = 0, err = OK;

    BUG_IF(!all);
    for (int i = 0; i < nflags && !err; i++)
        err = check_flag(&flags[i], reproduce_name(table));
    for (int i = 0; i < paper->n && !err; i++) {
        const PaperRow *row = &paper->at[i];
        const bool twice = paper_base(paper, row) == row;

        if (reproduce_case(&all[n], row))
            continue;
        err = set_flags(&all[n], flags, nflags);
        row_of[n++] = i;
        if (!twice)
            continue;
        all[n] = all[n - 1];
        all[n].copy = 1;
        row_of[n++] = i;
    }
    if (!err) {
        experiment_of_cases(out, tables[table].name, tables[table].question,
                            all, n);
        BUG_IF(out->ncases != n);
        err = keep_wanted(out, all, row_of, n, wanted);
        if (err)
            experiment_free(out);
    }
    free(all);
    return err;
}
