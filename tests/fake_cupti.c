/*
 * fake_cupti.c - what CUPTI demands of its caller, and nothing of what it does.
 *
 * A metric's value is 100 times the step's number counted from 1.  Ranges are
 * told last first: only their names say which step they are.
 */
#include "tests/fake_cupti.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

enum { INVALID = 1, IMAGE = 64, DATA = 128 };

static FakeCupti fake;
static int host_object, profiler;

/* Every call begins so: its number, or what it refuses with. */
static int called(const char *id, size_t size, size_t expected, bool in_order)
{
    const size_t used = strlen(fake.calls);

    snprintf(fake.calls + used, sizeof(fake.calls) - used, "%s ", id);
    if ((!in_order || size != expected) && !fake.wrong)
        fake.wrong = id;
    return fake.fails && strcmp(fake.fails, id) == 0 ? fake.code : 0;
}
#define CALLED(type, last, in_order)                                       \
    do {                                                                   \
        const int code_ =                                                  \
            called(__func__, p->size, CUPTI_SIZE(type, last), (in_order)); \
        if (code_)                                                         \
            return code_;                                                  \
    } while (0)

/* ---- on the host --------------------------------------------------------- */

static int host_initialize(CuptiHostInitialize *p)
{
    CALLED(CuptiHostInitialize, host, strcmp(p->chip, fake.chip) == 0);
    fake.open++;
    p->host = &host_object;
    return 0;
}

static int host_deinitialize(CuptiHostObject *p)
{
    CALLED(CuptiHostObject, host, p->host == &host_object);
    fake.open--;
    return 0;
}

static int host_base(CuptiHostBase *p)
{
    CALLED(CuptiHostBase, n, p->host == &host_object);
    p->n = 0;
    return 0;
}

static int host_metrics(CuptiHostMetrics *p)
{
    CALLED(CuptiHostMetrics, n, p->host == &host_object);
    for (size_t i = 0; i < p->n; i++)
        if (fake.lacks && strcmp(fake.lacks, p->metrics[i]) == 0)
            return INVALID;
    return 0;
}

static int host_image_size(CuptiHostImageSize *p)
{
    CALLED(CuptiHostImageSize, bytes, p->host == &host_object);
    p->bytes = IMAGE;
    return 0;
}

static int host_image(CuptiHostImage *p)
{
    CALLED(CuptiHostImage, image, p->bytes == IMAGE);
    memset(p->image, 'i', IMAGE);
    return 0;
}

static int host_passes(CuptiHostPasses *p)
{
    CALLED(CuptiHostPasses, passes, p->image[0] == 'i');
    p->passes = (size_t)fake.passes;
    return 0;
}

static int host_values(CuptiHostValues *p)
{
    CALLED(CuptiHostValues, values, p->data[0] == 'd' && p->bytes == DATA);
    for (size_t i = 0; i < p->n; i++) {
        const bool blank = fake.blank && !strcmp(fake.blank, p->metrics[i]);
        const char *name = fake.range[fake.nranges - 1 - (int)p->range];

        p->values[i] = blank ? NAN : 100 * (atoi(name) + 1);
    }
    return 0;
}

/* ---- on the device ------------------------------------------------------- */

static int initialize(CuptiNothing *p)
{
    CALLED(CuptiNothing, unused, true);
    return 0;
}

static int deinitialize(CuptiNothing *p)
{
    CALLED(CuptiNothing, unused, !fake.enabled);
    return 0;
}

static int supported(CuptiSupported *p)
{
    CALLED(CuptiSupported, api, true);
    p->virtual_gpu = fake.virtual_gpu;
    p->supported = fake.virtual_gpu;
    return 0;
}

static int chip(CuptiChip *p)
{
    CALLED(CuptiChip, chip, true);
    p->chip = fake.chip;
    return 0;
}

static int available(CuptiAvailable *p)
{
    CALLED(CuptiAvailable, image, p->context != NULL);
    p->bytes = IMAGE;
    return 0;
}

static int enable(CuptiEnable *p)
{
    CALLED(CuptiEnable, profiler, p->context && !fake.enabled);
    fake.enabled = true;
    fake.configured = false;
    fake.sessions++;
    fake.pass = fake.nranges = 0;
    p->profiler = &profiler;
    return 0;
}

static int disable(CuptiProfiler *p)
{
    CALLED(CuptiProfiler, profiler, fake.enabled && !fake.started);
    fake.enabled = false;
    return 0;
}

static int data_size(CuptiDataSize *p)
{
    CALLED(CuptiDataSize, bytes, p->profiler && p->nodes >= p->ranges);
    p->bytes = DATA;
    return 0;
}

static int data_initialize(CuptiData *p)
{
    CALLED(CuptiData, data, p->profiler && p->bytes == DATA);
    memset(p->data, 'd', DATA);
    return 0;
}

static int configure(CuptiConfig *p)
{
    CALLED(CuptiConfig, target_level,
           p->profiler && p->image[0] == 'i' && p->data[0] == 'd' &&
               p->range == CUPTI_USER_RANGE && p->replay == CUPTI_USER_REPLAY &&
               p->pass == 0);
    fake.configured = true;
    if (p->ranges_per_pass > fake.most_ranges)
        fake.most_ranges = p->ranges_per_pass;
    return 0;
}

static int start(CuptiProfiler *p)
{
    CALLED(CuptiProfiler, profiler, fake.configured && !fake.started);
    fake.started = true;
    fake.starts++;
    return 0;
}

static int stop(CuptiStop *p)
{
    CALLED(CuptiStop, all_submitted, fake.started && !fake.pushed);
    fake.started = false;
    p->all_submitted = ++fake.pass >= fake.passes;
    return 0;
}

static int push(CuptiPush *p)
{
    int i = 0;

    CALLED(CuptiPush, name, fake.started && !fake.pushed);
    fake.pushed = true;
    while (i < fake.nranges && strcmp(fake.range[i], p->name))
        i++;
    BUG_IF(i == FAKE_RANGES);
    if (i == fake.nranges)
        snprintf(fake.range[fake.nranges++], sizeof(fake.range[0]), "%s",
                 p->name);
    return 0;
}

static int pop(CuptiProfiler *p)
{
    CALLED(CuptiProfiler, profiler, fake.pushed);
    fake.pushed = false;
    return 0;
}

static int decode(CuptiDecode *p)
{
    CALLED(CuptiDecode, dropped, !fake.started && fake.pass >= fake.passes);
    p->dropped = fake.dropped;
    return 0;
}

static int data_info(CuptiDataInfo *p)
{
    CALLED(CuptiDataInfo, ranges, p->data[0] == 'd');
    p->ranges = (size_t)fake.nranges;
    return 0;
}

static int range_info(CuptiRangeInfo *p)
{
    CALLED(CuptiRangeInfo, name, (int)p->range < fake.nranges);
    p->name = fake.range[fake.nranges - 1 - (int)p->range];
    return 0;
}

FakeCupti *fake_cupti(Cupti *out)
{
    fake = (FakeCupti){ .chip = "GH100",
                        .passes = 1,
                        .virtual_gpu = CUPTI_SUPPORTED };
    memset(out, 0, sizeof(*out));
#define X(id, symbol, Params) out->id = id;
    CUPTI_FUNCTIONS(X)
#undef X
    return &fake;
}
