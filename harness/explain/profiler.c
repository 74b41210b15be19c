/*
 * profiler.c - from a case to its profile, and into the database.
 */
#include "harness/explain/profiler.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/counted.h"
#include "harness/devices/backends.h"
#include "kernels/core/err.h"

static const double WARMUP_NS = 0.5e9;

void profiler_check_cold(Profiled *out)
{
    const ColdCheck c = counted_cold(&out->rows);

    if (c.is == COLD_NOT_HELD)
        arm_discard(&out->arm,
                    "the run was not cold: it read %.0f of the %.0f bytes "
                    "that it must read from memory",
                    c.read, c.compulsory);
}

static int open_device(Profiled *out, const Profiled *first)
{
    const Case *c = out->arm.c;
    const DeviceSettings settings = { c->threads, "" };

    out->owns_dev = !first;
    if (!first)
        return backend_open(&out->dev, case_name("backend", c->backend),
                            &settings);
    out->dev = first->dev;
    return OK;
}

int profiler_prepare(Profiled *out, const Case *c, const Profiled *first)
{
    Trial *a = &out->arm;

    memset(out, 0, sizeof(*out));
    if (c->state == STATE_GRAPH)
        return fail(ERR_INPUT, "a recorded CUDA graph has no steps to "
                               "profile; give --state=hot or --state=cold");
    trial_init(a, c, NULL, 0);
    TRY(open_device(out, first));
    trial_prepare(a, &(Checker){ out->dev, NULL }, WARMUP_NS, NULL);
    if (!trial_ok(a))
        return fail(ERR_UNSUPPORTED, "%s: %s", status_name(a->status),
                    a->message);
    return OK;
}

static int keep(Profiled *out, const Profiling *how)
{
    Trial *a = &out->arm;

    for (int i = 0; i < out->profile.rounds; i++)
        trial_add(a, out->profile.whole[i], out->first_round + i);
    profile_rows(&out->rows, &out->profile, a->graph, how, a->arena_bytes);
    TRY(profile_count(&out->rows, how));
    if (how->cold)
        profiler_check_cold(out);
    return OK;
}

int profiler_measure(Profiled *const *p, int n, double seconds,
                     const char *metrics)
{
    Profiling *how = calloc((size_t)n + 1, sizeof(*how));
    Profile **out = calloc((size_t)n + 1, sizeof(Profile *));
    int err;

    BUG_IF(!how || !out);
    for (int i = 0; i < n; i++) {
        const Case *c = p[i]->arm.c;

        out[i] = &p[i]->profile;
        how[i] = (Profiling){ .dev = p[i]->dev,
                              .plan = p[i]->arm.plan,
                              .dtype = case_dtype(c),
                              .seconds = seconds,
                              .metrics = metrics,
                              .cold = profiler_is_cold(c) };
    }
    err = profile_together(out, how, n);
    for (int i = 0; i < n && !err; i++)
        err = keep(p[i], &how[i]);
    free(out);
    free(how);
    return err;
}

int profiler_run(Profiled *out, const Case *c, double seconds,
                 const char *metrics)
{
    TRY(profiler_prepare(out, c, NULL));
    return profiler_measure(&out, 1, seconds, metrics);
}

bool profiler_alike(const Case *a, const Case *b)
{
    char text_a[CASE_TEXT], text_b[CASE_TEXT];
    Case as_a = *b;

    as_a.module = a->module;
    as_a.impl = a->impl;
    as_a.position = a->position;
    as_a.norm_gain = a->norm_gain; /* follows from the module */
    as_a.copy = a->copy;
    memcpy(as_a.settings, a->settings, sizeof(as_a.settings));
    return strcmp(case_print(a, text_a), case_print(&as_a, text_b)) == 0;
}

bool profiler_is_cold(const Case *c)
{
    return c->state == STATE_COLD;
}

void profiler_free(Profiled *p)
{
    stored_profile_free(&p->rows);
    profile_free(&p->profile);
    trial_free(&p->arm);
    if (p->owns_dev)
        backend_close(p->dev);
    p->dev = NULL;
}

static int store(const Profiled *p, Store *s, int64_t sweep_id)
{
    const Trial *a = &p->arm;
    Outcome o = trial_outcome(a);
    const Samples samples = trial_samples(a);
    int64_t id;

    o.kind = KIND_PROFILE;
    TRY(store_run(s, sweep_id, a->c, &o, &samples));
    TRY(store_run_id(s, sweep_id, a->repeat, &id));
    return store_profile(s, id, &p->rows);
}

int profiler_store(const Profiled *p, Store *s, int64_t sweep_id)
{
    TRY(store_group_begin(s));
    return store_group_end(s, store(p, s, sweep_id));
}
