/*
 * places.h - the folders in which CUPTI may be, where the loader does not know
 * it: a toolkit's, and those of pip's packages.
 */
#ifndef CUPTI_PLACES_H
#define CUPTI_PLACES_H

#include <dlfcn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Libraries stay loaded: from CUPTI's first record on, a thread of its own may
 * run in it. */
enum { CUPTI_HOW = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE };

/* Folders, best first, each once; "": those of the loader. */
enum { CUPTI_MOST_PLACES = 24, CUPTI_PLACE = 512 };
typedef struct CuptiPlaces {
    int n;
    char at[CUPTI_MOST_PLACES][CUPTI_PLACE];
} CuptiPlaces;

/* The loader's; those near CUDA's libraries that this process has loaded, below
 * CUDA_HOME, and in /usr/local/cuda. */
void cupti_places(CuptiPlaces *out);

/* Loads CUPTI from the first that has it.  NULL with a sentence that names them
 * all where none has. */
void *cupti_load(const CuptiPlaces *places);

#ifdef __cplusplus
}
#endif

#endif
