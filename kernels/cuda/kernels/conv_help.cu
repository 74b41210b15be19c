/*
 * conv_help.cu - before and after cuDNN's convolutions: filters in its order,
 * and dx = act'(x) (dx + z)
 *
 * Memory bound.  cuDNN has no engine for a gradient that anything follows, so
 * what follows is a pass of its own: up to three numbers in, one out.
 *
 *   reorder   (conv.h) once for weights, and after each update of them.
 *   packs     as in unary.cu: a thread takes 16 bytes of each, and strides over
 *             the tensors by the grid; the last few numbers go one to a thread.
 */
#include "kernels/cuda/kernels/conv_help.h"

#include "kernels/cuda/kernels/conv.h"

enum { THREADS = 256, BLOCKS_PER_SM = 8 };

int conv_pack_filters(Device *dev, void *packed, const Tensor *w)
{
    return reorder_weights(dev, packed, w, channels_last(w));
}

/* z and made may be NULL. */
template <int N, typename T>
static __device__ __forceinline__ void finish_pack(T *dx, const T *z,
                                                   const T *made, size_t at,
                                                   Activation act)
{
    finish(Places<T>{ .y = dx, .z = z, .made = made }, at, 0,
           load_pack<N>(dx + at), act);
}

template <typename T>
static __global__ void packs(T *dx, const T *z, const T *made, Activation act,
                             size_t n)
{
    const size_t thread = (size_t)blockIdx.x * THREADS + threadIdx.x;
    const size_t threads = (size_t)gridDim.x * THREADS;
    const size_t whole = n / Pack<T>::N;

    for (size_t i = thread; i < whole; i += threads)
        finish_pack<Pack<T>::N>(dx, z, made, i * Pack<T>::N, act);
    for (size_t i = whole * Pack<T>::N + thread; i < n; i += threads)
        finish_pack<1>(dx, z, made, i, act);
}

int conv_finish_grad_x(Device *dev, const Tensor *out, const Tensor *z)
{
    const Tensor *made = out->src[3];
    const size_t n = tensor_count(out);
    int err = OK;

    if (!z && !made)
        return OK;
    FOR_DTYPE(out->dtype, T, {
        const size_t blocks = ceil_div(n, THREADS * Pack<T>::N);
        const Launch l = { even_grid(dev, blocks, BLOCKS_PER_SM), THREADS };

        err = launch(
            dev, l, packs<T>, (T *)out->data, z ? (const T *)z->data : NULL,
            made ? (const T *)made->data : NULL, conv_attr(out)->act, n);
    });
    return err;
}
