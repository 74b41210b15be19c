/*
 * zoo.c - the list of modules as an array.
 */
#include "attention_zoo/zoo.h"

#include <string.h>

static const Module *const modules[] = {
#define X(id) &id##_module,
    ZOO(X)
#undef X
};
enum { NMODULES = sizeof(modules) / sizeof(modules[0]) };

const Module *zoo_at(int i)
{
    return i >= 0 && i < NMODULES ? modules[i] : NULL;
}

const char *zoo_name(int i)
{
    return i >= 0 && i < NMODULES ? modules[i]->name : NULL;
}

const Module *zoo_find(const char *name)
{
    for (int i = 0; i < NMODULES; i++)
        if (strcmp(modules[i]->name, name) == 0)
            return modules[i];
    return NULL;
}

/* The largest number up to most that divides n. */
static int divisor(int n, int most)
{
    while (most > 1 && n % most)
        most--;
    return most;
}

bool zoo_divides(Graph *g, const char *setting, int value, int channels)
{
    const char *name = strchr(setting, ' '); /* with its blank */

    if (channels % value == 0)
        return true;
    graph_fail(g, "%s=%d does not divide channels=%d:%s=%d would", setting,
               value, channels, name, divisor(channels, value));
    return false;
}

bool zoo_odd(Graph *g, const char *setting, int value)
{
    if (value % 2)
        return true;
    graph_fail(g, "%s=%d must be odd: %d would do", setting, value, value - 1);
    return false;
}

bool zoo_multiple(Graph *g, const char *module, int channels, int of)
{
    const int below = channels / of * of;

    if (channels % of == 0)
        return true;
    if (below)
        graph_fail(g, "%s: channels=%d is not divisible by %d: %d or %d is",
                   module, channels, of, below, below + of);
    else
        graph_fail(g, "%s: channels=%d is not divisible by %d: %d is", module,
                   channels, of, of);
    return false;
}
