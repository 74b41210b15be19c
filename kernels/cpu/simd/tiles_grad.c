/*
 * tiles_grad.c - conv2d_grad_w without groups
 *
 *   dw[o,c,u,v] = sum over n,i,j of dy[n,o,i,j] x[n,c, i s + u - p_h,
 *                                                      j s + v - p_w]
 *
 * A sum of outer products over the positions of dy, of its row with the window
 * of x that it was made of (outer.h).  Bound by FLOPs.
 *
 *   tiles    The window of a 1x1 is a row of x, so both operands are read where
 *            they lie.  Otherwise a panel of columns of the windows of a block,
 *            ordered (u,v,c), is copied first: a row of a window lies in one
 *            piece in x, however few its channels.  Rows that are so long that
 *            all of a panel would meet in a few sets of the first-level cache
 *            are copied, too.  Where x has fewer channels than fill vectors,
 *            and dy has not, a 1x1 is summed up the other way round.  Starves
 *            where dy has few channels: a copied number serves only few
 *            multiply-adds.
 */
#include "kernels/cpu/simd/outer.h"

enum {
    BLOCK_BYTES = 384 << 10, /* of x and dy in a second-level cache        */
    MIN_BLOCK = 96,          /* positions: fewer would wait for sums       */
    MAX_BLOCK = 144,         /* more leave no panel in a first-level one   */
    MIN_OUTPUTS = 64,        /* where windows are copied                   */
    LONG_X = 1024,           /* numbers of a row that had better be copied */
    LONG_DY = 256,           /* the same of dy, if there are many columns  */
};

/* Followed by what the pointers point to. */
typedef struct State {
    Shares shares;
    size_t rows;       /* of the sums: of dy, or of x                  */
    size_t step, part; /* floats between rows of sums, and their parts */
    bool turned;       /* the sums are (C,O)                           */
    bool in_place;     /* the sums are the result                      */
    bool copies_x, copies_dy;
    size_t windows, work_floats; /* of which this many for windows   */
    float *work;                 /* of each thread: windows, rows of dy */
    float *sums;                 /* [part](rows, step)                  */
} State;

/* Arguments of one run. */
typedef struct Job {
    const State *s;
    const float *x, *x_end, *dy;
    float *windows, *rows, *sums;
    long C, H, W, O, dy_h, dy_w, kw, stride, pad_h, pad_w;
} Job;

static bool is_pointwise(const Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;

    return a->h == 1 && a->w == 1 && a->conv.stride == 1 && !a->conv.pad_h &&
           !a->conv.pad_w;
}

/* True if dy fills vectors better than x. */
static bool turns(const Tensor *out)
{
    const int O = out->dim[0], C = out->dim[1];

    return is_pointwise(out) && O % LANES == 0 && (C % LANES || C == LANES);
}

/* As many positions as fit into the cache. */
static size_t block_of(size_t C, size_t O)
{
    const size_t fit = BLOCK_BYTES / sizeof(float) / (C + O);

    return fit < MIN_BLOCK ? MIN_BLOCK : min_size(fit, MAX_BLOCK);
}

/* Which operands are copied, and into what. */
static void choose_copies(State *s, const Tensor *out)
{
    const size_t O = (size_t)out->dim[0], C = (size_t)out->dim[1];

    if (s->turned)
        return;
    s->copies_x = !is_pointwise(out) || C % LANES || C >= LONG_X;
    s->copies_dy = O >= LONG_DY && s->shares.columns >= LONG_DY;
    s->windows = s->copies_x ? s->shares.block * PANEL + LANES : 0;
    s->work_floats = s->windows;
    if (s->copies_dy)
        s->work_floats += s->shares.block * (O + LINE);
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const size_t O = (size_t)out->dim[0], C = (size_t)out->dim[1];
    const size_t taps = (size_t)(out->dim[2] * out->dim[3]);
    const size_t threads = (size_t)dev->threads;
    State s = { .turned = turns(out) };
    const size_t head = ceil_div(sizeof(s), 64) * 64 / sizeof(float);

    s.rows = s.turned ? C : O;
    s.shares = shares_of(dev, tensor_rows(out->src[1]), s.turned ? O : C * taps,
                         block_of(C, O));
    s.step = ceil_div(s.shares.columns, LANES) * LANES;
    s.part = s.rows * s.step;
    s.in_place = !s.turned && taps == 1 && s.shares.parts == 1 &&
                 s.step == s.shares.columns;
    choose_copies(&s, out);
    TRY(state_new(state,
                  (head + threads * s.work_floats + s.shares.parts * s.part) *
                      sizeof(float)));
    s.work = (float *)*state + head;
    s.sums = s.work + threads * s.work_floats;
    memcpy(*state, &s, sizeof(s));
    return OK;
}

/* ---- windows ------------------------------------------------------------ */

/* n numbers of a row of x from column k on, of which there are `row`; zeros
 * where there are none. */
static void copy_clipped(float *to, const float *x, long k, long n, long row)
{
    for (long i = 0; i < n; i++, k++)
        to[i] = k >= 0 && k < row ? x[k] : 0;
}

/* Columns first to past - 1 of the window whose first number is number `left`
 * of row `top` of an image, at x.  May write LANES - 1 numbers too many. */
INLINE void copy_window(const Job *j, float *to, const float *x, long top,
                        long left, long first, long past)
{
    const long run = j->kw * j->C, row = j->W * j->C;

    for (long u = first / run; first < past; u++) {
        const long h = top + u, k = left + first - u * run;
        const long n = (past < (u + 1) * run ? past : (u + 1) * run) - first;

        if (h < 0 || h >= j->H)
            memset(to, 0, (size_t)n * sizeof(*to));
        else if (k < 0 || k + n > row ||
                 j->x_end - (x + h * row + k) < n + LANES)
            copy_clipped(to, x + h * row, k, n, row);
        else
            for (long i = 0; i < n; i += LANES)
                store(to + i, load(x + h * row + k + i));
        to += n;
        first += n;
    }
}

/* A panel of the windows of a block's positions, `step` numbers apart. */
static void copy_windows(const Job *j, size_t step, const Block *b, long first,
                         long past)
{
    const size_t w = (size_t)j->dy_w, map = (size_t)j->dy_h * w;
    float *to = j->windows;

    for (size_t p = b->begin; p < b->end;) {
        const float *x = j->x + (long)(p / map) * j->H * j->W * j->C;
        const long top = (long)(p % map / w) * j->stride - j->pad_h;
        const size_t end = min_size(b->end, p - p % w + w);

        for (; p < end; p++, to += step) {
            const long left = (long)(p % w) * j->stride - j->pad_w;

            copy_window(j, to, x, top, left * j->C, first, past);
        }
    }
}

/* About where the window of a position begins. */
static const float *window_at(const Job *j, size_t p)
{
    const size_t w = (size_t)j->dy_w, map = (size_t)j->dy_h * w;
    const size_t stride = (size_t)j->stride;
    const size_t row = min_size(p % map / w * stride, (size_t)j->H);
    const size_t column = min_size(p % w * stride, (size_t)j->W);
    const float *x =
        j->x +
        ((p / map * (size_t)j->H + row) * (size_t)j->W + column) * (size_t)j->C;

    return x < j->x_end ? x : j->x_end;
}

/* ---- products ----------------------------------------------------------- */

/* Fetches for the next block of positions. */
static void look_ahead(const Job *j, const Block *b, Ahead ahead[2])
{
    const size_t n = b->end - b->begin, products = b->last - b->panel;
    const float *dy = j->dy + b->end * (size_t)j->O;

    ahead[0] = ahead_of(window_at(j, b->end), window_at(j, b->next), products,
                        j->s->rows, n);
    ahead[1] = ahead_of(dy, dy + (b->next - b->end) * (size_t)j->O, products,
                        j->s->rows, n);
}

/* The rows of dy of a block, and how far apart they are: copied, as it may
 * be. */
static const float *rows_of_dy(const Job *j, const Block *b, size_t *step)
{
    const size_t O = (size_t)j->O;
    const float *dy = j->dy + b->begin * O;

    *step = O;
    if (!j->s->copies_dy)
        return dy;
    *step = O + LINE;
    for (size_t i = 0; i < b->end - b->begin; i++)
        memcpy(j->rows + i * *step, dy + i * O, O * sizeof(*dy));
    return j->rows;
}

/* One panel of columns. */
static void panel(const Job *j, const Block *b, size_t k, Outer *p)
{
    const State *s = j->s;
    const size_t first = k * s->shares.width;
    const size_t past = min_size(first + s->shares.width, s->shares.columns);
    const size_t nv = ceil_div(past - first, LANES);
    const float *columns = p->b;

    if (s->copies_x) {
        p->b = j->windows;
        p->b_step = nv * LANES;
        copy_windows(j, p->b_step, b, (long)first, (long)past);
    } else {
        p->b += first;
    }
    p->sum = j->sums + b->part * s->part + first;
    outer_product(p, nv);
    p->b = columns;
}

static void block(const void *job, const Block *b)
{
    const Job *j = job;
    const float *x = j->x + b->begin * (size_t)j->C;
    size_t step;
    const float *dy = rows_of_dy(j, b, &step);
    Ahead ahead[2];
    Outer p = { .a = dy,
                .a_step = step,
                .b = x,
                .b_step = (size_t)j->C,
                .n = b->end - b->begin,
                .rows = j->s->rows,
                .sum_step = j->s->step,
                .first = b->first,
                .ahead = ahead };

    if (j->s->turned) {
        p.a = x;
        p.a_step = (size_t)j->C;
        p.b = dy;
        p.b_step = step;
    }
    look_ahead(j, b, ahead);
    for (size_t k = b->panel; k < b->last; k++)
        panel(j, b, k, &p);
}

static Job job_of(const Tensor *out, const State *s)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *x = out->src[0], *dy = out->src[1];
    float *work = s->work + (size_t)omp_get_thread_num() * s->work_floats;

    return (Job){
        .s = s,
        .x = x->data,
        .x_end = (const float *)x->data + tensor_count(x),
        .dy = dy->data,
        .windows = work,
        .rows = work + s->windows,
        .sums = s->in_place ? out->data : s->sums,
        .C = x->dim[1],
        .H = x->dim[2],
        .W = x->dim[3],
        .O = dy->dim[1],
        .dy_h = dy->dim[2],
        .dy_w = dy->dim[3],
        .kw = a->w,
        .stride = a->conv.stride,
        .pad_h = a->conv.pad_h,
        .pad_w = a->conv.pad_w,
    };
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const State *s = state;
    const Job j = job_of(out, s);

    each_block(&s->shares, begin, end, block, &j);
}

/* ---- the result --------------------------------------------------------- */

/* Row r of the sums, in the order of dw. */
static void put_row(const Tensor *out, const State *s, size_t r,
                    const float *sum)
{
    const size_t C = (size_t)out->dim[1], taps = s->shares.columns / C;
    float *dw = out->data;

    if (s->turned) {
        for (size_t o = 0; o < s->shares.columns; o++)
            dw[o * C + r] = sum[o];
        return;
    }
    dw += r * s->shares.columns;
    for (size_t c = 0; c < C; c++)
        for (size_t t = 0; t < taps; t++)
            dw[c * taps + t] = sum[t * C + c];
}

/* Units are rows of the sums. */
static void finish(const Tensor *out, const void *state, size_t begin,
                   size_t end)
{
    const State *s = state;

    for (size_t r = begin; r < end; r++) {
        float *sum = s->sums + r * s->step;

        for (size_t p = 1; p < s->shares.parts; p++) {
            const float *other = sum + p * s->part;

#pragma omp simd
            for (size_t i = 0; i < s->shares.columns; i++)
                sum[i] += other[i];
        }
        put_row(out, s, r, sum);
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const State *s = state;
    const size_t units = s->shares.parts * s->shares.panels;
    const double n = (double)s->rows * (double)s->shares.columns;

    TRY(split(dev, out, state,
              (Split){ range, units, (double)s->shares.positions * n / 8 }));
    if (s->in_place)
        return OK;
    return split(dev, out, state, (Split){ finish, s->rows, n });
}

static bool supports(const Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;

    return a->conv.groups == 1 &&
           (out->dim[0] >= MIN_OUTPUTS ||
            (is_pointwise(out) && (out->dim[1] % LANES == 0 || turns(out))));
}

const Kernel SIMD(conv2d_grad_w_tiles) = {
    .op = &conv2d_grad_w_def,
    .name = "tiles",
    .supports = supports,
    .plan = plan,
    .run = run,
};
