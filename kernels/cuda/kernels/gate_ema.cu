/*
 * gate_ema.cu - ema: a group of channels is gated at each position by what
 *               stands there and next to it
 *
 *   m = softmax(mean z1) . z2 + softmax(mean z2) . z1     z1 = GN(x s_h s_w)
 *   y = x * sigmoid(m)                                    z2 = conv 3x3 (x)
 *
 * attention_zoo has all equations, and gate.h the kernel.  Bound by the bytes
 * of x, read once, and y, written once; then by the loads of the filter.
 *
 * Neither z1 nor z2 exists.  The mean of z1, a norm, is the norm's bias: so
 * softmax(mean z1) . z2 is one 3x3 filter per group, made of the weights.  The
 * mean of z2 is that of sums of x without a line, a column or both.  And
 * softmax(mean z2) . z1 is affine in x s_h s_w, whose moments are the second
 * squeeze.  A block has a line more of x above and below its rows, so that y
 * is not in the place of x.
 */
#include "kernels/cuda/kernels/gate.h"
#include "kernels/cuda/kernels/gate_plan.h"

enum { TAPS = 9, TALL = 4 };

struct Ema : ByChannel {
    static constexpr int WEIGHTS = 6, STATS = ROWS | COLUMNS, HALO = 1,
                         MEETS = 1, GATES = 1, PARTS = 2;

    enum Weight { GN_W, GN_B, W1, B1, W3, B3 };

    static void facts(Shape *s, const Tensor *out)
    {
        int n;

        s->groups = gate_facts(out)->groups;
        s->cg = s->C / s->groups;
        n = s->C / s->packs; /* numbers of a pack */
        s->units = s->C / (n > s->cg ? n : s->cg);
        s->by_units = divider((size_t)s->units);
    }

    /* Packs are whole groups, or groups whole packs. */
    static bool takes_packs(const Tensor *out, int n)
    {
        const int cg = out->dim[1] / gate_facts(out)->groups;

        return cg % n == 0 || n % cg == 0;
    }

    /* Channels that a thread takes at once. */
    template <int N>
    static __host__ __device__ __forceinline__ int unit_of(const Shape &s)
    {
        return s.cg > N ? s.cg : N;
    }

    /* Places in spare. */
    typedef struct Room {
        int rows, columns;       /* gates: s_h (rows,C), s_w (W,C)            */
        int edges;               /* sums of the image's first, last line (C);
                                    later what each group's gate begins with  */
        int sum, spread;         /* moments of x s_h s_w, the block's (C)     */
        int sum_all, spread_all; /* the image's                               */
        int mean;                /* of z2 (C)                                 */
        int factor, bias;        /* of the norm of x s_h s_w, in the gate (C) */
        int seen;                /* sums that taps see (C,TAPS), before these
                                    moments, where they are later         */
        int taps, weights;       /* the filter (TAPS,unit); softmax(gn.bias)  */
        int end;
    } Room;

    static __host__ __device__ __forceinline__ Room room_of(const Shape &s)
    {
        Room r = {};
        const int C = s.C;

        r.columns = r.rows + s.rows * C;
        r.edges = r.columns + s.W * C;
        r.mean = r.edges + 2 * C;
        r.factor = r.mean + C;
        r.bias = r.factor + C;
        r.seen = r.sum = r.bias + C;
        r.spread = r.sum + C;
        r.sum_all = r.spread + C;
        r.spread_all = r.sum_all + C;
        r.taps = r.seen + TAPS * C;
        r.weights = r.taps + TAPS * (s.cg > 8 ? s.cg : 8);
        r.end = r.weights + s.cg + 1;
        return r;
    }

    static size_t spare(const Shape &s)
    {
        return (size_t)room_of(s).end;
    }

    /* Gates of L positions of a strip of means, each times scale: a layer of
     * each group. */
    template <int N, typename T>
    static __device__ __forceinline__ void gate_strip(const Part<T> &c,
                                                      float *to,
                                                      const float *strip, int L,
                                                      float scale)
    {
        const T *bias = c.w.at[B1];

        layer<N>(c.w.at[W1], strip, c.s.cg, c.s.cg, L * c.s.groups, c.s.by_cg,
                 [=, cg = c.s.cg](int l, int k, float sum) {
                     to[l * cg + k] = sigmoid(sum * scale + to_float(bias[k]));
                 });
    }

    /* Number k of the softmax of the n numbers at(0), at(1) .. */
    template <typename At>
    static __device__ __forceinline__ float softmax_at(int n, int k, At at)
    {
        float top = -INFINITY, sum = 0;

#pragma unroll 1
        for (int j = 0; j < n; j++)
            top = max_nan(top, at(j));
#pragma unroll 1
        for (int j = 0; j < n; j++)
            sum += __expf(at(j) - top);
        return __fdividef(__expf(at(k) - top), sum);
    }

    /* Softmax(mean z1) and its 3x3 filter of a group. */
    template <int N, typename T>
    static __device__ __forceinline__ void make_filter(const Part<T> &c,
                                                       const Room &r)
    {
        const Shape &s = c.s;
        const T *bias = c.w.at[GN_B], *w3 = c.w.at[W3], *b3 = c.w.at[B3];
        float *weights = c.spare + r.weights, *taps = c.spare + r.taps;
        const int cg = s.cg;
        const int unit = unit_of<N>(s);

#pragma unroll 1
        for (int k = (int)threadIdx.x; k < s.cg; k += THREADS)
            weights[k] = softmax_at(
                s.cg, k, [bias](int j) { return to_float(bias[j]); });
        __syncthreads();
        sums(
            s.cg * TAPS, s.cg,
            [=](int o, int k) {
                return weights[k] * to_float(w3[k * cg * TAPS + o]);
            },
            [=](int o, float sum) {
                const int j = o / TAPS, tap = o - j * TAPS;

                for (int k = j; k < unit; k += cg)
                    taps[tap * unit + k] = sum;
            });
        sums(
            1, s.cg, [=](int, int k) { return weights[k] * to_float(b3[k]); },
            [=](int, float sum) { weights[cg] = sum; });
    }

    /* Sums of the image's first and last line, from the blocks that have
     * them. */
    template <typename T>
    static __device__ __forceinline__ void gather_edges(const Part<T> &c,
                                                        float *edges)
    {
        const Shape &s = c.s;
        unsigned last = (unsigned)(s.H - 1);
        const int block = (int)divmod(&last, s.by_rows);

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS) {
            edges[i] = of_block(c.row, 0)[i] * (float)s.W;
            edges[s.C + i] =
                of_block(c.row, block)[(int)last * s.C + i] * (float)s.W;
        }
    }

    /* The sum of channel ch over what a tap of the filter reads: all but a
     * line, a column, or both. */
    template <typename T>
    static __device__ __forceinline__ float sum_of_tap(const Part<T> &c,
                                                       const float *edges,
                                                       const float *total,
                                                       int ch, int tap)
    {
        const Shape &s = c.s;
        const int a = tap / 3 - 1, b = tap % 3 - 1;
        const int h = a > 0 ? 0 : s.H - 1, w = b > 0 ? 0 : s.W - 1;
        float sum = total[ch];

        if (a)
            sum -= edges[(a > 0 ? 0 : s.C) + ch];
        if (b)
            sum -= c.all[w * s.C + ch];
        if (a && b)
            sum += to_float(c.image[((size_t)h * s.W + w) * s.C + ch]);
        return sum;
    }

    /* The means of z2; total: sums of x, until then. */
    template <int N, typename T>
    static __device__ __forceinline__ void find_means(const Part<T> &c,
                                                      const Room &r)
    {
        const Shape &s = c.s;
        float *mean = c.spare + r.mean, *total = c.spare + r.bias;
        float *seen = c.spare + r.seen;
        const float *edges = c.spare + r.edges;
        const float scale = s.per_position;
        const T *bias = c.w.at[B3];

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS) {
            float sum = 0;

#pragma unroll 4
            for (int q = 0; q < s.W; q++)
                sum += c.all[q * s.C + i];
            total[i] = sum;
        }
        __syncthreads();
#pragma unroll 1
        for (int i = (int)threadIdx.x; i < TAPS * s.C; i += THREADS) {
            unsigned ch = (unsigned)i;
            const int tap = (int)divmod(&ch, s.by_C);

            seen[(int)ch * TAPS + tap] =
                sum_of_tap(c, edges, total, (int)ch, tap);
        }
        __syncthreads();
        layer<N>(c.w.at[W3], seen, s.cg * TAPS, s.cg, s.groups, s.by_cg,
                 [=, cg = s.cg](int g, int k, float sum) {
                     mean[g * cg + k] = sum * scale + to_float(bias[k]);
                 });
        __syncthreads();
    }

    /* x s_h s_w, rounded alike wherever it is computed: what a norm over one
     * position takes off it must leave 0. */
    static __device__ __forceinline__ float gated_twice(float x, float s_h,
                                                        float s_w)
    {
        return __fmul_rn(__fmul_rn(x, s_h), s_w);
    }

    /* Moments of x s_h s_w over the image. */
    template <int N, typename T>
    static __device__ __forceinline__ void find_moments(const Part<T> &c,
                                                        const Room &r)
    {
        float *sum = c.spare + r.sum, *spread = c.spare + r.spread;
        const float *rows = c.spare + r.rows, *columns = c.spare + r.columns;
        const int C = c.s.C;
        Pack<float, N> of_row = {};
        int last = -1; /* of which number of the strip */
        const auto value = [&](const Pack<T, N> &x, int row, int column,
                               int ch) {
            if (last != row * C + ch) {
                last = row * C + ch;
                of_row = load_gates<N>(rows + last);
            }
            Pack<float, N> a = of_row;
            const Pack<float, N> b = load_gates<N>(columns + column * C + ch);

#pragma unroll
            for (int k = 0; k < N; k++)
                a.at[k] = gated_twice(x.at[k], a.at[k], b.at[k]);
            return a;
        };

        squeeze_moments<N, IN_RUNS>(c, sum, spread, value);
        meet(c.s);
        join_spreads(c.s, c.spare + r.sum_all, c.spare + r.spread_all, sum,
                     spread);
        cluster_done();
        __syncthreads();
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        const Shape &s = c.s;
        const Room r = room_of(s);
        const float *mean = c.spare + r.mean;

        gather_edges(c, c.spare + r.edges);
#pragma unroll 1
        for (int strip = 0; strip < 2; strip++)
            gate_strip<N>(c, c.spare + (strip ? r.columns : r.rows),
                          strip ? c.all : c.row, strip ? s.W : c.rows,
                          strip ? s.per_column : 1);
        make_filter<N>(c, r);
        __syncthreads();
        find_means<N>(c, r);
        find_moments<N>(c, r);
#pragma unroll 1
        for (int i = (int)threadIdx.x; i < s.C; i += THREADS) {
            unsigned k = (unsigned)i;

            divmod(&k, s.by_cg);
            const float *group = mean + (i - (int)k);
            const float a2 =
                softmax_at(s.cg, (int)k, [group](int j) { return group[j]; });
            const float var = c.spare[r.spread_all + i] * s.per_position;
            const float factor =
                a2 * rsqrtf(var + s.eps) * to_float(c.w.at[GN_W][k]);

            c.spare[r.factor + i] = factor;
            c.spare[r.bias + i] = a2 * to_float(c.w.at[GN_B][k]);
            c.spare[r.sum_all + i] *= s.per_position; /* so the mean */
        }
        __syncthreads();
#pragma unroll 1
        for (int g = (int)threadIdx.x; g < s.groups; g += THREADS) {
            float bias = c.spare[r.weights + s.cg];

#pragma unroll 1
            for (int j = 0; j < s.cg; j++)
                bias += c.spare[r.bias + g * s.cg + j];
            c.spare[r.edges + g] = bias; /* of all that does not depend on x */
        }
    }

    /* N taps, which are the same for all threads; those of groups of four, or
     * fewer, are the same four again. */
    template <int N>
    static __device__ __forceinline__ Pack<float, N> load_taps(const float *p,
                                                               int cg)
    {
        constexpr int V = N < 4 ? N : 4;
        Pack<float, N> tap;

#pragma unroll
        for (int i = 0; i < N; i += V) {
            Pack<float, V> part = {};

            if (i == 0 || cg > V)
                part = load_pack<V>(p + i);
#pragma unroll
            for (int k = 0; k < V; k++)
                tap.at[i + k] = i == 0 || cg > V ? part.at[k] : tap.at[k];
        }
        return tap;
    }

    /* Adds to sum, for TALL rows from `row` on, a pack's share in its gates,
     * that of the filter.  x: the pack in the first of the rows. */
    template <int N, typename T>
    static __device__ __forceinline__ void add_filter(Pack<float, N> sum[TALL],
                                                      const Part<T> &c,
                                                      const T *x,
                                                      const float *taps,
                                                      int row, int w)
    {
        const Shape &s = c.s;
        const int unit = unit_of<N>(s), line = s.W * s.C;
        const int end = min(c.rows + 1, s.H - c.first); /* of rows there are */

#pragma unroll 1
        for (int b = -1; b <= 1; b++) {
            Pack<float, N> tap[3];

            if (w + b < 0 || w + b >= s.W)
                continue;
#pragma unroll
            for (int a = 0; a < 3; a++)
                tap[a] = load_taps<N>(taps + (a * 3 + b + 1) * unit, s.cg);
#pragma unroll
            for (int i = -1; i <= TALL; i++) {
                if (c.first + row + i < 0 || row + i >= end)
                    continue;
                const Pack<T, N> v = load_pack<N>(x + i * line + b * s.C);

#pragma unroll
                for (int j = 0; j < TALL; j++)
                    if (i - j >= -1 && i - j <= 1)
#pragma unroll
                        for (int k = 0; k < N; k++)
                            sum[j].at[k] += tap[i - j + 1].at[k] * v.at[k];
            }
        }
    }

    /* The same, that of the norm of x s_h s_w. */
    template <int N, typename T>
    static __device__ __forceinline__ void add_norm(Pack<float, N> sum[TALL],
                                                    const Part<T> &c,
                                                    const Room &r, const T *x,
                                                    int row, int w, int ch)
    {
        const Shape &s = c.s;
        const Pack<float, N> of_column =
            load_gates<N>(c.spare + r.columns + w * s.C + ch);
        const Pack<float, N> mean = load_gates<N>(c.spare + r.sum_all + ch);
        const Pack<float, N> factor = load_gates<N>(c.spare + r.factor + ch);

#pragma unroll
        for (int j = 0; j < TALL; j++) {
            if (row + j >= c.rows)
                continue;
            const Pack<T, N> v = load_pack<N>(x + j * s.W * s.C);

            const Pack<float, N> of_row =
                load_gates<N>(c.spare + r.rows + (row + j) * s.C + ch);

#pragma unroll
            for (int k = 0; k < N; k++)
                sum[j].at[k] +=
                    factor.at[k] *
                    (gated_twice(v.at[k], of_row.at[k], of_column.at[k]) -
                     mean.at[k]);
        }
    }

    /* Sums of a position's packs into gates: one for all if a group is whole
     * packs, else one for each group of the pack.  bias: of the first group. */
    template <int N>
    static __device__ __forceinline__ void finish(Pack<float, N> *sum, int cg,
                                                  const float *bias)
    {
        const int group = min(cg, N);
        const int bits = (group > 1) + (group > 2) + (group > 4);
        float gate = 0;

#pragma unroll
        for (int d = 1; d < N; d *= 2)
#pragma unroll
            for (int k = 0; k < N; k++) /* k and its partner get both */
                if (d < group && !(k & d))
                    sum->at[k] = sum->at[k | d] = sum->at[k] + sum->at[k | d];
#pragma unroll
        for (int k = 0; k < N; k++) {
            if ((k & (group - 1)) == 0)
                gate = sigmoid(sum->at[k] + bias[k >> bits]);
            sum->at[k] = gate;
        }
    }

    /* Gates rows of the block: a thread makes, of TALL rows, the gates of a
     * position and unit, a group of some packs or a pack of some groups, and
     * gates them at once. */
    template <int N, typename T>
    static __device__ __forceinline__ void gate_rows(const Part<T> &c, T *y)
    {
        const Shape &s = c.s;
        const Room r = room_of(s);
        const int unit = unit_of<N>(s), line = s.W * s.C;
        const int n = (c.rows + TALL - 1) / TALL * s.W * s.units;

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < n; i += THREADS) {
            unsigned u = (unsigned)i, w = divmod(&u, s.by_units);
            const int row = (int)divmod(&w, s.by_W) * TALL;
            const int first = (int)u * unit;
            const int at = (row * s.W + (int)w) * s.C + first;
            const int g = (int)divide((unsigned)first, s.by_cg);
            Pack<float, N> gate[TALL] = {};

#pragma unroll 1
            for (int p = 0; p < unit; p += N) {
                add_filter<N>(gate, c, c.x + at + p, c.spare + r.taps + p, row,
                              (int)w);
                add_norm<N>(gate, c, r, c.x + at + p, row, (int)w, first + p);
            }
#pragma unroll
            for (int j = 0; j < TALL; j++)
                finish(&gate[j], s.cg, c.spare + r.edges + g);
#pragma unroll 1
            for (int p = 0; p < unit; p += N)
#pragma unroll
                for (int j = 0; j < TALL; j++)
                    if (row + j < c.rows) {
                        Pack<T, N> v = load_pack<N>(c.x + at + j * line + p);

#pragma unroll
                        for (int k = 0; k < N; k++)
                            v.at[k] *= gate[j].at[k];
                        store_pack(y + at + j * line + p, v);
                    }
        }
    }
};

GATE_KERNEL(ema, Ema, 0)
