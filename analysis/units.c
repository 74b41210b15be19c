/*
 * units.c - how a number is written.
 */
#include "analysis/units.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

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

char *number_text(double x, int digits, char text[NUMBER_TEXT])
{
    *text = '\0';
    if (isnan(x))
        return text;
    if (isinf(x)) /* a decimal that is read as it */
        snprintf(text, NUMBER_TEXT, "%s9e999", x < 0 ? "-" : "");
    else if (x == rint(x) && fabs(x) < 1e15)
        snprintf(text, NUMBER_TEXT, "%.0f", x);
    else if (snprintf(text, NUMBER_TEXT, "%.*g", digits < EXACT ? digits : 15,
                      x) > 0 &&
             digits >= EXACT && strtod(text, NULL) != x)
        snprintf(text, NUMBER_TEXT, "%.17g", x);
    return text;
}
