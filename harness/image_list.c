/*
 * image_list.c - the images of a folder, in an order that is the same
 * everywhere.
 */
#include "harness/image.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "kernels/core/err.h"

static bool is_image(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") ||
                   !strcasecmp(dot, ".png"));
}

static int add(ImageList *list, char *path)
{
    /* Grows at each power of two. */
    if ((list->n & (list->n - 1)) == 0) {
        const size_t room = list->n ? 2 * (size_t)list->n : 1;
        char **more = realloc(list->path, room * sizeof(*more));

        if (!more)
            return fail(ERR_MEMORY, "no memory for a list of images");
        list->path = more;
    }
    list->path[list->n++] = path;
    return OK;
}

static int add_folder(ImageList *list, const char *folder);

/* Takes path.  A link to a folder is not followed: it may lead back. */
static int add_entry(ImageList *list, char *path, const char *name)
{
    struct stat info, meant;
    int err = OK;

    if (lstat(path, &info))
        err = fail(ERR_IO, "%s: %m", path);
    else if (S_ISDIR(info.st_mode))
        err = add_folder(list, path);
    else if (is_image(name) && stat(path, &meant) == 0 &&
             S_ISREG(meant.st_mode) && (err = add(list, path)) == OK)
        return OK;
    free(path);
    return err;
}

static int add_folder(ImageList *list, const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int err = OK;

    if (!dir && errno == ENOTDIR)
        return fail(ERR_INPUT, "%s is a file, and a folder is wanted", folder);
    if (!dir)
        return fail(ERR_IO, "%s: %m", folder);
    while (!err && (entry = readdir(dir))) {
        char *path;

        if (entry->d_name[0] == '.') /* and what is hidden */
            continue;
        err = asprintf(&path, "%s/%s", folder, entry->d_name) < 0
                  ? fail(ERR_MEMORY, "no memory for a path")
                  : add_entry(list, path, entry->d_name);
    }
    closedir(dir);
    return err;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int image_list(ImageList *out, const char *folder)
{
    int err;

    *out = (ImageList){ 0 };
    err = add_folder(out, folder);
    if (!err && !out->n)
        err =
            fail(ERR_INPUT,
                 "%s has no images, which end in .jpg, .jpeg or .png", folder);
    if (err)
        image_list_free(out);
    else
        qsort(out->path, (size_t)out->n, sizeof(*out->path), by_bytes);
    return err;
}

void image_list_free(ImageList *list)
{
    for (int i = 0; i < list->n; i++)
        free(list->path[i]);
    free(list->path);
    *list = (ImageList){ 0 };
}
