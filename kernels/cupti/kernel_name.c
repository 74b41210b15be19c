/*
 * kernel_name.c - names of GPU kernels, demangled and shortened.
 *
 * The C++ library's demangler is used where that library is in the program
 * already, by way of some other; else a mangled name stays as it is.
 */
#include "kernels/cupti/kernel_name.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns a name from malloc; NULL: it is no mangled name. */
static char *demangled(const char *symbol)
{
    char *(*demangle)(const char *, char *, size_t *, int *);
    int status;

    *(void **)&demangle = dlsym(RTLD_DEFAULT, "__cxa_demangle");
    return demangle ? demangle(symbol, NULL, NULL, &status) : NULL;
}

/* Cuts off the list of parameters: from the bracket that the last one closes.
 * There may be others before, as in f<(int)4>(float*). */
static void cut_parameters(char *name)
{
    size_t at = strlen(name);
    int open = 0;

    if (!at || name[at - 1] != ')')
        return;
    do {
        at--;
        open += (name[at] == ')') - (name[at] == '(');
    } while (open && at);
    if (at)
        name[at] = '\0';
}

/* FNV-1a. */
static uint32_t number_of(const char *text)
{
    uint32_t h = 2166136261u;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

static void shorten(char out[KERNEL_NAME], const char *name)
{
    enum { DIGITS = 8, KEPT = KERNEL_NAME - 1 - DIGITS - 1 };

    if (strlen(name) < KERNEL_NAME)
        snprintf(out, KERNEL_NAME, "%s", name);
    else
        snprintf(out, KERNEL_NAME, "%.*s~%08x", KEPT, name, number_of(name));
}

void kernel_name(char out[KERNEL_NAME], const char *symbol)
{
    static const char returns[] = "void ";
    char *text = demangled(symbol);
    const char *name = text ? text : symbol;

    if (text)
        cut_parameters(text);
    if (text && strncmp(text, returns, strlen(returns)) == 0)
        name = text + strlen(returns);
    shorten(out, name);
    free(text);
}
