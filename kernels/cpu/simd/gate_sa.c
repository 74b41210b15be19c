/*
 * gate_sa.c - SA as one op: half of each group of channels gated by its means,
 * half by where it stands out from them, then a shuffle
 *
 *   a' = a sigmoid(c_w mean(a) + c_b),  b' = b sigmoid(s_w norm(b) + s_b)
 *   y[2 i + h] = (all a', b')[h C / 2 + i]
 *
 * Bound by exponentials: one for every number of b, half of the map; and by
 * bytes.  A group's halves are back where they were before the shuffle, so that
 * it is a move within each position.
 *
 *   two_passes  moments of all channels, then the result.  b's channels are
 *               collected from two vectors into one, so that no lane of a
 *               sigmoid is idle; gated, two halves leave in turns.  By numbers
 *               where a pair of vectors does not hold whole groups.
 */
#include <math.h>

#include "kernels/cpu/simd/gate.h"
#include "kernels/cpu/simd/lanes.h"

enum { SA_C_W = 1, SA_C_B, SA_S_W, SA_S_B, SA_NORM_WEIGHT, SA_NORM_BIAS };
/* Gate.w: (row) each.  CHANNEL gets a's gates; for b it is GAIN (x - mean) +
 * SHIFT that the sigmoid is of. */
enum { SCALE, OFFSET, WEIGHT, BIAS };
enum { MEAN = OWN, GAIN, SHIFT };
/* The same without a's channels, (C / 2) each. */

static bool is_b(const Gate *g, size_t c)
{
    const size_t group = g->C / (size_t)g->facts->groups;

    return c % group >= group / 2;
}

/* Channel c among b's. */
static size_t among_b(const Gate *g, size_t c)
{
    const size_t group = g->C / (size_t)g->facts->groups;

    return c / group * (group / 2) + c % group - group / 2;
}

static int sa_weights(Gate *g, const Tensor *out)
{
    const float *of[SA_NORM_BIAS + 1];
    const size_t n = tensor_count(out->src[SA_C_W]);

    gate_part(g, SUMS, g->row, 0);
    gate_part(g, FIRST, g->row, 0);
    gate_part(g, SQUARES, g->row, 0);
    gate_part(g, CHANNEL, g->row, 0);
    gate_part(g, MEAN, g->row, 0);
    gate_part(g, GAIN, g->row, 0);
    gate_part(g, SHIFT, g->row, 0);
    g->buffer = g->W * g->row;
    for (int k = SCALE; k <= BIAS; k++)
        TRY(SIMD(gate_floats)(g, &g->w[k], g->row));
    for (int k = SA_C_W; k <= SA_NORM_BIAS; k++)
        of[k] = weight_host(out->src[k]);
    for (size_t c = 0; c < g->C; c++) {
        const bool b = is_b(g, c);
        const size_t k = c % n;

        g->w[SCALE][c] = of[b ? SA_S_W : SA_C_W][k];
        g->w[OFFSET][c] = of[b ? SA_S_B : SA_C_B][k];
        g->w[WEIGHT][c] = of[SA_NORM_WEIGHT][k];
        g->w[BIAS][c] = of[SA_NORM_BIAS][k];
    }
    return OK;
}

static void excite_image(const Images *m, size_t image)
{
    const Gate *g = m->g;
    const float *first = part_at(m, image, FIRST);
    const float *sums = part_at(m, image, SUMS);
    const float *squares = part_at(m, image, SQUARES);
    const float *scale = g->w[SCALE], *offset = g->w[OFFSET];
    float *channel = part_at(m, image, CHANNEL);

    for (size_t c = 0; c < g->C; c++) {
        const double d = sums[c], mean = first[c] + d;

        channel[c] = (float)(scale[c] * mean + offset[c]);
        if (is_b(g, c)) {
            const size_t k = among_b(g, c);
            const double var = squares[c] - d * d;
            const float near = (float)mean;
            const double gain = g->w[WEIGHT][c] * (double)scale[c] /
                                sqrt((var < 0 ? 0 : var) + g->facts->eps);

            part_at(m, image, MEAN)[k] = near;
            part_at(m, image, GAIN)[k] = (float)gain;
            part_at(m, image, SHIFT)[k] =
                (float)(g->w[BIAS][c] * (double)scale[c] + offset[c] -
                        (mean - near) * gain);
        }
    }
}

static void excite(const Images *m, size_t begin, size_t end)
{
    (void)begin;
    (void)end;
    for (size_t i = 0; i < m->n; i++)
        excite_image(m, i);
    sigmoid_part(m, CHANNEL, m->g->C);
}

/* ---- by vectors ---------------------------------------------------------- */

/* A pair of vectors of channels has LANES channels of b: lanes of theirs
 * (take), and where they go back, between the gates of a (give); and lanes of
 * two vectors in turns. */
typedef struct Lanes {
    VecInt take, give[2], turns[2];
} Lanes;

static bool in_vectors(const Gate *g)
{
    const size_t half = g->C / (size_t)g->facts->groups / 2;

    return g->C % (4 * LANES) == 0 && LANES % half == 0;
}

static Lanes lanes_of(const Gate *g)
{
    Lanes to;

    for (size_t l = 0; l < 2 * LANES; l++) {
        const bool b = is_b(g, l);
        const size_t k = b ? among_b(g, l) : LANES + l % LANES;

        to.give[l / LANES][l % LANES] = (int32_t)k;
        if (b)
            to.take[k] = (int32_t)l;
        to.turns[l / LANES][l % LANES] = (int32_t)(l / 2 + l % 2 * LANES);
    }
    return to;
}

/* Gates of an image: of a, and the arguments of b's. */
typedef struct Gates {
    const float *channel, *mean, *gain, *shift;
} Gates;

static Gates gates_of(const Images *m, size_t image)
{
    return (Gates){ part_at(m, image, CHANNEL), part_at(m, image, MEAN),
                    part_at(m, image, GAIN), part_at(m, image, SHIFT) };
}

/* The pair of vectors of channels from c on of a position, gated. */
INLINE void gate_pair(Vec *to, const Elem *x, size_t c, Gates g,
                      const Lanes *lanes)
{
    const Vec first = load_elems(x + c), second = load_elems(x + c + LANES);
    const size_t k = c / 2;
    const Vec d = shuffle(first, second, lanes->take) - load(g.mean + k);
    const Vec s = sigmoid_vec(d * load(g.gain + k) + load(g.shift + k));

    to[0] = first * shuffle(s, load(g.channel + c), lanes->give[0]);
    to[1] = second * shuffle(s, load(g.channel + c + LANES), lanes->give[1]);
}

/* A row of the map; y may be x. */
static void write_vectors(const Gate *g, Elem *y, const Elem *x, Gates gates,
                          Lanes lanes)
{
    const size_t C = g->C;

    if (x == y)
        x = memcpy(own_buffer(g), x, g->W * C * sizeof(Elem));
    for (size_t w = g->W; w; w--, x += C, y += C)
        for (size_t c = 0; c < C / 2; c += 2 * LANES) {
            Vec low[2], high[2];

            gate_pair(low, x, c, gates, &lanes);
            gate_pair(high, x, C / 2 + c, gates, &lanes);
            UNROLL
            for (size_t v = 0; v < 2; v++) {
                Elem *to = y + 2 * (c + v * LANES);

                store_elems(to, shuffle(low[v], high[v], lanes.turns[0]));
                store_elems(to + LANES,
                            shuffle(low[v], high[v], lanes.turns[1]));
            }
        }
}

/* ---- by numbers ---------------------------------------------------------- */

/* One position; y may be x. */
static void write_numbers(const Images *m, size_t image, Elem *y, const Elem *x)
{
    const Gate *g = m->g;
    const float *channel = part_at(m, image, CHANNEL);
    float *to = own_buffer(g);

    for (size_t c = 0; c < g->C; c++) {
        const float in = number(x[c]);

        if (is_b(g, c)) {
            const size_t k = among_b(g, c);
            const float d = in - part_at(m, image, MEAN)[k];

            to[c] = in * sigmoid_of(d * part_at(m, image, GAIN)[k] +
                                    part_at(m, image, SHIFT)[k]);
        } else {
            to[c] = in * channel[c];
        }
    }
    for (size_t c = 0; c < g->C; c++)
        y[c] = elem(to[c / 2 + c % 2 * (g->C / 2)]);
}

/* The last rows first, as in gate.c. */
static void write_rows(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;
    const bool vectors = in_vectors(g);
    const Lanes lanes = vectors ? lanes_of(g) : (Lanes){ 0 };

    for (size_t i = m->n; i-- > 0;)
        for (size_t h = end; h-- > begin;) {
            const Elem *x = image_x(m, i) + h * g->W * g->C;
            Elem *y = image_y(m, i) + h * g->W * g->C;

            if (vectors)
                write_vectors(g, y, x, gates_of(m, i), lanes);
            for (size_t w = 0; !vectors && w < g->W; w++)
                write_numbers(m, i, y + w * g->C, x + w * g->C);
        }
}

static const GateModule sa_gate = {
    .plan = sa_weights,
    .steps = { { SIMD(squeeze_moments), UNIT_LINES, NULL },
               { excite, UNIT_ALL, NULL },
               { write_rows, UNIT_ROWS, NULL } },
};
GATE_KERNEL(sa, "two_passes", 1);
