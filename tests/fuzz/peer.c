/*
 * peer.c - another program's answers, by a shell that gives them all at once.
 */
#include "harness/measure/peer.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/fuzz/fuzz.h"

enum { CASES = 2 };

/* The first answer comes at once; the others when the file of outputs, which
 * the second line names, is there.  It never waits while we do. */
static void write_command(char *command, size_t size, const uint8_t *data,
                          size_t n)
{
    const uint8_t *zero = memchr(data, 0, n);
    const size_t all = zero ? (size_t)(zero - data) : n;
    const uint8_t *line = memchr(data, '\n', all);
    const size_t first = line ? (size_t)(line - data) : all;

    snprintf(
        command, size,
        "cat %s; echo; read -r name; read -r word id file rest && "
        "cat %s >\"$file\"; cat %s 2>/dev/null",
        fuzz_file("first", data, first),
        fuzz_file("outputs", zero ? zero + 1 : data, zero ? n - all - 1 : 0),
        fuzz_file("others", data + first + (line != NULL),
                  all - first - (line != NULL)));
}

static void ask_for_cases(Peer *p, const Case *c)
{
    for (int i = 0; i < CASES; i++) {
        Safetensors *outputs = NULL;
        Telemetry known = telemetry_unknown();
        double number;

        if (peer_case(p, i, c, &outputs, &number) == OK)
            st_close(outputs);
        peer_run(p, i, (PeerRuns){ 1, 2 }, &number, &known);
        peer_drop(p, i);
    }
}

void fuzz_peer(const uint8_t *data, size_t n)
{
    char command[2048];
    Peer *p;
    Case c;

    if (!n)
        return;
    case_defaults(&c);
    BUG_IF(case_set(&c, "module", "se") != OK || case_complete(&c) != OK);
    write_command(command, sizeof(command), data, n);
    if (peer_open(&p, command, &(PeerLimits){ 20, NULL }) != OK)
        return;
    ask_for_cases(p, &c);
    peer_close(p);
}
