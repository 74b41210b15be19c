/*
 * others.c - whether other programs disturb what is measured: the CPU time that
 * they use now.
 */
#include "harness/devices/others.h"

#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "kernels/cpu/cpus.h"

static const double SAMPLE_SECONDS = 0.5;

/* Half a CPU: what that is taken from, one of many threads or the only one,
 * holds up the rest. */
static const double BUSY_CPUS = 0.5;

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Ticks of a line "cpu1 user nice system idle iowait irq softirq steal ...",
 * without those of waiting; -1 if it is none of a CPU in the mask. */
static double line_ticks(const char *line, const CpuMask *mask)
{
    unsigned cpu;
    double user, nice, system, irq, soft, steal = 0;

    if (sscanf(line, "cpu%u %lf %lf %lf %*f %*f %lf %lf %lf", &cpu, &user,
               &nice, &system, &irq, &soft, &steal) < 6)
        return -1;
    if (cpu >= CPUS_MAX || !mask_has(mask, (int)cpu))
        return -1;
    return user + nice + system + irq + soft + steal;
}

static double all_seconds(const char *stat)
{
    char line[512];
    double sum = 0;
    int lines = 0;
    FILE *f = fopen(stat, "r");

    if (!f)
        return NAN;
    while (fgets(line, sizeof(line), f)) {
        const double ticks = line_ticks(line, cpus_of_process());

        if (ticks < 0)
            continue;
        sum += ticks;
        lines++;
    }
    fclose(f);
    return lines && sum > 0 ? sum / (double)sysconf(_SC_CLK_TCK) : NAN;
}

void cpu_time(CpuTime *t, const char *stat)
{
    t->wall = seconds(CLOCK_MONOTONIC);
    t->own = seconds(CLOCK_PROCESS_CPUTIME_ID);
    t->all = all_seconds(stat);
}

double others_between(const CpuTime *a, const CpuTime *b)
{
    const double wall = b->wall - a->wall;
    const double used = (b->all - a->all) - (b->own - a->own);

    if (isnan(used) || !(wall > 0))
        return NAN;
    return used > 0 ? used / wall : 0;
}

double others_now(void)
{
    const struct timespec sample = { .tv_nsec = (long)(SAMPLE_SECONDS * 1e9) };
    CpuTime a, b;

    cpu_time(&a, "/proc/stat");
    if (isnan(a.all))
        return NAN;
    nanosleep(&sample, NULL);
    cpu_time(&b, "/proc/stat");
    return others_between(&a, &b);
}

bool others_are_busy(double cpus)
{
    return cpus > BUSY_CPUS;
}

char *others_doubt(char text[OTHERS_TEXT], double cpus, int cores, bool threads)
{
    text[0] = '\0';
    if (others_are_busy(cpus))
        snprintf(text, OTHERS_TEXT,
                 "other programs use %.1f of %d core%s: they disturb the "
                 "measurement; wait, or find them with top%s",
                 cpus, cores, cores == 1 ? "" : "s",
                 threads && cores > 1 ? "; --threads=1 is far less disturbed"
                                      : "");
    return text;
}
