/*
 * compare_cases.c - reads the cases of attnbench compare.
 */
#include "harness/cli/compare_cases.h"

#include <string.h>

#include "kernels/core/err.h"

enum { WORD_MAX = 1024, PARTS_MAX = 64 };

static const Usage of_case = { .name = "compare",
                               .args = "",
                               .takes_case = CASE_SETTINGS };

/* A case's own settings, which point into text. */
typedef struct Own {
    char text[WORD_MAX];
    Flags flags;
} Own;

static int read_own(Own *own, const char *word)
{
    char *part[PARTS_MAX], *rest;
    int n = 0;

    if (strlen(word) >= WORD_MAX)
        return fail(ERR_INPUT, "'%.60s...' is longer than a case can be", word);
    strcpy(own->text, word);
    for (char *p = strtok_r(own->text, " \t", &rest); p && n < PARTS_MAX;
         p = strtok_r(NULL, " \t", &rest))
        part[n++] = p;
    return flags_parse(&own->flags, &of_case, NULL, n, part);
}

/* True if the case has such a setting, as it stands. */
static bool has_setting(const Case *c, const char *name)
{
    const Module *m = case_module(c);

    return param_find(case_params, name) || (m && param_find(m->params, name));
}

/* The module is set first, since it sets the defaults of its own settings. */
static int set_case(Case *c, const Flags *own, const Flags *shared, bool *used)
{
    case_defaults(c);
    if (flags_given(own, "module"))
        TRY(case_set(c, "module", own->flag[0].value));
    for (int i = 0; i < shared->nflags; i++) {
        const Flag *f = &shared->flag[i];

        if (!flags_given(own, f->name) && !has_setting(c, f->name))
            continue;
        used[i] = true;
        if (!flags_given(own, f->name))
            TRY(case_set(c, f->name, f->value));
    }
    for (int i = 0; i < own->nflags; i++)
        if (strcmp(own->flag[i].name, "module"))
            TRY(case_set(c, own->flag[i].name, own->flag[i].value));
    return case_complete(c);
}

/* Cases of two devices, or two numbers of threads, are not in one block. */
static int check_together(const Case *c)
{
    if (c[0].backend == c[1].backend && c[0].threads == c[1].threads)
        return OK;
    return fail(ERR_INPUT,
                "cases that differ in backend or threads cannot be measured "
                "interleaved; give both the same, or measure them by "
                "'attnbench run' and see 'attnbench table'");
}

/* Words are read before any case is completed: an unknown setting is named
 * before one that is missing. */
int compare_cases_read(Case *out, const char *const *word, int n,
                       const Flags *shared)
{
    bool used[FLAGS_MAX] = { false };
    Own own[2];
    int err = OK, at = 0;

    for (int i = 0; i < n && !err; i++) {
        at = i;
        err = read_own(&own[i], word[i]);
    }
    for (int i = 0; i < n && !err; i++) {
        at = i;
        err = set_case(&out[i], &own[i].flags, shared, used);
    }
    if (err)
        return fail_within(err, "'%s'", word[at]);
    for (int i = 0; i < shared->nflags; i++)
        if (!used[i])
            return fail(ERR_INPUT, "no module here has a setting '%s'",
                        shared->flag[i].name);
    return n == 2 ? check_together(out) : OK;
}

bool compare_cases_copy(Case c[2])
{
    char a[CASE_TEXT], b[CASE_TEXT];

    if (strcmp(case_print(&c[0], a), case_print(&c[1], b)) != 0)
        return false;
    c[1].copy = c[0].copy + 1;
    return true;
}
