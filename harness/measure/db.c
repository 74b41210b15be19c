/*
 * db.c - opens the database for a command.
 */
#include "harness/measure/db.h"

#include <stdio.h>
#include <unistd.h>

#include "harness/devices/interrupt.h"

/* On a terminal the line may hold how far a sweep is. */
static void say(const char *path)
{
    fprintf(stderr,
            "%swaiting for %s, locked by another process (Ctrl-C stops the "
            "wait)\n",
            isatty(STDERR_FILENO) ? "\r\033[K" : "", path);
}

int db_open(Store **out, const char *path, StoreMode mode)
{
    static StoreWait wait = { .say = say };

    wait.stop = interrupt_flag();
    return store_open_waiting(out, path, mode, &wait);
}
