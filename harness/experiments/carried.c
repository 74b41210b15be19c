/*
 * carried.c - the list of experiments, which the Makefile makes of their files.
 */
#include "harness/experiments/carried.h"

#include <string.h>
#include <unistd.h>

#include "results/folder.h"

const char carried_folder[] = "harness/experiments/";

static const struct {
    const char *name, *text;
} carried[] = {
#include "experiments.inc"
};
enum { NCARRIED = sizeof(carried) / sizeof(carried[0]) };

const char *carried_name(int i)
{
    return i >= 0 && i < NCARRIED ? carried[i].name : NULL;
}

const char *carried_text(const char *name)
{
    const char *file = file_name(name);
    const size_t n = strcspn(file, ".");

    for (int i = 0; i < NCARRIED; i++)
        if (strlen(carried[i].name) == n &&
            strncmp(carried[i].name, file, n) == 0)
            return carried[i].text;
    return NULL;
}

int carried_read(Json *out, const char *path)
{
    const char *text = NULL;

    if (strncmp(path, carried_folder, strlen(carried_folder)) == 0 &&
        access(path, F_OK) != 0)
        text = carried_text(path);
    return text ? json_parse(out, path, text) : json_read(out, path);
}
