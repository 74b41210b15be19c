/*
 * stored.h - databases of sweeps with known times, for plots and tables.
 *
 * Every run has ten samples, one a round: ns, ns + 1 %, ... ns + 9 %.  So the
 * median is 1.045 ns, and ratios of two runs are the same in every round.
 */
#ifndef TESTS_STORED_H
#define TESTS_STORED_H

#include <stdbool.h>

#include "analysis/paper.h"
#include "harness/network/case.h"
#include "results/store.h"

typedef struct Stored {
    Store *store;
    int64_t sweep;
    char experiment[64];
} Stored;

/* Begins a sweep in the database at path, which is made if need be.  Sources
 * other than "attnbench" measure interleaved with the sweep before. */
Stored stored_begin(const char *path, const char *experiment,
                    const char *source);
void stored_end(Stored *s);

/* A case from settings "module=scsa channels=64". */
Case stored_case(const char *settings);

/* Adds a run; status "ok" or another. */
void stored_add(Stored *s, const Case *c, double ns, const char *status);

/* The same for the network of settings, with these counts, of one image. */
void stored_network(Stored *s, const char *settings, double ns, double params,
                    double paper_flops);

/*
 * A network in twelve quads of two samples each, of which the steps were timed.
 * A pass takes ns, in quad i more by the factor 1 + noise (i - 5.5); a
 * disturbed one three times as long.
 */
typedef struct StoredQuads {
    double ns, noise;
    double share;  /* of the module's steps; NAN: one step is the network's,
                      too                                                 */
    int disturbed; /* quads at the start, with a switch in each       */
    int first;     /* number of the first quad                            */
    bool untimed;  /* nothing is known of the steps                       */
} StoredQuads;
void stored_quads(Stored *s, const char *settings, const StoredQuads *q);

/* Continues the sweep in another start, an hour later: what is added then
 * shares no rounds with what was there. */
void stored_restart(Stored *s);

/* The sweeps of the standard experiments, with numbers that tests know:
 * bench: plain takes 40 ms, in a second arm 40.4; scsa 50, se_conv 44, se 42.
 * channels, resolution: scsa x^2 ns, se 100 x ns, sa not below 128. */
void stored_bench(const char *path);
void stored_channels(const char *path);
void stored_resolution(const char *path);

/* table1, table2: every row of the paper, the base of each backbone twice,
 * with the paper's ratios, except for a few per cent that vary from round to
 * round; rows of which the number is a multiple of skip are left out (0:
 * none). */
void stored_paper(const char *path, PaperTable table, int skip);

/* module_stages: se takes C ns, scsa 4 C, fused 2 C, at two of the stages. */
void stored_stages(const char *path);

/* profile: at 64x56x56 and 256x14x14 se takes 1000 ns, of 1000 FLOPs and 4000
 * bytes, compulsory 2000, in one step, scsa twice all of it except the
 * compulsory bytes, in two; and roofs of 100 GFLOP/s and 10 GB/s, of the cache
 * 50 and 90. */
void stored_profiles(const char *path);

/* Receptive fields of resnet50, plain and with se and scsa, at stage3 and
 * stage4, for inputs of 32, 48 and 64: Gaussians of sigma 4 and 6 at the
 * middle; with a module their parts are 80 and 20 % of the mass.  area_50 is
 * 0.1, 0.2, 0.3 for the three, less a thousandth of the input's side. */
void stored_fields(const char *path);

/* The same of trained networks at 48: plain, and se from two files, a/se and
 * b/se_long; and scsa from what a/plain held before. */
void stored_trained_fields(const char *path);

#endif
