/*
 * dct_pool.cu - y[n,c] = sum over h,w of x[n,c,h,w] B(h,u,H) B(w,v,W), (u,v)
 * being the frequency of c's group of channels; and dct_pool_grad,
 * dx[n,c,h,w] = dy[n,c] B(h,u,H) B(w,v,W)
 *
 * Bound by the bytes of x, each read once.  The basis is separable: two tables
 * of (H + W) n floats, which stay in the L1 cache, not one of H W n.
 *
 *   columns   columns.h, each number of x times its two of the tables; four
 *             neighbours share these where a group of channels is of fours,
 *             else (RUN = 1) every number looks up its own: then it starves,
 *             on 16-bit types, on twice as many lookups as numbers.
 *   packs     dct_pool_grad: a thread makes a pack of channels at a position,
 *             and strides over the map by the grid; bound by the bytes of dx.
 */
#include "kernels/cuda/kernels/columns.h"

/* The sum of weighted numbers; RUN neighbours have the same frequency. */
template <int RUN> struct Basis : Plain<Sum> {
    const float *along_h, *along_w; /* (H,n), (W,n) */
    Divider W, group;
    unsigned n;

    template <typename P>
    __device__ __forceinline__ void weigh(P *v, unsigned r, unsigned k) const
    {
        constexpr int run = RUN < P::N ? RUN : P::N;
        const unsigned h = divmod(&r, W);

#pragma unroll
        for (int j = 0; j < P::N; j += run) {
            const unsigned f = divide(k + j, group);
            const float b = along_h[h * n + f] * along_w[r * n + f];

#pragma unroll
            for (int i = 0; i < run; i++)
                v->at[j + i] *= b;
        }
    }
};

typedef struct DctState {
    ColumnsState columns;
    float *tables;
} DctState;

static void release(void *state)
{
    DctState *s = (DctState *)state;

    if (!s)
        return;
    columns_release(&s->columns);
    if (s->tables)
        s->columns.dev->backend->release(s->columns.dev, s->tables);
    free(s);
}

/* The two tables for a map of H by W, one after the other, on the device. */
static int make_tables(float **tables, Device *dev, const DctPoolAttr *a, int H,
                       int W)
{
    const size_t bytes = ((size_t)H + W) * a->n * sizeof(float);
    float *host = (float *)malloc(bytes), *t = host;
    int err;

    if (!host)
        return fail(ERR_MEMORY, "no memory for %zu bytes", bytes);
    for (int h = 0; h < H; h++)
        for (int f = 0; f < a->n; f++)
            *t++ = (float)dct_basis(h, a->u[f], H);
    for (int w = 0; w < W; w++)
        for (int f = 0; f < a->n; f++)
            *t++ = (float)dct_basis(w, a->v[f], W);
    err = dev->backend->alloc(dev, (void **)tables, bytes);
    if (!err)
        err = dev->backend->upload(dev, *tables, host, bytes);
    free(host);
    return err;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    DctState *s = (DctState *)calloc(1, sizeof(*s));

    if (!s)
        return fail(ERR_MEMORY, "no memory for %zu bytes", sizeof(*s));
    *state = s;
    s->columns.c = { .outer = (size_t)out->dim[0],
                     .rows = (unsigned)tensor_positions(out->src[0]),
                     .width = (unsigned)out->dim[1],
                     .scale = 1 };
    TRY(columns_plan(&s->columns, dev, out->dtype));
    return make_tables(&s->tables, dev, (const DctPoolAttr *)out->attr,
                       out->src[0]->dim[2], out->src[0]->dim[3]);
}

template <int RUN>
static int run_of(Device *dev, const Tensor *out, const DctState *s)
{
    const DctPoolAttr *a = (const DctPoolAttr *)out->attr;
    const Tensor *x = out->src[0];
    Basis<RUN> basis;

    basis.along_h = s->tables;
    basis.along_w = s->tables + (size_t)x->dim[2] * a->n;
    basis.W = divider(x->dim[3]);
    basis.group = divider(out->dim[1] / a->n);
    basis.n = a->n;
    return columns_run(dev, out, &s->columns, basis);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const DctPoolAttr *a = (const DctPoolAttr *)out->attr;
    const DctState *s = (const DctState *)state;

    return out->dim[1] / a->n % 4 == 0 ? run_of<4>(dev, out, s)
                                       : run_of<1>(dev, out, s);
}

const Kernel cuda_dct_pool = {
    .op = &dct_pool_def,
    .name = "columns",
    .dtypes = ALL_DTYPES,
    .plan = plan,
    .run = run,
    .release = release,
};

/* ---- the gradient ------------------------------------------------------- */

enum { THREADS = 256, BLOCKS_PER_SM = 8 };

struct Waves {
    const float *along_h, *along_w; /* (H,n), (W,n) */
    Divider packs, H, W, group;     /* packs: of a row of channels */
    unsigned C, n;
};

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    packs(T *dx, const T *dy, unsigned items, Waves s)
{
    const unsigned threads = gridDim.x * THREADS;

    for (unsigned e = blockIdx.x * THREADS + threadIdx.x; e < items;
         e += threads) {
        unsigned c = e;
        const size_t row = divmod(&c, s.packs);
        unsigned w = (unsigned)row, h = divmod(&w, s.W);
        const size_t n = divmod(&h, s.H);
        Pack<T, N> v;

        c *= N;
        v = load_pack<N>(dy + n * s.C + c);
#pragma unroll
        for (int i = 0; i < N; i++) {
            const unsigned f = divide(c + i, s.group);

            v.at[i] *= s.along_h[h * s.n + f] * s.along_w[w * s.n + f];
        }
        store_pack(dx + row * s.C + c, v);
    }
}

static int plan_grad(Device *dev, const Tensor *out, void **state)
{
    const DctPoolGradAttr *a = (const DctPoolGradAttr *)out->attr;
    DctState *s = (DctState *)calloc(1, sizeof(*s));

    if (!s)
        return fail(ERR_MEMORY, "no memory for %zu bytes", sizeof(*s));
    *state = s;
    s->columns.dev = dev;
    return make_tables(&s->tables, dev, &a->dct, a->h, a->w);
}

static int run_grad(Device *dev, const Tensor *out, void *state)
{
    const DctPoolGradAttr *a = (const DctPoolGradAttr *)out->attr;
    const float *tables = ((const DctState *)state)->tables;
    const unsigned C = (unsigned)out->dim[1];
    int err = OK;

    FOR_PACK(out->dtype, whole_packs(out->dtype, C), T, N, {
        const size_t items = tensor_count(out) / N;
        const Launch l = {
            even_grid(dev, ceil_div(items, THREADS), BLOCKS_PER_SM), THREADS
        };
        const Waves waves = {
            tables,
            tables + (size_t)a->h * a->dct.n,
            divider(C / N),
            divider(a->h),
            divider(a->w),
            divider(C / a->dct.n),
            C,
            (unsigned)a->dct.n,
        };

        err = launch(dev, l, packs<T, N>, (T *)out->data,
                     (const T *)out->src[0]->data, items, waves);
    });
    return err;
}

const Kernel cuda_dct_pool_grad = {
    .op = &dct_pool_grad_def,
    .name = "packs",
    .dtypes = ALL_DTYPES,
    .supports = small_index,
    .plan = plan_grad,
    .run = run_grad,
    .release = release,
};
