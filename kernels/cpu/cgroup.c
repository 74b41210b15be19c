/*
 * cgroup.c - reads /proc/self/cgroup, finds each group's folder, and goes from
 * there up to the root.
 *
 * Where a group's folder is follows from /proc/self/mountinfo: a file system of
 * groups shows what is below its root.  A container may see only its own group
 * (which then is the root of what is mounted) or a path that is outside of it;
 * then what is mounted is all that can be asked.
 *
 * Source: Linux, admin-guide/cgroup-v1 and cgroup-v2.rst; proc(5).
 */
#include "kernels/cpu/cgroup.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 2 * PATH_MAX, NAME = 64 };

/* ---- files --------------------------------------------------------------- */

/* The number that a file begins with, or that follows key in one of its lines;
 * NAN if there is none, as for "max". */
static double number_in(const char *folder, const char *name, const char *key)
{
    const size_t n = key ? strlen(key) : 0;
    char path[LINE + NAME], line[256];
    double value = NAN;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "r");
    while (f && isnan(value) && fgets(line, sizeof(line), f)) {
        if (key && (strncmp(line, key, n) || line[n] != ' '))
            continue;
        if (isdigit((unsigned char)line[key ? n + 1 : 0]))
            value = strtod(line + (key ? n + 1 : 0), NULL);
        if (!key)
            break;
    }
    if (f)
        fclose(f);
    return value;
}

/* ---- limits of one group ------------------------------------------------- */

/* Larger ones are how version 1 says that there is none. */
#define NO_LIMIT 0x1p60

static void see_memory(GroupLimits *out, double limit, double usage,
                       double cache)
{
    double left;

    if (isnan(limit) || limit >= NO_LIMIT || isnan(usage))
        return;
    left = fmax(limit - usage + (isnan(cache) ? 0 : cache), 0);
    out->memory_left = fmin(out->memory_left, left);
}

static void memory_1(GroupLimits *out, const char *folder)
{
    see_memory(out, number_in(folder, "memory.limit_in_bytes", NULL),
               number_in(folder, "memory.usage_in_bytes", NULL),
               number_in(folder, "memory.stat", "total_inactive_file"));
}

/* Above memory.high processes are slowed down until they can do nothing. */
static void memory_2(GroupLimits *out, const char *folder)
{
    const double high = number_in(folder, "memory.high", NULL);

    see_memory(out, fmin(number_in(folder, "memory.max", NULL), high),
               number_in(folder, "memory.current", NULL),
               number_in(folder, "memory.stat", "inactive_file"));
}

static void see_quota(GroupLimits *out, const char *folder, double quota,
                      double period)
{
    if (!(quota > 0 && period > 0) || quota / period >= out->cpus)
        return;
    out->cpus = quota / period;
    out->throttled = number_in(folder, "cpu.stat", "nr_throttled");
}

static void quota_1(GroupLimits *out, const char *folder)
{
    see_quota(out, folder, number_in(folder, "cpu.cfs_quota_us", NULL),
              number_in(folder, "cpu.cfs_period_us", NULL));
}

/* "50000 100000", or "max 100000". */
static void quota_2(GroupLimits *out, const char *folder)
{
    char path[LINE + NAME];
    double quota = NAN, period = NAN;
    FILE *f;

    snprintf(path, sizeof(path), "%s/cpu.max", folder);
    f = fopen(path, "r");
    if (f && fscanf(f, "%lf %lf", &quota, &period) != 2)
        quota = NAN;
    if (f)
        fclose(f);
    see_quota(out, folder, quota, period);
}

static const struct {
    const char *controller;
    void (*version_1)(GroupLimits *out, const char *folder);
    void (*version_2)(GroupLimits *out, const char *folder);
} kinds[] = {
    { "memory", memory_1, memory_2 },
    { "cpu", quota_1, quota_2 },
};
enum { NKINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* ---- where a group is ---------------------------------------------------- */

/* True if name is in a list like "rw,cpu,cpuacct". */
static bool is_listed(const char *list, const char *name)
{
    const size_t n = strlen(name);

    for (; list; list = strchr(list, ',')) {
        list += *list == ',';
        if (strncmp(list, name, n) == 0 &&
            (list[n] == ',' || list[n] == '\n' || !list[n]))
            return true;
    }
    return false;
}

/* Undoes \040 and its kind, as /proc writes spaces in paths. */
static void unescape(char *text)
{
    char *to = text;

    for (; *text; text++)
        if (text[0] == '\\' && isdigit((unsigned char)text[1]) &&
            isdigit((unsigned char)text[2]) &&
            isdigit((unsigned char)text[3])) {
            *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
                           (text[3] - '0'));
            text += 3;
        } else {
            *to++ = *text;
        }
    *to = '\0';
}

typedef struct Mount {
    char from[PATH_MAX],
        at[PATH_MAX]; /* the group that is mounted, and where */
} Mount;

/* The file system of a controller's groups, or ("") of version 2's. */
static bool find_mount(Mount *m, const char *root, const char *controller)
{
    char path[PATH_MAX], line[2 * LINE];
    bool found = false;
    FILE *f;

    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
    f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof(line), f)) {
        char type[NAME], options[512];
        const char *rest = strstr(line, " - ");

        if (!rest ||
            sscanf(line, "%*s %*s %*s %4095s %4095s", m->from, m->at) != 2 ||
            sscanf(rest, " - %63s %*s %511s", type, options) != 2)
            continue;
        found = *controller
                    ? !strcmp(type, "cgroup") && is_listed(options, controller)
                    : !strcmp(type, "cgroup2");
    }
    if (f)
        fclose(f);
    if (found) {
        unescape(m->from);
        unescape(m->at);
    }
    return found;
}

/* The part of path below the mounted group; "" where that cannot be seen. */
static const char *below(const Mount *m, const char *path)
{
    const size_t n = strcmp(m->from, "/") ? strlen(m->from) : 0;

    if (strncmp(path, m->from, n) || (path[n] && path[n] != '/') ||
        strstr(path, "/../") || !strcmp(path, "/.."))
        return "";
    return strcmp(path + n, "/") ? path + n : "";
}

/* Looks at the group of a path and at all those above it. */
static void walk(GroupLimits *out, const char *root, const char *controller,
                 const char *path,
                 void (*look)(GroupLimits *out, const char *folder))
{
    char folder[LINE + PATH_MAX];
    size_t top;
    Mount m;

    if (!find_mount(&m, root, controller))
        return;
    top = (size_t)snprintf(folder, sizeof(folder), "%s%s", root, m.at);
    if ((size_t)snprintf(folder + top, sizeof(folder) - top, "%s",
                         below(&m, path)) >= LINE - top)
        folder[top] = '\0';
    for (;;) {
        look(out, folder);
        if (strlen(folder) <= top)
            return;
        *strrchr(folder, '/') = '\0';
    }
}

/* A line of /proc/self/cgroup: "4:cpu,cpuacct:/user", or "0::/user". */
static void see_line(GroupLimits *out, const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path)
        return;
    *controllers++ = *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    for (int i = 0; i < NKINDS; i++) {
        if (!*controllers)
            walk(out, root, "", path, kinds[i].version_2);
        else if (is_listed(controllers, kinds[i].controller))
            walk(out, root, kinds[i].controller, path, kinds[i].version_1);
    }
}

void group_limits(GroupLimits *out, const char *root)
{
    char path[PATH_MAX], line[LINE];
    FILE *f;

    *out = (GroupLimits){ INFINITY, INFINITY, NAN };
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        see_line(out, root, line);
    if (f)
        fclose(f);
}
