/*
 * test_bad_peers.c - a peer may do anything (tests/bad_peer.sh): it is waited
 * for no longer than its limit, its end is told, and nothing of it stays.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/peer.h"
#include "tests/databases.h"
#include "tests/test.h"

static int open_bad(Peer **out, const char *mode, double seconds)
{
    char command[1024];

    snprintf(command, sizeof(command), "exec sh tests/bad_peer.sh %s %s", mode,
             temp_path("pid"));
    return peer_open(out, command, &(PeerLimits){ seconds, NULL });
}

/* The error of the first case, in words; what was waited for is in them. */
static void check_case(const char *mode, double limit, const char *wanted)
{
    const Case c = a_case();
    Safetensors *outputs = NULL;
    double params;
    Peer *p = NULL;
    int err = open_bad(&p, mode, limit);

    if (!err)
        err = peer_case(p, 0, &c, &outputs, &params);
    CHECK_MSG(err == ERR_IO, "%s: %d", mode, err);
    CHECK_MSG(strstr(err_message(), wanted), "%s: '%s' does not say '%s'", mode,
              err_message(), wanted);
    peer_close(p);
}

TEST(bad_peers, silence_ends_at_the_limit)
{
    check_case("silent", 0.3, "did not reply for 0.3 s and was stopped");
    check_case("deaf", 3, "the peer fake 1.0 did not reply for 3 s");
}

TEST(bad_peers, an_end_is_told_with_its_status)
{
    check_case("dies", 20,
               "the peer process (fake 1.0) exited without replying (exit "
               "status 3)");
    check_case("killed", 20,
               "the peer process (fake 1.0) exited without replying (signal 9, "
               "Killed)");
}

TEST(bad_peers, a_file_that_is_none_is_not_waited_for)
{
    check_case("fifo", 20, "is not a regular file");
    check_case("link", 20, "the peer's file /tmp/attnbench-peer-");
}

TEST(bad_peers, garbage_is_an_error)
{
    check_case("garbage", 20, "the peer answered 'o");
    check_case("endless", 20, "answered 4096 bytes without a newline");
}

/* Whose answer would the next one be? */
TEST(bad_peers, what_was_not_asked_for_is_no_answer)
{
    double ns;
    Peer *p;

    REQUIRE(open_bad(&p, "early", 20) == OK);
    {
        const Case c = a_case();
        Safetensors *outputs = NULL;
        double params;

        peer_case(p, 0, &c, &outputs, &params);
    }
    nanosleep(&(struct timespec){ 0, 200000000 }, NULL);
    CHECK(peer_run(p, 0, (PeerRuns){ 0, 1 }, &ns, NULL) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "said 'ok 2' without being asked"), "%s",
              err_message());
    peer_close(p);
}

TEST(bad_peers, no_time_is_infinite)
{
    double ns;
    Peer *p;

    REQUIRE(open_bad(&p, "infinite", 20) == OK);
    CHECK(peer_run(p, 0, (PeerRuns){ 0, 1 }, &ns, NULL) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "inf"), "%s", err_message());
    peer_close(p);
}

/* The answer to a run is a time and this text. */
static int run_with(const char *text, double *ns, Telemetry *known)
{
    static char throttle[64];
    char command[1024];
    int err;
    Peer *p;

    *known = telemetry_unknown();
    write_text(temp_path("pairs"), text);
    snprintf(command, sizeof(command), "exec sh tests/bad_peer.sh pairs %s",
             temp_path("pairs"));
    err = peer_open(&p, command, &(PeerLimits){ 20, NULL });
    if (err)
        return err;
    err = peer_run(p, 0, (PeerRuns){ 0, 1 }, ns, known);
    if (!err && known->device.throttle) {
        snprintf(throttle, sizeof(throttle), "%s", known->device.throttle);
        known->device.throttle = throttle; /* it was the peer's */
    }
    peer_close(p);
    return err;
}

TEST(bad_peers, pairs_after_a_time_are_told)
{
    Telemetry t;
    double ns;

    REQUIRE(run_with(" switches=3 cpu_ns=2.5e6  run_delay_ns=0 steal_ns=0 "
                     "module_ns=17 throttle=power,thermal clock_mhz=1980 "
                     "power_w=0 later=than,this",
                     &ns, &t) == OK);
    CHECK(ns == 1000.5 && t.switches == 3 && t.cpu_ns == 2.5e6);
    CHECK(t.run_delay_ns == 0 && t.steal_ns == 0 && t.module_ns == 17);
    CHECK(t.device.clock_mhz == 1980 && t.device.power_w == 0);
    CHECK(!strcmp(t.device.throttle, "power,thermal"));
    CHECK(isnan(t.device.temperature_c) && t.process == 0);

    /* Nothing is known, and not of what is ours to say. */
    REQUIRE(run_with(" process=4 started_ns=5 clock_mhz=0", &ns, &t) == OK);
    CHECK(t.process == 0 && isnan(t.started_ns));
    CHECK(t.switches == -1 && isnan(t.cpu_ns) && !t.device.throttle);
    CHECK(isnan(t.device.clock_mhz));
    REQUIRE(run_with("", &ns, &t) == OK);
    CHECK(ns == 1000.5 && t.switches == -1);
}

TEST(bad_peers, a_pair_that_is_none_is_named)
{
    static const char *const bad[][2] = {
        { " switches", "answered 'switches' after a time; it takes name=" },
        { " =3", "answered '=3' after a time" },
        { " switches=", "answered 'switches=': there is no value" },
        { " switches=1.5", "answered 'switches=1.5': '1.5' is no count" },
        { " switches=-1", "'switches=-1': '-1' is no count" },
        { " switches=3000000000", "'3000000000' is no count" },
        { " cpu_ns=1 switches=many", "'switches=many': 'many' is no count" },
        { " cpu_ns=1x", "'cpu_ns=1x': cpu_ns: '1x' is not a number" },
        { " cpu_ns=nan", "'cpu_ns=nan': cpu_ns=nan: it must be 0 or more" },
        { " cpu_ns=inf", "'cpu_ns=inf': cpu_ns=inf: it must be 0 or more" },
        { " module_ns=-2", "module_ns=-2: it must be 0 or more" },
        { " throttle=\033[31m", "the text is not to be shown" },
        { "x=1", "answered 'ok 1000.5x=1' instead of a number" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        Telemetry t;
        double ns;

        CHECK_MSG(run_with(bad[i][0], &ns, &t) == ERR_IO, "%s", bad[i][0]);
        CHECK_MSG(strstr(err_message(), bad[i][1]), "'%s': '%s'", bad[i][1],
                  err_message());
    }
}

/* Once it was ended, the reason stays the answer. */
TEST(bad_peers, who_was_ended_says_so_again)
{
    double ns;
    Peer *p;

    REQUIRE(open_bad(&p, "dies", 20) == OK);
    {
        const Case c = a_case();
        Safetensors *outputs = NULL;
        double params;

        CHECK(peer_case(p, 0, &c, &outputs, &params) == ERR_IO);
    }
    CHECK(peer_run(p, 0, (PeerRuns){ 0, 1 }, &ns, NULL) == ERR_IO);
    CHECK(strstr(err_message(), "exit status 3"));
    CHECK(peer_drop(p, 0) == ERR_IO);
    peer_close(p);
}

static pid_t noted_pid(void)
{
    size_t n;
    char *text = read_bytes(temp_path("pid"), &n);
    const pid_t pid = text ? (pid_t)atoi(text) : 0;

    free(text);
    return pid;
}

/* Also if nobody has asked yet how it ended. */
static bool is_gone(pid_t pid)
{
    char path[64], stat[512] = "";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f)
        return true;
    stat[fread(stat, 1, sizeof(stat) - 1, f)] = '\0';
    fclose(f);
    return !stat[0] || strstr(stat, ") Z");
}

/* Also what ignores the end of its input and SIGTERM, and what it started. */
TEST(bad_peers, nothing_of_a_peer_outlives_it)
{
    static const char *const modes[] = { "deaf", "child" };

    for (int i = 0; i < 2; i++) {
        pid_t pid;
        Peer *p;

        REQUIRE(open_bad(&p, modes[i], 20) == OK);
        pid = noted_pid();
        REQUIRE(pid > 1 && !is_gone(pid));
        peer_close(p);
        for (int k = 0; k < 100 && !is_gone(pid); k++)
            nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        CHECK_MSG(is_gone(pid), "%s: %d is still there", modes[i], (int)pid);
    }
}

static volatile sig_atomic_t stopped;

static void on_alarm(int signal)
{
    stopped = signal;
}

TEST(bad_peers, a_signal_ends_a_wait)
{
    const struct sigaction action = { .sa_handler = on_alarm,
                                      .sa_flags = SA_RESTART };
    const PeerLimits limits = { 100, &stopped };
    Peer *p;

    sigaction(SIGALRM, &action, NULL);
    alarm(1);
    CHECK(peer_open(&p, "exec sh tests/bad_peer.sh silent", &limits) ==
          ERR_STOPPED);
    CHECK_MSG(strstr(err_message(), "interrupted while the peer was at work"),
              "%s", err_message());
}

/* The row says why, and the sweep continues to its end. */
TEST(bad_peers, a_sweep_ends_beside_them)
{
    static const char *const modes[] = { "dies", "fifo", "garbage" };
    char command[1024], db[512];

    if (access(test_beside("attnbench"), X_OK))
        SKIP("attnbench is not built");
    for (int i = 0; i < 3; i++) {
        snprintf(db, sizeof(db), "%s", temp_path(modes[i]));
        snprintf(command, sizeof(command),
                 "'%s' run --module=eca --channels=16,32 --height=8 --width=8 "
                 "--backend=ref --target=50 --db=%s --peer='exec sh "
                 "tests/bad_peer.sh %s' >/dev/null 2>&1",
                 test_beside("attnbench"), db, modes[i]);
        CHECK_MSG(system(command) == 256, "%s", command);
        CHECK_ASK(db, "SELECT count(*) FROM run WHERE status = 'ok'", "2");
        CHECK_ASK(db, "SELECT count(*) FROM run WHERE status = 'failed'", "2");
        CHECK_ASK(db, "SELECT count(*) FROM sweep WHERE ended_at IS NULL", "0");
    }
}
