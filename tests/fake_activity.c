/*
 * fake_activity.c - what CUPTI records, and the order in which it may be asked.
 */
#include "tests/fake_activity.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

enum { INVALID_KIND = 21, KERNEL_BYTES = 216 };

/* Any record, in as many bytes as CUPTI's kernels have, the longest. */
typedef union Stored {
    int kind;
    CuptiKernelRecord kernel;
    CuptiMemoryRecord memory;
    CuptiExternalRecord external;
    uint8_t bytes[KERNEL_BYTES];
} Stored;

static FakeActivity fake;
static Stored pending[FAKE_RECORDS];
static int npending;

static int called(const char *id, bool in_order)
{
    const size_t used = strlen(fake.calls);

    if (strcmp(id, "push") && strcmp(id, "pop") && strcmp(id, "next"))
        snprintf(fake.calls + used, sizeof(fake.calls) - used, "%s ", id);
    if (!in_order && !fake.wrong)
        fake.wrong = id;
    return fake.fails && strcmp(fake.fails, id) == 0 ? fake.code : 0;
}
#define CALLED(in_order)                              \
    do {                                              \
        const int code_ = called(__func__, in_order); \
        if (code_)                                    \
            return code_;                             \
    } while (0)

/* ---- its calls ----------------------------------------------------------- */

static int subscribe(void **subscriber, CuptiHears *hears, void *arg)
{
    CALLED(!fake.subscribed && hears);
    hears(arg, 0, 0, NULL);
    fake.subscribed = true;
    *subscriber = &fake;
    return 0;
}

static int unsubscribe(void *subscriber)
{
    CALLED(fake.subscribed && subscriber == &fake && !fake.enabled);
    fake.subscribed = false;
    return 0;
}

static int buffers(CuptiGetsBuffer *gets, CuptiFilledBuffer *filled)
{
    CALLED(fake.subscribed && !fake.enabled);
    fake.gets = gets;
    fake.filled = filled;
    return 0;
}

static int enable(int kind)
{
    CALLED(fake.gets && !fake.kind[kind]);
    fake.kind[kind] = true;
    fake.enabled++;
    return 0;
}

static int disable(int kind)
{
    CALLED(fake.kind[kind] && !fake.pushed);
    fake.kind[kind] = false;
    fake.enabled--;
    return 0;
}

/* A buffer of the caller's. */
static uint8_t *taken(void)
{
    size_t bytes = 0, records = 1;
    uint8_t *buffer = NULL;

    fake.gets(&buffer, &bytes, &records);
    BUG_IF(!buffer || bytes < 1 << 20 || records || (uintptr_t)buffer % 8);
    fake.buffers++;
    fake.lent++;
    return buffer;
}

static int push(int external_kind, uint64_t id)
{
    CALLED(fake.enabled == 6 && external_kind == CUPTI_CUSTOM0 && !fake.pushed);
    if (fake.holds_one && !fake.held)
        fake.held = taken();
    fake.pushed = true;
    fake.id = id;
    return 0;
}

static int pop(int external_kind, uint64_t *id)
{
    const int code =
        called(__func__, external_kind == CUPTI_CUSTOM0 && fake.pushed);

    fake.pushed = false;
    *id = fake.id;
    return code;
}

static int next(uint8_t *buffer, size_t filled, CuptiRecord **record)
{
    const uint8_t *at = (const uint8_t *)*record;

    CALLED(filled > 0 && filled % KERNEL_BYTES == 0);
    at = at ? at + KERNEL_BYTES : buffer;
    if (at == buffer + filled)
        return CUPTI_NO_MORE;
    *record = (CuptiRecord *)(uintptr_t)at;
    return (*record)->kind ? 0 : INVALID_KIND;
}

static int dropped(void *context, uint32_t stream, size_t *n)
{
    CALLED(!context && !stream && fake.enabled);
    *n = fake.dropped;
    return 0;
}

/* Records from pending[from - 1] down, into a buffer. */
static void deliver(int from, int n)
{
    uint8_t *buffer = taken();

    for (int i = 0; i < n; i++)
        memcpy(buffer + (size_t)i * KERNEL_BYTES, &pending[from - 1 - i],
               KERNEL_BYTES);
    if (fake.damaged && from == n)
        memset(buffer + (size_t)(n - 1) * KERNEL_BYTES, 0, KERNEL_BYTES);
    fake.lent--;
    fake.filled(NULL, 0, buffer, 4 << 20, (size_t)n * KERNEL_BYTES);
}

static void *deliver_all(void *arg)
{
    while (npending) {
        const int n = npending < fake.a_buffer ? npending : fake.a_buffer;

        deliver(npending, n);
        npending -= n;
    }
    return arg;
}

static int flush(uint32_t flags)
{
    pthread_t thread;
    const int code = called(__func__, !flags && fake.enabled && !fake.pushed);

    BUG_IF(pthread_create(&thread, NULL, deliver_all, NULL));
    pthread_join(thread, NULL);
    return code;
}

/* ---- what it records ----------------------------------------------------- */

static void record(const Stored *stored)
{
    if (!fake.enabled)
        return;
    BUG_IF(npending == FAKE_RECORDS);
    pending[npending++] = *stored;
}

/* A call of the runtime's or the driver's; under an id, that comes first. */
static void record_call(int kind)
{
    /* between ids of other kinds, which are another library's */
    for (int i = -1; fake.pushed && i <= 1; i++)
        record(&(Stored){ .external = { CUPTI_EXTERNAL_CORRELATION,
                                        CUPTI_CUSTOM0 + i, fake.id + !!i,
                                        fake.correlation } });
    record(&(Stored){ .kind = kind });
}

void fake_activity_launch(FakeWay way, int kind, const char *symbol,
                          uint64_t ns)
{
    const bool timed = ++fake.launches != fake.untimed;
    const uint64_t start = timed ? 1000 + fake.time : 0,
                   end = timed ? start + ns : 0;

    fake.time += 10 + ns;
    fake.correlation++;
    if (way == BY_RUNTIME)
        record_call(CUPTI_RUNTIME);
    record_call(CUPTI_DRIVER);
    if (fake.launches == fake.lost)
        return;
    if (kind == CUPTI_CONCURRENT_KERNEL)
        record(&(Stored){ .kernel = { .kind = kind,
                                      .start = start,
                                      .end = end,
                                      .correlation = fake.correlation,
                                      .name = symbol } });
    else
        record(&(Stored){ .memory = { .kind = kind,
                                      .start = start,
                                      .end = end,
                                      .correlation = fake.correlation } });
}

void fake_activity_late(void)
{
    CuptiRecord *record = (CuptiRecord *)fake.held;

    record->kind = CUPTI_CONCURRENT_KERNEL;
    fake.lent--;
    fake.filled(NULL, 0, fake.held, 4 << 20, KERNEL_BYTES);
    fake.held = NULL;
}

FakeActivity *fake_activity(CuptiActivity *out)
{
    fake = (FakeActivity){ .a_buffer = 7 };
    npending = 0;
#define X(id, symbol, args) out->id = id;
    CUPTI_ACTIVITY_FUNCTIONS(X)
#undef X
    return &fake;
}
