/*
 * fake_libraries.c - a device on the host, with the kernels made of libraries
 *
 * cuBLASLt is fake_cublaslt.c.  cuDNN is the real one, which makes its graphs
 * and plans for a described H200; only running one is done here, by plain loops
 * over the memory that the kernel gave it, in the order in which it says that
 * weights are.  What is launched of our own kernels runs in kernels/simt.
 */
#include "tests/fake_libraries.h"

FakeCalls fake_calls;

#ifndef WITH_CUDNN

const Backend *const fake_libraries;

#else

#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/host.h"
#include "kernels/cuda/library/conv_graph.h"
#include "kernels/cuda/library/library.h"
#include "kernels/ops/ops.h"
#include "tests/described.h"
#include "tests/test.h"

enum { MAX_OPERANDS = 8, MAX_PLANS = 64, MAX_PACKS = 16 };

typedef struct FakeDevice {
    CudaDevice cuda;
    CudaLibraries libraries;
    Described card;
    double clock_ns, started_ns;
    bool planning;
} FakeDevice;

/* The device and the op of the latest plan(), or run() of a convolution. */
static FakeDevice *device;
static const Tensor *conv;

/* cuDNN's plans, in the order in which they first ran. */
static void *plans[MAX_PLANS];
static int nplans;

bool fake_launched(int i)
{
    fake_calls.launches++;
    device->clock_ns += i == fake_calls.fastest ? 1000 : 2000 + i;
    return !device->planning;
}

/* ---- running a convolution --------------------------------------------- */

/* n numbers of the convolution's type as floats; NULL for NULL. */
static float *load(const void *data, size_t n)
{
    float *values = data ? malloc(n * sizeof(*values)) : NULL;

    BUG_IF(data && !values);
    if (data)
        dtype_load(conv->dtype, values, data, n);
    return values;
}

/* A variant pack, which cuDNN does not let one read. */
typedef struct Pack {
    void *made;
    int64_t n, id[MAX_OPERANDS];
    void *data[MAX_OPERANDS], *workspace;
} Pack;
static Pack packs[MAX_PACKS];
static int last_pack;

static Pack *pack_of(void *made)
{
    for (int i = 0; i < MAX_PACKS; i++)
        if (packs[i].made == made)
            return &packs[i];
    last_pack = (last_pack + 1) % MAX_PACKS;
    packs[last_pack] = (Pack){ .made = made };
    return &packs[last_pack];
}

/* The linker puts these before cuDNN's own, for our kernels only. */
cudnnStatus_t __real_cudnnBackendSetAttribute(void *d,
                                              cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type,
                                              int64_t n, const void *values);
cudnnStatus_t __wrap_cudnnBackendSetAttribute(void *d,
                                              cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type,
                                              int64_t n, const void *values);
cudnnStatus_t __wrap_cudnnBackendExecute(cudnnHandle_t handle, void *plan,
                                         void *made);

cudnnStatus_t __wrap_cudnnBackendSetAttribute(void *d,
                                              cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type,
                                              int64_t n, const void *values)
{
    const size_t count = (size_t)n;

    if (name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS) {
        *pack_of(d) = (Pack){ .made = d, .n = n };
        memcpy(pack_of(d)->id, values, count * sizeof(int64_t));
    } else if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS) {
        CHECK(n == pack_of(d)->n);
        memcpy(pack_of(d)->data, values, count * sizeof(void *));
    } else if (name == CUDNN_ATTR_VARIANT_PACK_WORKSPACE) {
        memcpy(&pack_of(d)->workspace, values, sizeof(void *));
    }
    return __real_cudnnBackendSetAttribute(d, name, type, n, values);
}

/* Where number (o,c,u,v) of the filters is. */
static size_t filter_at(const Tensor *w, int o, int c, int u, int v)
{
    const int C = w->dim[1], kh = w->dim[2], kw = w->dim[3];

    return (size_t)(conv->op == &conv2d_def ? ((o * kh + u) * kw + v) * C + c
                                            : ((o * C + c) * kh + u) * kw + v);
}

/* A convolution's numbers, one of them the sums that are made. */
typedef struct Numbers {
    ConvParts parts;
    float *x, *w, *y;
    double *sum;
} Numbers;

/* All products of output (n,o,i,j), each to the sum that it belongs to. */
static void multiply(const Numbers *p, int n, int o, int i, int j)
{
    const Conv2dAttr *a = p->parts.attr;
    const Tensor *x = p->parts.x, *w = p->parts.w, *y = p->parts.y;
    const int first = o / (y->dim[1] / a->groups) * w->dim[1];
    const size_t at_y = tensor_at(y, n, o, i, j);

    for (int u = 0; u < w->dim[2]; u++)
        for (int v = 0; v < w->dim[3]; v++)
            for (int c = 0; c < w->dim[1]; c++) {
                const int h = i * a->stride + u - a->pad_h;
                const int l = j * a->stride + v - a->pad_w;
                const size_t at_w = filter_at(w, o, c, u, v);
                size_t at_x;

                if (h < 0 || h >= x->dim[2] || l < 0 || l >= x->dim[3])
                    continue;
                at_x = tensor_at(x, n, first + c, h, l);
                if (conv == y)
                    p->sum[at_y] += (double)p->x[at_x] * p->w[at_w];
                else if (conv == x)
                    p->sum[at_x] += (double)p->y[at_y] * p->w[at_w];
                else
                    p->sum[at_w] += (double)p->x[at_x] * p->y[at_y];
            }
}

/* Nodes after the sum in the graph of a conv2d. */
static double followed(double sum, size_t k, const float *b, const float *z)
{
    const Conv2dAttr *a = conv->attr;

    if (conv->op != &conv2d_def)
        return sum;
    sum += z ? z[k] : 0;
    sum += b ? b[k % (size_t)conv->dim[1]] : 0; /* channels come last */
    return a->act && sum < 0 ? 0 : sum;
}

static void convolve(void *const *at)
{
    const ConvParts parts = conv_parts(conv);
    const int *dim = parts.y->dim;
    const size_t n = tensor_count(conv);
    float *b = load(at[CONV_B], (size_t)conv->dim[1]), *z = load(at[CONV_Z], n);
    Numbers p = { .parts = parts,
                  .x = load(at[CONV_X], tensor_count(parts.x)),
                  .w = load(at[CONV_W], tensor_count(parts.w)),
                  .y = load(at[CONV_Y], tensor_count(parts.y)),
                  .sum = calloc(n, sizeof(*p.sum)) };
    float *made = conv == parts.y ? p.y : conv == parts.x ? p.x : p.w;
    const int role = conv == parts.y   ? CONV_Y
                     : conv == parts.x ? CONV_X
                                       : CONV_W;

    BUG_IF(!p.sum);
    for (int m = 0; m < dim[0]; m++)
        for (int o = 0; o < dim[1]; o++)
            for (int i = 0; i < dim[2]; i++)
                for (int j = 0; j < dim[3]; j++)
                    multiply(&p, m, o, i, j);
    for (size_t k = 0; k < n; k++)
        made[k] = (float)followed(p.sum[k], k, b, z);
    dtype_store(conv->dtype, at[role], made, n);
    free(p.x);
    free(p.w);
    free(p.y);
    free(p.sum);
    free(b);
    free(z);
}

static int number_of(void *plan)
{
    int i = 0;

    while (i < nplans && plans[i] != plan)
        i++;
    BUG_IF(i == MAX_PLANS);
    plans[i] = plan;
    nplans += i == nplans;
    return i;
}

static void check_places(void *const *at)
{
    const ConvParts p = conv_parts(conv);

    CHECK(at[CONV_X] == p.x->data && at[CONV_Y] == p.y->data);
    CHECK(at[CONV_W] && (at[CONV_W] == p.w->data) == (conv->op != &conv2d_def));
}

cudnnStatus_t __wrap_cudnnBackendExecute(cudnnHandle_t handle, void *plan,
                                         void *made)
{
    const int number = number_of(plan);
    const Pack *pack = pack_of(made);
    void *at[MAX_OPERANDS] = { NULL };
    int64_t bytes = 0;
    Descriptors s = { 0 };

    (void)handle;
    desc_get(&s, plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
             CUDNN_TYPE_INT64, 1, &bytes);
    CHECK_MSG(!s.err, "%s", err_message());
    CHECK(pack->workspace == device->cuda.workspace);
    CHECK((size_t)bytes <= device->cuda.workspace_bytes);
    if (number < fake_calls.broken)
        return CUDNN_STATUS_EXECUTION_FAILED;
    for (int64_t i = 0; i < pack->n; i++)
        at[pack->id[i]] = pack->data[i];
    check_places(at);
    if (fake_launched(number))
        convolve(at);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- kernels ----------------------------------------------------------- */

static int plan(const Kernel *kernel, Device *dev, const Tensor *out,
                void **state)
{
    int err;

    device = (FakeDevice *)dev;
    conv = out;
    nplans = 0;
    device->planning = true;
    err = kernel->plan(dev, out, state);
    device->planning = false;
    return err;
}

#define PLAN(id)                                                       \
    static int plan_##id(Device *dev, const Tensor *out, void **state) \
    {                                                                  \
        return plan(&id, dev, out, state);                             \
    }
PLAN(cudnn_conv2d)
PLAN(cudnn_conv2d_grad_x)
PLAN(cudnn_conv2d_grad_w)
PLAN(cublas_linear)
PLAN(cublas_matmul)

static int run_conv(Device *dev, const Tensor *out, void *state)
{
    device = (FakeDevice *)dev;
    conv = out;
    return cudnn_conv2d.run(dev, out, state);
}

/* For what the libraries refuse, and our own kernels would do. */
static int run_definition(Device *dev, const Tensor *out, void *state)
{
    Tensor copy = *out, src[MAX_SRC];
    int err;

    (void)dev;
    (void)state;
    for (int k = 0; k < MAX_SRC; k++) {
        if (!out->src[k])
            continue;
        src[k] = *out->src[k];
        src[k].data = malloc(tensor_count(&src[k]) * sizeof(float));
        BUG_IF(!src[k].data);
        dtype_load(out->dtype, src[k].data, out->src[k]->data,
                   tensor_count(&src[k]));
        copy.src[k] = &src[k];
    }
    copy.data = malloc(tensor_count(out) * sizeof(float));
    BUG_IF(!copy.data);
    err = out->op->ref(&copy);
    dtype_store(out->dtype, out->data, copy.data, tensor_count(out));
    for (int k = 0; k < MAX_SRC; k++)
        if (out->src[k])
            free(src[k].data);
    free(copy.data);
    return err;
}

/* Tables of the libraries, with the functions above; then the definitions. */
enum { NOURS = 5, NREFUSED = 4 };
static Kernel ours[NOURS];
static const Kernel *kernels[NOURS + NREFUSED + 1];

#define REFUSED(id)                                                  \
    {                                                                \
        .op = &id##_def, .name = "definition", .dtypes = ALL_DTYPES, \
        .run = run_definition,                                       \
    }
static const Kernel refused[NREFUSED] = { REFUSED(conv2d),
                                          REFUSED(conv2d_grad_x),
                                          REFUSED(conv2d_grad_w),
                                          REFUSED(matmul) };

static void list_kernels(void)
{
    ours[0] = cudnn_conv2d;
    ours[0].plan = plan_cudnn_conv2d;
    ours[1] = cudnn_conv2d_grad_x;
    ours[1].plan = plan_cudnn_conv2d_grad_x;
    ours[2] = cudnn_conv2d_grad_w;
    ours[2].plan = plan_cudnn_conv2d_grad_w;
    for (int i = 0; i < 3; i++)
        ours[i].run = run_conv;
    for (int i = 1; i < 3; i++)
        ours[i].dtypes = DTYPE_BIT(F32); /* all that gradients are in */
    ours[3] = cublas_linear;
    ours[3].plan = plan_cublas_linear;
    ours[4] = cublas_matmul;
    ours[4].plan = plan_cublas_matmul;
    for (int i = 0; i < NOURS; i++)
        kernels[i] = &ours[i];
    for (int i = 0; i < NREFUSED; i++)
        kernels[NOURS + i] = &refused[i];
}

/* ---- the device -------------------------------------------------------- */

int fake_grow(Device *dev)
{
    return cuda_workspace((CudaDevice *)dev,
                          2 * ((CudaDevice *)dev)->workspace_bytes + 1);
}

static int fake_open(Device **out, const DeviceSettings *settings)
{
    FakeDevice *f = calloc(1, sizeof(*f));

    BUG_IF(!f);
    list_kernels();
    described_open(&f->card, "h200");
    f->libraries.described = f->card.device;
    f->cuda.sms = 132;
    f->cuda.libraries = &f->libraries;
    f->cuda.notes = settings ? settings->notes : NULL;
    f->cuda.base.backend = fake_libraries;
    f->cuda.base.kernels = kernels;
    f->cuda.base.threads = 1;
    snprintf(f->cuda.base.about, sizeof(f->cuda.base.about),
             "a described H200");
    device = f;
    *out = &f->cuda.base;
    return OK;
}

static void fake_close(Device *dev)
{
    FakeDevice *f = (FakeDevice *)dev;

    cuda_workspace_free(&f->cuda);
    described_close(&f->card);
    free(f);
}

static int clock_start(Device *dev)
{
    FakeDevice *f = (FakeDevice *)dev;

    f->started_ns = f->clock_ns;
    return OK;
}

static int clock_stop(Device *dev, double *ns)
{
    const FakeDevice *f = (const FakeDevice *)dev;

    *ns = f->clock_ns - f->started_ns;
    return OK;
}

static const Backend backend = {
    .name = "libraries",
    .title = "cuDNN's and cuBLASLt's kernels on the host, for checking",
    .open = fake_open,
    .close = fake_close,
    .alloc = host_alloc,
    .release = host_release,
    .upload = host_copy,
    .download = host_copy,
    .clock_start = clock_start,
    .clock_stop = clock_stop,
};
const Backend *const fake_libraries = &backend;

#endif
