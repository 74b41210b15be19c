/*
 * cuda.h - the kernels of the backend "cuda".
 *
 * Two sources: our own kernels (.cu, listed here), which nvcc compiles for the
 * plugin and a C++ compiler for the tests (kernels/simt); and those made of
 * cuDNN and cuBLASLt, in the plugin only.
 *
 * To add one of our own: write its file, add its line here.
 */
#ifndef CUDA_CUDA_H
#define CUDA_CUDA_H

#include "kernels/core/backend.h"
#include "kernels/ops/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Best first, where an op has several. */
#define CUDA_KERNELS(X)         \
    MODULE_OPS(X)               \
    X(conv2d_depthwise)         \
    X(conv2d_few_rows)          \
    X(conv2d_tiles)             \
    X(conv2d_direct)            \
    X(dwconv1d)                 \
    X(linear_few_rows)          \
    X(linear_tiles)             \
    X(matmul_each)              \
    X(matmul_tiles)             \
    X(batch_norm)               \
    X(group_norm)               \
    X(layer_norm)               \
    X(softmax)                  \
    X(relu)                     \
    X(relu6)                    \
    X(sigmoid)                  \
    X(hard_swish)               \
    X(gelu)                     \
    X(scale_shift)              \
    X(global_avg_pool)          \
    X(global_max_pool)          \
    X(mean_h)                   \
    X(mean_w)                   \
    X(sum_rows)                 \
    X(adaptive_to_one)          \
    X(dct_pool)                 \
    X(mean_c)                   \
    X(max_c)                    \
    X(avg_pool2d)               \
    X(max_pool2d)               \
    X(adaptive_avg_pool2d)      \
    X(mul)                      \
    X(add)                      \
    X(concat)                   \
    X(slice)                    \
    X(channel_shuffle)          \
    X(window_partition)         \
    X(window_reverse)           \
    X(window_bias)              \
    X(patch_merge)              \
    X(window_attention_mma)     \
    X(window_attention)         \
    X(scsa)                     \
    X(relu_grad)                \
    X(relu6_grad)               \
    X(sigmoid_grad)             \
    X(hard_swish_grad)          \
    X(gelu_grad)                \
    X(expand)                   \
    X(reduce_rows)              \
    X(reduce_columns)           \
    X(reduce_each)              \
    X(conv2d_grad_x_depthwise)  \
    X(conv2d_grad_x_tiles)      \
    X(conv2d_grad_x_direct)     \
    X(conv2d_grad_w_tiles)      \
    X(conv2d_grad_w_direct)     \
    X(batch_norm_grad_x)        \
    X(slice_grad)               \
    X(patch_split)              \
    X(avg_pool2d_grad)          \
    X(max_pool2d_grad)          \
    X(adaptive_avg_pool2d_grad) \
    X(global_max_pool_grad)     \
    X(max_c_grad)               \
    X(softmax_grad)             \
    X(group_norm_grad_x_rows)   \
    X(group_norm_grad_x)        \
    X(group_norm_grad_w)        \
    X(batch_norm_grad_w)        \
    X(dct_pool_grad)            \
    X(window_bias_grad)         \
    X(cross_entropy)            \
    X(cross_entropy_grad)       \
    X(sgd_velocity)             \
    X(sgd_weight)

/* Only for devices that have thread-block clusters and let a block have this
 * much shared memory (sm_90, sm_100; not sm_120); before the others. */
#define CUDA_CLUSTER_KERNELS(X) X(scsa_cluster)
enum { CLUSTER_BLOCK_SHARED = 227 << 10 };

#define X(id) extern const Kernel cuda_##id;
CUDA_CLUSTER_KERNELS(X)
CUDA_KERNELS(X)
#undef X

#ifdef __cplusplus
}
#endif

#endif
