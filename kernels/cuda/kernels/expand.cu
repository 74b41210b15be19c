/*
 * expand.cu - broadcasting, and the sum that is its gradient: expand, reduce
 *
 *   expand   y[i] = scale z[place of i]
 *   reduce   y[p] = sum of x[i] z[i] over all i whose place is p; z may be 1
 *
 * Bound by bytes: those of y, and those of x and z.
 *
 *   packs     expand: as in binary.cu, of z alone.
 *   columns   reduce where what is summed lies between what is kept (biases,
 *             gates per channel, strips): columns.h.
 *   rows      reduce where it comes last (gates per position, or a group of
 *             channels): rows.h.
 *   each      reduce in all other forms: a warp a result, whose lanes go
 *             through its numbers in the order of memory, one at a time.
 *             Starves on few results, and on few numbers each.
 *
 * Sums are joined in one order always.
 */
#include "kernels/cuda/kernels/broadcast.h"
#include "kernels/cuda/kernels/rows.h"

enum { WARPS = 8, THREADS = WARPS * 32, BLOCKS_PER_SM = 8 };

/* ---- expand -------------------------------------------------------------- */

template <typename T, Reach R>
static __global__ void __launch_bounds__(THREADS)
    packs(T *y, const T *z, float scale, unsigned n, Form f)
{
    constexpr unsigned N = Pack<T>::N;
    const unsigned thread = blockIdx.x * THREADS + threadIdx.x;
    const unsigned threads = gridDim.x * THREADS;
    const unsigned whole = n / N;

    for (unsigned i = thread; i < whole; i += threads) {
        Pack<T> v = reach<R>(z, f, i * N);

#pragma unroll
        for (unsigned k = 0; k < N; k++)
            v.at[k] *= scale;
        store_pack(y + i * N, v);
    }
    for (unsigned i = whole * N + thread; i < n; i += threads)
        from_float(&y[i], scale * to_float(z[form_at(f, i)]));
}

static int run_expand(Device *dev, const Tensor *out, void *state)
{
    const ExpandAttr *attr = (const ExpandAttr *)out->attr;
    const Form f = form_of(out, out->src[0]);
    const size_t n = tensor_count(out);
    int err = OK;

    (void)state;
    FOR_DTYPE(out->dtype, T, {
        const size_t blocks = ceil_div(n, THREADS * Pack<T>::N);
        const Launch l = { even_grid(dev, blocks, BLOCKS_PER_SM), THREADS };
        const Reach r = form_reach(&f, Pack<T>::N);

        err = launch(dev, l,
                     r == PACK  ? packs<T, PACK>
                     : r == ONE ? packs<T, ONE>
                                : packs<T, EACH>,
                     (T *)out->data, (const T *)out->src[0]->data,
                     (float)attr->scale, n, f);
    });
    return err;
}

const Kernel cuda_expand = {
    .op = &expand_def,
    .name = "packs",
    .dtypes = ALL_DTYPES,
    .supports = small_index,
    .run = run_expand,
};

/* ---- reduce by columns and by rows --------------------------------------- */

/* x z, number by number; z is of x's type. */
struct Product : Plain<Sum> {
    const void *z;

    template <typename P, typename T>
    __device__ __forceinline__ P load(const T *x, size_t at, unsigned,
                                      unsigned) const
    {
        const P b = load_pack<P::N>((const T *)z + at);
        P v = load_pack<P::N>(x + at);

#pragma unroll
        for (int i = 0; i < P::N; i++)
            v.at[i] *= b.at[i];
        return v;
    }
};

static Product product_with(const Tensor *z)
{
    Product how;

    how.z = z->data;
    return how;
}

/* True if the dims of x are what is kept, what is summed, what is kept, of
 * which only the second must be there: innermost first, and as stored. */
static bool as_columns(const Form *f, Columns *c)
{
    const int inner = f->n && f->step[0] == 1, outer = inner + 1;
    const unsigned width = inner ? f->len[0].by : 1;

    if (f->n > outer + 1 || (f->n > inner && f->step[inner] != 0) ||
        (f->n > outer && f->step[outer] != width))
        return false;
    *c = {};
    c->width = width;
    c->rows = f->n > inner ? f->len[inner].by : 1;
    c->outer = f->n > outer ? f->len[outer].by : 1;
    c->scale = 1;
    return true;
}

/* The same without the first of the three. */
static bool as_rows(const Form *f)
{
    return f->n == 2 && f->step[0] == 0 && f->step[1] == 1;
}

static bool summed_by_rows(const Tensor *out)
{
    const Form f = form_of(out->src[0], out);

    return as_rows(&f);
}

static bool summed_by_columns(const Tensor *out)
{
    const Form f = form_of(out->src[0], out);
    Columns c;

    return as_columns(&f, &c);
}

static int plan_columns(Device *dev, const Tensor *out, void **state)
{
    const Form f = form_of(out->src[0], out);
    ColumnsState *s = (ColumnsState *)calloc(1, sizeof(*s));

    if (!s)
        return fail(ERR_MEMORY, "no memory for %zu bytes", sizeof(*s));
    *state = s;
    as_columns(&f, &s->c);
    return columns_plan(s, dev, out->dtype);
}

static int run_columns(Device *dev, const Tensor *out, void *state)
{
    const ColumnsState *s = (const ColumnsState *)state;
    const Tensor *z = out->src[1];

    return z ? columns_run(dev, out, s, product_with(z))
             : columns_run(dev, out, s, Plain<Sum>());
}

static int run_rows(Device *dev, const Tensor *out, void *state)
{
    const Form f = form_of(out->src[0], out);
    const Tensor *z = out->src[1];
    const unsigned n = f.len[0].by;

    (void)state;
    return z ? rows_run(dev, out, n, 1, product_with(z))
             : rows_run(dev, out, n, 1, Plain<Sum>());
}

/* ---- reduce in any form -------------------------------------------------- */

enum {
    RUN = 32 * WARP
}; /* a long sum errs less if runs are summed first     */

/* Some of the dims of x, innermost first, with the steps of x and y. */
typedef struct Axes {
    int n;
    Divider len[FORM_DIMS];
    unsigned x[FORM_DIMS], y[FORM_DIMS];
    unsigned count; /* of numbers along all */
} Axes;

/* Adds the steps to element i. */
static __device__ __forceinline__ void walk(const Axes &a, unsigned i,
                                            unsigned *x, unsigned *y)
{
#pragma unroll
    for (int d = 0; d < FORM_DIMS && d < a.n; d++) {
        unsigned inner = i;

        i = divmod(&inner, a.len[d]);
        *x += inner * a.x[d];
        *y += inner * a.y[d];
    }
}

/* z is NULL where there is none. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    each(T *y, const T *x, const T *z, Axes kept, Axes summed)
{
    const unsigned lane = threadIdx.x % WARP;
    const unsigned warps = gridDim.x * WARPS;

    for (unsigned q = blockIdx.x * WARPS + threadIdx.x / WARP; q < kept.count;
         q += warps) {
        unsigned first = 0, to = 0;
        float sum = 0;

        walk(kept, q, &first, &to);
        for (unsigned i = lane; i < summed.count;) {
            const unsigned end = min(summed.count, i + RUN);
            float part = 0;

            for (; i < end; i += WARP) {
                unsigned at = first, none = 0;

                walk(summed, i, &at, &none);
                part += to_float(x[at]) * (z ? to_float(z[at]) : 1.0f);
            }
            sum += part;
        }
        sum = warp_sum(sum);
        if (lane == 0)
            from_float(&y[to], sum);
    }
}

static int run_each(Device *dev, const Tensor *out, void *state)
{
    const Form f = form_of(out->src[0], out);
    const Tensor *z = out->src[1];
    Axes axes[2] = {}; /* kept and summed */
    unsigned step = 1;
    int err = OK;

    (void)state;
    axes[0].count = axes[1].count = 1;
    for (int d = 0; d < f.n; d++) {
        Axes *a = &axes[f.step[d] == 0];

        a->len[a->n] = f.len[d];
        a->x[a->n] = step;
        a->y[a->n++] = f.step[d];
        a->count *= f.len[d].by;
        step *= f.len[d].by;
    }
    FOR_DTYPE(out->dtype, T, {
        const Launch l = { even_grid(dev, ceil_div(axes[0].count, WARPS),
                                     BLOCKS_PER_SM),
                           THREADS };

        err = launch(
            dev, l, each<T>, (T *)out->data, (const T *)out->src[0]->data,
            z ? (const T *)z->data : (const T *)NULL, axes[0], axes[1]);
    });
    return err;
}

static bool small_source(const Tensor *out)
{
    return small_index(out->src[0]);
}

const Kernel cuda_reduce_columns = {
    .op = &reduce_def,
    .name = "columns",
    .dtypes = ALL_DTYPES,
    .supports = summed_by_columns,
    .plan = plan_columns,
    .run = run_columns,
    .release = columns_free,
};

const Kernel cuda_reduce_rows = {
    .op = &reduce_def,
    .name = "rows",
    .dtypes = ALL_DTYPES,
    .supports = summed_by_rows,
    .run = run_rows,
};

const Kernel cuda_reduce_each = {
    .op = &reduce_def,
    .name = "each",
    .dtypes = ALL_DTYPES,
    .supports = small_source,
    .run = run_each,
};
