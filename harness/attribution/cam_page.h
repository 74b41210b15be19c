/*
 * cam_page.h - the figure with the class activation maps of a run.
 */
#ifndef HARNESS_CAM_PAGE_H
#define HARNESS_CAM_PAGE_H

#include "harness/attribution/cam.h"
#include "harness/attribution/class_names.h"
#include "harness/files/hash.h"

/* A map, and what it is of. */
typedef struct CamDrawn {
    const Case *c;
    char name[PARAM_NAME_MAX * 2 + 16]; /* of its files, and in the table */
    char weights_hash[HASH_TEXT];
    Cam cam;
    float *whole; /* (height, width) */
} CamDrawn;

/* Settings that all maps of a page share. */
typedef struct CamShared {
    const char *tap;
    const char *picture; /* a path; "": seeded */
    int height, width;
    double scale;
    bool seeded; /* some weights are */
    const ClassNames *names;
} CamShared;

/* Writes cam.svg, cam.png, cam.gp and cam.dat into folder, from pictures that
 * are there: input.png, and NAME.png of each map.  Fails as plot_draw does. */
int cam_page(const char *folder, const CamDrawn *at, int n,
             const CamShared *shared);

/* True if maps are of several classes. */
bool cam_classes_differ(const CamDrawn *at, int n);

/* True if all maps are of one layer. */
bool cam_layers_agree(const CamDrawn *at, int n);

#endif
