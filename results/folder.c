/*
 * folder.c - makes folders, level by level.
 */
#include "results/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/core/err.h"

static int make_one(const char *path)
{
    struct stat info;

    if (mkdir(path, 0777) == 0)
        return OK;
    if (errno != EEXIST)
        return fail(ERR_IO, "cannot make the folder %s: %s", path,
                    strerror(errno));
    if (stat(path, &info) || !S_ISDIR(info.st_mode))
        return fail(ERR_INPUT, "%s is a file, not a folder", path);
    return OK;
}

/* Makes the folder named by the first n characters of path. */
static int make(const char *path, size_t n)
{
    char *part = strndup(path, n);
    int err = OK;

    if (!part)
        return fail(ERR_MEMORY, "%s: out of memory", path);
    for (char *c = part; *c && !err; c++) {
        if (*c != '/' || c == part)
            continue;
        *c = '\0';
        err = make_one(part);
        *c = '/';
    }
    if (!err)
        err = make_one(part);
    free(part);
    return err;
}

int folder_make(const char *path)
{
    return make(path, strlen(path));
}

int folder_make_for(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash != path ? make(path, (size_t)(slash - path)) : OK;
}

char *absolute_path(const char *path)
{
    char *found = realpath(path, NULL);

    if (!found)
        found = strdup(path);
    BUG_IF(!found); /* a path's length */
    return found;
}

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}
