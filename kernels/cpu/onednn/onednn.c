/*
 * onednn.c - makes, binds, packs and runs oneDNN primitives.
 */
#include "kernels/cpu/onednn/onednn.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <oneapi/dnnl/dnnl_debug.h>

#include "kernels/core/err.h"
#include "kernels/cpu/onednn/dnnl_compat.h"

struct Onednn {
    Device *dev;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    void *scratch; /* as large as any primitive so far has needed */
    size_t scratch_bytes;
};

enum { NARGS = NSLOTS + 1, SCRATCH = NSLOTS };

enum { CODE_ROOM = 32 << 20 }; /* bytes that making code may take */

struct Primitive {
    Onednn *lib;
    ConvPass pass;
    dnnl_primitive_t code;
    dnnl_primitive_desc_t desc;
    bool relu_by_clip;    /* of 0 to infinity: see relu_multiplies */
    Md md[NSLOTS];        /* as described, before oneDNN chose */
    void *packed[NSLOTS]; /* ours                              */
    void *scratch;        /* what the scratchpad is bound to   */
    dnnl_exec_arg_t arg[NARGS];

    /* A copy of one of them in another order, after each run; or NULL. */
    dnnl_primitive_t copy;
    dnnl_exec_arg_t copied[2];
};

static int check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return OK;
    return fail(status == dnnl_unimplemented   ? ERR_UNSUPPORTED
                : status == dnnl_out_of_memory ? ERR_MEMORY
                                               : ERR_DEVICE,
                "oneDNN: %s: %s", what, dnnl_status2str(status));
}

const char *onednn_version(char *text, size_t size)
{
    const dnnl_version_t *v = dnnl_version();

    snprintf(text, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

static bool may_use(dnnl_cpu_isa_t isa)
{
    return (dnnl_get_effective_cpu_isa() & isa) == isa;
}

bool onednn_has_bf16(void)
{
    return may_use(dnnl_cpu_isa_avx512_core_bf16);
}

bool onednn_has_amx(void)
{
    return may_use(dnnl_cpu_isa_avx512_core_amx);
}

bool onednn_has_avx2(void)
{
    return may_use(dnnl_cpu_isa_avx2);
}

bool onednn_has_avx512(void)
{
    return may_use(dnnl_cpu_isa_avx512_core);
}

const char *onednn_isa(void)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } best_first[] = {
        { dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx" },
        { dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16" },
        { dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni" },
        { dnnl_cpu_isa_avx512_core, "avx512_core" },
        { dnnl_cpu_isa_avx2, "avx2" },
        { dnnl_cpu_isa_avx, "avx" },
        { dnnl_cpu_isa_sse41, "sse41" },
    };

    for (size_t i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++)
        if (may_use(best_first[i].isa))
            return best_first[i].name;
    return "no vector instructions";
}

char *onednn_limit(char *text, size_t size)
{
    static const char *const names[] = { "ONEDNN_MAX_CPU_ISA",
                                         "DNNL_MAX_CPU_ISA" };

    text[0] = '\0';
    for (int i = 1; i >= 0; i--)
        if (getenv(names[i]) && *getenv(names[i]))
            snprintf(text, size, "%s=%s", names[i], getenv(names[i]));
    return text;
}

int onednn_open(Onednn **out, Device *dev)
{
    Onednn *lib;
    int err;

    *out = NULL;
    if (dnnl_version()->major != DNNL_VERSION_MAJOR)
        return fail(ERR_UNSUPPORTED,
                    "oneDNN %d.x is loaded, but this program was built for "
                    "%d.x: build it again",
                    dnnl_version()->major, DNNL_VERSION_MAJOR);
    if (dnnl_version()->cpu_runtime != DNNL_RUNTIME_OMP)
        return fail(ERR_UNSUPPORTED, "this oneDNN does not use OpenMP, so its "
                                     "threads cannot be set: use one that "
                                     "does");
    lib = calloc(1, sizeof(*lib));
    if (!lib)
        return fail(ERR_MEMORY, "no memory for oneDNN");
    lib->dev = dev;
    err = check(dnnl_engine_create(&lib->engine, dnnl_cpu, 0), "engine");
    if (!err)
        err = check(dnnl_stream_create(&lib->stream, lib->engine,
                                       dnnl_stream_default_flags),
                    "stream");
    if (err) {
        onednn_close(lib);
        return err;
    }
    *out = lib;
    return OK;
}

void onednn_close(Onednn *lib)
{
    if (!lib)
        return;
    if (lib->stream)
        dnnl_stream_destroy(lib->stream);
    if (lib->engine)
        dnnl_engine_destroy(lib->engine);
    if (lib->scratch)
        lib->dev->backend->release(lib->dev, lib->scratch);
    free(lib);
}

/* oneDNN asks OpenMP how many threads there are, when it makes a primitive
 * and when it runs one; another device may have set that. */
static void take_threads(const Device *dev)
{
    if (omp_get_max_threads() != dev->threads)
        omp_set_num_threads(dev->threads);
}

Array array_of(const Tensor *t)
{
    size_t stride[MAX_RANK];
    Array a = { .rank = t->rank };

    tensor_strides(t, stride);
    for (int i = 0; i < t->rank; i++) {
        a.dim[i] = t->dim[i];
        a.stride[i] = (int64_t)stride[i];
    }
    return a;
}

static int md_make(Md *md, const Array *a, Dtype dtype)
{
    const dnnl_data_type_t type = dtype == BF16 ? dnnl_bf16 : dnnl_f32;
    bool any = true;

    for (int i = 0; i < a->rank; i++)
        any &= a->stride[i] == 0;
    if (a->rank == 0)
        return OK;
    return check(any ? md_any(md, a->rank, a->dim, type)
                     : md_strided(md, a->rank, a->dim, a->stride, type),
                 "layout");
}

static int append_epilogue(dnnl_post_ops_t ops, const Problem *p,
                           const Primitive *prim)
{
    if (p->scale != 0 && p->scale != 1)
        TRY(check(append_eltwise(ops, dnnl_eltwise_linear, p->scale, 0),
                  "scale"));
    if (p->accumulate)
        TRY(check(append_sum(ops), "addition"));
    if (p->array[SLOT_ADDEND].rank)
        TRY(check(dnnl_post_ops_append_binary(ops, dnnl_binary_add,
                                              md_ref(&prim->md[SLOT_ADDEND])),
                  "addition"));
    if (p->act == ACT_RELU && prim->relu_by_clip)
        TRY(check(append_eltwise(ops, dnnl_eltwise_clip, 0, INFINITY), "relu"));
    else if (p->act == ACT_RELU)
        TRY(check(append_eltwise(ops, dnnl_eltwise_relu, 0, 0), "relu"));
    if (p->act == ACT_RELU6)
        TRY(check(append_eltwise(ops, dnnl_eltwise_clip, 0, 6), "relu6"));
    return OK;
}

/* The attributes of every primitive: what follows it, and whose scratchpad. */
static int make_attr(dnnl_primitive_attr_t *attr, const Problem *p,
                     const Primitive *prim)
{
    dnnl_post_ops_t ops = NULL;
    int err;

    TRY(check(dnnl_primitive_attr_create(attr), "attributes"));
    err = check(dnnl_primitive_attr_set_scratchpad_mode(
                    *attr, dnnl_scratchpad_mode_user),
                "scratchpad");
    if (!err)
        err = check(dnnl_post_ops_create(&ops), "post-ops");
    if (!err)
        err = append_epilogue(ops, p, prim);
    if (!err)
        err = check(dnnl_primitive_attr_set_post_ops(*attr, ops), "post-ops");
    if (ops)
        dnnl_post_ops_destroy(ops);
    return err;
}

/* The addend is an argument of the post-op that adds it, which has a place in
 * the list of them. */
static int addend_arg(const Problem *p)
{
    const int before = p->scale != 0 && p->scale != 1;

    return DNNL_ARG_ATTR_MULTIPLE_POST_OP(before) | DNNL_ARG_SRC_1;
}

/* oneDNN's names of a pass's operands, and the layouts that it chose. */
typedef struct Operand {
    int arg;
    dnnl_query_t query;
} Operand;

static const Operand operands[CONV_PASSES][NSLOTS] = {
    [CONV_FORWARD] = {
        [SLOT_SRC] = { DNNL_ARG_SRC, dnnl_query_src_md },
        [SLOT_WEIGHTS] = { DNNL_ARG_WEIGHTS, dnnl_query_weights_md },
        [SLOT_BIAS] = { DNNL_ARG_BIAS },
        [SLOT_DST] = { DNNL_ARG_DST, dnnl_query_dst_md },
    },
    [CONV_GRAD_SRC] = {
        [SLOT_SRC] = { DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md },
        [SLOT_WEIGHTS] = { DNNL_ARG_WEIGHTS, dnnl_query_weights_md },
        [SLOT_DST] = { DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md },
    },
    [CONV_GRAD_WEIGHTS] = {
        [SLOT_SRC] = { DNNL_ARG_SRC, dnnl_query_src_md },
        [SLOT_WEIGHTS] = { DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md },
        [SLOT_DST] = { DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md },
    },
};

static void name_args(Primitive *prim, const Problem *p)
{
    for (int i = 0; i < NSLOTS; i++)
        prim->arg[i].arg = operands[p->pass][i].arg;
    prim->arg[SLOT_ADDEND].arg = addend_arg(p);
    prim->arg[SCRATCH].arg = DNNL_ARG_SCRATCHPAD;
}

/* The layout of an operand: the one that oneDNN chose, if that was its to
 * choose. */
static MdRef chosen(const Primitive *prim, int i)
{
    if (i == SCRATCH)
        return dnnl_primitive_desc_query_md(prim->desc,
                                            dnnl_query_scratchpad_md, 0);
    if (operands[prim->pass][i].query)
        return dnnl_primitive_desc_query_md(prim->desc,
                                            operands[prim->pass][i].query, 0);
    return md_ref(&prim->md[i]);
}

static int set_arg(Primitive *prim, int i, void *data)
{
    dnnl_exec_arg_t *arg = &prim->arg[i];

    if (arg->memory)
        return check(dnnl_memory_set_data_handle(arg->memory, data), "operand");
    return check(dnnl_memory_create(&arg->memory, chosen(prim, i),
                                    prim->lib->engine, data),
                 "operand");
}

/* Makes room for prim in the scratchpad that all primitives share. */
static int reserve_scratch(Primitive *prim)
{
    Onednn *lib = prim->lib;
    Device *dev = lib->dev;
    const size_t bytes = dnnl_memory_desc_get_size(chosen(prim, SCRATCH));
    void *larger;

    if (bytes > lib->scratch_bytes) {
        TRY(dev->backend->alloc(dev, &larger, bytes));
        if (lib->scratch)
            dev->backend->release(dev, lib->scratch);
        lib->scratch = larger;
        lib->scratch_bytes = bytes;
    }
    prim->scratch = lib->scratch;
    return set_arg(prim, SCRATCH, prim->scratch);
}

/* Its generator of code writes to memory that it did not get. */
static int make_code(dnnl_primitive_t *out, const_dnnl_primitive_desc_t desc,
                     const char *what)
{
    void *room = mmap(NULL, CODE_ROOM, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (room == MAP_FAILED)
        return fail(ERR_MEMORY, "no memory for oneDNN's %s", what);
    munmap(room, CODE_ROOM);
    return check(dnnl_primitive_create(out, desc), what);
}

/* One of the three kinds of operation that we use. */
typedef dnnl_status_t Describe(Primitive *prim, const Problem *p,
                               const Mds *mds, dnnl_primitive_attr_t attr);

/* Fills prim->desc, which says what code there will be. */
static int make_desc(Primitive *prim, const Problem *p, const Mds *mds,
                     Describe *describe)
{
    dnnl_primitive_attr_t attr = NULL;
    int err;

    err = make_attr(&attr, p, prim);
    if (!err)
        err = check(describe(prim, p, mds, attr), "no code for this shape");
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return err;
}

/* True where the code multiplies what is negative by a slope of 0, which makes
 * NaN of -inf: all that is not generated for the whole operation (2.6.3). */
static bool relu_multiplies(const Primitive *prim)
{
    const char *name = "";

    dnnl_primitive_desc_query(prim->desc, dnnl_query_impl_info_str, 0, &name);
    return strstr(name, "gemm") || strstr(name, "ref");
}

static int primitive_new(Primitive **out, Onednn *lib, const Problem *p,
                         Describe *describe)
{
    Primitive *prim = calloc(1, sizeof(*prim));
    int err = OK;
    Mds mds;

    *out = NULL;
    if (!prim)
        return fail(ERR_MEMORY, "no memory for a primitive");
    take_threads(lib->dev);
    prim->lib = lib;
    prim->pass = p->pass;
    name_args(prim, p);
    for (int i = 0; i < NSLOTS && !err; i++)
        err = md_make(&prim->md[i], &p->array[i],
                      i == SLOT_BIAS ? F32 : p->dtype);
    mds = (Mds){
        .src = md_ref(&prim->md[SLOT_SRC]),
        .weights = md_ref(&prim->md[SLOT_WEIGHTS]),
        .bias = md_ref(&prim->md[SLOT_BIAS]),
        .dst = md_ref(&prim->md[SLOT_DST]),
    };
    if (!err)
        err = make_desc(prim, p, &mds, describe);
    if (!err && p->act == ACT_RELU && relu_multiplies(prim)) {
        dnnl_primitive_desc_destroy(prim->desc);
        prim->desc = NULL;
        prim->relu_by_clip = true;
        err = make_desc(prim, p, &mds, describe);
    }
    if (!err)
        err = make_code(&prim->code, prim->desc, "code");
    if (!err)
        err = reserve_scratch(prim);
    if (err) {
        primitive_free(prim);
        return err;
    }
    *out = prim;
    return OK;
}

/* A gradient is described together with the convolution that it is of. */
static dnnl_status_t describe_conv(Primitive *prim, const Problem *p,
                                   const Mds *mds, dnnl_primitive_attr_t attr)
{
    const ConvWindow w = { p->stride, p->pad_lo, p->pad_hi };
    dnnl_engine_t engine = prim->lib->engine;
    dnnl_primitive_desc_t of = NULL;
    dnnl_status_t status;

    if (p->pass == CONV_FORWARD)
        return conv_pd(&prim->desc, engine, dnnl_forward_inference, mds, &w,
                       attr);
    status = conv_pd(&of, engine, dnnl_forward_training, mds, &w, NULL);
    if (status)
        return status;
    status =
        (p->pass == CONV_GRAD_SRC ? conv_grad_src_pd : conv_grad_weights_pd)(
            &prim->desc, engine, mds, &w, of, attr);
    dnnl_primitive_desc_destroy(of);
    return status;
}

int primitive_conv(Primitive **out, Onednn *lib, const Problem *p)
{
    return primitive_new(out, lib, p, describe_conv);
}

static dnnl_status_t describe_matmul(Primitive *prim, const Problem *p,
                                     const Mds *mds, dnnl_primitive_attr_t attr)
{
    (void)p;
    return matmul_pd(&prim->desc, prim->lib->engine, mds, attr);
}

int primitive_matmul(Primitive **out, Onednn *lib, const Problem *p)
{
    return primitive_new(out, lib, p, describe_matmul);
}

void primitive_free(void *state)
{
    Primitive *prim = state;

    if (!prim)
        return;
    for (int i = 0; i < NARGS; i++)
        if (prim->arg[i].memory)
            dnnl_memory_destroy(prim->arg[i].memory);
    if (prim->copied[1].memory)
        dnnl_memory_destroy(prim->copied[1].memory);
    if (prim->copy)
        dnnl_primitive_destroy(prim->copy);
    if (prim->code)
        dnnl_primitive_destroy(prim->code);
    if (prim->desc)
        dnnl_primitive_desc_destroy(prim->desc);
    for (int i = 0; i < NSLOTS; i++) {
        Device *dev = prim->lib->dev;

        md_free(&prim->md[i]);
        if (prim->packed[i])
            dev->backend->release(dev, prim->packed[i]);
    }
    free(prim);
}

int primitive_bind(Primitive *prim, Slot slot, void *data)
{
    return set_arg(prim, slot, data);
}

/* Code that copies from one layout into another. */
static int reorder_new(dnnl_primitive_t *out, Onednn *lib, MdRef to, MdRef from)
{
    dnnl_primitive_desc_t desc = NULL;
    int err;

    err = check(dnnl_reorder_primitive_desc_create(&desc, from, lib->engine, to,
                                                   lib->engine, NULL),
                "packing");
    if (!err)
        err = make_code(out, desc, "packing");
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return err;
}

/* Copies from one layout into another, once. */
static int reorder(Onednn *lib, dnnl_memory_t to, MdRef to_md, MdRef from_md,
                   const float *data)
{
    dnnl_primitive_t code = NULL;
    dnnl_memory_t from = NULL;
    int err;

    err = check(dnnl_memory_create(&from, from_md, lib->engine,
                                   (void *)(uintptr_t)data),
                "weights");
    if (!err)
        err = reorder_new(&code, lib, to_md, from_md);
    if (!err) {
        const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, from },
                                         { DNNL_ARG_TO, to } };

        err = check(dnnl_primitive_execute(code, lib->stream, 2, args),
                    "packing");
    }
    if (code)
        dnnl_primitive_destroy(code);
    if (from)
        dnnl_memory_destroy(from);
    return err;
}

/* Memory for an operand in the order that oneDNN chose. */
static int own_packed(Primitive *prim, Slot slot)
{
    Device *dev = prim->lib->dev;

    TRY(dev->backend->alloc(dev, &prim->packed[slot],
                            dnnl_memory_desc_get_size(chosen(prim, slot))));
    return set_arg(prim, slot, prim->packed[slot]);
}

int primitive_pack(Primitive *prim, Slot slot, const Array *from,
                   const float *data)
{
    Md md = { 0 };
    int err;

    TRY(own_packed(prim, slot));
    TRY(md_make(&md, from, F32));
    err = reorder(prim->lib, prim->arg[slot].memory, chosen(prim, slot),
                  md_ref(&md), data);
    md_free(&md);
    return err;
}

int primitive_unpack(Primitive *prim, Slot slot, const Array *to, float *data)
{
    Onednn *lib = prim->lib;
    Md md = { 0 };
    int err;

    TRY(own_packed(prim, slot));
    TRY(md_make(&md, to, F32));
    prim->copied[0] =
        (dnnl_exec_arg_t){ DNNL_ARG_FROM, prim->arg[slot].memory };
    prim->copied[1].arg = DNNL_ARG_TO;
    err = check(dnnl_memory_create(&prim->copied[1].memory, md_ref(&md),
                                   lib->engine, data),
                "operand");
    if (!err)
        err = reorder_new(&prim->copy, lib, md_ref(&md), chosen(prim, slot));
    md_free(&md);
    return err;
}

int primitive_run(Device *dev, const Tensor *out, void *state)
{
    Primitive *prim = state;
    dnnl_stream_t stream = prim->lib->stream;
    dnnl_exec_arg_t arg[NARGS];
    int n = 0;

    (void)out;
    take_threads(dev);
    if (prim->scratch != prim->lib->scratch) {
        prim->scratch = prim->lib->scratch;
        TRY(set_arg(prim, SCRATCH, prim->scratch));
    }
    for (int i = 0; i < NARGS; i++)
        if (prim->arg[i].memory)
            arg[n++] = prim->arg[i];
    TRY(check(dnnl_primitive_execute(prim->code, stream, n, arg), "run"));
    if (!prim->copy)
        return OK;
    return check(dnnl_primitive_execute(prim->copy, stream, 2, prim->copied),
                 "run");
}
