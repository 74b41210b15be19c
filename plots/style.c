/*
 * style.c - the line of a module, the same in every figure.
 */
#include <string.h>

#include "plots/sheet.h"

/* Line styles of theme.gp, by a module's place in the list of modules.  Those
 * after the listed places share the last SPARE, as does what is in no list: a
 * module that another program measured. */
static const int by_place[] = { 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1 };
enum { PLACES = sizeof(by_place) / sizeof(by_place[0]) };
enum { PLAIN = 13, SPARE = 3, FUSED = 16 }; /* dotted ones: FUSED later */

/* The place of a module among those that the options list; -1: none. */
static int place_of(const PlotOptions *o, const char *module)
{
    for (int i = 0; o->module_at && o->module_at(i); i++)
        if (strcmp(o->module_at(i), module) == 0)
            return i;
    return -1;
}

int module_style(const Sheet *s, const char *module)
{
    const int place = place_of(s->options, module);
    unsigned sum = 0;

    if (strcmp(module, "none") == 0)
        return PLAIN;
    if (place >= PLACES)
        return PLAIN + 1 + (place - PLACES) % SPARE;
    if (place >= 0)
        return by_place[place];
    for (; *module; module++)
        sum = sum * 31 + (unsigned char)*module;
    return PLAIN + 1 + (int)(sum % SPARE);
}

int run_style(const Sheet *s, const Run *r)
{
    return module_style(s, r->c.module.text) + (run_is_fused(r) ? FUSED : 0);
}
