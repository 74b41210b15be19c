/*
 * main.c - finds the subcommand, runs it, prints the one error there may be.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "harness/cli/cmd.h"
#include "harness/cli/flags.h"
#include "harness/cli/hint.h"
#include "harness/devices/environment.h"
#include "harness/devices/huge_pages.h"
#include "harness/files/wrap.h"
#include "kernels/core/err.h"
#include "kernels/core/param.h"

typedef struct Command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} Command;

static const Command commands[] = {
#define X(id, help) { #id, cmd_##id, help },
    COMMANDS(X)
#undef X
};
enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const char *command_name(const void *arg, int i)
{
    (void)arg;
    return i < NCOMMANDS ? commands[i].name : NULL;
}

static void usage(FILE *out)
{
    fputs("usage: attnbench COMMAND [--setting=value]... [ARGUMENT]...\n\n",
          out);
    flags_text(out, "Measures and explains attention modules for vision.");
    fputc('\n', out);
    for (int i = 0; i < NCOMMANDS; i++)
        flags_command(out, commands[i].name, commands[i].help);
    fputc('\n', out);
    flags_text(out,
               "Run 'attnbench COMMAND --help' or 'attnbench help COMMAND' "
               "for the settings of a command, 'attnbench --version' for "
               "this build.");
    fputc('\n', out);
    flags_text(out,
               "Exit status: 0 if all went well; 1 if a case failed, nothing "
               "was measured, or a device or file failed; 2 if the command "
               "line or a file is wrong; 'compare' answers by it.  The help of "
               "each command says more.");
}

static bool answers(const char *name)
{
    static const char *const names[] = {
#define X(id) #id,
        ANSWERS(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static int exit_code(const char *name, int err)
{
    if (err >= 0)
        return err;
    return answers(name) ? CMD_NO_ANSWER : err == ERR_INPUT ? CMD_WRONG : 1;
}

/* By what, and with what, this program was built: as each sweep stores it. */
static void version(FILE *out)
{
    Build b;

    environment_build(&b);
    fprintf(out,
            "attnbench, commit %s%s\ncompiler:  %s\nflags:     %s\n"
            "libraries: %s\n",
            b.git_commit,
            b.dirty ? ", with changes that are not committed" : "", b.compiler,
            b.flags, b.libraries);
}

static void print_error(const char *command)
{
    fprintf(stderr, "attnbench%s%s: ", command[0] ? " " : "", command);
    hint_write(stderr, err_message());
    fputc('\n', stderr);
}

static int no_command(const char *name)
{
    const char *near = name_nearest(name, command_name, NULL);

    fail(ERR_INPUT, "unknown command '%s'%s%s%s", name,
         near ? "; did you mean '" : "", near ? near : "",
         near ? "'?" : "; 'attnbench --help' lists them");
    print_error("");
    return 2;
}

static int run(const char *name, int argc, char **argv)
{
    for (int i = 0; i < NCOMMANDS; i++) {
        int err;

        if (strcmp(name, commands[i].name))
            continue;
        err = commands[i].run(argc, argv);
        if ((fflush(stdout) || ferror(stdout)) && err >= 0)
            err = fail(ERR_IO, "standard output: %s", strerror(errno));
        if (err < 0)
            print_error(name);
        return exit_code(name, err);
    }
    return no_command(name);
}

int main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";

    huge_pages_start(argv);
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (!strcmp(first, "--version") || !strcmp(first, "version")) {
        version(stdout);
        return 0;
    }
    if (!strcmp(first, "help") && argc > 2 && argv[2][0] != '-')
        return run(argv[2], 1, (char *[]){ "--help" });
    if (!strcmp(first, "--help") || !strcmp(first, "-h") ||
        !strcmp(first, "help")) {
        usage(stdout);
        return 0;
    }
    return run(first, argc - 2, argv + 2);
}
