/*
 * serial.c - effective numbers of samples from ranks.
 *
 * Neighbours in time share their weather: a lag-1 correlation of 0.4 to 0.75
 * is usual for times of 60 us to 100 ms, and samples are then worth a half to
 * a seventh of their number.  Ranks, not values, because of outliers.
 *
 * Source: G. E. P. Box, G. M. Jenkins, G. C. Reinsel, "Time Series Analysis",
 * 4th edition, section 2.1 (variance of a mean); F. H. C. Marriott, J. A. Pope,
 * "Bias in the Estimation of Autocorrelations", Biometrika 41, 1954;
 * B. Schmeiser, "Batch Size Effects in the Analysis of Simulation Output",
 * Operations Research 30, 1982 (why few batches).
 */
#include "analysis/serial.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/interval.h"
#include "kernels/core/err.h"

/* Nearer to 1, a drift cannot be told from a correlation. */
static const double MOST_CORRELATION = 0.98;

typedef struct Placed {
    double x;
    int at;
} Placed;

static int by_x(const void *a, const void *b)
{
    const Placed *s = a, *t = b;

    return (s->x > t->x) - (s->x < t->x);
}

int serial_ranks(double *rank, double *sorted, const double *x, int n)
{
    Placed *p = malloc((size_t)n * sizeof(*p));

    if (!p)
        return fail(ERR_MEMORY, "no memory for the ranks of %d samples", n);
    for (int i = 0; i < n; i++)
        p[i] = (Placed){ x[i], i };
    qsort(p, (size_t)n, sizeof(*p), by_x);
    for (int i = 0, m; i < n; i += m) {
        for (m = 1; i + m < n && p[i + m].x == p[i].x; m++)
            ;
        for (int k = i; k < i + m; k++) {
            sorted[k] = p[k].x;
            rank[p[k].at] = i + (m - 1) / 2.0;
        }
    }
    free(p);
    return OK;
}

/* Sum of squares about the middle; 0 if all are equal. */
static double spread(const double *rank, int n)
{
    const double middle = (n - 1) / 2.0;
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += (rank[i] - middle) * (rank[i] - middle);
    return sum;
}

double serial_correlation(const double *rank, int n)
{
    const double middle = (n - 1) / 2.0, all = spread(rank, n);
    double shared = 0;

    for (int i = 0; i + 1 < n; i++)
        shared += (rank[i] - middle) * (rank[i + 1] - middle);
    return all > 0 ? shared / all : 0;
}

/* An estimate of n samples is too low by (1 + 4 rho) / n on average; of
 * correlations below 0, which would narrow an interval, nothing is made. */
double serial_worth(const double *rank, int n)
{
    double rho = serial_correlation(rank, n);

    if (n > 4 && spread(rank, n) > 0)
        rho = (n * rho + 1) / (n - 4);
    rho = fmin(fmax(rho, 0), MOST_CORRELATION);
    return fmax(n * (1 - rho) / (1 + rho), 1);
}

/* Variance of the mean rank, from batches, over that of independent samples. */
static double batch_inflation(const double *rank, int n, int batches)
{
    const double middle = (n - 1) / 2.0, all = spread(rank, n);
    double sum = 0, squares = 0;

    for (int k = 0; k < batches; k++) {
        const int from = (int)((double)n * k / batches);
        const int to = (int)((double)n * (k + 1) / batches);
        double mean = 0;

        for (int i = from; i < to; i++)
            mean += (rank[i] - middle) / (to - from);
        sum += mean;
        squares += mean * mean;
    }
    squares -= sum * sum / batches;
    return all > 0 ? squares / (batches - 1) / batches / (all / n / n) : 0;
}

double serial_stretch(const double *rank, int n, double alpha)
{
    const int batches = n >= 40 ? 10 : n >= 20 ? 7 : n >= 10 ? 5 : 2;
    const double worth = serial_worth(rank, n), z = normal_point(alpha);
    const double by_worth =
        sqrt(n / worth) * student_point((int)fmax(worth - 1, 1), alpha) / z;
    const double by_batches = sqrt(batch_inflation(rank, n, batches)) *
                              student_point(batches - 1, alpha) / z;

    return fmax(by_worth, n < 10 ? 0 : by_batches);
}
