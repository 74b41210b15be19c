/*
 * gate.c - the passes over the map, the layers and the run of gate.h
 *
 * Bound by bytes: x is read from memory once, again from the second-level cache
 * of a core where an image fits it, and y is written once.  Sums stay in
 * registers, of VECTORS vectors of channels, then of one.  The pass that writes
 * goes backwards, as the one before has left the last rows in the cache, and
 * what it writes pushes out the first.
 */
#include "kernels/cpu/simd/gate.h"

#include <math.h>

#include "kernels/cpu/simd/squeeze.h"

enum {
    CACHE_BYTES = 512 << 10, /* half a second-level cache */
    TILE_FLOATS = 2048,      /* a quarter of an L1 cache  */
};

/* ---- weights ------------------------------------------------------------- */

int SIMD(gate_floats)(Gate *g, float **to, size_t floats)
{
    void *p;

    TRY(state_new(&p, (floats ? floats : 1) * sizeof(float)));
    memset(p, 0, floats * sizeof(float));
    BUG_IF(g->n_owned == sizeof(g->owned) / sizeof(g->owned[0]));
    g->owned[g->n_owned++] = *to = p;
    return OK;
}

int SIMD(layer_new)(Gate *g, Layer *l, size_t out, size_t in, LayerWeights w)
{
    *l = (Layer){ in, out, NULL, NULL };
    TRY(SIMD(gate_floats)(g, &l->b, lines(out)));
    TRY(SIMD(gate_floats)(g, &l->w, lines(out) * in));
    for (size_t o = 0; o < out; o++) {
        const float scale = w.scale ? w.scale[o] : 1;
        float *to = l->w + o / LINE * LINE * in + o % LINE;

        l->b[o] = w.shift ? w.shift[o] : 0;
        for (size_t i = 0; i < in; i++)
            to[i * LINE] = w.w[o * in + i] * scale;
    }
    return OK;
}

int SIMD(norm_affine)(float **affine, const Tensor *const *norm, double eps)
{
    const size_t n = tensor_count(norm[0]);
    const float *weight = weight_host(norm[0]), *bias = weight_host(norm[1]);
    const float *mean = weight_host(norm[2]), *var = weight_host(norm[3]);

    *affine = malloc(2 * n * sizeof(float));
    if (!*affine)
        return fail(ERR_MEMORY, "no memory for %zu channels of a norm", n);
    for (size_t k = 0; k < n; k++) {
        const double scale = weight[k] / sqrt((double)var[k] + eps);

        (*affine)[k] = (float)scale;
        (*affine)[n + k] = (float)(bias[k] - mean[k] * scale);
    }
    return OK;
}

/* ---- layers -------------------------------------------------------------- */

/* Rows and panels at once: their product is the sums in flight. */
enum { MOST_ROWS = 4, SUMS_AT_ONCE = 8 };

/* `rows` rows of y, of `panels` panels from p on; both are constants. */
INLINE void layer_tile(const Layer *l, Rows y, Rows x, size_t p,
                       const size_t rows, const size_t panels)
{
    const size_t panel = LINE * l->in;

    for (size_t v = 0; v < LINE; v += LANES) {
        const float *w = l->w + p * panel + v;
        Vec sum[SUMS_AT_ONCE];

        UNROLL
        for (size_t k = 0; k < rows * panels; k++)
            sum[k] = load(l->b + (p + k / rows) * LINE + v);
        for (size_t i = 0; i < l->in; i++, w += LINE)
            UNROLL
        for (size_t k = 0; k < rows * panels; k++)
            sum[k] += load(w + k / rows * panel) * x.at[k % rows * x.step + i];
        UNROLL
        for (size_t k = 0; k < rows * panels; k++)
            store(y.at + k % rows * y.step + (p + k / rows) * LINE + v, sum[k]);
    }
}

/* `rows` rows, a constant; some panels at once, a constant; all that are left
 * of begin to end - 1. */
INLINE void layer_panels(const Layer *l, Rows y, Rows x, size_t begin,
                         size_t end, const size_t rows, const size_t panels)
{
    size_t p = begin;

    for (; p + panels <= end; p += panels)
        layer_tile(l, y, x, p, rows, panels);
    for (; p < end; p++)
        layer_tile(l, y, x, p, rows, 1);
}

void SIMD(layer_rows)(const Layer *l, Rows y, Rows x, size_t rows, size_t begin,
                      size_t end)
{
    while (rows) {
        const size_t n = min_size(rows, MOST_ROWS);

        switch (n) {
#define CASE(n, panels)                               \
    case n:                                           \
        layer_panels(l, y, x, begin, end, n, panels); \
        break;
            CASE(1, 4)
            CASE(2, 4)
            CASE(3, 2)
            CASE(4, 2)
#undef CASE
        }
        y.at += n * y.step;
        x.at += n * x.step;
        rows -= n;
    }
}

void SIMD(layer_parts)(const Images *m, const Layer *l, size_t to, size_t from,
                       size_t begin, size_t end)
{
    const Rows y = { part_at(m, 0, to), m->g->floats };
    const Rows x = { part_at(m, 0, from), m->g->floats };

    SIMD(layer_rows)(l, y, x, m->n, begin, end);
}

/* ---- squeezes ------------------------------------------------------------ */

void SIMD(squeeze_means)(const Images *m, size_t begin, size_t end)
{
    squeeze(m, begin, end, 0);
}

void SIMD(squeeze_products)(const Images *m, size_t begin, size_t end)
{
    squeeze(m, begin, end, TAKE_PRODUCTS);
}

void SIMD(squeeze_maxima)(const Images *m, size_t begin, size_t end)
{
    squeeze(m, begin, end, TAKE_MAXIMA);
}

void SIMD(squeeze_moments)(const Images *m, size_t begin, size_t end)
{
    squeeze(m, begin, end, TAKE_MOMENTS);
}

void SIMD(squeeze_gated)(const Images *m, size_t begin, size_t end)
{
    squeeze(m, begin, end, TAKE_MOMENTS | TAKE_GATED);
}

void SIMD(squeeze_strips)(const Images *m, size_t begin, size_t end)
{
    squeeze(m, begin, end, TAKE_STRIPS);
}

/* ---- result -------------------------------------------------------------- */

/* Factors of a row of the map: a, alike for all its positions;
 * and b, for each, or one number for each. */
typedef enum Second { NONE, VECTORS_B, NUMBERS_B } Second;
typedef struct RowGates {
    const float *a, *b;
    size_t positions;
} RowGates;

/* nv vectors of channels of a row of the map; nv and second are constants. */
INLINE void scale_column(const Gate *gate, Elem *y, const Elem *x, RowGates g,
                         const Second second, const size_t nv)
{
    const size_t C = gate->C, row = gate->row;
    Vec a[VECTORS];

    UNROLL
    for (size_t v = 0; v < nv; v++)
        a[v] = load(g.a + v * LANES);
    for (size_t w = g.positions; w; w--, y += C, x += C) {
        const Vec number = splat(second == NUMBERS_B ? *g.b : 1);

        UNROLL
        for (size_t v = 0; v < nv; v++) {
            const Vec b = second == VECTORS_B ? load(g.b + v * LANES) : number;

            store_elems(y + v * LANES, load_elems(x + v * LANES) *
                                           (second == NONE ? a[v] : a[v] * b));
        }
        g.b += second == VECTORS_B ? row : second == NUMBERS_B;
    }
}

static void scale_rest(const Gate *gate, Elem *y, const Elem *x, RowGates g,
                       Second second, size_t channels)
{
    for (size_t w = g.positions; w; w--, y += gate->C, x += gate->C) {
        for (size_t k = 0; k < channels; k++) {
            const float b = second == NONE        ? 1
                            : second == VECTORS_B ? g.b[k]
                                                  : *g.b;

            y[k] = elem(number(x[k]) * (g.a[k] * b));
        }
        g.b += second == VECTORS_B ? gate->row : second == NUMBERS_B;
    }
}

INLINE void scale_row(const Gate *gate, Elem *y, const Elem *x, RowGates g,
                      const Second second)
{
    const size_t C = gate->C, move = second == VECTORS_B;
    size_t k = 0;

    for (; k + VECTORS * LANES <= C; k += VECTORS * LANES)
        scale_column(gate, y + k, x + k,
                     (RowGates){ g.a + k, g.b + k * move, g.positions }, second,
                     VECTORS);
    for (; k + LANES <= C; k += LANES)
        scale_column(gate, y + k, x + k,
                     (RowGates){ g.a + k, g.b + k * move, g.positions }, second,
                     1);
    if (k < C)
        scale_rest(gate, y + k, x + k,
                   (RowGates){ g.a + k, g.b + k * move, g.positions }, second,
                   C - k);
}

void SIMD(apply_channel)(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;

    for (size_t i = m->n; i-- > 0;)
        for (size_t h = end; h-- > begin;) {
            const size_t at = h * g->W * g->C;
            const float *gate = part_at(m, i, CHANNEL);

            scale_row(g, image_y(m, i) + at, image_x(m, i) + at,
                      (RowGates){ gate, gate, g->W }, NONE);
        }
}

void SIMD(apply_strips)(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;

    for (size_t i = m->n; i-- > 0;)
        for (size_t w = 0; w < g->W; w += g->tile)
            for (size_t h = end; h-- > begin;) {
                const size_t at = (h * g->W + w) * g->C;
                const RowGates gates = { part_at(m, i, ROWS) + h * g->row,
                                         part_at(m, i, COLUMNS) + w * g->row,
                                         min_size(g->tile, g->W - w) };

                scale_row(g, image_y(m, i) + at, image_x(m, i) + at, gates,
                          VECTORS_B);
            }
}

/* The first rows first, after a pass backwards. */
void SIMD(apply_plane)(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;

    for (size_t i = 0; i < m->n; i++)
        for (size_t h = begin; h < end; h++) {
            const size_t at = h * g->W * g->C;
            const RowGates gates = { part_at(m, i, CHANNEL),
                                     part_at(m, i, PLANE) + h * lines(g->W),
                                     g->W };

            scale_row(g, image_y(m, i) + at, image_x(m, i) + at, gates,
                      NUMBERS_B);
        }
}

/* ---- plan ---------------------------------------------------------------- */

bool SIMD(gate_supports)(const Tensor *out)
{
    for (int k = 1; k < MAX_SRC; k++)
        if (out->src[k] && !is_weight(out->src[k]))
            return false;
    return true;
}

void SIMD(gate_release)(void *state)
{
    Gate *g = state;

    if (!g)
        return;
    for (size_t i = 0; i < g->n_owned; i++)
        free(g->owned[i]);
    free(g);
}

int SIMD(gate_plan)(Device *dev, const Tensor *out, void **state,
                    const GateModule *module)
{
    const size_t bytes = tensor_count(out) / (size_t)out->dim[0] * sizeof(Elem);
    const size_t fit = CACHE_BYTES / bytes, threads = (size_t)dev->threads;
    Gate *g;

    *state = g = calloc(1, sizeof(*g));
    if (!g)
        return fail(ERR_MEMORY, "no memory for the state of a kernel");
    g->module = module;
    g->facts = &((const ModuleAttr *)out->attr)->facts;
    g->C = (size_t)out->dim[1];
    g->H = (size_t)out->dim[2];
    g->W = (size_t)out->dim[3];
    g->row = lines(g->C);
    g->tile = ceil_div(g->W, ceil_div(g->W * g->row, TILE_FLOATS));
    g->at_once = fit < 1 ? 1 : min_size(fit, AT_ONCE);
    TRY(module->plan(g, out));
    g->own = g->at_once * g->floats + lines(g->buffer);
    return SIMD(gate_floats)(g, &g->scratch, threads * g->own);
}

/* ---- run ----------------------------------------------------------------- */

static Images images_at(const Gate *g, const Tensor *out, size_t from, size_t n,
                        size_t thread)
{
    const size_t at = from * g->H * g->W * g->C;

    return (Images){ g, n, (const Elem *)out->src[0]->data + at,
                     (Elem *)out->data + at, g->scratch + thread * g->own };
}

static size_t units_of(const Gate *g, const GateStep *s)
{
    return s->units == UNIT_ALL     ? 1
           : s->units == UNIT_LINES ? g->row / LINE
                                    : g->H;
}

/* Units are images. */
static void images(const Tensor *out, const void *state, size_t begin,
                   size_t end)
{
    const Gate *g = state;

    for (size_t n = begin; n < end; n += g->at_once) {
        const Images m = images_at(g, out, n, min_size(g->at_once, end - n),
                                   (size_t)omp_get_thread_num());

        for (const GateStep *s = g->module->steps; s->run; s++)
            s->run(&m, 0, units_of(g, s));
    }
}

/* A step of one image, for all threads. */
typedef struct Share {
    Images m;
    GateRange *run;
} Share;

static void share(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Share *a = state;

    (void)out;
    a->run(&a->m, begin, end);
}

int SIMD(gate_run)(Device *dev, const Tensor *out, void *state)
{
    const Gate *g = state;
    const size_t N = (size_t)out->dim[0], threads = (size_t)dev->threads;
    const size_t apart = N / threads * threads;
    const double map = (double)(g->C * g->H * g->W);

    if (apart)
        TRY(split(dev, out, g,
                  (Split){ images, apart, 2 * (double)tensor_count(out) }));
    for (size_t n = apart; n < N; n++)
        for (const GateStep *s = g->module->steps; s->run; s++) {
            const Share a = { images_at(g, out, n, 1, 0), s->run };

            TRY(split(
                dev, out, &a,
                (Split){ share, units_of(g, s), s->work ? s->work(g) : map }));
        }
    return OK;
}
