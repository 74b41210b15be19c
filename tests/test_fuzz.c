/*
 * test_fuzz.c - what fuzzing has found worth keeping, through the targets that
 * found it, by the ordinary compiler.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/databases.h"
#include "tests/fuzz/fuzz.h"
#include "tests/test.h"
#include "tests/texts.h"

#define CORPUS "tests/fuzz/corpus"

static char at[600]; /* the file at hand */

/* A crash says which file it is of. */
static void say_file(int sig)
{
    const char *parts[] = { "    at ", at, "\n" };

    for (int i = 0; i < 3; i++)
        if (write(STDOUT_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Runs a target on the file at hand. */
static void replay_one(const FuzzTarget *target)
{
    size_t size;
    char *bytes = read_bytes(at, &size);

    REQUIRE(bytes != NULL);
    fuzz_run(target, (const uint8_t *)bytes, size);
    free(bytes);
}

static void replay(const FuzzTarget *target)
{
    char folder[256];
    struct dirent *entry;
    DIR *dir;
    int n = 0;

    snprintf(folder, sizeof(folder), CORPUS "/%s", target->name);
    dir = opendir(folder);
    if (!dir)
        SKIP("run me in the project's root folder");
    signal(SIGSEGV, say_file);
    signal(SIGABRT, say_file);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(at, sizeof(at), "%s/%s", folder, entry->d_name);
        replay_one(target);
        n++;
    }
    closedir(dir);
    CHECK_MSG(n > 0, "%s has no files", folder);
}

static void replay_named(const char *name)
{
    for (int i = 0; fuzz_target(i); i++)
        if (strcmp(fuzz_target(i)->name, name) == 0)
            replay(fuzz_target(i));
}

#define X(id, help)                          \
    TEST(fuzz, the_corpus_of_##id##_is_read) \
    {                                        \
        replay_named(#id);                   \
    }
FUZZ_TARGETS(X)
#undef X

/* ---- make fuzz ----------------------------------------------------------- */

/* Runs the script with a clang that takes everything, over a program that ends
 * as told; returns its exit status. */
static int script(char *said, size_t size, const char *clang, const char *ends)
{
    char command[2048], program[600], make[1200];
    size_t n;
    FILE *f;

    snprintf(program, sizeof(program), "%s/fuzz/run_fuzz", test_tmpdir());
    snprintf(make, sizeof(make), "mkdir -p '%s/fuzz'", test_tmpdir());
    BUG_IF(system(make));
    write_text(program, ends);
    BUG_IF(chmod(program, 0755));
    snprintf(command, sizeof(command),
             "CLANG=%s MAKE=true sh tests/fuzz/fuzz.sh %s 1 verify 2>&1", clang,
             test_tmpdir());
    f = popen(command, "r");
    BUG_IF(!f);
    n = fread(said, 1, size - 1, f);
    said[n] = '\0';
    return WEXITSTATUS(pclose(f));
}

TEST(fuzz, a_crash_is_told_with_how_to_repeat_it)
{
    char said[4096], wanted[600];

    CHECK(script(said, sizeof(said), "true",
                 "#!/bin/sh\n"
                 "echo 'x; Test unit written to a/slow-unit-1'\n"
                 "echo 'x; Test unit written to a/crash-2'\n"
                 "echo 'stat::number_of_executed_units: 5'\n"
                 "exit 77\n") == 1);
    check_holds(said, "verify               5 executions  1 crash: see ");
    snprintf(wanted, sizeof(wanted),
             "    repeat: %s/fuzz/run_fuzz verify a/crash-2\n", test_tmpdir());
    check_holds(said, wanted);
    CHECK(!strstr(said, "slow-unit"));
}

TEST(fuzz, no_crash_and_no_clang_are_no_failures)
{
    char said[4096];

    CHECK(script(said, sizeof(said), "true",
                 "#!/bin/sh\n"
                 "echo 'stat::number_of_executed_units: 7'\n") == 0);
    check_holds(said, "verify               7 executions  0 crashes\n");
    CHECK(script(said, sizeof(said), "no-such-clang", "") == 0);
    check_holds(said, "fuzz: skipped: there is no clang");
}
