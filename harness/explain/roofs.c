/*
 * roofs.c - samples the roofs of a device.
 */
#include "harness/explain/roofs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/stats.h"
#include "harness/devices/environment.h"
#include "harness/devices/interrupt.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"

enum { MIN_SAMPLES = 7, MAX_SAMPLES = 1000 };

/* Rates of one roof, a second. */
static int sample(Device *dev, int i, double seconds, double *rate, int *n)
{
    const Backend *b = dev->backend;
    double work, ns, end;

    TRY(b->roof_run(dev, i, &work)); /* pages, caches, clock */
    end = host_now_ns() + seconds * 1e9;
    for (*n = 0; *n < MAX_SAMPLES; ++*n) {
        if (*n >= MIN_SAMPLES && host_now_ns() > end)
            break;
        TRY(b->clock_start(dev));
        TRY(b->roof_run(dev, i, &work));
        TRY(b->clock_stop(dev, &ns));
        rate[*n] = work / ns * 1e9;
    }
    return OK;
}

static double clock_of(Device *dev)
{
    Moment now = { .clock_mhz = NAN };

    if (dev->backend->moment && dev->backend->moment(dev, &now))
        return NAN;
    return now.clock_mhz;
}

static int measure_one(Roof *out, Device *dev, int i, double seconds)
{
    double rate[MAX_SAMPLES];
    RoofKind kind;
    Stats s;
    int n;

    BUG_IF(!dev->backend->roof_at(dev, i, &kind));
    TRY(sample(dev, i, seconds, rate, &n));
    s = stats_of(rate, n);
    *out = (Roof){ .threads = dev->threads,
                   .value = s.median,
                   .lo = s.lo,
                   .hi = s.hi,
                   .n = s.n,
                   .clock_mhz = clock_of(dev) };
    snprintf(out->backend, sizeof(out->backend), "%s", dev->backend->name);
    snprintf(out->name, sizeof(out->name), "%s", kind.name);
    snprintf(out->unit, sizeof(out->unit), "%s",
             kind.unit == ROOF_BYTES ? "bytes/s" : "flop/s");
    return OK;
}

static int keep_one(Store *s, const Roof *r)
{
    Machine machine;
    Roofs one = { .at = { *r }, .n = 1 };

    environment_machine(&machine);
    return store_roofs(s, &machine, &one);
}

/* Those that are in have are taken from it; NULL: none is. */
static int measure_rest(Roofs *out, const Roofs *have, Device *dev,
                        double seconds, Store *keep)
{
    RoofKind kind;

    for (out->n = 0; dev->backend->roof_at(dev, out->n, &kind); out->n++) {
        const Roof *had = have ? roofs_find(have, kind.name) : NULL;

        BUG_IF(out->n == ROOFS_MAX);
        if (had) {
            out->at[out->n] = *had;
            continue;
        }
        if (interrupt_asked())
            return interrupt_fail();
        TRY(measure_one(&out->at[out->n], dev, out->n, seconds));
        if (keep)
            TRY(keep_one(keep, &out->at[out->n]));
    }
    return OK;
}

int roofs_measure(Roofs *out, Device *dev, double seconds, Store *keep)
{
    out->n = 0;
    if (!dev->backend->roof_at)
        return fail(ERR_UNSUPPORTED, "backend '%s' has no roofs to measure",
                    dev->backend->name);
    return measure_rest(out, NULL, dev, seconds, keep);
}

int roofs_read(Roofs *out, Store *s, Device *dev)
{
    Machine machine;

    environment_machine(&machine);
    return store_roofs_read(out, s, &machine, dev->backend->name, dev->threads);
}

bool roofs_lack(const Roofs *roofs, Device *dev)
{
    RoofKind kind;

    for (int i = 0;
         dev->backend->roof_at && dev->backend->roof_at(dev, i, &kind); i++)
        if (!roofs_find(roofs, kind.name))
            return true;
    return false;
}

int roofs_get(Roofs *out, Store *s, Device *dev, double seconds, bool fresh)
{
    Roofs have;

    out->n = 0;
    if (!dev->backend->roof_at)
        return OK;
    TRY(roofs_read(&have, s, dev));
    if (fresh || roofs_lack(&have, dev))
        return measure_rest(out, fresh ? NULL : &have, dev, seconds, s);
    *out = have;
    return OK;
}
