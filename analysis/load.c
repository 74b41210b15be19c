/*
 * load.c - how a load average is written.
 */
#include "analysis/load.h"

#include <stdio.h>

char *load_text(char text[LOAD_NUMBER], double load)
{
    snprintf(text, LOAD_NUMBER, load < 9.95 ? "%.2g" : "%.0f", load);
    return text;
}
