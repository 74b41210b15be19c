/*
 * profile_page.h - a profile as people read it, and as CSV.
 */
#ifndef HARNESS_PROFILE_PAGE_H
#define HARNESS_PROFILE_PAGE_H

#include "harness/explain/profile_split.h"
#include "harness/explain/profiler.h"

typedef struct ProfilePage {
    ProfileBy by; /* op or module */
    int top;      /* steps, and kernels of a GPU, to show */
    const Profiled *profiled;
    ProfileSums sums;        /* of it */
    const ProfileSums *base; /* compared with these; NULL: with nothing  */
    bool together;           /* those were measured in the same rounds  */
} ProfilePage;

/* To standard output. */
void profile_page_text(const ProfilePage *page);

/* The same: by op every step in the order run, by module every row, with its
 * difference from the base. */
void profile_page_csv_head(ProfileBy by);
void profile_page_csv(const ProfilePage *page);

#endif
