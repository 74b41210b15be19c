/*
 * window_attention.cu - y = softmax(q' k / sqrt d + bias) v in each window and
 * head
 *
 * 4 P^2 d operations for 4 P d numbers: 12 a byte at P = 49 in float, 24 in
 * half.  Without tensor cores that is near the balance of the machine, so
 * neither memory nor arithmetic may wait for long; shared memory must feed the
 * multiply-adds, one 16-byte access for each four to eight of them.
 *
 *   head_in_shared   a block takes one window and head, and has q, k, v as
 *                    floats in shared memory, and the head's part of the bias
 *                    table.  A warp takes ROWS rows of scores at a time: lanes
 *                    are positions for q' k, then channels for p v.  Rows of
 *                    window and map are told apart by a table of positions: no
 *                    map is rolled or cut.  The rows of scores never leave
 *                    shared memory.  Blocks of neighbouring heads follow one
 *                    another, so that lines of qkv that they share are in L2.
 *                    Starves on few windows, on windows far from a multiple of
 *                    32 positions (49 use 77 % of the lanes), on heads of less
 *                    than 32 channels; larger windows than shared memory holds
 *                    it refuses.
 *
 * f16 and bf16 go to tensor cores where window_mma.cu takes them.
 */
#include "kernels/cuda/kernels/kernel.h"
#include "kernels/cuda/kernels/window.h"

enum { WARPS = 4, THREADS = WARPS * 32, ROWS = 4, QUAD = 4 };

/* Arguments of a launch; the addresses are of T. */
template <typename T> struct Job {
    T *y;
    const T *qkv, *table;
    Windows s;
    Divider heads, packs; /* packs of a row of d */
    unsigned d, stride;   /* of rows in shared memory, in floats */
    unsigned line;        /* positions, rounded up to a quad */
    unsigned offsets;     /* rows of the bias table, rounded up to a quad */
    float scale;
};

static size_t round_up(size_t n, size_t to)
{
    return ceil_div(n, to) * to;
}

/* An odd number of quads: the rows of neighbouring lanes, read by quads, are
 * in different banks. */
static unsigned row_stride(size_t d)
{
    return (unsigned)(ceil_div(d, QUAD) | 1) * QUAD;
}

static size_t shared_bytes(const WindowAttr *a, size_t d)
{
    const size_t P = a->h * a->w;
    const size_t offsets = round_up((2 * a->h - 1) * (2 * a->w - 1), QUAD);

    return (3 * P * row_stride(d) + offsets + WARPS * ROWS * round_up(P, QUAD) +
            3 * P) *
           sizeof(float);
}

/* Where everything is in a block's shared memory. */
struct Head {
    float *q, *k, *v, *table, *score; /* score: (WARPS,ROWS,line) */
    int *row, *code, *region;         /* of each position */
};

template <typename T>
static __device__ __forceinline__ Head layout(float *shared, const Job<T> &j)
{
    const unsigned P = j.s.area.by;
    Head h;

    h.q = shared;
    h.k = h.q + P * j.stride;
    h.v = h.k + P * j.stride;
    h.table = h.v + P * j.stride;
    h.score = h.table + j.offsets;
    h.row = reinterpret_cast<int *>(h.score + WARPS * ROWS * j.line);
    h.code = h.row + P;
    h.region = h.code + P;
    return h;
}

/* q, k or v of the head: rows of P positions, zeros beyond d. */
template <typename T, int N>
static __device__ __forceinline__ void load_rows(float *to, const T *from,
                                                 const Job<T> &j, const Head &h,
                                                 float scale)
{
    const unsigned P = j.s.area.by;

    for (unsigned e = threadIdx.x; e < P * j.packs.by; e += THREADS) {
        unsigned c = e;
        const unsigned i = divmod(&c, j.packs);
        Pack<T, N> v = load_pack<N>(
            from + (size_t)h.row[i] * 3 * j.heads.by * j.d + c * N);

#pragma unroll
        for (int k = 0; k < N; k++)
            v.at[k] *= scale;
        store_floats(to + i * j.stride + c * N, v);
    }
    for (unsigned i = threadIdx.x; i < P; i += THREADS)
        for (unsigned c = j.d; c % QUAD; c++)
            to[i * j.stride + c] = 0;
}

/* score[r] of rows i + r, by lanes that are positions; most[r] of all. */
template <typename T>
static __device__ __forceinline__ void scores(float *score, float most[ROWS],
                                              unsigned i, const Job<T> &job,
                                              const Head &h)
{
    const unsigned P = job.s.area.by, lane = threadIdx.x % WARP;
    unsigned row[ROWS];

#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        row[r] = i + r < P ? i + r : P - 1;
        most[r] = -INFINITY;
    }
    for (unsigned j = lane; j < P; j += WARP) {
        const int equal = code_of_equal(job.s) - h.code[j];
        float sum[ROWS] = {};

        for (unsigned c = 0; c < job.d; c += QUAD) {
            const Pack<float> k = load_pack(h.k + j * job.stride + c);

#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const Pack<float> q = load_pack(h.q + row[r] * job.stride + c);

#pragma unroll
                for (int e = 0; e < QUAD; e++)
                    sum[r] += q.at[e] * k.at[e];
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            sum[r] += h.table[h.code[row[r]] + equal];
            if (h.region[row[r]] != h.region[j])
                sum[r] += WINDOW_MASK;
            score[r * job.line + j] = sum[r];
            most[r] = max_nan(most[r], sum[r]);
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        most[r] = warp_max(most[r]);
}

/* y of rows i + r, by lanes that are channels. */
template <typename T>
static __device__ __forceinline__ void values(T *y, const float *score,
                                              unsigned i, const Job<T> &job,
                                              const Head &h)
{
    const unsigned P = job.s.area.by, C = job.heads.by * job.d;

    for (unsigned c = threadIdx.x % WARP; c < job.d; c += WARP) {
        float sum[ROWS] = {};
        unsigned j = 0;

        for (; j + QUAD <= P; j += QUAD) {
            float v[QUAD];

#pragma unroll
            for (int e = 0; e < QUAD; e++)
                v[e] = h.v[(j + e) * job.stride + c];
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const Pack<float> p = load_pack(score + r * job.line + j);

#pragma unroll
                for (int e = 0; e < QUAD; e++)
                    sum[r] += p.at[e] * v[e];
            }
        }
        for (; j < P; j++)
#pragma unroll
            for (int r = 0; r < ROWS; r++)
                sum[r] += score[r * job.line + j] * h.v[j * job.stride + c];
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (i + r < P)
                from_float(&y[(size_t)h.row[i + r] * C + c], sum[r]);
    }
}

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS) head_in_shared(Job<T> j)
{
    DYN_SHARED(float, shared);
    const Head h = layout(shared, j);
    const unsigned P = j.s.area.by, C = j.heads.by * j.d;
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    unsigned head = blockIdx.x, window = divmod(&head, j.heads);
    const size_t image = (size_t)divmod(&window, j.s.count) * j.s.map.by;
    const T *qkv = j.qkv + image * 3 * C + head * j.d;
    T *y = j.y + image * C + head * j.d;
    float *score = h.score + warp * ROWS * j.line;

    for (unsigned i = threadIdx.x; i < P; i += THREADS) {
        const Pair at = rolled(j.s, window, i);

        h.row[i] = (int)unrolled(j.s, at);
        h.code[i] = code(j.s, i);
        h.region[i] = j.s.shift_h || j.s.shift_w ? region(j.s, at) : 0;
    }
    for (unsigned i = threadIdx.x; i < (2 * j.s.h.by - 1) * (2 * j.s.w.by - 1);
         i += THREADS)
        h.table[i] = to_float(j.table[i * j.heads.by + head]);
    __syncthreads();
    load_rows<T, N>(h.q, qkv, j, h, j.scale);
    load_rows<T, N>(h.k, qkv + C, j, h, 1);
    load_rows<T, N>(h.v, qkv + 2 * C, j, h, 1);
    __syncthreads();
    for (unsigned i = warp * ROWS; i < P; i += WARPS * ROWS) {
        float most[ROWS];

        scores(score, most, i, j, h);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float sum = 0;

            for (unsigned k = lane; k < P; k += WARP) {
                const float e = expf(score[r * j.line + k] - most[r]);

                score[r * j.line + k] = e;
                sum += e;
            }
            sum = warp_sum(sum);
            for (unsigned k = lane; k < P; k += WARP)
                score[r * j.line + k] /= sum;
        }
        __syncwarp();
        values(y, score, i, j, h);
        __syncwarp();
    }
}

static bool supports(const Tensor *out)
{
    return small_index(out->src[0]);
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const WindowAttentionAttr *attr = (const WindowAttentionAttr *)out->attr;
    const size_t d = (size_t)(out->dim[1] / attr->heads);
    const size_t bytes = shared_bytes(&attr->window, d);

    (void)state;
    if (bytes > cuda_device(dev)->block_shared_bytes)
        return fail(ERR_UNSUPPORTED,
                    "window_attention: windows of %dx%d with %zu channels a "
                    "head need %zu bytes of shared memory, a block has %zu",
                    attr->window.h, attr->window.w, d, bytes,
                    cuda_device(dev)->block_shared_bytes);
    FOR_PACK(out->dtype, whole_packs(out->dtype, d), T, N, {
        CUDA_TRY(cudaFuncSetAttribute(
            head_in_shared<T, N>, cudaFuncAttributeMaxDynamicSharedMemorySize,
            (int)cuda_device(dev)->block_shared_bytes));
    });
    return OK;
}

template <typename T, int N> static int run_as(Device *dev, const Tensor *out)
{
    const WindowAttentionAttr *attr = (const WindowAttentionAttr *)out->attr;
    const WindowAttr *a = &attr->window;
    const size_t d = (size_t)(out->dim[1] / attr->heads), P = a->h * a->w;
    const size_t blocks = tensor_rows(out) / P * attr->heads;
    const Job<T> job = {
        (T *)out->data,
        (const T *)out->src[0]->data,
        (const T *)out->src[1]->data,
        windows_on(a),
        divider(attr->heads),
        divider(d / N),
        (unsigned)d,
        row_stride(d),
        (unsigned)round_up(P, QUAD),
        (unsigned)round_up((2 * a->h - 1) * (2 * a->w - 1), QUAD),
        (float)(1 / sqrt((double)d)),
    };
    const Launch l = { dim3((unsigned)blocks), THREADS, shared_bytes(a, d) };

    return launch(dev, l, head_in_shared<T, N>, job);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const int heads = ((const WindowAttentionAttr *)out->attr)->heads;
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)(out->dim[1] / heads)),
             T, N, err = run_as<T, N>(dev, out));
    return err;
}

const Kernel cuda_window_attention = {
    .op = &window_attention_def,
    .name = "head_in_shared",
    .dtypes = ALL_DTYPES,
    .supports = supports,
    .plan = plan,
    .run = run,
};
