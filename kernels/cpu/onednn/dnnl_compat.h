/*
 * dnnl_compat.h - the one file that knows which oneDNN this is: 2.x or 3.x.
 *
 * In 2.x a memory descriptor is a struct, an operation has a descriptor of its
 * own and an eltwise post-op has a scale; 3.x made the first opaque and
 * dropped the others.  What is here has one form for both.  All other calls
 * that we use are the same in both, and onednn.c makes them.
 *
 * To build against another oneDNN than the system's:
 *
 *     make CFLAGS=-I/opt/onednn/include \
 *          LDFLAGS='-L/opt/onednn/lib -Wl,-rpath,/opt/onednn/lib'
 *
 * It has to be one that was built for OpenMP.
 */
#ifndef CPU_DNNL_COMPAT_H
#define CPU_DNNL_COMPAT_H

#include <oneapi/dnnl/dnnl.h>

/* A descriptor that we own, and one that is lent. */
typedef dnnl_memory_desc_t Md;
#if DNNL_VERSION_MAJOR < 3
typedef const dnnl_memory_desc_t *MdRef;
#else
typedef const_dnnl_memory_desc_t MdRef;
#endif

/* The descriptors of what an operation reads and writes; NULL: nothing.  Of a
 * gradient they are those of the operation whose gradient it is. */
typedef struct Mds {
    MdRef src, weights, bias, dst;
} Mds;

/* How the windows of a convolution lie. */
typedef struct ConvWindow {
    const int64_t *stride, *pad_lo, *pad_hi;
} ConvWindow;

#if DNNL_VERSION_MAJOR < 3

static inline MdRef md_ref(const Md *md)
{
    return md->ndims ? md : NULL;
}

static inline dnnl_status_t md_strided(Md *md, int rank, const dnnl_dims_t dim,
                                       const dnnl_dims_t stride,
                                       dnnl_data_type_t type)
{
    return dnnl_memory_desc_init_by_strides(md, rank, dim, type, stride);
}

static inline dnnl_status_t md_any(Md *md, int rank, const dnnl_dims_t dim,
                                   dnnl_data_type_t type)
{
    return dnnl_memory_desc_init_by_tag(md, rank, dim, type,
                                        dnnl_format_tag_any);
}

static inline void md_free(Md *md)
{
    (void)md;
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t ops,
                                           dnnl_alg_kind_t alg, float alpha,
                                           float beta)
{
    return dnnl_post_ops_append_eltwise(ops, 1, alg, alpha, beta);
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1);
}

static inline dnnl_status_t conv_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t e,
                                    dnnl_prop_kind_t kind, const Mds *m,
                                    const ConvWindow *w,
                                    const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t desc;
    const dnnl_status_t status = dnnl_convolution_forward_desc_init(
        &desc, kind, dnnl_convolution_direct, m->src, m->weights, m->bias,
        m->dst, w->stride, w->pad_lo, w->pad_hi);

    return status ? status : dnnl_primitive_desc_create(pd, &desc, attr, e, 0);
}

/* hint: that of the convolution whose gradient this is. */
static inline dnnl_status_t conv_grad_src_pd(dnnl_primitive_desc_t *pd,
                                             dnnl_engine_t e, const Mds *m,
                                             const ConvWindow *w,
                                             const_dnnl_primitive_desc_t hint,
                                             const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t desc;
    const dnnl_status_t status = dnnl_convolution_backward_data_desc_init(
        &desc, dnnl_convolution_direct, m->src, m->weights, m->dst, w->stride,
        w->pad_lo, w->pad_hi);

    return status ? status
                  : dnnl_primitive_desc_create(pd, &desc, attr, e, hint);
}

static inline dnnl_status_t conv_grad_weights_pd(
    dnnl_primitive_desc_t *pd, dnnl_engine_t e, const Mds *m,
    const ConvWindow *w, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t desc;
    const dnnl_status_t status = dnnl_convolution_backward_weights_desc_init(
        &desc, dnnl_convolution_direct, m->src, m->weights, NULL, m->dst,
        w->stride, w->pad_lo, w->pad_hi);

    return status ? status
                  : dnnl_primitive_desc_create(pd, &desc, attr, e, hint);
}

static inline dnnl_status_t matmul_pd(dnnl_primitive_desc_t *pd,
                                      dnnl_engine_t e, const Mds *m,
                                      const_dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t desc;
    const dnnl_status_t status =
        dnnl_matmul_desc_init(&desc, m->src, m->weights, m->bias, m->dst);

    return status ? status : dnnl_primitive_desc_create(pd, &desc, attr, e, 0);
}

#else

static inline MdRef md_ref(const Md *md)
{
    return *md;
}

static inline dnnl_status_t md_strided(Md *md, int rank, const dnnl_dims_t dim,
                                       const dnnl_dims_t stride,
                                       dnnl_data_type_t type)
{
    return dnnl_memory_desc_create_with_strides(md, rank, dim, type, stride);
}

static inline dnnl_status_t md_any(Md *md, int rank, const dnnl_dims_t dim,
                                   dnnl_data_type_t type)
{
    return dnnl_memory_desc_create_with_tag(md, rank, dim, type,
                                            dnnl_format_tag_any);
}

static inline void md_free(Md *md)
{
    if (*md)
        dnnl_memory_desc_destroy(*md);
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t ops,
                                           dnnl_alg_kind_t alg, float alpha,
                                           float beta)
{
    return dnnl_post_ops_append_eltwise(ops, alg, alpha, beta);
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t conv_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t e,
                                    dnnl_prop_kind_t kind, const Mds *m,
                                    const ConvWindow *w,
                                    const_dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_forward_primitive_desc_create(
        pd, e, kind, dnnl_convolution_direct, m->src, m->weights, m->bias,
        m->dst, w->stride, NULL, w->pad_lo, w->pad_hi, attr);
}

static inline dnnl_status_t conv_grad_src_pd(dnnl_primitive_desc_t *pd,
                                             dnnl_engine_t e, const Mds *m,
                                             const ConvWindow *w,
                                             const_dnnl_primitive_desc_t hint,
                                             const_dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, e, dnnl_convolution_direct, m->src, m->weights, m->dst, w->stride,
        NULL, w->pad_lo, w->pad_hi, hint, attr);
}

static inline dnnl_status_t conv_grad_weights_pd(
    dnnl_primitive_desc_t *pd, dnnl_engine_t e, const Mds *m,
    const ConvWindow *w, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, e, dnnl_convolution_direct, m->src, m->weights, NULL, m->dst,
        w->stride, NULL, w->pad_lo, w->pad_hi, hint, attr);
}

static inline dnnl_status_t matmul_pd(dnnl_primitive_desc_t *pd,
                                      dnnl_engine_t e, const Mds *m,
                                      const_dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(pd, e, m->src, m->weights, m->bias,
                                             m->dst, attr);
}

#endif

#endif
