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
