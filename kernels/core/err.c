/*
 * err.c - one message slot a thread; it is the only mutable global there is.
 */
#include "kernels/core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/visible.h"

enum { MESSAGE_SIZE = 1024 };

static _Thread_local char message[MESSAGE_SIZE];

int fail(int code, const char *fmt, ...)
{
    /* The arguments may point into the slot: format first, then copy. */
    char text[MESSAGE_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    visible(message, sizeof(message), text); /* it may hold names of files */
    return code;
}

int fail_within(int code, const char *fmt, ...)
{
    char prefix[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(prefix, sizeof(prefix), fmt, args);
    va_end(args);
    return fail(code, "%s: %s", prefix, message);
}

const char *err_message(void)
{
    return message;
}

void bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "bug: %s:%d: %s\n", file, line, what);
    abort();
}
