/*
 * kernel_trial.c - runs the kernels of a device on the table of cases
 *
 * All that the device lists and that takes the case is run, not only what a
 * plan would choose: twice, and in place where the kernel says that it may.
 * Outputs start as NaN, guards surround every buffer, sources must come out
 * unchanged, and weights that plan() has packed are spoilt before run().
 *
 * A library's bf16 kernels are run with numbers that are not finite, too, but
 * all that is checked then is where they read and write.
 *
 * In a short type a kernel may be wrong by twice as much as the definition is
 * when its result is rounded to the type once, from the same rounded sources.
 */
#include "tests/kernel_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/graph.h"
#include "kernels/simt/host.h"
#include "tests/kernel_cases.h"
#include "tests/sample.h"
#include "tests/test.h"

enum { GUARD = 256, GUARD_BYTE = 0xa5, NOT_IN_PLACE = -1 };

/* A buffer of the device with a guard on either side. */
typedef struct Guarded {
    Device *dev;
    unsigned char *base;
    size_t bytes;
} Guarded;

/* The checker sees the edges itself, and reads beyond them, too. */
static size_t guard_of(const Device *dev)
{
    return dev->backend == &simt_backend && simt_is_checked() ? 0 : GUARD;
}

static void *guarded_new(Guarded *b, Device *dev, size_t bytes)
{
    const size_t guard = guard_of(dev), all = bytes + 2 * guard;
    unsigned char *fill = malloc(all);

    *b = (Guarded){ .dev = dev, .bytes = bytes };
    BUG_IF(!fill || dev->backend->alloc(dev, (void **)&b->base, all) != OK);
    memset(fill, GUARD_BYTE, all);
    memset(fill + guard, 0xff, bytes); /* as floats: NaN */
    BUG_IF(dev->backend->upload(dev, b->base, fill, all) != OK);
    free(fill);
    return b->base + guard;
}

static bool guards_intact(const Guarded *b)
{
    const size_t guard = guard_of(b->dev), all = b->bytes + 2 * guard;
    unsigned char *seen = malloc(all);
    bool intact = true;

    BUG_IF(!seen);
    BUG_IF(b->dev->backend->download(b->dev, seen, b->base, all) != OK);
    for (size_t i = 0; i < guard; i++)
        intact &=
            seen[i] == GUARD_BYTE && seen[guard + b->bytes + i] == GUARD_BYTE;
    free(seen);
    return intact;
}

static void guarded_free(Guarded *b)
{
    if (b->base)
        b->dev->backend->release(b->dev, b->base);
    b->base = NULL;
}

/* One case with its values and the result that the definition gives. */
typedef struct Sample {
    const KernelCase *c;
    Values values;
    Dtype dtype;
    Graph *g;
    Tensor *out;
    float *src[MAX_SRC]; /* in the tensor's own order */
    float *want;
} Sample;

static bool is_variance(const Op *op, int k)
{
    return (op == &batch_norm_def && k == 4) ||
           (op == &batch_norm_grad_x_def && k == 2) ||
           (op == &batch_norm_grad_w_def && k == 3);
}

/* True if it matters which of two equal numbers comes first. */
static bool has_ties(const Op *op, int k)
{
    return k == 0 && (op == &max_pool2d_grad_def ||
                      op == &global_max_pool_grad_def || op == &max_c_grad_def);
}

/* True if the slope changes at whole numbers of this source: 0, 3 or 6. */
static bool has_bends(const Op *op, int k)
{
    return k == 0
               ? op == &relu_def || op == &relu_grad_def || op == &relu6_def ||
                     op == &relu6_grad_def || op == &hard_swish_def ||
                     op == &hard_swish_grad_def || op == &add_def
               : k == 3 && op == &conv2d_grad_x_def;
}

/* In [-1,1); variances in [0.5,1.5); eighths, where equals are wanted; whole
 * numbers from -8 to 7, where something bends at some. */
static float *source_values(const Sample *s, int k, uint64_t *state)
{
    static const float odd[] = { NAN, INFINITY, -INFINITY };
    const size_t n = tensor_count(s->out->src[k]);
    float *x = malloc(n * sizeof(*x));

    BUG_IF(!x);
    sample_fill(state, x, n);
    for (size_t i = 0;
         i < n && (s->c->src[k].variance || is_variance(s->c->op, k)); i++)
        x[i] = 1 + x[i] / 2;
    for (size_t i = 0; i < n && has_ties(s->c->op, k); i++)
        x[i] = floorf(x[i] * 8) / 8;
    for (size_t i = 0; i < n && has_bends(s->c->op, k); i++)
        x[i] = floorf(x[i] * 8);
    for (int i = 0; i < 3 && k == 0 && s->values == NONFINITE; i++)
        x[sample_below(state, (int)n)] = odd[i];
    for (size_t i = 0; i < n; i++)
        x[i] = dtype_round(s->dtype == TF32 ? F32 : s->dtype, x[i]);
    return x;
}

static void sample_free(Sample *s)
{
    for (int k = 0; k < MAX_SRC; k++)
        free(s->src[k]);
    free(s->want);
    graph_free(s->g);
}

static bool sample_new(Sample *s, const KernelCase *c, Values values,
                       Dtype dtype)
{
    Tensor *src[MAX_SRC];
    uint64_t state = 1;

    *s = (Sample){ .c = c, .values = values, .dtype = dtype, .g = graph_new() };
    for (int k = 0; k < MAX_SRC; k++)
        src[k] = kernel_case_source(s->g, c, k);
    s->out = graph_apply(s->g, c->op, c->attr, src);
    if (!s->out) {
        graph_error(s->g);
        CHECK_MSG(0, "case '%s': %s", c->why, err_message());
        sample_free(s);
        return false;
    }
    for (int k = 0; k < MAX_SRC; k++)
        if (s->out->src[k]) {
            s->src[k] = source_values(s, k, &state);
            s->out->src[k]->data = s->src[k];
        }
    s->want = malloc(tensor_bytes(s->out));
    BUG_IF(!s->want);
    s->out->data = s->want;
    BUG_IF(c->op->ref(s->out));
    graph_set_dtype(s->g, dtype);
    return true;
}

/* Names of one comparison, for a failure. */
typedef struct Trial {
    const Sample *s;
    const Kernel *kernel;
    Device *dev;
    const char *how; /* the device: "isa=avx2, threads=2", "reverse" */
    int inplace;     /* the source whose storage the output takes */
} Trial;

static void trial_failed(const Trial *t, const char *what)
{
    char dims[DIMS_TEXT];

    test_failed(
        __FILE__, __LINE__, "%s '%s' -> %s: kernel %s of %s (%s), %s, %s%s: %s",
        t->s->c->op->name, t->s->c->why, tensor_dims_text(t->s->out, dims),
        t->kernel->name, t->dev->backend->name, t->how, dtype_name(t->s->dtype),
        t->s->values == PLAIN ? "plain" : "nonfinite",
        t->inplace == NOT_IN_PLACE ? "" : ", in place", what);
}

/* A fused activation may take NaN for 0, as oneDNN's does: min and max of the
 * hardware return the other operand. */
static bool lost_nan(const Trial *t, float want, float got)
{
    const Conv2dAttr *attr = t->s->c->attr;

    return t->s->c->op == &conv2d_def && attr->act != ACT_NONE && isnan(want) &&
           got == 0;
}

/* True if nothing is promised of the results next to a number that is not
 * finite (backend.h): not of a library's bf16. */
static bool promises_nothing(const Trial *t)
{
    return t->s->values == NONFINITE && t->s->dtype == BF16 &&
           !strcmp(t->kernel->name, "onednn");
}

/* Winograd's algorithm adds neighbours before it multiplies, so what is not
 * finite makes a NaN of every result of the tile that saw it.  The last two may
 * have it within. */
static bool may_be_winograd(const Kernel *k)
{
    return strcmp(k->name, "winograd") == 0 || strcmp(k->name, "turned") == 0 ||
           strcmp(k->name, "two_passes") == 0;
}

static bool spread_nan(const Trial *t, float got)
{
    return t->s->values == NONFINITE && isnan(got) &&
           may_be_winograd(t->kernel);
}

/* True next to a mask: a masked score's exponential is at the end of the
 * denormals, so whether it is 0, and 0 times infinity a NaN, is a matter of
 * rounding. */
static bool either_way(const Trial *t, float want, float got)
{
    const WindowAttentionAttr *attr = t->s->c->attr;

    return t->s->c->op == &window_attention_def &&
           window_shifted(&attr->window) && !isfinite(want) && !isfinite(got) &&
           (isnan(want) || isnan(got));
}

/* The relative L2 error that is allowed: of a float kernel what its op says,
 * of another twice what rounding the result costs, and at least half of the
 * type's rounding. */
static double allowed(const Trial *t)
{
    const Dtype dtype = t->s->dtype;
    double error = 0, norm = 0;

    if (dtype == F32)
        return t->s->c->op->tol_f32;
    for (size_t i = 0; i < tensor_count(t->s->out); i++) {
        const double want = t->s->want[i];
        const double d = dtype_round(dtype, t->s->want[i]) - want;

        if (!isfinite(want) || !isfinite(d))
            continue;
        error += d * d;
        norm += want * want;
    }
    error = error > 0 ? sqrt(error / norm) : 0;
    return fmax(2 * error, dtype_epsilon(dtype) / 2);
}

static void compare(const Trial *t, const float *got)
{
    const float *want = t->s->want;
    double error = 0, norm = 0, limit = allowed(t);
    char what[160];

    if (promises_nothing(t))
        return;
    for (size_t i = 0; i < tensor_count(t->s->out); i++) {
        if (isfinite(want[i]) && isfinite(got[i])) {
            error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
            norm += (double)want[i] * want[i];
        } else if (want[i] != got[i] && !(isnan(want[i]) && isnan(got[i])) &&
                   !lost_nan(t, want[i], got[i]) && !spread_nan(t, got[i]) &&
                   !either_way(t, want[i], got[i])) {
            snprintf(what, sizeof(what), "element %zu is %g, should be %g", i,
                     (double)got[i], (double)want[i]);
            trial_failed(t, what);
            return;
        }
    }
    error = error > 0 ? sqrt(error / norm) : 0;
    if (error <= limit)
        return;
    snprintf(what, sizeof(what), "relative L2 error %.2g, allowed %.2g", error,
             limit);
    trial_failed(t, what);
}

/* n floats to the device, as t's dtype; and back. */
static void put(const Trial *t, const Tensor *x, const float *values)
{
    void *stored = malloc(tensor_bytes(x));

    BUG_IF(!stored);
    dtype_store(x->dtype, stored, values, tensor_count(x));
    BUG_IF(t->dev->backend->upload(t->dev, x->data, stored, tensor_bytes(x)) !=
           OK);
    free(stored);
}

static void get(const Trial *t, const Tensor *x, float *values)
{
    void *stored = malloc(tensor_bytes(x));

    BUG_IF(!stored);
    BUG_IF(t->dev->backend->download(t->dev, stored, x->data,
                                     tensor_bytes(x)) != OK);
    dtype_load(x->dtype, values, stored, tensor_count(x));
    free(stored);
}

/* Gives every source its place on the device and its values. */
static void place_sources(const Trial *t, Guarded buffer[MAX_SRC])
{
    for (int k = 0; k < MAX_SRC; k++) {
        Tensor *src = t->s->out->src[k];

        if (!src)
            continue;
        src->data = guarded_new(&buffer[k], t->dev, tensor_bytes(src));
        put(t, src, t->s->src[k]);
        if (!tensor_is_weight(src))
            continue;
        BUG_IF(graph_alloc_host(src) != OK);
        memcpy(src->host, t->s->src[k], tensor_count(src) * sizeof(float));
    }
}

/* Weights that plan() copied are gone before run(). */
static void spoil_packed(const Trial *t)
{
    for (int k = 0; k < MAX_SRC; k++) {
        Tensor *src = t->s->out->src[k];

        if (!src || !tensor_is_weight(src) || !(t->kernel->packs >> k & 1))
            continue;
        memset(src->host, 0xff, tensor_count(src) * sizeof(float));
        put(t, src, src->host);
    }
}

static bool same_numbers(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

static void check_sources(const Trial *t, const Guarded buffer[MAX_SRC])
{
    for (int k = 0; k < MAX_SRC; k++) {
        const Tensor *src = t->s->out->src[k];
        float *seen;

        if (!src)
            continue;
        if (!guards_intact(&buffer[k]))
            trial_failed(t, "wrote outside a source");
        if (k == t->inplace || (t->kernel->packs >> k & 1))
            continue;
        seen = malloc(tensor_count(src) * sizeof(float));
        BUG_IF(!seen);
        get(t, src, seen);
        if (!same_numbers(seen, t->s->src[k], tensor_count(src)))
            trial_failed(t, "changed a source");
        free(seen);
    }
}

static void run_and_compare(const Trial *t, void *state)
{
    const size_t bytes = tensor_count(t->s->out) * sizeof(float);
    const int runs = t->inplace == NOT_IN_PLACE ? 2 : 1;
    float *got = malloc(bytes);

    BUG_IF(!got);
    for (int i = 0; i < runs; i++) {
        memset(got, 0xff, bytes); /* as floats: NaN */
        if (t->inplace == NOT_IN_PLACE)
            put(t, t->s->out, got);
        if (t->kernel->run(t->dev, t->s->out, state) != OK)
            trial_failed(t, err_message());
        get(t, t->s->out, got);
        compare(t, got);
    }
    free(got);
}

static void try_kernel(const Trial *t)
{
    Guarded buffer[MAX_SRC] = { 0 }, result = { 0 };
    Tensor *out = t->s->out;
    void *state = NULL;
    int err = OK;

    place_sources(t, buffer);
    out->data = t->inplace == NOT_IN_PLACE
                    ? guarded_new(&result, t->dev, tensor_bytes(out))
                    : out->src[t->inplace]->data;
    if (t->kernel->plan)
        err = t->kernel->plan(t->dev, out, &state);
    if (err) {
        trial_failed(t, err_message());
    } else {
        spoil_packed(t);
        run_and_compare(t, state);
        check_sources(t, buffer);
        if (result.base && !guards_intact(&result))
            trial_failed(t, "wrote outside its output");
    }
    if (t->kernel->release)
        t->kernel->release(state);
    else
        free(state);
    guarded_free(&result);
    for (int k = 0; k < MAX_SRC; k++)
        guarded_free(&buffer[k]);
}

/* Every kernel that is wanted and takes the sample; how many there are. */
static int try_kernels(const Sample *s, Device *dev, const char *how,
                       bool (*wanted)(const Kernel *k))
{
    Trial t = { .s = s, .dev = dev, .how = how };
    int n = 0;

    for (const Kernel *const *k = dev->kernels; *k; k++) {
        t.kernel = *k;
        t.inplace = NOT_IN_PLACE;
        if (!kernel_takes(*k, s->out) || (wanted && !wanted(*k)))
            continue;
        n++;
        try_kernel(&t);
        for (t.inplace = 0; t.inplace < MAX_SRC; t.inplace++) {
            const Tensor *src = s->out->src[t.inplace];

            if (((*k)->inplace >> t.inplace & 1) && src &&
                !tensor_is_weight(src) &&
                tensor_bytes(src) == tensor_bytes(s->out))
                try_kernel(&t);
        }
    }
    return n;
}

static bool has_kernel_for(const Device *dev, const Op *op, Dtype dtype)
{
    for (const Kernel *const *k = dev->kernels; *k; k++) {
        const unsigned dtypes = (*k)->dtypes ? (*k)->dtypes : DTYPE_BIT(F32);

        if ((!(*k)->op || (*k)->op == op) && dtypes & DTYPE_BIT(dtype))
            return true;
    }
    return false;
}

/* True if OP, a list with commas, has this one or is not set. */
static bool is_chosen(const char *name)
{
    const char *at = getenv("OP");
    const size_t n = strlen(name);

    for (; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || !at[n]))
            return true;
    }
    return !getenv("OP");
}

int kernel_trials(Device *dev, const char *how, Values values, Dtype dtype)
{
    return kernel_trials_of(dev, how, values, dtype, NULL);
}

int kernel_trials_of(Device *dev, const char *how, Values values, Dtype dtype,
                     bool (*wanted)(const Kernel *k))
{
    const KernelCase *c;
    int all = 0;

    for (int i = 0; (c = kernel_case_at(i)); i++) {
        Sample s;
        int n;

        if (c->op->view || !is_chosen(c->op->name) ||
            !has_kernel_for(dev, c->op, dtype) ||
            !sample_new(&s, c, values, dtype))
            continue;
        n = try_kernels(&s, dev, how, wanted);
        CHECK_MSG(n > 0 || wanted, "%s '%s': no kernel takes it, %s (%s), %s",
                  c->op->name, c->why, dev->backend->name, how,
                  dtype_name(dtype));
        all += n;
        sample_free(&s);
    }
    return all;
}
