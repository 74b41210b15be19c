/*
 * load.c - when a machine is too busy to measure on.
 */
#include "analysis/load.h"

#include <stdio.h>

char *load_doubt(char text[LOAD_TEXT], double load, int cores, bool threads)
{
    text[0] = '\0';
    if (load > 0.5 * cores)
        snprintf(text, LOAD_TEXT,
                 "load %.2g on %d core%s at the start: other programs disturb "
                 "what is measured%s",
                 load, cores, cores == 1 ? "" : "s",
                 threads && cores > 1 ? "; --threads=1 is far less disturbed"
                                      : "");
    return text;
}
