/*
 * gate_strips.c - CA and ELA as one op: gates from means of rows and columns
 *
 *   CA    f = hard_swish(norm(W z)) of both strips z,  g_h = sigmoid(W_h f_h +
 *         b_h), g_w = sigmoid(W_w f_w + b_w)
 *   ELA   g = sigmoid(GN(dwconv(z))) of each strip z
 *         y = x g_h g_w
 *
 * Bound by bytes, and by the latency of layers or filters over H + W positions.
 *
 *   two_passes  both strips take one read of x.  CA's norm is in W.
 */
#include "kernels/cpu/simd/gate.h"
#include "kernels/cpu/simd/strips.h"

/* ---- CA ------------------------------------------------------------------ */

enum { HIDDEN = OWN }; /* (H + W, lines of hidden) */
enum { CA_W = 1, CA_NORM, CA_H = CA_NORM + 4, CA_H_BIAS, CA_V, CA_V_BIAS };

static int ca_weights(Gate *g, const Tensor *out)
{
    const Tensor *const *src = (const Tensor *const *)out->src;
    const size_t hidden = (size_t)src[CA_W]->dim[0];
    float *affine;
    int err;

    gate_part(g, STRIPS, strip_rows(g) * g->row, 0);
    gate_part(g, HIDDEN, (g->H + g->W) * lines(hidden), 0);
    gate_part(g, ROWS, g->H * g->row, 0);
    gate_part(g, COLUMNS, g->W * g->row, 0);
    TRY(SIMD(norm_affine)(&affine, src + CA_NORM, g->facts->eps));
    err = SIMD(layer_new)(
        g, &g->layer[0], hidden, g->C,
        (LayerWeights){ weight_host(src[CA_W]), affine, affine + hidden });
    free(affine);
    TRY(err);
    TRY(SIMD(layer_new)(g, &g->layer[1], g->C, hidden,
                        (LayerWeights){ weight_host(src[CA_H]), NULL,
                                        weight_host(src[CA_H_BIAS]) }));
    return SIMD(layer_new)(g, &g->layer[2], g->C, hidden,
                           (LayerWeights){ weight_host(src[CA_V]), NULL,
                                           weight_host(src[CA_V_BIAS]) });
}

static inline float hard_swish_of(float x)
{
    return x * relu6_of(x + 3) * (1 / 6.f);
}

static void ca_excite(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;
    const size_t H = g->H, W = g->W, hidden = lines(g->layer[0].out);

    (void)begin;
    (void)end;
    for (size_t i = 0; i < m->n; i++) {
        const Rows f = { part_at(m, i, HIDDEN), hidden };
        const Rows f_w = { f.at + H * hidden, hidden };

        SIMD(layer_rows)
        (&g->layer[0], f, (Rows){ strip_h(m, i), g->row }, H + W, 0,
         panels_of(&g->layer[0]));
#pragma omp simd
        for (size_t k = 0; k < (H + W) * hidden; k++)
            f.at[k] = hard_swish_of(f.at[k]);
        SIMD(layer_rows)
        (&g->layer[1], (Rows){ part_at(m, i, ROWS), g->row }, f, H, 0,
         panels_of(&g->layer[1]));
        SIMD(layer_rows)
        (&g->layer[2], (Rows){ part_at(m, i, COLUMNS), g->row }, f_w, W, 0,
         panels_of(&g->layer[2]));
    }
    sigmoid_part(m, ROWS, H * g->row);
    sigmoid_part(m, COLUMNS, W * g->row);
}

static const GateModule ca_gate = {
    .plan = ca_weights,
    .steps = { { SIMD(squeeze_strips), UNIT_LINES, NULL },
               { ca_excite, UNIT_ALL, NULL },
               { SIMD(apply_strips), UNIT_ROWS, NULL } },
};
GATE_KERNEL(ca, "two_passes", 1);

/* ---- ELA ----------------------------------------------------------------- */

enum { FILTER, WEIGHT, BIAS };  /* of Gate.w: (taps,row), (row), (row) */
enum { MOMENTS = OWN, AFFINE }; /* (3,row) of each strip: both */

static int ela_weights(Gate *g, const Tensor *out)
{
    const float *filter = weight_host(out->src[1]);
    const size_t row = g->row * sizeof(float), C = g->C * sizeof(float);

    g->taps = (size_t)out->src[1]->dim[2];
    g->halo = g->taps / 2;
    gate_part(g, STRIPS, strip_rows(g) * g->row, 0);
    gate_part(g, ROWS, g->H * g->row, 0);
    gate_part(g, COLUMNS, g->W * g->row, 0);
    gate_part(g, MOMENTS, 6 * g->row, 0);
    gate_part(g, AFFINE, 6 * g->row, 0);
    TRY(SIMD(gate_floats)(g, &g->w[FILTER], g->taps * row / sizeof(float)));
    TRY(SIMD(gate_floats)(g, &g->w[WEIGHT], g->row));
    TRY(SIMD(gate_floats)(g, &g->w[BIAS], g->row));
    memcpy(g->w[WEIGHT], weight_host(out->src[2]), C);
    memcpy(g->w[BIAS], weight_host(out->src[3]), C);
    for (size_t c = 0; c < g->C; c++)
        for (size_t t = 0; t < g->taps; t++)
            g->w[FILTER][t * g->row + c] = filter[c * g->taps + t];
    return OK;
}

/* One strip of an image: L sums between zeros, L gates. */
typedef struct Strip {
    size_t L;
    const float *means;
    float *gate;
    Moments moments;
    NormRows affine;
} Strip;

static Strip strip_of(const Images *m, size_t image, bool columns)
{
    const size_t row = m->g->row, skip = columns ? 3 * row : 0;
    float *moments = part_at(m, image, MOMENTS) + skip;
    float *affine = part_at(m, image, AFFINE) + skip;

    return (Strip){ columns ? m->g->W : m->g->H,
                    columns ? strip_w(m, image) : strip_h(m, image),
                    part_at(m, image, columns ? COLUMNS : ROWS),
                    { moments, moments + row, moments + 2 * row },
                    { affine, affine + row, affine + 2 * row } };
}

/* Units are lines of channels. */
static void filter_strips(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;
    const size_t from = begin * LINE, to = end * LINE;

    for (size_t i = 0; i < 2 * m->n; i++) {
        const Strip s = strip_of(m, i / 2, i % 2);

        for (size_t c = from; c < to; c += LANES)
            filter_vector(g->row, s.gate + c, s.means + c - g->halo * g->row,
                          s.L, g->w[FILTER] + c, g->taps, splat(0), 1);
        take_moments(g->row, s.moments, s.gate, s.L, from, to);
    }
}

static void norm_strips(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;

    for (size_t i = 0; i < 2 * m->n; i++) {
        const Strip s = strip_of(m, i / 2, i % 2);
        const NormRows a = s.affine;
        const Norm norm = { s.moments,
                            g->C,
                            s.L,
                            (size_t)g->facts->groups,
                            { g->w[WEIGHT], g->w[BIAS] },
                            g->facts->eps };

        set_affine(&norm, a, begin * LINE, end * LINE);
        for (size_t l = 0; l < s.L; l++) {
            float *gate = s.gate + l * g->row;

#pragma omp simd
            for (size_t k = begin * LINE; k < end * LINE; k++)
                gate[k] = (gate[k] - a.mean[k]) * a.scale[k] + a.shift[k];
            sigmoid_all(gate + begin * LINE, (end - begin) * LINE);
        }
    }
}

/* Numbers of both strips, times what an exponential counts. */
static double strips_work(const Gate *g)
{
    return 4 * (double)(g->C * (g->H + g->W));
}

static const GateModule ela_gate = {
    .plan = ela_weights,
    .steps = { { SIMD(squeeze_strips), UNIT_LINES, NULL },
               { filter_strips, UNIT_LINES, strips_work },
               { norm_strips, UNIT_LINES, strips_work },
               { SIMD(apply_strips), UNIT_ROWS, NULL } },
};
GATE_KERNEL(ela, "two_passes", 1);
