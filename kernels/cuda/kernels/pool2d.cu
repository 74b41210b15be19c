/*
 * pool2d.cu - mean and maximum over windows: avg_pool2d, max_pool2d,
 * adaptive_avg_pool2d; and the gradients of all three
 *
 * Bound by the bytes of x: where windows overlap (the stem's 3x3 at stride 2)
 * what is read twice is in the L1 or L2 cache by then.
 *
 *   windows   a block is `parts` by `outs` by `lanes`: packs of neighbouring
 *             results, whose windows are read by `parts` threads each, a row
 *             of the window at a time, four loads under way.  One part, where
 *             results alone fill the machine (the stem): nothing is shared.
 *             More, where they don't (SCSA's 7x7): the parts meet in shared
 *             memory, behind one barrier.  Starves on few, huge windows; that
 *             of the whole map is global_pool.cu's.
 *
 * Grid: (results / outs, channels / lanes), blocks of 64 to 256 threads.
 *
 *   spread    gradients: a thread makes packs of dx, of the windows that hold
 *             them, which are few.  For a maximum `find` looks first where each
 *             window has it, and dy goes to whom it names.  The windows of a
 *             number are neighbours, so they come from L1.  Starves on maps of
 *             few packs.
 *
 * Grid: what the machine holds at once, each block equally many rounds.
 */
#include "kernels/cuda/kernels/reduce_packs.h"

enum { MOST_PARTS = 64 }; /* a block has no more threads along z */

/* Result i is of the numbers begin to end - 1 of `size` along its dim; number h
 * is held by the windows of results begin to end - 1. */
struct Sliding {
    int k, stride, pad, size, count;

    __device__ __forceinline__ Span<int> window(int i) const
    {
        const int begin = i * stride - pad;

        return { max(begin, 0), min(begin + k, size) };
    }

    __device__ __forceinline__ Span<int> holding(int h) const
    {
        const int past = h + pad - k; /* windows that begin there are over */

        return { past < 0 ? 0 : past / stride + 1,
                 min((h + pad) / stride + 1, count) };
    }
};

struct Even {
    int size;
    Divider count; /* of results */

    __device__ __forceinline__ Span<int> window(int i) const
    {
        return { (int)divide(i * size, count),
                 (int)divide((i + 1) * size + count.by - 1, count) };
    }

    __device__ __forceinline__ Span<int> holding(int h) const
    {
        const int n = (int)count.by;

        return { h * n / size, ((h + 1) * n - 1) / size + 1 };
    }
};

/* Makes the join of numbers a result, each of which is a share of it. */
struct Mean : Sum {
    static __device__ __forceinline__ float of(float sum, float share)
    {
        return sum * share;
    }
};

struct Largest : Max {
    static __device__ __forceinline__ float of(float most, float)
    {
        return most;
    }
};

typedef struct Windows {
    int H, W, C;
    Divider out_h, out_w;
    unsigned outputs;            /* results per channel, in all images */
    unsigned lanes, outs, parts; /* the threads of a block           */
} Windows;

/* Every parts-th row of the window, from rows.begin on. */
template <typename How, typename P, typename T>
static __device__ __forceinline__ P join_window(const T *x, const Windows &s,
                                                Span<int> rows,
                                                Span<int> columns)
{
    P acc = no_pack<How, P>();

    for (int h = rows.begin; h < rows.end; h += (int)s.parts)
#pragma unroll 1 /* else 92 registers: half as many threads */
        for (int w = columns.begin; w < columns.end; w += UNDER_WAY) {
            const T *p = x + ((size_t)h * s.W + w) * s.C;
            P v[UNDER_WAY];

#pragma unroll
            for (int i = 0; i < UNDER_WAY; i++, p += s.C) {
                v[i] = no_pack<How, P>();
                if (w + i < columns.end)
                    v[i] = load_pack<P::N>(p);
            }
            join_four<How>(v);
            join_pack<How>(&acc, v[0]);
        }
    return acc;
}

/* Grid: (outputs / outs, C / lanes), block: (lanes, outs, parts). */
template <typename T, int N, typename How, typename Rule>
static __global__ void __launch_bounds__(JOIN_THREADS)
    windows(T *y, const T *x, Windows s, Rule along_h, Rule along_w)
{
    SHARED(float, part, [JOIN_THREADS * N]);
    typedef Pack<T, N> P;
    const unsigned o = blockIdx.x * s.outs + threadIdx.y;
    const unsigned first = blockIdx.y * s.lanes * N, own = threadIdx.x * N;
    const unsigned numbers = o < s.outputs ? min(s.lanes * N, s.C - first) : 0;
    unsigned j = o, i = divmod(&j, s.out_w);
    const size_t n = divmod(&i, s.out_h);
    const Span<int> h = along_h.window((int)i), w = along_w.window((int)j);
    const float share = 1 / ((float)(h.end - h.begin) * (w.end - w.begin));
    P acc = no_pack<How, P>();

    x += n * s.H * s.W * s.C + first + own;
    y += (size_t)o * s.C + first;
    if (own < numbers)
        acc =
            join_window<How, P>(x, s, { h.begin + (int)threadIdx.z, h.end }, w);
    if (s.parts == 1) {
#pragma unroll
        for (int k = 0; k < N; k++)
            acc.at[k] = How::of(acc.at[k], share);
        if (own < numbers)
            store_pack(y + own, acc);
    } else {
        const unsigned stride = s.outs * s.lanes * N;
        const unsigned out = threadIdx.y * s.lanes * N;

        if (own < numbers)
            store_floats(&part[threadIdx.z * stride + out + own], acc);
        __syncthreads();
        for (unsigned q = threadIdx.z * s.lanes + threadIdx.x; q < numbers;
             q += s.parts * s.lanes)
            from_float(&y[q],
                       How::of(join_parts<How>(&part[out + q], s.parts, stride),
                               share));
    }
}

/* rows: of the largest window. */
static Windows divide_windows(Device *dev, const Tensor *out, int rows,
                              Lanes *l)
{
    const Tensor *x = out->src[0];
    const size_t wanted = (size_t)cuda_device(dev)->sms * BLOCKS_WANTED;
    const size_t outputs = tensor_rows(out);
    const size_t C = (size_t)x->dim[1];
    Windows s = { x->dim[2],
                  x->dim[3],
                  x->dim[1],
                  divider(out->dim[2]),
                  divider(out->dim[3]),
                  (unsigned)outputs };

    *l = lanes_of(out->dtype, C, outputs, wanted);
    s.lanes = l->lanes;
    for (s.parts = 1;
         (int)s.parts < rows && s.parts < MOST_PARTS &&
         s.parts * s.lanes < JOIN_THREADS &&
         outputs * l->across * s.parts * s.lanes < wanted * JOIN_THREADS;)
        s.parts *= 2;
    s.outs = JOIN_THREADS / (s.lanes * s.parts);
    while (s.outs > 1 && s.lanes * s.parts * s.outs > LEAST_THREADS &&
           ceil_div(outputs, s.outs) * l->across < wanted)
        s.outs /= 2;
    return s;
}

template <typename How, typename Rule>
static int run(Device *dev, const Tensor *out, int rows, Rule along_h,
               Rule along_w)
{
    Lanes lanes;
    const Windows s = divide_windows(dev, out, rows, &lanes);
    const Launch l = { dim3((unsigned)ceil_div(s.outputs, s.outs),
                            lanes.across),
                       dim3(s.lanes, s.outs, s.parts) };
    int err = OK;

    FOR_PACK(out->dtype, lanes.whole, T, N, {
        err = launch(dev, l, windows<T, N, How, Rule>, (T *)out->data,
                     (const T *)out->src[0]->data, s, along_h, along_w);
    });
    return err;
}

/* Along a dim of x, of which y is the result. */
static Sliding sliding(const PoolAttr *a, const Tensor *x, const Tensor *y,
                       int dim)
{
    return { a->k, a->stride, a->pad, x->dim[dim], y->dim[dim] };
}

template <typename How> static int run_sliding(Device *dev, const Tensor *out)
{
    const PoolAttr *a = (const PoolAttr *)out->attr;
    const Tensor *x = out->src[0];

    return run<How>(dev, out, a->k, sliding(a, x, out, 2),
                    sliding(a, x, out, 3));
}

static int run_avg(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run_sliding<Mean>(dev, out);
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run_sliding<Largest>(dev, out);
}

static int run_adaptive(Device *dev, const Tensor *out, void *state)
{
    const int H = out->src[0]->dim[2], W = out->src[0]->dim[3];

    (void)state;
    return run<Mean>(dev, out, H / out->dim[2] + 1,
                     Even{ H, divider(out->dim[2]) },
                     Even{ W, divider(out->dim[3]) });
}

/* Sizes that divide() takes. */
static bool small_windows(const Tensor *out)
{
    bool small = tensor_rows(out) <= INT_MAX;

    for (int d = 2; d < 4; d++)
        small &=
            ((int64_t)out->dim[d] + 1) * (out->src[0]->dim[d] + 1) <= INT_MAX;
    return small;
}

#define WINDOWS(id, run_id)        \
    const Kernel cuda_##id = {     \
        .op = &id##_def,           \
        .name = "windows",         \
        .dtypes = ALL_DTYPES,      \
        .supports = small_windows, \
        .run = run_id,             \
    };
WINDOWS(avg_pool2d, run_avg)
WINDOWS(max_pool2d, run_max)
WINDOWS(adaptive_avg_pool2d, run_adaptive)

/* ---- gradients ----------------------------------------------------------- */

enum { THREADS = 256, BLOCKS_PER_SM = 8 };

/* x and y of the pool. */
struct Maps {
    Divider packs, H, W, OH, OW; /* packs: of a row of channels */
    unsigned C;
};

/* Place of number e of all packs of a map. */
struct Spot {
    unsigned c, row, h, w, n; /* row: of all of the map's */
};

static __device__ __forceinline__ Spot spot_of(const Maps &m, const Divider &H,
                                               const Divider &W, unsigned e)
{
    Spot s;

    s.row = divmod(&e, m.packs);
    s.c = e;
    s.w = s.row;
    s.h = divmod(&s.w, W);
    s.n = divmod(&s.h, H);
    return s;
}

/* Where the first maximum of each window is, h W + w, as a float: exact up to
 * 2^24. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    find(float *at, const T *x, unsigned items, Maps m, Sliding along_h,
         Sliding along_w)
{
    const unsigned threads = gridDim.x * THREADS;

    for (unsigned e = blockIdx.x * THREADS + threadIdx.x; e < items;
         e += threads) {
        const Spot s = spot_of(m, m.OH, m.OW, e);
        const Span<int> rows = along_h.window((int)s.h);
        const Span<int> columns = along_w.window((int)s.w);
        Pack<T, N> most, place;

#pragma unroll
        for (int i = 0; i < N; i++) {
            most.at[i] = -INFINITY;
            place.at[i] = (float)(rows.begin * (int)m.W.by + columns.begin);
        }
        for (int h = rows.begin; h < rows.end; h++)
            for (int w = columns.begin; w < columns.end; w++) {
                const unsigned p = (unsigned)h * m.W.by + (unsigned)w;
                const size_t row = (size_t)s.n * m.H.by * m.W.by + p;
                const Pack<T, N> v = load_pack<N>(x + row * m.C + s.c * N);

#pragma unroll
                for (int i = 0; i < N; i++)
                    if (v.at[i] > most.at[i] ||
                        (v.at[i] != v.at[i] && most.at[i] == most.at[i])) {
                        most.at[i] = v.at[i];
                        place.at[i] = (float)p;
                    }
            }
        store_floats(at + (size_t)s.row * m.C + s.c * N, place);
    }
}

/* at: NULL for means. */
template <typename T, int N, typename Rule>
static __global__ void __launch_bounds__(THREADS)
    spread(T *dx, const T *dy, const float *at, unsigned items, Maps m,
           Rule along_h, Rule along_w)
{
    const unsigned threads = gridDim.x * THREADS;

    for (unsigned e = blockIdx.x * THREADS + threadIdx.x; e < items;
         e += threads) {
        const Spot s = spot_of(m, m.H, m.W, e);
        const float place = (float)(s.h * m.W.by + s.w);
        const Span<int> rows = along_h.holding((int)s.h);
        const Span<int> columns = along_w.holding((int)s.w);
        Pack<T, N> sum = {};

        for (int i = rows.begin; i < rows.end; i++)
            for (int j = columns.begin; j < columns.end; j++) {
                const size_t row =
                    ((size_t)s.n * m.OH.by + (unsigned)i) * m.OW.by +
                    (unsigned)j;
                const Span<int> h = along_h.window(i), w = along_w.window(j);
                const float share =
                    __fdividef(1, (float)(h.end - h.begin) * (w.end - w.begin));
                const Pack<T, N> v = load_pack<N>(dy + row * m.C + s.c * N);
                Pack<T, N> who;

                if (at)
                    load_floats(&who, at + row * m.C + s.c * N);
#pragma unroll
                for (int k = 0; k < N; k++)
                    if (!at)
                        sum.at[k] += v.at[k] * share;
                    else if (who.at[k] == place)
                        sum.at[k] += v.at[k];
            }
        store_pack(dx + (size_t)s.row * m.C + s.c * N, sum);
    }
}

static Maps maps_of(const Tensor *x, const Tensor *y, int pack)
{
    return {
        divider(x->dim[1] / pack), divider(x->dim[2]), divider(x->dim[3]),
        divider(y->dim[2]),        divider(y->dim[3]), (unsigned)x->dim[1]
    };
}

/* A thread a pack of t. */
static Launch launch_packs(Device *dev, const Tensor *t, int pack)
{
    const size_t blocks = ceil_div(tensor_count(t) / pack, THREADS);

    return { even_grid(dev, blocks, BLOCKS_PER_SM), THREADS };
}

template <typename Rule>
static int run_spread(Device *dev, const Tensor *out, const Tensor *dy,
                      const float *at, Rule along_h, Rule along_w)
{
    int err = OK;

    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)out->dim[1]), T, N, {
        err = launch(dev, launch_packs(dev, out, N), spread<T, N, Rule>,
                     (T *)out->data, (const T *)dy->data, at,
                     tensor_count(out) / N, maps_of(out, dy, N), along_h,
                     along_w);
    });
    return err;
}

static int run_avg_grad(Device *dev, const Tensor *out, void *state)
{
    const PoolAttr *a = &((const PoolGradAttr *)out->attr)->pool;
    const Tensor *dy = out->src[0];
    const float *none = NULL;

    (void)state;
    return run_spread(dev, out, dy, none, sliding(a, out, dy, 2),
                      sliding(a, out, dy, 3));
}

static int run_adaptive_grad(Device *dev, const Tensor *out, void *state)
{
    const Tensor *dy = out->src[0];
    const float *none = NULL;

    (void)state;
    return run_spread(dev, out, dy, none,
                      Even{ out->dim[2], divider(dy->dim[2]) },
                      Even{ out->dim[3], divider(dy->dim[3]) });
}

/* Room for a place a number of dy. */
static int plan_max_grad(Device *dev, const Tensor *out, void **state)
{
    (void)state;
    return cuda_workspace(cuda_device(dev),
                          tensor_count(out->src[1]) * sizeof(float));
}

static int run_max_grad(Device *dev, const Tensor *out, void *state)
{
    const PoolAttr *a = (const PoolAttr *)out->attr;
    const Tensor *x = out->src[0], *dy = out->src[1];
    const Sliding along_h = sliding(a, x, dy, 2),
                  along_w = sliding(a, x, dy, 3);
    float *at = (float *)cuda_device(dev)->workspace;
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)out->dim[1]), T, N, {
        err = launch(dev, launch_packs(dev, dy, N), find<T, N>, at,
                     (const T *)x->data, tensor_count(dy) / N,
                     maps_of(x, dy, N), along_h, along_w);
    });
    return err ? err : run_spread(dev, out, dy, at, along_h, along_w);
}

static bool small_grad(const Tensor *out)
{
    const Tensor *dy = out->src[out->op == &max_pool2d_grad_def];
    bool small = small_index(out) && small_index(dy) &&
                 (int64_t)out->dim[2] * out->dim[3] <= 1 << 24;

    for (int d = 2; d < 4; d++)
        small &= ((int64_t)out->dim[d] + 1) * (dy->dim[d] + 1) <= INT_MAX;
    return small;
}

#define SPREAD(id, plan_id, run_id) \
    const Kernel cuda_##id = {      \
        .op = &id##_def,            \
        .name = "spread",           \
        .dtypes = ALL_DTYPES,       \
        .supports = small_grad,     \
        .plan = plan_id,            \
        .run = run_id,              \
    };
SPREAD(avg_pool2d_grad, NULL, run_avg_grad)
SPREAD(adaptive_avg_pool2d_grad, NULL, run_adaptive_grad)
SPREAD(max_pool2d_grad, plan_max_grad, run_max_grad)
