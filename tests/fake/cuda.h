/*
 * cuda.h - the fake GPU, as a test sets and sees it.
 */
#ifndef FAKE_CUDA_H
#define FAKE_CUDA_H

#include <stdbool.h>
#include <stddef.h>

/* A card and a host with clocks of their own, that only calls move. */
typedef struct FakeCuda {
    /* Set by the test. */
    int devices, driver, arch;
    size_t memory;        /* bytes of the card                            */
    double launch_ns;     /* what a launch costs the host                 */
    double kernel_ns;     /* what a kernel takes the card                 */
    int depth;            /* launches that the queue holds                */
    int fail_at;          /* the call that fails, counted from 1; 0: none */
    int failure;          /* with this error                              */
    bool sticky;          /* and so does all that follows, until a reset  */
    bool dead;            /* even after one, while these are set          */
    bool foreign;         /* the card is none that the code was built for */
    bool without_cluster; /* the card has no thread-block clusters        */
    int block_shared;     /* bytes of shared memory of a block            */
    int l2_bytes;         /* of its cache                                 */
    bool own_kernels;     /* lists those that the program has for simt    */

    /* Seen by the test. */
    const char *failed;  /* the name of the call that did */
    const char *illegal; /* the first call that a capture forbids, in one */
    int last_error;      /* until somebody asks for it */
    int calls, live;     /* things allocated and not freed */
    int device_resets;
    double host_ns, card_ns;
    int kernels, gave_up;
} FakeCuda;

/* Exported by the fake plugin, next to the symbol of every plugin. */
typedef FakeCuda *FakeCudaGet(void);
#define FAKE_CUDA_SYMBOL "fake_cuda"

#endif
