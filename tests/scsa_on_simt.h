/*
 * scsa_on_simt.h - fused SCSA by its CUDA kernels, on the host: devices that
 * have only one of them, and its cases.
 */
#ifndef TESTS_SCSA_ON_SIMT_H
#define TESTS_SCSA_ON_SIMT_H

#include "kernels/core/graph.h"
#include "kernels/cuda/backend/cuda.h"
#include "kernels/cuda/backend/device.h"

enum { OF_A_CARD = 132 }; /* multiprocessors: a small batch gets eight blocks */

extern const Kernel *const scsa_by_cluster[], *const scsa_by_passes[];

/* A map, and SCSA's settings. */
typedef struct Shape {
    int n, c, h, w, window, heads;
    const char *dtype, *why;
} Shape;

/* A device that has these kernels only; multiprocessors 0: as it is. */
Device *scsa_open(const Kernel *const *kernels, int sms);
void scsa_close(Device *dev);

Graph *scsa_graph(const Shape *s);

/* Checks against the definition of the composed module, in f32. */
void scsa_agrees(Device *dev, const Shape *s);

#endif
