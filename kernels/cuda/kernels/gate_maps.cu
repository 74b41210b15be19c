/*
 * gate_maps.cu - modules that gate each position by what stands there: cbam, sa
 *
 * attention_zoo has their equations.  Bound by the bytes of x, read once, and
 * y, written once: gate.h.
 *
 *   cbam  gates of channels, of sums and maxima; then the rows times these are
 *         squeezed over channels, and a block gets of its neighbours the lines
 *         of these two maps that its filter hangs over.
 *   sa    a channel's gate is constant, or affine in x: means, and deviations
 *         of half of the channels.  The shuffle is where y is written: a pack
 *         of it is half a pack of either half of the channels.  Not in place.
 */
#include "kernels/cuda/kernels/gate.h"
#include "kernels/cuda/kernels/gate_plan.h"

/* ---- cbam ---------------------------------------------------------------- */

enum { TALL = 4 };

struct Cbam : ByChannel {
    static constexpr int WEIGHTS = 3, STATS = SUMS | MAXIMA, MEETS = 1;

    static void facts(Shape *s, const Tensor *out)
    {
        s->hidden = out->src[1]->dim[0];
        s->k = out->src[3]->dim[2];
        s->by_line = divider((size_t)line_of(*s));
    }

    /* Lines that a filter of the block's rows sees, TALL rows at a time, and
     * numbers of each, with those that it sees outside of the image. */
    static __host__ __device__ __forceinline__ int lines_seen(const Shape &s)
    {
        return (s.rows + TALL - 1) / TALL * TALL + s.k - 1;
    }

    static __host__ __device__ __forceinline__ int line_of(const Shape &s)
    {
        return s.W + s.k - 1;
    }

    /* Two maps of the block, its gates, and the two maps where its filter sees
     * them. */
    static size_t spare(const Shape &s)
    {
        const size_t seen = (size_t)(lines_seen(s) * line_of(s));
        const size_t maps = 3 * (size_t)(s.rows * s.W) + 2 * seen;
        const size_t hidden = 2 * (size_t)s.hidden;

        return maps > hidden ? maps : hidden;
    }

    /* The mean and the maximum over channels at each position, gated. */
    template <int N, typename T>
    static __device__ __forceinline__ void squeeze_channels(const Part<T> &c)
    {
        const Shape &s = c.s;
        const int n = c.rows * s.W;
        const float scale = __fdividef(1, (float)s.C);
        int bits = 0;

        while (bits < 5 && 1 << bits < s.packs)
            bits++;
        const int lane = (int)threadIdx.x & ((1 << bits) - 1);

        const bool once = s.packs <= 1 << bits; /* gates are read */
        Pack<float, N> gate = {};

        if (once && lane < s.packs)
            gate = load_gates<N>(c.gate + lane * N);
#pragma unroll 1
        for (int q0 = 0; q0 < n; q0 += THREADS >> bits) {
            const int q = q0 + ((int)threadIdx.x >> bits);
            float sum = 0, top = -INFINITY;

            if (q < n)
#pragma unroll 2
                for (int p = lane; p < s.packs; p += 1 << bits) {
                    const Pack<T, N> x = load_pack<N>(c.x + q * s.C + p * N);

                    if (!once)
                        gate = load_gates<N>(c.gate + p * N);
#pragma unroll
                    for (int k = 0; k < N; k++) {
                        const float v = x.at[k] * gate.at[k];

                        sum += v;
                        top = max_nan(top, v);
                    }
                }
#pragma unroll 1
            for (int d = 1 << bits >> 1; d > 0; d /= 2) {
                sum += __shfl_xor_sync(FULL_WARP, sum, d);
                top = max_nan(top, __shfl_xor_sync(FULL_WARP, top, d));
            }
            if (q < n && lane == 0) {
                c.spare[q] = sum * scale;
                c.spare[s.rows * s.W + q] = top;
            }
        }
    }

    template <typename T>
    static __device__ __forceinline__ float *lines_at(const Part<T> &c)
    {
        return c.spare + 3 * c.s.rows * c.s.W;
    }

    template <typename T>
    static __device__ __forceinline__ float *pixels_at(const Part<T> &c)
    {
        return c.spare + 2 * c.s.rows * c.s.W;
    }

    /* Both maps where the block's filter sees them; outside of the image there
     * are zeros. */
    template <typename T>
    static __device__ __forceinline__ void gather_lines(const Part<T> &c)
    {
        const Shape &s = c.s;
        const int lines = lines_seen(s), line = line_of(s);
        const int own = s.rows * s.W;
        float *to = lines_at(c);

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < 2 * lines * line; i += THREADS) {
            const int map = i >= lines * line;
            unsigned column = (unsigned)(i - map * lines * line);
            const int h = (int)divmod(&column, s.by_line) + c.first - s.k / 2;
            const int w = (int)column - s.k / 2;
            float v = 0;

            if (h >= 0 && h < s.H && w >= 0 && w < s.W) {
                unsigned row = (unsigned)h;
                const int block = (int)divmod(&row, s.by_rows);

                v = of_block(c.spare, block)[map * own + (int)row * s.W + w];
            }
            to[i] = v;
        }
    }

    template <int N, typename T>
    static __device__ __forceinline__ void gate_channels(const Part<T> &c)
    {
        const Shape &s = c.s;
        float *middle = c.spare, *gate = c.gate;
        const float scale = s.per_position;
        const int hidden = s.hidden;

        layer<N>(c.w.at[0], c.all, s.C, hidden, 2, s.by_hidden,
                 [=](int l, int o, float sum) {
                     middle[l * hidden + o] = relu(l ? sum : sum * scale);
                 });
        __syncthreads();
#pragma unroll 1
        for (int o = (int)threadIdx.x; o < hidden; o += THREADS)
            middle[o] += middle[hidden + o];
        __syncthreads();
        layer<N>(c.w.at[1], middle, hidden, s.C, 1, s.by_C,
                 [=](int, int o, float sum) { gate[o] = sigmoid(sum); });
        __syncthreads();
    }

    /* A thread makes TALL gates, one below the other.  Numbers that one of them
     * does not see are not multiplied with 0, since they may be infinite. */
    template <typename T>
    static __device__ __forceinline__ void gate_pixels(const Part<T> &c)
    {
        const Shape &s = c.s;
        const int k = s.k, line = line_of(s), map = lines_seen(s) * line;
        const int n = (c.rows + TALL - 1) / TALL * s.W;
        const T *w = c.w.at[2];

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < n; i += THREADS) {
            unsigned column = (unsigned)i;
            const int row = (int)divmod(&column, s.by_W) * TALL;
            const float *corner = lines_at(c) + row * line + (int)column;
            float sum[TALL] = {};

#pragma unroll 1
            for (int b = 0; b < k; b++) {
                float mean_w[TALL] = {}, top_w[TALL] = {};

#pragma unroll 4
                for (int a = 0; a < k + TALL - 1; a++) {
                    const float mean = corner[a * line + b];
                    const float top = corner[map + a * line + b];

#pragma unroll
                    for (int j = TALL - 1; j > 0; j--) {
                        mean_w[j] = mean_w[j - 1];
                        top_w[j] = top_w[j - 1];
                    }
                    if (a < k) {
                        mean_w[0] = to_float(w[a * k + b]);
                        top_w[0] = to_float(w[(k + a) * k + b]);
                    }
#pragma unroll
                    for (int j = 0; j < TALL; j++)
                        if (a >= j && a < k + j)
                            sum[j] += mean_w[j] * mean + top_w[j] * top;
                }
            }
#pragma unroll
            for (int j = 0; j < TALL; j++)
                if (row + j < c.rows)
                    pixels_at(c)[(row + j) * s.W + (int)column] =
                        sigmoid(sum[j]);
        }
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        gate_channels<N>(c);
        squeeze_channels<N>(c);
        meet(c.s);
        gather_lines(c);
        cluster_done();
        __syncthreads();
        gate_pixels(c);
    }

    template <int N> struct Held {
        Pack<float, N> gate;
        const float *pixel;
        int W;
    };

    template <int N, typename T>
    static __device__ __forceinline__ Held<N> hold(const Part<T> &c, int ch)
    {
        Held<N> h;

        h.gate = load_gates<N>(c.gate + ch);
        h.pixel = pixels_at(c);
        h.W = c.s.W;
        return h;
    }

    template <int N, typename T>
    static __device__ __forceinline__ Pack<T, N> gated(const Part<T> &,
                                                       const Held<N> &h,
                                                       const T *x, int row,
                                                       int column, int ch)
    {
        const float pixel = h.pixel[row * h.W + column];
        Pack<T, N> v = load_pack<N>(x + ch);

#pragma unroll
        for (int k = 0; k < N; k++)
            v.at[k] = v.at[k] * h.gate.at[k] * pixel;
        return v;
    }
};

/* ---- sa ------------------------------------------------------------------ */

struct Sa : ByChannel {
    static constexpr int WEIGHTS = 6, STATS = SUMS | SPREADS, PARTS = 2;

    static void facts(Shape *s, const Tensor *out)
    {
        s->groups = gate_facts(out)->groups;
        s->cg = s->C / s->groups;
    }

    /* For each channel what is taken off, what it is multiplied with, what is
     * added; where the second is 0, the third is the gate itself. */
    static size_t spare(const Shape &s)
    {
        return (size_t)(3 * s.C);
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        const Shape &s = c.s;
        const int half = s.cg / 2;

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS) {
            unsigned k = (unsigned)i;

            divmod(&k, s.by_cg);
            const int j = (int)k < half ? (int)k : (int)k - half;
            const float mean = c.all[i] * s.per_position;
            const float var = c.all[s.C + i] * s.per_position;
            const float s_w = to_float(c.w.at[2][j]);
            float factor = rsqrtf(var + s.eps) * to_float(c.w.at[4][j]) * s_w;
            float bias = to_float(c.w.at[5][j]) * s_w + to_float(c.w.at[3][j]);

            if ((int)k < half) {
                factor = 0;
                bias = sigmoid(to_float(c.w.at[0][j]) * mean +
                               to_float(c.w.at[1][j]));
            }
            c.spare[i] = mean;
            c.spare[s.C + i] = factor;
            c.spare[2 * s.C + i] = bias;
        }
    }

    /* y's channel 2 i + h is x's channel i of half h. */
    static __device__ __forceinline__ int source(const Shape &s, int ch, int k)
    {
        return (ch + k) / 2 + ((ch + k) & 1) * (s.C / 2);
    }

    template <int N> struct Held {
        float mean[N], factor[N], bias[N];
        bool constant[N];
    };

    template <int N, typename T>
    static __device__ __forceinline__ Held<N> hold(const Part<T> &c, int ch)
    {
        Held<N> h;

#pragma unroll
        for (int k = 0; k < N; k++) {
            const int from = source(c.s, ch, k);
            unsigned within = (unsigned)from;

            divmod(&within, c.s.by_cg);
            h.constant[k] = (int)within < c.s.cg / 2;
            h.mean[k] = c.spare[from];
            h.factor[k] = c.spare[c.s.C + from];
            h.bias[k] = c.spare[2 * c.s.C + from];
        }
        return h;
    }

    template <int N, typename T>
    static __device__ __forceinline__ Pack<T, N> gated(const Part<T> &c,
                                                       const Held<N> &h,
                                                       const T *x, int, int,
                                                       int ch)
    {
        constexpr int HALF = N > 1 ? N / 2 : 1;
        const Pack<T, HALF> low = load_pack<HALF>(x + source(c.s, ch, 0));
        const Pack<T, HALF> high =
            N > 1 ? load_pack<HALF>(x + source(c.s, ch, N > 1)) : low;
        Pack<T, N> v;

#pragma unroll
        for (int k = 0; k < N; k++) {
            const float a = k % 2 ? high.at[k / 2] : low.at[k / 2];
            const float s = sigmoid((a - h.mean[k]) * h.factor[k] + h.bias[k]);

            v.at[k] = a * (h.constant[k] ? h.bias[k] : s);
        }
        return v;
    }
};

GATE_KERNEL(cbam, Cbam, 1)
GATE_KERNEL(sa, Sa, 0)
