/*
 * cmd_doctor.c - attnbench doctor
 *
 * Reports what this machine has, what it lacks and the command that installs
 * it, and what would spoil a measurement.  A line starts with "ok", "--"
 * (absent, and not needed), "!!" (spoils measurements) or "XX" (broken).
 */
#include "harness/cli/cmd.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/doctor.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/devices/environment.h"
#include "harness/devices/huge_pages.h"
#include "harness/devices/others.h"
#include "harness/files/image.h"
#include "harness/measure/floor.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/cgroup.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/onednn/onednn.h"
#include "kernels/cpu/perf.h"
#include "results/store.h"

typedef struct DoctorSettings {
    const char *db;
} DoctorSettings;

static const Param doctor_params[] = {
    PARAM_PATH(DoctorSettings, db, STORE_PATH,
               "the database that runs would be stored in"),
    PARAM_END,
};

static const Usage usage = {
    .name = "doctor",
    .args = "",
    .what = "Checks this machine: what it can do, how to fix what is missing,\n"
            "and what would spoil a measurement.",
    .exits = "Exit status: 0 if all that is needed works; 1 if something is "
             "broken.",
    .params = doctor_params,
};

void doctor_say(Doctor *d, Mark mark, const char *what, const char *fmt, ...)
{
    static const char *const sign[] = { "ok", "--", "!!", "XX" };
    va_list args;

    d->count[mark]++;
    printf("%s  %-12s ", sign[mark], what);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

/* ---- the processor --------------------------------------------------- */

/* The code that is chosen for this processor. */
static void code(Doctor *d)
{
    char text[128] = "";
    size_t n = 0;

    for (int i = 1; cpu_isa_name(i); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "",
                              cpu_isa_name(i));
    doctor_say(d, FINE, "own kernels", "%s%s%s", cpu_isa_name(0),
               n ? "; also available: " : "", text);
    if (onednn_limit(text, sizeof(text))[0])
        doctor_say(d, SPOILS, "oneDNN",
                   "%s: limited by %s; unset it to use all of this processor",
                   onednn_isa(), text);
    else
        doctor_say(d, FINE, "oneDNN", "%s", onednn_isa());
    if (!amx_is_there())
        doctor_say(d, ABSENT, "AMX", "this processor does not have it");
    else if (amx_may_be_used())
        doctor_say(d, FINE, "AMX", "available to this process");
    else
        doctor_say(
            d, ABSENT, "AMX",
            "this processor has it, but Linux does not let this process use "
            "it; a newer kernel may");
}

static void processor(Doctor *d, const Machine *m)
{
    char text[128];

    doctor_say(d, FINE, "cpu", "%s", m->cpu);
    code(d);
    if (cpu_check_bf16() == OK)
        doctor_say(d, FINE, "dtypes", "f32, bf16");
    else
        doctor_say(d, ABSENT, "dtypes", "f32; %s", err_message());
    if (m->cores < 2)
        doctor_say(d, SPOILS, "cores",
                   "%d: other programs share it with the measurement",
                   m->cores);
    else
        doctor_say(d, FINE, "cores", "%d that this process may use", m->cores);
    if (environment_caches(text, sizeof(text))[0])
        doctor_say(d, FINE, "caches", "%s", text);
    else
        doctor_say(d, ABSENT, "caches", "not visible");
    file_line("/sys/devices/system/node/online", text, sizeof(text));
    if (text[0] && strcmp(text, "0") != 0)
        doctor_say(
            d, SPOILS, "memory nodes",
            "%s: each core has its own nearest memory; bind to one node with "
            "numactl --cpunodebind=0 --membind=0",
            text);
}

const char *without_counters(void)
{
    static const char word[] = "counters: ";
    const char *why = err_message();

    return strncmp(why, word, strlen(word)) ? why : why + strlen(word);
}

/* The processor's; a GPU has its own. */
static void cpu_counters(Doctor *d)
{
    if (perf_may_count(NULL))
        doctor_say(d, ABSENT, "cpu counters",
                   "%s; profiles are only timed and "
                   "modelled",
                   without_counters());
    else
        doctor_say(d, FINE, "cpu counters", "perf events, of user space");
}

static void memory(Doctor *d, const Machine *m)
{
    const double gib = 1 << 30, available = memory_available();

    doctor_say(d, available < 2 * gib ? SPOILS : FINE, "memory",
               "%.1f GiB, %.1f GiB of it available%s", m->memory_bytes / gib,
               available / gib,
               available < 2 * gib ? ": large cases will be out_of_memory"
                                   : "");
}

static void huge_pages(Doctor *d)
{
    const char *why = huge_pages_lacking();

    if (why)
        doctor_say(d, SPOILS, "huge pages", "none for malloc: %s", why);
    else
        doctor_say(d, FINE, "huge pages", "for all that malloc gives");
}

/* The share of the processor that a container or a batch system leaves. */
static void quota(Doctor *d, const Machine *m)
{
    GroupLimits limits;

    group_limits(&limits, "");
    if (limits.cpus >= m->cores)
        return;
    doctor_say(
        d, SPOILS, "cpu quota",
        "%.3g of %d CPUs: a control group stops this process when it has "
        "used them%s; lift the quota (docker --cpus, CPUQuota), or bind to "
        "CPUs instead",
        limits.cpus, m->cores,
        limits.throttled > 0 ? ", and has done so already" : "");
}

/* How many, and of the variables for them those that do nothing here. */
static void threads(Doctor *d, const Device *dev)
{
    const char *unused = getenv("OMP_NUM_THREADS");

    doctor_say(d, FINE, "threads", "%d unless --threads is given%s%s%s",
               dev->threads, unused ? "; OMP_NUM_THREADS=" : "",
               unused ? unused : "", unused ? " is not used" : "");
}

/* ---- load and clock --------------------------------------------------- */

static void governor(Doctor *d, const Sweep *s)
{
    if (!s->governor[0])
        doctor_say(
            d, ABSENT, "governor",
            "not visible (a virtual machine): the host controls the clock");
    else if (strcmp(s->governor, "performance") == 0)
        doctor_say(d, FINE, "governor", "performance");
    else
        doctor_say(d, SPOILS, "governor",
                   "%s: the clock follows the load; fix it with sudo cpupower "
                   "frequency-set -g performance",
                   s->governor);
}

static void turbo(Doctor *d)
{
    char text[16];
    int on;

    if (file_line("/sys/devices/system/cpu/intel_pstate/no_turbo", text,
                  sizeof(text))[0])
        on = text[0] == '0';
    else if (file_line("/sys/devices/system/cpu/cpufreq/boost", text,
                       sizeof(text))[0])
        on = text[0] == '1';
    else {
        doctor_say(d, ABSENT, "turbo", "not visible");
        return;
    }
    doctor_say(
        d, FINE, "turbo",
        on ? "on, as for most users: the clock depends on temperature and on "
             "the other cores"
           : "off");
}

static void load(Doctor *d, const Sweep *s, int cores)
{
    char text[OTHERS_TEXT];
    const double others = others_now();

    if (isnan(s->load))
        doctor_say(d, ABSENT, "load", "not visible");
    else
        doctor_say(d, FINE, "load", "%.2f: a 1-minute average, of all programs",
                   s->load);
    if (isnan(others))
        doctor_say(d, ABSENT, "programs", "their CPU time is not visible");
    else if (others_doubt(text, others, cores, true)[0])
        doctor_say(d, SPOILS, "programs", "%s", text);
    else
        doctor_say(d, FINE, "programs", "others use %.1f of %d core%s", others,
                   cores, cores == 1 ? "" : "s");
}

/* The smallest step between two different readings, and what one costs. */
static void timer(Doctor *d)
{
    enum { READINGS = 100000 };
    const double start = host_now_ns();
    double last = start, step = INFINITY, cost;

    for (int i = 0; i < READINGS; i++) {
        const double now = host_now_ns();

        if (now > last && now - last < step)
            step = now - last;
        last = now;
    }
    cost = (last - start) / READINGS;
    doctor_say(d, cost > 200 ? SPOILS : FINE, "timer",
               "steps of %.0f ns, a reading takes %.0f ns%s", step, cost,
               cost > 200 ? ": the kernel has no fast clock source here" : "");
}

/* The smallest difference that make bench would resolve now: see BUDGET in the
 * Makefile, and bench.json. */
static void resolution(Doctor *d)
{
    const FloorPlan bench = { 6e7, 13, .budget = 110, .limit = 110 };
    const double target = 0.01;
    char text[FLOOR_TEXT];
    Floor f;

    if (floor_measure(&f, 0)) {
        doctor_say(d, BROKEN, "floor", "%s", err_message());
        return;
    }
    doctor_say(
        d, FINE, "floor",
        "kernels of 0.7 ms vary by %.1f %%, by %.1f %% if they are 60 ms "
        "apart",
        100 * floor_spread(&f, 0), 100 * floor_spread(&f, 6e7));
    doctor_say(d, floor_half_width(&f, &bench) <= target ? FINE : SPOILS,
               "resolution", "%s", floor_say(text, &f, &bench, target));
}

static void denormals(Doctor *d)
{
    Device *dev;

    if (cpu_backend.open(&dev, &(DeviceSettings){ .isa = "" })) {
        doctor_say(d, BROKEN, "backend cpu", "%s", err_message());
        return;
    }
    doctor_say(d, FINE, "backend cpu", "%s", dev->about);
    threads(d, dev);
    if (cpu_flushes_denormals(dev))
        doctor_say(d, FINE, "denormals", "flushed to zero");
    else
        doctor_say(d, SPOILS, "denormals",
                   "computed: tiny numbers will make runs many times slower");
    cpu_backend.close(dev);
}

/* ---- programs and files ---------------------------------------------- */

/* The first line that a command prints; false if there is none. */
static bool first_line(const char *command, char *text, size_t size)
{
    FILE *f = popen(command, "r");

    text[0] = '\0';
    if (f && !fgets(text, (int)size, f))
        text[0] = '\0';
    if (f)
        pclose(f);
    text[strcspn(text, "\n")] = '\0';
    return text[0] != '\0';
}

static void plotting(Doctor *d)
{
    char text[128];

    if (first_line("gnuplot --version 2>/dev/null", text, sizeof(text)))
        doctor_say(d, FINE, "gnuplot", "%s", text);
    else
        doctor_say(
            d, ABSENT, "gnuplot",
            "missing: attnbench plot needs it; install it with sudo apt-get "
            "install gnuplot-nox");
}

/* The folder that has to be written to: of the file, or the nearest one above
 * that is there. */
static void database(Doctor *d, const char *path)
{
    char folder[PATH_MAX];
    Store *store;
    char *slash;

    snprintf(folder, sizeof(folder), "%s", path);
    if (access(path, F_OK) == 0 || !*path || *path == ':') {
        if (store_open(&store, path, STORE_READ))
            doctor_say(d, BROKEN, "database", "%s", err_message());
        else if (access(path, W_OK))
            doctor_say(d, BROKEN, "database", "%s cannot be written to", path);
        else
            doctor_say(d, FINE, "database", "%s", path);
        store_close(store);
        return;
    }
    do {
        slash = strrchr(folder, '/');
        if (slash == folder)
            slash++;
        if (slash)
            *slash = '\0';
        else
            snprintf(folder, sizeof(folder), ".");
    } while (access(folder, F_OK) && strcmp(folder, "."));
    if (access(folder, W_OK))
        doctor_say(d, BROKEN, "database",
                   "%s cannot be made: %s cannot be written to; give --db=FILE",
                   path, folder);
    else
        doctor_say(d, FINE, "database", "%s: the first run creates it", path);
}

int cmd_doctor(int argc, char **argv)
{
    DoctorSettings settings;
    Doctor d = { 0 };
    Machine m;
    Build b;
    Sweep s;
    Flags flags;
    char images[IMAGE_LIBRARIES];

    TRY(flags_parse(&flags, &usage, &settings, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    environment_machine(&m);
    environment_build(&b);
    environment_start(&s);

    processor(&d, &m);
    quota(&d, &m);
    memory(&d, &m);
    huge_pages(&d);
    denormals(&d);
    cpu_counters(&d);
    timer(&d);
    governor(&d, &s);
    turbo(&d);
    load(&d, &s, m.cores);
    resolution(&d);
    doctor_say(&d, FINE, "system", "%s", m.os);
    doctor_say(&d, FINE, "build", "%.12s%s, %s", b.git_commit,
               b.dirty ? " with changes" : "", b.compiler);
    doctor_say(&d, FINE, "libraries", "%s, %s", b.libraries,
               image_libraries(images));
    plotting(&d);
    database(&d, settings.db);
    doctor_gpu(&d, &m);

    if (d.count[BROKEN])
        printf("\n%d broken (XX)\n", d.count[BROKEN]);
    else if (d.count[SPOILS])
        printf("\nworks; %d (!!) would spoil measurements\n", d.count[SPOILS]);
    else
        printf("\nall is well\n");
    return d.count[BROKEN] ? CMD_BAD : OK;
}
