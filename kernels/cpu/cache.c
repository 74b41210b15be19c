/*
 * cache.c - reads the sizes of the caches, and who shares them, from sysfs.
 */
#include "kernels/cpu/cache.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 4096, UNKNOWN_SIZE = 64 << 20 };

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

/* True if cpu is in a list like "0-3,8,10-11". */
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

/* The part of a thread's i-th cache that is left to it; 0 past the last. */
static size_t share(const Team *team, int thread, int i)
{
    char text[TEXT];
    size_t size, sharers = 0;

    if (!read_cache(team->cpu[thread], i, "size", text))
        return 0;
    size = size_of(text);
    if (!read_cache(team->cpu[thread], i, "shared_cpu_list", text))
        return 0;
    for (int k = 0; k < team->threads; k++)
        sharers += in_list(text, team->cpu[k]);
    return size / (sharers ? sharers : 1);
}

/* Its part of each of its caches, doubled. */
static size_t thread_bytes(const Team *team, int thread)
{
    size_t bytes = 0, part;

    for (int i = 0; (part = share(team, thread, i)); i++)
        bytes += 2 * part;
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

/* A thread's part of its second-level cache, unless that is its last. */
static size_t second(const Team *team, int thread)
{
    char text[TEXT];
    size_t part;

    for (int i = 0; (part = share(team, thread, i)); i++)
        if (read_cache(team->cpu[thread], i, "level", text) && text[0] == '2')
            return share(team, thread, i + 1) ? part : 0;
    return 0;
}

size_t cache_second_bytes(const Team *team)
{
    size_t bytes = 0;

    for (int t = 0; t < team->threads; t++)
        bytes += second(team, t);
    return bytes;
}

size_t cache_last_bytes(const Team *team)
{
    size_t bytes = 0;

    for (int t = 0; t < team->threads; t++) {
        size_t part, last = 0;

        for (int i = 0; (part = share(team, t, i)); i++)
            last = part;
        bytes += last;
    }
    return bytes ? bytes : UNKNOWN_SIZE;
}
