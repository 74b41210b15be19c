/*
 * broadcast.h - loops over x and y, which is broadcast to the dims of x
 *
 * Broadcasting is settled at plan time: x's dims in storage order, each with
 * the step that y takes along it (0: y stays), neighbours merged where y moves
 * as x does.  What is left is an inner and a middle loop and, outside them,
 * seldom anything:
 *
 *   (N,C,H,W) op the same        one loop of all numbers
 *             op (N,C)           a row of C for every HW positions of an image
 *             op (N,C,H,1)       a row of C for W positions
 *             op (N,C,1,W)       a row of W C for H rows
 *             op (N,1,H,W)       one number per row of C
 *             op (N,G,H,W)       one number for C/G neighbours
 */
#ifndef SIMD_BROADCAST_H
#define SIMD_BROADCAST_H

#include "kernels/cpu/simd/simd.h"

enum {
    FORM_DIMS = MAX_RANK + 1, /* C may be split in groups of neighbours   */
    TILE = 512,               /* numbers of y written out: 2 KiB, L1 size */
    SHORT = 64,               /* inner loops below this are worth a tile  */
    FLAT_UNIT = 1024,         /* numbers in a unit of one long loop       */
};

typedef struct Form {
    int n; /* dims, outermost first */
    size_t len[FORM_DIMS], step[FORM_DIMS];
    size_t outer, middle, inner;    /* products of len: outer, last two   */
    size_t middle_step, inner_step; /* of y                               */
} Form;

static inline void form_push(Form *f, size_t len, size_t step)
{
    if (len == 1)
        return;
    if (f->n && f->step[f->n - 1] == step * len) {
        f->len[f->n - 1] *= len;
        f->step[f->n - 1] = step;
        return;
    }
    f->len[f->n] = len;
    f->step[f->n++] = step;
}

static inline void form_of(Form *f, const Tensor *x, const Tensor *y)
{
    const bool last = x->layout == CHANNELS_LAST && x->rank > 2;
    size_t step[MAX_RANK];

    memset(f, 0, sizeof(*f));
    tensor_strides(y, step);
    for (int i = 0; i < x->rank; i++) {
        const int d = !last || i == 0 ? i : i == x->rank - 1 ? 1 : i + 1;
        const size_t len = (size_t)x->dim[d];
        const size_t own = d < y->rank ? (size_t)y->dim[d] : 1;

        if (own == 1) {
            form_push(f, len, 0);
            continue;
        }
        form_push(f, own, step[d]);
        form_push(f, len / own, 0);
    }
    f->inner = f->middle = f->outer = 1;
    if (f->n > 0) {
        f->inner = f->len[f->n - 1];
        f->inner_step = f->step[f->n - 1];
    }
    if (f->n > 1) {
        f->middle = f->len[f->n - 2];
        f->middle_step = f->step[f->n - 2];
    }
    for (int i = 0; i < f->n - 2; i++)
        f->outer *= f->len[i];
}

/* Where y is for outer index i. */
static inline size_t form_outer(const Form *f, size_t i)
{
    size_t at = 0;

    for (int d = f->n - 3; d >= 0; d--) {
        at += i % f->len[d] * f->step[d];
        i /= f->len[d];
    }
    return at;
}

/* Operation on x and y.  op is a constant after inlining. */
typedef enum Binary { MUL, ADD, ADD_RELU, ADD_RELU6, SCALE } Binary;
typedef struct Apply {
    Binary op;
    float scale; /* of SCALE: y times it, and x is not read */
} Apply;

INLINE float apply(Apply f, float x, float y)
{
    switch (f.op) {
    case MUL:
        return x * y;
    case ADD:
        return x + y;
    case ADD_RELU:
        return relu_of(x + y);
    case ADD_RELU6:
        return relu6_of(x + y);
    case SCALE:
        break;
    }
    return f.scale * y;
}

INLINE void with_row(Apply a, Elem *out, const Elem *x, const Elem *y, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        out[i] = elem(apply(a, number(x[i]), number(y[i])));
}

INLINE void with_number(Apply a, Elem *out, const Elem *x, float y, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        out[i] = elem(apply(a, number(x[i]), y));
}

/* Number i of y for neighbours i run to (i + 1) run - 1; run is constant. */
INLINE void with_runs(Apply a, Elem *out, const Elem *x, const Elem *y,
                      size_t n, size_t run)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < run; k++)
            out[i * run + k] =
                elem(apply(a, number(x[i * run + k]), number(y[i])));
}

/* n rows of f->inner numbers whose y repeats: written out, then one loop. */
INLINE void with_tile(Apply a, const Form *f, Elem *out, const Elem *x,
                      const Elem *y, size_t n)
{
    const size_t period = TILE / f->inner * f->inner, total = n * f->inner;
    Elem tile[TILE];

    for (size_t i = 0; i < min_size(period, total); i += f->inner)
        for (size_t k = 0; k < f->inner; k++)
            tile[i + k] = y[k * f->inner_step];
    for (size_t i = 0; i < total; i += period)
        with_row(a, out + i, x + i, tile, min_size(period, total - i));
}

INLINE void with_strided(Apply a, const Form *f, Elem *out, const Elem *x,
                         const Elem *y)
{
    for (size_t i = 0; i < f->inner; i++)
        out[i] = elem(apply(a, number(x[i]), number(y[i * f->inner_step])));
}

/* n rows of one outer index. */
INLINE void middle_rows(Apply a, const Form *f, Elem *out, const Elem *x,
                        const Elem *y, size_t n)
{
    const size_t inner = f->inner, step = f->middle_step;

    if (f->inner_step && !step && inner < SHORT) {
        with_tile(a, f, out, x, y, n);
        return;
    }
    if (!f->inner_step && step == 1 && inner <= 16) {
        switch (inner) {
        case 2:
            with_runs(a, out, x, y, n, 2);
            return;
        case 4:
            with_runs(a, out, x, y, n, 4);
            return;
        case 8:
            with_runs(a, out, x, y, n, 8);
            return;
        case 16:
            with_runs(a, out, x, y, n, 16);
            return;
        }
    }
    for (size_t i = 0; i < n; i++, out += inner, x += inner, y += step) {
        if (f->inner_step == 1)
            with_row(a, out, x, y, inner);
        else if (f->inner_step == 0)
            with_number(a, out, x, number(*y), inner);
        else
            with_strided(a, f, out, x, y);
    }
}

/* Units are middle rows; or, where all is one loop, FLAT_UNIT numbers. */
static inline size_t form_units(const Form *f)
{
    return f->n < 2 ? ceil_div(f->inner, FLAT_UNIT) : f->outer * f->middle;
}

/* out = a(x, y) for some units; out and x have the same dims. */
INLINE void form_range(Apply a, const Form *f, Elem *out, const Elem *x,
                       const Elem *y, size_t begin, size_t end)
{
    if (f->n < 2) {
        const size_t from = begin * FLAT_UNIT;
        const size_t n = min_size(end * FLAT_UNIT, f->inner) - from;

        if (f->inner_step)
            with_row(a, out + from, x + from, y + from, n);
        else
            with_number(a, out + from, x + from, number(*y), n);
        return;
    }
    while (begin < end) {
        const size_t o = begin / f->middle, m = begin % f->middle;
        const size_t n = min_size(f->middle - m, end - begin);

        middle_rows(a, f, out + begin * f->inner, x + begin * f->inner,
                    y + form_outer(f, o) + m * f->middle_step, n);
        begin += n;
    }
}

#endif
