/*
 * cache.c - reads the sizes of the caches, and who shares them, from sysfs.
 */
#include "kernels/cpu/cache.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 256, UNKNOWN_SIZE = 64 << 20 };

/* Reads one line of /sys/.../cpuN/cache/indexI/what. */
static bool read_cache(int cpu, int index, const char *what, char text[TEXT])
{
    char path[96];
    FILE *f;
    bool read;

    snprintf(path, sizeof(path),
             "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index,
             what);
    f = fopen(path, "r");
    if (!f)
        return false;
    read = fgets(text, TEXT, f) != NULL;
    fclose(f);
    return read;
}

/* "32768K", "1M" in bytes. */
static size_t size_of(const char *text)
{
    char *unit;
    const size_t n = strtoull(text, &unit, 10);

    return *unit == 'K' ? n << 10 : *unit == 'M' ? n << 20 : n;
}

/* Whether cpu is in a list like "0-3,8,10-11". */
static bool in_list(const char *list, int cpu)
{
    while (*list) {
        char *end;
        const long lo = strtol(list, &end, 10);
        const long hi = *end == '-' ? strtol(end + 1, &end, 10) : lo;

        if (lo <= cpu && cpu <= hi)
            return true;
        if (*end != ',')
            return false;
        list = end + 1;
    }
    return false;
}

/* The part of each of its caches that is left to one thread, doubled. */
static size_t thread_bytes(const Team *team, int thread)
{
    char text[TEXT];
    size_t bytes = 0;

    for (int i = 0; read_cache(team->cpu[thread], i, "size", text); i++) {
        const size_t size = size_of(text);
        size_t sharers = 0;

        if (!read_cache(team->cpu[thread], i, "shared_cpu_list", text))
            return 0;
        for (int k = 0; k < team->threads; k++)
            sharers += in_list(text, team->cpu[k]);
        bytes += 2 * size / (sharers ? sharers : 1);
    }
    return bytes;
}

size_t cache_flood_bytes(const Team *team)
{
    size_t most = 0;

    for (int i = 0; i < team->threads; i++) {
        const size_t bytes = thread_bytes(team, i);

        if (most < bytes)
            most = bytes;
    }
    return most ? most : UNKNOWN_SIZE;
}
