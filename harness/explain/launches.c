/*
 * launches.c - a table of GPU kernels by the time that they take.
 */
#include "harness/explain/launches.h"

#include <stdlib.h>
#include <string.h>

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

void launches_write(FILE *to, const StoredProfile *p, int top)
{
    Launched *all = calloc((size_t)p->nquantities + 1, sizeof(*all));
    double launches = 0, ns = 0;
    int n;

    BUG_IF(!all);
    n = launches_by_kernel(all, p);
    for (int i = 0; i < n; i++) {
        launches += all[i].launches;
        ns += all[i].ns;
    }
    if (n)
        fprintf(to, "\n  %8s %9s %7s  %s\n", "launches", "us", "share",
                "GPU kernel");
    for (int i = 0; i < n && i < top; i++)
        fprintf(to, "  %8.0f %9.1f %5.1f %%  %s\n", all[i].launches,
                all[i].ns / 1e3, 100 * all[i].ns / ns, all[i].kernel);
    if (n)
        fprintf(to, "  %8.0f %9.1f %7s  sum of all %d, gaps left out\n",
                launches, ns / 1e3, "", n);
    free(all);
}
