/*
 * test_processes.c - samples that are spread over fresh processes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "kernels/core/host.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/stored.h"
#include "tests/test.h"

static const char networks[] =
    "run --backbone=resnet18 --module=none,se --height=32 --width=32 "
    "--limit=6 --max_samples=60 --threads=1";

static void check_is(const char *db, const char *wanted, const char *sql)
{
    const char *found = ask(db, sql);

    CHECK_MSG(found && !strcmp(found, wanted), "%s: %s, not %s", sql,
              found ? found : "nothing", wanted);
}

TEST(processes, each_takes_its_part_of_the_quads)
{
    const char *db = temp_path("spread.db");
    char *said;

    CHECK_MSG(program(&said, "%s --processes=3 --db=%s", networks, db) == 0,
              "%s", said);
    free(said);
    check_is(db, "2", "SELECT count(*) FROM run WHERE status = 'ok'");
    check_is(db, "3", "SELECT count(DISTINCT process) FROM sample");
    /* quads are not torn: two samples of each case, of one process */
    check_is(db, "0",
             "SELECT count(*) FROM (SELECT 1 FROM sample GROUP BY round HAVING "
             "count(*) <> 4 OR min(process) <> max(process))");
    check_is(db, "1",
             "SELECT min(n) >= 6 FROM (SELECT count(DISTINCT round) AS n FROM "
             "sample GROUP BY process)");
    /* what is known of a sample here is known there */
    check_is(db, "0",
             "SELECT count(*) FROM sample JOIN run ON run.id = run_id WHERE "
             "cpu_ns IS NULL OR started_ns IS NULL OR "
             "(module = 'se') = (module_ns IS NULL)");
    CHECK(program(&said, "table --db=%s", db) == 0);
    CHECK_MSG(strstr(said, "measured in 3 processes"), "%s", said);
    free(said);
}

TEST(processes, modules_alone_are_spread_too)
{
    const char *db = temp_path("alone.db");
    char *said;

    CHECK_MSG(program(&said,
                      "run --module=se,eca --channels=16 --height=8 --width=8 "
                      "--processes=2 --limit=4 --max_samples=80 --db=%s",
                      db) == 0,
              "%s", said);
    free(said);
    check_is(db, "2", "SELECT count(*) FROM run WHERE status = 'ok'");
    check_is(db, "2",
             "SELECT min(n) FROM (SELECT count(DISTINCT process) AS n FROM "
             "sample GROUP BY run_id)");
}

TEST(processes, one_is_the_usual)
{
    const char *db = temp_path("one.db");
    char *said;

    CHECK_MSG(program(&said, "%s --db=%s", networks, db) == 0, "%s", said);
    free(said);
    check_is(db, "0", "SELECT max(process) FROM sample");
    CHECK(program(&said, "table --db=%s", db) == 0);
    CHECK_MSG(!strstr(said, "processes"), "%s", said);
    free(said);
}

/* The first line of a file; "" if there is none. */
static void first_line(char *text, int size, const char *format, int pid)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), format, pid);
    text[0] = '\0';
    f = fopen(path, "r");
    if (!f)
        return;
    if (!fgets(text, size, f))
        text[0] = '\0';
    fclose(f);
}

/* True once a process has a child that serves. */
static bool is_served(pid_t pid)
{
    char children[64], command[256] = "";

    first_line(children, sizeof(children), "/proc/%1$d/task/%1$d/children",
               (int)pid);
    if (children[0])
        first_line(command, sizeof(command), "/proc/%d/cmdline",
                   atoi(children));
    return strstr(command, "exe") &&
           !strcmp(strchr(command, '\0') + 1, "serve");
}

/* Ctrl-C while another process measures: no row says that a case failed. */
TEST(processes, a_stop_leaves_no_failed_case)
{
    const char *db = temp_path("stopped.db");
    const double until = host_now_ns() + 60e9;
    bool seen = false;
    pid_t pid;

    pid = program_start(temp_path("output"),
                        "%s --target=0.01 --limit=20 --max_samples=100000 "
                        "--processes=20 --db=%s",
                        networks, db);
    while (!seen && host_now_ns() < until) {
        nanosleep(&(struct timespec){ 0, 20000000L }, NULL);
        seen = is_served(pid);
    }
    nanosleep(&(struct timespec){ 1, 0 }, NULL); /* it measures */
    kill(pid, SIGINT);
    waitpid(pid, NULL, 0);
    CHECK(seen);
    check_is(db, "0", "SELECT count(*) FROM run WHERE status <> 'ok'");
}
