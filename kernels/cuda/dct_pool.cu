/*
 * dct_pool.cu - y[n,c] = sum over h,w of x[n,c,h,w] B(h,u,H) B(w,v,W), (u,v)
 * being the frequency of c's group of channels
 *
 * Bound by the bytes of x, each read once.  The basis is separable: two tables
 * of (H + W) n floats, which stay in the L1 cache, not one of H W n.
 *
 *   columns   columns.h, each number of x times its two of the tables; four
 *             neighbours share these where a group of channels is of fours,
 *             else (RUN = 1) every number looks up its own: then it starves,
 *             on 16-bit types, on twice as many lookups as numbers.
 */
#include "kernels/cuda/columns.h"

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

/* The two tables, one after the other, on the device. */
static int make_tables(DctState *s, Device *dev, const Tensor *out)
{
    const DctPoolAttr *a = (const DctPoolAttr *)out->attr;
    const int H = out->src[0]->dim[2], W = out->src[0]->dim[3];
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
    err = dev->backend->alloc(dev, (void **)&s->tables, bytes);
    if (!err)
        err = dev->backend->upload(dev, s->tables, host, bytes);
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
    return make_tables(s, dev, out);
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
