/*
 * scsa_on_simt.c - fused SCSA by its CUDA kernels, on the host: what its tests
 * share.
 */
#include "tests/scsa_on_simt.h"

#include <stdio.h>

#include "harness/check/verify.h"
#include "harness/network/network.h"
#include "kernels/simt/host.h"
#include "tests/test.h"

const Kernel *const scsa_by_cluster[] = { &cuda_scsa_cluster, NULL };
const Kernel *const scsa_by_passes[] = { &cuda_scsa, NULL };

Device *scsa_open(const Kernel *const *kernels, int sms)
{
    Device *dev;
    const int err = simt_backend.open(&dev, NULL);

    if (err == ERR_UNSUPPORTED)
        SKIP(err_message());
    BUG_IF(err);
    dev->kernels = kernels;
    if (sms)
        cuda_device(dev)->sms = sms;
    return dev;
}

void scsa_close(Device *dev)
{
    char kinds[512];

    CHECK_MSG(simt_take_errors(kinds, sizeof(kinds)) == 0, "reported: %s",
              kinds);
    simt_set_order(SIMT_FORWARD, 1);
    simt_set_groups(NULL, 0);
    simt_backend.close(dev);
}

static void set(Case *c, const char *key, int value)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", value);
    BUG_IF(case_set(c, key, text) != OK);
}

static void case_of(Case *c, const Shape *s)
{
    case_defaults(c);
    BUG_IF(case_set(c, "module", "scsa") != OK ||
           case_set(c, "impl", "fused") != OK ||
           case_set(c, "dtype", s->dtype) != OK);
    set(c, "batch", s->n);
    set(c, "channels", s->c);
    set(c, "height", s->h);
    set(c, "width", s->w);
    set(c, "window_size", s->window);
    set(c, "head_num", s->heads);
    BUG_IF(case_complete(c) != OK);
}

Graph *scsa_graph(const Shape *s)
{
    const WeightValues seeded = { .seed = 1 };
    Graph *g;
    Case c;

    case_of(&c, s);
    BUG_IF(network_build(&g, &c, &seeded, TAPS_NONE) != OK);
    return g;
}

void scsa_agrees(Device *dev, const Shape *s)
{
    const Checker with = { dev, NULL };
    Comparison found;
    Case c;

    case_of(&c, s);
    REQUIRE(verify_case(&found, &c, 1e12, &with) == OK);
    CHECK_MSG(found.rel_l2 <= found.limit,
              "%s, %s: relative L2 error %.2g, allowed %.2g", s->why, s->dtype,
              found.rel_l2, found.limit);
}
