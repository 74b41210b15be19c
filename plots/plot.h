/*
 * plot.h - figures from the database: query, data file, gnuplot script.
 *
 * A figure leaves NAME.dat with its numbers and NAME.gp, which holds all else
 * and draws NAME.svg and NAME.png wherever there is a gnuplot.  To add one:
 * write plots/<file>.c and its template, add its line to FIGURES.
 */
#ifndef PLOTS_PLOT_H
#define PLOTS_PLOT_H

#include <stdbool.h>

#include "analysis/slice.h"
#include "results/store.h"

/*  name        experiment    what it shows                                  */
#define FIGURES(X)                                                            \
    X(throughput, "bench",                                                    \
      "throughput of a backbone with each module, next to the paper's")       \
    X(channels, "channels", "time of each module against channels")           \
    X(resolution, "resolution",                                               \
      "time of each module against resolution, with its exponent")            \
    X(complexity, "channels",                                                 \
      "FLOPs and bytes against channels and resolution")                      \
    X(stages, "module_stages",                                                \
      "time of each module, composed and fused, at a backbone's stages")      \
    X(roofline, "profile",                                                    \
      "operations per second under this machine's roofs, composed and fused") \
    X(pareto, "bench", "the paper's accuracy against measured throughput")    \
    X(table1, "table1",                                                       \
      "variants of SCSA relative to it, next to the paper's Table 1")         \
    X(table2, "table2",                                                       \
      "modules relative to the plain backbones, next to the paper's Table 2") \
    X(erf, "erf",                                                             \
      "effective receptive field: which input pixels influence a layer")      \
    X(erf_scaling, "erf", "how effective receptive fields grow with the input")

typedef struct PlotOptions {
    const char *out;        /* folder, made if need be                      */
    const char *formats;    /* "svg,png", either or both                    */
    const char *experiment; /* NULL or "": the figure's own                 */
    const char *focus;      /* the module to draw strongest                 */
    const char *(*module_at)(int i); /* by its name, in the order of styles;
                                      * NULL past the end                   */
    const Wanted *wanted; /* which runs                                   */
    int nwanted;
} PlotOptions;

/* The i-th figure's name, NULL past the end; its experiment; its help. */
const char *plot_name(int i);
const char *plot_experiment(int i);
const char *plot_help(int i);

/*
 * Draws figure i.  ERR_UNSUPPORTED: the database lacks the runs, and the
 * sentence says what to run.  ERR_IO if gnuplot is missing or refuses: .dat
 * and .gp are written nevertheless, and the sentence says how to continue.
 * note gets what a reader of the command's output should know, or "".
 */
enum { PLOT_NOTE = 512 };
int plot_draw(int i, Store *s, const PlotOptions *options,
              char note[PLOT_NOTE]);

#endif
