/*
 * test_bad_peers.c - a peer may do anything (tests/bad_peer.sh): it is waited
 * for no longer than its limit, its end is told, and nothing of it stays.
 */
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
    CHECK(peer_run(p, 0, 1, &ns) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "said 'ok 2' without being asked"), "%s",
              err_message());
    peer_close(p);
}

TEST(bad_peers, no_time_is_infinite)
{
    double ns;
    Peer *p;

    REQUIRE(open_bad(&p, "infinite", 20) == OK);
    CHECK(peer_run(p, 0, 1, &ns) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "inf"), "%s", err_message());
    peer_close(p);
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
    CHECK(peer_run(p, 0, 1, &ns) == ERR_IO);
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
