/*
 * progress.c - one line on a terminal, one a case elsewhere.
 */
#include "harness/measure/progress.h"

#include <string.h>
#include <unistd.h>

#include "analysis/stats.h"
#include "analysis/units.h"
#include "harness/files/wrap.h"
#include "kernels/core/host.h"
#include "kernels/core/visible.h"

#define BETWEEN_NS 1e8

void progress_begin(Progress *p, FILE *out, int total, int before)
{
    *p = (Progress){ .out = out,
                     .terminal = isatty(fileno(out)),
                     .total = total,
                     .done = before,
                     .before = before,
                     .started_ns = host_now_ns() };
}

char *time_text(double ns, char text[TIME_TEXT])
{
    double unit;
    const int i = unit_for(ns, units_of_time, &unit);
    const double v = ns / unit;

    snprintf(text, TIME_TEXT, "%.*f %s",
             v < 10    ? 3
             : v < 100 ? 2
                       : 1,
             v, units_of_time[i]);
    return text;
}

void progress_cases(Progress *p, const Case *cases, int n)
{
    char first[PARAM_TEXT_MAX], text[PARAM_TEXT_MAX];

    for (int k = 0; case_params[k].name; k++)
        for (int i = 1; i < n; i++)
            if (strcmp(param_text(&case_params[k], &cases[0], first),
                       param_text(&case_params[k], &cases[i], text)))
                p->varies |= 1u << k;
}

/* The repeat line without "attnbench run ", with what varies. */
static char *short_name(const Progress *p, const Trial *a, char out[CASE_TEXT])
{
    const char *name = strstr(a->repeat, "--");
    size_t n = (size_t)snprintf(out, CASE_TEXT, "%s", name ? name : a->repeat);
    char flag[PARAM_NAME_MAX + 4], text[PARAM_TEXT_MAX];

    for (int k = 0; case_params[k].name; k++) {
        snprintf(flag, sizeof(flag), "--%s=", case_params[k].name);
        if ((p->varies >> k & 1) && !strstr(a->repeat, flag) && n < CASE_TEXT)
            n += (size_t)snprintf(out + n, CASE_TEXT - n, " %s%s", flag,
                                  param_text(&case_params[k], a->c, text));
    }
    return out;
}

static int width(const Progress *p)
{
    const int n = screen_columns(p->out);

    return n ? n : 80;
}

/* Seconds that the rest will take at the present rate; -1: unknown. */
static double seconds_left(const Progress *p, int settled)
{
    const double done = p->done - p->before + settled;
    const double spent = (host_now_ns() - p->started_ns) * 1e-9;

    return done > 0 ? spent * (p->total - p->before - done) / done : -1;
}

void progress_step(Progress *p, const Step *step)
{
    const double now = host_now_ns(), s = seconds_left(p, step->settled);
    const Trial *a = step->arm;
    char line[CASE_TEXT + 256], shown[CASE_TEXT + 256], name[CASE_TEXT];
    size_t n;

    if (!p->terminal || now - p->shown_ns < BETWEEN_NS)
        return;
    p->shown_ns = now;
    n = (size_t)snprintf(line, sizeof(line), "%d/%d", p->done, p->total);
    if (s >= 0 && now - p->started_ns > 2e9)
        n += (size_t)snprintf(line + n, sizeof(line) - n, ", %d:%02d left",
                              (int)s / 60, (int)s % 60);
    n += (size_t)snprintf(line + n, sizeof(line) - n, "  %s", step->what);
    if (step->n > 1)
        n += (size_t)snprintf(line + n, sizeof(line) - n,
                              " %d cases, %d converged:", step->n,
                              step->settled);
    snprintf(line + n, sizeof(line) - n, " %s%s%s",
             a->peer ? peer_name(a->peer) : "", a->peer ? ": " : "",
             short_name(p, a, name));
    fprintf(p->out, "\r%.*s\033[K", width(p) - 1,
            visible(shown, sizeof(shown), line));
    fflush(p->out);
}

void progress_end(Progress *p)
{
    if (p->terminal)
        fputs("\r\033[K", p->out);
    fflush(p->out);
}

/* "123.4 ms +-0.6 %, 64.8 images/s" */
static void print_time(const Progress *p, const Trial *a)
{
    const Stats s = stats_of(a->ns, a->n);
    char time[TIME_TEXT];

    fprintf(p->out, "  %s +-%.1f %%", time_text(s.median, time),
            100 * stats_half_width(&s));
    fprintf(p->out, "  %.*f images/s", s.median < 1e7 * a->c->batch ? 0 : 2,
            1e9 * a->c->batch / s.median);
    if (!a->converged)
        fprintf(p->out, "  not converged (%d samples)", a->n);
}

void progress_done(Progress *p, const Trial *a)
{
    char name[CASE_TEXT];

    p->done++;
    progress_end(p);
    fprintf(p->out, "%*d/%d  ", snprintf(NULL, 0, "%d", p->total), p->done,
            p->total);
    if (a->peer) {
        visible_write(p->out, peer_name(a->peer));
        fputs(": ", p->out);
    }
    visible_write(p->out, short_name(p, a, name));
    if (trial_ok(a))
        print_time(p, a);
    else {
        fprintf(p->out, "  %s: ", status_name(a->status));
        visible_write(p->out, a->message);
    }
    fputc('\n', p->out);
    fflush(p->out);
}
