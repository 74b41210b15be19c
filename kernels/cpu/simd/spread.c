/*
 * spread.c - conv2d_grad_x with few channels: of a network's first convolution
 *
 *   dx[n,c, i s + u - p_h, j s + v - p_w] += sum of dy[n,o,i,j] w[o,c,u,v]
 *                                            over o
 *
 * The sums over o are a product of matrices, dy (positions x O) times w
 * (O x kh kw C), bound by FLOPs.  Its rows are as long as a window is large, so
 * vectors are full where a kernel whose vectors are channels of dx would use 3
 * of 16 lanes.
 *
 *   spread   A block of positions of dy is multiplied, and its products, while
 *            they are in cache, are added where they belong: the kw C numbers
 *            of row u of a window lie side by side in dx as in w.  Rows of dx
 *            are summed up in a ring, with the padding that windows see, and
 *            leave it when no further row of dy reaches them.  Meanwhile the
 *            next positions of dy are prefetched.  Starves where O is small:
 *            then there are more additions than products.
 */
#include "kernels/cpu/simd/tiles.h"

enum {
    FEW = 8, /* channels of dx: oneDNN has more than these */
    MIN_OUTPUTS = 16,
    LINE = 64 / sizeof(Elem), /* numbers in a line of the cache */
    BLOCK =
        4 * ROWS, /* positions whose products are in the first-level cache */
};

/* Followed by what the pointers point to. */
typedef struct State {
    size_t panels;
    size_t run;        /* kw C: a row of a window                    */
    size_t slots, row; /* rows of the ring, floats of each           */
    float *panel;      /* [panel](O, PANEL)                          */
    float *work;       /* of each thread: products of a row, ring    */
    size_t products, work_floats;
} State;

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Column (u kw + v) C + c of the product is made of w[o,c,u,v]. */
static void pack(float *to, const float *w, const Tensor *weight)
{
    const size_t O = (size_t)weight->dim[0], C = (size_t)weight->dim[1];
    const size_t taps = (size_t)(weight->dim[2] * weight->dim[3]);

    for (size_t first = 0; first < taps * C; first += PANEL)
        for (size_t o = 0; o < O; o++)
            for (size_t k = first; k < first + PANEL; k++)
                *to++ = k < taps * C ? w[(o * C + k % C) * taps + k / C] : 0;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *dy = out->src[0], *w = out->src[1];
    const size_t O = (size_t)w->dim[0], C = (size_t)w->dim[1];
    const size_t kh = (size_t)w->dim[2], kw = (size_t)w->dim[3];
    const size_t stride = (size_t)a->conv.stride;
    const size_t seen = ((size_t)dy->dim[3] - 1) * stride + kw;
    State s = { .panels = ceil_div(kh * kw * C, PANEL),
                .run = kw * C,
                .slots = max_size(kh, stride) };
    const size_t head = ceil_div(sizeof(s), 64) * 64 / sizeof(float);
    const size_t packed = s.panels * PANEL * O;

    s.row = max_size(seen, (size_t)(a->conv.pad_w + a->w)) * C + LANES;
    s.products = BLOCK * s.panels * PANEL + LANES;
    s.work_floats = ceil_div(s.products + s.slots * s.row, 16) * 16;
    TRY(state_new(state,
                  (head + packed + (size_t)dev->threads * s.work_floats) *
                      sizeof(float)));
    s.panel = (float *)*state + head;
    s.work = s.panel + packed;
    pack(s.panel, weight_host(w), w);
    memcpy(*state, &s, sizeof(s));
    return OK;
}

/* Arguments of one run. */
typedef struct Job {
    const State *s;
    const float *dy;
    float *dx, *products, *ring;
    size_t O, C, H, W, dy_h, dy_w, kh, stride, pad_h, pad_w;
} Job;

static Job job_of(const Tensor *out, const State *s)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *dy = out->src[0], *w = out->src[1];
    float *work = s->work + (size_t)omp_get_thread_num() * s->work_floats;

    return (Job){
        .s = s,
        .dy = dy->data,
        .dx = out->data,
        .products = work,
        .ring = work + s->products,
        .O = (size_t)w->dim[0],
        .C = (size_t)w->dim[1],
        .H = (size_t)a->h,
        .W = (size_t)a->w,
        .dy_h = (size_t)dy->dim[2],
        .dy_w = (size_t)dy->dim[3],
        .kh = (size_t)w->dim[2],
        .stride = (size_t)a->conv.stride,
        .pad_h = (size_t)a->conv.pad_h,
        .pad_w = (size_t)a->conv.pad_w,
    };
}

/* The products of n positions and one panel, of which nv vectors are used. */
INLINE void multiply_rows(const Job *j, const float *dy, float *to,
                          size_t panel, const size_t n, const size_t nv)
{
    const float *w = j->s->panel + panel * PANEL * j->O, *x[ROWS];
    const size_t row = j->s->panels * PANEL;
    Vec sum[ROWS * NV];

    UNROLL
    for (size_t i = 0; i < n; i++)
        x[i] = dy + i * j->O;
    clear_sums(sum, n, nv);
    for (size_t o = 0; o < j->O; o += LINE) {
        if (panel == 0)
            UNROLL
        for (size_t i = 0; i < n; i++)
            __builtin_prefetch(x[i] + ROWS * j->O + o);
        add_products(sum, x, w, o, min_size(o + LINE, j->O), n, nv);
    }
    UNROLL
    for (size_t k = 0; k < n * nv; k++)
        store(to + k / nv * row + panel * PANEL + k % nv * LANES, sum[k]);
}

/* The last tile ends with the last position, and may do some again. */
INLINE void multiply(const Job *j, const float *dy, size_t panel, size_t n,
                     const size_t nv)
{
    const size_t row = j->s->panels * PANEL;

    if (n < ROWS) {
        for (size_t i = 0; i < n; i++)
            multiply_rows(j, dy + i * j->O, j->products + i * row, panel, 1,
                          nv);
        return;
    }
    for (size_t k = 0; k < n; k += ROWS) {
        const size_t i = min_size(k, n - ROWS);

        multiply_rows(j, dy + i * j->O, j->products + i * row, panel, ROWS, nv);
    }
}

static void multiply_all(const Job *j, const float *dy, size_t n)
{
    const size_t columns = j->kh * j->s->run;

    for (size_t p = 0; p < j->s->panels; p++)
        switch (min_size(NV, ceil_div(columns - p * PANEL, LANES))) {
        case 1:
            multiply(j, dy, p, n, 1);
            break;
        case 2:
            multiply(j, dy, p, n, 2);
            break;
        case 3:
            multiply(j, dy, p, n, 3 < NV ? 3 : NV);
            break;
        default:
            multiply(j, dy, p, n, NV);
        }
}

/* Where a row of the map is summed up, counted with those above it. */
static float *slot(const Job *j, size_t h)
{
    return j->ring + h % j->s->slots * j->s->row;
}

/* Adds rows u to u_end - 1 of the windows of n positions, from column `first`
 * of row i of dy on.  What fills the last vector belongs to the next row, and
 * counts as zero. */
static void spread(const Job *j, size_t i, size_t first, size_t n, size_t u,
                   size_t u_end)
{
    const size_t run = j->s->run, full = (run - 1) / LANES * LANES;
    VecInt last;

    for (int k = 0; k < LANES; k++)
        last[k] = full + (size_t)k < run ? -1 : 0;
    for (size_t at = 0; at < n; at++)
        for (size_t v = u; v < u_end; v++) {
            const float *from =
                j->products + at * j->s->panels * PANEL + v * run;
            float *to =
                slot(j, i * j->stride + v) + (first + at) * j->stride * j->C;

            for (size_t k = 0; k < full; k += LANES)
                store(to + k, load(to + k) + load(from + k));
            store(to + full,
                  load(to + full) + (Vec)((VecInt)load(from + full) & last));
        }
}

/* Adds what row i of dy gives to the rows of dx from `first` to past - 1. */
static void add_row(const Job *j, size_t image, size_t i, size_t first,
                    size_t past)
{
    const size_t top = i * j->stride;
    const float *dy = j->dy + (image * j->dy_h + i) * j->dy_w * j->O;

    for (size_t at = 0; at < j->dy_w; at += BLOCK) {
        const size_t n = min_size(BLOCK, j->dy_w - at);

        multiply_all(j, dy + at * j->O, n);
        spread(j, i, at, n, top < first ? first - top : 0,
               min_size(j->kh, past - top));
    }
}

/* Rows begin to end - 1 of one image. */
static void rows(const Job *j, size_t image, size_t begin, size_t end)
{
    const size_t first = begin + j->pad_h, past = end + j->pad_h;
    size_t i = first < j->kh ? 0 : (first - j->kh) / j->stride + 1;

    memset(j->ring, 0, j->s->slots * j->s->row * sizeof(float));
    for (size_t h = first; h < past; h++) {
        for (; i < j->dy_h && i * j->stride <= h; i++)
            add_row(j, image, i, first, past);
        memcpy(j->dx + (image * j->H + h - j->pad_h) * j->W * j->C,
               slot(j, h) + j->pad_w * j->C, j->W * j->C * sizeof(float));
        memset(slot(j, h), 0, j->s->row * sizeof(float));
    }
}

/* Units are rows of dx. */
static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Job j = job_of(out, state);

    while (begin < end) {
        const size_t image = begin / j.H, h = begin % j.H;
        const size_t n = min_size(end - begin, j.H - h);

        rows(&j, image, h, h + n);
        begin += n;
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Tensor *w = out->src[1];
    const double macs =
        (double)tensor_count(out->src[0]) * w->dim[1] * w->dim[2] * w->dim[3];

    return split(
        dev, out, state,
        (Split){ range, (size_t)(out->dim[0] * out->dim[2]), macs / 4 });
}

static bool supports(const Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *w = out->src[1];

    return is_weight(w) && !out->src[2] && !out->src[3] &&
           a->conv.groups == 1 && w->dim[1] <= FEW && w->dim[0] >= MIN_OUTPUTS;
}

const Kernel SIMD(conv2d_grad_x_spread) = {
    .op = &conv2d_grad_x_def,
    .name = "spread",
    .supports = supports,
    .plan = plan,
    .run = run,
    .packs = 1 << 1,
};
