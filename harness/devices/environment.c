/*
 * environment.c - reads /proc, /sys and what the Makefile left.
 */
#include "harness/devices/environment.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "build_info.h"
#include "harness/devices/plugin.h"
#include "harness/files/hash.h"
#include "harness/devices/huge_pages.h"
#include "kernels/core/err.h"
#include "kernels/cpu/cgroup.h"
#include "kernels/cpu/cpus.h"
#include "kernels/cpu/onednn/onednn.h"
#include "kernels/cupti/nvml.h"

#define GOVERNOR "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"

char *file_line(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");

    text[0] = '\0';
    if (!f)
        return text;
    if (!fgets(text, (int)size, f))
        text[0] = '\0';
    fclose(f);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* Text after "key" and a separator in a file of such lines, unquoted. */
static char *file_value(const char *path, const char *key, char *text,
                        size_t size)
{
    FILE *f = fopen(path, "r");
    char line[512];

    text[0] = '\0';
    while (f && !text[0] && fgets(line, sizeof(line), f)) {
        const char *value;
        size_t n;

        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        value = line + strlen(key);
        value += strspn(value, " \t:=\"");
        n = strcspn(value, "\"\n");
        snprintf(text, size, "%.*s", (int)n, value);
    }
    if (f)
        fclose(f);
    return text;
}

/* /proc/meminfo, or without it what the kernel has unused. */
static double unused_memory(void)
{
    char text[64];

    file_value("/proc/meminfo", "MemAvailable", text, sizeof(text));
    if (text[0])
        return strtod(text, NULL) * 1024;
    return (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}

double memory_available(void)
{
    GroupLimits limits;

    group_limits(&limits, "");
    return fmin(unused_memory(), limits.memory_left);
}

int environment_cores(void)
{
    return mask_count(cpus_of_process());
}

/* The first word of text that is a version: "580.65.06". */
static void find_version(const char *text, char *version, size_t size)
{
    while (*text && !isdigit((unsigned char)*text)) {
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    snprintf(version, size, "%.*s", (int)strcspn(text, " "), text);
}

/* The driver says what it is, and its GPUs, in files of its own; in a container
 * these may be hidden, and its library must be asked. */
static void find_gpu(Machine *m)
{
    char line[256];
    glob_t found;
    Nvml *nvml;

    file_line("/proc/driver/nvidia/version", line, sizeof(line));
    find_version(line, m->driver, sizeof(m->driver));
    if (glob("/proc/driver/nvidia/gpus/*/information", 0, NULL, &found) == 0)
        file_value(found.gl_pathv[0], "Model", m->gpu, sizeof(m->gpu));
    globfree(&found);
    if (m->gpu[0] || nvml_open(&nvml, NULL) != OK)
        return;
    snprintf(m->gpu, sizeof(m->gpu), "%s", nvml_name(nvml));
    snprintf(m->driver, sizeof(m->driver), "%s", nvml_driver(nvml));
    nvml_close(nvml);
}

void environment_machine(Machine *m)
{
    char distribution[64];
    struct utsname u;

    memset(m, 0, sizeof(*m));
    file_value("/proc/cpuinfo", "model name", m->cpu, sizeof(m->cpu));
    if (!m->cpu[0])
        snprintf(m->cpu, sizeof(m->cpu), "unknown");
    m->cores = environment_cores();
    m->memory_bytes =
        (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    file_value("/etc/os-release", "PRETTY_NAME", distribution,
               sizeof(distribution));
    if (uname(&u) == 0)
        snprintf(m->os, sizeof(m->os), "%s, %.20s %.40s",
                 distribution[0] ? distribution : "unknown", u.sysname,
                 u.release);
    find_gpu(m);
}

/* Hashes the program and, because its kernels are in a file of their own, the
 * plugin: 20 MB take 10 ms.  "" if the program cannot be read. */
static void hash_program(char text[HASH_TEXT])
{
    uint64_t h = HASH_START;
    char plugin[PATH_MAX];

    text[0] = '\0';
    if (hash_large_file(&h, "/proc/self/exe"))
        return;
    if (plugin_path(plugin, sizeof(plugin)) == OK)
        hash_large_file(&h, plugin); /* or it is not loaded either */
    hash_text(text, h);
}

void environment_build(Build *b)
{
    char onednn[64], limit[64];

    memset(b, 0, sizeof(*b));
    snprintf(b->git_commit, sizeof(b->git_commit), "%s", BUILD_COMMIT);
    b->dirty = BUILD_DIRTY;
#if defined(__clang__)
    snprintf(b->compiler, sizeof(b->compiler), "clang %s", __clang_version__);
#else
    snprintf(b->compiler, sizeof(b->compiler), "gcc %s", __VERSION__);
#endif
    snprintf(b->flags, sizeof(b->flags), "%s", BUILD_FLAGS);
    onednn_limit(limit, sizeof(limit));
    snprintf(b->libraries, sizeof(b->libraries),
             "%s%s%s, SQLite %s, cJSON %s%s",
             onednn_version(onednn, sizeof(onednn)), limit[0] ? " with " : "",
             limit, sqlite3_libversion(), cJSON_Version(),
             huge_pages_used() ? ", malloc with huge pages" : "");
    hash_program(b->program);
}

double environment_load(void)
{
    double load[1];

    return getloadavg(load, 1) == 1 ? load[0] : NAN;
}

void environment_start(Sweep *s)
{
    struct timespec t;
    struct tm utc;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &t);
    n = strftime(s->started_at, sizeof(s->started_at), "%Y-%m-%dT%H:%M:%S",
                 gmtime_r(&t.tv_sec, &utc));
    snprintf(s->started_at + n, sizeof(s->started_at) - n, ".%03ldZ",
             t.tv_nsec / 1000000);
    file_line(GOVERNOR, s->governor, sizeof(s->governor));
    s->load = environment_load();
}

char *environment_caches(char *text, size_t size)
{
    char path[96], type[32], level[8], bytes[16];
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; n < size; i++) {
#define CACHE "/sys/devices/system/cpu/cpu0/cache/index%d/"
        snprintf(path, sizeof(path), CACHE "type", i);
        if (!file_line(path, type, sizeof(type))[0])
            break;
        snprintf(path, sizeof(path), CACHE "level", i);
        file_line(path, level, sizeof(level));
        snprintf(path, sizeof(path), CACHE "size", i);
        file_line(path, bytes, sizeof(bytes));
#undef CACHE
        if (strcmp(type, "Instruction") != 0)
            n += (size_t)snprintf(text + n, size - n, "%sL%s %s", n ? ", " : "",
                                  level, bytes);
    }
    return text;
}
