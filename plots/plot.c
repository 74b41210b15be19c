/*
 * plot.c - the list of figures; writes their files and runs gnuplot.
 */
#include "plots/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "plots/sheet.h"
#include "results/folder.h"
#include "results/outfile.h"

/* clang-format off */
static const char theme[] =
#include "plots/theme.gp.inc"
;
static const char throughput_gp[] =
#include "plots/throughput.gp.inc"
;
static const char scaling_gp[] =
#include "plots/scaling.gp.inc"
;
static const char stages_gp[] =
#include "plots/stages.gp.inc"
;
static const char roofline_gp[] =
#include "plots/roofline.gp.inc"
;
static const char pareto_gp[] =
#include "plots/pareto.gp.inc"
;
static const char table1_gp[] =
#include "plots/table1.gp.inc"
;
static const char table2_gp[] =
#include "plots/table2.gp.inc"
;
static const char erf_gp[] =
#include "plots/erf.gp.inc"
;
static const char erf_scaling_gp[] =
#include "plots/erf_scaling.gp.inc"
;
/* clang-format on */
#define channels_gp   scaling_gp
#define resolution_gp scaling_gp
#define complexity_gp scaling_gp

static const Figure figures[] = {
#define X(id, experiment, help) { #id, experiment, help, id##_gp, figure_##id },
    FIGURES(X)
#undef X
};
enum { NFIGURES = sizeof(figures) / sizeof(figures[0]), PATH = 1024 };

const char *plot_name(int i)
{
    return i >= 0 && i < NFIGURES ? figures[i].name : NULL;
}

const char *plot_experiment(int i)
{
    return i >= 0 && i < NFIGURES ? figures[i].experiment : NULL;
}

const char *plot_help(int i)
{
    return i >= 0 && i < NFIGURES ? figures[i].help : NULL;
}

static int write_file(const char *folder, const char *name, const char *kind,
                      const char *text)
{
    char path[PATH];

    if (snprintf(path, sizeof(path), "%s/%s.%s", folder, name, kind) >=
        (int)sizeof(path))
        return fail(ERR_INPUT, "--out: the path is too long");
    return outfile_write(path, text, strlen(text));
}

/* In the child: gnuplot in the folder, its complaints into the pipe. */
static void become_gnuplot(const char *folder, const char *script, int pipe_in)
{
    const int null = open("/dev/null", O_RDWR);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(pipe_in, STDERR_FILENO);
    unsetenv("GNUTERM");
    /* The scripts are UTF-8 with decimal points, whatever the user's locale;
     * in the C locale gnuplot complains. */
    setenv("LC_ALL", "C.UTF-8", 1);
    if (chdir(folder) == 0)
        execlp("gnuplot", "gnuplot", script, (char *)NULL);
    _exit(127);
}

/* Text from the pipe, on one line. */
static void read_complaints(int pipe_out, char *text, size_t size)
{
    size_t used = 0;
    char chunk[512];
    ssize_t n;

    while ((n = read(pipe_out, chunk, sizeof(chunk))) > 0)
        for (ssize_t i = 0; i < n && used + 1 < size; i++) {
            const char c = chunk[i] < ' ' ? ' ' : chunk[i];

            if (c != ' ' || (used && text[used - 1] != ' '))
                text[used++] = c;
        }
    text[used] = '\0';
}

static int run_gnuplot(const char *folder, const char *name)
{
    char script[PATH], complaints[400];
    int ends[2], status;
    pid_t pid;

    snprintf(script, sizeof(script), "%s.gp", name);
    if (pipe(ends))
        return fail(ERR_IO, "cannot start gnuplot: %s", strerror(errno));
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become_gnuplot(folder, script, ends[1]);
    close(ends[1]);
    read_complaints(ends[0], complaints, sizeof(complaints));
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return fail(ERR_IO, "cannot start gnuplot: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return fail(ERR_IO,
                    "gnuplot is not installed; install the package "
                    "gnuplot-nox, then: cd %s && gnuplot %s",
                    folder, script);
    if (!WIFEXITED(status) || WEXITSTATUS(status) || complaints[0])
        return fail(ERR_IO, "gnuplot failed on %s/%s: %s", folder, script,
                    complaints[0] ? complaints : "it gave no reason");
    return OK;
}

/* Lets the figure write its data and its variables, then adds the theme and
 * the template.  The texts are the caller's to free. */
static int compose(Sheet *s, const Figure *f, char **dat, char **gp)
{
    size_t dat_size, gp_size;
    int err;

    s->dat = open_memstream(dat, &dat_size);
    s->gp = open_memstream(gp, &gp_size);
    BUG_IF(!s->dat || !s->gp);
    fprintf(s->gp,
            "# %s.gp - %s\n#\n# Drawn by attnbench; 'LC_ALL=C.UTF-8 gnuplot "
            "%s.gp' draws it\n# again from %s.dat.\n\n",
            f->name, f->help, f->name, f->name);
    sheet_text(s, "name", "%s", f->name);
    sheet_text(s, "data", "%s.dat", f->name);
    sheet_text(s, "formats", "%s%s",
               strstr(s->options->formats, "svg") ? "svg " : "",
               strstr(s->options->formats, "png") ? "png" : "");
    err = f->draw(s);
    fprintf(s->gp, "\n%s\n%s", theme, f->template);
    fclose(s->dat);
    fclose(s->gp);
    return err;
}

int figure_write(const Figure *f, Sheet *s)
{
    const char *out = s->options->out;
    char *dat = NULL, *gp = NULL;
    int err;

    s->name = f->name;
    s->experiment = f->experiment;
    err = compose(s, f, &dat, &gp);
    if (!err)
        err = folder_make(out);
    if (!err)
        err = write_file(out, f->name, "dat", dat);
    if (!err)
        err = write_file(out, f->name, "gp", gp);
    if (!err)
        err = run_gnuplot(out, f->name);
    free(dat);
    free(gp);
    return err;
}

int plot_draw(int i, Store *store, const PlotOptions *options,
              char note[PLOT_NOTE])
{
    note[0] = '\0';
    return figure_write(
        &figures[i],
        &(Sheet){ .store = store, .options = options, .note = note });
}
