/*
 * run.c - runs the tests, each in its own process, and counts.
 *
 * usage() says how it is called.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernels/cpu/cpus.h"
#include "tests/test.h"

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_NOTHING = 2, EXIT_SKIPPED = 77 };
enum { LIMIT_S = 300 };

/* How the suites begin of which --jobs=N runs N tests at once: they compute in
 * one thread (which the backend pins, so each job gets a CPU of its own), and
 * neither measure time nor depend on what else the machine does.  The others
 * may use all CPUs, or measure: they run one by one. */
static const char *const at_once[] = { "cudnn",  "digits", "gradients",
                                       "memory", "runner", "sees",
                                       "simt_" };

static Test *first;
static int failures;
static const double ROOM_BYTES = 2e9; /* for all temporary files */
static char tmpdir[256];

/* Kept sorted, so that the order does not depend on the linker. */
void test_register(Test *t)
{
    Test **at = &first;

    while (*at &&
           (strcmp((*at)->suite, t->suite) < 0 ||
            (strcmp((*at)->suite, t->suite) == 0 && (*at)->line < t->line)))
        at = &(*at)->next;
    t->next = *at;
    *at = t;
}

void test_failed(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    printf("    %s:%d: ", file, line);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    if (++failures >= 20) {
        printf("    (20 failures: the rest of this test is left out)\n");
        fflush(stdout);
        exit(EXIT_FAILED);
    }
}

void test_skip(const char *why)
{
    printf("    skipped: %s\n", why);
    fflush(stdout);
    exit(failures ? EXIT_FAILED : EXIT_SKIPPED);
}

static void remove_tmpdir(void)
{
    char command[300];

    snprintf(command, sizeof(command), "rm -rf '%s'", tmpdir);
    if (system(command))
        printf("    could not remove %s\n", tmpdir);
}

/* Tests write paths into commands as they are. */
#define SPLITS " \t\n'\"\\$`*?[]{}()<>|&;#~!"

/* In memory where there is room: what waits for a disk is not what is tested.
 * Not where $TMPDIR says if a shell would split that. */
static const char *tmp_parent(void)
{
    const char *given = getenv("TMPDIR");
    struct statvfs shm;

    if (given && *given && !strpbrk(given, SPLITS))
        return given;
    if (access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &shm) == 0 &&
        (double)shm.f_bavail * (double)shm.f_frsize >= ROOM_BYTES)
        return "/dev/shm";
    return "/tmp";
}

const char *test_tmpdir(void)
{
    if (!tmpdir[0]) {
        snprintf(tmpdir, sizeof(tmpdir), "%.200s/attnbench-test-XXXXXX",
                 tmp_parent());
        if (!mkdtemp(tmpdir))
            test_skip("no temporary directory");
        atexit(remove_tmpdir);
    }
    return tmpdir;
}

const char *test_beside(const char *name)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    while (n > 0 && path[n - 1] != '/')
        n--;
    snprintf(path + n, sizeof(path) - (size_t)n, "%s", name);
    return path;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct Counts {
    int passed, failed, skipped;
} Counts;

/* A test while it runs; out is what it prints, NULL: to where we print. */
typedef struct Job {
    const Test *test;
    char full[256]; /* "suite.name" */
    pid_t pid;      /* 0: none runs */
    FILE *out;
    double start;
} Job;

enum { JOBS_MAX = 64 };

/* Keeps this process on the i-th of its CPUs, counted round and round. */
static void keep_to_cpu(int i)
{
    const CpuMask *all = cpus_of_process();
    CpuMask one = { { 0 } };
    int left = i % mask_count(all), cpu = 0;

    while (!mask_has(all, cpu) || left-- > 0)
        cpu++;
    mask_add(&one, cpu);
    mask_set(&one);
}

/* The i-th of some jobs at once; i < 0: alone. */
static void job_start(Job *j, const Test *t, const char *full, int i)
{
    *j = (Job){ .test = t, .start = now_s(), .out = i < 0 ? NULL : tmpfile() };
    snprintf(j->full, sizeof(j->full), "%s", full);
    fflush(stdout);
    j->pid = fork();
    if (j->pid)
        return;
    if (i >= 0)
        keep_to_cpu(i);
    if (j->out)
        dup2(fileno(j->out), STDOUT_FILENO);
    alarm(LIMIT_S);
    t->run();
    fflush(stdout);
    exit(failures ? EXIT_FAILED : EXIT_PASSED);
}

static void copy_out(FILE *out)
{
    char chunk[4096];
    size_t n;

    if (!out)
        return;
    rewind(out);
    while ((n = fread(chunk, 1, sizeof(chunk), out)) > 0)
        fwrite(chunk, 1, n, stdout);
    fclose(out);
}

/* Prints and counts what became of it. */
static void job_end(Job *j, int status, const char *program, Counts *c)
{
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
    const bool passed = code == EXIT_PASSED, skipped = code == EXIT_SKIPPED;

    copy_out(j->out);
    if (!WIFEXITED(status))
        printf("    ended by signal %d (%s)\n", WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    c->passed += passed;
    c->skipped += skipped;
    c->failed += !passed && !skipped;
    printf("%-7s %-60s %6.2f s\n",
           passed    ? "ok"
           : skipped ? "skipped"
                     : "FAILED",
           j->full, now_s() - j->start);
    if (!passed && !skipped)
        printf("    repeat: %s %s\n", program, j->full);
    j->pid = 0;
}

/* Waits until one of the jobs has ended.  Of one alone, for that one: another
 * program of tests is a child, too. */
static void jobs_wait(Job *job, int n, const char *program, Counts *c)
{
    int status = 0;
    const pid_t pid = waitpid(n == 1 ? job->pid : -1, &status, 0);

    for (int i = 0; i < n; i++)
        if (job[i].pid && (job[i].pid == pid || pid < 0 || job[i].pid < 0))
            job_end(&job[i], job[i].pid == pid ? status : EXIT_FAILED << 8,
                    program, c);
}

static int jobs_running(const Job *job, int n)
{
    int running = 0;

    for (int i = 0; i < n; i++)
        running += job[i].pid != 0;
    return running;
}

static FILE *also_start(const char *command, char *const *part, int n)
{
    char line[8 * PATH_MAX];
    size_t used = (size_t)snprintf(line, sizeof(line), "%s", command);

    for (int i = 0; i < n && used < sizeof(line); i++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, " '%s'",
                                 part[i]);
    if (used >= sizeof(line))
        return NULL;
    fflush(stdout);
    return popen(line, "r");
}

/* Prints what the other program printed, and adds its last line. */
static void also_finish(FILE *also, const char *command, Counts *c)
{
    char line[4096];
    Counts its = { 0, 1, 0 }; /* unless it says otherwise */

    printf("%s\n", command);
    while (also && fgets(line, sizeof(line), also))
        if (sscanf(line, "%d passed, %d failed, %d skipped", &its.passed,
                   &its.failed, &its.skipped) != 3)
            fputs(line, stdout);
    if ((!also || pclose(also)) && !its.failed)
        its.failed = 1;
    c->passed += its.passed;
    c->failed += its.failed;
    c->skipped += its.skipped;
}

static const char *option(const char *arg, const char *name)
{
    const size_t n = strlen(name);

    return strncmp(arg, name, n) == 0 ? arg + n : NULL;
}

static void usage(FILE *out)
{
    fputs("usage: run_tests [OPTION]... [PART]...\n\n"
          "Runs the tests whose \"suite.name\" contains one of the PARTs; "
          "all without any.\n\n"
          "  --suites=NAME               only suites whose names begin with "
          "NAME\n"
          "  --also=\"PROGRAM ARGUMENT\"   runs another program of tests "
          "with the same PARTs, and\n"
          "                              adds its counts; while those run "
          "that are one by one\n"
          "  --jobs=N                    runs N at once, each on one CPU, of "
          "the suites that may\n"
          "                              (at_once[] in tests/run.c)\n"
          "  --help                      this\n\n"
          "Exit status: 0 if no test failed, 1 if one did, 2 if nothing to "
          "run.\n",
          out);
}

typedef struct Wanted {
    const char *suites, *also;
    int jobs;
    char **part; /* argv's, those that are no option moved to its start */
    int nparts;
} Wanted;

/* Returns the exit status to end with, -1 to go on. */
static int read_arguments(Wanted *w, int argc, char **argv)
{
    *w = (Wanted){ .suites = "", .jobs = 1, .part = argv + 1 };
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            usage(stdout);
            return 0;
        } else if (option(argv[i], "--suites=")) {
            w->suites = option(argv[i], "--suites=");
        } else if (option(argv[i], "--also=")) {
            w->also = option(argv[i], "--also=");
        } else if (option(argv[i], "--jobs=")) {
            w->jobs = atoi(option(argv[i], "--jobs="));
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "run_tests: unknown option '%s'\n\n", argv[i]);
            usage(stderr);
            return EXIT_NOTHING;
        } else {
            w->part[w->nparts++] = argv[i];
        }
    w->jobs = w->jobs < JOBS_MAX ? w->jobs : JOBS_MAX;
    if (w->jobs < 1) {
        fprintf(stderr, "run_tests: --jobs is 1 or more\n");
        return EXIT_NOTHING;
    }
    return -1;
}

static bool in_suites(const Wanted *w, const char *full)
{
    return strncmp(full, w->suites, strlen(w->suites)) == 0;
}

static bool is_wanted(const Wanted *w, const char *full)
{
    bool found = w->nparts == 0;

    for (int i = 0; i < w->nparts && !found; i++)
        found = strstr(full, w->part[i]) != NULL;
    return found && in_suites(w, full);
}

/* True if a part is of no test here.  With another program, or of some suites
 * only, it may be of a test there. */
static bool has_unknown(const Wanted *w)
{
    bool unknown = false;

    for (int i = 0; i < w->nparts && !w->also && !*w->suites; i++) {
        char full[256];
        bool found = false;

        for (const Test *t = first; t && !found; t = t->next) {
            snprintf(full, sizeof(full), "%s.%s", t->suite, t->name);
            found = strstr(full, w->part[i]) != NULL;
        }
        if (!found)
            fprintf(stderr, "run_tests: no test has '%s' in its name\n",
                    w->part[i]);
        unknown |= !found;
    }
    return unknown;
}

static bool may_be_at_once(const char *suite)
{
    for (size_t i = 0; i < sizeof(at_once) / sizeof(at_once[0]); i++)
        if (strncmp(suite, at_once[i], strlen(at_once[i])) == 0)
            return true;
    return false;
}

/* Those of the suites that may be at once, or of the others. */
static void run_those(const Wanted *w, bool these, const char *program,
                      Counts *c)
{
    const int jobs = these ? w->jobs : 1;
    Job job[JOBS_MAX] = { 0 };

    for (const Test *t = first; t; t = t->next) {
        char full[256];
        int free = 0;

        snprintf(full, sizeof(full), "%s.%s", t->suite, t->name);
        if (may_be_at_once(t->suite) != these || !is_wanted(w, full))
            continue;
        while (job[free].pid)
            free++;
        job_start(&job[free], t, full, jobs > 1 ? free : -1);
        if (jobs_running(job, jobs) == jobs)
            jobs_wait(job, jobs, program, c);
    }
    while (jobs_running(job, jobs))
        jobs_wait(job, jobs, program, c);
}

TEST(runner, suites_at_once_have_tests)
{
    for (size_t i = 0; i < sizeof(at_once) / sizeof(at_once[0]); i++) {
        const Test *t = first;

        while (t && strncmp(t->suite, at_once[i], strlen(at_once[i])) != 0)
            t = t->next;
        CHECK_MSG(t, "no suite '%s'", at_once[i]);
    }
}

/* Which CPUs OpenMP may use is for tests to say.  Its library has read that
 * before main, so the program starts again. */
static void forget_limits(char **argv)
{
    static const char *const limits[] = {
        "OMP_PLACES",           "OMP_PROC_BIND",   "GOMP_CPU_AFFINITY",
        "OMP_THREAD_LIMIT",     "OMP_NUM_THREADS", "OMP_DYNAMIC",
        "OMP_MAX_ACTIVE_LEVELS"
    };
    bool found = false;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        found |= getenv(limits[i]) != NULL;
        unsetenv(limits[i]);
    }
    if (found)
        execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    Counts c = { 0 };
    FILE *also = NULL;
    Wanted w;
    int status;

    forget_limits(argv);
    status = read_arguments(&w, argc, argv);
    if (status >= 0)
        return status;
    unsetenv("COLUMNS"); /* what is printed here has no screen's width */
    if (has_unknown(&w))
        return EXIT_NOTHING;
    /* Tests measure at once, and want no times: harness/measure/alone.h. */
    setenv("ATTNBENCH_LOCK", "", 1);
    run_those(&w, true, argv[0], &c);
    if (w.also)
        also = also_start(w.also, w.part, w.nparts);
    run_those(&w, false, argv[0], &c);
    if (w.also)
        also_finish(also, w.also, &c);
    printf("%d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped);
    if (c.passed + c.failed + c.skipped == 0 && w.nparts && !*w.suites)
        return EXIT_NOTHING;
    return c.failed > 0;
}
