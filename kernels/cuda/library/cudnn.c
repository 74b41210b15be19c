/*
 * cudnn.c - conv2d, conv2d_grad_x and conv2d_grad_w by cuDNN
 *
 *   y = act(conv(x, w) + b + z)      dx = act'(x) (w turned * dy + z)
 *                                    dw = dy * x
 *
 * FLOP-bound except for small ones.  conv_graph.c has a convolution's graph
 * with what follows it, conv_engine.c the engines for it.  At plan time the
 * first few engines of the heuristics are timed, and the fastest is kept, and
 * noted; weights are put into cuDNN's order, (O,kh,kw,C/groups), then, and
 * again after each update of them.
 *
 *   cudnn   tensor cores for all but f32.  Channels that are no multiple of
 *           16 bytes are padded in the workspace, at the cost of another pass.
 *           A 1x1 that is a linear is also tried as one: cuBLASLt's algorithms
 *           run next to the engines, some of which would reorder the map first.
 *           What follows a gradient is a pass of ours (conv_help.cu), of which
 *           a linear can take the addend.
 *
 * Not yet run on a GPU; tests run it for a described card, over a convolution
 * of their own.
 */
#include <cublasLt.h>
#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/kernels/conv_help.h"
#include "kernels/cuda/library/conv_graph.h"
#include "kernels/cuda/library/library.h"
#include "kernels/cuda/library/product.h"
#include "kernels/cuda/library/tune.h"
#include "kernels/ops/ops.h"

typedef struct Conv {
    CudaDevice *cuda;
    const Tensor *out;
    ConvParts parts;   /* out's */
    ConvGraph graph;   /* all 0 where the engine is another state's          */
    ConvEngine engine; /* that of the choice, or ...                         */
    Product *product;  /* ... if its plan is NULL, the 1x1 as a linear       */
    void *packed;      /* device memory: the weights of a conv2d             */
    void *zeros;       /* device memory: a bias that is not there, or NULL   */

    /* cuDNN's variant pack: where the operands are. */
    void *operands;
    Descriptors operands_made;
    void *workspace; /* as it was when operands was made */
} Conv;

static bool is_forward(const Conv *c)
{
    return c->out->op == &conv2d_def;
}

/* Tensor that is added to the product; NULL: none. */
static const Tensor *addend(const Conv *c)
{
    return is_forward(c)                      ? c->out->src[3]
           : c->out->op == &conv2d_grad_x_def ? c->out->src[2]
                                              : NULL;
}

/* ---- memory ------------------------------------------------------------ */

static int pack_weights(Conv *c)
{
    Device *dev = &c->cuda->base;

    TRY(dev->backend->alloc(dev, &c->packed, tensor_bytes(c->parts.w)));
    return conv_pack_filters(dev, c->packed, c->parts.w);
}

static int repack(Device *dev, const Tensor *out, void *state)
{
    return conv_pack_filters(dev, ((Conv *)state)->packed, out->src[1]);
}

static int upload_zeros(Conv *c)
{
    Device *dev = &c->cuda->base;
    const size_t O = (size_t)c->out->dim[1];
    const size_t bytes = O * dtype_size(c->out->dtype);
    void *zeros = calloc(1, bytes); /* in every type 0 is bytes of 0 */
    int err;

    if (!zeros)
        return fail(ERR_MEMORY, "no memory for a bias of %zu", O);
    err = dev->backend->alloc(dev, &c->zeros, bytes);
    if (!err)
        err = dev->backend->upload(dev, c->zeros, zeros, bytes);
    free(zeros);
    return err;
}

/* ---- running ----------------------------------------------------------- */

/* Tells cuDNN where everything is; again if the workspace has moved. */
static int bind_operands(Conv *c)
{
    const Tensor *b = c->out->src[2], *z = addend(c);
    int64_t id[] = { CONV_X, CONV_W, CONV_Y, 0, 0 };
    void *at[] = { c->parts.x->data, c->packed ? c->packed : c->parts.w->data,
                   c->parts.y->data, NULL, NULL };
    Descriptors *s = &c->operands_made;
    int n = 3;

    if (conv_graph_has_bias(c->out)) {
        id[n] = CONV_B;
        at[n++] = b ? b->data : c->zeros;
    }
    if (is_forward(c) && z) {
        id[n] = CONV_Z;
        at[n++] = z->data;
    }
    desc_free_all(s);
    *s = (Descriptors){ 0 };
    c->workspace = c->cuda->workspace;
    c->operands = desc_new(s, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    desc_ints(s, c->operands, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, n, id);
    desc_set(s, c->operands, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
             CUDNN_TYPE_VOID_PTR, n, at);
    desc_set(s, c->operands, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
             CUDNN_TYPE_VOID_PTR, 1, &c->workspace);
    desc_finish(s, c->operands);
    return s->err;
}

static int execute(Conv *c, const ConvEngine *e)
{
    if (!c->operands || c->workspace != c->cuda->workspace)
        TRY(bind_operands(c));
    return cudnn_error((int)cudnnBackendExecute(c->cuda->libraries->cudnn,
                                                e->plan, c->operands));
}

/* The rest of a conv2d_grad_x. */
static int finish(Conv *c, const Tensor *z)
{
    return c->out->op == &conv2d_grad_x_def
               ? conv_finish_grad_x(&c->cuda->base, c->out, z)
               : OK;
}

static int run_engine(Conv *c, const ConvEngine *e)
{
    TRY(execute(c, e));
    return finish(c, addend(c));
}

static int run_product(Conv *c, int i)
{
    TRY(product_run(c->product, i));
    return finish(c, NULL);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    Conv *c = state;

    (void)dev;
    (void)out;
    return c->engine.plan ? run_engine(c, &c->engine) : run_product(c, 0);
}

/* ---- as a linear ------------------------------------------------------- */

static bool is_linear(const Conv *c)
{
    const Conv2dAttr *a = c->parts.attr;
    const Tensor *w = c->parts.w;

    return w->dim[2] == 1 && w->dim[3] == 1 && a->stride == 1 && !a->pad_h &&
           !a->pad_w && a->groups == 1;
}

static int make_product(Conv *c)
{
    const Tensor *b = c->out->src[2], *z = addend(c);
    ProductSpec spec = {
        .gemm = gemm_of_linear(c->out),
        .dtype = c->out->dtype,
        .scale = 1,
        .d = c->out->data,
        .addend = z ? z->data : NULL,
    };

    spec.a = c->out->src[spec.gemm.a_source]->data;
    spec.b = c->out->src[spec.gemm.b_source]->data;
    if (is_forward(c)) {
        spec.a = c->packed;
        spec.bias = b ? b->data : NULL;
        spec.relu = c->parts.attr->act == ACT_RELU;
    }
    return product_new(&c->product, c->cuda, &spec);
}

/* ---- choosing ---------------------------------------------------------- */

/* All that a choice depends on, except the device. */
static void key_of(const Conv *c, char key[TUNE_KEY])
{
    const Conv2dAttr *a = c->parts.attr;
    char x[DIMS_TEXT], w[DIMS_TEXT];

    snprintf(key, TUNE_KEY,
             "%s %s x%s w%s stride=%d pad=%d,%d groups=%d%s%s%s; cuDNN %zu, "
             "cuBLASLt %zu",
             c->out->op->name, dtype_name(c->out->dtype),
             tensor_dims_text(c->parts.x, x), tensor_dims_text(c->parts.w, w),
             a->stride, a->pad_h, a->pad_w, a->groups,
             conv_graph_has_bias(c->out) ? " bias" : "",
             addend(c) ? " addend" : "", a->act ? " relu" : "",
             cudnnGetVersion(), cublasLtGetVersion());
}

/* Engines that are compared, and after them the algorithms of the product. */
typedef struct Trial {
    Conv *conv;
    ConvEngine engines[ENGINES_TRIED];
    int nengines, nalgorithms;
} Trial;

static int run_trial(CudaDevice *cuda, void *arg, int i)
{
    Trial *t = arg;

    (void)cuda;
    return i < t->nengines ? run_engine(t->conv, &t->engines[i])
                           : run_product(t->conv, i - t->nengines);
}

/* Leaves out engines for whose workspace there is no memory. */
static int make_room(Trial *t)
{
    int n = 0, err = OK;

    for (int i = 0; i < t->nengines; i++) {
        const int failed =
            cuda_workspace(t->conv->cuda, t->engines[i].workspace_bytes);

        if (failed)
            conv_engine_free(&t->engines[i]);
        else
            t->engines[n++] = t->engines[i];
        err = failed ? failed : err;
    }
    t->nengines = n;
    return n ? OK : err;
}

/* An error only if neither library has anything. */
static int find_ways(Trial *t)
{
    int err =
        conv_engines(&t->conv->graph, t->engines, ENGINES_TRIED, &t->nengines);

    if (!err)
        err = make_room(t);
    if (t->conv->product &&
        product_algorithms(t->conv->product, &t->nalgorithms) != OK)
        t->nalgorithms = 0;
    return t->nalgorithms ? OK : err;
}

static int choose_by_time(Conv *c)
{
    Trial *t = calloc(1, sizeof(*t));
    int best = -1, err;

    if (!t)
        return fail(ERR_MEMORY, "no memory for %d engines", ENGINES_TRIED);
    t->conv = c;
    err = find_ways(t);
    if (!err)
        err =
            tune(c->cuda, &(Ways){ t->nengines + t->nalgorithms, run_trial, t },
                 &best);
    if (best >= t->nengines)
        product_keep(c->product, best - t->nengines);
    for (int i = 0; i < t->nengines; i++)
        if (i == best)
            c->engine = t->engines[i];
        else
            conv_engine_free(&t->engines[i]);
    free(t);
    return err;
}

/* A choice as text: an engine's, or that of an algorithm behind a word. */
enum { CHOICE_TEXT = 256 };
static const char as_linear[] = "linear ";

static int use(Conv *c, const char *text)
{
    const size_t word = sizeof(as_linear) - 1;

    if (c->product && !strncmp(text, as_linear, word))
        return product_take(c->product, text + word);
    TRY(conv_engine_init(&c->engine, &c->graph, text));
    return cuda_workspace(c->cuda, c->engine.workspace_bytes);
}

static void note(const Conv *c, const char *key)
{
    char text[CHOICE_TEXT], algorithm[ALGORITHM_TEXT];

    if (c->engine.plan) {
        tune_note(c->cuda, key, c->engine.text);
        return;
    }
    product_text(c->product, 0, algorithm);
    snprintf(text, sizeof(text), "%s%s", as_linear, algorithm);
    tune_note(c->cuda, key, text);
}

static int choose(Conv *c)
{
    char key[TUNE_KEY], text[CHOICE_TEXT];

    key_of(c, key);
    if (tune_recall(c->cuda, key, text, sizeof(text)) && use(c, text) == OK)
        return OK;
    conv_engine_free(&c->engine);
    TRY(choose_by_time(c));
    note(c, key);
    return OK;
}

/* All but what is chosen. */
static int new_conv(Conv **out, Device *dev, const Tensor *of)
{
    Conv *c = calloc(1, sizeof(*c));

    *out = c;
    if (!c)
        return fail(ERR_MEMORY, "no memory for a convolution");
    c->cuda = cuda_device(dev);
    c->out = of;
    c->parts = conv_parts(of);
    if (is_forward(c))
        TRY(pack_weights(c));
    return conv_graph_has_bias(of) && !of->src[2] ? upload_zeros(c) : OK;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const CudaLibraries *libraries = cuda_device(dev)->libraries;
    Conv *c;
    const int err = new_conv(&c, dev, out);

    *state = c;
    TRY(err);
    TRY(conv_graph_init(
        &c->graph, out,
        (ConvTarget){ libraries->cudnn, libraries->described }));
    if (is_linear(c))
        TRY(make_product(c));
    return choose(c);
}

/* An engine is for any operands; a product is for its own. */
static int plan_like(Device *dev, const Tensor *out, const void *like,
                     void **state)
{
    const Conv *from = like;
    Conv *c;
    const int err = new_conv(&c, dev, out);

    *state = c;
    TRY(err);
    c->engine = from->engine;
    c->engine.made = (Descriptors){ 0 };
    if (from->engine.plan)
        return OK;
    TRY(make_product(c));
    product_keep_like(c->product, from->product);
    return OK;
}

static void release(void *state)
{
    Conv *c = state;
    Device *dev;

    if (!c)
        return;
    dev = &c->cuda->base;
    desc_free_all(&c->operands_made);
    conv_engine_free(&c->engine);
    conv_graph_free(&c->graph);
    product_free(c->product);
    if (c->packed)
        dev->backend->release(dev, c->packed);
    if (c->zeros)
        dev->backend->release(dev, c->zeros);
    free(c);
}

#define CONV(id, ...)                                         \
    const Kernel cudnn_##id = { .op = &id##_def,              \
                                .name = "cudnn",              \
                                .dtypes = ALL_DTYPES,         \
                                .supports = conv_graph_takes, \
                                .plan = plan,                 \
                                .plan_like = plan_like,       \
                                .run = run,                   \
                                .release = release,           \
                                __VA_ARGS__ };
CONV(conv2d, .repack = repack, .packs = 1u << 1)
CONV(conv2d_grad_x)
CONV(conv2d_grad_w)
