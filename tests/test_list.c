/*
 * test_list.c - list shows what the program's own lists hold.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/backbones/backbones.h"
#include "harness/cli/cmd.h"
#include "harness/devices/backends.h"
#include "harness/network/case.h"
#include "kernels/cpu/cpu.h"
#include "kernels/ops/ops.h"
#include "tests/test.h"

static char text[1 << 16];

/* Output of a command with one argument, or none, into text. */
static void print(int (*command)(int argc, char **argv), char *argument)
{
    const int terminal = dup(STDOUT_FILENO);
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/out", test_tmpdir());
    REQUIRE(freopen(path, "w", stdout) != NULL);
    CHECK(command(argument ? 1 : 0, &argument) == OK);
    fflush(stdout);
    dup2(terminal, STDOUT_FILENO); /* where what fails is said */
    close(terminal);
    f = fopen(path, "r");
    REQUIRE(f != NULL);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
}

static void list(char *what)
{
    print(cmd_list, what);
}

static void shows(const char *name)
{
    CHECK_MSG(strstr(text, name), "%s is not shown", name);
}

TEST(list, modules_shows_each_with_its_settings)
{
    const Module *m;

    list("modules");
    for (int i = 0; (m = zoo_at(i)); i++) {
        shows(m->name);
        shows(m->paper);
        for (const Param *p = m->params; p && p->name; p++)
            shows(p->name);
    }
}

TEST(list, backbones_shows_where_every_module_goes)
{
    const Backbone *b;

    list("backbones");
    for (int i = 0; (b = backbone_at(i)); i++) {
        shows(b->name);
        shows(b->where[POSITION_MID]);
        shows(b->where[POSITION_OUT]);
    }
    shows("25.557 M params");
}

TEST(list, ops_shows_every_op_and_no_gap)
{
    const Backend *b;
    const Kernel *k;

    list("ops");
    for (int i = 0; (b = backend_at(i)); i++)
        shows(b->name);
#define X(id) shows(#id);
    OPS(X)
    FUSED_OPS(X)
    GRADIENT_OPS(X)
#undef X
    for (int n = 0; (k = cpu_backend.kernel_at(n)); n++)
        shows(k->name);
    CHECK_MSG(!strstr(text, "NONE"), "%s", text);
}

TEST(list, kernels_shows_each_with_its_dtypes)
{
    const Backend *b;
    const Kernel *k;

    list("kernels");
    for (int i = 0; (b = backend_at(i)); i++)
        for (int n = 0; (k = b->kernel_at(n)); n++)
            shows(k->name);
    shows("f32");
}

TEST(list, backends_says_which_are_here)
{
    list("backends");
    for (int i = 0; backend_at(i); i++)
        shows(backend_name(i));
    shows("here: plain definitions");
}

TEST(list, settings_shows_every_setting)
{
    const char *key;
    char flag[80];

    list("settings");
    for (int i = 0; (key = case_key(i)); i++) {
        snprintf(flag, sizeof(flag), "--%s=", key);
        shows(flag);
    }
}

TEST(list, refuses_what_is_no_list)
{
    char *what = "module";

    CHECK(cmd_list(1, &what) == ERR_INPUT);
    CHECK(!strcmp(err_message(),
                  "unknown list 'module'; did you mean 'modules'?"));
}

/* ---- help ---------------------------------------------------------------- */

enum { SCREEN = 80 };

TEST(list, every_help_fits_a_screen_of_80_columns)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
#define X(id, help) { #id, cmd_##id },
        COMMANDS(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        print(commands[i].run, "--help");
        CHECK_MSG(strstr(text, "usage: attnbench"), "%s has no help",
                  commands[i].name);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            CHECK_MSG(strlen(line) <= SCREEN, "%s --help: %s", commands[i].name,
                      line);
    }
}
