/*
 * scsa.h - the equations of SCSA that both of its CUDA kernels compute
 *
 * Names and numbers of equations are those of attention_zoo/scsa.c.  Layouts
 * are channels last: a strip is (L,C), x_p is (P,C) with P = H' W'.
 *
 * Three things are done otherwise than they are written there.  The mean over
 * positions of the attention's result is taken of v first, so that
 *     sum_j softmax_j(q_i . k_j / sqrt d) mean(v_j)
 * is all there is to compute, and no C x C matrix is stored.  And q, k, v are
 * one scale a channel of the same x_p: the scales are taken out of the sums.
 * And exponentials are powers of two, of scores times log2 e.
 */
#ifndef CUDA_SCSA_H
#define CUDA_SCSA_H

#include "kernels/cuda/kernels/kernel.h"

/* ---- one call, as kernels see it ----------------------------------------- */

static constexpr int SCSA_QUARTERS =
    4; /* K: groups of channels, eq. (1), (2) */

typedef struct Scsa {
    int N, C, H, W;
    int window_h, window_w; /* of eq. (8)                          */
    int PH, PW, P;          /* H', W' and their product            */
    int depth;              /* d: channels of a head               */
    int k[SCSA_QUARTERS];   /* k_i                                 */
    float eps, scale;       /* of the norms; log2 e / sqrt d, eq. (10) */
} Scsa;

static inline Scsa scsa_of(const Tensor *out)
{
    const ScsaAttr *attr = (const ScsaAttr *)out->attr;
    const int *dim = out->dim, window = attr->window;
    Scsa s = {};

    s.N = dim[0], s.C = dim[1], s.H = dim[2], s.W = dim[3];
    s.window_h = window > 0 ? window : s.H;
    s.window_w = window > 0 ? window : s.W;
    s.PH = s.H / s.window_h, s.PW = s.W / s.window_w, s.P = s.PH * s.PW;
    s.depth = s.C / attr->heads;
    for (int i = 0; i < SCSA_QUARTERS; i++)
        s.k[i] = attr->k[i];
    s.eps = (float)attr->eps;
    s.scale = (float)(M_LOG2E / sqrt((double)s.depth));
    return s;
}

static inline int least(int a, int b)
{
    return a < b ? a : b;
}

static inline int at_least_1(int n)
{
    return n > 1 ? n : 1;
}

/* The weights, in PyTorch's order. */
template <typename T> struct ScsaWeights {
    const T *dwc_weight[SCSA_QUARTERS]; /* (C/4,k_i)                  */
    const T *dwc_bias[SCSA_QUARTERS];   /* (C/4)                      */
    const T *norm_hw[4];                /* norm_h, norm_w: weight, bias (C) */
    const T *norm[2];                   /* weight and bias (C)        */
    const T *qkv[3];                    /* (C) each                   */
};

template <typename T>
static inline ScsaWeights<T> scsa_weights_of(const Tensor *out)
{
    ScsaWeights<T> w;
    Tensor *const *src = out->src;

    for (int i = 0; i < SCSA_QUARTERS; i++) {
        w.dwc_weight[i] = (const T *)src[SCSA_DWC_WEIGHT + i]->data;
        w.dwc_bias[i] = (const T *)src[SCSA_DWC_BIAS + i]->data;
        w.norm_hw[i] = (const T *)src[SCSA_NORM_H + i]->data;
    }
    for (int i = 0; i < 2; i++)
        w.norm[i] = (const T *)src[SCSA_NORM + i]->data;
    for (int i = 0; i < 3; i++)
        w.qkv[i] = (const T *)src[SCSA_Q + i]->data;
    return w;
}

/* Selects a quarter's: by comparisons, since an index that is not known when
 * compiling moves an array of parameters to local memory. */
template <typename T>
static __device__ __forceinline__ T of_quarter(const T (&each)[SCSA_QUARTERS],
                                               int quarter)
{
    T own = each[0];

#pragma unroll
    for (int i = 1; i < SCSA_QUARTERS; i++)
        own = quarter == i ? each[i] : own;
    return own;
}

/* ---- packs of f32, as gates and sums are kept ---------------------------- */

/* N floats at p, which is aligned to all of them or to 16 bytes. */
template <int N>
static __device__ __forceinline__ Pack<float, N> load_floats(const float *p)
{
    constexpr int STEP = N < 4 ? N : 4;
    Pack<float, N> v;

#pragma unroll
    for (int i = 0; i < N; i += STEP) {
        const Pack<float, STEP> part = load_pack<STEP>(p + i);

#pragma unroll
        for (int k = 0; k < STEP; k++)
            v.at[i + k] = part.at[k];
    }
    return v;
}

template <int N>
static __device__ __forceinline__ void store_floats(float *p,
                                                    const Pack<float, N> &v)
{
    constexpr int STEP = N < 4 ? N : 4;

#pragma unroll
    for (int i = 0; i < N; i += STEP) {
        Pack<float, STEP> part;

#pragma unroll
        for (int k = 0; k < STEP; k++)
            part.at[k] = v.at[i + k];
        store_pack(p + i, part);
    }
}

/* The pack at p, or zeros: one access under a condition, no branch that the
 * next one would have to wait for. */
template <int N, typename T>
static __device__ __forceinline__ Pack<T, N> load_pack_if(bool is, const T *p)
{
    union {
        typename Word<N * sizeof(T)>::Type word;
        T at[N];
    } u = {};
    Pack<T, N> v;

    if (is)
        u.word = *reinterpret_cast<const decltype(u.word) *>(p);
#pragma unroll
    for (int i = 0; i < N; i++)
        v.at[i] = to_float(u.at[i]);
    return v;
}

/* sum += x, sum *= by, and sum += a x, number by number. */
template <typename T, int N>
static __device__ __forceinline__ void add(Pack<float, N> *sum,
                                           const Pack<T, N> &x)
{
#pragma unroll
    for (int i = 0; i < N; i++)
        sum->at[i] += x.at[i];
}

template <int N>
static __device__ __forceinline__ void multiply(Pack<float, N> *sum, float by)
{
#pragma unroll
    for (int i = 0; i < N; i++)
        sum->at[i] *= by;
}

template <typename T, int N>
static __device__ __forceinline__ void multiply_add(Pack<float, N> *sum,
                                                    const Pack<float, N> &a,
                                                    const Pack<T, N> &x)
{
#pragma unroll
    for (int i = 0; i < N; i++)
        sum->at[i] += a.at[i] * x.at[i];
}

/* ---- SMSA, eq. (3) to (6) ------------------------------------------------ */

static __device__ __forceinline__ float sigmoid(float x)
{
    return __fdividef(1, 1 + __expf(-x));
}

/* One number of a depthwise convolution: channel c of a strip of length L with
 * pitch numbers per position; weight is (C/4,k). */
template <typename W>
static __device__ __forceinline__ float dwconv1d(const float *strip, int L,
                                                 int pitch, int l, int c,
                                                 const W *weight, W bias, int k)
{
    const int first = l - k / 2;
    float z = to_float(bias);

#pragma unroll 1
    for (int t = max(0, -first); t < min(k, L - first); t++)
        z += to_float(weight[c * k + t]) * strip[(first + t) * pitch + c];
    return z;
}

/* ---- group norms ---------------------------------------------------------
 *
 * Each warp finds the moments of its own share, about its own mean, and all
 * shares are then put together (Chan, Golub and LeVeque, 1979): as exact as two
 * passes over everything, with one barrier. */

typedef struct Moments {
    float n, mean, m2; /* m2: sum of squares about the mean */
} Moments;

/* value(i) of this thread's i in [0, n): i = threadIdx, + blockDim, ... */
template <typename F>
static __device__ __forceinline__ Moments warp_moments(int n, F value)
{
    Moments m = { 0, 0, 0 };

#pragma unroll 1
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        m.mean += value(i);
        m.n++;
    }
    m.n = warp_sum(m.n);
    m.mean = __fdividef(warp_sum(m.mean), fmaxf(m.n, 1));
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        const float d = value(i) - m.mean;

        m.m2 += d * d;
    }
    m.m2 = warp_sum(m.m2);
    return m;
}

/* Those of a and of b together. */
static __device__ __forceinline__ Moments merge(const Moments &a,
                                                const Moments &b)
{
    const float d = b.mean - a.mean, n = a.n + b.n;
    const float part = __fdividef(b.n, fmaxf(n, 1));

    return { n, a.mean + d * part, a.m2 + b.m2 + d * d * a.n * part };
}

/* All of at(0) to at(count - 1) as one, in every lane; at() reads memory. */
template <typename F>
static __device__ __forceinline__ Moments merge_moments(int count, F at)
{
    Moments all = { 0, 0, 0 };

#pragma unroll 1
    for (int i = (int)threadIdx.x % WARP; i < count; i += WARP)
        all = merge(all, at(i));
#pragma unroll 1
    for (int d = WARP / 2; d > 0; d /= 2) {
        const Moments other = {
            __shfl_down_sync(FULL_WARP, all.n, (unsigned)d),
            __shfl_down_sync(FULL_WARP, all.mean, (unsigned)d),
            __shfl_down_sync(FULL_WARP, all.m2, (unsigned)d)
        };

        all = merge(all, other);
    }
    return { __shfl_sync(FULL_WARP, all.n, 0),
             __shfl_sync(FULL_WARP, all.mean, 0),
             __shfl_sync(FULL_WARP, all.m2, 0) };
}

static __device__ __forceinline__ float normalise(float x, const Moments &m,
                                                  float eps, float weight,
                                                  float bias)
{
    const float variance = __fdividef(m.m2, m.n);

    return (x - m.mean) * rsqrtf(variance + eps) * weight + bias;
}

#endif
