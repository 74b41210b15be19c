/*
 * product.h - a product of matrices by cuBLASLt
 *
 *   d = act(scale a b + addend + bias)
 *
 * Like the engines of cuDNN, its algorithms are timed and the fastest is kept.
 */
#ifndef CUDA_PRODUCT_H
#define CUDA_PRODUCT_H

#include "kernels/cuda/backend/device.h"
#include "kernels/cuda/library/gemm.h"

/* Device memory, all of dtype, at a multiple of 64 bytes. */
typedef struct ProductSpec {
    Gemm gemm;
    Dtype dtype;
    float scale;
    const void *a, *b;
    void *d;
    const void *addend; /* like d; NULL: none                   */
    const void *bias;   /* one number per row of d; NULL: none */
    bool relu;
} ProductSpec;

typedef struct Product Product;

int product_new(Product **out, CudaDevice *cuda, const ProductSpec *spec);
void product_free(void *p); /* a Product, or NULL */

/* Fills in how many algorithms there are, best first as the heuristics think;
 * ERR_UNSUPPORTED where there is none. */
enum { ALGORITHMS_TRIED = 8 };
int product_algorithms(Product *p, int *n);

/* Launches the i-th of them; then keeps that alone, as number 0. */
int product_run(const Product *p, int i);
void product_keep(Product *p, int i);

/* An algorithm as text, and from it: ERR_UNSUPPORTED where it is none for this
 * product. */
enum { ALGORITHM_TEXT = 160 };
void product_text(const Product *p, int i, char text[ALGORITHM_TEXT]);
int product_take(Product *p, const char *text);

/* Keeps what was kept for `like`, the same product with its data elsewhere. */
void product_keep_like(Product *p, const Product *like);

/* Keeps the algorithm that was noted, or the fastest, which it notes. */
int product_choose(Product *p);

#endif
