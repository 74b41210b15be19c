/*
 * test_killed.c - a case that ends the process, by what means ever, does not
 * keep its sweep from its end; and two processes do not measure the same.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/devices/backends.h"
#include "harness/devices/environment.h"
#include "harness/devices/interrupt.h"
#include "harness/measure/alone.h"
#include "harness/measure/measure.h"
#include "harness/measure/sweep.h"
#include "kernels/core/host.h"
#include "results/begun.h"
#include "results/profile.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/test.h"
#include "tests/texts.h"

/* Ends the process when this step of this case is about to be made. */
typedef struct Killer {
    const char *what, *module, *channels;
    int times; /* it does so; -1: always */
} Killer;

static void kill_at(void *arg, const Step *step)
{
    const Killer *k = arg;

    if (k->times && !strcmp(step->what, k->what) &&
        strstr(step->arm->repeat, k->module) &&
        strstr(step->arm->repeat, k->channels))
        kill(getpid(), SIGKILL);
}

static void ignore(void *arg, const Trial *a)
{
    (void)arg, (void)a;
}

/* Six cases, all of one block. */
static const Flag six[] = { { "module", "se,eca" },
                            { "channels", "16,32,48" },
                            { "height", "8" },
                            { "width", "8" },
                            { "backend", "ref" } };

/* As if the sweep had begun that long ago. */
static int measure_six(const char *path, const Listener *listener,
                       double ago_ns)
{
    const Protocol quick = { .target = 0.5,
                             .limit = 60,
                             .min_samples = 6,
                             .max_samples = 12,
                             .block = 16,
                             .seed = 7,
                             .started_ns = host_now_ns() - ago_ns };
    Lanes lanes = { .n = 1 };
    Sweep w = a_sweep;
    Experiment e;
    Tally tally;
    bool resumed;
    Store *s;

    TRY(experiment_read(&e, NULL, six, 5));
    snprintf(w.cases_hash, sizeof(w.cases_hash), "%s", e.cases_hash);
    TRY(store_open(&s, path, STORE_WRITE));
    TRY(store_sweep_begin(s, &a_machine, &a_build, &w, false,
                          &lanes.at[0].sweep_id, &resumed));
    TRY(alone_claim(s, lanes.at[0].sweep_id));
    TRY(measure(&e, &quick, s, &lanes, listener, &tally));
    TRY(store_leave(s, lanes.at[0].sweep_id));
    store_close(s);
    experiment_free(&e);
    return OK;
}

/* How many processes it takes to come to the end of the sweep. */
static int starts_until_the_end(const char *path, Killer k)
{
    for (int n = 1; n <= 8; n++) {
        int status;

        fflush(stdout);
        if (fork() == 0) {
            const int err =
                measure_six(path, &(Listener){ &k, kill_at, ignore }, 0);

            CHECK_MSG(err == OK, "%s", err_message());
            fflush(stdout);
            _exit(err != OK);
        }
        wait(&status);
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 0);
            return n;
        }
        k.times -= k.times > 0;
    }
    return 9;
}

static void check_ended(const char *path, const char *ok, const char *failed)
{
    CHECK_ASK(path, "SELECT count(*) FROM run WHERE status = 'ok'", ok);
    CHECK_ASK(path,
              "SELECT count(*) FROM run WHERE status = 'failed' AND message "
              "LIKE 'killed: the process ended % times while measuring this "
              "case'",
              failed);
    CHECK_ASK(path, "SELECT ended_at IS NOT NULL FROM sweep", "1");
    CHECK_ASK(path, "SELECT count(*) FROM sweep", "1");
    CHECK_ASK(path, "SELECT count(*) FROM begun", "0");
    CHECK_ASK(path, "SELECT count(*) FROM at_work", "0");
}

/* As when the kernel ends what takes too much memory. */
TEST(killed, a_case_that_ends_the_process_twice_is_given_up)
{
    const char *path = temp_path("a.db");
    const int n = starts_until_the_end(
        path, (Killer){ "preparing", "--module=eca", "--channels=32", -1 });

    CHECK_MSG(n == 3, "took %d starts", n);
    check_ended(path, "5", "1");
    CHECK_ASK(path,
              "SELECT module || channels FROM run WHERE status = 'failed'",
              "eca32");
    CHECK_ASK(path, "SELECT message FROM run WHERE status = 'failed'",
              "killed: the process ended 2 times while measuring this case");
}

/* Among those that are sampled in turn it is not known which it was: after two
 * ends they are measured one by one. */
TEST(killed, one_that_ends_it_while_it_is_sampled_is_found)
{
    const char *path = temp_path("a.db");
    const int n = starts_until_the_end(
        path, (Killer){ "measuring", "--module=se", "--channels=48", -1 });

    CHECK_MSG(n == 4, "took %d starts", n);
    check_ended(path, "5", "1");
    CHECK_ASK(path,
              "SELECT module || channels FROM run WHERE status = 'failed'",
              "se48");
}

/* Somebody switched the machine off: all is measured in the same rounds. */
TEST(killed, one_end_is_nobodys_fault)
{
    static const char *const what[] = { "preparing", "measuring" };

    for (int i = 0; i < 2; i++) {
        const char *path = temp_path(what[i]);
        const int n = starts_until_the_end(
            path, (Killer){ what[i], "--module=eca", "--channels=32", 1 });

        CHECK_MSG(n == 2, "took %d starts", n);
        check_ended(path, "6", "0");
        CHECK_ASK(path,
                  "SELECT max(n) FROM (SELECT count(*) AS n FROM sample "
                  "GROUP BY round)",
                  "6");
    }
}

/* ---- two at once --------------------------------------------------------- */

static int64_t begin(Store *s)
{
    bool resumed;
    int64_t id = 0;

    CHECK(store_sweep_begin(s, &a_machine, &a_build, &a_sweep, false, &id,
                            &resumed) == OK);
    return id;
}

/* The number of a process that is at work at the sweep, and waits. */
static pid_t somebody_at(const char *path)
{
    int ends[2];
    char byte;
    pid_t pid;

    BUG_IF(pipe(ends));
    pid = fork();
    if (pid == 0) {
        Store *s;

        BUG_IF(store_open(&s, path, STORE_WRITE));
        BUG_IF(alone_claim(s, begin(s)));
        store_close(s);
        BUG_IF(write(ends[1], "", 1) != 1);
        pause();
    }
    BUG_IF(read(ends[0], &byte, 1) != 1);
    return pid;
}

TEST(killed, the_same_sweep_is_measured_by_one_process)
{
    const char *path = temp_path("a.db");
    const pid_t pid = somebody_at(path);
    char wanted[64];
    int64_t id;
    Store *s;

    snprintf(wanted, sizeof(wanted), "process %d on ", (int)pid);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s);
    CHECK(alone_claim(s, id) == ERR_INPUT);
    CHECK_MSG(!strncmp(err_message(), wanted, strlen(wanted)), "%s",
              err_message());
    CHECK(strstr(err_message(), "is measuring the same experiment"));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK_MSG(alone_claim(s, id) == OK, "%s", err_message());
    CHECK(alone_claim(s, id) == OK); /* ours already */
    store_close(s);
}

/* Nobody can look whether it lives: it shows that when it begins a case. */
TEST(killed, a_process_elsewhere_lives_as_long_as_it_begins_cases)
{
    const Worker elsewhere = { "another-host some-boot", 1, 1, 0 };
    const char *path = temp_path("a.db");
    int64_t id;
    Store *s;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s);
    CHECK(store_take(s, id, &elsewhere, false) == OK);
    CHECK(alone_claim(s, id) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "process 1 on another-host is measuring"),
              "%s", err_message());
    CHECK(alter(path, "UPDATE at_work SET seen = '2020-01-01T00:00:00Z'"));
    CHECK_MSG(alone_claim(s, id) == OK, "%s", err_message());
    store_close(s);
}

/* A container of this machine's name: it has its own process of our number. */
TEST(killed, a_process_of_other_pids_lives_as_long_as_it_is_seen)
{
    const char *path = temp_path("a.db");
    Worker there = { .pid = getpid(), .born = 1 };
    char *word;
    int64_t id;
    Store *s;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s);
    REQUIRE(alone_claim(s, id) == OK);
    snprintf(there.host, sizeof(there.host), "%s",
             ask(path, "SELECT host FROM at_work"));
    word = strrchr(there.host, ' ');
    REQUIRE(word && strncmp(word, " pid:[", 6) == 0);
    strcpy(word, " pid:[1]");
    CHECK(store_take(s, id, &there, false) == OK);
    CHECK(alone_claim(s, id) == ERR_INPUT);
    CHECK(alter(path, "UPDATE at_work SET seen = '2020-01-01T00:00:00Z'"));
    CHECK(store_seen(s, id) == OK);
    CHECK(alone_claim(s, id) == ERR_INPUT);
    CHECK(alter(path, "UPDATE at_work SET seen = '2020-01-01T00:00:00Z'"));
    CHECK_MSG(alone_claim(s, id) == OK, "%s", err_message());
    store_close(s);
}

/* A sweep's database, and what a look at its steps has found. */
typedef struct Watch {
    const char *path;
    int steps;
    bool seen; /* since the first sample, which sets it back */
} Watch;

static void watch(void *arg, const Step *step)
{
    Watch *w = arg;

    if (strcmp(step->what, "measuring"))
        return;
    if (w->steps++ == 0)
        CHECK(alter(w->path, "UPDATE at_work SET seen = "
                             "'2020-01-01T00:00:00Z'"));
    else if (!strcmp(ask(w->path, "SELECT seen > '2021' FROM at_work"), "1"))
        w->seen = true;
}

/* In a block of hours no case is begun. */
TEST(killed, a_process_is_seen_while_it_samples_a_block)
{
    char *path = strdup(temp_path("a.db"));
    Watch w = { .path = path };

    REQUIRE(measure_six(path, &(Listener){ &w, watch, ignore }, 1e12) == OK);
    CHECK_MSG(w.steps > 12 && w.seen, "%d steps", w.steps);
    free(path);
}

TEST(killed, a_machine_is_measured_on_by_one_process)
{
    const char *path = temp_path("lock");
    int lock, other, ends[2];
    char byte;
    pid_t pid;

    setenv("ATTNBENCH_LOCK", path, 1);
    BUG_IF(pipe(ends));
    pid = fork();
    if (pid == 0) {
        BUG_IF(alone_take(&lock, false));
        BUG_IF(write(ends[1], "", 1) != 1);
        pause();
    }
    REQUIRE(read(ends[0], &byte, 1) == 1);
    CHECK(alone_take(&lock, false) == ERR_INPUT);
    {
        char wanted[128];

        snprintf(wanted, sizeof(wanted),
                 "another attnbench (pid %d) is measuring", (int)pid);
        CHECK_MSG(strstr(err_message(), wanted), "%s", err_message());
    }
    CHECK(alone_take(&other, true) == OK && other == -1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK_MSG(alone_take(&lock, false) == OK, "%s", err_message());
    alone_give(lock);
    setenv("ATTNBENCH_LOCK", "", 1);
    CHECK(alone_take(&lock, false) == OK && lock == -1);
    setenv("ATTNBENCH_LOCK", "/no/such/folder/lock", 1);
    CHECK(alone_take(&lock, false) == OK && lock == -1);
}

/* ---- Ctrl-C in commands ---------------------------------------------------- */

/* True if the process has a handler of its own for the signal, as Linux
 * says. */
static bool catches(pid_t pid, int signal)
{
    unsigned long long caught = 0;
    char path[64], line[256];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "SigCgt: %llx", &caught) == 1)
            break;
    if (f)
        fclose(f);
    return caught >> (signal - 1) & 1;
}

/* Waits until the command would not be ended by the signal, and its database
 * answers with the number that it has when it is at work. */
static void wait_for_work(pid_t pid, int signal, const char *db,
                          const char *sql, const char *number)
{
    for (int i = 0; i < 1500; i++) {
        if (catches(pid, signal) && access(db, F_OK) == 0 &&
            strcmp(ask(db, sql), number) == 0)
            return;
        usleep(20000);
    }
    CHECK_MSG(false, "not at work after 30 s: %s", sql);
}

/* Starts a command, ends it by a signal when it is at work, and wants a
 * sentence and a database that can be read. */
static void interrupt(const char *arguments, const char *sql,
                      const char *number, int signal, const char *sentence)
{
    const char *db = temp_path("int.db"), *out = temp_path("said");
    const pid_t pid = program_start(out, "%s --db=%s", arguments, db);
    char *said;
    size_t n;
    int status;
    Store *s;

    wait_for_work(pid, signal, db, sql, number);
    usleep(100000); /* into the midst of it */
    kill(pid, signal);
    waitpid(pid, &status, 0);
    CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == signal,
              "%s: status %x", arguments, (unsigned)status);
    said = read_bytes(out, &n);
    CHECK_MSG(said && strstr(said, sentence), "%s: %s", arguments, said);
    free(said);
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    store_close(s);
    CHECK_ASK(db, "PRAGMA integrity_check", "ok");
    unlink(db);
}

#define MEASURES "SELECT count(*) FROM begun WHERE together"

TEST(killed, a_signal_leaves_a_sentence_and_a_database)
{
    interrupt("run --module=se --channels=32 --backend=ref --limit=3600 "
              "--max_samples=1000000 --target=0.01",
              MEASURES, "1", SIGTERM,
              "interrupted: run the same command to resume");
    interrupt("profile --module=se --channels=256 --batch=8 --backend=ref "
              "--seconds=600",
              "SELECT count(*) FROM sweep", "1", SIGTERM,
              "interrupted: what was finished is stored in ");
    interrupt("erf --backbone=resnet18 --height=64 --width=64 --backend=ref "
              "--draws=10000 --tap=stage1",
              "SELECT count(*) FROM erf", "0", SIGINT,
              "interrupted: what was finished is stored in ");
}

/* As on a disk that fills while the work at hand is brought to its end. */
static bool is_told_of_a_fault(void)
{
    const SweepSettings settings = { .db = test_tmpdir(), /* a folder */
                                     .peer = "",
                                     .force = 1 };
    Experiment e;
    const Sweeping sweeping = {
        .experiment = &e, .settings = &settings, .command = "run", .out = stderr
    };
    Tally tally = { 0 };
    int64_t id;
    int err;

    if (experiment_read(&e, NULL, six, 5))
        return false;
    interrupt_listen();
    raise(SIGINT);
    err = sweep_run(&sweeping, &tally, &id);
    return err < 0 && err != ERR_STOPPED && !tally.interrupted &&
           interrupt_finish(err, "a.db") == err;
}

TEST(killed, a_fault_after_a_signal_is_no_interruption)
{
    int status;

    fflush(stdout);
    if (fork() == 0)
        _exit(!is_told_of_a_fault());
    wait(&status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (fork() == 0) {
        interrupt_listen();
        raise(SIGTERM);
        _exit(interrupt_finish(interrupt_fail(), "a.db") == 0);
    }
    wait(&status);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* ---- two runs at once ------------------------------------------------------ */

#define LONG_RUN                                                        \
    "run --module=se --channels=32 --height=8 --width=8 --backend=ref " \
    "--limit=3600 --max_samples=1000000 --target=0.01"

/* Starts a run that does not end by itself, and waits until it measures. */
static pid_t start_long_run(const char *db)
{
    const pid_t pid = program_start("/dev/null", LONG_RUN " --db='%s'", db);

    wait_for_work(pid, SIGINT, db, MEASURES, "1");
    return pid;
}

/* The second is told before it measures anything. */
static void check_second(const char *db, const char *more, const char *sentence)
{
    char *said;
    const int status =
        program_after(&said, "timeout 60", LONG_RUN " --db='%s' %s", db, more);

    CHECK_MSG(status == 2, "exit %d", status);
    check_holds(said, sentence);
    free(said);
}

static int roofs_of(const char *db, const char *more)
{
    char *said;
    const int status = program_after(
        &said, "timeout 100", "roofs --threads=1 --db='%s' %s", db, more);

    free(said);
    return status;
}

/* Made up, one for each that there is. */
static void keep_roofs(const char *db)
{
    Machine machine;
    RoofKind kind;
    Device *dev;
    Store *s;

    environment_machine(&machine);
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    REQUIRE(backend_open(&dev, "cpu",
                         &(DeviceSettings){ .threads = 1, .isa = "" }) == OK);
    for (int i = 0; dev->backend->roof_at(dev, i, &kind); i++) {
        Roofs one = { .n = 1 };

        one.at[0] = (Roof){ .threads = 1,
                            .value = 2e9,
                            .lo = 2e9,
                            .hi = 2e9,
                            .n = 7,
                            .clock_mhz = NAN };
        strcpy(one.at[0].backend, "cpu");
        strcpy(one.at[0].name, kind.name);
        strcpy(one.at[0].unit, kind.unit == ROOF_BYTES ? "bytes/s" : "flop/s");
        CHECK_MSG(store_roofs(s, &machine, &one) == OK, "%s", err_message());
    }
    backend_close(dev);
    store_close(s);
}

/* Roofs that are stored are printed during a run; none is measured. */
static void check_roofs(const char *db)
{
    int status = roofs_of(db, "");

    CHECK_MSG(status == 2, "exit %d", status);
    keep_roofs(db);
    status = roofs_of(db, "");
    CHECK_MSG(status == 0, "exit %d", status);
    status = roofs_of(db, "--fresh");
    CHECK_MSG(status == 2, "exit %d", status);
}

TEST(killed, a_second_run_is_told_at_its_start)
{
    char *db = strdup(temp_path("a.db")), *other = strdup(temp_path("b.db"));
    char *lock = strdup(temp_path("lock"));
    pid_t pid;
    int status;

    setenv("ATTNBENCH_LOCK", lock, 1);
    pid = start_long_run(db);
    check_second(other, "", "is measuring on this machine");
    check_second(db, "--force", "is measuring the same experiment");
    check_roofs(other);
    CHECK(kill(pid, SIGINT) == 0);
    waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    CHECK_ASK(db, "SELECT count(*) FROM start", "1");
    CHECK_ASK(db, "SELECT count(*) FROM at_work", "0");
    free(db);
    free(other);
    free(lock);
}
