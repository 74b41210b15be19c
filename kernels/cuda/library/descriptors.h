/*
 * descriptors.h - what cuDNN's graph API is made of: descriptors, whose
 * attributes are set one by one
 *
 * They are made in a set and freed with it.  Building is straight-line code:
 * the first error stays in the set, and what follows it does nothing.  Types
 * and names are cuDNN's enumerations.
 */
#ifndef CUDA_DESCRIPTORS_H
#define CUDA_DESCRIPTORS_H

#include <stdint.h>

enum { MAX_DESCRIPTORS = 256 };
typedef struct Descriptors {
    int err; /* as fail() returned it */
    int n;
    void *at[MAX_DESCRIPTORS];
} Descriptors;

void *desc_new(Descriptors *s, int type);
void desc_set(Descriptors *s, void *d, int name, int type, int64_t n,
              const void *values);
void desc_finish(Descriptors *s, void *d);

/* Fills in at most max values; how many there are.  Where they are descriptors
 * themselves, values holds max of them, new ones. */
int64_t desc_get(Descriptors *s, void *d, int name, int type, int64_t max,
                 void *values);

/* The commonest attributes: a descriptor, numbers, one number. */
void desc_link(Descriptors *s, void *d, int name, void *value);
void desc_ints(Descriptors *s, void *d, int name, int64_t n,
               const int64_t *values);

void desc_free_all(Descriptors *s);

/* A status of cuDNN as an error of ours, with cuDNN's sentence: OK,
 * ERR_UNSUPPORTED or ERR_DEVICE. */
int cudnn_error(int status);

#endif
