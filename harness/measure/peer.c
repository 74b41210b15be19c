/*
 * peer.c - talks to another program over two pipes, and ends it.
 */
#include "harness/measure/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/devices/huge_pages.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/core/visible.h"
#include "kernels/cpu/cpus.h"

enum {
    NAME_SIZE = 64,
    LINE_SIZE = 4096,
    LOOK_MS = 100,  /* at most this from one look at stop to the next */
    GRACE_MS = 2000 /* to end by itself; and again after a SIGTERM    */
};

struct Peer {
    pid_t pid; /* of its process group, too; 0: it has ended */
    int to, from;
    PeerLimits limits;
    bool stopped; /* a wait for it was ended by limits.stop */
    bool busy;    /* it owes an answer                      */
    char name[NAME_SIZE];
    char heard[LINE_SIZE]; /* what it said and nobody has read yet ... */
    size_t n;              /* ... bytes of that                        */
    char line[LINE_SIZE];  /* of the last answer    */
    char ended[256];       /* why it has ended      */
    char file[64];         /* where outputs come through */
};

/* ---- its life -------------------------------------------------------- */

/* In the child: Ctrl-C is the parent's to handle, where the parent's thread is
 * pinned is no business of the child's, and without a parent it has no one to
 * work for. */
static void become(const char *command, int in, int out)
{
    mask_set(cpus_of_process());
    huge_pages_forget();
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
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
    p->to = down[1];
    if (pipe2(up, O_CLOEXEC)) {
        close(down[0]);
        return fail(ERR_IO, "pipe: %s", strerror(errno));
    }
    p->from = up[0];
    p->pid = fork();
    if (p->pid == 0)
        become(command, down[0], up[1]);
    close(down[0]);
    close(up[1]);
    if (p->pid < 0) {
        p->pid = 0;
        return fail(ERR_IO, "cannot start '%s': %s", command, strerror(errno));
    }
    setpgid(p->pid, p->pid); /* whoever is first */
    fcntl(p->to, F_SETFL, O_NONBLOCK);
    fcntl(p->from, F_SETFL, O_NONBLOCK);
    signal(SIGPIPE, SIG_IGN); /* a dead peer is an error, not our end */
    return OK;
}

/* True if it ends within that time; its status stays for waitpid. */
static bool ends_within(const Peer *p, double ms)
{
    const double until = host_now_ns() + ms * 1e6;
    siginfo_t info;

    for (;;) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
            info.si_pid == p->pid)
            return true;
        if (host_now_ns() >= until)
            return false;
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
}

/* Ends it and all that it started; *status becomes waitpid's. */
static void end(Peer *p, double patience_ms, int *status)
{
    *status = 0;
    if (p->to >= 0)
        close(p->to); /* the end of its input is what ends a peer */
    if (p->from >= 0)
        close(p->from);
    p->to = p->from = -1;
    if (!p->pid)
        return;
    if (!ends_within(p, patience_ms)) {
        kill(-p->pid, SIGTERM);
        ends_within(p, GRACE_MS);
    }
    kill(-p->pid, SIGKILL); /* and all that is left of its group */
    if (ends_within(p, GRACE_MS))
        waitpid(p->pid, status, 0);
    p->pid = 0;
}

/* The peer has ended, for this reason. */
static int give_up(Peer *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int give_up(Peer *p, const char *fmt, ...)
{
    va_list args;
    int status;

    va_start(args, fmt);
    vsnprintf(p->ended, sizeof(p->ended), fmt, args);
    va_end(args);
    end(p, 0, &status);
    return fail(ERR_IO, "%s", p->ended);
}

/* It has closed a pipe; how it ended is known in a moment, if it did. */
static int exited(Peer *p)
{
    const bool ended = ends_within(p, GRACE_MS / 2);
    const char *open = p->name[0] ? " (" : "", *close = p->name[0] ? ")" : "";
    int status;

    end(p, 0, &status);
    if (!ended)
        snprintf(p->ended, sizeof(p->ended),
                 "the peer process%s%s%s closed its pipe without replying",
                 open, p->name, close);
    else if (WIFSIGNALED(status))
        snprintf(p->ended, sizeof(p->ended),
                 "the peer process%s%s%s exited without replying (signal %d, "
                 "%s)",
                 open, p->name, close, WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(p->ended, sizeof(p->ended),
                 "the peer process%s%s%s exited without replying (exit status "
                 "%d)",
                 open, p->name, close, WEXITSTATUS(status));
    return fail(ERR_IO, "%s", p->ended);
}

/* ---- talking --------------------------------------------------------- */

/* Until a pipe can be read or written. */
static int wait_for(Peer *p, int fd, short events, double until_ns)
{
    struct pollfd at = { .fd = fd, .events = events };

    for (;;) {
        const double left_ms = (until_ns - host_now_ns()) / 1e6;

        if (p->limits.stop && *p->limits.stop) {
            p->stopped = true;
            give_up(p, "interrupted while the peer%s%s was at work",
                    p->name[0] ? " " : "", p->name);
            return ERR_STOPPED;
        }
        if (left_ms <= 0)
            return give_up(p,
                           "the peer%s%s did not %s for %g s and was "
                           "stopped; allow more time with --peer_limit",
                           p->name[0] ? " " : "", p->name,
                           events == POLLIN ? "reply" : "read its input",
                           p->limits.seconds);
        if (poll(&at, 1, left_ms < LOOK_MS ? (int)left_ms + 1 : LOOK_MS) > 0)
            return OK;
    }
}

static int say(Peer *p, const char *text, size_t n, double until_ns)
{
    while (n > 0) {
        const ssize_t done = write(p->to, text, n);

        if (done > 0) {
            text += done;
            n -= (size_t)done;
        } else if (errno != EAGAIN && errno != EINTR) {
            return exited(p);
        } else {
            TRY(wait_for(p, p->to, POLLOUT, until_ns));
        }
    }
    return OK;
}

/* A line of what it says becomes p->line, without its end. */
static int hear(Peer *p, double until_ns)
{
    const char *newline;
    size_t n;

    while (!(newline = memchr(p->heard, '\n', p->n))) {
        ssize_t more;

        if (p->n == sizeof(p->heard))
            return give_up(p,
                           "the peer%s%s answered %zu bytes without a "
                           "newline: '%.40s...'",
                           p->name[0] ? " " : "", p->name, p->n, p->heard);
        more = read(p->from, p->heard + p->n, sizeof(p->heard) - p->n);
        if (more > 0)
            p->n += (size_t)more;
        else if (more == 0 || (errno != EAGAIN && errno != EINTR))
            return exited(p);
        else
            TRY(wait_for(p, p->from, POLLIN, until_ns));
    }
    n = (size_t)(newline - p->heard);
    memcpy(p->line, p->heard, n);
    p->n -= n + 1;
    memmove(p->heard, newline + 1, p->n);
    while (n && strchr(" \r", p->line[n - 1]))
        n--;
    p->line[n] = '\0';
    return OK;
}

static int said_unasked(Peer *p)
{
    const char *newline = memchr(p->heard, '\n', p->n);
    const size_t n = newline ? (size_t)(newline - p->heard) : p->n;

    return give_up(p, "the peer %s said '%.*s' without being asked", p->name,
                   n < 60 ? (int)n : 60, p->heard);
}

/* Sends a command and reads the answer into p->line, "ok " cut off. */
static int ask(Peer *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int ask(Peer *p, const char *fmt, ...)
{
    const double until = host_now_ns() + p->limits.seconds * 1e9;
    char text[3 * LINE_SIZE];
    va_list args;
    ssize_t more;
    int n;

    if (p->ended[0])
        return fail(ERR_IO, "%s", p->ended);
    more = read(p->from, p->heard + p->n, sizeof(p->heard) - p->n);
    p->n += more > 0 ? (size_t)more : 0;
    if (p->n) /* whose answer would the next be? */
        return said_unasked(p);
    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text) - 1, fmt, args);
    va_end(args);
    BUG_IF(n >= (int)sizeof(text) - 1);
    text[n] = '\n';
    TRY(say(p, text, (size_t)n + 1, until));
    p->busy = true;
    TRY(hear(p, until));
    p->busy = false;
    if (strncmp(p->line, "no ", 3) == 0)
        return fail(ERR_UNSUPPORTED, "%s", p->line + 3);
    if (strncmp(p->line, "ok", 2) != 0 || (p->line[2] && p->line[2] != ' '))
        return fail(ERR_IO, "the peer answered '%.60s'", p->line);
    memmove(p->line, p->line + 2, strlen(p->line) - 1);
    return OK;
}

int peer_open(Peer **out, const char *command, const PeerLimits *limits)
{
    Peer *p = calloc(1, sizeof(*p));
    int err, fd;

    BUG_IF(!p);
    *out = NULL;
    p->to = p->from = -1;
    p->limits = *limits;
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
        visible(p->name, sizeof(p->name), p->line[0] ? p->line + 1 : "");
    if (!err && !p->name[0])
        err = fail(ERR_IO, "the peer '%s' has no name", command);
    if (err) {
        err = fail_within(err == ERR_UNSUPPORTED ? ERR_IO : err, "peer");
        peer_close(p);
        return err;
    }
    *out = p;
    return OK;
}

/* A peer that owes an answer would not notice the end of its input. */
void peer_close(Peer *p)
{
    int status;

    if (!p)
        return;
    end(p, p->busy ? 0 : GRACE_MS, &status);
    unlink(p->file);
    free(p);
}

bool peer_was_stopped(const Peer *p)
{
    return p->stopped;
}

const char *peer_name(const Peer *p)
{
    return p->name;
}

/* A pipe in place of the file would be waited for without end. */
static int check_file(const char *path)
{
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    struct stat info;
    int err = OK;

    if (fd < 0)
        return fail(ERR_IO, "the peer's file %s: %s", path, strerror(errno));
    if (fstat(fd, &info) || !S_ISREG(info.st_mode))
        err =
            fail(ERR_IO, "the peer left %s, which is not a regular file", path);
    close(fd);
    return err;
}

/* The number that an answer begins with, or is. */
static int number(Peer *p, double *out, char **rest)
{
    char *end;

    *out = strtod(p->line, &end);
    if (end == p->line || *end != (rest && *end ? ' ' : '\0'))
        return fail(ERR_IO, "the peer answered 'ok%.60s' instead of a number",
                    p->line);
    if (rest)
        *rest = end;
    return OK;
}

int peer_case(Peer *p, int id, const Case *c, Safetensors **outputs,
              double *params)
{
    char json[CASE_JSON];

    *outputs = NULL;
    TRY(ask(p, "case %d %s %s", id, p->file, case_json(c, json)));
    TRY(number(p, params, NULL));
    TRY(check_file(p->file));
    return st_open(outputs, p->file);
}

/* A number that counts something; else not known. */
static int set_count(int *out, const char *text)
{
    char *end;
    const double n = strtod(text, &end);

    if (end == text || *end || !(n >= 0 && n <= INT_MAX) || n != floor(n))
        return fail(ERR_IO, "'%.40s' is no count", text);
    *out = (int)n;
    return OK;
}

static int set_field(Telemetry *t, const Param *field, const char *text)
{
    void *at = (char *)t + field->offset;

    if (!*text)
        return fail(ERR_IO, "there is no value");
    if (field->kind == PARAM_KIND_INT)
        return set_count(at, text);
    if (field->kind == PARAM_KIND_REAL)
        return param_set(field, t, text);
    if (!is_visible(text))
        return fail(ERR_IO, "the text is not to be shown");
    *(const char **)at = text;
    return OK;
}

/* Sets what a pair says.  When the sample began is ours to know, and in which
 * process of a sweep. */
static int set_pair(Telemetry *t, char *pair)
{
    char *equals = strchr(pair, '=');
    const Param *field;

    if (!equals || equals == pair)
        return fail(ERR_IO,
                    "the peer answered '%.60s' after a time; it takes "
                    "name=value",
                    pair);
    *equals = '\0';
    field = param_find(telemetry_fields, pair);
    if (!field || field->offset == offsetof(Telemetry, started_ns) ||
        field->offset == offsetof(Telemetry, process))
        return OK;
    return set_field(t, field, equals + 1)
               ? fail_within(ERR_IO, "the peer answered '%s=%.60s'", pair,
                             equals + 1)
               : OK;
}

static int set_pairs(Telemetry *t, char *text)
{
    char *rest;

    for (char *pair = strtok_r(text, " ", &rest); pair;
         pair = strtok_r(NULL, " ", &rest))
        TRY(set_pair(t, pair));
    if (!(t->device.clock_mhz > 0)) /* none, as the database has it */
        t->device.clock_mhz = NAN;
    return OK;
}

int peer_run(Peer *p, int id, PeerRuns runs, double *ns, Telemetry *known)
{
    Telemetry unused = telemetry_unknown();
    char *pairs = p->line;

    TRY(ask(p, "run %d %d %d", id, runs.warm, runs.reps));
    TRY(number(p, ns, &pairs));
    if (!(*ns > 0 && *ns < 1e18))
        return fail(ERR_IO, "the peer says '%s' ns", p->line);
    return set_pairs(known ? known : &unused, pairs);
}

int peer_drop(Peer *p, int id)
{
    return ask(p, "drop %d", id);
}
