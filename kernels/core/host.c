/*
 * host.c - memory, clock and processes of the host.
 */
#include "kernels/core/host.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernels/core/err.h"

enum { ALIGN = 64, HUGE_PAGE = 1 << 21, TRIAL_S = 20 };

double host_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Large blocks are aligned for huge pages, which the kernel may then use. */
int host_alloc(Device *dev, void **out, size_t bytes)
{
    const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : ALIGN;

    (void)dev;
    *out = aligned_alloc(align, (bytes + align - 1) / align * align);
    if (!*out)
        return fail(ERR_MEMORY, "no memory for %.1f MiB",
                    (double)bytes / (1 << 20));
    return OK;
}

void host_release(Device *dev, void *p)
{
    (void)dev;
    free(p);
}

int host_copy(Device *dev, void *dst, const void *src, size_t bytes)
{
    (void)dev;
    memcpy(dst, src, bytes);
    return OK;
}

int host_clock_start(Device *dev)
{
    dev->started_ns = host_now_ns();
    return OK;
}

int host_clock_stop(Device *dev, double *ns)
{
    *ns = host_now_ns() - dev->started_ns;
    return OK;
}

/* In the child: a death is silent and leaves no file. */
static void try_code(void (*code)(void *arg), void *arg)
{
    static const int deadly[] = { SIGILL, SIGSEGV, SIGBUS,
                                  SIGFPE, SIGTRAP, SIGALRM };
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
        signal(deadly[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    alarm(TRIAL_S);
    code(arg);
    _exit(0);
}

bool host_survives(void (*code)(void *arg), void *arg)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0)
        try_code(code, arg);
    if (child < 0) /* no process to spare: nothing is known against it */
        return true;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return true;
    return status == 0;
}
