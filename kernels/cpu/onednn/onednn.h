/*
 * onednn.h - oneDNN as our kernels use it: describe, make, bind, run.
 *
 * A Problem describes one operation on arrays of f32 or bf16.  A Primitive is
 * the code that oneDNN made for it, with the memory that it works on.  Making
 * one takes up to milliseconds (code is generated), the second of its kind in a
 * process microseconds; running one allocates nothing.
 */
#ifndef CPU_ONEDNN_H
#define CPU_ONEDNN_H

#include "kernels/core/backend.h"
#include "kernels/ops/ops.h"

/* Its part of a device: an engine, and one scratchpad for all. */
typedef struct Onednn Onednn;

int onednn_open(Onednn **out, Device *dev);
void onednn_close(Onednn *lib); /* accepts NULL */

/* "oneDNN 2.6.3" into text, which is returned. */
const char *onednn_version(char *text, size_t size);

/* True if it computes in bf16 here by instructions for that, AVX512-BF16 or
 * AMX.  ONEDNN_MAX_CPU_ISA may say that it must not. */
bool onednn_has_bf16(void);
bool onednn_has_amx(void);

/* True if it has AVX2 or better; what it has of less is SSE4.1 or AVX. */
bool onednn_has_avx2(void);
bool onednn_has_avx512(void);

/* The instructions that it uses at most: "avx512_core_bf16". */
const char *onednn_isa(void);

/* The variable that limits them, "ONEDNN_MAX_CPU_ISA=AVX2", into text; "" if
 * there is none.  Returns text. */
char *onednn_limit(char *text, size_t size);

/* rank 0: there is none.  All strides 0: oneDNN chooses the order, and the
 * array has to be packed.  Convolutions are (N,C,H,W) or (groups,O,I,h,w),
 * matrices (..,rows,columns), whatever the strides. */
enum { ARRAY_RANK = 12 }; /* DNNL_MAX_NDIMS: it wants arrays of that size */
typedef struct Array {
    int rank;
    int64_t dim[ARRAY_RANK], stride[ARRAY_RANK];
} Array;

Array array_of(const Tensor *t);

typedef enum Slot {
    SLOT_SRC,
    SLOT_WEIGHTS,
    SLOT_BIAS,
    SLOT_DST,
    SLOT_ADDEND, /* like dst, and added to it */
    NSLOTS
} Slot;

/* Includes the gradients of a convolution: of src from weights and dst, or of
 * weights from src and dst, each being the gradient where the pass says so. */
typedef enum ConvPass {
    CONV_FORWARD,
    CONV_GRAD_SRC,
    CONV_GRAD_WEIGHTS,
    CONV_PASSES
} ConvPass;

/* dst = act(scale * op(src, weights) + bias' + addend), bias' being scaled
 * with the rest; windows are for convolutions.  A gradient has none of this. */
typedef struct Problem {
    ConvPass pass;
    Dtype dtype; /* F32 or BF16; a bias is always f32 */
    Array array[NSLOTS];
    int64_t stride[ARRAY_RANK];
    int64_t pad_lo[ARRAY_RANK], pad_hi[ARRAY_RANK];
    float scale;     /* 0 means 1                       */
    bool accumulate; /* dst already holds what to add   */
    Activation act;
} Problem;

typedef struct Primitive Primitive;

int primitive_conv(Primitive **out, Onednn *lib, const Problem *p);
int primitive_matmul(Primitive **out, Onednn *lib, const Problem *p);

void primitive_free(void *p); /* a Primitive, or NULL */

/* Says where an operand is.  It stays the caller's. */
int primitive_bind(Primitive *p, Slot slot, void *data);

/* Copies an operand, laid out as from says, into the order and the type that
 * oneDNN chose for it. */
int primitive_pack(Primitive *p, Slot slot, const Array *from,
                   const float *data);

/* The same for a result: after each run it is copied to data, in the order that
 * to says. */
int primitive_unpack(Primitive *p, Slot slot, const Array *to, float *data);

/* The run() of every kernel whose state is a Primitive. */
int primitive_run(Device *dev, const Tensor *out, void *state);

#endif
