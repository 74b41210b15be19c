/*
 * file.c - opens regular files, and says what else there is.
 */
#include "harness/files/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/err.h"

static int refuse(mode_t mode)
{
    if (S_ISDIR(mode))
        return fail(ERR_INPUT, "a directory, not a file");
    if (S_ISFIFO(mode))
        return fail(ERR_INPUT,
                    "a pipe; write its contents to a file, and give that");
    return fail(ERR_INPUT, S_ISSOCK(mode) ? "a socket, not a file"
                                          : "a device, not a file");
}

int file_open(FILE **out, size_t *size, const char *path)
{
    /* O_NONBLOCK: a pipe that nobody writes to is opened at once, too. */
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat info;
    int err;

    *out = NULL;
    if (fd < 0)
        return errno == ENXIO ? refuse(S_IFSOCK) : fail(ERR_IO, "%m");
    if (fstat(fd, &info))
        err = fail(ERR_IO, "%m");
    else if (!S_ISREG(info.st_mode))
        err = refuse(info.st_mode);
    else
        err = (*out = fdopen(fd, "rb")) ? OK : fail(ERR_IO, "%m");
    if (err)
        close(fd);
    else if (size)
        *size = (size_t)info.st_size;
    return err;
}

bool file_is_same(const char *path, const char *other)
{
    struct stat a, b;

    return stat(path, &a) == 0 && stat(other, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
