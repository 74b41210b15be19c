/*
 * serve.c - answers the commands of peer.h.
 */
#include "harness/measure/serve.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/devices/environment.h"
#include "harness/files/safetensors.h"
#include "harness/measure/trial.h"
#include "kernels/core/err.h"

enum { ANSWER = 1024, LINE_MOST = 16384 };

typedef struct Served {
    int id;
    Case c;
    Trial arm;
    struct Served *next;
} Served;

/* All cases that are held run on one device. */
typedef struct Server {
    Served *first;
    Device *dev; /* as backend and threads of dev_case want it; or NULL */
    Case dev_case;
    Hashes hashes;
    Sched *sched;
} Server;

/* ---- cases that are held ----------------------------------------------- */

static Served **place_of(Server *s, int id)
{
    Served **at = &s->first;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void drop(Served **at)
{
    Served *gone = *at;

    if (!gone)
        return;
    *at = gone->next;
    trial_free(&gone->arm);
    free(gone);
}

static bool is_open_for(const Server *s, const Case *c)
{
    return s->dev && !backend_lost(s->dev) &&
           c->backend == s->dev_case.backend &&
           c->threads == s->dev_case.threads;
}

static int lost(void)
{
    return fail(ERR_DEVICE, "an earlier case has made the device useless; drop "
                            "all cases, which opens it again");
}

/* Opens another device only when no case needs the one that is open. */
static int open_device(Server *s, const Case *c)
{
    if (is_open_for(s, c))
        return OK;
    if (s->first)
        return backend_lost(s->dev)
                   ? lost()
                   : fail(ERR_UNSUPPORTED,
                          "cases of another backend or number of threads are "
                          "held; drop them first");
    backend_close(s->dev);
    s->dev_case = *c;
    return backend_open(&s->dev, case_name("backend", c->backend),
                        &(DeviceSettings){ .threads = c->threads, .isa = "" });
}

/* ---- outputs ----------------------------------------------------------- */

static int write_outputs(const char *path, const Graph *g, float *const *values)
{
    StWriter *w = st_writer_new();
    int err;

    for (int i = 0; i < graph_outputs(g); i++) {
        const char *name;
        const Tensor *t = graph_output_at(g, i, &name);

        st_writer_tensor(w, name, t->rank, t->dim, values[i]);
    }
    err = st_writer_save(w, path);
    st_writer_free(w);
    return err;
}

/* Those of its first run; of training, whose every run changes the weights,
 * they are kept. */
static int save_outputs(const Trial *a, const char *path)
{
    const int n = graph_outputs(a->graph);
    float **values;
    int err;

    if (a->first)
        return write_outputs(path, a->graph, a->first);
    values = calloc((size_t)n + 1, sizeof(*values));
    BUG_IF(!values);
    err = network_run_plan(values, a->plan, a->graph);
    if (!err)
        err = write_outputs(path, a->graph, values);
    for (int i = 0; i < n; i++)
        free(values[i]);
    free(values);
    return err;
}

static int build(Server *s, Served *new, const char *path)
{
    Reference *ref = NULL;
    int err;

    TRY(open_device(s, &new->c));
    trial_watch(&new->arm, s->sched, NAN);
    err = trial_build(&new->arm, &(Checker){ s->dev, &ref, &s->hashes });
    reference_free(ref);
    return err ? err : save_outputs(&new->arm, path);
}

/* ---- commands ---------------------------------------------------------- */

/* Cuts the next word off *rest; "" at the end. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " ");
    char *end = word + strcspn(word, " ");

    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

/* The next word as a whole number. */
static int next_number(char **rest, const char *what, int least, int most,
                       int *out)
{
    const char *word = next_word(rest);
    char *end;
    long n;

    errno = 0;
    n = strtol(word, &end, 10);
    if (end == word || *end || errno || n < least || n > most)
        return fail(ERR_INPUT,
                    "%s: '%.40s' is not a whole number from %d to "
                    "%d",
                    what, word, least, most);
    *out = (int)n;
    return OK;
}

static int no_more(const char *rest)
{
    rest += strspn(rest, " ");
    return *rest ? fail(ERR_INPUT, "did not expect '%.40s'", rest) : OK;
}

/* The hash tells builds of one commit apart. */
static int answer_name(Server *s, char *rest, char answer[ANSWER])
{
    Build b;

    (void)s;
    TRY(no_more(rest));
    environment_build(&b);
    snprintf(answer, ANSWER, "attnbench %.7s%s%s%.8s", b.git_commit,
             b.dirty ? "+" : "", b.program[0] ? " " : "", b.program);
    return OK;
}

/* A number that is taken is given to the new case: who asks may have lost
 * count of what it dropped. */
static int answer_case(Server *s, char *rest, char answer[ANSWER])
{
    const char *path;
    Served *new;
    int id, err;

    TRY(next_number(&rest, "case", 0, INT_MAX, &id));
    path = next_word(&rest);
    if (!*path)
        return fail(ERR_INPUT, "case: the file for its outputs is missing");
    drop(place_of(s, id));
    new = calloc(1, sizeof(*new));
    BUG_IF(!new);
    new->id = id;
    err = case_read_json(&new->c, rest);
    if (!err) {
        trial_init(&new->arm, &new->c, NULL, id);
        err = build(s, new, path);
    }
    if (err) {
        trial_free(&new->arm);
        free(new);
        return err;
    }
    new->next = s->first;
    s->first = new;
    snprintf(answer, ANSWER, "%.0f", new->arm.params);
    return OK;
}

static bool is_known(const Param *field, const Telemetry *t)
{
    const void *at = (const char *)t + field->offset;

    if (field->kind == PARAM_KIND_REAL)
        return !isnan(*(const double *)at);
    if (field->kind == PARAM_KIND_INT)
        return *(const int *)at >= 0;
    return *(const char *const *)at != NULL;
}

/* Adds what is known of a sample.  When it began, and in which process of a
 * sweep, is known to who asks. */
static void add_pairs(char answer[ANSWER], const Telemetry *t)
{
    char text[PARAM_TEXT_MAX];
    size_t n = strlen(answer);

    for (const Param *p = telemetry_fields; p->name && n < ANSWER; p++)
        if (is_known(p, t) && p->offset != offsetof(Telemetry, started_ns) &&
            p->offset != offsetof(Telemetry, process))
            n += (size_t)snprintf(answer + n, ANSWER - n, " %s=%s", p->name,
                                  param_text(p, t, text));
}

static int answer_run(Server *s, char *rest, char answer[ANSWER])
{
    Telemetry known = telemetry_unknown();
    PeerRuns runs;
    Served *at;
    double ns;
    int id;

    TRY(next_number(&rest, "run", 0, INT_MAX, &id));
    TRY(next_number(&rest, "WARM", 0, SERVE_RUNS_MAX, &runs.warm));
    TRY(next_number(&rest, "REPS", 1, SERVE_RUNS_MAX, &runs.reps));
    TRY(no_more(rest));
    at = *place_of(s, id);
    if (!at)
        return fail(ERR_INPUT, "run: case %d is not held", id);
    if (backend_lost(s->dev))
        return lost();
    TRY(trial_time(&at->arm, runs, &ns, &known));
    snprintf(answer, ANSWER, "%.3f", ns);
    add_pairs(answer, &known);
    free((char *)known.device.throttle);
    return OK;
}

static int answer_drop(Server *s, char *rest, char answer[ANSWER])
{
    int id;

    (void)answer;
    TRY(next_number(&rest, "drop", 0, INT_MAX, &id));
    TRY(no_more(rest));
    drop(place_of(s, id));
    return OK;
}

static const struct Command {
    const char *name;
    int (*answer)(Server *s, char *rest, char answer[ANSWER]);
} commands[] = {
    { "name", answer_name },
    { "case", answer_case },
    { "run", answer_run },
    { "drop", answer_drop },
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int obey(Server *s, char *line, char answer[ANSWER])
{
    const char *word = next_word(&line);

    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(word, commands[i].name))
            return commands[i].answer(s, line, answer);
    return fail(ERR_INPUT,
                "unknown command '%.40s'; there are name, case, "
                "run, drop",
                word);
}

/* A line of n bytes, without its end. */
static int read_line(char *line, size_t n)
{
    while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        line[--n] = '\0';
    if (strlen(line) != n)
        return fail(ERR_INPUT, "a zero byte in a command");
    if (n > LINE_MOST)
        return fail(ERR_INPUT, "a command of %zu bytes; the longest has %d", n,
                    LINE_MOST);
    return OK;
}

/* An answer is one line, whatever a sentence has in it. */
static int reply(FILE *out, int err, const char *answer)
{
    const char *text = err ? err_message() : answer;

    fputs(err ? "no" : "ok", out);
    if (*text)
        fputc(' ', out);
    for (; *text; text++)
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, out);
    fputc('\n', out);
    return fflush(out) ? fail(ERR_IO, "the answer cannot be written: %s",
                              strerror(errno))
                       : OK;
}

int serve(FILE *in, FILE *out)
{
    Server s = { .sched = sched_open("/proc") };
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int err = OK;

    while (!err && (n = getline(&line, &room, in)) > 0) {
        char answer[ANSWER] = "";
        int bad = read_line(line, (size_t)n);

        if (!bad)
            bad = obey(&s, line, answer);
        err = reply(out, bad, answer);
    }
    while (s.first)
        drop(&s.first);
    backend_close(s.dev);
    hashes_free(&s.hashes);
    sched_close(s.sched);
    free(line);
    return err;
}
