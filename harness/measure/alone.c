/*
 * alone.c - a locked file for the machine, a row for the sweep.
 */
#include "harness/measure/alone.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "results/begun.h"

#define LOCK_PATH "/tmp/attnbench.lock"

/* On another machine, or in another container, nobody can look whether a
 * process is alive: one that was not seen for so long is taken for dead. */
enum { SILENT_S = 900 };

/* ---- the machine ----------------------------------------------------- */

/* Anybody may lock it, and nobody has a reason to write to it. */
static int open_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 && fchmod(fd, 0666)) /* past the umask */
        return fd;
    if (fd < 0 && errno == EEXIST) /* another process was faster */
        fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd;
}

int alone_take(int *lock, bool force)
{
    const char *path = getenv("ATTNBENCH_LOCK");
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char who[32] = "";

    *lock = -1;
    if (!path)
        path = LOCK_PATH;
    if (!*path || (*lock = open_lock(path)) < 0)
        return OK;
    if (fcntl(*lock, F_SETLK, &all) == 0)
        return OK;
    if (errno != EACCES && errno != EAGAIN)
        force = true; /* a file system without locks */
    else if (fcntl(*lock, F_GETLK, &all) || all.l_type == F_UNLCK)
        all.l_pid = 0;
    close(*lock);
    *lock = -1;
    if (force)
        return OK;
    if (all.l_pid > 0) /* 0: in another container, or it has just ended */
        snprintf(who, sizeof(who), " (pid %ld)", (long)all.l_pid);
    return fail(ERR_INPUT,
                "another attnbench%s is measuring on this machine, and the "
                "two would disturb each other; wait for it, or give --force "
                "to measure anyway",
                who);
}

void alone_give(int lock)
{
    if (lock >= 0)
        close(lock);
}

/* ---- the sweep ------------------------------------------------------- */

/* The first line of a file of the kernel's. */
static void read_line(const char *path, char *text, int size)
{
    FILE *f = fopen(path, "r");

    text[0] = '\0';
    if (f && !fgets(text, size, f))
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (f)
        fclose(f);
}

/* When a process was started, in ticks of this boot; 0: there is none, or who
 * knows.  It is the 20th field after the name, which ends with ')'. */
static int64_t born(int64_t pid)
{
    char path[64], stat[1024];
    const char *at;

    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    read_line(path, stat, sizeof(stat));
    at = strrchr(stat, ')');
    for (int i = 0; at && i < 20; i++)
        at = strchr(at + 1, ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

static Worker this_process(void)
{
    Worker w = { .pid = getpid() };
    char boot[64], pids[64] = "";
    size_t n;

    if (gethostname(w.host, 64))
        strcpy(w.host, "somewhere");
    w.host[63] = '\0';
    n = strlen(w.host);
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
    if (readlink("/proc/self/ns/pid", pids, sizeof(pids) - 1) < 0)
        pids[0] = '\0';
    snprintf(w.host + n, sizeof(w.host) - n, " %s %s", boot, pids);
    w.born = born(w.pid);
    return w;
}

/* True of two processes of one machine, even from before and after a boot. */
static bool same_machine(const Worker *a, const Worker *b)
{
    const size_t n = strcspn(a->host, " ");

    return n == strcspn(b->host, " ") && strncmp(a->host, b->host, n) == 0;
}

/* True if both are of one boot, which is the second word of three. */
static bool same_boot(const Worker *a, const Worker *b)
{
    const char *x = strchr(a->host, ' '), *y = strchr(b->host, ' ');
    const size_t n = x ? strcspn(x + 1, " ") : 0;

    return x && y && n == strcspn(y + 1, " ") && strncmp(x + 1, y + 1, n) == 0;
}

static bool is_alive(const Worker *w, const Worker *me)
{
    if (!same_machine(w, me))
        return w->silent_s < SILENT_S;
    if (!same_boot(w, me)) /* from before this boot */
        return false;
    if (strcmp(w->host, me->host)) /* in a container: its pid is not ours */
        return w->silent_s < SILENT_S;
    if (w->pid == me->pid && w->born == me->born)
        return false;
    if (kill((pid_t)w->pid, 0) && errno != EPERM)
        return false;
    return !w->born || w->born == born(w->pid);
}

int alone_claim(Store *s, int64_t sweep_id)
{
    const Worker me = this_process();
    Worker other;
    bool found;

    TRY(store_at_work(s, sweep_id, &other, &found));
    if (found && is_alive(&other, &me))
        return fail(ERR_INPUT,
                    "process %lld on %.*s is measuring the same experiment "
                    "into the same database; wait for it, or give --fresh=1 "
                    "or another --db",
                    (long long)other.pid, (int)strcspn(other.host, " "),
                    other.host);
    return store_take(s, sweep_id, &me, found);
}
