/*
 * test_runner.c - build/run_tests as it is called.
 */
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"
#include "tests/texts.h"

enum { OUTPUT = 1 << 16 };

/* This program, with other arguments; its exit status. */
static int runner(char said[OUTPUT], const char *before, const char *arguments)
{
    char self[PATH_MAX] = "", line[2 * PATH_MAX];
    FILE *f;
    int status;

    BUG_IF(readlink("/proc/self/exe", self, sizeof(self) - 1) <= 0);
    snprintf(line, sizeof(line), "exec 2>&1; %s %s %s", before, self,
             arguments);
    f = popen(line, "r");
    BUG_IF(!f);
    said[fread(said, 1, OUTPUT - 1, f)] = '\0';
    status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(runner, here_to_be_run_one)
{
}
TEST(runner, here_to_be_run_two)
{
}
TEST(runner, here_to_fail)
{
    CHECK(!getenv("RUNNER_FAILS"));
}

TEST(runner, no_variable_that_limits)
{
    CHECK(!getenv("OMP_NUM_THREADS") && !getenv("OMP_THREAD_LIMIT"));
    CHECK(omp_get_thread_limit() > 1);
}

TEST(runner, takes_no_limits_of_openmp)
{
    char said[OUTPUT];

    CHECK_MSG(runner(said, "OMP_THREAD_LIMIT=1 OMP_NUM_THREADS=1",
                     "--jobs=2 runner.no_variable") == 0,
              "%s", said);
    check_holds(said, "1 passed, 0 failed, 0 skipped\n");
}

TEST(runner, a_folder_for_files)
{
    CHECK_MSG(!strchr(test_tmpdir(), ' '), "%s", test_tmpdir());
}

/* Tests write paths into commands as they are. */
TEST(runner, takes_no_folder_that_a_shell_splits)
{
    char said[OUTPUT], before[600];

    snprintf(before, sizeof(before), "mkdir '%s/a b'; TMPDIR='%s/a b'",
             test_tmpdir(), test_tmpdir());
    CHECK_MSG(runner(said, before, "runner.a_folder_for_files") == 0, "%s",
              said);
}

TEST(runner, runs_the_tests_of_all_its_parts)
{
    char said[OUTPUT];

    CHECK(runner(said, "",
                 "runner.here_to_be_run_one "
                 "runner.here_to_be_run_two") == 0);
    check_holds(said, "ok      runner.here_to_be_run_one ");
    check_holds(said, "ok      runner.here_to_be_run_two ");
    check_holds(said, "2 passed, 0 failed, 0 skipped\n");
    /* Nothing twice, though two parts are in its name. */
    CHECK(runner(said, "", "runner.here_to_be runner.here") == 0);
    check_holds(said, "3 passed, 0 failed, 0 skipped\n");
}

TEST(runner, keeps_apart_what_is_printed_at_once)
{
    char said[OUTPUT], *failed, *verdict;

    CHECK(runner(said, "RUNNER_FAILS=1", "--jobs=3 runner.here_to") == 1);
    check_holds(said, "2 passed, 1 failed, 0 skipped\n");
    failed = strstr(said, "!getenv");
    verdict = strstr(said, "\nFAILED  runner.here_to_fail ");
    REQUIRE(failed && verdict);
    CHECK(strchr(failed, '\n') == verdict);
    CHECK(runner(said, "", "--jobs=2 runner.here_to") == 0);
    check_holds(said, "3 passed, 0 failed, 0 skipped\n");
    CHECK(runner(said, "", "--jobs=0 runner.here_to") == 2);
}

TEST(runner, refuses_what_it_does_not_know)
{
    char said[OUTPUT];

    CHECK(runner(said, "", "--help") == 0);
    check_holds(said, "usage: run_tests [OPTION]... [PART]...");
    CHECK(!strstr(said, "passed"));
    CHECK(runner(said, "", "-h") == 0);
    CHECK(runner(said, "", "--suite=runner") == 2);
    check_holds(said, "unknown option '--suite=runner'");
    CHECK(runner(said, "", "runner.here_to_be_run_one nosuch") == 2);
    check_holds(said, "no test has 'nosuch' in its name\n");
    CHECK(!strstr(said, "passed"));
}

TEST(runner, passes_its_parts_on)
{
    char said[OUTPUT], self[PATH_MAX] = "", also[PATH_MAX + 128];

    REQUIRE(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    snprintf(also, sizeof(also),
             "--also='%s --suites=runner' runner.here_to_be_run_one "
             "runner.here_to_be_run_two",
             self);
    CHECK(runner(said, "", also) == 0);
    check_holds(said, "4 passed, 0 failed, 0 skipped\n");
}

TEST(runner, says_how_to_repeat_what_failed)
{
    char said[OUTPUT], again[OUTPUT], *line, *end;

    CHECK(runner(said, "RUNNER_FAILS=1", "runner.here_to") == 1);
    check_holds(said, "2 passed, 1 failed, 0 skipped\n");
    line = strstr(said, "    repeat: ");
    REQUIRE(line != NULL);
    line += strlen("    repeat: ");
    end = strchr(line, '\n');
    REQUIRE(end != NULL);
    *end = '\0';
    REQUIRE(strchr(line, ' ') != NULL);
    CHECK(runner(again, "RUNNER_FAILS=1", strchr(line, ' ')) == 1);
    check_holds(again, "0 passed, 1 failed, 0 skipped\n");
}
