/*
 * serve.h - this program as the peer of another one of its kind (peer.h), which
 * is how two builds are compared.
 *
 * The one that asks compares all outputs with its own before it times a case,
 * says when to warm up and how many runs make a sample.  This one builds cases,
 * runs them and sleeps between commands.
 */
#ifndef HARNESS_SERVE_H
#define HARNESS_SERVE_H

#include <stdio.h>

enum { SERVE_RUNS_MAX = 1000000 }; /* in one command */

/* Reads commands until in ends, and writes one line to out for each.  ERR_IO if
 * an answer cannot be written; what goes wrong with a case is its answer. */
int serve(FILE *in, FILE *out);

#endif
