/*
 * peer.c - talks to another program over two pipes.
 */
#include "harness/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "kernels/core/visible.h"

enum { NAME_SIZE = 64, LINE_SIZE = 4096 };

struct Peer {
    pid_t pid;
    FILE *to, *from;
    char name[NAME_SIZE];
    char line[LINE_SIZE]; /* of the last answer */
    char file[64];        /* where outputs come through */
};

/* In the child: Ctrl-C is the parent's to handle, and where the parent's
 * thread is pinned is no business of the child's. */
static void become(const char *command, int in, int out)
{
    cpu_set_t all;

    CPU_ZERO(&all);
    for (int i = 0; i < CPU_SETSIZE; i++)
        CPU_SET(i, &all);
    sched_setaffinity(0, sizeof(all), &all);
    setpgid(0, 0);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int start(Peer *p, const char *command)
{
    int down[2], up[2];

    if (pipe2(down, O_CLOEXEC))
        return fail(ERR_IO, "pipe: %s", strerror(errno));
    if (pipe2(up, O_CLOEXEC)) {
        close(down[0]);
        close(down[1]);
        return fail(ERR_IO, "pipe: %s", strerror(errno));
    }
    p->pid = fork();
    if (p->pid == 0)
        become(command, down[0], up[1]);
    close(down[0]);
    close(up[1]);
    p->to = fdopen(down[1], "w");
    p->from = fdopen(up[0], "r");
    if (p->pid < 0 || !p->to || !p->from)
        return fail(ERR_IO, "cannot start '%s': %s", command, strerror(errno));
    signal(SIGPIPE, SIG_IGN); /* a dead peer is an error, not our end */
    return OK;
}

/* Sends a command and reads the answer into p->line, "ok " cut off. */
static int ask(Peer *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int ask(Peer *p, const char *fmt, ...)
{
    va_list args;
    size_t n;

    va_start(args, fmt);
    vfprintf(p->to, fmt, args);
    va_end(args);
    fputc('\n', p->to);
    if (fflush(p->to) || !fgets(p->line, sizeof(p->line), p->from))
        return fail(ERR_IO, "the peer%s%s has ended without an answer",
                    p->name[0] ? " " : "", p->name);
    n = strlen(p->line);
    while (n && (p->line[n - 1] == '\n' || p->line[n - 1] == ' '))
        p->line[--n] = '\0';
    if (strncmp(p->line, "no ", 3) == 0)
        return fail(ERR_UNSUPPORTED, "%s", p->line + 3);
    if (strncmp(p->line, "ok", 2) != 0)
        return fail(ERR_IO, "the peer answered '%.60s'", p->line);
    memmove(p->line, p->line + 2, n - 1);
    return OK;
}

int peer_open(Peer **out, const char *command)
{
    Peer *p = calloc(1, sizeof(*p));
    int err, fd;

    BUG_IF(!p);
    *out = NULL;
    snprintf(p->file, sizeof(p->file), "/tmp/attnbench-peer-XXXXXX");
    fd = mkstemp(p->file);
    if (fd < 0) {
        free(p);
        return fail(ERR_IO, "no temporary file: %s", strerror(errno));
    }
    close(fd);
    err = start(p, command);
    if (!err)
        err = ask(p, "name");
    if (!err)
        visible(p->name, sizeof(p->name), p->line + 1);
    if (!err && !p->name[0])
        err = fail(ERR_IO, "the peer '%s' has no name", command);
    if (err) {
        peer_close(p);
        return fail_within(err == ERR_UNSUPPORTED ? ERR_IO : err, "peer");
    }
    *out = p;
    return OK;
}

/* The end of its input is what ends a peer. */
void peer_close(Peer *p)
{
    if (!p)
        return;
    if (p->to)
        fclose(p->to);
    if (p->from)
        fclose(p->from);
    if (p->pid > 0)
        waitpid(p->pid, NULL, 0);
    unlink(p->file);
    free(p);
}

const char *peer_name(const Peer *p)
{
    return p->name;
}

int peer_case(Peer *p, int id, const Case *c, Safetensors **outputs,
              double *params)
{
    char json[LINE_SIZE], settings[CASE_TEXT];
    size_t n = param_json(case_params, c, json, sizeof(json));

    BUG_IF(n + CASE_TEXT > sizeof(json));
    *outputs = NULL;
    TRY(ask(p, "case %d %s %.*s,\"settings\":%s}", id, p->file, (int)n - 1,
            json, case_settings_json(c, settings)));
    *params = strtod(p->line, NULL);
    return st_open(outputs, p->file);
}

int peer_run(Peer *p, int id, int reps, double *ns)
{
    TRY(ask(p, "run %d %d", id, reps));
    *ns = strtod(p->line, NULL);
    return *ns > 0 ? OK : fail(ERR_IO, "the peer says '%s' ns", p->line);
}

int peer_drop(Peer *p, int id)
{
    return ask(p, "drop %d", id);
}
