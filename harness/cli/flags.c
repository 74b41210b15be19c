/*
 * flags.c - reads and explains flags by their tables.
 */
#include "harness/cli/flags.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "harness/experiments/setting_values.h"
#include "harness/files/wrap.h"
#include "harness/measure/sweep.h"
#include "harness/network/case_flags.h"
#include "kernels/core/err.h"
#include "results/store.h"

static bool is_switch(const Param *p)
{
    return p->kind == PARAM_KIND_INT && p->min == 0 && p->max == 1;
}

/* True if a command takes a setting of a case or of a module. */
static bool takes(const Usage *usage, const char *key)
{
    const CaseFlag *own = case_flag_find(usage->name, key);

    return usage->takes_case && (!own || own->initial);
}

/* The i-th name that a command takes. */
static const char *known_name(const void *arg, int i)
{
    const Usage *usage = arg;
    const char *key;

    for (const Param *p = usage->params; p && p->name; p++)
        if (i-- == 0)
            return p->name;
    for (int k = 0; (key = case_key(k)); k++)
        if (takes(usage, key) && i-- == 0)
            return key;
    return NULL;
}

static bool is_case_key(const char *name)
{
    const char *key;

    for (int i = 0; (key = case_key(i)); i++)
        if (strcmp(key, name) == 0)
            return true;
    return false;
}

/* Names that other programs have for our settings. */
static const struct {
    const char *said, *key, *meant;
} synonyms[] = {
    { "resolution", "height", "--height=... --width=..." },
    { "res", "height", "--height=... --width=..." },
    { "size", "height", "--height=... --width=..." },
    { "image_size", "height", "--height=... --width=..." },
    { "img_size", "height", "--height=... --width=..." },
    { "input_size", "height", "--height=... --width=..." },
    { "h", "height", "--height=..." },
    { "w", "width", "--width=..." },
    { "c", "channels", "--channels=..." },
    { "n", "batch", "--batch=..." },
    { "bs", "batch", "--batch=..." },
    { "batch_size", "batch", "--batch=..." },
    { "arch", "backbone", "--backbone=..." },
    { "model", "backbone", "--backbone=..." },
    { "network", "backbone", "--backbone=..." },
    { "attention", "module", "--module=..." },
    { "device", "backend", "--backend=..." },
    { "precision", "dtype", "--dtype=..." },
    { "checkpoint", "weights", "--weights=..." },
    { "output", "out", "--out=..." },
};

/* The flag that is meant by a name that other programs have, or NULL. */
static const char *meant_by(const Usage *usage, const char *name)
{
    for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
        if (!strcmp(synonyms[i].said, name) &&
            (param_find(usage->params, synonyms[i].key) ||
             (is_case_key(synonyms[i].key) && takes(usage, synonyms[i].key))))
            return synonyms[i].meant;
    return NULL;
}

static int refuse(const Usage *usage, const char *name)
{
    const CaseFlag *row = case_flag_find(usage->name, name);
    const char *meant = meant_by(usage, name), *near;

    if (!meant && usage->takes_case)
        meant = case_renamed(name);
    if (usage->takes_case && is_case_key(name) && row)
        return fail(ERR_INPUT, "%s has no setting '%s': %s", usage->name, name,
                    row->help);
    if (meant)
        return fail(ERR_INPUT, "unknown setting '%s'; did you mean '%s'?", name,
                    meant);
    near = name_nearest(name, known_name, usage);
    if (near)
        return fail(ERR_INPUT, "unknown setting '%s'; did you mean '%s'?", name,
                    near);
    return fail(ERR_INPUT,
                "unknown setting '%s'; 'attnbench %s --help' lists them", name,
                usage->name);
}

static int wants_value(const char *name)
{
    return fail(ERR_INPUT, "--%s needs a value: --%s=...", name, name);
}

/* Keeps a case's setting.  Module goes first, because it sets defaults; of two
 * the last counts, as of all settings. */
static int keep(Flags *f, const char *name, const char *value)
{
    Flag *at = &f->flag[f->nflags];

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

static int set_own(Flags *f, const Param *p, void *settings, const char *value)
{
    if (f->nown < FLAGS_MAX)
        f->own[f->nown++] = p;
    return param_set(p, settings, value);
}

/* The name of "name=value", with _ for -. */
static int read_name(char name[PARAM_NAME_MAX], const char *text)
{
    const size_t n = strcspn(text, "=");

    if (n >= PARAM_NAME_MAX)
        return fail(ERR_INPUT, "unknown setting '%.20s...'", text);
    for (size_t i = 0; i < n; i++)
        name[i] = text[i] == '-' ? '_' : text[i];
    name[n] = '\0';
    return OK;
}

/* "--name=value", or "--name" with its value next; *used becomes how many of
 * argv that was. */
static int read_setting(Flags *f, const Usage *usage, void *settings,
                        char *const *argv, int argc, int *used)
{
    const char *text = argv[0] + 2, *equals = strchr(text, '=');
    const char *value = equals ? equals + 1 : NULL;
    const bool next = argc > 1 && strncmp(argv[1], "--", 2) != 0;
    char name[PARAM_NAME_MAX];
    const Param *p;

    *used = 1;
    TRY(read_name(name, text));
    p = param_find(usage->params, name);
    if (!p && !(is_case_key(name) && takes(usage, name)))
        return refuse(usage, name);
    if (!value && p && is_switch(p))
        value = "1";
    if (!value && next) {
        value = argv[1];
        *used = 2;
    }
    if (!value && p && usage->lists && strcmp(usage->lists, name) == 0)
        value = "help";
    if (!value)
        return wants_value(name);
    return p ? set_own(f, p, settings, value) : keep(f, name, value);
}

static int check_args(const Flags *f, const Usage *usage)
{
    if (f->nargs > usage->max_args)
        return fail(ERR_INPUT, "unexpected argument '%s'%s%s",
                    f->arg[usage->max_args],
                    usage->max_args ? "; wanted: "
                                    : "; settings are written "
                                      "--name=value",
                    usage->args);
    if (f->nargs < usage->min_args)
        return fail(ERR_INPUT, "%s is missing; see 'attnbench %s --help'",
                    usage->args, usage->name);
    return OK;
}

/* Reads the module alone from a command line with --help: its settings are
 * shown. */
static void read_module(Flags *f, int argc, char **argv)
{
    static const char flag[] = "--module";
    const size_t n = strlen(flag);

    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], flag, n))
            continue;
        if (argv[i][n] == '=')
            keep(f, flag + 2, argv[i] + n + 1);
        else if (!argv[i][n] && i + 1 < argc && argv[i + 1][0] != '-')
            keep(f, flag + 2, argv[i + 1]);
    }
}

int flags_parse(Flags *f, const Usage *usage, void *settings, int argc,
                char **argv)
{
    int used;

    memset(f, 0, sizeof(*f));
    param_defaults(usage->params, settings);
    for (int i = 0; i < argc; i++)
        f->help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
    if (f->help) {
        if (takes(usage, "module"))
            read_module(f, argc, argv);
        return OK;
    }
    for (int i = 0; i < argc; i += used) {
        const char *text = argv[i];

        used = 1;
        if (strncmp(text, "--", 2) == 0 && text[2]) {
            TRY(read_setting(f, usage, settings, argv + i, argc - i, &used));
            continue;
        }
        if (text[0] == '-' && text[1])
            return fail(ERR_INPUT,
                        "'%s' is not a setting; settings are written "
                        "--name=value",
                        text);
        if (f->nargs == ARGS_MAX)
            return fail(ERR_INPUT, "more than %d arguments", ARGS_MAX);
        f->arg[f->nargs++] = text;
    }
    return check_args(f, usage);
}

bool flags_given(const Flags *f, const char *name)
{
    for (int i = 0; i < f->nown; i++)
        if (strcmp(f->own[i]->name, name) == 0)
            return true;
    for (int i = 0; i < f->nflags; i++)
        if (strcmp(f->flag[i].name, name) == 0)
            return true;
    return false;
}

void flags_default(Flags *f, const Usage *usage)
{
    const CaseFlag *row;

    for (int i = 0; (row = case_flag_at(i)); i++)
        if (!strcmp(row->command, usage->name) && row->initial &&
            row->initial[0] && !flags_given(f, row->key) &&
            f->nflags < FLAGS_MAX)
            keep(f, row->key, row->initial);
}

int flags_case(const Flags *f, Case *c)
{
    for (int i = 0; i < f->nflags; i++)
        TRY(case_set(c, f->flag[i].name, f->flag[i].value));
    return OK;
}

enum {
    COMMAND_COLUMN = 13,
    HELP_COLUMN = 26,
    NARROW_COLUMN = 4,
    HELP_WIDTH = 79,
    NARROW = 64
};

/* A line of help is no longer than this. */
static int help_width(FILE *out)
{
    const int n = screen_columns(out);

    return n && n <= HELP_WIDTH ? n - 1 : HELP_WIDTH;
}

/* Where what is said of a setting begins; on a narrow screen below it. */
static int help_column(FILE *out)
{
    return help_width(out) < NARROW ? NARROW_COLUMN : HELP_COLUMN;
}

/* Describes the values of a setting: "[1 to 64]", "[op, module, network]". */
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
static Wrap put_left(FILE *out, const char *text, int column)
{
    if (fprintf(out, "%-*s", column, text) > column)
        fprintf(out, "\n%*s", column, "");
    return (Wrap){ column, column, help_width(out) };
}

void flags_text(FILE *out, const char *text)
{
    wrap_text(out, help_width(out), text);
}

void flags_entry(FILE *out, const char *name, const char *text)
{
    char left[PARAM_TEXT_MAX];
    Wrap right;

    snprintf(left, sizeof(left), "  %s", name);
    right = put_left(out, left, help_column(out));
    wrap_words(out, &right, text);
    fputc('\n', out);
}

/* One setting, with its default if it has one. */
static void put_param(FILE *out, const Param *p, const char *initial)
{
    char flag[PARAM_TEXT_MAX], values[1024];
    Wrap right;

    snprintf(flag, sizeof(flag), "  --%s%s%s", p->name, is_switch(p) ? "" : "=",
             is_switch(p) ? "" : initial);
    right = put_left(out, flag, help_column(out));
    wrap_words(out, &right, p->help);
    describe_values(p, values, sizeof(values));
    wrap_words(out, &right, values);
    fputc('\n', out);
}

void flags_command(FILE *out, const char *name, const char *text)
{
    char left[PARAM_TEXT_MAX];
    Wrap right;

    snprintf(left, sizeof(left), "  %s", name);
    right = put_left(out, left, COMMAND_COLUMN);
    wrap_words(out, &right, text);
    fputc('\n', out);
}

void flags_table(FILE *out, const char *title, const Param *table)
{
    if (!table || !table->name)
        return;
    fprintf(out, "\n%s\n", title);
    for (const Param *p = table; p->name; p++)
        put_param(out, p, p->initial);
}

/* The settings of a case that the command takes, with its defaults. */
static void put_case(FILE *out, const Usage *usage)
{
    const bool filter = usage->takes_case == CASE_FILTER;

    fprintf(out, "\n%s\n",
            filter ? "Settings that choose among the runs, a value or a list "
                     "each:"
                   : "Settings of the case, with their defaults:");
    for (const Param *p = case_params; p->name; p++) {
        const CaseFlag *own = case_flag_find(usage->name, p->name);
        Param shown = case_setting(p);

        if (!takes(usage, p->name))
            continue;
        if (own && own->help)
            shown.help = own->help;
        put_param(out, &shown, filter ? "" : own ? own->initial : p->initial);
    }
}

/* True if the module that was given is several: "se,eca" or "all". */
static bool is_several(const Flags *f)
{
    return f->nflags && (strchr(f->flag[0].value, ',') ||
                         strcmp(f->flag[0].value, ALL_MODULES) == 0);
}

/* Those of the module that was given. */
static int put_module(FILE *out, const Flags *f, const Usage *usage)
{
    char title[128];
    Case c;

    if (!takes(usage, MODULE_SETTINGS))
        return OK;
    case_defaults(&c);
    if (!is_several(f))
        TRY(flags_case(f, &c));
    snprintf(title, sizeof(title), "Settings of %s:", c.module.text);
    if (case_module(&c)) {
        flags_table(out, title, case_module(&c)->params);
        return OK;
    }
    fputc('\n', out);
    wrap_text(out, help_width(out),
              "Modules have settings of their own: add --module=NAME, or see "
              "'attnbench list settings'.");
    return OK;
}

static void put_examples(FILE *out, const char *examples)
{
    char line[512];

    fprintf(out, "\nExamples:\n");
    while (*examples) {
        const size_t n = strcspn(examples, "\n");

        snprintf(line, sizeof(line), "%.*s", (int)n, examples);
        wrap_command(out, help_width(out), line);
        examples += n + (examples[n] == '\n');
    }
}

int flags_help(const Flags *f, const Usage *usage, FILE *out)
{
    const bool any = usage->params || usage->takes_case;

    fprintf(out, "usage: attnbench %s%s%s%s\n\n", usage->name,
            any ? " [--setting=value]..." : "", usage->args[0] ? " " : "",
            usage->args);
    wrap_text(out, help_width(out), usage->what);
    flags_table(out, "Settings, with their defaults:", usage->params);
    if (usage->takes_case) {
        put_case(out, usage);
        TRY(put_module(out, f, usage));
    }
    if (usage->exits) {
        fputc('\n', out);
        wrap_text(out, help_width(out), usage->exits);
    }
    if (usage->examples)
        put_examples(out, usage->examples);
    return OK;
}

int flags_cases(Experiment *out, Flags *flags, const Usage *usage,
                const char *nothing)
{
    const char *found = NULL;
    char path[PATH_MAX];

    if (flags->nargs)
        TRY(sweep_find(flags->arg[0], path, sizeof(path), &found));
    else if (!flags->nflags && nothing)
        return fail(ERR_INPUT, "%s", nothing);
    else
        flags_default(flags, usage);
    return experiment_read(out, found, flags->flag, flags->nflags);
}
