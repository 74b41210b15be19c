/*
 * gate_plan.h - how the kernel "gate" cuts an image, which cut it takes, and
 *               how it is launched
 *
 * A cluster must lie within one of the card's groups of multiprocessors, and
 * only the driver knows how many fit: it is asked.  One image more than that is
 * a wave of its own.
 *
 * The numbers are predicted, not measured: rates are those of an H200 at
 * 1.98 GHz.
 */
#ifndef CUDA_GATE_PLAN_H
#define CUDA_GATE_PLAN_H

#include <stdlib.h>

#include "kernels/cuda/kernels/gate.h"

static inline const ModuleFacts *gate_facts(const Tensor *out)
{
    return &((const ModuleAttr *)out->attr)->facts;
}

/* ---- cuts ---------------------------------------------------------------- */

/* An image cut over a cluster. */
typedef struct Cut {
    Shape s;
    bool resident; /* the rows are in shared memory */
    size_t bytes;  /* of it, of a block             */
} Cut;

/* Room for n floats, at an address that packs may have. */
static inline unsigned place(size_t *floats, size_t n)
{
    const size_t begin = *floats;

    *floats += (n + 3) / 4 * 4;
    return (unsigned)begin;
}

/* The most that is read by every block before it is needed: more of it would
 * take longer than it is waited for. */
enum { STAGED_BYTES = 16 << 10 };

/* Where weights are in shared memory, or that they are not. */
static inline void place_weights(Shape *s, const Tensor *out, int weights)
{
    const size_t size = dtype_size(out->dtype), pack = 16 / size;
    size_t n = 0;

    for (int i = 0; i < weights; i++) {
        const size_t count = tensor_count(out->src[1 + i]);

        s->weight_n[i] = (int)count;
        s->weight_at[i] = (int)n;
        n += ceil_div(count, pack) * pack;
    }
    s->staged = n * size <= STAGED_BYTES;
    s->weight_bytes = s->staged ? n * size : 0;
}

/* Where everything is; bytes of all. */
template <typename M> static inline size_t lay_out(Shape *s, size_t tile_bytes)
{
    const size_t C = (size_t)s->C, W = (size_t)s->W;
    const size_t vectors = (size_t)vectors_before(M::STATS, ROWS);
    const size_t stats = vectors * C + (M::STATS & COLUMNS ? W * C : 0);
    const size_t rows = M::STATS & ROWS ? (size_t)s->rows * C : 0;
    size_t floats = ceil_div(tile_bytes, 16) * 4;

    s->part = place(&floats, M::PARTS * (size_t)s->lanes * C);
    s->mine = place(&floats, stats);
    s->all = place(&floats, stats);
    s->row = place(&floats, rows);
    s->gate = place(&floats, C);
    s->spare = place(&floats, M::spare(*s));
    s->weights = place(&floats, s->weight_bytes / sizeof(float));
    return floats * sizeof(float);
}

/* Threads that share the sum of a row, for one pack: as many as have nothing
 * else to do, in one warp. */
static inline int row_splits_of(const Shape &s)
{
    int n = 1;

    while (2 * n * s.packs <= WARP && WARP % (2 * n * s.packs) == 0 &&
           2 * n <= s.W && 2 * n * s.packs * s.rows <= THREADS)
        n *= 2;
    return n;
}

/* Divisions by sizes that the module has set. */
static inline void set_dividers(Shape *s)
{
    s->by_across = divider((size_t)s->across);
    s->by_packs = divider((size_t)s->packs);
    s->by_lanes = divider((size_t)s->lanes);
    s->by_row_splits = divider((size_t)s->row_splits);
    s->by_W = divider((size_t)s->W);
    s->by_C = divider((size_t)s->C);
    s->by_rows = divider((size_t)s->rows);
    s->by_piece = divider((size_t)s->rows * (size_t)s->C);
    s->by_share = divider((size_t)s->share);
    s->by_hidden = divider((size_t)(s->hidden ? s->hidden : 1));
    s->by_groups = divider((size_t)(s->groups ? s->groups : 1));
    s->by_cg = divider((size_t)(s->cg ? s->cg : 1));
}

/* Cuts an image over that many blocks, of at most `limit` bytes each; false if
 * they cannot have it. */
template <typename M>
static inline bool cut_image(Cut *cut, const Tensor *out, int blocks,
                             bool resident, size_t limit)
{
    const size_t size = dtype_size(out->dtype);
    const bool whole = whole_packs(out->dtype, (size_t)out->dim[1]) &&
                       M::takes_packs(out, (int)(16 / size));
    Shape *s = &cut->s;
    size_t tile = 0;

    *cut = {};
    s->N = out->dim[0], s->C = out->dim[1];
    s->H = out->dim[2], s->W = out->dim[3];
    s->packs = whole ? (int)((size_t)s->C * size / 16) : s->C;
    s->across = s->packs < THREADS ? s->packs : THREADS;
    s->lanes = THREADS / s->across;
    s->blocks = blocks;
    s->rows = (int)ceil_div((size_t)s->H, (size_t)blocks);
    s->share = (int)ceil_div((size_t)s->C, (size_t)blocks);
    s->per_position = (float)(1.0 / ((double)s->H * s->W));
    s->per_row = (float)(1.0 / s->W), s->per_column = (float)(1.0 / s->H);
    s->eps = (float)gate_facts(out)->eps;
    s->row_splits = row_splits_of(*s);
    M::facts(s, out);
    place_weights(s, out, M::WEIGHTS);
    set_dividers(s);
    if (resident)
        tile = (size_t)(s->rows + 2 * M::HALO) * s->W * s->C * size;
    cut->resident = resident;
    cut->bytes = lay_out<M>(s, tile);
    return cut->bytes <= limit && (whole || !resident) &&
           (blocks == 1 || blocks <= s->H);
}

/* ---- which --------------------------------------------------------------- */

/* Bytes a cycle and multiprocessor: of a copy through memory, and what one of
 * them can take; cycles of latency that no division of the work shortens, and
 * of a meeting of the cluster. */
static constexpr double MEMORY_RATE = 16, PORT_RATE = 64, FIXED = 3000,
                        MEETING = 700;

/* How often a block's rows pass its shared memory, at a line of it a cycle. */
static constexpr double PASSES = 6;

/* Cycles of n images that run at once. */
static inline double wave_cycles(const Cut &cut, size_t size, int n, int sms)
{
    const Shape &s = cut.s;
    const double line = (double)s.W * s.C * (double)size;
    const double load = (double)ceil_div((size_t)(n * s.blocks), (size_t)sms);
    const double moved = (cut.resident ? 2 : 3) * line * s.H * n / sms;
    const double rate = cut.resident ? (double)LINE_BYTES : PORT_RATE;

    return FIXED + MEETING * (s.blocks > 1) + moved / MEMORY_RATE +
           PASSES * load * line * s.rows / rate;
}

/* Cycles of all images, in waves of as many as there are clusters at once. */
static inline double cut_cycles(const Cut &cut, size_t size, int active,
                                int sms)
{
    const int waves = cut.s.N / active, rest = cut.s.N % active;
    double cycles = waves * wave_cycles(cut, size, active, sms);

    if (rest)
        cycles += wave_cycles(cut, size, rest, sms);
    return cycles;
}

/* Bytes of shared memory that a block costs and does not have. */
enum { RESERVED = 1024 };

/* ---- a plan -------------------------------------------------------------- */

typedef struct GatePlan {
    Cut cut;
    Device *dev;
    float *tables;
} GatePlan;

static inline void gate_release(void *state)
{
    GatePlan *p = (GatePlan *)state;

    if (p && p->tables)
        p->dev->backend->release(p->dev, p->tables);
    free(p);
}

static inline Launch launch_of(const Cut &cut)
{
    return { dim3((unsigned)(cut.s.N * cut.s.blocks)), dim3(THREADS), cut.bytes,
             (unsigned)cut.s.blocks };
}

/* Runs a statement with T, N and IN standing for what a cut's kernel needs. */
#define FOR_CUT(cut, out, T, N, IN, ...)                      \
    FOR_PACK((out)->dtype, (cut).s.packs < (cut).s.C, T, N, { \
        if ((cut).resident) {                                 \
            constexpr bool IN = N > 1;                        \
            __VA_ARGS__;                                      \
        } else {                                              \
            constexpr bool IN = false;                        \
            __VA_ARGS__;                                      \
        }                                                     \
    })

/* How many clusters of the cut the card runs at once.  A single block is none:
 * of these a multiprocessor has two by their registers. */
template <typename M>
static inline int find_active(int *active, const Cut &cut,
                              const CudaDevice *cuda, const Tensor *out)
{
    const Launch l = launch_of(cut);
    const size_t pair = 2 * (cut.bytes + RESERVED);

    *active = cuda->sms * (pair <= cuda->block_shared_bytes + RESERVED ? 2 : 1);
    FOR_CUT(cut, out, T, N, IN, {
        CUDA_TRY(cudaFuncSetAttribute(
            (gate<T, N, IN, M>), cudaFuncAttributeMaxDynamicSharedMemorySize,
            (int)cuda->block_shared_bytes));
        CUDA_TRY(cudaFuncSetAttribute(
            (gate<T, N, IN, M>), cudaFuncAttributePreferredSharedMemoryCarveout,
            100));
        if (l.cluster > 1)
            *active =
                simt_active_clusters(gate<T, N, IN, M>, l.block, l.shared_bytes,
                                     l.cluster, cuda->sms);
    });
    return OK;
}

/* The best of the cuts whose rows are resident, or are not; no bytes: none. */
template <typename M>
static inline int choose(Cut *best, const CudaDevice *cuda, const Tensor *out,
                         bool resident)
{
    const size_t size = dtype_size(out->dtype);
    double least = 0;

    *best = {};
    for (int blocks = 1; blocks <= cuda->max_cluster && blocks <= BLOCKS_MOST;
         blocks *= 2) {
        double cycles;
        int active;
        Cut cut;

        if (!cut_image<M>(&cut, out, blocks, resident,
                          cuda->block_shared_bytes))
            continue;
        TRY(find_active<M>(&active, cut, cuda, out));
        if (!active)
            continue;
        cycles = cut_cycles(cut, size, active, cuda->sms);
        if (!best->bytes || cycles < least) {
            *best = cut;
            least = cycles;
        }
    }
    return OK;
}

/* The module's tables, on the device. */
template <typename M>
static inline int make_tables(GatePlan *p, const Tensor *out)
{
    const size_t bytes = M::tables(p->cut.s) * sizeof(float);
    float *host;
    int err;

    if (!bytes)
        return OK;
    host = (float *)malloc(bytes);
    if (!host)
        return fail(ERR_MEMORY, "no memory for %zu bytes", bytes);
    M::fill(host, p->cut.s, out);
    err = p->dev->backend->alloc(p->dev, (void **)&p->tables, bytes);
    if (!err)
        err = p->dev->backend->upload(p->dev, p->tables, host, bytes);
    free(host);
    p->cut.s.tables = p->tables;
    return err;
}

template <typename M>
static inline int gate_plan(Device *dev, const Tensor *out, void **state)
{
    const CudaDevice *cuda = cuda_device(dev);
    GatePlan *p = (GatePlan *)calloc(1, sizeof(*p));
    char dims[DIMS_TEXT];

    if (!p)
        return fail(ERR_MEMORY, "no memory for a plan");
    *state = p;
    p->dev = dev;
    TRY(choose<M>(&p->cut, cuda, out, true));
    if (!p->cut.bytes)
        TRY(choose<M>(&p->cut, cuda, out, false));
    if (!p->cut.bytes)
        return fail(ERR_UNSUPPORTED,
                    "%s: kernel gate needs more than the %zu bytes of shared "
                    "memory that a block has here, for %s %s; use "
                    "--impl=composed",
                    out->op->name, cuda->block_shared_bytes,
                    dtype_name(out->dtype), tensor_dims_text(out, dims));
    return make_tables<M>(p, out);
}

template <typename M>
static inline int gate_run(Device *dev, const Tensor *out, void *state)
{
    const GatePlan *p = (const GatePlan *)state;
    int err = OK;

    FOR_CUT(p->cut, out, T, N, IN, {
        Weights<T> w = {};

        for (int i = 0; i < M::WEIGHTS; i++)
            w.at[i] = (const T *)out->src[1 + i]->data;
        err = launch(dev, launch_of(p->cut), gate<T, N, IN, M>, (T *)out->data,
                     (const T *)out->src[0]->data, w, p->cut.s);
    });
    return err;
}

/* A block's numbers are counted by 31 bits. */
static inline bool gate_takes(const Tensor *out)
{
    return tensor_count(out) / (size_t)out->dim[0] <= INT_MAX;
}

#define GATE_KERNEL(id, M, in_place)   \
    const Kernel cuda_##id = {         \
        .op = &id##_def,               \
        .name = "gate",                \
        .dtypes = ALL_DTYPES,          \
        .supports = gate_takes,        \
        .plan = gate_plan<M>,          \
        .run = gate_run<M>,            \
        .release = gate_release,       \
        .inplace = (in_place) ? 1 : 0, \
    };

#endif
