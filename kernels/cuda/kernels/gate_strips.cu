/*
 * gate_strips.cu - modules that gate rows and columns by what the means of
 *                  these say: ca, ela
 *
 *   y = x * g_h * g_w,  g_h (C,H) of the means of rows, g_w (C,W) of columns
 *
 * attention_zoo has their equations.  Bound by the bytes of x, read once, and
 * y, written once: gate.h.  A block has all of its rows' means; columns it has
 * after the cluster has met, and so has every other block: each computes all
 * gates of columns, since to share them would be another meeting.
 *
 *   ca    two thin layers of each position of both strips; of rows, the block's
 *   ela   a filter along each channel's strip and a norm of groups of channels:
 *         rows of all blocks are gathered first, as the norm is over all
 */
#include "kernels/cuda/kernels/gate.h"
#include "kernels/cuda/kernels/gate_plan.h"

/* Gates of rows (rows,C) and of columns (W,C), in floats from c.spare. */
struct ByStrips : ByChannel {
    static constexpr int STATS = ROWS | COLUMNS;

    template <int N> struct Held {
        const float *rows, *columns;
        int line;
    };

    template <int N>
    static __device__ __forceinline__ Held<N> held_of(const float *rows,
                                                      const float *columns,
                                                      int line, int ch)
    {
        return { rows + ch, columns + ch, line };
    }

    template <int N, typename T>
    static __device__ __forceinline__ Pack<T, N> gated(const Part<T> &,
                                                       const Held<N> &h,
                                                       const T *x, int row,
                                                       int column, int ch)
    {
        Pack<T, N> v = load_pack<N>(x + ch);
        const Pack<float, N> of_row = load_gates<N>(h.rows + row * h.line);
        const Pack<float, N> of_column =
            load_gates<N>(h.columns + column * h.line);

#pragma unroll
        for (int k = 0; k < N; k++)
            v.at[k] *= of_row.at[k] * of_column.at[k];
        return v;
    }
};

/* ---- ca ------------------------------------------------------------------ */

static __device__ __forceinline__ float hard_swish(float x)
{
    const float r = x + 3;

    return x * (r < 0 ? 0 : r > 6 ? 6 : r) * (1 / 6.0f);
}

struct Ca : ByStrips {
    static constexpr int WEIGHTS = 9;

    static void facts(Shape *s, const Tensor *out)
    {
        s->hidden = out->src[1]->dim[0];
    }

    /* Gates of rows, of columns, and the hidden strips of both. */
    static size_t spare(const Shape &s)
    {
        return (size_t)(s.rows + s.W) * (size_t)(s.C + s.hidden);
    }

    /* The hidden layer of a strip (L,C) of sums, each times scale: into f. */
    template <int N, typename T>
    static __device__ __forceinline__ void hide(const Part<T> &c, float *f,
                                                const float *strip, int L,
                                                float scale)
    {
        const Weights<T> &w = c.w;
        const T *weight = w.at[1], *bias = w.at[2], *mean = w.at[3];
        const T *var = w.at[4];
        const int hidden = c.s.hidden;
        const float eps = c.s.eps;

        layer<N>(w.at[0], strip, c.s.C, hidden, L, c.s.by_hidden,
                 [=](int l, int o, float sum) {
                     f[l * hidden + o] = hard_swish(batch_norm(
                         sum * scale, weight, bias, mean, var, eps, o));
                 });
    }

    template <int N, typename T>
    static __device__ __forceinline__ void show(const Part<T> &c, float *gates,
                                                const float *f, int L,
                                                const T *w, const T *bias)
    {
        const int C = c.s.C;

        layer<N>(w, f, c.s.hidden, C, L, c.s.by_C,
                 [=](int l, int o, float sum) {
                     gates[l * C + o] = sigmoid(sum + to_float(bias[o]));
                 });
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        const Shape &s = c.s;
        float *rows = c.spare, *columns = rows + s.rows * s.C;
        float *f = columns + s.W * s.C, *f_w = f + s.rows * s.hidden;

        /* Both strips by one piece of code, which all blocks must fetch. */
#pragma unroll 1
        for (int strip = 0; strip < 2; strip++)
            hide<N>(c, strip ? f_w : f, strip ? c.all : c.row,
                    strip ? s.W : c.rows, strip ? s.per_column : 1);
        __syncthreads();
#pragma unroll 1
        for (int strip = 0; strip < 2; strip++)
            show<N>(c, strip ? columns : rows, strip ? f_w : f,
                    strip ? s.W : c.rows, strip ? c.w.at[7] : c.w.at[5],
                    strip ? c.w.at[8] : c.w.at[6]);
    }

    template <int N, typename T>
    static __device__ __forceinline__ Held<N> hold(const Part<T> &c, int ch)
    {
        return held_of<N>(c.spare, c.spare + c.s.rows * c.s.C, c.s.C, ch);
    }
};

/* ---- ela ----------------------------------------------------------------- */

enum { WARPS = (int)THREADS / (int)WARP, TALL = 4 };

/* Mean of a group of a strip and what its deviations are multiplied by. */
typedef struct GroupStats {
    float mean, scale;
} GroupStats;

struct Ela : ByStrips {
    static constexpr int WEIGHTS = 3, MEETS = 1;

    static void facts(Shape *s, const Tensor *out)
    {
        s->k = out->src[1]->dim[2];
        s->groups = gate_facts(out)->groups;
        s->cg = s->C / s->groups;
        s->pitch = s->C;
        if (s->C % WARP == 0 && s->cg >= 4 && WARP % s->cg == 0)
            s->pitch += s->cg % WARP; /* a warp's positions: other banks */
    }

    static __host__ __device__ int longer(const Shape &s)
    {
        return s.H > s.W ? s.H : s.W;
    }

    /* Means of all rows, later the gates of columns; gates of all rows. */
    static size_t spare(const Shape &s)
    {
        return (size_t)(longer(s) + s.H) * (size_t)s.pitch +
               (size_t)s.groups * sizeof(GroupStats) / sizeof(float);
    }

    template <typename T>
    static __device__ __forceinline__ float *rows_of(const Part<T> &c)
    {
        return c.spare + longer(c.s) * c.s.pitch;
    }

    /* Each warp takes a group: n numbers, those of cg channels at positions
     * that are C apart. */
    static __device__ __forceinline__ void measure(const Shape &s,
                                                   GroupStats *to,
                                                   const float *z, int L)
    {
        const int n = s.cg * L;
        const float scale = __fdividef(1, (float)n);

#pragma unroll 1
        for (int g = (int)threadIdx.x / WARP; g < s.groups; g += WARPS) {
            const float *first = z + g * s.cg;
            float mean = 0, squares = 0;

#pragma unroll 1
            for (int pass = 0; pass < 2; pass++) {
                float sum = 0;

#pragma unroll 4
                for (int i = (int)threadIdx.x % WARP; i < n; i += WARP) {
                    unsigned k = (unsigned)i;
                    const int l = (int)divmod(&k, s.by_cg);
                    const float v = first[l * s.pitch + (int)k];

                    sum += pass ? (v - mean) * (v - mean) : v;
                }
                sum = warp_sum(sum) * scale;
                mean = pass ? mean : sum;
                squares = sum;
            }
            if (threadIdx.x % WARP == 0)
                to[g] = { mean, rsqrtf(squares + s.eps) };
        }
    }

    /* The convolution of a strip (L,C) of sums, each times scale, into z; TALL
     * positions by a thread.  Numbers that one of them does not see are not
     * multiplied with 0, since they may be infinite. */
    template <typename T>
    static __device__ __forceinline__ void convolve(const Part<T> &c, float *z,
                                                    const float *strip, int L,
                                                    float scale)
    {
        const Shape &s = c.s;
        const int n = (L + TALL - 1) / TALL * s.C, k = s.k;

#pragma unroll 1
        for (int i = (int)threadIdx.x; i < n; i += THREADS) {
            unsigned ch = (unsigned)i;
            const int l = (int)divmod(&ch, s.by_C) * TALL, first = l - k / 2;
            const T *w = c.w.at[0] + (int)ch * k;
            float sum[TALL] = {}, tap[TALL] = {};

#pragma unroll 2
            for (int a = 0; a < k + TALL - 1; a++) {
                const bool is = first + a >= 0 && first + a < L;
                const float v = is ? strip[(first + a) * s.C + (int)ch] : 0;

#pragma unroll
                for (int j = TALL - 1; j > 0; j--)
                    tap[j] = tap[j - 1];
                if (a < k)
                    tap[0] = to_float(w[a]);
#pragma unroll
                for (int j = 0; j < TALL; j++)
                    if (a >= j && a < k + j)
                        sum[j] += tap[j] * v;
            }
#pragma unroll
            for (int j = 0; j < TALL; j++)
                if (l + j < L)
                    z[(l + j) * s.pitch + (int)ch] = sum[j] * scale;
        }
    }

    /* Gates of a strip (L,C) of sums, into z; only positions from begin to end
     * are wanted. */
    template <typename T>
    static __device__ __forceinline__ void gates(const Part<T> &c, float *z,
                                                 const float *strip, int L,
                                                 float scale, int begin,
                                                 int end)
    {
        const Shape &s = c.s;
        GroupStats *stats =
            reinterpret_cast<GroupStats *>(rows_of(c) + s.H * s.pitch);

        convolve(c, z, strip, L, scale);
        __syncthreads();
        measure(s, stats, z, L);
        __syncthreads();
#pragma unroll 1
        for (int i = begin * s.C + (int)threadIdx.x; i < end * s.C;
             i += THREADS) {
            unsigned ch = (unsigned)i;
            const int l = (int)divmod(&ch, s.by_C);
            const GroupStats g = stats[divide(ch, s.by_cg)];
            float *at = z + l * s.pitch + (int)ch;

            *at = sigmoid((*at - g.mean) * g.scale * to_float(c.w.at[1][ch]) +
                          to_float(c.w.at[2][ch]));
        }
        __syncthreads();
    }

    template <int N, typename T>
    static __device__ __forceinline__ void excite(const Part<T> &c)
    {
        const Shape &s = c.s;

        gather_rows(c, c.spare);
        cluster_done();
        __syncthreads();
        gates(c, rows_of(c), c.spare, s.H, 1, c.first, c.first + c.rows);
        gates(c, c.spare, c.all, s.W, s.per_column, 0, s.W);
    }

    template <int N, typename T>
    static __device__ __forceinline__ Held<N> hold(const Part<T> &c, int ch)
    {
        return held_of<N>(rows_of(c) + c.first * c.s.pitch, c.spare, c.s.pitch,
                          ch);
    }
};

GATE_KERNEL(ca, Ca, 1)
GATE_KERNEL(ela, Ela, 1)
