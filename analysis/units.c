/*
 * units.c - in which unit a number is said.
 */
#include "analysis/units.h"

#include <stddef.h>

const char *const units_of_time[] = { "ns", "us", "ms", "s", NULL };

int unit_for(double value, const char *const *units, double *size)
{
    int i = 0;

    *size = 1;
    while (units[i + 1] && value / *size >= 999.5) {
        *size *= 1000;
        i++;
    }
    return i;
}
