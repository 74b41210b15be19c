/*
 * gate_cbam.c - CBAM as one op: a gate for each channel, then for each position
 *
 *   s = sigmoid(W1 relu(W0 mean) + W1 relu(W0 max)),  x' = x s
 *   t = sigmoid(conv(mean over C of x', max over C of x')),  y = x' t
 *
 * Bound by bytes: x is read for the channels, again for the positions, again
 * to write y; and by the 2 k^2 multiply-adds of each position.
 *
 *   three_passes  W1 is taken once, of the sum of what it is applied to.  Sums
 *                 and maxima over the channels of LANES positions are joined at
 *                 once.  Maxima may lose a NaN: the mean has it, and no result
 *                 depends on one without the other.  7x7 is done in tiles of
 *                 TILE rows, so that a load serves as many of them.
 */
#include <math.h>

#include "kernels/cpu/simd/gate.h"
#include "kernels/cpu/simd/lanes.h"

enum {
    HIDDEN = OWN, /* of means, and after it of maxima            */
    HIDDEN_MAX,
    PLANES,     /* means and maxima, (H + k - 1,stride) each     */
    TILE = 7,   /* rows: divides 7, 14, 28 and 56                */
    COMMON = 7, /* the filter of the paper                       */
};
enum { CBAM_W0 = 1, CBAM_W1, CBAM_FILTER };
enum { FILTER }; /* of Gate.w: (2,k,k), the rows of a column together */

static size_t stride_of(const Gate *g)
{
    return lines(lines(g->W) + g->taps - 1);
}

static int cbam_weights(Gate *g, const Tensor *out)
{
    const Tensor *w0 = out->src[CBAM_W0], *w1 = out->src[CBAM_W1];
    const float *filter = weight_host(out->src[CBAM_FILTER]);
    const size_t k = (size_t)out->src[CBAM_FILTER]->dim[2];
    const size_t hidden = (size_t)w0->dim[0];

    g->taps = k;
    gate_part(g, SUMS, g->row, 0);
    gate_part(g, MAXIMA, g->row, 0);
    gate_part(g, CHANNEL, g->row, 0);
    gate_part(g, HIDDEN, hidden, 0);
    gate_part(g, HIDDEN_MAX, hidden, 0);
    gate_part(g, PLANES, 2 * (g->H + k - 1) * stride_of(g), 0);
    gate_part(g, PLANE, g->H * lines(g->W), 0);
    TRY(SIMD(gate_floats)(g, &g->w[FILTER], 2 * k * k));
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++)
                g->w[FILTER][(p * k + j) * k + i] = filter[(p * k + i) * k + j];
    TRY(SIMD(layer_new)(g, &g->layer[0], hidden, g->C,
                        (LayerWeights){ weight_host(w0), NULL, NULL }));
    return SIMD(layer_new)(g, &g->layer[1], g->C, hidden,
                           (LayerWeights){ weight_host(w1), NULL, NULL });
}

static void excite(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;
    const size_t panels = panels_of(&g->layer[0]);

    (void)begin;
    (void)end;
    SIMD(layer_parts)(m, &g->layer[0], HIDDEN, SUMS, 0, panels);
    SIMD(layer_parts)(m, &g->layer[0], HIDDEN_MAX, MAXIMA, 0, panels);
    for (size_t i = 0; i < m->n; i++) {
        float *a = part_at(m, i, HIDDEN), *b = part_at(m, i, HIDDEN_MAX);

        for (size_t k = 0; k < g->layer[0].out; k++)
            a[k] = relu_of(a[k]) + relu_of(b[k]);
    }
    SIMD(layer_parts)
    (m, &g->layer[1], CHANNEL, HIDDEN, 0, panels_of(&g->layer[1]));
    sigmoid_part(m, CHANNEL, g->C);
    for (size_t i = 0; i < m->n; i++)
        memset(part_at(m, i, CHANNEL) + g->C, 0,
               (g->row - g->C) * sizeof(float));
}

/* ---- means and maxima over channels -------------------------------------- */

/* Sums and maxima of x' at one position, lane by lane. */
static inline void see_position(Vec *sum, Vec *most, const Elem *x,
                                const float *gate, size_t C)
{
    Vec s = splat(0), a = splat(-INFINITY);
    size_t k = 0;

    for (; k + LANES <= C; k += LANES) {
        const Vec v = load_elems(x + k) * load(gate + k);

        s += v;
        a = larger(a, v);
    }
    if (k < C) {
        const Vec v = load_elems_part(x + k, C - k) * load(gate + k);
        Vec beyond = splat(0);

        for (size_t l = C - k; l < LANES; l++)
            beyond[l] = -INFINITY;
        s += v;
        a = larger(a, v + beyond);
    }
    *sum = s;
    *most = a;
}

/* A row of the map into a row of both planes. */
static void see_row(const Gate *g, float *mean, float *max, const Elem *x,
                    const float *gate)
{
    const float part = 1 / (float)g->C;
    Vec sum[LANES], most[LANES];

    for (size_t w = 0; w < g->W; w += LANES) {
        const size_t n = min_size(LANES, g->W - w);
        Vec means, maxima;

        for (size_t r = n; r < LANES; r++)
            sum[r] = most[r] = splat(0);
        for (size_t r = 0; r < n; r++, x += g->C)
            see_position(&sum[r], &most[r], x, gate, g->C);
        means = join_lanes(sum, true) * part;
        maxima = join_lanes(most, false);
        if (n == LANES) {
            store(mean + w, means);
            store(max + w, maxima);
        } else {
            store_part(mean + w, means, n);
            store_part(max + w, maxima, n);
        }
    }
}

/* The last rows first: the pass before has left them in the cache. */
static void see_positions(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;
    const size_t stride = stride_of(g), half = g->taps / 2;
    const size_t plane = (g->H + g->taps - 1) * stride;

    for (size_t i = m->n; i-- > 0;)
        for (size_t h = end; h-- > begin;) {
            float *mean = part_at(m, i, PLANES) + (h + half) * stride + half;

            see_row(g, mean, mean + plane, image_x(m, i) + h * g->W * g->C,
                    part_at(m, i, CHANNEL));
        }
}

/* ---- the filter ---------------------------------------------------------- */

/* LANES positions of `rows` rows; rows and k are constants. */
INLINE void filter_tile(const Gate *g, float *to, const float *plane,
                        const size_t rows, const size_t k)
{
    const size_t stride = stride_of(g), next = (g->H + k - 1) * stride;
    const float *filter = g->w[FILTER];
    Vec sum[TILE];

    UNROLL
    for (size_t r = 0; r < rows; r++)
        sum[r] = splat(0);
    for (size_t p = 0; p < 2; p++, plane += next)
        for (size_t j = 0; j < k; j++, filter += k)
            UNROLL
    for (size_t i = 0; i < rows + k - 1; i++) {
        const Vec in = load(plane + i * stride + j);

        UNROLL
        for (size_t r = 0; r < rows; r++)
            if (i >= r && i - r < k)
                sum[r] += in * filter[i - r];
    }
    UNROLL
    for (size_t r = 0; r < rows; r++)
        store(to + r * lines(g->W), sum[r]);
}

/* Rows h on of an image, as many as are done at once of `left`. */
static size_t filter_rows(const Images *m, size_t image, size_t h, size_t left)
{
    const Gate *g = m->g;
    const size_t rows = g->taps == COMMON && left >= TILE ? TILE : 1;
    const float *plane = part_at(m, image, PLANES) + h * stride_of(g);
    float *to = part_at(m, image, PLANE) + h * lines(g->W);

    for (size_t w = 0; w < g->W; w += LANES)
        if (rows == TILE)
            filter_tile(g, to + w, plane + w, TILE, COMMON);
        else if (g->taps == COMMON)
            filter_tile(g, to + w, plane + w, 1, COMMON);
        else
            filter_tile(g, to + w, plane + w, 1, g->taps);
    sigmoid_all(to, rows * lines(g->W));
    return rows;
}

static void filter_positions(const Images *m, size_t begin, size_t end)
{
    for (size_t i = 0; i < m->n; i++)
        for (size_t h = begin; h < end;)
            h += filter_rows(m, i, h, end - h);
}

static double filter_work(const Gate *g)
{
    return (double)(g->H * g->W * g->taps * g->taps) / 2;
}

static const GateModule cbam_gate = {
    .plan = cbam_weights,
    .steps = { { SIMD(squeeze_maxima), UNIT_LINES, NULL },
               { excite, UNIT_ALL, NULL },
               { see_positions, UNIT_ROWS, NULL },
               { filter_positions, UNIT_ROWS, filter_work },
               { SIMD(apply_plane), UNIT_ROWS, NULL } },
};
GATE_KERNEL(cbam, "three_passes", 1);
