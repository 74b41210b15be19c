/*
 * doctor_gpu.c - what attnbench doctor says of GPUs: driver, plugin, clock,
 * counters.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "harness/cli/doctor.h"
#include "harness/devices/backends.h"
#include "harness/devices/plugin.h"
#include "kernels/core/err.h"
#include "kernels/cupti/access.h"
#include "kernels/cupti/cupti.h"
#include "kernels/cupti/nvml.h"

/* Reports the driver, with or without a plugin for it; true if there is a
 * GPU. */
static bool driver(Doctor *d, const Machine *m)
{
    Nvml *nvml;

    if (nvml_open(&nvml, NULL) == OK) {
        doctor_say(d, FINE, "gpu", "%s, driver %s", nvml_name(nvml),
                   nvml_driver(nvml));
        if (nvml_count(nvml) > 1)
            doctor_say(
                d, FINE, "gpus",
                "%d; the first is used: CUDA_VISIBLE_DEVICES chooses another",
                nvml_count(nvml));
        nvml_close(nvml);
        return true;
    }
    if (!m->driver[0]) {
        doctor_say(d, ABSENT, "gpu", "no NVIDIA driver is loaded");
        return false;
    }
    doctor_say(d, FINE, "gpu", "%s, driver %s", m->gpu[0] ? m->gpu : "NVIDIA",
               m->driver);
    doctor_say(d, ABSENT, "nvml",
               "%s; samples will lack temperature, power and throttling",
               err_message());
    return true;
}

static void say_fact(void *arg, const char *what, const char *text)
{
    doctor_say(arg, FINE, what, "%s", text);
}

/* Resolution of the device's clock: the length of an empty interval, and the
 * smallest difference between two of them. */
static int device_timer(Doctor *d, Device *dev)
{
    enum { INTERVALS = 200 };
    double least = INFINITY, step = INFINITY, last = -1, ns;

    for (int i = 0; i < INTERVALS; i++) {
        TRY(dev->backend->clock_start(dev));
        TRY(dev->backend->clock_stop(dev, &ns));
        if (ns != last && fabs(ns - last) < step && last >= 0)
            step = fabs(ns - last);
        if (ns < least)
            least = ns;
        last = ns;
    }
    if (isinf(step))
        step = 0;
    doctor_say(d, step > 1000 ? SPOILS : FINE, "gpu timer",
               "steps of %.0f ns, an empty interval reads %.0f ns", step,
               least);
    return OK;
}

static int device_now(Doctor *d, Device *dev)
{
    char text[160];
    size_t n;
    Moment c;

    TRY(dev->backend->moment(dev, &c));
    n = (size_t)snprintf(text, sizeof(text), "%.0f MHz", c.clock_mhz);
    if (!isnan(c.temperature_c))
        n += (size_t)snprintf(text + n, sizeof(text) - n, ", %.0f C",
                              c.temperature_c);
    if (!isnan(c.power_w))
        n +=
            (size_t)snprintf(text + n, sizeof(text) - n, ", %.0f W", c.power_w);
    if (c.throttle && c.throttle[0])
        doctor_say(d, SPOILS, "gpu now", "%s, throttled by %s", text,
                   c.throttle);
    else
        doctor_say(d, FINE, "gpu now", "%s%s", text,
                   c.throttle ? ", not throttled" : "");
    return OK;
}

/* True if a profile will have counters, as far as can be told without one. */
static void counters(Doctor *d)
{
    Nvml *nvml = NULL; /* where it does not open, it is not asked */
    Cupti cupti;
    int err = cupti_open(&cupti);

    if (!err) {
        nvml_open(&nvml, NULL);
        err = forecast_counters("/proc", nvml);
    }
    if (err)
        doctor_say(d, ABSENT, "counters",
                   "%s; profiles are only timed and modelled",
                   without_counters());
    else
        doctor_say(d, FINE, "counters", "%s, and apparently allowed",
                   cupti.path);
    nvml_close(nvml);
    cupti_close(&cupti);
}

/* A plugin that does not work is broken only where there is a GPU for it. */
static void cuda_plugin(Doctor *d, Mark bad)
{
    char path[PATH_MAX];
    const Backend *plugin;
    Device *dev = NULL;
    int err;

    if (plugin_path(path, sizeof(path))) {
        doctor_say(d, bad == BROKEN ? SPOILS : ABSENT, "cuda plugin",
                   "%s; with the CUDA Toolkit 12.4 or newer, run make again",
                   err_message());
        return;
    }
    if (plugin_load(&plugin)) {
        doctor_say(d, bad, "cuda plugin",
                   "%s; set LD_LIBRARY_PATH to the folder that has it",
                   err_message());
        return;
    }
    doctor_say(d, FINE, "cuda plugin", "%s", path);
    plugin->tell(NULL, say_fact, d);
    err = plugin->open(&dev, NULL);
    if (!err) {
        doctor_say(d, FINE, "backend cuda", "%s", dev->about);
        plugin->tell(dev, say_fact, d);
        err = device_timer(d, dev);
    }
    if (!err)
        err = device_now(d, dev);
    if (err)
        doctor_say(d, bad, "backend cuda", "%s", err_message());
    backend_close(dev);
}

/* Counters last: CUPTI may be next to the libraries of the plugin. */
void doctor_gpu(Doctor *d, const Machine *m)
{
    const bool here = driver(d, m);

    cuda_plugin(d, here ? BROKEN : ABSENT);
    if (here)
        counters(d);
}
