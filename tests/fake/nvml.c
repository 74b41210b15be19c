/*
 * nvml.c - a libnvidia-ml with two GPUs, one of them hot.
 *
 * FAKE_NVML says what the GPUs are: "mig", "vgpu", "passthrough", "mute": a
 * driver that does not say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COOL, HOT, GPUS };
static const char *const bus_ids[GPUS] = { "0000:3B:00.0", "0000:AF:00.0" };
static int gpu[GPUS] = { COOL, HOT };

int nvmlInit_v2(void)
{
    return 0;
}

int nvmlShutdown(void)
{
    return 0;
}

const char *nvmlErrorString(int err)
{
    return err == 6 ? "Not Found" : "?";
}

int nvmlSystemGetDriverVersion(char *text, unsigned size)
{
    snprintf(text, size, "580.65.06");
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *n)
{
    *n = GPUS;
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **device)
{
    *device = &gpu[i];
    return 0;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, void **device)
{
    for (unsigned i = 0; i < GPUS; i++)
        if (strcmp(bus_ids[i], bus_id) == 0)
            return nvmlDeviceGetHandleByIndex_v2(i, device);
    return 6;
}

int nvmlDeviceGetName(void *device, char *text, unsigned size)
{
    snprintf(text, size, *(int *)device == HOT ? "Hot" : "Cool");
    return 0;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *value)
{
    *value = *(int *)device == HOT ? 91 : 40;
    return sensor;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *value)
{
    *value = *(int *)device == HOT ? 699500 : 80000;
    return 0;
}

/* Hot: power and heat hold it back.  Cool: it idles, which is no reason. */
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device,
                                              unsigned long long *bits)
{
    *bits = *(int *)device == HOT ? 0x04 | 0x20 : 0x01;
    return 0;
}

static int is(const char *what)
{
    const char *said = getenv("FAKE_NVML");

    return said && strcmp(said, what) == 0;
}

int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *next)
{
    (void)device;
    *now = is("mig") || is("mute");
    *next = 0;
    return is("mute") ? 3 : 0;
}

int nvmlDeviceGetVirtualizationMode(void *device, unsigned *mode)
{
    (void)device;
    *mode = is("passthrough") ? 1 : is("vgpu") || is("mute") ? 2 : 0;
    return is("mute") ? 3 : 0;
}
