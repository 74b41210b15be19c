/*
 * profile_split.c - rows of steps.
 */
#include "harness/explain/profile_split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network/network.h"
#include "kernels/core/err.h"

static const char *const origin_names[ORIGINS] = { "network", "module",
                                                   "mixed" };

static void name_row(char name[PROFILE_ROW], const Tensor *out, ProfileBy by)
{
    char block[ROW_NAME];

    if (by == PROFILE_OP)
        snprintf(name, PROFILE_ROW, "%s", out->op->name);
    else if (by == PROFILE_ORIGIN)
        snprintf(name, PROFILE_ROW, "%s", origin_names[out->origin]);
    else
        snprintf(name, PROFILE_ROW, "%s%s", network_block(block, out),
                 out->origin == ORIGIN_MIXED ? " (mixed)" : "");
}

int profile_row(const ProfileSplit *s, const char *name)
{
    int i = s->n - 1;

    while (i >= 0 && strcmp(s->row[i].name, name) != 0)
        i--; /* from the end: most often it is the latest */
    return i;
}

static int find_row(ProfileSplit *s, const char *name)
{
    const int found = profile_row(s, name);

    if (found >= 0)
        return found;
    snprintf(s->row[s->n].name, sizeof(s->row->name), "%s", name);
    return s->n++;
}

static void add_step(ProfileRow *row, const ProfileStep *step)
{
    row->steps++;
    row->ns += step->ns;
    cost_add(&row->cost, &step->cost);
}

/* Slowest first; the rows of the steps move with them. */
static void sort_rows(ProfileSplit *s, int steps)
{
    for (int i = 1; i < s->n; i++)
        for (int k = i; k > 0 && s->row[k - 1].ns < s->row[k].ns; k--) {
            const ProfileRow faster = s->row[k - 1];

            s->row[k - 1] = s->row[k];
            s->row[k] = faster;
            for (int j = 0; j < steps; j++)
                s->of_step[j] = s->of_step[j] == k       ? k - 1
                                : s->of_step[j] == k - 1 ? k
                                                         : s->of_step[j];
        }
}

void profile_split(ProfileSplit *out, const Profile *p, ProfileBy by)
{
    const size_t n = (size_t)p->n;

    *out = (ProfileSplit){ .row = calloc(n + ORIGINS, sizeof(*out->row)),
                           .of_step = calloc(n + 1, sizeof(*out->of_step)) };
    BUG_IF(!out->row || !out->of_step);
    for (int i = 0; by == PROFILE_ORIGIN && i < ORIGINS; i++)
        find_row(out, origin_names[i]);
    for (int i = 0; i < p->n; i++) {
        char name[PROFILE_ROW];

        name_row(name, p->step[i].out, by);
        out->of_step[i] = find_row(out, name);
        add_step(&out->row[out->of_step[i]], &p->step[i]);
    }
    if (by == PROFILE_OP)
        sort_rows(out, p->n);
}

void profile_split_free(ProfileSplit *s)
{
    free(s->of_step);
    free(s->row);
    *s = (ProfileSplit){ NULL };
}

static int by_time(const void *a, const void *b)
{
    const double x = ((const Timed *)a)->ns, y = ((const Timed *)b)->ns;

    return x < y ? -1 : x > y ? 1 : 0;
}

void profile_sums(ProfileSums *out, const Profile *p, ProfileBy by)
{
    const size_t n = (size_t)p->n, rounds = (size_t)p->rounds;

    *out = (ProfileSums){ .steps = p->n,
                          .rounds = p->rounds,
                          .sum_ns = p->sum_ns,
                          .whole_ns = p->whole_ns };
    profile_split(&out->rows, p, by);
    profile_split(&out->origins, p, PROFILE_ORIGIN);
    out->times = malloc((n + 1) * (rounds + 1) * sizeof(*out->times));
    BUG_IF(!out->times);
    for (size_t i = 0; i <= n; i++) {
        Timed *t = out->times + i * rounds;

        for (size_t r = 0; r < rounds; r++) {
            t[r].ns = i < n ? p->times[r * n + i] : p->whole[r];
            t[r].round = (int)r;
        }
        qsort(t, rounds, sizeof(*t), by_time);
    }
}

void profile_sums_free(ProfileSums *s)
{
    profile_split_free(&s->rows);
    profile_split_free(&s->origins);
    free(s->times);
    *s = (ProfileSums){ .times = NULL };
}
