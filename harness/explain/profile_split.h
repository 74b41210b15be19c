/*
 * profile_split.h - a profile's steps added up: by kind of op, by block and
 * module, by origin; and how two profiles differ.
 */
#ifndef HARNESS_PROFILE_SPLIT_H
#define HARNESS_PROFILE_SPLIT_H

#include "analysis/interval.h"
#include "harness/explain/profile.h"
#include "harness/network/origin.h"

typedef enum ProfileBy { PROFILE_OP, PROFILE_MODULE, PROFILE_ORIGIN } ProfileBy;

enum { PROFILE_ROW = ROW_NAME + 16, ORIGINS = ORIGIN_MIXED + 1 };

/* Steps that are shown as one. */
typedef struct ProfileRow {
    char name[PROFILE_ROW];
    int steps;
    double ns; /* sum of its steps' medians */
    Cost cost;
} ProfileRow;

typedef struct ProfileSplit {
    ProfileRow *row;
    int n;
    int *of_step; /* the row of each step */
} ProfileSplit;

/*
 * Splits p, every step of which is in one row:
 *
 *   op       a row for each op, slowest first
 *   module   one for each block and each plugged-in module, as network_block
 *            names them, in the order of the network; steps that graph_fold
 *            made of both have rows of their own, "layer1.0.attn (mixed)"
 *   origin   three: the network's own, modules', mixed; row[origin]
 */
void profile_split(ProfileSplit *out, const Profile *p, ProfileBy by);
void profile_split_free(ProfileSplit *s);

/* The row of that name, -1 if there is none. */
int profile_row(const ProfileSplit *s, const char *name);

/* A step's time in a round. */
typedef struct Timed {
    double ns;
    int round;
} Timed;

/* All sums that are shown of a profile, and what to compare them by.  Nothing
 * in it is the profile's. */
typedef struct ProfileSums {
    ProfileSplit rows, origins;
    int steps, rounds;
    double sum_ns, whole_ns; /* as in Profile */
    Timed *times; /* rounds of each step, and of the whole run, by time */
} ProfileSums;

void profile_sums(ProfileSums *out, const Profile *p, ProfileBy by);
void profile_sums_free(ProfileSums *s);

/* How much longer one profile's sums took than another's, in ns. */
typedef struct ProfileDifference {
    Interval *row;  /* of each row of the one                           */
    Interval *gone; /* of each row of the other, if the one has none    */
    Interval origin[ORIGINS], sum, whole;
} ProfileDifference;

/*
 * Compares `one` with the other, split alike; a row that only one of them has
 * took no time in the other.  Centres are the differences of the sums of
 * medians.  The 95 % intervals are from RESAMPLES bootstrap resamples of the
 * rounds, the same for both if they were measured together (with equally many
 * rounds): so what a slow round does to both is in neither's favour.
 */
enum { RESAMPLES = 200 };
void profile_compare(ProfileDifference *out, const ProfileSums *one,
                     const ProfileSums *other, bool together);
void profile_difference_free(ProfileDifference *d);

#endif
