/*
 * gate.h - the skeleton of attention modules as one op: squeeze, excite, apply
 *
 * A module is a list of steps over some images: passes over the map, which
 * gate.c has, and its own small code on what they collect.  It states what
 * memory they share (parts of an image's scratch) and packs its weights, once,
 * in plan(): norms folded in, in the order in which they are read.
 *
 * All scratch is rows of channels, C rounded up to whole lines of the cache,
 * so that loops over vectors have no rest and threads that have lines of their
 * own never write to one line.  What is beyond C is 0 until a step writes it,
 * and finite after it.
 *
 * Images go to threads, some at a time, so that weights are read once for
 * these; images that are left over are shared: every step is cut by its units,
 * with a barrier after it.  No unit's result depends on who else does which, so
 * the result has the same bits for any number of threads and any batch.
 */
#ifndef SIMD_GATE_H
#define SIMD_GATE_H

#include "kernels/cpu/simd/sigmoid.h"
#include "kernels/cpu/simd/simd.h"

enum {
    LINE = 16,      /* floats of a line of the cache               */
    AT_ONCE = 4,    /* images for which a weight is read once      */
    GATE_STEPS = 8, /* of a module, at most; the others likewise   */
    GATE_LAYERS = 3,
    GATE_WEIGHTS = 8,
};

/* Parts of an image's scratch: what passes over the map write and read.  Those
 * from OWN on are a module's. */
enum GatePart {
    SUMS,    /* (row): means over the map, or sums of products    */
    MAXIMA,  /* (row)                                             */
    FIRST,   /* (row): of the first position                      */
    SQUARES, /* (row): mean of (x - first)^2; SUMS is of x - first */
    STRIPS,  /* means of rows, then of columns, see strip_at()    */
    CHANNEL, /* (row): a gate for each channel                    */
    ROWS,    /* (H,row): for each row and channel                 */
    COLUMNS, /* (W,row): for each column and channel              */
    PLANE,   /* (H,lines of W): for each position                 */
    OWN,
    GATE_PARTS = OWN + 4
};

/* y = w x + b.  In panels of LINE outputs, (in,LINE) each. */
typedef struct Layer {
    size_t in, out;
    float *w, *b;
} Layer;

typedef struct Gate Gate;

/* Some images of a batch. */
typedef struct Images {
    const Gate *g;
    size_t n;
    const Elem *x; /* of the first */
    Elem *y;
    float *scratch;
} Images;

/* Does units begin to end - 1 of all of m, after all of the step before. */
typedef void GateRange(const Images *m, size_t begin, size_t end);

typedef enum GateUnits {
    UNIT_ALL,   /* one unit: too little to share            */
    UNIT_LINES, /* LINE channels                            */
    UNIT_ROWS,  /* a row of the map                         */
} GateUnits;

typedef struct GateStep {
    GateRange *run;
    GateUnits units;
    double (*work)(const Gate *g); /* as Split's; NULL: the map's numbers */
} GateStep;

typedef struct GateModule {
    /* Sizes of parts (gate_part), weights (gate_floats, layer_new). */
    int (*plan)(Gate *g, const Tensor *out);
    GateStep steps[GATE_STEPS]; /* the first without run ends them */
} GateModule;

struct Gate {
    const GateModule *module;
    const ModuleFacts *facts;
    size_t C, H, W, row; /* row: C rounded up to lines */
    size_t halo;         /* rows of 0 around strips    */
    size_t taps;         /* of a filter                */
    size_t tile; /* columns of the map whose strips stay in the L1 cache */
    Layer layer[GATE_LAYERS];
    float *w[GATE_WEIGHTS];

    size_t floats;           /* of an image's scratch                       */
    size_t part[GATE_PARTS]; /* where a part begins                         */
    size_t at_once;          /* images                                      */
    size_t buffer;           /* floats of a thread's own, besides           */
    size_t own;              /* those and at_once images                    */
    float *scratch;          /* for each thread                             */
    float *owned[GATE_WEIGHTS + 2 * GATE_LAYERS];
    size_t n_owned;
};

/* ---- scratch ------------------------------------------------------------- */

static inline size_t lines(size_t floats)
{
    return ceil_div(floats, LINE) * LINE;
}

/* A part of `floats`, with `margin` floats of 0 before and after it. */
static inline void gate_part(Gate *g, size_t part, size_t floats, size_t margin)
{
    g->part[part] = g->floats + lines(margin);
    g->floats += lines(floats) + 2 * lines(margin);
}

static inline float *part_at(const Images *m, size_t image, size_t part)
{
    return m->scratch + image * m->g->floats + m->g->part[part];
}

/* Rows of STRIPS: halo, H, halo, W, halo.  The first of H's; and of W's. */
static inline size_t strip_rows(const Gate *g)
{
    return g->H + g->W + 3 * g->halo;
}

static inline float *strip_h(const Images *m, size_t image)
{
    return part_at(m, image, STRIPS) + m->g->halo * m->g->row;
}

static inline float *strip_w(const Images *m, size_t image)
{
    return strip_h(m, image) + (m->g->H + m->g->halo) * m->g->row;
}

/* The buffer of the calling thread. */
static inline float *own_buffer(const Gate *g)
{
    return g->scratch + (size_t)omp_get_thread_num() * g->own +
           g->at_once * g->floats;
}

static inline const Elem *image_x(const Images *m, size_t image)
{
    return m->x + image * m->g->H * m->g->W * m->g->C;
}

static inline Elem *image_y(const Images *m, size_t image)
{
    return m->y + image * m->g->H * m->g->W * m->g->C;
}

/* The first `floats` numbers of a part to their sigmoids, in all images. */
static inline void sigmoid_part(const Images *m, size_t part, size_t floats)
{
    for (size_t i = 0; i < m->n; i++)
        sigmoid_all(part_at(m, i, part), floats);
}

/* ---- weights ------------------------------------------------------------- */

/* Floats that live as long as g, all 0.  ERR_MEMORY. */
int SIMD(gate_floats)(Gate *g, float **to, size_t floats);

/* A layer of w (out,in); outputs are multiplied by scale, then shifted, where
 * these are not NULL.  And scale and shift (2 times `out` floats, the caller
 * frees them) of a batch norm with these weights: weight, bias, mean,
 * variance. */
typedef struct LayerWeights {
    const float *w, *scale, *shift;
} LayerWeights;
int SIMD(layer_new)(Gate *g, Layer *l, size_t out, size_t in, LayerWeights w);
int SIMD(norm_affine)(float **affine, const Tensor *const *norm, double eps);

/* ---- steps --------------------------------------------------------------- */

/* Passes over x, by lines of channels.  Means of the map: SUMS. */
void SIMD(squeeze_means)(const Images *m, size_t begin, size_t end);

/* SUMS: of x along_h along_w, which are w[ALONG_H] (H,row), w[ALONG_W]. */
enum { ALONG_H, ALONG_W };
void SIMD(squeeze_products)(const Images *m, size_t begin, size_t end);

/* SUMS and MAXIMA; SUMS, FIRST and SQUARES; the same of x ROWS COLUMNS, the
 * last rows first; STRIPS. */
void SIMD(squeeze_maxima)(const Images *m, size_t begin, size_t end);
void SIMD(squeeze_moments)(const Images *m, size_t begin, size_t end);
void SIMD(squeeze_gated)(const Images *m, size_t begin, size_t end);
void SIMD(squeeze_strips)(const Images *m, size_t begin, size_t end);

/* The result by rows of the map: x times CHANNEL; times ROWS and COLUMNS; times
 * CHANNEL and PLANE. */
void SIMD(apply_channel)(const Images *m, size_t begin, size_t end);
void SIMD(apply_strips)(const Images *m, size_t begin, size_t end);
void SIMD(apply_plane)(const Images *m, size_t begin, size_t end);

/* y = layer x for parts of all images, panels begin to end - 1; or for rows of
 * one part. */
void SIMD(layer_parts)(const Images *m, const Layer *l, size_t to, size_t from,
                       size_t begin, size_t end);

typedef struct Rows {
    float *at;
    size_t step;
} Rows;
void SIMD(layer_rows)(const Layer *l, Rows y, Rows x, size_t rows, size_t begin,
                      size_t end);

static inline size_t panels_of(const Layer *l)
{
    return ceil_div(l->out, LINE);
}

/* ---- the kernel ---------------------------------------------------------- */

bool SIMD(gate_supports)(const Tensor *out);
int SIMD(gate_plan)(Device *dev, const Tensor *out, void **state,
                    const GateModule *module);
int SIMD(gate_run)(Device *dev, const Tensor *out, void *state);
void SIMD(gate_release)(void *state);

/* The kernel of op `id`, for a GateModule id##_gate. */
#define GATE_KERNEL(id, strategy, in_place)                            \
    static int id##_plan(Device *dev, const Tensor *out, void **state) \
    {                                                                  \
        return SIMD(gate_plan)(dev, out, state, &id##_gate);           \
    }                                                                  \
    const Kernel SIMD(id) = {                                          \
        .op = &id##_def,                                               \
        .dtypes = SIMD_DTYPES,                                         \
        .name = strategy,                                              \
        .supports = SIMD(gate_supports),                               \
        .plan = id##_plan,                                             \
        .run = SIMD(gate_run),                                         \
        .release = SIMD(gate_release),                                 \
        .inplace = in_place,                                           \
        .packs = ((1u << MAX_SRC) - 1) & ~1u,                          \
    }

#endif
