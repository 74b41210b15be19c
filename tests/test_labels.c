/*
 * test_labels.c - names in a picture: apart, in order, on the page.
 */
#include <math.h>
#include <string.h>

#include "plots/labels.h"
#include "tests/test.h"

TEST(labels, spread_keeps_distance_order_and_bounds)
{
    double y[] = { 50, 50, 51, 10, 99, 98, 0 }, was[7];
    const int n = 7;

    memcpy(was, y, sizeof(y));
    labels_spread(y, n, 10, 0, 100);
    for (int i = 0; i < n; i++) {
        CHECK(y[i] >= -1e-9 && y[i] <= 100 + 1e-9);
        for (int k = 0; k < n; k++) {
            CHECK(i == k || fabs(y[i] - y[k]) >= 10 - 1e-9);
            CHECK(!(was[i] < was[k]) || y[i] < y[k]);
        }
    }
}

TEST(labels, spread_leaves_alone_what_has_room)
{
    double y[] = { 30, 0, 90 };

    labels_spread(y, 3, 10, 0, 100);
    CHECK(y[0] == 30 && y[1] == 0 && y[2] == 90);
}

TEST(labels, spread_shares_a_page_that_is_too_small)
{
    double y[] = { 5, 5, 5, 5, 5 };

    labels_spread(y, 5, 10, 0, 20);
    for (int i = 0; i < 5; i++)
        CHECK(fabs(y[i] - 5 * i) < 1e-9);
}

TEST(labels, placed_names_do_not_overlap)
{
    enum { N = 13 };
    const LabelPage page = { 300, 250, NULL, 0 };
    Placed p[N];
    unsigned seed = 1;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < N; i++) {
            seed = seed * 1103515245 + 12345;
            p[i] = (Placed){ .text = "AFGCA",
                             .x = 60 + (seed >> 16) % 180,
                             .w = label_width("AFGCA") * 10,
                             .h = 10 };
            seed = seed * 1103515245 + 12345;
            p[i].y = 60 + (seed >> 16) % 130;
            p[i].bar0 = p[i].bar1 = p[i].x;
        }
        labels_place(p, N, &page);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < i; k++)
                CHECK(p[i].x0 + p[i].w <= p[k].x0 ||
                      p[k].x0 + p[k].w <= p[i].x0 ||
                      p[i].y0 + p[i].h <= p[k].y0 ||
                      p[k].y0 + p[k].h <= p[i].y0);
    }
}
