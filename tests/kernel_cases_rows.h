/*
 * kernel_cases_rows.h - how the tables of cases are written
 *
 * A row is the op, its sources, the reason, and the attributes if there are:
 *
 *     { &add_def, { D(2,64,9,9), D(2,64) }, "a gate a channel", ADD(ACT_NONE) },
 */
#ifndef TESTS_KERNEL_CASES_ROWS_H
#define TESTS_KERNEL_CASES_ROWS_H

#include "tests/kernel_cases.h"

/* A source: channels last, row-major, or left out. */
#define D(...)                                                               \
    {                                                                        \
        sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), { __VA_ARGS__ }, false \
    }
#define STACK(...)               \
    {                            \
        4, { __VA_ARGS__ }, true \
    }
#define NONE \
    {        \
        0    \
    }

#define ATTR(type, ...) \
    &(const type)       \
    {                   \
        __VA_ARGS__     \
    }

#endif
