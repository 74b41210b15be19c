/*
 * cupti_host.c - metrics of a chip, through CUPTI's host functions.
 *
 * CUPTI refuses a list as a whole and does not say which name was wrong, so
 * each is then tried alone.
 */
#include "kernels/cupti/cupti_host.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

/* Metrics can be given to a host object once. */
static int object(void **out, const Cupti *cupti, const char *chip,
                  const uint8_t *available)
{
    CuptiHostInitialize p = { CUPTI_SIZE(CuptiHostInitialize, host),
                              .type = CUPTI_TYPE_RANGES, .chip = chip,
                              .available = available };

    *out = NULL;
    TRY(cupti_check(cupti->host_initialize(&p), "cuptiProfilerHostInitialize"));
    *out = p.host;
    return OK;
}

static void object_free(const Cupti *cupti, void *host)
{
    CuptiHostObject p = { CUPTI_SIZE(CuptiHostObject, host), .host = host };

    if (host)
        cupti->host_deinitialize(&p);
}

/* True if all of them are taken. */
static bool takes(const Cupti *cupti, void *host, const char *const *metrics,
                  int n)
{
    CuptiHostMetrics p = { CUPTI_SIZE(CuptiHostMetrics, n), .host = host,
                           .metrics = metrics, .n = (size_t)n };

    return cupti->host_metrics(&p) == 0;
}

bool cupti_host_has(const Cupti *cupti, const char *chip,
                    const uint8_t *available, const char *metric)
{
    void *host;
    const bool has = object(&host, cupti, chip, available) == OK &&
                     takes(cupti, host, &metric, 1);

    object_free(cupti, host);
    return has;
}

static int say_which(const CuptiHost *h, const char *chip,
                     const uint8_t *available)
{
    for (int i = 0; i < h->n; i++)
        if (!cupti_host_has(h->cupti, chip, available, h->metrics[i]))
            return fail(ERR_INPUT,
                        "counters: %s has no metric '%s'; attnbench profile "
                        "--metrics=help lists them",
                        chip, h->metrics[i]);
    return fail(ERR_INPUT,
                "counters: %s cannot count these %d metrics "
                "together; ask for fewer at once",
                chip, h->n);
}

static int make_image(CuptiHost *h)
{
    CuptiHostImageSize s = { CUPTI_SIZE(CuptiHostImageSize, bytes),
                             .host = h->host };
    CuptiHostImage i = { CUPTI_SIZE(CuptiHostImage, image), .host = h->host };
    CuptiHostPasses p = { CUPTI_SIZE(CuptiHostPasses, passes) };

    TRY(cupti_check(h->cupti->host_image_size(&s),
                    "cuptiProfilerHostGetConfigImageSize"));
    i.bytes = p.bytes = h->image_bytes = s.bytes;
    i.image = p.image = h->image = calloc(1, s.bytes);
    if (!h->image)
        return fail(ERR_MEMORY, "no memory for counters");
    TRY(cupti_check(h->cupti->host_image(&i),
                    "cuptiProfilerHostGetConfigImage"));
    TRY(cupti_check(h->cupti->host_passes(&p),
                    "cuptiProfilerHostGetNumOfPasses"));
    h->passes = (int)p.passes;
    return OK;
}

int cupti_host_open(CuptiHost *h, const Cupti *cupti, const char *chip,
                    const uint8_t *available, const char *const *metrics, int n)
{
    *h = (CuptiHost){ .cupti = cupti, .metrics = metrics, .n = n };
    TRY(object(&h->host, cupti, chip, available));
    if (!takes(cupti, h->host, metrics, n))
        return say_which(h, chip, available);
    return make_image(h);
}

void cupti_host_close(CuptiHost *h)
{
    object_free(h->cupti, h->host);
    free(h->image);
    h->host = h->image = NULL;
}

int cupti_host_values(const CuptiHost *h, const uint8_t *data, size_t bytes,
                      size_t range, double *values)
{
    CuptiHostValues p = { CUPTI_SIZE(CuptiHostValues, values),
                          .host = h->host,
                          .data = data,
                          .bytes = bytes,
                          .range = range,
                          .metrics = h->metrics,
                          .n = (size_t)h->n,
                          .values = values };

    return cupti_check(h->cupti->host_values(&p),
                       "cuptiProfilerHostEvaluateToGpuValues");
}

int cupti_host_list(const Cupti *cupti, const char *chip,
                    void (*take)(void *arg, const char *metric), void *arg)
{
    enum { KINDS = 3 };
    void *host;
    int err = object(&host, cupti, chip, NULL);

    for (int kind = 0; kind < KINDS && !err; kind++) {
        CuptiHostBase p = { CUPTI_SIZE(CuptiHostBase, n), .host = host,
                            .type = kind };

        err = cupti_check(cupti->host_base(&p),
                          "cuptiProfilerHostGetBaseMetrics");
        for (size_t i = 0; !err && i < p.n; i++)
            take(arg, p.metrics[i]);
    }
    object_free(cupti, host);
    return err;
}
