/*
 * outfile.c - writes next to a file and renames.
 */
#include "results/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/err.h"

static void forget(Outfile *out)
{
    free(out->path);
    free(out->part);
    *out = (Outfile){ 0 };
}

/* A new file next to it, with the rights that the old one has, where the file
 * system has any; NULL where none can be made. */
static FILE *open_part(Outfile *out)
{
    struct stat old;
    int fd;

    if (asprintf(&out->part, "%s.part-%ld", out->path, (long)getpid()) < 0) {
        out->part = NULL;
        return NULL;
    }
    fd = open(out->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        free(out->part);
        out->part = NULL;
        return NULL;
    }
    if (stat(out->path, &old) == 0)
        (void)!fchmod(fd, old.st_mode);
    return fdopen(fd, "wb");
}

int outfile_open(Outfile *out, const char *path)
{
    struct stat there;
    int err = OK;

    *out = (Outfile){ .path = realpath(path, NULL) };
    if (!out->path)
        out->path = strdup(path);
    if (!out->path)
        return fail(ERR_MEMORY, "%s: out of memory", path);
    if (stat(path, &there) || S_ISREG(there.st_mode))
        out->file = open_part(out);
    if (!out->file && !out->part)
        out->file = fopen(path, "wb");
    if (!out->file) {
        err = fail(ERR_IO, "%s: %s", path, strerror(errno));
        if (out->part)
            unlink(out->part);
        forget(out);
    }
    return err;
}

static int settle(const Outfile *out)
{
    if (ferror(out->file) || fflush(out->file))
        return fail(ERR_IO, "%s: %s", out->path, strerror(errno));
    if (out->part && fsync(fileno(out->file)))
        return fail(ERR_IO, "%s: %s", out->path, strerror(errno));
    return OK;
}

int outfile_close(Outfile *out, int err)
{
    if (!err)
        err = settle(out);
    if (fclose(out->file) && !err)
        err = fail(ERR_IO, "%s: %s", out->path, strerror(errno));
    if (!err && out->part && rename(out->part, out->path))
        err = fail(ERR_IO, "%s: %s", out->path, strerror(errno));
    if (err && out->part)
        unlink(out->part);
    forget(out);
    return err;
}

int outfile_write(const char *path, const void *bytes, size_t n)
{
    Outfile out;

    TRY(outfile_open(&out, path));
    fwrite(bytes, 1, n, out.file); /* an error stays for outfile_close */
    return outfile_close(&out, OK);
}
