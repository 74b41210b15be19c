/*
 * run.c - runs the tests, each in its own process, and counts.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_SKIPPED = 77, LIMIT_S = 300 };

static Test *first;
static int failures;
static char tmpdir[64];

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
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", tmpdir);
    if (system(command))
        printf("    could not remove %s\n", tmpdir);
}

const char *test_tmpdir(void)
{
    if (!tmpdir[0]) {
        snprintf(tmpdir, sizeof(tmpdir), "/tmp/attnbench-test-XXXXXX");
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

static int run_one(const Test *t)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(LIMIT_S);
        t->run();
        fflush(stdout);
        exit(failures ? EXIT_FAILED : EXIT_PASSED);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return EXIT_FAILED;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    printf("    ended by signal %d (%s)\n", WTERMSIG(status),
           strsignal(WTERMSIG(status)));
    return EXIT_FAILED;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0, skipped = 0;
    const char *part = argc > 1 ? argv[1] : "";

    for (const Test *t = first; t; t = t->next) {
        char full[256];
        double start = now_s();
        int code;

        snprintf(full, sizeof(full), "%s.%s", t->suite, t->name);
        if (!strstr(full, part))
            continue;
        code = run_one(t);
        passed += code == EXIT_PASSED;
        skipped += code == EXIT_SKIPPED;
        failed += code != EXIT_PASSED && code != EXIT_SKIPPED;
        printf("%-7s %-60s %6.2f s\n",
               code == EXIT_PASSED    ? "ok"
               : code == EXIT_SKIPPED ? "skipped"
                                      : "FAILED",
               full, now_s() - start);
        if (code != EXIT_PASSED && code != EXIT_SKIPPED)
            printf("    repeat: %s %s\n", argv[0], full);
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
