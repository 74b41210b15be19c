/*
 * kernel_name.h - what a GPU kernel is called in a table.
 */
#ifndef CUDA_KERNEL_NAME_H
#define CUDA_KERNEL_NAME_H

#ifdef __cplusplus
extern "C" {
#endif

enum { KERNEL_NAME = 128 };

/* "_Z5packsIf4ReluEvPT_PKS1_mT0_" is packs<float, Relu>: no return type, no
 * parameters.  What is longer than fits ends in a number that is made of the
 * whole, so that names which begin alike stay apart. */
void kernel_name(char out[KERNEL_NAME], const char *symbol);

#ifdef __cplusplus
}
#endif

#endif
