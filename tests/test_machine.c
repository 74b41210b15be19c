/*
 * test_machine.c - CPUs and control groups of machines that are described by
 * files in a folder.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/cpu/cgroup.h"
#include "kernels/cpu/cpus.h"
#include "tests/databases.h"
#include "tests/test.h"

/* ---- many CPUs ------------------------------------------------------------- */

static void write_in(const char *root, const char *path, const char *text)
{
    char full[512], *slash;

    snprintf(full, sizeof(full), "%s%s", root, path);
    for (slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    write_text(full, text);
}

static char *folder_of(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", test_tmpdir(), name);
    return path;
}

#define SIBLINGS "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list"

TEST(machine, cpus_beyond_1024_are_used)
{
    enum { CORES = 1500 };
    int *cpu = calloc(2 * CORES, sizeof(*cpu));
    char root[256], path[128], text[32];
    CpuMask mask = { { 0 } };

    folder_of(root, "many");
    for (int i = 0; i < 2 * CORES; i++)
        mask_add(&mask, i);
    CHECK(mask_count(&mask) == 2 * CORES);
    for (int i = CORES - 2; i < CORES; i++) { /* two with two threads */
        snprintf(text, sizeof(text), "%d,%d\n", i, i + CORES);
        snprintf(path, sizeof(path), SIBLINGS, i);
        write_in(root, path, text);
        snprintf(path, sizeof(path), SIBLINGS, i + CORES);
        write_in(root, path, text);
    }
    CHECK(cpus_by_core(cpu, &mask, root) == 2 * CORES - 2);
    CHECK(cpu[0] == 0 && cpu[2 * CORES - 3] == 2 * CORES - 3);
    CHECK(cpu[2 * CORES - 2] == 2 * CORES - 2);
    CHECK(cpu[2 * CORES - 1] == 2 * CORES - 1);
    free(cpu);
}

/* ---- control groups, as files ----------------------------------------------- */

#define V2_MOUNT "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
#define V1_MOUNTS                                                          \
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"           \
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw master:7 - cgroup cgroup " \
    "rw,cpu,cpuacct\n"                                                     \
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static const struct Files {
    const char *name;
    const char *file[8][2]; /* path, text */
    double memory_left, cpus, throttled;
} layouts[] = {
    { "nothing", { { "/etc/hostname", "x" } }, INFINITY, INFINITY, NAN },
    { "version 2, no limit",
      { { "/proc/self/cgroup", "0::/user.slice/x.scope\n" },
        { "/proc/self/mountinfo", V2_MOUNT },
        { "/sys/fs/cgroup/user.slice/x.scope/memory.max", "max\n" },
        { "/sys/fs/cgroup/user.slice/x.scope/memory.current", "1000\n" },
        { "/sys/fs/cgroup/user.slice/x.scope/cpu.max", "max 100000\n" } },
      INFINITY,
      INFINITY,
      NAN },
    { "version 2, its own group",
      { { "/proc/self/cgroup", "0::/job\n" },
        { "/proc/self/mountinfo", V2_MOUNT },
        { "/sys/fs/cgroup/job/memory.max", "2000\n" },
        { "/sys/fs/cgroup/job/memory.current", "1500\n" },
        { "/sys/fs/cgroup/job/memory.stat",
          "anon 7\ninactive_file_x 999\ninactive_file 200\n" },
        { "/sys/fs/cgroup/job/cpu.max", "150000 100000\n" },
        { "/sys/fs/cgroup/job/cpu.stat", "nr_periods 9\nnr_throttled 4\n" } },
      700,
      1.5,
      4 },
    { "version 2, a group above has less",
      { { "/proc/self/cgroup", "0::/slurm/job/step\n" },
        { "/proc/self/mountinfo", V2_MOUNT },
        { "/sys/fs/cgroup/slurm/job/memory.max", "2000\n" },
        { "/sys/fs/cgroup/slurm/job/memory.current", "1500\n" },
        { "/sys/fs/cgroup/slurm/job/step/memory.max", "9000\n" },
        { "/sys/fs/cgroup/slurm/job/step/memory.current", "1000\n" },
        { "/sys/fs/cgroup/slurm/cpu.max", "50000 100000\n" },
        { "/sys/fs/cgroup/slurm/job/step/cpu.max", "400000 100000\n" } },
      500,
      0.5,
      NAN },
    { "version 2, slowed down above a limit",
      { { "/proc/self/cgroup", "0::/job\n" },
        { "/proc/self/mountinfo", V2_MOUNT },
        { "/sys/fs/cgroup/job/memory.max", "max\n" },
        { "/sys/fs/cgroup/job/memory.high", "1600\n" },
        { "/sys/fs/cgroup/job/memory.current", "1500\n" } },
      100,
      INFINITY,
      NAN },
    { "version 2, more used than there may be",
      { { "/proc/self/cgroup", "0::/job\n" },
        { "/proc/self/mountinfo", V2_MOUNT },
        { "/sys/fs/cgroup/job/memory.max", "1000\n" },
        { "/sys/fs/cgroup/job/memory.current", "1500\n" } },
      0,
      INFINITY,
      NAN },
    { "version 2, a container's view of its own group",
      { { "/proc/self/cgroup", "0::/\n" },
        { "/proc/self/mountinfo", V2_MOUNT },
        { "/sys/fs/cgroup/memory.max", "5000\n" },
        { "/sys/fs/cgroup/memory.current", "1000\n" },
        { "/sys/fs/cgroup/cpu.max", "200000 100000\n" } },
      4000,
      2,
      NAN },
    { "version 2, a path outside of what is mounted",
      { { "/proc/self/cgroup", "0::/../../other\n" },
        { "/proc/self/mountinfo", V2_MOUNT },
        { "/sys/fs/cgroup/memory.max", "5000\n" },
        { "/sys/fs/cgroup/memory.current", "1000\n" },
        { "/other/memory.max", "1\n" } },
      4000,
      INFINITY,
      NAN },
    { "version 1, nested, controllers together",
      { { "/proc/self/cgroup",
          "5:memory:/a/b\n4:cpu,cpuacct:/a\n1:name=systemd:/z\n0::/\n" },
        { "/proc/self/mountinfo", V1_MOUNTS },
        { "/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "3000\n" },
        { "/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "2000\n" },
        { "/sys/fs/cgroup/memory/a/memory.stat", "total_inactive_file 50\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "25000\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/a/cpu.stat", "nr_throttled 3\n" } },
      1050,
      0.25,
      3 },
    { "version 1, no limit",
      { { "/proc/self/cgroup", "5:memory:/\n4:cpu,cpuacct:/\n" },
        { "/proc/self/mountinfo", V1_MOUNTS },
        { "/sys/fs/cgroup/memory/memory.limit_in_bytes",
          "9223372036854771712\n" },
        { "/sys/fs/cgroup/memory/memory.usage_in_bytes", "2000\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n" },
        { "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n" } },
      INFINITY,
      INFINITY,
      NAN },
    { "version 1, a container that sees its own group as the root",
      { { "/proc/self/cgroup", "5:memory:/docker/12ab\n" },
        { "/proc/self/mountinfo",
          "35 31 0:32 /docker/12ab /sys/fs/cgroup/memory ro - cgroup cgroup "
          "rw,memory\n" },
        { "/sys/fs/cgroup/memory/memory.limit_in_bytes", "3000\n" },
        { "/sys/fs/cgroup/memory/memory.usage_in_bytes", "2000\n" } },
      1000,
      INFINITY,
      NAN },
    { "version 1, a group within the one that is mounted",
      { { "/proc/self/cgroup", "5:memory:/docker/12ab/in\n" },
        { "/proc/self/mountinfo",
          "35 31 0:32 /docker/12ab /my\\040groups ro - cgroup cgroup "
          "rw,memory\n" },
        { "/my groups/in/memory.limit_in_bytes", "3000\n" },
        { "/my groups/in/memory.usage_in_bytes", "2400\n" } },
      600,
      INFINITY,
      NAN },
};

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

TEST(machine, limits_of_control_groups_are_found_in_every_layout)
{
    char root[256], name[16];
    GroupLimits got;

    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        const struct Files *l = &layouts[i];

        snprintf(name, sizeof(name), "root%zu", i);
        folder_of(root, name);
        for (int k = 0; k < 8 && l->file[k][0]; k++)
            write_in(root, l->file[k][0], l->file[k][1]);
        group_limits(&got, root);
        CHECK_MSG(same(got.memory_left, l->memory_left) &&
                      same(got.cpus, l->cpus) &&
                      same(got.throttled, l->throttled),
                  "%s: %g bytes, %g CPUs, %g times", l->name, got.memory_left,
                  got.cpus, got.throttled);
    }
}
