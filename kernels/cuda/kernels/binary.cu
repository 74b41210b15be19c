/*
 * binary.cu - mul and add: y = act(x op z), z broadcast to the dims of x
 *
 * Bound by the bytes of x and y, and of z where it has as many; a smaller z
 * stays in the L1 or L2 cache.
 *
 * How z moves is settled at plan time (broadcast.h).
 *
 *   packs   a thread takes 16 bytes of x, and strides over the tensor by the
 *           grid, whatever C is; the last few numbers go one to a thread.  Its
 *           numbers of z are a pack of 16 bytes too, or one number for all, or
 *           (groups of two or four) neighbours that it repeats, or (channels
 *           that are no packs, other small groups) looked up one by one.
 *           Starves only there, and then on index arithmetic: a division that
 *           is a multiplication for each dim but the last.
 *
 * Grid: what the machine holds at once, each block equally many rounds.
 */
#include "kernels/cuda/kernels/broadcast.h"

enum { THREADS = 256, BLOCKS_PER_SM = 8 };

struct Mul {
    static __device__ __forceinline__ float of(float x, float z)
    {
        return x * z;
    }
};

struct Add {
    static __device__ __forceinline__ float of(float x, float z)
    {
        return x + z;
    }
};

struct AddRelu {
    static __device__ __forceinline__ float of(float x, float z)
    {
        const float s = x + z;

        return s < 0 ? 0 : s; /* NaN passes */
    }
};

struct AddRelu6 {
    static __device__ __forceinline__ float of(float x, float z)
    {
        const float s = x + z;

        return s < 0 ? 0 : s > 6 ? 6 : s;
    }
};

/* y may be x. */
template <typename T, typename Op, Reach R>
static __global__ void __launch_bounds__(THREADS)
    packs(T *y, const T *x, const T *z, unsigned n, Form f)
{
    constexpr unsigned N = Pack<T>::N;
    const unsigned thread = blockIdx.x * THREADS + threadIdx.x;
    const unsigned threads = gridDim.x * THREADS;
    const unsigned whole = n / N;

    for (unsigned i = thread; i < whole; i += threads) {
        const Pack<T> b = reach<R>(z, f, i * N);
        Pack<T> v = load_pack(x + i * N);

#pragma unroll
        for (unsigned k = 0; k < N; k++)
            v.at[k] = Op::of(v.at[k], b.at[k]);
        store_pack(y + i * N, v);
    }
    for (unsigned i = whole * N + thread; i < n; i += threads)
        from_float(&y[i], Op::of(to_float(x[i]), to_float(z[form_at(f, i)])));
}

template <typename T, typename Op>
static int launch_packs(Device *dev, const Tensor *out, const Form *f)
{
    const size_t n = tensor_count(out);
    const size_t blocks = ceil_div(n, THREADS * Pack<T>::N);
    const Launch l = { even_grid(dev, blocks, BLOCKS_PER_SM), THREADS };
    const Reach reach = form_reach(f, Pack<T>::N);

    return launch(dev, l,
                  reach == PACK         ? packs<T, Op, PACK>
                  : reach == ONE        ? packs<T, Op, ONE>
                  : reach == TWICE      ? packs<T, Op, TWICE>
                  : reach == FOUR_TIMES ? packs<T, Op, FOUR_TIMES>
                                        : packs<T, Op, EACH>,
                  (T *)out->data, (const T *)out->src[0]->data,
                  (const T *)out->src[1]->data, n, *f);
}

template <typename Op>
static int run(Device *dev, const Tensor *out, void *state)
{
    int err = OK;

    FOR_DTYPE(out->dtype, T,
              { err = launch_packs<T, Op>(dev, out, (const Form *)state); });
    return err;
}

static int run_add(Device *dev, const Tensor *out, void *state)
{
    const AddAttr *attr = (const AddAttr *)out->attr;

    return attr->act == ACT_RELU    ? run<AddRelu>(dev, out, state)
           : attr->act == ACT_RELU6 ? run<AddRelu6>(dev, out, state)
                                    : run<Add>(dev, out, state);
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    Form *f = (Form *)malloc(sizeof(*f));

    (void)dev;
    if (!f)
        return fail(ERR_MEMORY, "no memory for %zu bytes", sizeof(*f));
    *f = form_of(out->src[0], out->src[1]);
    *state = f;
    return OK;
}

const Kernel cuda_mul = {
    .op = &mul_def,
    .name = "packs",
    .dtypes = ALL_DTYPES,
    .supports = small_index,
    .plan = plan,
    .run = run<Mul>,
    .inplace = 1u << 0,
    .exact_flops = true,
};

const Kernel cuda_add = {
    .op = &add_def,
    .name = "packs",
    .dtypes = ALL_DTYPES,
    .supports = small_index,
    .plan = plan,
    .run = run_add,
    .inplace = 1u << 0,
    .exact_flops = true,
};
