/*
 * test_memory.c - memory that is not there ends no command as a bug does: each
 * is run with less and less address space.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/program.h"
#include "tests/test.h"

enum { LEAST_MB = 80, MOST_MB = 1200, STEP_PERCENT = 25 };

/* Runs the command with that many MB of address space; its exit status. */
static int limited(char **said, int mb, const char *arguments)
{
    char limit[64];

#ifdef __SANITIZE_ADDRESS__
    SKIP("AddressSanitizer takes terabytes of address space");
#endif
    snprintf(limit, sizeof(limit), "ulimit -v %d; exec", mb * 1024);
    return program_after(said, limit, "%s", arguments);
}

/* A result or a sentence; or too little for the libraries, which differ from
 * machine to machine: then it is the loader's sentence. */
static void check_end(int status, const char *said, int mb,
                      const char *arguments)
{
    const bool loaded = !strstr(said, "error while loading shared libraries");

    CHECK_MSG((status < 126 || !loaded) && !strstr(said, "bug: "),
              "%s with %d MB: exit %d, %s", arguments, mb, status, said);
}

/* From a limit at which nothing is there to one at which all is: a sentence or
 * the result, and the first at least once. */
static void ends_well(const char *arguments)
{
    int refused = 0, status = -1;

    setenv("OMP_NUM_THREADS", "1", 1); /* threads that libgomp cannot make */
    for (int mb = LEAST_MB; mb < MOST_MB; mb += mb * STEP_PERCENT / 100) {
        char *said;
        bool lacked;

        status = limited(&said, mb, arguments);
        check_end(status, said, mb, arguments);
        refused += strstr(said, "memory") != NULL;
        lacked = strstr(said, "out of memory") != NULL;
        free(said);
        if (status == 0 && !lacked)
            break;
    }
    CHECK_MSG(status == 0, "%s never ran", arguments);
    CHECK_MSG(refused > 0, "%s was never short of memory", arguments);
}

static void ends_well_in(const char *command, const char *out)
{
    char arguments[1024];

    snprintf(arguments, sizeof(arguments), "%s --%s=%s/%s", command, out,
             test_tmpdir(), out);
    ends_well(arguments);
}

TEST(memory, that_is_not_there_is_no_bug_of_run)
{
    ends_well_in("run --backbone=resnet18 --graph=folded --height=32 "
                 "--width=32 --limit=1 --threads=1 --fresh --force",
                 "db");
}

TEST(memory, that_is_not_there_is_no_bug_of_profile)
{
    ends_well_in("profile --backbone=resnet18 --height=32 --width=32 "
                 "--threads=1 --force",
                 "db");
}

TEST(memory, that_is_not_there_is_no_bug_of_erf)
{
    char arguments[1024];

    snprintf(arguments, sizeof(arguments),
             "erf --backbone=resnet18 --height=64 --width=64 --draws=2 "
             "--sets=1 --threads=1 --db=%s/db --out=%s/maps",
             test_tmpdir(), test_tmpdir());
    ends_well(arguments);
}

TEST(memory, that_is_not_there_is_no_bug_of_cam)
{
    ends_well_in("cam --backbone=resnet18 --height=256 --width=256 "
                 "--threads=1",
                 "out");
}

TEST(memory, that_is_not_there_is_no_bug_of_verify)
{
    ends_well("verify --threads=1 tests/cases/resnet18_none.safetensors");
}

/* A sweep whose case has no memory stores that, and ends. */
TEST(memory, that_a_case_lacks_is_stored)
{
    char *said, arguments[1024];
    bool stored = false;
    int mb = LEAST_MB, status;

    setenv("OMP_NUM_THREADS", "1", 1);
    snprintf(arguments, sizeof(arguments),
             "run --backbone=resnet50 --graph=folded --height=64 --width=64 "
             "--limit=1 --threads=1 --force --db=%s/x.db",
             test_tmpdir());
    for (; mb < MOST_MB && !stored; mb += mb * STEP_PERCENT / 100) {
        status = limited(&said, mb, arguments);
        check_end(status, said, mb, arguments);
        stored = strstr(said, "1 out of memory") != NULL;
        if (stored) { /* resumes: nothing is left */
            free(said);
            status = limited(&said, mb, arguments);
            check_end(status, said, mb, arguments);
        }
        free(said);
    }
    CHECK_MSG(stored, "no limit was one of the case");
}
