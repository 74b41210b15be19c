/*
 * labels.c - spreads names along a line and places them around points.
 */
#include "plots/labels.h"

#include <math.h>
#include <string.h>

#include "kernels/core/err.h"

enum { LABELS_MAX = 256 };

double label_width(const char *text)
{
    double w = 0;

    for (; *text; text++) {
        if (((unsigned char)*text & 0xC0) == 0x80)
            continue; /* the rest of a UTF-8 character */
        if (strchr("iljtfI.,:;|'!()[] ", *text))
            w += 0.32;
        else if (strchr("mwMW@%", *text))
            w += 0.90;
        else if (*text >= 'A' && *text <= 'Z')
            w += 0.70;
        else
            w += 0.58;
    }
    return w;
}

/* A run of labels that touch: they move as one. */
typedef struct Cluster {
    int first, n;
    double start; /* of its first label */
} Cluster;

static double clamp(double v, double lo, double hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* Where the cluster would like to start: the mean of its members' wishes. */
static double wish(const Cluster *c, const double *y, const int *order,
                   double gap)
{
    double sum = 0;

    for (int i = 0; i < c->n; i++)
        sum += y[order[c->first + i]] - i * gap;
    return sum / c->n;
}

/* Pool adjacent violators: clusters that overlap merge until none does. */
void labels_spread(double *y, int n, double gap, double lo, double hi)
{
    int order[LABELS_MAX], top = 0;
    Cluster c[LABELS_MAX];

    BUG_IF(n > LABELS_MAX);
    if (n > 1 && gap * (n - 1) > hi - lo)
        gap = (hi - lo) / (n - 1);
    for (int i = 0; i < n; i++) { /* insertion sort, stable */
        int k = i;

        for (; k > 0 && y[order[k - 1]] > y[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    for (int i = 0; i < n; i++) {
        c[top++] = (Cluster){ i, 1, clamp(y[order[i]], lo, hi) };
        while (top > 1 &&
               c[top - 1].start < c[top - 2].start + c[top - 2].n * gap) {
            c[top - 2].n += c[top - 1].n;
            top--;
            c[top - 1].start = clamp(wish(&c[top - 1], y, order, gap), lo,
                                     hi - (c[top - 1].n - 1) * gap);
        }
    }
    for (int k = 0; k < top; k++)
        for (int i = 0; i < c[k].n; i++)
            y[order[c[k].first + i]] = c[k].start + i * gap;
}

/* Directions to try around a point, best first, at growing distances. */
static const struct {
    double dx, dy;
} directions[] = {
    { 1, 0 }, { -1, 0 }, { 1, 1 },  { 1, -1 },
    { 0, 1 }, { 0, -1 }, { -1, 1 }, { -1, -1 },
};
static const double distances[] = { 7, 12, 20, 32, 46 };
enum {
    NDIRECTIONS = sizeof(directions) / sizeof(directions[0]),
    NDISTANCES = sizeof(distances) / sizeof(distances[0]),
    PASSES = 6,
    MARGIN = 1, /* between boxes, page units */
    POINT = 6,  /* half the size of a point  */
    FAR = 40, /* what a step away costs: a bar or a stair that is covered harms
                   less than a name that nobody knows whose it is           */
};

static double overlap(double a0, double a1, double b0, double b1)
{
    const double d = fmin(a1, b1) - fmax(a0, b0) + MARGIN;

    return d > 0 ? d : 0;
}

/* The area that two boxes share. */
static double shared(const Placed *p, double x0, double x1, double y0,
                     double y1)
{
    return overlap(p->x0, p->x0 + p->w, x0, x1) *
           overlap(p->y0, p->y0 + p->h, y0, y1);
}

static void put(Placed *p, int direction, double distance)
{
    const double dx = directions[direction].dx, dy = directions[direction].dy;
    const double diagonal = dx != 0 && dy != 0 ? 0.7 : 1;

    p->x0 = p->x + dx * distance * diagonal + (dx - 1) / 2 * p->w;
    p->y0 = p->y + dy * distance * diagonal + (dy - 1) / 2 * p->h;
    p->leader = distance > distances[0] + 1;
}

/* How bad a box is: what it covers, and how far it is off the page. */
static double badness(const Placed *at, int n, int i, const LabelPage *page)
{
    const Placed *p = &at[i];
    double bad = 0;

    for (int k = 0; k < n; k++) {
        const Placed *q = &at[k];

        bad += 3 * shared(p, q->x - POINT, q->x + POINT, q->y - POINT,
                          q->y + POINT);
        bad += shared(p, q->bar0, q->bar1, q->y - 1, q->y + 1);
        if (k != i && q->w > 0)
            bad += 3 * shared(p, q->x0, q->x0 + q->w, q->y0, q->y0 + q->h);
    }
    for (int k = 0; k < page->navoid; k++) {
        const Box *b = &page->avoid[k];

        bad += shared(p, b->x0 - 1, b->x1 + 1, b->y0 - 1, b->y1 + 1);
    }
    bad += 50 * (fmax(0, -p->x0) + fmax(0, p->x0 + p->w - page->width));
    bad += 50 * (fmax(0, -p->y0) + fmax(0, p->y0 + p->h - page->height));
    return bad;
}

/* The best place for name i while the others stay. */
static void replace(Placed *at, int n, int i, const LabelPage *page)
{
    Placed best = at[i];
    double least = INFINITY;

    for (int r = 0; r < NDISTANCES; r++)
        for (int d = 0; d < NDIRECTIONS; d++) {
            double bad;

            put(&at[i], d, distances[r]);
            bad = badness(at, n, i, page) + 0.5 * d + FAR * r;
            if (bad < least) {
                least = bad;
                best = at[i];
            }
        }
    at[i] = best;
}

void labels_place(Placed *at, int n, const LabelPage *page)
{
    for (int i = 0; i < n; i++)
        put(&at[i], 0, distances[0]);
    for (int pass = 0; pass < PASSES; pass++)
        for (int i = 0; i < n; i++)
            replace(at, n, i, page);
}
