/*
 * labels.h - where names go in a picture so that none hides another.
 *
 * Plain geometry in the units of the page; knows no gnuplot and no data.
 */
#ifndef PLOTS_LABELS_H
#define PLOTS_LABELS_H

/* The width of text in units of the font's size, as sans fonts have it. */
double label_width(const char *text);

/* Moves y (any order) as little as possible so that neighbours are gap apart
 * and all lie within lo..hi; the order of the values stays. */
void labels_spread(double *y, int n, double gap, double lo, double hi);

/* A point with a name, and the box that the name got: x0, y0 is the lower
 * left corner.  leader: the name lies so far off that a line should lead. */
typedef struct Placed {
    const char *text;
    double x, y;         /* the point                            */
    double bar0, bar1;   /* ends of its horizontal error bar     */
    double x0, y0, w, h; /* the name's box; w and h are given    */
    int leader;
} Placed;

/* The page, and what names should not cover, next to points and bars. */
typedef struct Box {
    double x0, y0, x1, y1;
} Box;
typedef struct LabelPage {
    double width, height;
    const Box *avoid;
    int navoid;
} LabelPage;

/* Finds boxes for all names inside the page: near their points, away from
 * other points, bars, names and what is to be avoided. */
void labels_place(Placed *at, int n, const LabelPage *page);

#endif
