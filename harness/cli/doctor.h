/*
 * doctor.h - lines of attnbench doctor, for the files that print them.
 */
#ifndef HARNESS_DOCTOR_H
#define HARNESS_DOCTOR_H

#include "results/store.h"

/* "ok", "--": absent and not needed, "!!": spoils measurements, "XX". */
typedef enum Mark { FINE, ABSENT, SPOILS, BROKEN } Mark;

typedef struct Doctor {
    int count[4]; /* lines by mark */
} Doctor;

/* Prints a line, and counts it. */
void doctor_say(Doctor *d, Mark mark, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Why there are no counters: the error, without the word that begins the
 * line. */
const char *without_counters(void);

/* The driver, its GPU, and the plugin for it. */
void doctor_gpu(Doctor *d, const Machine *m);

#endif
