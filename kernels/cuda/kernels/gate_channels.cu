/*
 * gate_channels.cu - modules that gate channels by what sums over the map say:
 *                    se, se_conv, eca, fca, afgca
 *
 *   y = x * s,  s (C) = sigmoid of a few layers of z (C), the means of x
 *
 * attention_zoo has their equations.  Bound by the bytes of x, read once, and
 * y, written once: gate.h.  What excites is a few thousand multiply-adds, done
 * by each block of an image's cluster for itself; weights of up to 16 KiB come
 * next to the map, larger ones (SE at 512 channels: 64 KiB) are read from L2.
 * AFGCA's layer, of C x C, is divided among the blocks, which meet once more.
 *
 * AFGCA's C x C products are sums of one vector times the other.
 */
#include "kernels/cuda/kernels/gate.h"
#include "kernels/cuda/kernels/gate_plan.h"

/* Two layers without bias, and the gates: of C numbers at c.all. */
template <int N, typename T, typename Hidden>
static __device__ __forceinline__ void bottleneck(const Part<T> &c,
                                                  const T *first,
                                                  const T *second,
                                                  Hidden hidden)
{
    const Shape &s = c.s;
    float *middle = c.spare, *gate = c.gate;

    layer<N>(first, c.all, s.C, s.hidden, 1, s.by_hidden,
             [=](int, int o, float sum) { middle[o] = relu(hidden(o, sum)); });
    __syncthreads();
    layer<N>(second, middle, s.hidden, s.C, 1, s.by_C,
             [=](int, int o, float sum) { gate[o] = sigmoid(sum); });
}

static void facts_of_bottleneck(Shape *s, const Tensor *out)
{
    s->hidden = out->src[1]->dim[0];
}

/* ---- se ------------------------------------------------------------------ */

struct Se : ByChannel {
    static constexpr int WEIGHTS = 2;

    static void facts(Shape *s, const Tensor *out)
    {
        facts_of_bottleneck(s, out);
    }

    static size_t spare(const Shape &s)
    {
        return (size_t)s.hidden;
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        const float scale = c.s.per_position;

        bottleneck<N>(c, c.w.at[0], c.w.at[1],
                      [=](int, float sum) { return sum * scale; });
    }
};

/* ---- se_conv: a batch norm in the middle --------------------------------- */

struct SeConv : Se {
    static constexpr int WEIGHTS = 6;

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        const float scale = c.s.per_position, eps = c.s.eps;
        const Weights<T> &w = c.w;
        const T *weight = w.at[1], *bias = w.at[2], *mean = w.at[3];
        const T *var = w.at[4];

        bottleneck<N>(c, w.at[0], w.at[5], [=](int o, float sum) {
            return batch_norm(sum * scale, weight, bias, mean, var, eps, o);
        });
    }
};

/* ---- eca: a filter along the channels ------------------------------------ */

struct Eca : ByChannel {
    static constexpr int WEIGHTS = 1;

    static void facts(Shape *s, const Tensor *out)
    {
        s->k = out->src[1]->dim[2];
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        const Shape &s = c.s;

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS)
            c.gate[i] = sigmoid(filter(c.w.at[0], s.k, c.all, s.C, i, 1) *
                                s.per_position);
    }
};

/* ---- fca: each group of channels by a frequency of its own --------------- */

/* Tables of how much a row and a column count for each frequency: the basis of
 * the transform, and the average pooling that may come before it. */
static void fill_table(float *to, int L, int pooled, int n, const int *u)
{
    for (int l = 0; l < L; l++)
        for (int f = 0; f < n; f++) {
            double sum = 0;

            for (int p = 0; p < pooled; p++) {
                const int begin = (int)((long)p * L / pooled);
                const int end =
                    (int)(((long)(p + 1) * L + pooled - 1) / pooled);

                if (l >= begin && l < end)
                    sum += dct_basis(p, u[f], pooled) / (end - begin);
            }
            to[l * n + f] = (float)sum;
        }
}

struct Fca : Se {
    static void facts(Shape *s, const Tensor *out)
    {
        facts_of_bottleneck(s, out);
        s->groups = gate_facts(out)->dct.n;
        s->cg = s->C / s->groups;
    }

    static size_t tables(const Shape &s)
    {
        return (size_t)(s.H + s.W) * (size_t)s.groups;
    }

    static void fill(float *to, const Shape &s, const Tensor *out)
    {
        const ModuleFacts *f = gate_facts(out);

        fill_table(to, s.H, f->pool_h, s.groups, f->dct.u);
        fill_table(to + s.H * s.groups, s.W, f->pool_w, s.groups, f->dct.v);
    }

    static size_t spare(const Shape &s)
    {
        return tables(s) > (size_t)s.hidden ? tables(s) : (size_t)s.hidden;
    }

    template <typename T> static __device__ void before(const Part<T> &c)
    {
        const int n = (c.s.H + c.s.W) * c.s.groups;

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < n; i += THREADS)
            c.spare[i] = c.s.tables[i];
        __syncthreads();
    }

    template <int N, typename T>
    static __device__ __forceinline__ Pack<float, N> weigh(const Part<T> &c,
                                                           const Pack<T, N> &x,
                                                           int row, int column,
                                                           int ch)
    {
        const int n = c.s.groups;
        const float *along_h = c.spare + (c.first + row) * n;
        const float *along_w = c.spare + (c.s.H + column) * n;
        const bool fours = c.s.cg % 4 == 0;
        Pack<float, N> v;
        float weight = 0;

#pragma unroll
        for (int k = 0; k < N; k++) {
            if (k % 4 == 0 || !fours) {
                const int f = (int)divide((unsigned)(ch + k), c.s.by_cg);

                weight = along_h[f] * along_w[f];
            }
            v.at[k] = x.at[k] * weight;
        }
        return v;
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        bottleneck<N>(c, c.w.at[0], c.w.at[1],
                      [](int, float sum) { return sum; });
    }
};

/* ---- afgca --------------------------------------------------------------- */

/* A sum of numbers of which each is to be multiplied with the same one first:
 * what is not finite comes out as if it had been. */
typedef struct SignedSum {
    float above, below, zeros;
} SignedSum;

static __device__ __forceinline__ SignedSum signed_sum(const float *in, int n)
{
    SignedSum s = { 0, 0, 0 };

#pragma unroll 1
    for (int i = (int)threadIdx.x % WARP; i < n; i += WARP) {
        s.above += in[i] < 0 ? 0 : in[i];
        s.below += in[i] < 0 ? in[i] : 0;
        s.zeros += in[i] == 0;
    }
    return { warp_sum(s.above), warp_sum(s.below), warp_sum(s.zeros) };
}

static __device__ __forceinline__ float times(float x, const SignedSum &s)
{
    float product = s.zeros > 0 ? x * 0 : 0;

    product += s.above != 0 ? x * s.above : 0;
    product += s.below != 0 ? x * s.below : 0;
    return product;
}

struct Afgca : ByChannel {
    static constexpr int WEIGHTS = 4, MEETS = 1;

    static void facts(Shape *s, const Tensor *out)
    {
        s->k = out->src[1]->dim[2];
    }

    /* u, v, the block's of v, and what is filtered at last; two sums. */
    static size_t spare(const Shape &s)
    {
        return (size_t)(4 * s.C) + 2 * sizeof(SignedSum) / sizeof(float);
    }

    /* The block's share of the layer, then all of it: into v. */
    template <int N, typename T>
    static __device__ __forceinline__ void layer_of_all(const Part<T> &c,
                                                        float *own, float *v)
    {
        const Shape &s = c.s;
        const int first = min(c.rank * s.share, s.C);
        const T *bias = c.w.at[2] + first;

        layer<N>(c.w.at[1] + first * s.C, c.all, s.C, min(s.share, s.C - first),
                 1, s.by_share, [=](int, int o, float sum) {
                     own[o] = sum + to_float(bias[o]);
                 });
        meet(s);
#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS) {
            unsigned o = (unsigned)i;
            const int block = (int)divmod(&o, s.by_share);

            v[i] = of_block(own, block)[o];
        }
        cluster_done();
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        const Shape &s = c.s;
        const T *taps = c.w.at[0];
        float *own = c.spare, *u = own + s.C, *v = u + s.C, *both = v + s.C;
        SignedSum *of = reinterpret_cast<SignedSum *>(both + s.C);
        const int warp = (int)threadIdx.x / WARP;
        const float mix = sigmoid(to_float(c.w.at[3][0]));

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS)
            c.all[i] *= s.per_position;
        __syncthreads();
#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS)
            u[i] = filter(taps, s.k, c.all, s.C, i, 1);
        layer_of_all<N>(c, own, v);
        __syncthreads();
        if (warp < 2) {
            const SignedSum sum = signed_sum(warp ? v : u, s.C);

            if (threadIdx.x % WARP == 0)
                of[warp] = sum;
        }
        __syncthreads();
#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS)
            both[i] = mix * sigmoid(times(v[i], of[0])) +
                      (1 - mix) * sigmoid(times(u[i], of[1]));
        __syncthreads();
#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS)
            c.gate[i] = sigmoid(filter(taps, s.k, both, s.C, i, 1));
    }
};

GATE_KERNEL(se, Se, 1)
GATE_KERNEL(se_conv, SeConv, 1)
GATE_KERNEL(eca, Eca, 1)
GATE_KERNEL(fca, Fca, 1)
GATE_KERNEL(afgca, Afgca, 1)
