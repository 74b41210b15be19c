/*
 * scsa.h - the equations of SCSA that both of its CUDA kernels compute
 *
 * Names and numbers of equations are those of attention_zoo/scsa.c.  Layouts
 * are channels last: a strip is (L,C), x_p is (P,C) with P = H' W'.
 *
 * Two things are done otherwise than they are written there.  The mean over
 * positions of the attention's result is taken of v first, so that
 *     sum_j softmax_j(q_i . k_j / sqrt d) mean(v_j)
 * is all there is to compute, and no C x C matrix is stored.  And q, k, v are
 * one scale a channel of the same x_p: the scales are taken out of the sums.
 */
#ifndef CUDA_SCSA_H
#define CUDA_SCSA_H

#include <float.h>

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
    float eps, scale;       /* of the norms; 1 / sqrt d, eq. (10)  */
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
    s.scale = (float)(1 / sqrt((double)s.depth));
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

/* sum += x, and sum += a x, number by number. */
template <typename T, int N>
static __device__ __forceinline__ void add(Pack<float, N> *sum,
                                           const Pack<T, N> &x)
{
#pragma unroll
    for (int i = 0; i < N; i++)
        sum->at[i] += x.at[i];
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
    return __fdividef(1, 1 + expf(-x));
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

    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        m.mean += value(i);
        m.n++;
    }
    m.n = warp_sum(m.n);
    m.mean = warp_sum(m.mean) / fmaxf(m.n, 1);
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        const float d = value(i) - m.mean;

        m.m2 += d * d;
    }
    m.m2 = warp_sum(m.m2);
    return m;
}

/* All of at(0) to at(count - 1) as one, in every lane; at() reads memory. */
template <typename F>
static __device__ __forceinline__ Moments merge_moments(int count, F at)
{
    const int lane = (int)threadIdx.x % WARP;
    Moments all = { 0, 0, 0 };

    for (int i = lane; i < count; i += WARP) {
        const Moments m = at(i);

        all.n += m.n;
        all.mean += m.n * m.mean;
    }
    all.n = warp_sum(all.n);
    all.mean = warp_sum(all.mean) / all.n;
    for (int i = lane; i < count; i += WARP) {
        const Moments m = at(i);
        const float d = m.mean - all.mean;

        all.m2 += m.m2 + m.n * d * d;
    }
    all.m2 = warp_sum(all.m2);
    return all;
}

static __device__ __forceinline__ float normalise(float x, const Moments &m,
                                                  float eps, float weight,
                                                  float bias)
{
    return (x - m.mean) * (1 / sqrtf(m.m2 / m.n + eps)) * weight + bias;
}

/* ---- PCSA, eq. (10), (11) ------------------------------------------------
 *
 * A warp has ROWS neighbouring channels i, its lanes have the channels j: at
 * each position one read of 16 bytes, the same for all lanes, has the rows'
 * q, and each lane's own reads have its k.  A row's sums are kept against the
 * largest score that its lane has seen, and put together at the end. */

static constexpr int ATTEND_ROWS = 4, ATTEND_COLS = 2, ATTEND_SPAN = 64;

typedef struct SoftmaxMean {
    float max;
    float sum, out; /* of e = exp(score - max): sum of e, sum of e mean(v) */
} SoftmaxMean;

/* Nothing that is there, and nothing that comes, is larger than max. */
static __device__ __forceinline__ void raise_max(SoftmaxMean *row, float max)
{
    const float less = expf(row->max - max);

    row->max = max;
    row->sum *= less;
    row->out *= less;
}

/* A score that is not larger than the maximum. */
static __device__ __forceinline__ void add_score(SoftmaxMean *row, float score,
                                                 float mean_v)
{
    const float e = expf(score - row->max);

    row->sum += e;
    row->out += e * mean_v;
}

/* Any score: one exponential, of the smaller less the larger. */
static __device__ __forceinline__ void admit(SoftmaxMean *row, float score,
                                             float mean_v)
{
    const float e = expf(-fabsf(score - row->max));
    const bool higher = score > row->max;
    const float old = higher ? e : 1, now = higher ? 1 : e;

    row->max = higher ? score : row->max;
    row->sum = row->sum * old + now;
    row->out = row->out * old + now * mean_v;
}

/* The lanes' shares of a row put together. */
static __device__ __forceinline__ float softmax_mean(SoftmaxMean row)
{
    raise_max(&row, warp_max(row.max));
    return __fdividef(warp_sum(row.out), warp_sum(row.sum));
}

/* dot[r][c] += sum_p x_i x_j and sum[c] += sum_p x_j, over all positions p
 * of x_p (P,C), for the channels i + r and j[c]. */
static __device__ __forceinline__ void dot_products(
    float (&dot)[ATTEND_ROWS][ATTEND_COLS], float (&sum)[ATTEND_COLS],
    const float *x_p, int positions, const Scsa &s, int i,
    const int (&j)[ATTEND_COLS])
{
    float part[ATTEND_ROWS][ATTEND_COLS] = {};

#pragma unroll 4
    for (int p = 0; p < positions; p++, x_p += s.C) {
        const Pack<float, ATTEND_ROWS> x_i = load_pack<ATTEND_ROWS>(x_p + i);

#pragma unroll
        for (int c = 0; c < ATTEND_COLS; c++) {
            const float x_j = x_p[j[c]];

            sum[c] += x_j;
#pragma unroll
            for (int r = 0; r < ATTEND_ROWS; r++)
                part[r][c] += x_i.at[r] * x_j;
        }
    }
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++)
#pragma unroll
        for (int c = 0; c < ATTEND_COLS; c++)
            dot[r][c] += part[r][c];
}

/* Rows i to i + 3 of the attention, averaged over positions, into out, in every
 * lane.  x_p is (P,C), normalised; q, k, v are (C); i is a multiple of 4. */
template <typename W>
static __device__ __forceinline__ void attend_many(float (&out)[ATTEND_ROWS],
                                                   const float *x_p,
                                                   const Scsa &s, const W *q,
                                                   const W *k, const W *v,
                                                   int i)
{
    const int lane = (int)threadIdx.x % WARP, d = s.depth;
    const int end = ((i + ATTEND_ROWS - 1) / d + 1) * d;
    SoftmaxMean row[ATTEND_ROWS];
    int head[ATTEND_ROWS]; /* the first channel of the row's */

#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++) {
        row[r] = { -FLT_MAX, 0, 0 };
        head[r] = (i + r) / d * d;
    }
    for (int j0 = head[0]; j0 < end; j0 += ATTEND_COLS * WARP) {
        float dot[ATTEND_ROWS][ATTEND_COLS] = {}, sum[ATTEND_COLS] = {};
        int j[ATTEND_COLS];

#pragma unroll
        for (int c = 0; c < ATTEND_COLS; c++)
            j[c] = min(j0 + c * WARP + lane, end - 1);
        for (int p = 0; p < s.P; p += ATTEND_SPAN)
            dot_products(dot, sum, x_p + (size_t)p * s.C,
                         min(ATTEND_SPAN, s.P - p), s, i, j);
#pragma unroll
        for (int c = 0; c < ATTEND_COLS; c++) {
            const int at = j0 + c * WARP + lane; /* not beyond end in j */
            const float k_j = to_float(k[j[c]]) * s.scale;
            const float mean_v = to_float(v[j[c]]) * (sum[c] / (float)s.P);

#pragma unroll
            for (int r = 0; r < ATTEND_ROWS; r++)
                if ((unsigned)(at - head[r]) < (unsigned)d)
                    admit(&row[r], to_float(q[i + r]) * k_j * dot[r][c],
                          mean_v);
        }
    }
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++)
        out[r] = softmax_mean(row[r]);
}

/* The same at a single position, the four rows being of one head: the scores
 * t_i k_j have rank one, so the largest of a row is at one end of k. */
template <typename W>
static __device__ __forceinline__ void attend_one(float (&out)[ATTEND_ROWS],
                                                  const float *x_p,
                                                  const Scsa &s, const W *q,
                                                  const W *k, const W *v, int i)
{
    const int lane = (int)threadIdx.x % WARP;
    const int begin = i / s.depth * s.depth, end = begin + s.depth;
    float high = -FLT_MAX, low = FLT_MAX, t[ATTEND_ROWS];
    SoftmaxMean row[ATTEND_ROWS];

    for (int j = begin + lane; j < end; j += WARP) {
        const float k_j = to_float(k[j]) * x_p[j];

        high = fmaxf(high, k_j);
        low = fminf(low, k_j);
    }
    high = warp_max(high);
    low = -warp_max(-low);
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++) {
        t[r] = to_float(q[i + r]) * s.scale * x_p[i + r];
        row[r] = { fmaxf(t[r] * high, t[r] * low), 0, 0 };
    }
    for (int j = begin + lane; j < end; j += WARP) {
        const float k_j = to_float(k[j]) * x_p[j];
        const float v_j = to_float(v[j]) * x_p[j];

#pragma unroll
        for (int r = 0; r < ATTEND_ROWS; r++)
            add_score(&row[r], t[r] * k_j, v_j);
    }
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++)
        out[r] = __fdividef(warp_sum(row[r].out), warp_sum(row[r].sum));
}

/* Eq. (11) up to its gate, rows i to i + 3: sigmoid of what either gives. */
template <typename W>
static __device__ __forceinline__ void attend(float (&gate)[ATTEND_ROWS],
                                              const float *x_p, const Scsa &s,
                                              const W *q, const W *k,
                                              const W *v, int i)
{
    if (s.P == 1 && s.depth % ATTEND_ROWS == 0)
        attend_one(gate, x_p, s, q, k, v, i);
    else
        attend_many(gate, x_p, s, q, k, v, i);
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++)
        gate[r] = sigmoid(gate[r]);
}

#endif
