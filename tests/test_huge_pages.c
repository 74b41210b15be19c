/*
 * test_huge_pages.c - all memory of the program has them, where the machine
 * does, and what it starts is left alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/devices/huge_pages.h"
#include "harness/measure/peer.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* The tests' own process has not asked for them, but may say what is lacking. */
static void need_huge_pages(void)
{
    const char *why = huge_pages_lacking();

    if (why && strcmp(why, "the program could not start itself again"))
        SKIP(why);
}

/* A number of kB in a process's account of its memory. */
static double kilobytes(int pid, const char *what)
{
    char path[64], line[256];
    double n = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (!strncmp(line, what, strlen(what)))
            n = strtod(line + strlen(what), NULL);
    if (f)
        fclose(f);
    return n;
}

TEST(huge_pages, a_network_is_in_them)
{
    const Case c = stored_case("backbone=resnet18 height=64 width=64");
    const PeerLimits patient = { 100, NULL };
    double params, anonymous, huge;
    Safetensors *outputs;
    char command[1024];
    size_t n;
    char *pid;
    Peer *p;

    need_huge_pages();
    snprintf(command, sizeof(command), "echo $$ >%s; exec '%s' serve",
             temp_path("pid"), test_beside("attnbench"));
    if (access(test_beside("attnbench"), X_OK))
        SKIP("attnbench is not built");
    REQUIRE(peer_open(&p, command, &patient) == OK);
    REQUIRE(peer_case(p, 0, &c, &outputs, &params) == OK);
    st_close(outputs);
    pid = read_bytes(temp_path("pid"), &n);
    REQUIRE(pid != NULL);
    anonymous = kilobytes(atoi(pid), "Anonymous:");
    huge = kilobytes(atoi(pid), "AnonHugePages:");
    free(pid);
    peer_close(p);
    CHECK_MSG(anonymous > 40e3, "%g kB", anonymous); /* 47 MB of weights */
    CHECK_MSG(huge > 0.9 * anonymous, "%g of %g kB", huge, anonymous);
}

TEST(huge_pages, the_version_says_whether_there_are_any)
{
    char *said;

    need_huge_pages();
    CHECK(program(&said, "--version") == 0);
    check_holds(said, ", malloc with huge pages\n");
    free(said);
    CHECK(program(&said, "doctor") >= 0);
    check_holds(said, "ok  huge pages   for all that malloc gives\n");
    free(said);
}

TEST(huge_pages, what_the_user_has_chosen_stays)
{
    static const char own[] = "GLIBC_TUNABLES=glibc.malloc.mxfast=0";
    char *said;

    need_huge_pages();
    CHECK(program_after(&said, own, "--version") == 0);
    CHECK_MSG(!strstr(said, "huge pages"), "%s", said);
    free(said);
    CHECK(program_after(&said, own, "doctor") >= 0);
    check_holds(said, "GLIBC_TUNABLES is set in the environment; unset it");
    free(said);
}

/* A peer has the user's environment, and not ours. */
TEST(huge_pages, a_peer_s_malloc_is_as_it_is_without_us)
{
    char *said, *environment;
    size_t n;

    CHECK(program(&said,
                  "run --module=se --channels=16 --db=%s "
                  "--peer='env >%s'",
                  temp_path("peer.db"), temp_path("environment")) != 0);
    free(said);
    environment = read_bytes(temp_path("environment"), &n);
    REQUIRE(environment && strstr(environment, "PATH="));
    CHECK_MSG(!strstr(environment, "GLIBC_TUNABLES"), "%s", environment);
    free(environment);
}
