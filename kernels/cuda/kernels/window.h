/*
 * window.h - where Swin's windows lie on a map, on the device; as
 * kernels/ops/window.c defines it
 */
#ifndef CUDA_WINDOW_H
#define CUDA_WINDOW_H

#include "kernels/cuda/kernels/kernel.h"

/* A number down and a number across. */
struct Pair {
    unsigned y, x;
};

struct Windows {
    Divider map_w, h, w, across, count; /* windows across, of an image */
    Divider area, map;                  /* positions of a window, of the map */
    unsigned map_h, shift_h, shift_w;
};

static inline Windows windows_on(const WindowAttr *a)
{
    Windows s = {};

    s.map_w = divider(a->map_w);
    s.h = divider(a->h);
    s.w = divider(a->w);
    s.across = divider(a->map_w / a->w);
    s.count = divider(window_count(a));
    s.area = divider(a->h * a->w);
    s.map = divider(a->map_h * a->map_w);
    s.map_h = a->map_h;
    s.shift_h = a->shift_h;
    s.shift_w = a->shift_w;
    return s;
}

/* Position i of a window in the rolled map. */
static __device__ __forceinline__ Pair rolled(const Windows &s, unsigned window,
                                              unsigned i)
{
    const unsigned down = divmod(&window, s.across), y = divmod(&i, s.w);

    return Pair{ down * s.h.by + y, window * s.w.by + i };
}

/* The same position in the map itself. */
static __device__ __forceinline__ unsigned unrolled(const Windows &s, Pair at)
{
    at.y += s.shift_h;
    at.x += s.shift_w;
    at.y -= at.y >= s.map_h ? s.map_h : 0;
    at.x -= at.x >= s.map_w.by ? s.map_w.by : 0;
    return at.y * s.map_w.by + at.x;
}

/* Positions of two regions are masked. */
static __device__ __forceinline__ int region(const Windows &s, Pair at)
{
    const unsigned map_w = s.map_w.by;

    return 3 * ((at.y >= s.map_h - s.h.by) + (at.y >= s.map_h - s.shift_h)) +
           (at.x >= map_w - s.w.by) + (at.x >= map_w - s.shift_w);
}

/* The row of the bias table for positions i and j is code(i) - code(j), and so
 * much. */
static __device__ __forceinline__ int code(const Windows &s, unsigned i)
{
    const unsigned y = divmod(&i, s.w);

    return (int)(y * (2 * s.w.by - 1) + i);
}

static __device__ __forceinline__ int code_of_equal(const Windows &s)
{
    return (int)((s.h.by - 1) * (2 * s.w.by - 1) + s.w.by - 1);
}

static const float WINDOW_MASK = -100;

#endif
