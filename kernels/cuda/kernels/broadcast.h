/*
 * broadcast.h - how a tensor z that is broadcast to the dims of x moves along
 * x, for .cu files
 *
 * x's dims in storage order, each with the step of z along it (0: z stays),
 * neighbours merged where z moves as x does.  (N,C,H,W) with (N,C) is three
 * dims, with (N,1,H,W) two, with the same one.
 */
#ifndef CUDA_BROADCAST_H
#define CUDA_BROADCAST_H

#include "kernels/cuda/kernels/kernel.h"

enum { FORM_DIMS = MAX_RANK + 1 }; /* C may be split in groups of neighbours */

/* Innermost dim first. */
typedef struct Form {
    int n;
    Divider len[FORM_DIMS];
    unsigned step[FORM_DIMS], outermost; /* the last step again */
} Form;

/* Numbers of z that a pack of x meets: as many neighbours; one; neighbours,
 * each for two or four of x; others. */
typedef enum Reach { PACK, ONE, TWICE, FOUR_TIMES, EACH } Reach;

/* The next dim outwards. */
static inline void form_push(Form *f, size_t len, size_t step)
{
    const int last = f->n - 1;

    if (len == 1)
        return;
    if (f->n && step == f->len[last].by * f->step[last]) {
        f->len[last] = divider(f->len[last].by * len);
        return;
    }
    f->len[f->n] = divider(len);
    f->step[f->n++] = (unsigned)step;
}

static inline Form form_of(const Tensor *x, const Tensor *z)
{
    const bool last = x->layout == CHANNELS_LAST && x->rank > 2;
    size_t step[MAX_RANK];
    Form f = { 0 };

    tensor_strides(z, step);
    for (int i = x->rank - 1; i >= 0; i--) {
        const int d = !last || i == 0 ? i : i == x->rank - 1 ? 1 : i + 1;
        const size_t len = (size_t)x->dim[d];
        const size_t own = d < z->rank ? (size_t)z->dim[d] : 1;

        if (own > 1)
            form_push(&f, len / own, 0);
        form_push(&f, own > 1 ? own : len, own > 1 ? step[d] : 0);
    }
    f.outermost = f.n ? f.step[f.n - 1] : 0;
    return f;
}

/* True if z stays for the innermost `times`, and packs then meet neighbours of
 * it, the first of which is aligned. */
static inline bool form_repeats(const Form *f, size_t pack, unsigned times)
{
    const size_t met = pack / times;

    return met && f->n > 1 && f->len[0].by == times && !f->step[0] &&
           f->step[1] == 1 && f->len[1].by % met == 0;
}

/* z is dense: where it moves by one along the innermost dim, its other steps
 * are multiples of that dim. */
static inline Reach form_reach(const Form *f, size_t pack)
{
    if (form_repeats(f, pack, 2))
        return TWICE;
    if (pack > 4 && form_repeats(f, pack, 4))
        return FOUR_TIMES;
    if (!f->n || f->len[0].by % pack || f->step[0] > 1)
        return EACH;
    return f->step[0] ? PACK : ONE;
}

/* Where z is for number i of x. */
static __device__ __forceinline__ unsigned form_at(const Form &f, unsigned i)
{
    unsigned at = 0;

#pragma unroll
    for (int d = 0; d < FORM_DIMS - 1 && d < f.n - 1; d++) {
        unsigned inner = i;

        i = divmod(&inner, f.len[d]);
        at += inner * f.step[d];
    }
    return at + i * f.outermost;
}

/* N numbers, each `TIMES` times. */
template <int N, int TIMES, typename T>
static __device__ __forceinline__ Pack<T, N> repeat(const T *z)
{
    const Pack<T, N / TIMES> few = load_pack<N / TIMES>(z);
    Pack<T, N> v;

#pragma unroll
    for (int k = 0; k < N; k++)
        v.at[k] = few.at[k / TIMES];
    return v;
}

/* The numbers of z for those of x from i on. */
template <Reach R, typename T>
static __device__ __forceinline__ Pack<T> reach(const T *z, const Form &f,
                                                unsigned i)
{
    Pack<T> v;

    if (R == PACK)
        return load_pack(z + form_at(f, i));
    if (R == TWICE)
        return repeat<Pack<T>::N, 2>(z + form_at(f, i));
    if (R == FOUR_TIMES)
        return repeat<Pack<T>::N, 4>(z + form_at(f, i));
    if (R == ONE)
        v.at[0] = to_float(z[form_at(f, i)]);
#pragma unroll
    for (int k = 0; k < Pack<T>::N; k++)
        v.at[k] = R == ONE ? v.at[0] : to_float(z[form_at(f, i + k)]);
    return v;
}

#endif
