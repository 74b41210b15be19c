/*
 * gate_se.c - SE, SE with a norm, and FCA as one op: a bottleneck of two layers
 *
 *   y = x sigmoid(W2 relu(W1 z)),  z: means of the map, or its frequencies
 *
 * Bound by bytes: the layers are C^2 / 8 multiply-adds for C H W numbers.
 *
 *   two_passes  sums and the result, see gate.h.  The norm of se_conv is in W1.
 *               A map that FCA pools first is not: pooling is a sum along rows
 *               and along columns, so that the tables of the transform absorb
 *               it.  Only where z is not finite is it done as it is written,
 *               for an infinity may be in two windows with different signs.
 */
#include <math.h>

#include "kernels/cpu/simd/gate.h"

enum { HIDDEN = OWN };

static int plan_layers(Gate *g, const Tensor *w1, const Tensor *w2,
                       const float *scale, const float *shift)
{
    const size_t hidden = (size_t)w1->dim[0];
    const LayerWeights first = { weight_host(w1), scale, shift };
    const LayerWeights second = { weight_host(w2), NULL, NULL };

    gate_part(g, SUMS, g->row, 0);
    gate_part(g, CHANNEL, g->row, 0);
    gate_part(g, HIDDEN, hidden, 0);
    TRY(SIMD(layer_new)(g, &g->layer[0], hidden, g->C, first));
    return SIMD(layer_new)(g, &g->layer[1], g->C, hidden, second);
}

static void excite(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;
    const Layer *l = g->layer;

    (void)begin;
    (void)end;
    SIMD(layer_parts)(m, &l[0], HIDDEN, SUMS, 0, panels_of(&l[0]));
    for (size_t i = 0; i < m->n; i++)
        for (size_t k = 0; k < l[0].out; k++)
            part_at(m, i, HIDDEN)[k] = relu_of(part_at(m, i, HIDDEN)[k]);
    SIMD(layer_parts)(m, &l[1], CHANNEL, HIDDEN, 0, panels_of(&l[1]));
    sigmoid_part(m, CHANNEL, g->row);
}

/* ---- SE ------------------------------------------------------------------ */

enum { SE_W1 = 1, SE_W2 };

static int se_weights(Gate *g, const Tensor *out)
{
    return plan_layers(g, out->src[SE_W1], out->src[SE_W2], NULL, NULL);
}

static const GateModule se_gate = {
    .plan = se_weights,
    .steps = { { SIMD(squeeze_means), UNIT_LINES, NULL },
               { excite, UNIT_ALL, NULL },
               { SIMD(apply_channel), UNIT_ROWS, NULL } },
};
GATE_KERNEL(se, "two_passes", 1);

/* ---- SE with a norm ------------------------------------------------------ */

enum { SE_CONV_W1 = 1, SE_CONV_NORM, SE_CONV_W2 = SE_CONV_NORM + 4 };

static int se_conv_weights(Gate *g, const Tensor *out)
{
    const Tensor *const *src = (const Tensor *const *)out->src;
    float *affine;
    int err;

    TRY(SIMD(norm_affine)(&affine, src + SE_CONV_NORM, g->facts->eps));
    err = plan_layers(g, src[SE_CONV_W1], src[SE_CONV_W2], affine,
                      affine + src[SE_CONV_W1]->dim[0]);
    free(affine);
    return err;
}

static const GateModule se_conv_gate = {
    .plan = se_conv_weights,
    .steps = { { SIMD(squeeze_means), UNIT_LINES, NULL },
               { excite, UNIT_ALL, NULL },
               { SIMD(apply_channel), UNIT_ROWS, NULL } },
};
GATE_KERNEL(se_conv, "two_passes", 1);

/* ---- FCA ----------------------------------------------------------------- */

/* The `to` windows of an axis of length L: window i is of [begin, end). */
typedef struct Window {
    size_t begin, end;
} Window;

static Window window_at(size_t i, size_t to, size_t L)
{
    return (Window){ i * L / to, ceil_div((i + 1) * L, to) };
}

/* along[l,c] of an axis: what position l counts in the frequency of c. */
static void fill_along(const Gate *g, float *along, size_t L, int pooled,
                       const int *frequency)
{
    const size_t group = g->C / (size_t)g->facts->dct.n;

    for (size_t l = 0; l < L; l++)
        for (size_t c = 0; c < g->C; c++) {
            double sum = 0;

            for (int i = 0; i < pooled; i++) {
                const Window w = window_at((size_t)i, (size_t)pooled, L);

                if (l >= w.begin && l < w.end)
                    sum += dct_basis(i, frequency[c / group], pooled) /
                           (double)(w.end - w.begin);
            }
            along[l * g->row + c] = (float)sum;
        }
}

static int fca_weights(Gate *g, const Tensor *out)
{
    const ModuleFacts *f = g->facts;

    TRY(SIMD(gate_floats)(g, &g->w[ALONG_H], g->H * g->row));
    TRY(SIMD(gate_floats)(g, &g->w[ALONG_W], g->W * g->row));
    fill_along(g, g->w[ALONG_H], g->H, f->pool_h, f->dct.u);
    fill_along(g, g->w[ALONG_W], g->W, f->pool_w, f->dct.v);
    return se_weights(g, out);
}

/* The frequency of channel c, whose numbers begin at x, as it is written. */
static float frequency_of(const Gate *g, const Elem *x, size_t c)
{
    const ModuleFacts *f = g->facts;
    const size_t group = c / (g->C / (size_t)f->dct.n);
    double sum = 0;

    for (int i = 0; i < f->pool_h; i++)
        for (int j = 0; j < f->pool_w; j++) {
            const Window rows = window_at((size_t)i, (size_t)f->pool_h, g->H);
            const Window columns =
                window_at((size_t)j, (size_t)f->pool_w, g->W);
            double mean = 0;

            for (size_t h = rows.begin; h < rows.end; h++)
                for (size_t w = columns.begin; w < columns.end; w++)
                    mean += number(x[(h * g->W + w) * g->C]);
            mean /= (double)(rows.end - rows.begin) *
                    (double)(columns.end - columns.begin);
            sum += mean * dct_basis(i, f->dct.u[group], f->pool_h) *
                   dct_basis(j, f->dct.v[group], f->pool_w);
        }
    return (float)sum;
}

static void settle(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;

    (void)begin;
    (void)end;
    if (g->facts->pool_h == (int)g->H && g->facts->pool_w == (int)g->W)
        return;
    for (size_t i = 0; i < m->n; i++) {
        float *z = part_at(m, i, SUMS);

        for (size_t c = 0; c < g->C; c++)
            if (!isfinite(z[c]))
                z[c] = frequency_of(g, image_x(m, i) + c, c);
    }
}

static const GateModule fca_gate = {
    .plan = fca_weights,
    .steps = { { SIMD(squeeze_products), UNIT_LINES, NULL },
               { settle, UNIT_ALL, NULL },
               { excite, UNIT_ALL, NULL },
               { SIMD(apply_channel), UNIT_ROWS, NULL } },
};
GATE_KERNEL(fca, "two_passes", 1);
