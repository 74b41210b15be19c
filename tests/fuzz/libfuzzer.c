/*
 * libfuzzer.c - run_fuzz TARGET ..., all else as libFuzzer's own programs.
 *
 *   build/fuzz/run_fuzz verify CRASH-FILE     repeats what was found
 *   build/fuzz/run_fuzz verify FOLDER...      continues from there
 *
 * One program for all targets; tests/fuzz/fuzz.sh runs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/test.h"

static const FuzzTarget *target;
static char folder[256];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The first argument is ours. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = *argc > 1 ? (*argv)[1] : "";

    for (int i = 0; fuzz_target(i); i++)
        if (strcmp(fuzz_target(i)->name, name) == 0)
            target = fuzz_target(i);
    if (!target) {
        fprintf(stderr, "usage: run_fuzz TARGET [FILE or FOLDER]...\n");
        for (int i = 0; fuzz_target(i); i++)
            fprintf(stderr, "  %-12s %s\n", fuzz_target(i)->name,
                    fuzz_target(i)->help);
        exit(2);
    }
    (*argv)[1] = (*argv)[0];
    (*argv)++;
    (*argc)--;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_run(target, data, n);
    return 0;
}

/* ---- what tests/run.c gives to files that both programs have ---- */

/* In $TMPDIR, for the caller to remove: libFuzzer ends without atexit(). */
const char *test_tmpdir(void)
{
    const char *parent = getenv("TMPDIR");

    if (!folder[0]) {
        snprintf(folder, sizeof(folder), "%.200s/attnbench-fuzz-XXXXXX",
                 parent && *parent ? parent : "/tmp");
        if (!mkdtemp(folder))
            abort();
    }
    return folder;
}

void test_failed(const char *file, int line, const char *fmt, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, fmt);
    abort();
}

void test_skip(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(0);
}
