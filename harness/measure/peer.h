/*
 * peer.h - another program that times the same cases, interleaved with ours.
 *
 * A peer is a child process (harness/peers/torch_peer.py --serve, or another
 * build of this program: serve.h) that reads commands, one per line, and
 * answers each with one line: "ok ..." or "no REASON".
 *
 *     name                   ok pytorch 1.13.1 eager
 *     case ID FILE {json}    ok PARAMS    what it comes to from the seeded
 *                                         weights and inputs is then in FILE,
 *                                         .safetensors: all outputs of the
 *                                         case's graph (network.h), by name
 *     run ID WARM REPS       ok NS        of one of REPS runs, which come right
 *                                         after WARM that are not timed; and,
 *                                         where it knows such things,
 *                                         ok NS switches=0 cpu_ns=2e6 ...
 *     drop ID                ok
 *
 * It keeps time itself, around the runs alone, and sleeps between commands.
 * After a time there may be pairs of a name and a value: fields of Telemetry
 * (results/record.h), of all REPS runs.  Names that are unknown here are passed
 * over.
 *
 * It is another program and may do anything: an answer that does not come in
 * time, a file that is none, an exit without a message are errors, after which
 * it is killed with all that it started.
 */
#ifndef HARNESS_PEER_H
#define HARNESS_PEER_H

#include <signal.h>
#include <stdbool.h>

#include "harness/files/safetensors.h"
#include "harness/network/case.h"
#include "results/record.h"

typedef struct Peer Peer;

/* How long an answer is waited for, and what ends a wait before that. */
typedef struct PeerLimits {
    double seconds;
    const volatile sig_atomic_t *stop; /* or NULL */
} PeerLimits;

/* Starts a shell command and asks for its name.  ERR_IO says what failed. */
int peer_open(Peer **out, const char *command, const PeerLimits *limits);

/* Ends it: it has two seconds after the end of its input, two more after a
 * SIGTERM.  Accepts NULL. */
void peer_close(Peer *p);

/* True if stop ended a wait: that the case failed then is not its fault. */
bool peer_was_stopped(const Peer *p);

/* "pytorch 1.13.1 eager" */
const char *peer_name(const Peer *p);

/* Builds a case under a number of the caller's choice, and runs it as
 * network_run does: the outputs, for the caller to close, and how many
 * parameters it has.  ERR_UNSUPPORTED with the peer's reason if it cannot. */
int peer_case(Peer *p, int id, const Case *c, Safetensors **outputs,
              double *params);

/* Runs in one command, so that nothing comes between them: first some that are
 * not timed. */
typedef struct PeerRuns {
    int warm, reps;
} PeerRuns;

/* Runs it; nanoseconds of one timed run.  What the peer says of these runs
 * besides is set in known, which may be NULL; its texts are the peer's until it
 * is asked again.  ERR_IO names a pair that is none. */
int peer_run(Peer *p, int id, PeerRuns runs, double *ns, Telemetry *known);

/* Drops the case. */
int peer_drop(Peer *p, int id);

#endif
