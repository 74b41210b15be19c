/*
 * test_gpu_check.c - gpu_check.sh without a GPU: its plans keep to their time
 * and name steps that there are; a step that fails, hangs or has no time left
 * costs no other; what was done is packed after every step.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attention_zoo/zoo.h"
#include "harness/devices/backends.h"
#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/test.h"
#include "tests/texts.h"

enum { LINE = 512 };

/* Runs shell text, and returns its exit status. */
__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
    va_list args;
    char *text;
    int status;

    va_start(args, format);
    BUG_IF(vasprintf(&text, format, args) < 0);
    va_end(args);
    status = system(text);
    free(text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *text_of(const char *path)
{
    size_t n;
    char *bytes = read_bytes(path, &n), *text = NULL;

    if (bytes) {
        text = strndup(bytes, n);
        free(bytes);
    }
    return text;
}

/* ---- plans ----------------------------------------------------------------- */

typedef struct Line {
    char first[16], name[64], rest[LINE], command[64];
} Line;

/* The next line that is no comment; its command is that of the step, none for
 * "together". */
static bool next_line(FILE *f, Line *l)
{
    char text[LINE];

    while (fgets(text, sizeof(text), f)) {
        *l = (Line){ { 0 }, { 0 }, { 0 }, { 0 } };
        if (text[0] == '#' ||
            sscanf(text, "%15s %63s %511[^\n]", l->first, l->name, l->rest) < 2)
            continue;
        if (!strcmp(l->name, "each") || !strcmp(l->name, "pairs"))
            sscanf(l->rest, "%*s %63s", l->command);
        else if (strcmp(l->name, "together"))
            sscanf(l->rest, "%63s", l->command);
        return true;
    }
    return false;
}

static FILE *open_plan(const char *name)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "tests/gpu_check/%s.plan", name);
    f = fopen(path, "r");
    BUG_IF(!f);
    return f;
}

/* A second for each that is told and packed by itself. */
static int seconds_of(const char *plan)
{
    FILE *f = open_plan(plan);
    int all = 0;
    Line l;

    while (next_line(f, &l))
        if (strcmp(l.first, "+")) {
            CHECK_MSG(atoi(l.first) >= 4, "%s: %s s", l.name, l.first);
            all += atoi(l.first) + 1;
        }
    fclose(f);
    return all;
}

TEST(gpu_check, the_limits_of_a_plan_add_up_to_its_command_s)
{
    const int a = seconds_of("A"), b = seconds_of("B");

    CHECK_MSG(a > 100 && a <= 150, "A: %d s", a);
    CHECK_MSG(b > 250 && b <= 330, "B: %d s", b);
}

TEST(gpu_check, every_line_of_a_plan_names_a_step_that_there_is)
{
    static const char *const plans[] = { "A", "B" };
    char *steps = text_of("tests/gpu_check/steps.sh");
    int n = 0;

    for (int i = 0; i < 2; i++) {
        FILE *f = open_plan(plans[i]);
        Line l;

        for (; next_line(f, &l); n += l.command[0] != 0) {
            char wanted[80];

            snprintf(wanted, sizeof(wanted), "\ndo_%s()", l.command);
            CHECK_MSG(!l.command[0] || strstr(steps, wanted), "%s: %s", l.name,
                      l.command);
        }
        fclose(f);
    }
    CHECK(n > 30);
    free(steps);
}

/* A time that something else has disturbed is none. */
TEST(gpu_check, only_what_is_not_timed_runs_together)
{
    static const char *const plans[] = { "A", "B" };

    for (int i = 0; i < 2; i++) {
        FILE *f = open_plan(plans[i]);
        Line l;

        while (next_line(f, &l))
            CHECK_MSG(strcmp(l.first, "+") || !strcmp(l.command, "suite") ||
                          !strncmp(l.command, "verify", 6),
                      "%s", l.name);
        fclose(f);
    }
}

/* The list after this name in the script: its separators as blanks, and blanks
 * around it. */
static char *list_of(const char *name)
{
    char *script = text_of("tests/gpu_check.sh"), *list = NULL, *at;

    at = script ? strstr(script, name) : NULL;
    BUG_IF(!at);
    at += strlen(name);
    *strchr(at, '"') = 0;
    BUG_IF(asprintf(&list, " %s ", at) < 0);
    for (char *c = list; *c; c++)
        if (*c == ',')
            *c = ' ';
    free(script);
    return list;
}

TEST(gpu_check, every_module_is_measured)
{
    char *modules = list_of("\nmodules=\""), *pairs = list_of("\npairs=\"");

    for (int i = 0; zoo_at(i); i++) {
        char wanted[80];

        snprintf(wanted, sizeof(wanted), " %s ", zoo_at(i)->name);
        check_holds(modules, wanted);
        check_holds(pairs, wanted);
    }
    free(modules);
    free(pairs);
}

/* ---- steps, over a program that does nothing -------------------------------- */

/* Runs the check with this plan, shell text before it; its files are in
 * temp_path("out"). */
static int run_plan(const char *plan, const char *before)
{
    return shell("T=%s; mkdir -p $T/plans; printf '%s' >$T/plans/A.plan; "
                 "printf '#!/bin/sh\necho stub\n' >$T/stub; chmod +x $T/stub; "
                 "PLANS=$T/plans WORK=$T/w BENCH=$T/stub BACKEND=cpu %s "
                 "sh tests/gpu_check.sh A $T/out >$T/said 2>&1",
                 test_tmpdir(), plan, before);
}

static char *out_file(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "out/%s", name);
    return text_of(temp_path(path));
}

/* The packed file of this name, to be freed. */
static char *packed(const char *name)
{
    CHECK(shell("cd %s; tar -xzOf out/results.tar.gz results/%s >unpacked",
                test_tmpdir(), name) == 0);
    return text_of(temp_path("unpacked"));
}

TEST(gpu_check, a_step_that_fails_or_hangs_costs_no_other)
{
    char *summary;

    CHECK(run_plan("5 bad end 3\\n4 slow wait 30\\n5 lacks end 77\\n"
                   "5 good end 0\\n",
                   "") == 1);
    summary = out_file("summary.txt");
    check_holds(summary,
                "bad                      FAILED (3), 0 s: ended with 3");
    check_holds(summary, "slow                     stopped at its limit");
    check_holds(summary, "lacks                    skipped");
    check_holds(summary, "good                     ok, 0 s: ended with 0");
    free(summary);
    summary = text_of(temp_path("said"));
    check_holds(summary, "\n1 ok, 1 skipped, 1 stopped at its limit, 1 FAILED, "
                         "0 left out, ");
    free(summary);
}

TEST(gpu_check, a_command_ends_when_its_time_is_up)
{
    const time_t from = time(NULL);
    char *summary;

    CHECK(run_plan("30 first wait 20\\n30 second wait 20\\n", "LIMIT=5") == 0);
    CHECK_MSG(time(NULL) - from < 12, "%ld s", (long)(time(NULL) - from));
    summary = out_file("summary.txt");
    check_holds(summary, "first                    stopped at its limit");
    check_holds(summary, "second                   left out: no time left");
    free(summary);
}

/* The whole of it is killed within the second step. */
TEST(gpu_check, what_was_done_is_packed_after_every_step)
{
    char *summary, *log;

    CHECK(run_plan("5 early end 0\\n9 late wait 7\\n", "timeout -s KILL 4") !=
          0);
    summary = packed("summary.txt");
    check_holds(summary, "early                    ok");
    CHECK(!strstr(summary, "late"));
    log = packed("log.txt");
    check_holds(log, "early.log");
    free(summary);
    free(log);
    summary = out_file("summary.txt");
    check_holds(summary, "early                    ok");
    free(summary);
}

TEST(gpu_check, steps_together_share_a_limit)
{
    static const char *const wanted[] = {
        "one                      ok", "two                      stopped",
        "four                     ok", "after                    ok",
        "last                     ok",
    };
    const time_t from = time(NULL);
    char *summary;

    CHECK(run_plan("6 together both\\n + one end 0\\n + two wait 60\\n"
                   " + three end 0\\n + four end 0\\n + five wait 60\\n"
                   "5 after end 0\\n5 together again\\n + last end 0\\n",
                   "") == 0);
    CHECK_MSG(time(NULL) - from < 16, "%ld s", (long)(time(NULL) - from));
    summary = out_file("summary.txt");
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        check_holds(summary, wanted[i]);
    free(summary);
}

/* Three files, however many steps there are: a machine may give back few. */
TEST(gpu_check, modules_are_steps_of_their_own_in_few_files)
{
    char *summary;

    CHECK(run_plan("60 each all echo f16\\n", "") == 1);
    summary = out_file("summary.txt");
    check_holds(summary, "all_scsa ");
    check_holds(summary, "all_se_conv ");
    free(summary);
    CHECK(shell("test $(ls %s/out | wc -l) -le 3", test_tmpdir()) == 0);
}

/* The program itself, and a kit of no more. */
TEST(gpu_check, without_a_gpu_it_says_so_and_packs_that)
{
    char *summary;
    Device *dev;

    if (backend_open(&dev, "cuda", NULL) == OK) {
        backend_close(dev);
        SKIP("there is a GPU here");
    }
    if (access(test_beside("attnbench"), X_OK))
        SKIP("attnbench is not built");
    CHECK(shell("T=%s; WORK=$T/w BENCH=%s sh tests/gpu_check.sh B $T/out "
                ">$T/said 2>&1",
                test_tmpdir(), test_beside("attnbench")) == 0);
    summary = packed("summary.txt");
    check_holds(summary, "no GPU can be used here");
    check_holds(summary, "cuda: ");
    free(summary);
}

TEST(gpu_check, a_step_that_there_is_not_is_told)
{
    char *said;

    CHECK(shell("sh tests/gpu_check.sh --step nonsense >%s 2>&1",
                temp_path("said")) == 2);
    said = text_of(temp_path("said"));
    check_holds(said, "there is no step 'nonsense'");
    free(said);
}
