/*
 * conv.h - what conv.c and conv_grad.c share: the weights of a convolution, as
 * oneDNN takes them.
 */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "kernels/cpu/onednn/onednn.h"

/* Weights as (groups, O/groups, C/groups, kh, kw), or without the first, in
 * the order of w.  Where the groups share w, each gets a copy of it. */
Array conv_weights_array(const Tensor *w, int outputs, const Conv2dAttr *a);

Array array_in_any_order(Array a);

/* Packs t's values, one copy after the other, of which order says the dims. */
int conv_pack_copies(Primitive *prim, Slot slot, const Array *order,
                     const Tensor *t, int copies);

#endif
