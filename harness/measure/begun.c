/*
 * begun.c - notes what is under way, and judges what it was at the end.
 */
#include "harness/measure/begun.h"

#include <stdlib.h>

#include "kernels/core/err.h"
#include "results/begun.h"

/* Somebody may end a process without asking the case, but not twice there. */
enum { KILLS_MAX = 2 };

static int note(Store *s, const Lanes *lanes, const Begun *cases, int n,
                const char **of_lane)
{
    for (int lane = 0; lane < lanes->n; lane++) {
        int k = 0;

        for (int i = 0; i < n; i++)
            if (cases[i].lane == lane)
                of_lane[k++] = cases[i].repeat;
        TRY(store_begin_cases(s, lanes->at[lane].sweep_id, of_lane, k, n));
    }
    return OK;
}

int begun_note(Store *s, const Lanes *lanes, const Begun *cases, int n)
{
    const char **of_lane = malloc((size_t)(n + 1) * sizeof(*of_lane));
    int err;

    BUG_IF(!of_lane);
    err = store_group_begin(s);
    if (!err)
        err = store_group_end(s, note(s, lanes, cases, n, of_lane));
    free(of_lane);
    return err;
}

/* How often a process ended while it was under way in a lane. */
static int judge(Store *s, const Lanes *lanes, int lane, const Case *c,
                 int *kills, bool *alone)
{
    char repeat[CASE_TEXT];

    return store_kills(s, lanes->at[lane].sweep_id, case_print(c, repeat),
                       kills, alone);
}

int begun_cut(Store *s, const Lanes *lanes, const Case *const *c, int *ncases)
{
    for (int i = 0; i < *ncases; i++)
        for (int lane = 0; lane < lanes->n; lane++) {
            bool alone;
            int kills;

            TRY(judge(s, lanes, lane, c[i], &kills, &alone));
            if (kills >= KILLS_MAX)
                *ncases = i ? i : 1;
        }
    return OK;
}

/* The peer's row is given up with ours, because the two would be compared.
 * Ours is stored last: the next start looks for that one. */
static int give_up_case(Store *s, const Lanes *lanes, const Case *c,
                        BegunGiveUp *give_up, void *arg, bool *ours)
{
    char repeat[CASE_TEXT];
    int kills, kills_here;
    bool alone, has;

    TRY(judge(s, lanes, 0, c, &kills, &alone));
    *ours = kills >= KILLS_MAX && alone;
    for (int lane = lanes->n - 1; lane >= 0; lane--) {
        TRY(judge(s, lanes, lane, c, &kills_here, &alone));
        if (*ours)
            kills_here = kills;
        else if (kills_here < KILLS_MAX || !alone)
            continue;
        TRY(store_has_run(s, lanes->at[lane].sweep_id, case_print(c, repeat),
                          &has));
        if (!has)
            TRY(give_up(arg, c, lane, kills_here));
    }
    return OK;
}

int begun_give_up(Store *s, const Lanes *lanes, const Case **c, int *n,
                  BegunGiveUp *give_up, void *arg)
{
    int kept = 0;

    for (int i = 0; i < *n; i++) {
        bool ours;

        TRY(give_up_case(s, lanes, c[i], give_up, arg, &ours));
        if (!ours)
            c[kept++] = c[i];
    }
    *n = kept;
    return OK;
}
