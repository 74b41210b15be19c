/*
 * huge_pages.c - tells glibc by its environment, and starts the program again.
 */
#include "harness/devices/huge_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "harness/devices/environment.h"

#define SWITCH "/sys/kernel/mm/transparent_hugepage/enabled"

static const char variable[] = "GLIBC_TUNABLES";

/* A block that glibc maps by itself begins and ends within a huge page, so that
 * up to 4 MB of it have small ones: all blocks are to come from its heap. */
static const char wanted[] = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0";

/* True if this malloc is one that can: glibc's of 2.35 or later. */
static bool malloc_can(void)
{
    int major = 0, minor = 0;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
    sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor);
#endif
    return major > 2 || (major == 2 && minor >= 35);
}

static bool kernel_can(void)
{
    char text[64];

    file_line(SWITCH, text, sizeof(text));
    return text[0] && !strstr(text, "[never]");
}

/* True if glibc was told when this process began. */
static bool is_told(void)
{
    const char *value = getenv(variable);

    return value && strcmp(value, wanted) == 0;
}

void huge_pages_start(char **argv)
{
    if (getenv(variable) || !malloc_can() || !kernel_can())
        return;
    setenv(variable, wanted, 1);
    execv("/proc/self/exe", argv);
    unsetenv(variable); /* it cannot be started: it continues without */
}

bool huge_pages_used(void)
{
    return is_told() && malloc_can() && kernel_can();
}

const char *huge_pages_lacking(void)
{
    if (huge_pages_used())
        return NULL;
    if (!malloc_can())
        return "the C library is not glibc 2.35 or later";
    if (!kernel_can())
        return "the kernel gives none; allow them with sudo sh -c 'echo "
               "madvise >" SWITCH "'";
    return is_told() || !getenv(variable)
               ? "the program could not start itself again"
               : "GLIBC_TUNABLES is set in the environment; unset it";
}

void huge_pages_forget(void)
{
    if (is_told())
        unsetenv(variable);
}
