/*
 * rounds.c - samples a block: quads of the cases that are compared, and rounds
 * of those that are alone, whatever is least settled first.
 *
 * A sample of a pair is a quad, a b b a, all four next to each other: of the
 * same code, the times of two samples differ by 3 % if they are a millisecond
 * apart and by 18 % if it is a tenth of a second, on a machine that others use
 * too.  A change of programs costs a pause; so short pairs of two programs
 * share it.
 */
#include <math.h>
#include <time.h>

#include "harness/devices/backends.h"
#include "harness/measure/block.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "results/begun.h"

/* libgomp's threads spin for some 10 ms after their work; while they do, the
 * other program has no cores. */
#define SLEEP_NS 20000000L

/* How long the samples of short cases take together between two such pauses. */
#define TURN_NS 50e6

/* A block may take an hour: in it, a note after so long that we are alive. */
enum { SEEN_S = 120 };

/* ---- small things ---------------------------------------------------- */

/* Marsaglia's xorshift64*. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

/* Below n. */
static int random_below(uint64_t *state, int n)
{
    return (int)((random_next(state) >> 33) % (uint64_t)n);
}

static void shuffle(int *x, int n, uint64_t *random)
{
    for (int i = n - 1; i > 0; i--) {
        const int k = random_below(random, i + 1);
        const int t = x[i];

        x[i] = x[k];
        x[k] = t;
    }
}

static void reverse(int *x, int n)
{
    for (int i = 0; i < n / 2; i++) {
        const int t = x[i];

        x[i] = x[n - 1 - i];
        x[n - 1 - i] = t;
    }
}

bool sweep_stopped(const Sweeper *s)
{
    return s->protocol->stop && *s->protocol->stop;
}

double seconds_spent(const Sweeper *s)
{
    return (host_now_ns() - s->protocol->started_ns) * 1e-9;
}

void block_look_at_device(const Sweeper *s, Block *b, const Trial *a)
{
    b->lost |= a->status == STATUS_FAILED && backend_lost(s->dev);
}

/* A device with memory of its own has done nothing while the last case was
 * prepared. */
void block_wake(const Sweeper *s, Block *b)
{
    for (int i = 0; i < b->n && !b->lost; i++) {
        Trial *a = &b->at[i].arm;

        if (b->at[i].stored || b->at[i].lane || !trial_ok(a) || !a->plan ||
            a->dev->backend->host_memory)
            continue;
        trial_wake(a, AWAKE_NS);
        block_look_at_device(s, b, a);
        return;
    }
}

/* Threads of one program may still spin when the other's turn comes. */
static void take_turn(Sweeper *s, int lane)
{
    if (lane != s->lane)
        nanosleep(&(struct timespec){ 0, SLEEP_NS }, NULL);
    s->lane = lane;
}

/* ---- samples ----------------------------------------------------------- */

static bool is_over(const Sweeper *s, const Block *b)
{
    return sweep_stopped(s) || b->lost;
}

static int count_settled(const Block *b)
{
    int n = 0;

    for (int i = 0; i < b->n; i++)
        n += !entry_is_sampled(&b->at[i]) || entry_is_settled(b, i);
    return n;
}

/* One sample of each of the n entries, which are of one lane. */
static void sample_each(Sweeper *s, Block *b, const int *list, int n)
{
    Step step = { "measuring", NULL, b->n, count_settled(b) };

    if (n)
        take_turn(s, b->at[list[0]].lane);
    for (int k = 0; k < n && !is_over(s, b); k++) {
        Trial *a = &b->at[list[k]].arm;

        if (!trial_ok(a))
            continue;
        step.arm = a;
        s->listener->step(s->listener->arg, &step);
        trial_sample(a, s->round, s->last == a);
        s->last = a;
        block_look_at_device(s, b, a);
        if (!trial_ok(a))
            pairs_drop(b, list[k]);
    }
}

static void count_sample(Sweeper *s, Block *b, Pair *p, double spent_ns)
{
    p->n++;
    p->spent_ns += spent_ns;
    if (p->n >= p->look && !is_over(s, b))
        pair_look(p, b, s->protocol);
}

/* True if it is compared across programs, a and b, and may have a sample. */
static bool is_across(const Sweeper *s, const Block *b, const Pair *p)
{
    return p->a != ALONE && b->at[p->a].lane != b->at[p->b].lane &&
           pair_need(p, b, s->protocol) >= 0;
}

static double sample_ns(const Trial *a)
{
    return a->fastest_ns * (a->reps + (double)a->rewarm * a->each);
}

/* The pairs of a quad, by their numbers in b->list: the first, and, if it is of
 * two programs, others of these two that are as short. */
static int choose_quad(Sweeper *s, Block *b, int first)
{
    const Pair *p = &b->pair[first];
    double ns = sample_ns(&b->at[p->a].arm);
    int n = 0;

    if (is_across(s, b, p))
        for (int i = 0; i < b->npairs; i++)
            if (i != first && is_across(s, b, &b->pair[i]))
                b->list[n++] = i;
    shuffle(b->list, n, &s->random);
    for (int i = 0; i < n; i++) {
        ns += sample_ns(&b->at[b->pair[b->list[i]].a].arm);
        if (ns > TURN_NS)
            n = i;
    }
    b->list[n++] = first;
    return n;
}

/* a b b a; of several pairs a a', b b', b' b, a' a. */
static void one_quad(Sweeper *s, Block *b, int first)
{
    const int n = choose_quad(s, b, first), drops = b->drops;
    int *chosen = b->list, *leg = b->list + b->npairs;
    const double began = host_now_ns();
    double each_ns;

    for (int turn = 0; turn < 4 && !is_over(s, b); turn++) {
        const bool of_a = turn == 0 || turn == 3;

        for (int k = 0; k < n; k++) {
            const Pair *p = &b->pair[chosen[k]];

            leg[k] = of_a ? p->a : p->b;
        }
        if (turn > 1)
            reverse(leg, n);
        sample_each(s, b, leg, n);
        if (b->drops != drops)
            return; /* one has failed, and the pairs are others */
    }
    each_ns = (host_now_ns() - began) / 2 / n;
    for (int k = 0; k < n && !is_over(s, b); k++)
        count_sample(s, b, &b->pair[chosen[k]], each_ns);
}

/* One sample of each case that is alone and has time, lane by lane, in an order
 * of its own. */
static void one_round(Sweeper *s, Block *b)
{
    const int first = s->nlanes > 1 ? random_below(&s->random, 2) : 0;
    const double began = host_now_ns();
    int all = 0;

    for (int l = 0; l < s->nlanes && !is_over(s, b); l++) {
        const int lane = (first + l) % s->nlanes;
        int n = 0;

        for (int i = 0; i < b->npairs; i++) {
            const Pair *p = &b->pair[i];

            if (p->a == ALONE && b->at[p->b].lane == lane &&
                pair_has_time(p, b, s->protocol))
                b->list[n++] = p->b;
        }
        shuffle(b->list, n, &s->random);
        sample_each(s, b, b->list, n);
        all += n;
    }
    for (int i = 0; i < b->npairs && !is_over(s, b); i++) {
        Pair *p = &b->pair[i];

        if (p->a == ALONE && pair_has_time(p, b, s->protocol))
            count_sample(s, b, p, (host_now_ns() - began) / all);
    }
}

/* ---- which is next ------------------------------------------------------ */

/* Looks once more at those that are alone: their intervals were narrow enough
 * when they were looked at, but samples have come since. */
static void look_again(const Sweeper *s, Block *b)
{
    for (int i = 0; i < b->npairs; i++) {
        Pair *p = &b->pair[i];

        if (p->a == ALONE && p->settled && p->looked < p->n &&
            pair_has_time(p, b, s->protocol))
            pair_look(p, b, s->protocol);
    }
}

/* The pair that wants a sample most, one of several at random; ALONE: none. */
static int neediest(Sweeper *s, const Block *b)
{
    int best = ALONE, equal = 0;
    double most = 0;

    for (int i = 0; i < b->npairs; i++) {
        const double need = pair_need(&b->pair[i], b, s->protocol);

        if (need < 0 || need < most)
            continue;
        equal = need > most || best == ALONE ? 1 : equal + 1;
        most = need;
        if (random_below(&s->random, equal) == 0)
            best = i;
    }
    return best;
}

/* The next to be sampled once the block's time is up: only what must be. */
static int lacking(const Block *b)
{
    for (int i = 0; i < b->npairs; i++)
        if (pair_lacks_least(&b->pair[i]))
            return i;
    return ALONE;
}

static int next(Sweeper *s, Block *b)
{
    int i;

    if (seconds_spent(s) >= b->began + (b->until - b->began) * b->part)
        return lacking(b);
    i = neediest(s, b);
    if (i != ALONE)
        return i;
    look_again(s, b);
    return neediest(s, b);
}

static int note_seen(Sweeper *s)
{
    if (seconds_spent(s) - s->seen_s < SEEN_S)
        return OK;
    s->seen_s = seconds_spent(s);
    for (int i = 0; i < s->all_lanes->n; i++)
        TRY(store_seen(s->store, s->all_lanes->at[i].sweep_id));
    return OK;
}

int block_sample_part(Sweeper *s, Block *b)
{
    int err = OK, i;

    while (!err && !is_over(s, b) && (i = next(s, b)) != ALONE) {
        if (b->pair[i].a == ALONE)
            one_round(s, b);
        else
            one_quad(s, b, i);
        s->round++;
        err = note_seen(s);
    }
    return err;
}

int block_sample(Sweeper *s, Block *b)
{
    const int processes = block_can_move(b) ? s->protocol->processes : 1;

    pairs_find(b, s->protocol);
    b->began = seconds_spent(s);
    b->part = processes > 1 ? 1.0 / processes : 1;
    TRY(block_sample_part(s, b));
    return processes > 1 ? block_sample_elsewhere(s, b) : OK;
}
