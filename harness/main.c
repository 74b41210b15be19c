/*
 * main.c - finds the subcommand, runs it, prints the one error there may be.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness/cmd.h"
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
    fputs("usage: attnbench <command> [--setting=value]... [argument]...\n"
          "\n"
          "measures and explains attention modules for vision\n\n",
          out);
    for (int i = 0; i < NCOMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].help);
    fputs("\n'attnbench <command> --help' tells more.\n", out);
}

static int exit_code(int err)
{
    return err == OK ? 0 : err == ERR_INPUT ? 2 : 1;
}

int main(int argc, char **argv)
{
    const char *near;

    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
        !strcmp(argv[1], "help")) {
        usage(stdout);
        return 0;
    }
    for (int i = 0; i < NCOMMANDS; i++) {
        int err;

        if (strcmp(argv[1], commands[i].name))
            continue;
        err = commands[i].run(argc - 2, argv + 2);
        if ((fflush(stdout) || ferror(stdout)) && err >= 0)
            err = fail(ERR_IO, "standard output: %s", strerror(errno));
        if (err < 0)
            fprintf(stderr, "attnbench %s: %s\n", argv[1], err_message());
        return exit_code(err);
    }
    near = name_nearest(argv[1], command_name, NULL);
    fail(ERR_INPUT, "there is no command '%s'%s%s%s", argv[1],
         near ? "; did you mean '" : "", near ? near : "",
         near ? "'?" : "; 'attnbench --help' lists them");
    fprintf(stderr, "attnbench: %s\n", err_message());
    return 2;
}
