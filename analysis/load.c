/*
 * load.c - when a machine is too busy to measure on.
 */
#include "analysis/load.h"

#include <stdio.h>

char *load_text(char text[LOAD_NUMBER], double load)
{
    snprintf(text, LOAD_NUMBER, load < 9.95 ? "%.2g" : "%.0f", load);
    return text;
}

char *load_doubt(char text[LOAD_TEXT], double load, int cores, bool threads)
{
    char number[LOAD_NUMBER];

    text[0] = '\0';
    if (load > 0.5 * cores)
        snprintf(text, LOAD_TEXT,
                 "load %s on %d core%s at the start: other programs disturb "
                 "what is measured%s",
                 load_text(number, load), cores, cores == 1 ? "" : "s",
                 threads && cores > 1 ? "; --threads=1 is far less disturbed"
                                      : "");
    return text;
}
