/*
 * planes.c - conv2d from and to so few channels that vectors along them would
 * be empty: CBAM's 7x7 from 2 maps to 1
 *
 * 2 C O kh kw flops per position: 200 for CBAM, bound by multiply-adds.
 *
 *   planes   a unit is ROWS rows of the result of one image.  The rows of x it
 *            needs are written as one zero-padded plane per channel, which is
 *            then one long vector, and so is the result, with some columns
 *            that nobody reads: out[i] += w[u,v] plane[i + u Wp + v].
 */
#include "kernels/cpu/simd/simd.h"

enum {
    CHANNELS_MAX = 4,
    TAPS_MIN = 9, /* fewer do not pay for the planes */
    ROWS = 8,
    V = 4, /* vectors summed at once */
};

typedef struct Planes {
    size_t C, O, H, W, kh, kw, pad_h, pad_w, out_h, out_w;
    size_t width;         /* of a padded row                              */
    size_t plane, result; /* numbers: a plane with slack; V LANES rounded */
    size_t unit;          /* numbers of scratch for one unit              */
    float *scratch;       /* one for each thread                          */
} Planes;

static bool supports(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;

    return out->src[1]->dim[2] * out->src[1]->dim[3] >= TAPS_MIN &&
           a->groups == 1 && a->stride == 1 &&
           out->src[0]->dim[1] <= CHANNELS_MAX && out->dim[1] <= CHANNELS_MAX;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *x = out->src[0], *w = out->src[1];
    Planes s = {
        .C = (size_t)x->dim[1],
        .O = (size_t)out->dim[1],
        .H = (size_t)x->dim[2],
        .W = (size_t)x->dim[3],
        .kh = (size_t)w->dim[2],
        .kw = (size_t)w->dim[3],
        .pad_h = (size_t)a->pad_h,
        .pad_w = (size_t)a->pad_w,
        .out_h = (size_t)out->dim[2],
        .out_w = (size_t)out->dim[3],
    };

    s.width = s.W + 2 * s.pad_w;
    s.result = ceil_div(ROWS * s.width, V * LANES) * V * LANES;
    s.plane = s.result + (s.kh - 1) * s.width + s.kw;
    s.unit = s.C * s.plane + s.result;
    TRY(state_new(state,
                  sizeof(s) + (size_t)dev->threads * s.unit * sizeof(float)));
    s.scratch = (float *)((Planes *)*state + 1);
    memcpy(*state, &s, sizeof(s));
    return OK;
}

/* Padded rows that results i to i + rows - 1 need, one plane per channel. */
static void spread(const Planes *s, float *plane, const Elem *x, size_t i,
                   size_t rows)
{
    const size_t C = s->C;

    memset(plane, 0, C * s->plane * sizeof(*plane));
    for (size_t r = 0; r < rows + s->kh - 1; r++) {
        const size_t h = i + r; /* in the padded map */
        const Elem *from;

        if (h < s->pad_h || h >= s->H + s->pad_h)
            continue;
        from = x + (h - s->pad_h) * s->W * C;
        for (size_t c = 0; c < C; c++) {
            float *to = plane + c * s->plane + r * s->width + s->pad_w;

            for (size_t w = 0; w < s->W; w++)
                to[w] = number(from[w * C + c]);
        }
    }
}

/* result[i] = sum over c, u, v of w[c,u,v] plane[c][i + u width + v]. */
static void convolve(const Planes *s, float *result, const float *plane,
                     const Elem *w, size_t n)
{
    for (size_t i = 0; i < n; i += V * LANES) {
        Vec sum[V] = { { 0 } };
        const Elem *weight = w;

        for (size_t c = 0; c < s->C; c++)
            for (size_t u = 0; u < s->kh; u++) {
                const float *x = plane + c * s->plane + u * s->width + i;

                for (size_t v = 0; v < s->kw; v++, weight++)
                    for (size_t k = 0; k < V; k++)
                        sum[k] += number(*weight) * load(x + v + k * LANES);
            }
        for (size_t k = 0; k < V; k++)
            store(result + i + k * LANES, sum[k]);
    }
}

/* Puts output o of some rows in its place, at y. */
static void gather(const Tensor *out, const Planes *s, const float *result,
                   size_t o, size_t at, size_t rows)
{
    const Conv2dAttr *a = out->attr;
    const Elem *z = out->src[3] ? out->src[3]->data : NULL;
    const float b =
        out->src[2] ? number(((const Elem *)out->src[2]->data)[o]) : 0;
    Elem *y = out->data;

    for (size_t r = 0; r < rows; r++)
        for (size_t w = 0; w < s->out_w; w++, at += s->O) {
            const float sum = result[r * s->width + w] + b;

            y[at + o] = elem(act_of(a->act, z ? sum + number(z[at + o]) : sum));
        }
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Planes *s = state;
    const size_t units = ceil_div(s->out_h, ROWS);
    const Elem *w = out->src[1]->data;
    float *plane = s->scratch + (size_t)omp_get_thread_num() * s->unit;
    float *result = plane + s->C * s->plane;

    for (size_t u = begin; u < end; u++) {
        const size_t n = u / units, i = u % units * ROWS;
        const size_t rows = min_size(ROWS, s->out_h - i);

        spread(s, plane,
               (const Elem *)out->src[0]->data + n * s->H * s->W * s->C, i,
               rows);
        for (size_t o = 0; o < s->O; o++) {
            convolve(s, result, plane, w + o * s->C * s->kh * s->kw,
                     rows * s->width);
            gather(out, s, result, o, (n * s->out_h + i) * s->out_w * s->O,
                   rows);
        }
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Planes *s = state;
    const double macs =
        (double)tensor_count(out) * (double)(s->C * s->kh * s->kw);

    return split(dev, out, state,
                 (Split){ range, (size_t)out->dim[0] * ceil_div(s->out_h, ROWS),
                          macs / 4 });
}

const Kernel SIMD(conv2d_planes) = {
    .op = &conv2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "planes",
    .supports = supports,
    .plan = plan,
    .run = run,
};
