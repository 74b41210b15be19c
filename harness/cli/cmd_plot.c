/*
 * cmd_plot.c - attnbench plot [FIGURE...]
 */
#include "harness/cli/cmd.h"

#include <stdio.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "harness/cli/flags.h"
#include "harness/cli/hint.h"
#include "harness/measure/db.h"
#include "kernels/core/err.h"
#include "plots/plot.h"

typedef struct PlotSettings {
    const char *db, *out;
    ParamName format, experiment, source, focus;
} PlotSettings;

static const char *format_choice(int i)
{
    static const char *const names[] = { "svg,png", "svg", "png", NULL };

    return names[i];
}

static const Param plot_params[] = {
    PARAM_PATH(PlotSettings, db, STORE_PATH, "the database"),
    PARAM_PATH(PlotSettings, out, "plots/out", "output folder"),
    PARAM_NAME(PlotSettings, format, "svg,png", format_choice,
               "picture formats"),
    PARAM_NAME(PlotSettings, experiment, "", NULL,
               "experiment to draw instead of the figure's own"),
    PARAM_NAME(PlotSettings, source, "attnbench", NULL,
               "program that measured: attnbench, or the name of a peer"),
    PARAM_NAME(PlotSettings, focus, "scsa", zoo_name,
               "the module to highlight"),
    PARAM_END,
};

static const Usage usage = {
    .name = "plot",
    .args = "[FIGURE...]",
    .max_args = 32,
    .what = "Draws figures from the database: all that have runs, or those "
            "named.\n"
            "Each comes with its numbers (.dat) and the gnuplot script (.gp) "
            "that\n"
            "draws it.  A figure shows one slice of an experiment: for any "
            "other\n"
            "setting that varies, choose a value (--batch=8).",
    .params = plot_params,
    .takes_case = CASE_FILTER,
    .exits = "Exit status: 0 if a figure was drawn; 1 if none could be; 2 if "
             "a figure that was named has no runs.",
    .examples = "  attnbench plot\n"
                "  attnbench plot throughput pareto --format=svg\n"
                "  attnbench plot channels --module=scsa,se,eca --focus=se\n",
};

static const char *figure_name(const void *arg, int i)
{
    (void)arg;
    return plot_name(i);
}

static int find_figure(const char *name, int *at)
{
    const char *near;

    for (*at = 0; plot_name(*at); (*at)++)
        if (strcmp(plot_name(*at), name) == 0)
            return OK;
    near = name_nearest(name, figure_name, NULL);
    return fail(ERR_INPUT, "unknown figure '%s'%s%s%s", name,
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "; 'attnbench plot --help' lists them");
}

/* "plots/out/channels.svg, .png, .dat, .gp" */
static void print_written(const PlotOptions *o, int figure, const char *note)
{
    const bool svg = strstr(o->formats, "svg"), png = strstr(o->formats, "png");

    printf("%-11s %s/%s%s%s, .dat, .gp%s%s%s\n", plot_name(figure), o->out,
           plot_name(figure), svg ? ".svg" : ".png", svg && png ? ", .png" : "",
           note[0] ? "  (without: " : "", note, note[0] ? ")" : "");
}

static void not_drawn(int figure)
{
    printf("%-11s not drawn: ", plot_name(figure));
    hint_write(stdout, err_message());
    putchar('\n');
}

/* Draws figures first to last; those without runs are told and left out,
 * unless they were asked for. */
static int draw(Store *store, const PlotOptions *o, const Flags *flags)
{
    char note[PLOT_NOTE];
    int drawn = 0;

    for (int i = 0; i < flags->nargs; i++) {
        int figure;

        TRY(find_figure(flags->arg[i], &figure));
        TRY(plot_draw(figure, store, o, note));
        print_written(o, figure, note);
        drawn++;
    }
    for (int i = 0; !flags->nargs && plot_name(i); i++) {
        const int err = plot_draw(i, store, o, note);

        if (err && err != ERR_UNSUPPORTED && err != ERR_INPUT)
            return err;
        if (err)
            not_drawn(i);
        else
            print_written(o, i, note);
        drawn += !err;
    }
    return drawn ? OK : CMD_BAD;
}

/* The settings of a case choose runs; their names are columns. */
static int choose(const Flags *flags, const char *source, Wanted *wanted)
{
    int n = 0;

    for (int i = 0; i < flags->nflags; i++)
        wanted[n++] = (Wanted){ flags->flag[i].name, flags->flag[i].value };
    if (source[0])
        wanted[n++] = (Wanted){ "source", source };
    return n;
}

/* Receptive fields are of no experiment. */
static int check_experiment(int figure, const char *experiment)
{
    if (experiment[0] && !strcmp(plot_experiment(figure), "erf"))
        return fail(ERR_INPUT,
                    "--experiment: figure %s is drawn from the receptive "
                    "fields of 'attnbench erf', which belong to no "
                    "experiment; leave it out",
                    plot_name(figure));
    return OK;
}

static int print_help(const Flags *flags)
{
    TRY(flags_help(flags, &usage, stdout));
    printf("\nFigures:\n");
    for (int i = 0; plot_name(i); i++)
        flags_entry(stdout, plot_name(i), plot_help(i));
    return OK;
}

int cmd_plot(int argc, char **argv)
{
    PlotSettings settings;
    PlotOptions options;
    Wanted wanted[FLAGS_MAX + 1];
    Store *store;
    Flags flags;
    int err;

    TRY(flags_parse(&flags, &usage, &settings, argc, argv));
    if (flags.help)
        return print_help(&flags);
    options = (PlotOptions){
        .out = settings.out,
        .formats = settings.format.text,
        .experiment = settings.experiment.text,
        .focus = settings.focus.text,
        .module_at = zoo_name,
        .wanted = wanted,
        .nwanted = choose(&flags, settings.source.text, wanted),
    };
    for (int i = 0; i < flags.nargs; i++) {
        int figure;

        TRY(find_figure(flags.arg[i], &figure));
        TRY(check_experiment(figure, options.experiment));
    }
    TRY(db_open(&store, settings.db, STORE_READ));
    err = draw(store, &options, &flags);
    store_close(store);
    return err;
}
