/*
 * cmd_serve.c - attnbench serve
 */
#include "harness/cli/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/flags.h"
#include "harness/measure/serve.h"
#include "kernels/core/err.h"

static const Usage usage = {
    .name = "serve",
    .args = "",
    .what = "Times cases for another attnbench, which starts it by run --peer "
            "and asks on standard input: so two builds are compared, "
            "interleaved, in one run.  Each case's outputs are compared before "
            "it is timed.  Rows of this build have its commit and the hash of "
            "its program file as their source.  harness/measure/peer.h has the "
            "protocol.",
    .exits = "Exit status: 0 when its input ends, or after a SIGTERM; 1 if an "
             "answer cannot be written; 2 if the command line is wrong.",
    .examples =
        "  attnbench run bench --peer=\"../old/build/attnbench serve\"\n"
        "  attnbench run --backbone=resnet18 "
        "--peer=\"../old/build/attnbench serve\"\n",
};

/* There is nothing to keep, and a case that runs for minutes need not end. */
static void on_end(int signal)
{
    (void)signal;
    _exit(0);
}

/* The answers; what a library prints must not come between them, and goes where
 * errors do. */
static FILE *open_answers(void)
{
    const int fd = dup(STDOUT_FILENO);

    if (fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return NULL;
    return fdopen(fd, "w");
}

int cmd_serve(int argc, char **argv)
{
    Flags flags;
    FILE *answers;
    int err;

    TRY(flags_parse(&flags, &usage, NULL, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    answers = open_answers();
    if (!answers)
        return fail(ERR_IO, "standard output: %s", strerror(errno));
    if (isatty(STDIN_FILENO))
        fputs("serve: reads commands (name, case, run, drop); an end of input "
              "ends it\n",
              stderr);
    signal(SIGTERM, on_end);
    err = serve(stdin, answers);
    fclose(answers);
    return err;
}
