/*
 * test_pages.c - the pages of documentation against what they describe.
 *
 * Their tables are whole, links and names of files lead somewhere, and the
 * commands that they show have the flags that they show.
 */
#include <ctype.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attention_zoo/zoo.h"
#include "harness/cli/cmd.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/test.h"

static const char *const commands[] = {
#define X(id, help) #id,
    COMMANDS(X)
#undef X
};
enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]), PATH = 1024 };

/* Calls check for each page, of which there is one in every folder. */
static void for_pages(void (*check)(const char *path, char *text))
{
    static const char *const patterns[] = { "*.md", "[!b]*/*.md",
                                            "[!b]*/*/*.md" };
    glob_t found = { 0 };

    if (access("CONTRIBUTING.md", R_OK))
        SKIP("not run in the project's folder");
    for (int i = 0; i < 3; i++)
        REQUIRE(glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found) == 0);
    CHECK_MSG(found.gl_pathc >= 14, "%zu pages", found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t size;
        char *text = read_bytes(found.gl_pathv[i], &size);

        REQUIRE(text);
        check(found.gl_pathv[i], text);
        free(text);
    }
    globfree(&found);
}

/* True if a file is there, seen from the page's folder. */
static bool is_there(const char *page, const char *file, int length)
{
    const char *slash = strrchr(page, '/');
    char path[PATH];

    snprintf(path, sizeof(path), "%.*s%.*s",
             slash ? (int)(slash + 1 - page) : 0, page, length, file);
    return access(path, R_OK) == 0;
}

/* ---- tables --------------------------------------------------------------- */

/* An empty line ends a table: what follows needs a heading of its own. */
static void check_tables(const char *path, char *text)
{
    for (char *at = text; (at = strstr(at, "\n\n|")); at++) {
        const char *second = strchr(at + 2, '\n');

        CHECK_MSG(second && (!strncmp(second, "\n|-", 3) ||
                             !strncmp(second, "\n|:", 3)),
                  "%s: a row without its table: %.60s", path, at + 2);
    }
}

TEST(pages, tables_are_whole)
{
    for_pages(check_tables);
}

TEST(pages, the_harness_lists_the_commands_in_the_order_of_help)
{
    size_t size;
    char *page = read_bytes("harness/README.md", &size), *at;

    if (!page)
        SKIP("not run in the project's folder");
    at = strstr(page, "\n## Commands\n");
    REQUIRE(at != NULL);
    for (int i = 0; i < NCOMMANDS; i++) {
        at = strstr(at, "\n    attnbench ");
        REQUIRE(at != NULL);
        at += strlen("\n    attnbench ");
        CHECK_MSG(!strncmp(at, commands[i], strlen(commands[i])) &&
                      at[strlen(commands[i])] == ' ',
                  "%s is not %.12s", commands[i], at);
        at--;
    }
    free(page);
}

/* ---- files ---------------------------------------------------------------- */

static void check_links(const char *path, char *text)
{
    for (char *at = text; (at = strstr(at, "](")); at++) {
        const int length = (int)strcspn(at + 2, ")#");

        if (length && strncmp(at + 2, "http", 4))
            CHECK_MSG(is_there(path, at + 2, length), "%s: no such file: %.*s",
                      path, length, at + 2);
    }
}

TEST(pages, links_lead_to_files)
{
    for_pages(check_links);
}

/* A path to a file of the project, not one that a command makes. */
static bool is_source(const char *name, int length)
{
    static const char *const ends[] = { ".c",   ".h",    ".cu", ".py", ".sh",
                                        ".sql", ".json", ".md", ".gp", ".csv" };

    if (!memchr(name, '/', (size_t)length))
        return false;
    for (int i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("_./-", name[i]))
            return false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const int n = (int)strlen(ends[i]);

        if (length > n && !strncmp(name + length - n, ends[i], (size_t)n))
            return true;
    }
    return false;
}

static void check_names(const char *path, char *text)
{
    for (char *at = text; (at = strchr(at, '`')); at++) {
        const int length = (int)strcspn(at + 1, "`\n");

        if (is_source(at + 1, length))
            CHECK_MSG(is_there(path, at + 1, length) ||
                          is_there("", at + 1, length),
                      "%s: no such file: %.*s", path, length, at + 1);
        at += at[1 + length] == '`' ? length + 1 : 0;
    }
}

TEST(pages, files_that_are_named_are_there)
{
    for_pages(check_names);
}

/* ---- commands ------------------------------------------------------------- */

static bool is_of_a_module(const char *name)
{
    for (int i = 0; zoo_at(i); i++)
        for (const Param *p = zoo_at(i)->params; p && p->name; p++)
            if (!strcmp(p->name, name))
                return true;
    return false;
}

/* Every --flag in line, outside quotes, is one that the command's help has. */
static void check_flags(const char *path, char *line, const char *command,
                        const char *help)
{
    bool quoted = false;

    for (char *at = line; *at; at++) {
        char name[64], shown[80];

        quoted ^= *at == '"';
        if (quoted || at == line || strncmp(at, "--", 2) ||
            !isspace((unsigned char)at[-1]))
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 2, "= \n"),
                 at + 2);
        for (char *dash = name; (dash = strchr(dash, '-'));)
            *dash = '_'; /* either is taken */
        snprintf(shown, sizeof(shown), "\n  --%s", name);
        CHECK_MSG(!strcmp(name, "help") || strstr(help, shown) ||
                      is_of_a_module(name),
                  "%s: attnbench %s has no --%s", path, command, name);
    }
}

static void check_command(const char *path, char *line)
{
    const size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz");
    char command[32], *help;

    if (!n || n >= sizeof(command) ||
        (line[n] && !isspace((unsigned char)line[n])))
        return;
    snprintf(command, sizeof(command), "%.*s", (int)n, line);
    for (int i = 0; i < NCOMMANDS; i++)
        if (!strcmp(commands[i], command)) {
            CHECK(program(&help, "%s --help", command) == 0);
            check_flags(path, line, command, help);
            free(help);
            return;
        }
    CHECK_MSG(!strcmp(command, "help"), "%s: there is no attnbench %s", path,
              command);
}

/* Commands stand in code, of which a line ends at its end or a comment, and
 * between backquotes. */
static void check_commands(const char *path, char *text)
{
    static const char name[] = "attnbench ";

    for (char *at = text; (at = strstr(at, name)); at++) {
        const bool inline_code = at > text && at[-1] == '`';
        const bool code = at - text > 4 && (!strncmp(at - 4, "    ", 4) ||
                                            !strncmp(at - 2, "$ ", 2));
        char *line = at + strlen(name);

        if (!inline_code && !code)
            continue;
        line = strndup(line, strcspn(line, inline_code ? "`" : "#\n"));
        REQUIRE(line);
        check_command(path, line);
        free(line);
    }
}

TEST(pages, commands_that_are_shown_have_their_flags)
{
    for_pages(check_commands);
}
