/*
 * race.c - times the kernels that take a step, and keeps the fastest
 *
 * A library's kernel comes before ours, because its tensor cores are far ahead
 * where there is much to multiply.  Where there is little, a kernel is its
 * launches and its bytes, and one small kernel of ours may take less than a
 * library's that pads, splits and joins: SE's linears at 32x64 -> 4, say, or a
 * depthwise convolution.  A table of who wins where would be one card's; so
 * they are timed, once for each kind of step and card.
 *
 * The operands hold whatever was in memory, as in tune.c: an op whose kernels
 * take an operand for an index may have one kernel only.
 */
#include "kernels/cuda/library/race.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/library/library.h"
#include "kernels/cuda/library/tune.h"

enum { MOST_RIVALS = 6 };

/* Up to here a step is mostly launch: tensor cores take a microsecond or less,
 * a kernel of ours some tens.  Beyond it only those are open that do little
 * with each byte, so that memory bounds all kernels alike. */
static const double FEW_FLOPS = 64e6, FLOPS_OF_A_BYTE = 8;

static bool is_open(const Tensor *out)
{
    const Cost c = out->op->cost(out);

    return !out->op->updates && /* each run would change a weight */
           (c.flops <= FEW_FLOPS || c.flops <= FLOPS_OF_A_BYTE * c.bytes);
}

/* Kernels that have planned the step; way k is number index[k] of the list. */
typedef struct Rivals {
    Device *dev;
    const Tensor *out;
    const Kernel *const *kernels;
    int n, index[MOST_RIVALS];
    void *state[MOST_RIVALS];
} Rivals;

static void release(const Kernel *k, void *state)
{
    if (k->release)
        k->release(state);
    else
        free(state);
}

/* One that refuses, or finds no memory, is not in the race. */
static int enter(Rivals *r, int i)
{
    const Kernel *k = r->kernels[i];
    void *state = NULL;
    const int err = k->plan ? k->plan(r->dev, r->out, &state) : OK;

    if (err) {
        release(k, state);
        return err == ERR_UNSUPPORTED || err == ERR_MEMORY ? OK : err;
    }
    r->index[r->n] = i;
    r->state[r->n++] = state;
    return OK;
}

static int run_rival(CudaDevice *cuda, void *arg, int k)
{
    const Rivals *r = arg;

    return r->kernels[r->index[k]]->run(&cuda->base, r->out, r->state[k]);
}

/* *first is -1 where there was nothing to choose. */
static int choose_by_time(Device *dev, const Tensor *out,
                          const Kernel *const *kernels, int n, int *first)
{
    Rivals r = { .dev = dev, .out = out, .kernels = kernels };
    int err = OK, best = 0;

    *first = -1;
    for (int i = 0; i < n && !err && r.n < MOST_RIVALS; i++)
        err = enter(&r, i);
    if (!err && r.n > 1)
        err = tune(cuda_device(dev), &(Ways){ r.n, run_rival, &r }, &best);
    if (!err && r.n > 1)
        *first = r.index[best];
    for (int k = 0; k < r.n; k++)
        release(kernels[r.index[k]], r.state[k]);
    return err;
}

/* FNV-1a. */
static uint64_t hash(uint64_t h, const void *data, size_t n)
{
    const unsigned char *byte = data;

    for (size_t i = 0; i < n; i++)
        h = (h ^ byte[i]) * 0x100000001b3u;
    return h;
}

/* All that a choice depends on, except the device: shapes, attributes, rivals
 * and the versions of libraries as a number. */
static void key_of(const CudaDevice *cuda, const Tensor *out,
                   const Kernel *const *kernels, int n, char key[TUNE_KEY])
{
    uint64_t h = hash(0xcbf29ce484222325u, out->attr, out->op->attr_size);
    char dims[DIMS_TEXT];

    for (int k = 0; k < MAX_SRC; k++)
        if (out->src[k])
            h = hash(hash(h, &k, sizeof(k)), out->src[k]->dim,
                     (size_t)out->src[k]->rank * sizeof(out->src[k]->dim[0]));
    for (int i = 0; i < n; i++)
        h = hash(h, kernels[i]->name, strlen(kernels[i]->name) + 1);
    for (LibraryKind k = 0; cuda->libraries && k < NLIBRARIES; k++)
        h = hash(h, cuda->libraries->found[k].version,
                 strlen(cuda->libraries->found[k].version) + 1);
    snprintf(key, TUNE_KEY, "kernel of %s %s -> %s %016llx", out->op->name,
             dtype_name(out->dtype), tensor_dims_text(out, dims),
             (unsigned long long)h);
}

/* A choice as text: "1 warp_per_output". */
enum { CHOICE = 96 };

static int read_choice(const char *text, const Kernel *const *kernels, int n)
{
    char *end;
    const long i = strtol(text, &end, 10);

    return i >= 0 && i < n && *end == ' ' && !strcmp(end + 1, kernels[i]->name)
               ? (int)i
               : -1;
}

int cuda_race(Device *dev, const Tensor *out, const Kernel *const *kernels,
              int n, int *first)
{
    const CudaDevice *cuda = cuda_device(dev);
    char key[TUNE_KEY], text[CHOICE];
    int i = -1;

    *first = 0;
    if (n < 2 || !is_open(out))
        return OK;
    key_of(cuda, out, kernels, n, key);
    if (tune_recall(cuda, key, text, sizeof(text)))
        i = read_choice(text, kernels, n);
    if (i < 0) {
        TRY(choose_by_time(dev, out, kernels, n, &i));
        if (i < 0)
            return OK;
        snprintf(text, sizeof(text), "%d %s", i, kernels[i]->name);
        tune_note(cuda, key, text);
    }
    *first = i;
    return OK;
}
