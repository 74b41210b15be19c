/*
 * seed.c - weights and inputs made from names.
 *
 * Element i of a tensor is SplitMix64 at position i, started at a hash of the
 * tensor's name and the seed, and scaled to a range.  Integers are modulo
 * 2^64; the value is rounded to float once:
 *
 *     key   = FNV1a64(name) xor seed * STEP
 *     z     = mix(key + (i + 1) * STEP)
 *     u     = (z >> 40) * 2^-24                      in [0, 1)
 *     value = (float)(lo + (hi - lo) * u)
 *
 * The range follows from the name and the shape, as PyTorch's names go:
 *
 *     *.weight of two dims or more    +-sqrt(3 / fan_in): variance 1 / fan_in
 *     *.weight of one dim             0.75 .. 1.25, a norm's scale; times
 *                                     norm_gain for the network's own norms
 *     running_var                     0.75 .. 1.25
 *     *.bias, *_b, running_mean, relative_position_bias_table   +-0.1
 *     all others                      +-1
 *     inputs                          +-sqrt(3): variance 1
 *
 * Sources: SplitMix64, Steele, Lea and Flood, OOPSLA 2014; FNV-1a, Fowler,
 * Noll and Vo.
 */
#include "harness/network/seed.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "harness/files/hash.h"
#include "kernels/core/err.h"

static const uint64_t STEP = 0x9E3779B97F4A7C15;

static uint64_t key_of(const char *name, uint64_t seed)
{
    return hash_bytes(HASH_START, name, strlen(name)) ^ seed * STEP;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

void seed_fill(float *values, size_t n, const char *name, uint64_t seed,
               double lo, double hi)
{
    const uint64_t key = key_of(name, seed);

    for (size_t i = 0; i < n; i++) {
        const uint64_t z = mix(key + (i + 1) * STEP);

        values[i] = (float)(lo + (hi - lo) * ((double)(z >> 40) * 0x1p-24));
    }
}

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);

    return n >= m && strcmp(name + n - m, end) == 0;
}

static void range_of(const Tensor *t, double norm_gain, double *lo, double *hi)
{
    const bool weight = ends_with(t->name, "weight");

    *lo = -1;
    *hi = 1;
    if (weight && t->rank > 1) {
        const double fan_in = (double)(tensor_count(t) / (size_t)t->dim[0]);

        *hi = sqrt(3 / fan_in);
        *lo = -*hi;
    } else if (weight) {
        const double gain = t->origin == ORIGIN_MODULE ? 1 : norm_gain;

        *lo = 0.75 * gain;
        *hi = 1.25 * gain;
    } else if (ends_with(t->name, "running_var")) {
        *lo = 0.75;
        *hi = 1.25;
    } else if (ends_with(t->name, "bias") || ends_with(t->name, "_b") ||
               ends_with(t->name, "running_mean") ||
               ends_with(t->name, "relative_position_bias_table")) {
        *lo = -0.1;
        *hi = 0.1;
    }
}

int seed_weight(Tensor *t, uint64_t seed, double norm_gain)
{
    double lo, hi;

    TRY(graph_alloc_host(t));
    range_of(t, norm_gain, &lo, &hi);
    seed_fill(t->host, tensor_count(t), t->name, seed, lo, hi);
    return OK;
}

int seed_graph(Graph *g, uint64_t seed, double norm_gain)
{
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (tensor_is_weight(t))
            TRY(seed_weight(t, seed, norm_gain));
    }
    return OK;
}

void seed_input(float *nchw, size_t n, const char *name, uint64_t seed)
{
    seed_fill(nchw, n, name, seed, -sqrt(3), sqrt(3));
}

/* One value of the sequence that seed_input(name) makes. */
static double input_at(uint64_t key, size_t i)
{
    const double u = (double)(mix(key + (i + 1) * STEP) >> 40) * 0x1p-24;

    return (float)(-sqrt(3) + 2 * sqrt(3) * u);
}

static uint64_t input_key(const char *name, const char *part, uint64_t seed)
{
    char full[2 * MAX_NAME];

    snprintf(full, sizeof(full), "%s%s", name, part);
    return key_of(full, seed);
}

void seed_structured(float *nchw, Dims dims, const char *name, uint64_t seed)
{
    const size_t B = (size_t)dims.dim[0], C = (size_t)dims.dim[1];
    const size_t H = (size_t)dims.dim[2], W = (size_t)dims.dim[3];
    const uint64_t all = input_key(name, "", seed);
    const uint64_t chan = input_key(name, ".chan", seed);
    const uint64_t row = input_key(name, ".row", seed);
    const uint64_t col = input_key(name, ".col", seed);
    size_t i = 0;

    BUG_IF(dims.rank != 4);
    for (size_t bc = 0; bc < B * C; bc++) {
        const double c = input_at(chan, bc);

        for (size_t h = 0; h < H; h++) {
            const double r = 0.5 * input_at(row, bc * H + h);

            for (size_t w = 0; w < W; w++, i++)
                nchw[i] = (float)(input_at(all, i) + c + r +
                                  0.5 * input_at(col, bc * W + w));
        }
    }
}
