/*
 * model.h - what attnbench_model.so gives: our CUDA kernels on the host, with
 * counts of what they ask of memory, from which times are predicted
 * (harness/explain/predict.h).
 *
 * It is the checked build of kernels/simt as a plugin: make model.
 */
#ifndef SIMT_MODEL_H
#define SIMT_MODEL_H

#include "kernels/simt/host.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Model {
    /* A device with that many multiprocessors, on which kernels are counted
     * and never judged. */
    int (*open)(Device **out, int sms);
    void (*close)(Device *dev);

    /* Begins to count: what is in [p, p + bytes), or in the device's
     * workspace, are images, of which a larger batch has more. */
    void (*begin)(Device *dev, const void *p, size_t bytes);

    /* The i-th launch since begin, or since next; NULL past the last.  The
     * places of all since begin: as simt_counted_places has them. */
    void (*next)(void);
    const SimtCounts *(*counted)(int i);
    int (*places)(SimtPlace *out, int n);
} Model;

extern const Model simt_model;

/* The one symbol of the plugin; NULL if program and plugin are not of the same
 * headers. */
typedef const Model *ModelPlugin(const char *headers);
ModelPlugin attnbench_model;
#define MODEL_PLUGIN_SYMBOL "attnbench_model"
#define MODEL_PLUGIN_FILE   "attnbench_model.so"

#ifdef __cplusplus
}
#endif

#endif
