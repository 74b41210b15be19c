/*
 * peer.h - another program that times the same cases, turn by turn with ours.
 *
 * A peer is a child process (harness/peers/torch_peer.py --serve) that reads
 * commands, one a line, and answers each with one line: "ok ..." or
 * "no REASON".
 *
 *     name                   ok pytorch 1.13.1 eager
 *     case ID FILE {json}    ok PARAMS    its output for the seeded weights
 *                                         and input is then in FILE: floats,
 *                                         in PyTorch's order
 *     run ID REPS            ok NS        of one run
 *     drop ID                ok
 *
 * It keeps time itself, around the runs alone, and sleeps between commands.
 */
#ifndef HARNESS_PEER_H
#define HARNESS_PEER_H

#include <stddef.h>

#include "harness/case.h"

typedef struct Peer Peer;

/* Starts a shell command and asks for its name.  ERR_IO says what failed. */
int peer_open(Peer **out, const char *command);
void peer_close(Peer *p); /* accepts NULL */

/* "pytorch 1.13.1 eager" */
const char *peer_name(const Peer *p);

/* Builds a case under a number of the caller's choice, and runs it once: the
 * output (count numbers) and how many parameters it has.  ERR_UNSUPPORTED
 * with the peer's reason if it cannot. */
int peer_case(Peer *p, int id, const Case *c, float *output, size_t count,
              double *params);

/* Runs it reps times; nanoseconds of one run. */
int peer_run(Peer *p, int id, int reps, double *ns);

/* Lets it go. */
int peer_drop(Peer *p, int id);

#endif
