/*
 * gate_eca.c - ECA and AFGCA as one op: a filter along the list of channels
 *
 *   ECA     y = x sigmoid(f * z),  z: means of the map, f * z: a convolution
 *   AFGCA   u = f * z, v = W z + b,  o1 = sigmoid(v sum u), o2 = sigmoid(u sum
 *           v),  y = x sigmoid(f * (m o1 + (1 - m) o2)),  m a weight
 *
 * Bound by bytes, AFGCA also by those of W, which are as many as a map of C
 * positions; hence several images at once (gate.h).
 *
 *   two_passes  sums and the result.  AFGCA's C x C products do not exist: what
 *               is taken of them are sums, of rows and of columns.  Only where
 *               a sum is not finite are the products added up one by one: there
 *               0 times infinity is in them.
 */
#include <math.h>

#include "kernels/cpu/simd/gate.h"
#include "kernels/cpu/simd/rows.h"

enum { FILTER }; /* of Gate.w */

/* SUMS between zeros, and the filter. */
static int plan_filter(Gate *g, const Tensor *filter)
{
    g->taps = tensor_count(filter);
    gate_part(g, SUMS, g->row, g->taps / 2);
    gate_part(g, CHANNEL, g->row, 0);
    TRY(SIMD(gate_floats)(g, &g->w[FILTER], g->taps));
    memcpy(g->w[FILTER], weight_host(filter), g->taps * sizeof(float));
    return OK;
}

/* to[c] = sum over t of x[c + t - taps / 2] filter[t]; x lies between zeros. */
static void filter_channels(const Gate *g, float *to, const float *x)
{
    const float *filter = g->w[FILTER];

    x -= g->taps / 2;
    for (size_t c = 0; c < g->row; c += LANES) {
        Vec sum = splat(0);

        for (size_t t = 0; t < g->taps; t++)
            sum += load(x + c + t) * filter[t];
        store(to + c, sum);
    }
}

/* CHANNEL, of the part of each image that is filtered. */
static void gate_by(const Images *m, size_t part)
{
    for (size_t i = 0; i < m->n; i++)
        filter_channels(m->g, part_at(m, i, CHANNEL), part_at(m, i, part));
    sigmoid_part(m, CHANNEL, m->g->row);
}

/* ---- ECA ----------------------------------------------------------------- */

static int eca_weights(Gate *g, const Tensor *out)
{
    return plan_filter(g, out->src[1]);
}

static void eca_excite(const Images *m, size_t begin, size_t end)
{
    (void)begin;
    (void)end;
    gate_by(m, SUMS);
}

static const GateModule eca_gate = {
    .plan = eca_weights,
    .steps = { { SIMD(squeeze_means), UNIT_LINES, NULL },
               { eca_excite, UNIT_ALL, NULL },
               { SIMD(apply_channel), UNIT_ROWS, NULL } },
};
GATE_KERNEL(eca, "two_passes", 1);

/* ---- AFGCA --------------------------------------------------------------- */

enum { U = OWN, V, MIXED };
enum { AFGCA_FILTER = 1, AFGCA_W, AFGCA_B, AFGCA_MIX, MIX = FILTER + 1 };

static int afgca_weights(Gate *g, const Tensor *out)
{
    const LayerWeights full = { weight_host(out->src[AFGCA_W]), NULL,
                                weight_host(out->src[AFGCA_B]) };

    TRY(plan_filter(g, out->src[AFGCA_FILTER]));
    gate_part(g, U, g->row, 0);
    gate_part(g, V, g->row, 0);
    gate_part(g, MIXED, g->row, g->taps / 2);
    TRY(SIMD(gate_floats)(g, &g->w[MIX], 1));
    *g->w[MIX] = sigmoid_of(*weight_host(out->src[AFGCA_MIX]));
    return SIMD(layer_new)(g, &g->layer[0], g->C, g->C, full);
}

/* Units are panels of v. */
static void full_layer(const Images *m, size_t begin, size_t end)
{
    SIMD(layer_parts)(m, &m->g->layer[0], V, SUMS, begin, end);
}

static double full_work(const Gate *g)
{
    return (double)(g->C * g->C) / 4;
}

/* The sum over all a of a b, product by product. */
static float sum_products(const float *a, float b, size_t n)
{
    float sum = 0;

    for (size_t k = 0; k < n; k++)
        sum += a[k] * b;
    return sum;
}

/* MIXED, of U and V. */
static void mix(const Images *m, size_t image)
{
    const size_t C = m->g->C;
    const float *u = part_at(m, image, U), *v = part_at(m, image, V);
    const float sum_u = sum_floats(u, C), sum_v = sum_floats(v, C);
    const float share = *m->g->w[MIX];
    float *to = part_at(m, image, MIXED);

    if (isfinite(sum_u) && isfinite(sum_v)) {
#pragma omp simd
        for (size_t c = 0; c < C; c++)
            to[c] = share * sigmoid_of(v[c] * sum_u) +
                    (1 - share) * sigmoid_of(u[c] * sum_v);
        return;
    }
    for (size_t c = 0; c < C; c++)
        to[c] = share * sigmoid_of(sum_products(u, v[c], C)) +
                (1 - share) * sigmoid_of(sum_products(v, u[c], C));
}

static void afgca_excite(const Images *m, size_t begin, size_t end)
{
    (void)begin;
    (void)end;
    for (size_t i = 0; i < m->n; i++) {
        filter_channels(m->g, part_at(m, i, U), part_at(m, i, SUMS));
        mix(m, i);
    }
    gate_by(m, MIXED);
}

static const GateModule afgca_gate = {
    .plan = afgca_weights,
    .steps = { { SIMD(squeeze_means), UNIT_LINES, NULL },
               { full_layer, UNIT_LINES, full_work },
               { afgca_excite, UNIT_ALL, NULL },
               { SIMD(apply_channel), UNIT_ROWS, NULL } },
};
GATE_KERNEL(afgca, "two_passes", 1);
