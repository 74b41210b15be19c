/*
 * floor.h - the smallest difference that this machine can resolve, predicted
 * from half a second of short kernels before anything is measured.
 *
 * floor_measure() fills a Floor, and all else is computed from what is in it.
 * The kernels read what is in the caches, so it sees what takes away a CPU, its
 * clock or its caches: other programs, the host of a virtual machine, a quota.
 * It is CPU only, and does not see neighbours that take memory bandwidth.  Five
 * of six intervals that it predicts are right to within a factor of two, if the
 * machine stays as it is.
 */
#ifndef HARNESS_FLOOR_H
#define HARNESS_FLOOR_H

enum {
    FLOOR_KERNELS = 1024,
    FLOOR_TEXT = 384,
};

typedef struct Floor {
    int cores, threads;       /* that may be used, that were */
    int n;                    /* kernels, one right after the other ... */
    double ns[FLOOR_KERNELS]; /* ... and their times */
    double clock_ns;          /* cost of reading the clock */

    /* While they ran; NAN: not known. */
    double switches;  /* involuntary context switches per second */
    double delay;     /* CPUs for which threads waited, 0 to threads */
    double steal;     /* CPUs that the host of a virtual machine took */
    double others;    /* CPUs that other programs used */
    double quota;     /* CPUs; INFINITY: none */
    double throttled; /* times that the quota stopped the process */
} Floor;

/* Takes half a second on that many threads, longer where that is not enough for
 * 16 kernels; 0: as many as a case has by default.  ERR_UNSUPPORTED if there
 * are not that many. */
int floor_measure(Floor *out, int threads);

/* Spread (a robust sigma) of the logarithm of one of two kernels of which the
 * second starts that long after the first, as far apart as half of what was
 * measured at most; NAN for fewer than six pairs. */
double floor_spread(const Floor *f, double distance_ns);

/*
 * Half the interval that is to be expected of the logarithm of a ratio after n
 * quads: four passes a b b a, one right after the other, whose log ratio is
 * log(b1 b2 / (a1 a2)) / 2, and of n such the Hodges-Lehmann interval at
 * alpha_spent(n).  pass_ns: of one pass where nothing disturbs it.
 *
 * A pass is as many kernels in a row as take pass_ns where they are fastest.
 * Where half a second is shorter than four such quads, the longest passes of
 * which it holds four are taken, and the interval is divided by the square root
 * of how much longer a pass is, as if disturbances were independent.  NAN for
 * fewer than six quads, or fewer than 16 kernels.
 */
double floor_half_log(const Floor *f, double pass_ns, int n);

/* A sweep of networks that are compared in pairs, in quads of their passes. */
typedef struct FloorPlan {
    double pass_ns; /* of one pass where nothing disturbs it */
    int pairs;      /* each module with plain, and plain with itself (A/A) */
    double budget;  /* seconds for all; 0: no limit */
    double limit;   /* seconds for each of the two of a pair */
} FloorPlan;

/* Seconds that the plan takes at most. */
double floor_most_seconds(const FloorPlan *p);

/* Quads that each pair gets, and half the 95 % interval of its ratio that is to
 * be expected after as many: 0.01 is plus or minus 1 %.  NAN as
 * above. */
int floor_quads(const Floor *f, const FloorPlan *p);
double floor_half_width(const Floor *f, const FloorPlan *p);

/* Seconds in which the plan's pairs reach such a half width, to some percent;
 * NAN: not with a million quads,
 * or as above. */
double floor_seconds(const Floor *f, const FloorPlan *p, double half_width);

/* Says what the plan resolves and, where that is wider than the target (0.01:
 * plus or minus 1 %), what disturbs it and would help; "" for fewer than 16
 * kernels.  Returns text. */
char *floor_say(char text[FLOOR_TEXT], const Floor *f, const FloorPlan *p,
                double target);

#endif
