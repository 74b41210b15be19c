/*
 * program.c - the program itself, run as a user does.
 */
#include "tests/program.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/test.h"

enum { ARGUMENTS = 8192 };

/* All that a stream has, with a zero byte behind it. */
static char *read_all(FILE *f)
{
    char *text = NULL, part[4096];
    size_t size, n;
    FILE *to = open_memstream(&text, &size);

    BUG_IF(!to);
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        fwrite(part, 1, n, to);
    fclose(to);
    return text;
}

/* "before build/attnbench arguments" */
static void compose(char *line, const char *before, const char *arguments,
                    va_list args)
{
    const char *path = test_beside("attnbench");
    const int n = snprintf(line, PATH_MAX, "%s %s ", before, path);

    BUG_IF(n >= PATH_MAX);

    if (access(path, X_OK))
        test_skip("attnbench is not built");
    BUG_IF(vsnprintf(line + n, ARGUMENTS, arguments, args) >= ARGUMENTS);
}

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_line(char **said, const char *line)
{
    FILE *f = popen(line, "r");

    BUG_IF(!f);
    *said = read_all(f);
    return exit_status(pclose(f));
}

int program(char **said, const char *arguments, ...)
{
    char line[ARGUMENTS + PATH_MAX];
    va_list args;

    va_start(args, arguments);
    compose(line, "exec 2>&1;", arguments, args);
    va_end(args);
    return run_line(said, line);
}

int program_after(char **said, const char *before, const char *arguments, ...)
{
    char line[ARGUMENTS + PATH_MAX], all[PATH_MAX];
    va_list args;

    snprintf(all, sizeof(all), "exec 2>&1; %s", before);
    va_start(args, arguments);
    compose(line, all, arguments, args);
    va_end(args);
    return run_line(said, line);
}

pid_t program_start(const char *output, const char *arguments, ...)
{
    char line[ARGUMENTS + PATH_MAX], before[PATH_MAX];
    va_list args;
    pid_t pid;

    snprintf(before, sizeof(before), "exec >'%s' 2>&1; exec", output);
    va_start(args, arguments);
    compose(line, before, arguments, args);
    va_end(args);
    pid = fork();
    BUG_IF(pid < 0);
    if (pid > 0)
        return pid;
    execl("/bin/sh", "sh", "-c", line, NULL);
    _exit(127);
}

/* The other end of a new terminal, for the process that will use it. */
static int open_terminal(int master, int columns)
{
    const struct winsize size = { .ws_row = 24,
                                  .ws_col = (unsigned short)columns };
    struct termios how;
    int fd;

    setsid();
    fd = open(ptsname(master), O_RDWR);
    if (fd < 0 || tcgetattr(fd, &how))
        return -1;
    how.c_oflag &= ~(tcflag_t)OPOST;
    if (tcsetattr(fd, TCSANOW, &how) || ioctl(fd, TIOCSWINSZ, &size))
        return -1;
    return fd;
}

int program_on_terminal(char **said, int columns, const char *arguments, ...)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    char line[ARGUMENTS + PATH_MAX];
    va_list args;
    int status;
    pid_t pid;
    FILE *f;

    va_start(args, arguments);
    compose(line, "exec 2>&1;", arguments, args);
    va_end(args);
    if (master < 0 || grantpt(master) || unlockpt(master))
        test_skip("no terminal can be made");
    pid = fork();
    if (pid == 0) {
        const int fd = open_terminal(master, columns);

        unsetenv("COLUMNS");
        if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
            _exit(126);
        execl("/bin/sh", "sh", "-c", line, NULL);
        _exit(127);
    }
    BUG_IF(pid < 0);
    f = fdopen(master, "r"); /* reading fails when nobody else has it open */
    *said = read_all(f);
    fclose(f);
    waitpid(pid, &status, 0);
    return exit_status(status);
}
