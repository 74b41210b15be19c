/*
 * test_serve.c - this program as a peer: what it answers, and two of it in one
 * run.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/files/safetensors.h"
#include "harness/measure/peer.h"
#include "harness/measure/serve.h"
#include "tests/databases.h"
#include "tests/fake/gpu.h"
#include "tests/program.h"
#include "tests/stored.h"
#include "tests/test.h"

/* ---- a conversation ------------------------------------------------------ */

/* A command, and how its answer begins. */
typedef struct Said {
    const char *command, *answer;
} Said;

enum { TALK = 64 << 10 };

/* All answers, to be freed. */
static char *answers_to(const char *commands, size_t n)
{
    char *text = NULL;
    size_t size;
    FILE *in = fmemopen((void *)commands, n, "r");
    FILE *out = open_memstream(&text, &size);

    BUG_IF(!in || !out);
    CHECK(serve(in, out) == OK);
    fclose(in);
    fclose(out);
    return text;
}

/* Each % in a command becomes the path of a file of outputs. */
static void check_talk(const Said *said, int n)
{
    char *commands = calloc(1, TALK), *text, *line;
    const char *file = temp_path("outputs");
    size_t at = 0;

    for (int i = 0; i < n; i++) {
        const char *c = said[i].command, *hole = strchr(c, '%');

        at += (size_t)snprintf(commands + at, TALK - at, "%.*s%s%s\n",
                               hole ? (int)(hole - c) : (int)strlen(c), c,
                               hole ? file : "", hole ? hole + 1 : "");
    }
    BUG_IF(at >= TALK);
    line = text = answers_to(commands, at);
    for (int i = 0; i < n; i++) {
        char *end = strchr(line, '\n');

        REQUIRE(end != NULL);
        *end = '\0';
        CHECK_MSG(!strncmp(line, said[i].answer, strlen(said[i].answer)),
                  "'%s': '%s', not '%s'", said[i].command, line,
                  said[i].answer);
        line = end + 1;
    }
    CHECK_MSG(!*line, "more answers than commands: %s", line);
    free(text);
    free(commands);
}

#define CHECK_TALK(...)                                      \
    do {                                                     \
        static const Said said_[] = { __VA_ARGS__ };         \
                                                             \
        check_talk(said_, sizeof(said_) / sizeof(said_[0])); \
    } while (0)

#define SE  "{\"module\":\"se\",\"channels\":16,\"height\":8,\"width\":8,"
#define REF SE "\"backend\":\"ref\"}"

TEST(serve, cases_are_built_run_and_dropped)
{
    CHECK_TALK({ "name", "ok attnbench " }, { "case 3 % " REF, "ok 32" },
               { "run 3 0 1", "ok " }, { "run 3 7 4", "ok " },
               { "case 0 % " SE "\"backend\":\"ref\",\"settings\":"
                 "{\"reduction\":4}}",
                 "ok 128" },
               { "run 0 0 1", "ok " }, { "drop 3", "ok" },
               { "run 3 0 1", "no run: case 3 is not held" },
               { "run 0 0 1", "ok " }, { "drop 3", "ok" });
}

TEST(serve, a_number_that_is_taken_is_the_new_case_s)
{
    CHECK_TALK({ "case 1 % " REF, "ok 32" },
               { "case 1 % " SE "\"backend\":\"ref\",\"settings\":"
                 "{\"reduction\":4}}",
                 "ok 128" },
               { "drop 1", "ok" }, { "run 1 0 1", "no run: case 1 is not" });
}

TEST(serve, a_bad_command_is_refused_with_a_sentence_and_the_next_is_obeyed)
{
    CHECK_TALK(
        { "case 1 % " REF, "ok 32" }, { "", "no unknown command ''; there" },
        { "nmae", "no unknown command 'nmae'; there are name, case, run" },
        { "name you", "no did not expect 'you'" },
        { "run", "no run: '' is not a whole number from 0" },
        { "run 2 0 1", "no run: case 2 is not held" },
        { "run x 0 1", "no run: 'x' is not" }, { "run -1 0 1", "no run: '-1'" },
        { "run 1 0 0", "no REPS: '0' is not a whole number from 1 to 1000000" },
        { "run 1 1", "no REPS: '' is not a whole number" },
        { "run 1 -1 1", "no WARM: '-1' is not a whole number from 0" },
        { "run 1 0 1.5", "no REPS: '1.5' is not" },
        { "run 1 0 1000001", "no REPS: '1000001' is not" },
        { "run 1 0 99999999999999999999", "no REPS: '99999999999999999999'" },
        { "run 1 0 1 1", "no did not expect '1'" },
        { "drop", "no drop: '' is not a whole number" },
        { "case", "no case: '' is not a whole number" },
        { "case 2", "no case: the file for its outputs is missing" },
        { "run 1 0 1\r", "ok " });
}

TEST(serve, a_bad_case_is_refused_with_a_sentence_and_the_next_is_built)
{
    CHECK_TALK(
        { "case 2 %", "no case:1:1: unexpected end of file" },
        { "case 2 % {\"module\":\"se\"", "no case:1:15: unexpected end" },
        { "case 2 % [1]", "no case: expected an object, not a list" },
        { "case 2 % {\"module\":\"sx\"}", "no unknown module 'sx'; choose" },
        { "case 2 % {\"modul\":\"se\"}", "no unknown setting 'modul'" },
        { "case 2 % {\"module\":\"se\",\"reduction\":4}",
          "no unknown setting 'reduction'" },
        { "case 2 % {\"module\":\"se\",\"settings\":4}",
          "no settings: expected an object, not a number" },
        { "case 2 % {\"module\":\"se\",\"settings\":{\"batch\":4}}",
          "no unknown setting 'batch'" },
        { "case 2 % {\"module\":\"se\",\"settings\":{\"reduction\":0}}",
          "no se: reduction=0 is out of range" },
        { "case 2 % {\"module\":null}", "no module is not a number" },
        { "case 2 % {}", "no nothing to run" },
        { "case 2 % {\"module\":\"se\",\"channels\":10,\"backend\":\"ref\"}",
          "no se: reduction=16 does not divide channels=10" },
        { "case 2 /nowhere/% " REF, "no /nowhere/" },
        { "run 2 0 1", "no run: case 2 is not held" },
        { "case 2 % " REF, "ok 32" });
}

TEST(serve, a_zero_byte_and_an_endless_line_are_refused)
{
    static const char zero[] = "name\0\nname\n";
    char *line = malloc(TALK), *text = answers_to(zero, sizeof(zero) - 1);

    CHECK_MSG(!strncmp(text, "no a zero byte in a command\nok attnbench ", 41),
              "%s", text);
    free(text);
    memset(line, 'x', TALK);
    memcpy(line + TALK - 6, "\nname\n", 6);
    text = answers_to(line, TALK);
    CHECK_MSG(!strncmp(text, "no a command of 65530 bytes; the longest ", 41),
              "%s", text);
    CHECK(strstr(text, "\nok attnbench "));
    free(text);
    free(line);
}

TEST(serve, one_device_at_a_time)
{
    CHECK_TALK(
        { "case 1 % " REF, "ok 32" },
        { "case 2 % " SE "\"backend\":\"cpu\"}",
          "no cases of another backend or number of threads are held; drop" },
        { "case 2 % " REF, "ok 32" }, { "drop 1", "ok" }, { "drop 2", "ok" },
        { "case 2 % " SE "\"backend\":\"cpu\",\"threads\":1}", "ok 32" },
        { "run 2 0 3", "ok " },
        { "case 3 % " SE "\"backend\":\"cpu\",\"threads\":2}", "no cases of" });
}

/* The parent finds each output by its name. */
TEST(serve, outputs_of_every_pass_are_there_by_name)
{
    Safetensors *st;

    CHECK_TALK({ "case 1 % " SE "\"backend\":\"cpu\",\"threads\":1,\"batch\":2,"
                 "\"pass\":\"backward\"}",
                 "ok 32" });
    REQUIRE(st_open(&st, temp_path("outputs")) == OK);
    CHECK(st_find(st, "output") && st_find(st, "output")->count == 2048);
    CHECK(st_find(st, "output")->rank == 4);
    CHECK(st_tensors(st) == 4); /* and gradients: of the input, two weights */
    st_close(st);
}

/* ---- a GPU, which is a fake ------------------------------------------------ */

#define ON_GPU "\"backend\":\"cuda\"}"

TEST(serve, every_state_of_a_gpu_is_run)
{
    FakeCuda *gpu = fake_gpu_with_kernels();

    CHECK_TALK(
        { "case 1 % " SE "\"state\":\"cold\"," ON_GPU, "ok 32" },
        { "run 1 0 1", "ok " },
        { "case 2 % " SE "\"state\":\"graph\"," ON_GPU, "ok 32" },
        { "run 2 0 7", "ok " },
        { "case 3 % " SE "\"batch\":4,\"pass\":\"train\"," ON_GPU, "ok 32" },
        { "run 3 0 2", "ok " });
    CHECK_MSG(gpu->live == 0, "%d things are left", gpu->live);
}

/* Its cases are gone; who asks drops them, and asks for others. */
TEST(serve, a_lost_gpu_is_opened_again_when_no_case_is_held)
{
    FakeCuda *gpu = fake_gpu_with_kernels();
    char commands[2048], *text;
    const char *file = temp_path("outputs");
    int calls[2];

    gpu->sticky = true;
    snprintf(commands, sizeof(commands),
             "case 1 %s " SE ON_GPU "\ncase 2 %s " SE ON_GPU "\n", file, file);
    for (int cases = 1; cases <= 2; cases++) {
        const char *end = strchr(commands, '\n');

        gpu->calls = 0;
        free(answers_to(commands, cases == 1 ? (size_t)(end + 1 - commands)
                                             : strlen(commands)));
        calls[cases - 1] = gpu->calls;
    }
    gpu->fail_at = (calls[0] + calls[1]) / 2; /* while case 2 is built */
    gpu->calls = 0;
    snprintf(commands + strlen(commands), sizeof(commands) - strlen(commands),
             "run 1 0 1\ncase 2 %s " SE ON_GPU "\ndrop 1\n"
             "case 2 %s " SE ON_GPU "\nrun 2 0 1\n",
             file, file);
    text = answers_to(commands, strlen(commands));
    CHECK(gpu->failed && gpu->device_resets == 1 && gpu->live == 0);
    CHECK_MSG(strstr(text, ", an illegal address"), "%s", text);
    CHECK_MSG(strstr(text, "\nno an earlier case has made the device useless; "
                           "drop all cases, which opens it again\n"
                           "no an earlier case has made the device useless; "
                           "drop all cases, which opens it again\n"
                           "ok\nok 32\nok "),
              "%s", text);
    free(text);
}

/* ---- the program ----------------------------------------------------------- */

TEST(serve, nothing_but_answers_is_on_standard_output)
{
    char *said, commands[1024];
    const char *file = temp_path("commands");

    snprintf(
        commands, sizeof(commands),
        "case 1 %s {\"backbone\":\"resnet18\",\"height\":32,\"width\":32}\n"
        "run 1 0 1\n",
        temp_path("outputs"));
    write_text(file, commands);
    CHECK(program_after(&said, "export ONEDNN_VERBOSE=1 DNNL_VERBOSE=1;",
                        "serve <%s 2>%s", file, temp_path("errors")) == 0);
    CHECK_MSG(!strncmp(said, "ok 11689512\nok ", 15), "%s", said);
    CHECK_MSG(strchr(said + 15, '\n') == said + strlen(said) - 1, "%s", said);
    free(said);
}

/* Opens this program as a peer that notes its process in the file pid. */
static int open_own(Peer **out)
{
    static const PeerLimits patient = { 60, NULL };
    char command[1024];

    if (access(test_beside("attnbench"), X_OK))
        SKIP("attnbench is not built");
    snprintf(command, sizeof(command), "echo $$ >%s; exec '%s' serve",
             temp_path("pid"), test_beside("attnbench"));
    return peer_open(out, command, &patient);
}

static void check_killed(int signal, const char *wanted)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "backend=ref");
    Safetensors *outputs;
    double params, ns = 0;
    char *text;
    size_t n;
    Peer *p;

    REQUIRE(open_own(&p) == OK);
    CHECK(!strncmp(peer_name(p), "attnbench ", 10));
    REQUIRE(peer_case(p, 0, &c, &outputs, &params) == OK);
    st_close(outputs);
    CHECK(params == 32);
    CHECK(peer_run(p, 0, (PeerRuns){ 0, 2 }, &ns, NULL) == OK && ns > 0);
    text = read_bytes(temp_path("pid"), &n);
    REQUIRE(text && atoi(text) > 1);
    kill(atoi(text), signal);
    free(text);
    CHECK(peer_run(p, 0, (PeerRuns){ 0, 2 }, &ns, NULL) == ERR_IO);
    CHECK_MSG(strstr(err_message(), wanted), "%s", err_message());
    peer_close(p);
}

TEST(serve, one_that_is_killed_is_told_and_sigterm_ends_it_well)
{
    check_killed(SIGKILL, "exited without replying (signal 9, Killed)");
    check_killed(SIGTERM, "exited without replying (exit status 0)");
}

/* Both builds are the same one: so they agree to the last bit. */
TEST(serve, two_builds_are_compared_in_one_run)
{
    const char *db = temp_path("two.db");
    char *said;

    CHECK(program(&said,
                  "run --module=se,scsa --channels=64 --height=8 --width=8 "
                  "--batch=4 --pass=forward,train --threads=1 --min_samples=6 "
                  "--max_samples=6 --db=%s --peer='%s serve'",
                  db, test_beside("attnbench")) == 0);
    free(said);
    CHECK_ASK(db,
              "SELECT count(*) FROM run JOIN sweep ON sweep.id = sweep_id "
              "WHERE source = 'attnbench' AND status = 'ok' "
              "AND verified_at <> ''",
              "4");
    CHECK_ASK(db,
              "SELECT count(*) FROM run JOIN sweep ON sweep.id = sweep_id "
              "WHERE source LIKE 'attnbench _______% ________' "
              "AND status = 'ok' AND rel_l2 = 0 AND verified_at <> ''",
              "4");
    CHECK(program(&said, "table flags --db=%s", db) == 0);
    CHECK_MSG(strstr(said, "Time by attnbench over time by attnbench "), "%s",
              said);
    free(said);
}

TEST(serve, one_that_ends_early_costs_its_own_rows)
{
    const char *db = temp_path("early.db");
    char *said;

    CHECK(program(&said,
                  "run --module=se --channels=16 --height=8 --width=8 "
                  "--backend=ref --min_samples=6 --max_samples=6 --db=%s "
                  "--peer='for i in 1 2 3; do read -r line; "
                  "printf \"%%s\\n\" \"$line\"; done | %s serve'",
                  db, test_beside("attnbench")) == 1);
    free(said);
    CHECK_ASK(db, "SELECT count(*) FROM run WHERE status = 'ok'", "1");
    CHECK_ASK(db,
              "SELECT count(*) FROM run WHERE status = 'failed' AND message "
              "LIKE '%exited without replying%'",
              "1");
}

/* Each time has next to it what the scheduler did to the one that took it. */
TEST(serve, samples_of_both_builds_have_their_telemetry)
{
    const char *db = temp_path("known.db");
    char *said;

    CHECK(program(&said,
                  "run --module=se --channels=16 --height=8 --width=8 "
                  "--threads=1 --min_samples=6 --max_samples=6 --db=%s "
                  "--peer='%s serve'",
                  db, test_beside("attnbench")) == 0);
    free(said);
    CHECK_ASK(db, "SELECT count(DISTINCT run_id) FROM sample", "2");
    CHECK_ASK(
        db,
        "SELECT count(*) FROM sample WHERE cpu_ns IS NULL OR NOT cpu_ns > 0 "
        "OR switches IS NULL OR started_ns IS NULL OR process <> 0",
        "0");
}
