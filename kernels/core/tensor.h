/*
 * tensor.h - a dense array, and the op that computes it.
 *
 * A tensor is its own graph node: op, sources and attributes are in it, so a
 * kernel needs one argument, its output.  Dims are named and ordered as in
 * the papers: N, C, H, W for a feature map, N, C, L for a strip, N, C for a
 * vector per image.  They are stored densely in one of two orders:
 *
 *   CHANNELS_LAST  N,H,W,C or N,L,C: every activation that has channels
 *   ROW_MAJOR      as the dims are written: weights (PyTorch's O,I,kh,kw) and
 *                  matrices such as attention scores (N,groups,M,K)
 *
 * For rank 1 and 2 the two are the same.  A channels-last map is "rows" of C
 * numbers, one row per position; most kernels see nothing else.
 */
#ifndef CORE_TENSOR_H
#define CORE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/core/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MAX_RANK = 4, MAX_SRC = 22, MAX_NAME = 96 };

typedef enum Layout { ROW_MAJOR, CHANNELS_LAST } Layout;

typedef enum Role {
    ROLE_NODE,   /* computed by op                                        */
    ROLE_INPUT,  /* filled by the caller before each run                  */
    ROLE_WEIGHT, /* learned: counted as a parameter                       */
    ROLE_BUFFER, /* loaded like a weight, not learned: running statistics */
} Role;

/* Owner of a tensor: the network, a module that is plugged into it, or
 * both, of a node that graph_fold made of nodes of both. */
typedef enum Origin { ORIGIN_NETWORK, ORIGIN_MODULE, ORIGIN_MIXED } Origin;

typedef struct Tensor {
    const struct Op *op; /* NULL unless ROLE_NODE                        */
    struct Tensor *src[MAX_SRC];
    const void *attr; /* the op's attributes; the graph owns the copy */
    Role role;
    Dtype dtype;
    Layout layout;
    int rank, dim[MAX_RANK];
    int id;              /* position in the graph                        */
    bool kept;           /* an output: its memory is not reused          */
    Origin origin;       /* the network, or a module plugged into it     */
    char name[MAX_NAME]; /* weights: full name; nodes: the scope         */
    float *host;         /* weights: values on the host, row-major f32   */
    void *data;          /* device memory, while a plan exists           */
} Tensor;

size_t tensor_count(const Tensor *t); /* elements */
size_t tensor_bytes(const Tensor *t);

/* Elements between neighbours along each dim, by the tensor's layout. */
void tensor_strides(const Tensor *t, size_t stride[MAX_RANK]);

/* The offset of element (i, j, k, l) in elements; dims past the rank are 0. */
size_t tensor_at(const Tensor *t, int i, int j, int k, int l);

/* A map, strip or vector as rows of channels: rows = N H W, N L or N. */
size_t tensor_rows(const Tensor *t);
int tensor_channels(const Tensor *t);
size_t tensor_positions(const Tensor *t); /* rows of one image */

/* True if its values are given and not computed: a weight or a buffer. */
bool tensor_is_weight(const Tensor *t);

/* The tensor whose memory t is: itself, or what it views or updates. */
const Tensor *tensor_storage(const Tensor *t);

bool tensor_same_dims(const Tensor *a, const Tensor *b);

/* "(2,64,56,56)" into text, which is returned. */
enum { DIMS_TEXT = 64 };
char *tensor_dims_text(const Tensor *t, char text[DIMS_TEXT]);

/* Copies between PyTorch's order (NCHW, row-major) and the tensor's own, both
 * as floats whatever its dtype. */
void tensor_from_nchw(const Tensor *t, float *dst, const float *src);
void tensor_to_nchw(const Tensor *t, float *dst, const float *src);

#ifdef __cplusplus
}
#endif

#endif
