/*
 * flags.c - reads and explains flags by their tables.
 */
#include "harness/flags.h"

#include <stdlib.h>
#include <string.h>

#include "harness/wrap.h"
#include "kernels/core/err.h"
#include "results/store.h"

static bool is_switch(const Param *p)
{
    return p->kind == PARAM_KIND_INT && p->min == 0 && p->max == 1;
}

/* The i-th name that a command knows. */
static const char *known_name(const void *arg, int i)
{
    const Usage *usage = arg;

    for (const Param *p = usage->params; p && p->name; p++)
        if (i-- == 0)
            return p->name;
    return usage->takes_case ? case_key(i) : NULL;
}

static bool is_case_key(const char *name)
{
    const char *key;

    for (int i = 0; (key = case_key(i)); i++)
        if (strcmp(key, name) == 0)
            return true;
    return false;
}

static int refuse(const Usage *usage, const char *name)
{
    const char *near = name_nearest(name, known_name, usage);

    if (near)
        return fail(ERR_INPUT, "there is no setting '%s'; did you mean '%s'?",
                    name, near);
    return fail(ERR_INPUT,
                "there is no setting '%s'; 'attnbench %s --help' lists them",
                name, usage->name);
}

/* Keeps a case's setting.  Module goes first, because it sets defaults; of two
 * the last counts, as of all settings. */
static int keep(Flags *f, const char *name, const char *value)
{
    Flag *at = &f->flag[f->nflags];

    if (!value)
        return fail(ERR_INPUT, "--%s wants a value: --%s=...", name, name);
    if (f->nflags == FLAGS_MAX)
        return fail(ERR_INPUT, "more than %d settings", FLAGS_MAX);
    if (strcmp(name, "module") == 0) {
        if (f->nflags && strcmp(f->flag[0].name, name) == 0) {
            f->flag[0].value = value;
            return OK;
        }
        memmove(f->flag + 1, f->flag, (size_t)f->nflags * sizeof(*f->flag));
        at = &f->flag[0];
    }
    snprintf(at->name, sizeof(at->name), "%s", name);
    at->value = value;
    f->nflags++;
    return OK;
}

/* One "--name=value" or "--name". */
static int read_setting(Flags *f, const Usage *usage, void *settings,
                        const char *text)
{
    const char *equals = strchr(text, '='), *value = equals ? equals + 1 : NULL;
    const size_t n = equals ? (size_t)(equals - text) : strlen(text);
    char name[PARAM_NAME_MAX];
    const Param *p;

    if (n >= sizeof(name))
        return fail(ERR_INPUT, "there is no setting '%.20s...'", text);
    memcpy(name, text, n);
    name[n] = '\0';
    p = param_find(usage->params, name);
    if (p && !value && !is_switch(p))
        return fail(ERR_INPUT, "--%s wants a value: --%s=...", name, name);
    if (p)
        return param_set(p, settings, value ? value : "1");
    if (usage->takes_case && is_case_key(name))
        return keep(f, name, value);
    return refuse(usage, name);
}

static int check_args(const Flags *f, const Usage *usage)
{
    if (f->nargs > usage->max_args)
        return fail(ERR_INPUT, "'%s' is one argument too many%s%s",
                    f->arg[usage->max_args],
                    usage->max_args ? "; wanted: "
                                    : "; settings are written "
                                      "--name=value",
                    usage->args);
    if (f->nargs < usage->min_args)
        return fail(ERR_INPUT,
                    "%s is missing; 'attnbench %s --help' tells more",
                    usage->args, usage->name);
    return OK;
}

int flags_parse(Flags *f, const Usage *usage, void *settings, int argc,
                char **argv)
{
    memset(f, 0, sizeof(*f));
    param_defaults(usage->params, settings);
    for (int i = 0; i < argc; i++)
        f->help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");

    for (int i = 0; i < argc; i++) {
        const char *text = argv[i];

        if (f->help && strncmp(text, "--module=", 9) != 0)
            continue;
        if (strncmp(text, "--", 2) == 0 && text[2]) {
            TRY(read_setting(f, usage, settings, text + 2));
            continue;
        }
        if (text[0] == '-' && text[1])
            return fail(ERR_INPUT,
                        "'%s' is no setting; settings are written "
                        "--name=value",
                        text);
        if (f->nargs == ARGS_MAX)
            return fail(ERR_INPUT, "more than %d arguments", ARGS_MAX);
        f->arg[f->nargs++] = text;
    }
    return f->help ? OK : check_args(f, usage);
}

int flags_case(const Flags *f, Case *c)
{
    for (int i = 0; i < f->nflags; i++)
        TRY(case_set(c, f->flag[i].name, f->flag[i].value));
    return OK;
}

enum { HELP_COLUMN = 26, HELP_WIDTH = 79 };

/* What values a setting takes: "[1 to 64]", "[op, module, network]". */
static void describe_values(const Param *p, char *text, size_t size)
{
    size_t n = 0;

    text[0] = '\0';
    if (is_switch(p))
        return;
    if (p->kind == PARAM_KIND_INT || p->kind == PARAM_KIND_INTS ||
        p->kind == PARAM_KIND_REAL)
        snprintf(text, size, "[%s%d to %d]",
                 p->kind == PARAM_KIND_INTS ? "a list; each " : "", p->min,
                 p->max);
    for (int i = 0; p->choice && p->choice(i) && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? ", " : "[",
                              p->choice(i));
    if (n && n < size)
        snprintf(text + n, size - n, "]");
}

/* The left column; returns where the right one begins. */
static Wrap put_left(FILE *out, const char *text)
{
    if (fprintf(out, "%-*s", HELP_COLUMN, text) > HELP_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    return (Wrap){ HELP_COLUMN, HELP_COLUMN, HELP_WIDTH };
}

void flags_entry(FILE *out, const char *name, const char *text)
{
    char left[PARAM_TEXT_MAX];
    Wrap right;

    snprintf(left, sizeof(left), "  %s", name);
    right = put_left(out, left);
    wrap_words(out, &right, text);
    fputc('\n', out);
}

void flags_table(FILE *out, const char *title, const Param *table)
{
    char flag[PARAM_TEXT_MAX], values[1024];

    if (!table || !table->name)
        return;
    fprintf(out, "\n%s\n", title);
    for (const Param *p = table; p->name; p++) {
        Wrap right;

        snprintf(flag, sizeof(flag), "  --%s%s%s", p->name,
                 is_switch(p) ? "" : "=", is_switch(p) ? "" : p->initial);
        right = put_left(out, flag);
        wrap_words(out, &right, p->help);
        describe_values(p, values, sizeof(values));
        wrap_words(out, &right, values);
        fputc('\n', out);
    }
}

int flags_help(const Flags *f, const Usage *usage, FILE *out)
{
    const bool any = usage->params || usage->takes_case;
    Case c;

    fprintf(out, "usage: attnbench %s%s%s%s\n\n%s\n", usage->name,
            any ? " [--setting=value]..." : "", usage->args[0] ? " " : "",
            usage->args, usage->what);
    flags_table(out, "Settings, with their defaults:", usage->params);
    if (usage->takes_case) {
        char title[128];

        case_defaults(&c);
        TRY(flags_case(f, &c));
        flags_table(out, "The case, with its defaults:", case_params);
        snprintf(title, sizeof(title), "Settings of %s:", c.module.text);
        if (case_module(&c))
            flags_table(out, title, case_module(&c)->params);
        else
            fputs("\nA module has settings of its own: add --module=NAME, or "
                  "see\n'attnbench list settings'.\n",
                  out);
    }
    if (usage->examples)
        fprintf(out, "\nFor example:\n%s", usage->examples);
    return OK;
}

void put_argument(FILE *out, const char *text)
{
    const size_t size = param_word(NULL, 0, text) + 1;
    char *word = malloc(size);

    BUG_IF(!word); /* an argument's length */
    param_word(word, size, text);
    fputs(word, out);
    free(word);
}

void put_db(FILE *out, const char *db)
{
    if (strcmp(db, STORE_PATH) == 0)
        return;
    fputs(" --db=", out);
    put_argument(out, db);
}
