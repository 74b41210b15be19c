/*
 * texts.h - what a program has printed, in tests.
 */
#ifndef TESTS_TEXTS_H
#define TESTS_TEXTS_H

#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

/* Frees what it got. */
static inline void check_text(char *got, const char *wanted)
{
    CHECK_MSG(!strcmp(got, wanted), "got\n%s\nnot\n%s", got, wanted);
    free(got);
}

/* NULL holds nothing. */
static inline void check_holds(const char *text, const char *part)
{
    CHECK_MSG(text && strstr(text, part), "'%s' is not in:\n%.2000s", part,
              text ? text : "(nothing)");
}

#endif
