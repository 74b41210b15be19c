/*
 * test_run.c - the program as users start it: attnbench run and doctor, killed,
 * interrupted, misused.
 */
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "harness/files/safetensors.h"
#include "results/store.h"
#include "tests/test.h"

/* The program that is being tested is next to this one. */
static const char *program(void)
{
    const char *path = test_beside("attnbench");

    if (access(path, X_OK))
        test_skip("attnbench is not built");
    return path;
}

enum { MAX_ARGS = 16, OUTPUT = 1 << 18 };

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

/* Starts attnbench with these arguments (NULL ends them); what it writes goes
 * to the file out. */
static pid_t start(const char *out, const char *const *args)
{
    const char *path = program();
    const pid_t pid = fork();

    if (pid == 0) {
        const char *argv[MAX_ARGS + 2] = { "attnbench" };

        for (int i = 0; i < MAX_ARGS && args[i]; i++)
            argv[i + 1] = args[i];
        if (!freopen(out, "w", stdout) || dup2(1, 2) < 0)
            _exit(126);
        execv(path, (char **)(size_t)argv);
        _exit(127);
    }
    return pid;
}

/* Ends it by a signal after a while (ms 0: lets it end); waitpid's status. */
static int end(pid_t pid, int signal, int ms)
{
    int status;

    if (ms) {
        sleep_ms(ms);
        kill(pid, signal);
    }
    waitpid(pid, &status, 0);
    return status;
}

/* Runs it to its end; what it wrote is in text, its exit code is returned. */
static int run(char text[OUTPUT], const char *const *args)
{
    char out[256];
    FILE *f;
    int status;

    snprintf(out, sizeof(out), "%s/out", test_tmpdir());
    status = end(start(out, args), 0, 0);
    f = fopen(out, "r");
    text[f ? fread(text, 1, OUTPUT - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The first column of the first row; NAN if there is none. */
static double ask(Store *s, const char *sql)
{
    sqlite3_stmt *q;
    double v = NAN;

    if (sqlite3_prepare_v2(store_sqlite(s), sql, -1, &q, NULL))
        return NAN;
    if (sqlite3_step(q) == SQLITE_ROW)
        v = sqlite3_column_double(q, 0);
    sqlite3_finalize(q);
    return v;
}

/* --db=FILE of this test's own; the file's path is in path. */
static char *db_flag(char flag[256], char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", test_tmpdir(), name);
    snprintf(flag, 256, "--db=%.240s", path);
    return flag;
}

/* ---- weights ------------------------------------------------------------- */

/* The weight of eca's one convolution, of one tap at 16 channels. */
static void write_weights(const char *path, float v)
{
    StWriter *w = st_writer_new();

    st_writer_tensor(w, "conv.weight", 3, (int[]){ 1, 1, 1 }, &v);
    BUG_IF(st_writer_save(w, path));
    st_writer_free(w);
}

/* The contents of a file are part of the case, not only its name. */
TEST(run, other_weights_under_the_same_name_are_another_case)
{
    char flag[256], db[256], weights[256], file[300], text[OUTPUT];
    const char *const args[] = {
        "run",         "--module=eca", "--channels=16",
        "--height=7",  "--width=7",    "--backend=ref",
        "--target=50", file,           db_flag(flag, db, "weights.db"),
        NULL
    };
    static const float values[] = { 1, 1, 2 };
    Store *s;

    snprintf(weights, sizeof(weights), "%s/eca.safetensors", test_tmpdir());
    snprintf(file, sizeof(file), "--weights=%s", weights);
    for (int i = 0; i < 3; i++) {
        write_weights(weights, values[i]);
        CHECK_MSG(run(text, args) == 0, "%s", text);
    }
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    CHECK(ask(s, "SELECT count(DISTINCT repeat) FROM run") == 1);
    CHECK(ask(s, "SELECT count(DISTINCT weights_hash) FROM run") == 2);
    CHECK(ask(s, "SELECT count(DISTINCT cases_hash) FROM sweep") == 2);
    CHECK(ask(s, "SELECT count(*) FROM run AS a JOIN run AS b USING "
                 "(weights_hash) JOIN sweep AS x ON x.id = a.sweep_id JOIN "
                 "sweep AS y ON y.id = b.sweep_id "
                 "WHERE x.cases_hash <> y.cases_hash") == 0);
    CHECK(ask(s, "SELECT min(length(weights_hash)) FROM run") == 16);
    CHECK(ask(s, "SELECT count(*) FROM latest") == 2);
    store_close(s);
}

/* ---- killed and interrupted -------------------------------------------- */

/* 45 small cases, three at a time. */
#define SWEEP                                                              \
    "run", "--module=se,eca,ca", "--channels=16,32,48",                    \
        "--height=7,8,9,10,11", "--width=8", "--backend=ref", "--block=3", \
        "--min_samples=6", "--target=50"

/* Twenty ends in a few seconds are not the cases' fault; what is made of two
 * that are is in test_killed.c. */
static void forgive(Store *s)
{
    CHECK(sqlite3_exec(store_sqlite(s), "DELETE FROM begun", NULL, NULL,
                       NULL) == SQLITE_OK);
}

/* The random moments are where the cases are: around the start, and later.
 * Opened for writing, because only that mends what a kill left half done. */
TEST(run, a_killed_sweep_loses_no_row_and_doubles_none)
{
    char flag[256], db[256];
    const char *const args[] = { SWEEP, db_flag(flag, db, "kill.db"), NULL };
    uint64_t random = (uint64_t)time(NULL) | 1;
    int killed = 0;
    double before = 0;
    Store *s;

    for (int i = 0; i < 20; i++) {
        double rows = 0;
        int status;

        random = random * 6364136223846793005u + 1442695040888963407u;
        status = end(start("/dev/null", args), SIGKILL,
                     20 + (int)((random >> 33) % 250));
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (access(db, F_OK) == 0 && store_open(&s, db, STORE_WRITE) == OK) {
            rows = ask(s, "SELECT count(*) FROM run WHERE sweep_id = 1");
            forgive(s);
            store_close(s);
        } else {
            CHECK_MSG(before == 0, "%s", err_message());
        }
        CHECK_MSG(rows >= before, "%.0f rows became %.0f", before, rows);
        before = rows;
    }
    CHECK_MSG(killed >= 5, "only %d of 20 starts were killed", killed);
    CHECK(end(start("/dev/null", args), 0, 0) == 0);
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    CHECK(ask(s, "SELECT count(*) FROM run WHERE sweep_id = 1") == 45);
    CHECK(ask(s, "SELECT count(DISTINCT repeat) FROM run WHERE sweep_id = 1") ==
          45);
    CHECK(ask(s, "SELECT count(*) FROM run WHERE status <> 'ok'") == 0);
    CHECK(ask(s, "SELECT count(*) FROM run WHERE (SELECT count(*) FROM sample "
                 "WHERE run_id = run.id) < 6") == 0);
    CHECK(ask(s, "SELECT ended_at IS NOT NULL FROM sweep WHERE id = 1") == 1);
    store_close(s);
}

/* The interval of a constant is never within a hundredth of a percent here:
 * without the signal this would take its limit, an hour. */
TEST(run, ctrl_c_ends_it_as_a_signal_does_and_says_how_to_go_on)
{
    char flag[256], path[256], out[256], text[OUTPUT] = "";
    const char *const args[] = { "run",
                                 "--module=se,eca",
                                 "--backend=ref",
                                 "--limit=3600",
                                 "--max_samples=1000000",
                                 "--target=0.01",
                                 "--channels=32",
                                 db_flag(flag, path, "int.db"),
                                 NULL };
    int status;
    FILE *f;

    snprintf(out, sizeof(out), "%s/out", test_tmpdir());
    status = end(start(out, args), SIGINT, 700);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    f = fopen(out, "r");
    REQUIRE(f);
    text[fread(text, 1, OUTPUT - 1, f)] = '\0';
    fclose(f);
    CHECK_MSG(strstr(text, "run the same command to resume"), "%s", text);
}

/* Ctrl-C comes while the peer is at work, for a hundred seconds: nobody waits
 * for it, and no case has failed. */
TEST(run, ctrl_c_does_not_wait_for_a_peer)
{
    char flag[256], path[256], peer[512];
    const char *const args[] = { "run",
                                 "--module=eca",
                                 "--backend=ref",
                                 "--channels=16",
                                 "--height=8",
                                 "--width=8",
                                 "--limit=3600",
                                 "--target=0.01",
                                 peer,
                                 db_flag(flag, path, "peer.db"),
                                 NULL };
    const time_t began = time(NULL);
    int status;
    Store *s;

    snprintf(peer, sizeof(peer),
             "--peer=exec sh tests/fake_peer.sh %s/log 1 "
             "4096 100",
             test_tmpdir());
    status = end(start("/dev/null", args), SIGINT, 700);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    CHECK(time(NULL) - began < 60);
    REQUIRE(store_open(&s, path, STORE_READ) == OK);
    CHECK(ask(s, "SELECT count(*) FROM run WHERE status = 'failed'") == 0);
    CHECK(ask(s, "SELECT count(*) FROM start WHERE argv LIKE "
                 "'% ''--peer=exec sh tests/fake_peer.sh %'' --db=%'") == 2);
    store_close(s);
}

/* ---- used and misused --------------------------------------------------- */

TEST(run, a_finished_case_is_a_line_where_there_is_no_terminal)
{
    char flag[256], path[256], next[640], text[OUTPUT];
    const char *line;
    const char *const args[] = { "run",
                                 "--module=eca",
                                 "--backend=ref",
                                 "--channels=16",
                                 "--height=8",
                                 "--width=8",
                                 "--seed=5",
                                 db_flag(flag, path, "a.db"),
                                 NULL };

    CHECK(run(text, args) == 0);
    line = strstr(text, "1/1  --module=eca --backend=ref --channels=16 ");
    CHECK_MSG(line && (line == text || line[-1] == '\n'), "%s", text);
    /* before it only that the machine is busy, if it is */
    CHECK_MSG(line == text || !strncmp(text, "other programs ", 15), "%s",
              text);
    CHECK(strstr(text, " images/s"));
    CHECK(strstr(text, "1 ok"));
    CHECK(strstr(text, "seed=5"));
    snprintf(next, sizeof(next),
             "next: attnbench table flags --db=%s\n"
             "      attnbench plot --db=%s\n",
             path, path);
    CHECK_MSG(strstr(text, next), "%s", text);
    CHECK(!strchr(text, '\r') && !strchr(text, '\033'));
}

TEST(run, the_load_is_noted_when_a_start_ends)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "run",
                                 "--module=eca",
                                 "--backend=ref",
                                 "--channels=16",
                                 "--height=8",
                                 "--width=8",
                                 db_flag(flag, path, "a.db"),
                                 NULL };
    Store *s;

    CHECK(run(text, args) == 0);
    REQUIRE(store_open(&s, path, STORE_READ) == OK);
    CHECK(ask(s, "SELECT load_end >= 0 FROM start") == 1);
    store_close(s);
}

/* Two builds of one commit may differ by changes that are not committed. */
TEST(run, starts_over_with_another_build_of_the_same_commit)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "run",
                                 "--module=eca",
                                 "--backend=ref",
                                 "--channels=16",
                                 "--height=8",
                                 "--width=8",
                                 db_flag(flag, path, "a.db"),
                                 NULL };
    Store *s;

    CHECK(run(text, args) == 0);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    CHECK(ask(s, "SELECT program GLOB replace(hex(zeroblob(8)), '0', "
                 "'[0-9a-f]') FROM build") == 1);
    CHECK(!sqlite3_exec(store_sqlite(s),
                        "DROP TRIGGER sweep_final; UPDATE sweep SET ended_at = "
                        "NULL; UPDATE build SET program = 'another'",
                        NULL, NULL, NULL));
    store_close(s);
    CHECK(run(text, args) == 0);
    CHECK_MSG(strstr(text, "starting over: the unfinished sweep of these cases "
                           "(1 stored) was measured by another build of the "
                           "same commit ("),
              "%s", text);
    REQUIRE(store_open(&s, path, STORE_READ) == OK);
    CHECK(ask(s, "SELECT count(*) FROM sweep") == 2);
    CHECK(ask(s, "SELECT count(*) FROM build") == 2);
    store_close(s);
}

TEST(run, a_dry_run_prints_cases_as_json_and_makes_no_database)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "run", "harness/experiments/vs_torch.json",
                                 "--dry_run", db_flag(flag, path, "dry.db"),
                                 NULL };
    int n = 0;

    CHECK(run(text, args) == 0);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        cJSON *json = cJSON_Parse(line);

        CHECK_MSG(json, "%s", line);
        CHECK(cJSON_IsObject(cJSON_GetObjectItem(json, "settings")));
        CHECK(cJSON_IsNumber(cJSON_GetObjectItem(json, "batch")));
        cJSON_Delete(json);
        n++;
    }
    CHECK(n == 6);
    CHECK(access(path, F_OK) != 0);
}

TEST(run, a_users_mistake_is_one_sentence_and_exit_2)
{
    static const struct {
        const char *arg, *sentence;
    } bad[] = {
        { "--modul=se", "unknown setting 'modul'; did you mean" },
        { "--module=sse", "unknown module 'sse'; did you mean 'se'" },
        { "--batch=0", "batch=0 is out of range" },
        { "no_such_experiment", "unknown experiment 'no_such_exp" },
        { "chanels", "unknown experiment 'chanels'; did you mean 'channels'?" },
        { "tests", "unknown experiment 'tests'" },
        { "no/such.json", "no/such.json: No such file" },
        { "--target=zero", "target='zero' is not a percentage" },
        { "--limit=86401", "limit=86401 is out of range: 0 to 86400" },
        { "tests/bad/experiments/nan.json", "nan.json:4:12: did not expect" },
    };
    char flag[256], path[256], text[OUTPUT];

    db_flag(flag, path, "none.db");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *const args[] = { "run", bad[i].arg, flag, NULL };
        const int code = run(text, args);

        CHECK_MSG(code ==
                      (strchr(bad[i].arg, '/') && bad[i].arg[0] == 'n' ? 1 : 2),
                  "%s: exit %d", bad[i].arg, code);
        CHECK_MSG(strstr(text, bad[i].sentence), "%s: %s", bad[i].arg, text);
        CHECK_MSG(strchr(text, '\n') == text + strlen(text) - 1, "%s", text);
        CHECK(access(path, F_OK) != 0);
    }
}

TEST(run, output_that_is_lost_is_an_error)
{
    const char *const args[] = { "list", "modules", NULL };
    int status;

    if (access("/dev/full", W_OK))
        SKIP("there is no /dev/full");
    status = end(start("/dev/full", args), 0, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

TEST(run, without_anything_to_run_it_says_what_to_give)
{
    const char *const args[] = { "run", NULL };
    char text[OUTPUT];

    CHECK(run(text, args) == 2);
    CHECK(strstr(text, "name an experiment"));
}

TEST(run, a_peer_that_does_not_start_is_an_error)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "run", "--module=eca", "--peer=exit 1",
                                 db_flag(flag, path, "peer.db"), NULL };

    CHECK(run(text, args) == 1);
    CHECK_MSG(strstr(text, "peer"), "%s", text);
    CHECK(access(path, F_OK) != 0);
}

/* ---- every experiment that comes with it -------------------------------- */

TEST(run, the_experiments_of_this_folder_expand)
{
    static const struct {
        const char *name;
        int cases;
    } list[] = {
        { "bench", 14 },
        { "channels", 60 },
        { "resolution", 60 },
        { "modules", 48 },
        { "vs_torch", 6 },
        { "small500", 500 },
        { "module_gradients", 72 },
        { "gradients_vs_torch", 12 },
    };
    char text[OUTPUT];

    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        const char *const args[] = { "run", list[i].name, "--dry_run", NULL };
        int n = 0;

        CHECK(run(text, args) == 0);
        for (const char *p = text; (p = strchr(p, '\n')); p++)
            n++;
        CHECK_MSG(n == list[i].cases, "%s has %d cases", list[i].name, n);
    }
}

/* ---- doctor --------------------------------------------------------------- */

TEST(doctor, a_machine_that_runs_tests_is_well_enough)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "doctor", db_flag(flag, path, "d.db"), NULL };

    CHECK(run(text, args) == 0);
    CHECK(strstr(text, "ok  cpu "));
    CHECK(strstr(text, "  timer "));
    CHECK(strstr(text, "  floor        kernels of 0.7 ms vary by "));
    CHECK(strstr(text, "  resolution   "));
    CHECK(strstr(text, "ok  database"));
    CHECK(!strstr(text, "XX"));
    CHECK(access(path, F_OK) != 0); /* it looks, and makes nothing */
}

/* Works with or without a plugin, nvcc or a GPU. */
TEST(doctor, says_how_it_stands_with_cuda)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "doctor", db_flag(flag, path, "d.db"), NULL };

    CHECK(run(text, args) == 0);
    CHECK_MSG(strstr(text, "  gpu  "), "%s", text);
    CHECK_MSG(strstr(text, "  cuda plugin "), "%s", text);
    CHECK_MSG(strstr(text, "ok  backend cuda ") ||
                  strstr(text, "--  backend cuda cuda: no ") ||
                  strstr(text, "no plugin was built: ") ||
                  strstr(text, "attnbench_cuda.so is not next to the program"),
              "%s", text);
}

static void use_fake_cuda(void)
{
    setenv("ATTNBENCH_CUDA", test_beside("fake/attnbench_cuda.so"), 1);
}

/* Reports a GPU's name, the resolution of its clock, and its state. */
TEST(doctor, shows_a_gpu)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "doctor", db_flag(flag, path, "d.db"), NULL };

    use_fake_cuda();
    CHECK(run(text, args) == 0);
    CHECK_MSG(strstr(text, "ok  backend cuda Fake 0, sm_90"), "%s", text);
    CHECK(strstr(text, "  gpu timer    steps of 0 ns, an empty interval"));
    CHECK(strstr(text, "  gpu now      1500 MHz"));
}

/* Counters of a processor are tried; a GPU's are predicted: without CUPTI,
 * that is the first thing missing. */
TEST(doctor, foresees_what_can_be_counted)
{
    static const char *const cases[][2] = {
        { "mig", "nvidia-smi -mig 0" },
        { "vgpu", "Cool is virtual (vGPU)" },
    };
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "doctor", db_flag(flag, path, "d.db"), NULL };

    if (access("/proc/driver/nvidia", F_OK) == 0)
        SKIP("there is a real driver");
    setenv("LD_LIBRARY_PATH", test_beside("fake"), 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("FAKE_NVML", cases[i][0], 1);
        run(text, args);
        CHECK_MSG(strstr(text, "  cpu counters "), "%s", text);
        CHECK_MSG(strstr(text, "--  counters ") &&
                      (strstr(text, cases[i][1]) ||
                       strstr(text, "is not in the loader's folders")) &&
                      strstr(text, "; profiles are only timed and modelled"),
                  "%s", text);
    }
}

TEST(run, a_case_without_its_backend_is_a_row_that_says_why)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "run", "--module=se,eca", "--backend=cuda",
                                 db_flag(flag, path, "d.db"), NULL };

    setenv("ATTNBENCH_CUDA", "/nowhere/attnbench_cuda.so", 1);
    CHECK(run(text, args) == 1);
    CHECK_MSG(strstr(text, "unsupported: cuda: the plugin does not load: "
                           "/nowhere/attnbench_cuda.so"),
              "%s", text);
    CHECK_MSG(strstr(text, "0 ok, 2 unsupported"), "%s", text);
}

TEST(doctor, a_name_that_is_none_is_broken)
{
    const char *const args[] = { "doctor", "--db=", NULL };
    char text[OUTPUT];

    CHECK(run(text, args) == 1);
    CHECK_MSG(strstr(text, "XX  database     --db='' names no file"), "%s",
              text);
}

TEST(doctor, a_file_that_is_no_database_is_broken_and_left_alone)
{
    char flag[256], path[256], text[OUTPUT];
    const char *const args[] = { "doctor", db_flag(flag, path, "no.db"), NULL };
    FILE *f;

    db_flag(flag, path, "no.db");
    f = fopen(path, "w");
    fputs("a letter to somebody\n", f);
    fclose(f);
    CHECK(run(text, args) == 1);
    CHECK_MSG(strstr(text, "XX  database"), "%s", text);
    CHECK(strstr(text, "1 broken"));
    f = fopen(path, "r");
    REQUIRE(f);
    CHECK(fgets(text, 64, f) && strcmp(text, "a letter to somebody\n") == 0);
    fclose(f);
}
