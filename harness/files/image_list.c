/*
 * image_list.c - the images of a folder, in an order that is the same
 * everywhere.
 */
#include "harness/files/image.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "kernels/core/err.h"
#include "results/folder.h"

enum { NAME_SHOWN = 60 };

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

/* A walk, and all that it has seen: folders, so that links that lead back end
 * it, and files that are no image, to be named if there is none. */
typedef struct Walk {
    ImageList *list;
    struct {
        dev_t device;
        ino_t inode;
    } * folder;
    int folders, others, links; /* links: those that lead nowhere */
    char other[NAME_SHOWN + 1]; /* the first of the others */
    char link[NAME_SHOWN + 1];  /* the first of the links */
} Walk;

static int add_folder(Walk *w, const char *path, const struct stat *info);

/* Notes a name in a folder that leads to no file. */
static int note_missing(Walk *w, const char *path)
{
    if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
        return fail(ERR_IO, "%s: %m", path);
    if (!w->links++)
        snprintf(w->link, sizeof(w->link), "%s", file_name(path));
    return OK;
}

/* Takes path.  Links are followed. */
static int add_entry(Walk *w, char *path)
{
    struct stat info;
    int err = OK;

    if (stat(path, &info))
        err = note_missing(w, path);
    else if (S_ISDIR(info.st_mode))
        err = add_folder(w, path, &info);
    else if (S_ISREG(info.st_mode) && is_image(path) &&
             (err = add(w->list, path)) == OK)
        return OK;
    else if (!w->others++)
        snprintf(w->other, sizeof(w->other), "%s", file_name(path));
    free(path);
    return err;
}

/* false: it has been there before. */
static int note_folder(Walk *w, const struct stat *info, bool *is_new)
{
    void *more;

    *is_new = false;
    for (int i = 0; i < w->folders; i++)
        if (w->folder[i].device == info->st_dev &&
            w->folder[i].inode == info->st_ino)
            return OK;
    more = realloc(w->folder, ((size_t)w->folders + 1) * sizeof(*w->folder));
    if (!more)
        return fail(ERR_MEMORY, "no memory for a list of folders");
    w->folder = more;
    w->folder[w->folders].device = info->st_dev;
    w->folder[w->folders++].inode = info->st_ino;
    *is_new = true;
    return OK;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Not by the locale, as alphasort. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* In order, so that of two ways to a folder the same is taken everywhere. */
static int add_folder(Walk *w, const char *path, const struct stat *info)
{
    struct dirent **entry;
    int n, err;
    bool is_new;

    TRY(note_folder(w, info, &is_new));
    if (!is_new)
        return OK;
    n = scandir(path, &entry, is_shown, by_name);
    err = n < 0 ? fail(ERR_IO, "%s: %m", path) : OK;
    for (int i = 0; i < n; i++) {
        char *inner = NULL;

        if (!err && asprintf(&inner, "%s/%s", path, entry[i]->d_name) < 0)
            err = fail(ERR_MEMORY, "no memory for a path");
        if (!err)
            err = add_entry(w, inner);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    return err;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "x has no images, which ...: in 1 folder there are 12 other files, as a.webp,
 * and 1 link to no file, as b.png". */
static int refuse_empty(const Walk *w, const char *folder)
{
    char files[NAME_SHOWN + 64] = "no other files";
    char links[NAME_SHOWN + 64] = "";

    if (w->others)
        snprintf(files, sizeof(files), "%d other file%s, as %s", w->others,
                 w->others > 1 ? "s" : "", w->other);
    if (w->links)
        snprintf(links, sizeof(links), ", and %d broken link%s, as %s",
                 w->links, w->links > 1 ? "s" : "", w->link);
    return fail(ERR_INPUT,
                "%s has no images, which end in .jpg, .jpeg or .png: in %d "
                "folder%s there %s %s%s",
                folder, w->folders, w->folders > 1 ? "s" : "",
                w->others == 1 ? "is" : "are", files, links);
}

int image_list(ImageList *out, const char *folder)
{
    Walk w = { .list = out };
    struct stat info;
    int err;

    *out = (ImageList){ 0 };
    if (stat(folder, &info))
        return fail(ERR_IO, "%s: %m", folder);
    if (!S_ISDIR(info.st_mode))
        return fail(ERR_INPUT, "%s is a file, not a folder", folder);
    err = add_folder(&w, folder, &info);
    if (!err && !out->n)
        err = refuse_empty(&w, folder);
    free(w.folder);
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
