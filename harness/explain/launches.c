/*
 * launches.c - a table of GPU kernels by the time that they take.
 */
#include "harness/explain/launches.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/files/wrap.h"
#include "kernels/core/err.h"

static int by_time(const void *a, const void *b)
{
    const Launched *x = a, *y = b;

    return x->ns != y->ns ? (x->ns < y->ns) - (x->ns > y->ns)
                          : strcmp(x->kernel, y->kernel);
}

int launches_by_kernel(Launched *out, const StoredProfile *p)
{
    int n = 0;

    for (int i = 0; i < p->nquantities; i++) {
        const Quantity *q = &p->quantity[i];
        int k = 0;

        if (!q->launch[0])
            continue;
        while (k < n && strcmp(out[k].kernel, q->launch))
            k++;
        if (k == n)
            out[n++] = (Launched){ .kernel = q->launch };
        if (strcmp(q->name, "time_ns") == 0)
            out[k].ns += q->value;
        else if (strcmp(q->name, "launches") == 0)
            out[k].launches += q->value;
    }
    qsort(out, (size_t)n, sizeof(*out), by_time);
    return n;
}

enum { NUMBERS = 3, NUMBER_TEXT = 32 };

/* One line of the table, of which width has the most letters so far. */
typedef struct Line {
    char number[NUMBERS][NUMBER_TEXT];
    const char *text;
} Line;

static void line_set(Line *line, int *width, double launches, double ns,
                     double share)
{
    snprintf(line->number[0], NUMBER_TEXT, "%.0f", launches);
    snprintf(line->number[1], NUMBER_TEXT, "%.1f", ns / 1e3);
    if (!isnan(share))
        snprintf(line->number[2], NUMBER_TEXT, "%.1f %%", 100 * share);
    for (int i = 0; i < NUMBERS; i++) {
        const int n = (int)strlen(line->number[i]);

        width[i] = n > width[i] ? n : width[i];
    }
}

/* A long name continues under its beginning, and is never cut. */
static void line_write(FILE *to, const Line *line, const int *width)
{
    const int columns = screen_columns(to);
    Wrap at = { .width = columns ? columns : INT_MAX };

    for (int i = 0; i < NUMBERS; i++)
        at.indent += fprintf(to, "  %*s", width[i], line->number[i]);
    at.indent += fprintf(to, "  ");
    at.column = at.indent;
    wrap_words(to, &at, line->text);
    fputc('\n', to);
}

/* Shows the first of n, and what all come to. */
static void write_kernels(FILE *to, const Launched *all, int n, int top)
{
    const int shown = n < top ? n : top;
    Line *line = calloc((size_t)shown + 2, sizeof(*line));
    Line *head = line, *sum = line + shown + 1;
    int width[NUMBERS] = { sizeof("launches") - 1, 8, sizeof("share") - 1 };
    double launches = 0, ns = 0;
    char last[64];

    BUG_IF(!line);
    for (int i = 0; i < n; i++) {
        launches += all[i].launches;
        ns += all[i].ns;
    }
    *head = (Line){ { "launches", "us", "share" }, "GPU kernel" };
    for (int i = 0; i < shown; i++) {
        line[i + 1].text = all[i].kernel;
        line_set(&line[i + 1], width, all[i].launches, all[i].ns,
                 all[i].ns / ns);
    }
    snprintf(last, sizeof(last), "sum of all %d, gaps left out", n);
    sum->text = last;
    line_set(sum, width, launches, ns, NAN);
    fputc('\n', to);
    for (int i = 0; i < shown + 2; i++)
        line_write(to, &line[i], width);
    free(line);
}

void launches_write(FILE *to, const StoredProfile *p, int top)
{
    Launched *all = calloc((size_t)p->nquantities + 1, sizeof(*all));
    int n;

    BUG_IF(!all);
    n = launches_by_kernel(all, p);
    if (n)
        write_kernels(to, all, n, top > 0 ? top : 0);
    free(all);
}
