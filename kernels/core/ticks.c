/*
 * ticks.c - whether the CPU's counter is a clock here, and its rate.
 */
#include "kernels/core/ticks.h"

#include <stdio.h>
#include <string.h>

static const char source[] =
    "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/* Long enough for a rate that is right to 1e-5, with 50 ns of doubt. */
static const double LEAST_NS = 5e6;

/* The kernel has tried it: it runs at one rate, and alike on all CPUs. */
static bool kernel_uses_it(void)
{
#if defined(__x86_64__)
    FILE *f = fopen(source, "r");
    char name[32] = "";

    if (!f)
        return false;
    if (!fgets(name, sizeof(name), f))
        name[0] = '\0';
    fclose(f);
    return !strcmp(name, "tsc\n");
#else
    return false;
#endif
}

static double measure_rate(const TickClock *t)
{
    const double from_ns = host_now_ns();
    const uint64_t from = ticks_now(t);
    double ns;

    do
        ns = host_now_ns() - from_ns;
    while (ns < LEAST_NS);
    return ns / (double)(ticks_now(t) - from);
}

TickClock ticks_find(void)
{
    static TickClock found;

    if (found.ns > 0)
        return found;
    found = (TickClock){ .of_cpu = kernel_uses_it(), .ns = 1 };
    if (found.of_cpu)
        found.ns = measure_rate(&found);
    return found;
}
