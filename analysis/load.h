/*
 * load.h - how a load average is written.
 *
 * A load is of all programs, also of those that were built or measured here:
 * harness/devices/others.h asks what other programs do.
 */
#ifndef ANALYSIS_LOAD_H
#define ANALYSIS_LOAD_H

/* A load as it is said: "0.5", "5.1", "128".  Returns text. */
enum { LOAD_NUMBER = 32 };
char *load_text(char text[LOAD_NUMBER], double load);

#endif
