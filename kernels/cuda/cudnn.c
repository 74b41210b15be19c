/*
 * cudnn.c - conv2d by cuDNN: y = act(conv(x, w) + b + z)
 *
 * FLOP-bound but for small ones.  The graph of a convolution with what follows
 * it is in conv_graph.c, the engines for it in conv_engine.c.  At plan time the
 * first few engines of the heuristics are timed, and the fastest is kept, and
 * noted; weights are put into cuDNN's order, (O,kh,kw,C/groups), once.
 *
 *   cudnn   tensor cores for all but f32.  Channels that are no multiple of
 *           16 bytes are padded in the workspace, at the cost of another pass.
 *           A 1x1 that is a linear is also tried as one: cuBLASLt's algorithms
 *           run beside the engines, some of which would reorder the map first.
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
#include "kernels/cuda/conv_graph.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/tune.h"
#include "kernels/ops/ops.h"

typedef struct Conv {
    CudaDevice *cuda;
    ConvGraph graph;
    ConvEngine engine;     /* that of the choice, or ...                     */
    Product *product;      /* ... if its plan is NULL, the 1x1 as a linear   */
    void *weights, *zeros; /* device memory; zeros: a bias that is not there */
    const Tensor *out;

    /* cuDNN's variant pack: where the operands are. */
    void *operands;
    Descriptors operands_made;
    void *workspace; /* as it was when operands was made */
} Conv;

/* ---- memory ------------------------------------------------------------ */

/* Copies n floats to new memory of the device, as the type they are used in. */
static int upload(CudaDevice *cuda, Dtype dtype, const float *values, size_t n,
                  void **out)
{
    Device *dev = &cuda->base;
    const size_t bytes = n * dtype_size(dtype);
    void *stored = malloc(bytes);
    int err;

    if (!stored)
        return fail(ERR_MEMORY, "no memory for %zu bytes of weights", bytes);
    dtype_store(dtype, stored, values, n);
    err = dev->backend->alloc(dev, out, bytes);
    if (!err)
        err = dev->backend->upload(dev, *out, stored, bytes);
    free(stored);
    return err;
}

static int upload_weights(Conv *c)
{
    const Tensor *w = c->out->src[1];
    const size_t n = tensor_count(w);
    float *packed = malloc(n * sizeof(*packed));
    int err;

    if (!packed)
        return fail(ERR_MEMORY, "no memory for the weights of %s", w->name);
    conv_pack_weights(packed, w, tensor_storage(w)->host);
    err = upload(c->cuda, w->dtype, packed, n, &c->weights);
    free(packed);
    return err;
}

static int upload_zeros(Conv *c)
{
    const size_t O = (size_t)c->out->dim[1];
    float *zeros = calloc(O, sizeof(*zeros));
    int err;

    if (!zeros)
        return fail(ERR_MEMORY, "no memory for a bias of %zu", O);
    err = upload(c->cuda, c->out->dtype, zeros, O, &c->zeros);
    free(zeros);
    return err;
}

/* ---- running ----------------------------------------------------------- */

/* Tells cuDNN where everything is; again if the workspace has moved. */
static int bind_operands(Conv *c)
{
    const Tensor *b = c->out->src[2], *z = c->out->src[3];
    int64_t id[] = { CONV_X, CONV_W, CONV_Y, 0, 0 };
    void *at[] = { c->out->src[0]->data, c->weights, c->out->data, NULL, NULL };
    Descriptors *s = &c->operands_made;
    int n = 3;

    if (conv_graph_has_bias(c->out)) {
        id[n] = CONV_B;
        at[n++] = b ? b->data : c->zeros;
    }
    if (z) {
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

static int run(Device *dev, const Tensor *out, void *state)
{
    Conv *c = state;

    (void)dev;
    (void)out;
    return c->engine.plan ? execute(c, &c->engine) : product_run(c->product, 0);
}

/* ---- as a linear ------------------------------------------------------- */

static bool is_linear(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *w = out->src[1];

    return w->dim[2] == 1 && w->dim[3] == 1 && a->stride == 1 && !a->pad_h &&
           !a->pad_w && a->groups == 1;
}

static int make_product(Conv *c)
{
    const Conv2dAttr *a = c->out->attr;
    const Tensor *b = c->out->src[2], *z = c->out->src[3];
    const ProductSpec spec = {
        .gemm = gemm_of_linear(c->out),
        .dtype = c->out->dtype,
        .scale = 1,
        .a = c->weights,
        .b = c->out->src[0]->data,
        .d = c->out->data,
        .addend = z ? z->data : NULL,
        .bias = b ? b->data : NULL,
        .relu = a->act == ACT_RELU,
    };

    return product_new(&c->product, c->cuda, &spec);
}

/* ---- choosing ---------------------------------------------------------- */

/* All that a choice depends on, but for the device. */
static void key_of(const Tensor *out, char key[TUNE_KEY])
{
    const Conv2dAttr *a = out->attr;
    char x[DIMS_TEXT], w[DIMS_TEXT];

    snprintf(key, TUNE_KEY,
             "conv2d %s x%s w%s stride=%d pad=%d,%d groups=%d%s%s%s; cuDNN "
             "%zu, cuBLASLt %zu",
             dtype_name(out->dtype), tensor_dims_text(out->src[0], x),
             tensor_dims_text(out->src[1], w), a->stride, a->pad_h, a->pad_w,
             a->groups, conv_graph_has_bias(out) ? " bias" : "",
             out->src[3] ? " addend" : "", a->act ? " relu" : "",
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
    return i < t->nengines ? execute(t->conv, &t->engines[i])
                           : product_run(t->conv->product, i - t->nengines);
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

    key_of(c->out, key);
    if (tune_recall(c->cuda, key, text, sizeof(text)) && use(c, text) == OK)
        return OK;
    conv_engine_free(&c->engine);
    TRY(choose_by_time(c));
    note(c, key);
    return OK;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    CudaDevice *cuda = cuda_device(dev);
    const ConvTarget target = { cuda->libraries->cudnn,
                                cuda->libraries->described };
    Conv *c = calloc(1, sizeof(*c));

    if (!c)
        return fail(ERR_MEMORY, "no memory for a convolution");
    *state = c;
    c->cuda = cuda;
    c->out = out;
    TRY(conv_graph_init(&c->graph, out, target));
    TRY(upload_weights(c));
    if (conv_graph_has_bias(out) && !out->src[2])
        TRY(upload_zeros(c));
    if (is_linear(out))
        TRY(make_product(c));
    return choose(c);
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
    if (c->weights)
        dev->backend->release(dev, c->weights);
    if (c->zeros)
        dev->backend->release(dev, c->zeros);
    free(c);
}

const Kernel cudnn_conv2d = {
    .op = &conv2d_def,
    .name = "cudnn",
    .dtypes = ALL_DTYPES,
    .supports = conv_graph_takes,
    .plan = plan,
    .run = run,
    .release = release,
    .packs = 1u << 1,
};
