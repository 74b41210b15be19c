/*
 * list.c - our own CPU kernels of one instruction set, best first.
 *
 * To add one: write its file, add its line here.  What is for one type of
 * tensors alone stands in FOR_F32; if that is a whole file, in simd.mk
 * too.
 */
#include "kernels/cpu/simd/simd.h"

#ifdef SIMD_BF16
#define FOR_F32(...)
#else
#define FOR_F32(...) __VA_ARGS__
#endif

#define KERNELS(X)                       \
    X(relu)                              \
    X(relu6)                             \
    X(sigmoid)                           \
    X(hard_swish)                        \
    X(gelu)                              \
    X(scale_shift)                       \
    X(mul)                               \
    X(add)                               \
    X(batch_norm)                        \
    X(group_norm)                        \
    X(layer_norm)                        \
    X(global_avg_pool)                   \
    X(global_max_pool)                   \
    X(mean_h)                            \
    X(mean_w)                            \
    X(sum_rows)                          \
    X(mean_c)                            \
    X(max_c)                             \
    X(avg_pool2d)                        \
    X(max_pool2d)                        \
    X(adaptive_avg_pool2d)               \
    X(dct_pool)                          \
    MODULE_OPS(X)                        \
    X(scsa)                              \
    X(window_attention)                  \
    X(window_partition)                  \
    X(window_reverse)                    \
    X(window_bias)                       \
    X(patch_merge)                       \
    X(softmax)                           \
    X(concat)                            \
    X(slice)                             \
    X(channel_shuffle)                   \
    X(dwconv1d_one_channel)              \
    X(dwconv1d)                          \
    X(conv2d_few_rows)                   \
    FOR_F32(X(conv2d_tiles))             \
    FOR_F32(X(conv2d_winograd))          \
    X(conv2d_small_groups)               \
    X(conv2d_planes)                     \
    FOR_F32(X(conv2d_grad_x_tiles))      \
    FOR_F32(X(conv2d_grad_x_winograd))   \
    FOR_F32(X(conv2d_grad_x_spread))     \
    FOR_F32(X(conv2d_grad_x_two_passes)) \
    FOR_F32(X(cross_entropy))            \
    FOR_F32(X(cross_entropy_grad))       \
    FOR_F32(X(sgd_velocity))             \
    FOR_F32(X(sgd_weight))               \
    X(linear)                            \
    FOR_F32(X(linear_tiles))             \
    X(matmul_outer)                      \
    X(matmul_group_dot)                  \
    X(matmul_vector)                     \
    FOR_F32(X(matmul_in_double))

/* Kernels of GRADIENT_OPS, which are f32 only. */
#define GRADIENT_KERNELS(X)     \
    X(expand)                   \
    X(reduce)                   \
    X(relu_grad)                \
    X(relu6_grad)               \
    X(sigmoid_grad)             \
    X(hard_swish_grad)          \
    X(gelu_grad)                \
    X(softmax_grad)             \
    X(batch_norm_grad_x)        \
    X(batch_norm_grad_w)        \
    X(group_norm_grad_x)        \
    X(group_norm_grad_w)        \
    X(conv2d_grad_w_winograd)   \
    X(conv2d_grad_w_tiles)      \
    X(avg_pool2d_grad)          \
    X(adaptive_avg_pool2d_grad) \
    X(max_pool2d_grad)          \
    X(global_max_pool_grad)     \
    X(max_c_grad)               \
    X(dct_pool_grad)            \
    X(slice_grad)               \
    X(patch_split)              \
    X(window_bias_grad)

#define X(id) extern const Kernel SIMD(id);
KERNELS(X)
FOR_F32(GRADIENT_KERNELS(X))
#undef X

const Kernel *const SIMD(simd_kernels)[] = {
#define X(id) &SIMD(id),
    KERNELS(X) FOR_F32(GRADIENT_KERNELS(X))
#undef X
        NULL,
};

/* Apart from the others, as oneDNN's are better where there is AMX. */
#ifdef SIMD_BF16
#define PRODUCTS(X) \
    X(conv2d_tiles) \
    X(linear_tiles)

#define X(id) extern const Kernel SIMD(id);
PRODUCTS(X)
#undef X

const Kernel *const SIMD(simd_products)[] = {
#define X(id) &SIMD(id),
    PRODUCTS(X)
#undef X
        NULL,
};

/* And this one, as oneDNN's is better where there is none. */
extern const Kernel SIMD(conv2d_depthwise);
const Kernel *const SIMD(simd_depthwise)[] = { &SIMD(conv2d_depthwise), NULL };
#endif
