/*
 * load.h - how a load average is written.
 *
 * A load counts all programs, this one included: harness/devices/others.h looks
 * at the others alone.
 */
#ifndef ANALYSIS_LOAD_H
#define ANALYSIS_LOAD_H

/* A load as text: "0.5", "5.1", "128".  Returns text. */
enum { LOAD_NUMBER = 32 };
char *load_text(char text[LOAD_NUMBER], double load);

#endif
