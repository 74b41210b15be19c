/*
 * test_help.c - what the help of each command says is what it takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/paper.h"
#include "harness/cli/cmd.h"
#include "harness/cli/flags.h"
#include "harness/network/case.h"
#include "harness/network/case_flags.h"
#include "harness/report/reproduce.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/test.h"
#include "tests/texts.h"

typedef int Command(int argc, char **argv);

static const struct {
    const char *name;
    Command *run;
} commands[] = {
#define X(id, help) { #id, cmd_##id },
    COMMANDS(X)
#undef X
};
enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]), VALUE = 256 };

static const char unknown[] = "--no_such_setting";

/* The help that a command prints, to be freed. */
static char *help_of(const char *command)
{
    char *said;

    CHECK(program(&said, "%s --help", command) == 0);
    return said;
}

/* The default that a help shows for a setting: false if it has no such one. */
static bool shown(const char *help, const char *name, char value[VALUE])
{
    char flag[128];
    const char *at;

    for (int with = 0; with < 2; with++) {
        snprintf(flag, sizeof(flag), "\n  --%s%s", name, with ? "=" : "");
        at = strstr(help, flag);
        if (at && !with && !strchr(" \n", at[strlen(flag)]))
            at = NULL;
        if (!at)
            continue;
        at += strlen(flag);
        snprintf(value, VALUE, "%.*s", (int)strcspn(at, " \n"), at);
        return true;
    }
    return false;
}

/* How a command takes these words, and then a setting that there is not. */
static void check_taken(int command, char *first, char *second)
{
    char last[64], *argv[] = { first, second, last };
    const int n = second ? 2 : 1;

    snprintf(last, sizeof(last), "%s", unknown);
    argv[n] = last;
    CHECK(commands[command].run(n + 1, argv) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), unknown + 2), "%s %s: %s",
              commands[command].name, first, err_message());
}

TEST(help, every_setting_that_is_listed_is_taken)
{
    for (int i = 0; i < NCOMMANDS; i++) {
        char *help = help_of(commands[i].name), name[64], value[VALUE];
        int n = 0;

        for (const char *at = help; (at = strstr(at, "\n  --")); at++) {
            char flag[512], dashed[64];
            bool is_switch;

            at += strlen("\n  --");
            snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "= \n"), at);
            is_switch = at[strlen(name)] != '=';
            CHECK(shown(help, name, value));
            snprintf(flag, sizeof(flag), "--%s%s%s", name, is_switch ? "" : "=",
                     value);
            check_taken(i, flag, NULL);
            snprintf(dashed, sizeof(dashed), "--%s", name);
            for (char *p = dashed + 2; *p; p++)
                *p = *p == '_' ? '-' : *p;
            check_taken(i, dashed, is_switch ? NULL : value);
            n++;
        }
        CHECK_MSG(n > 0 || !strcmp(commands[i].name, "list") ||
                      !strcmp(commands[i].name, "serve"),
                  "%s lists none", commands[i].name);
        free(help);
    }
}

TEST(help, every_setting_that_is_not_listed_is_refused_with_a_sentence)
{
    for (int i = 0; i < NCOMMANDS; i++) {
        char *help = help_of(commands[i].name), value[VALUE];
        const char *key;

        for (int k = 0; (key = case_key(k)); k++) {
            const bool own = param_find(case_params, key) != NULL;
            char flag[128], *argv[] = { flag };

            if (shown(help, key, value) ||
                (!own && strstr(help, "add --module=NAME")))
                continue;
            snprintf(flag, sizeof(flag), "--%s=1", key);
            CHECK_MSG(commands[i].run(1, argv) == ERR_INPUT, "%s %s",
                      commands[i].name, flag);
            CHECK_MSG(strstr(err_message(), key) &&
                          strlen(err_message()) > 24 &&
                          !strstr(err_message(), "out of range"),
                      "%s %s: %s", commands[i].name, flag, err_message());
        }
        free(help);
    }
}

/* Every row of the table is of a command and a key that there are. */
TEST(help, shows_each_command_s_own_defaults)
{
    const CaseFlag *row;

    for (int i = 0; (row = case_flag_at(i)); i++) {
        char *help = help_of(row->command), value[VALUE];

        if (strcmp(row->key, MODULE_SETTINGS)) {
            CHECK_MSG(param_find(case_params, row->key), "%s", row->key);
            CHECK_MSG(shown(help, row->key, value) == (row->initial != NULL),
                      "%s --%s", row->command, row->key);
            CHECK_MSG(!row->initial || !strcmp(value, row->initial),
                      "%s --%s=%s", row->command, row->key, value);
        }
        free(help);
    }
}

/* All defaults of run are those of a case. */
TEST(help, of_run_has_every_default_of_a_case)
{
    char *help = help_of("run"), value[VALUE];

    for (const Param *p = case_params; p->name; p++) {
        CHECK_MSG(shown(help, p->name, value), "--%s", p->name);
        CHECK_MSG(!strcmp(value, p->initial), "--%s=%s", p->name, value);
    }
    free(help);
}

/* Stored runs are chosen by any value: there is no default. */
TEST(help, of_filters_shows_no_default)
{
    for (int k = 0; k < 2; k++) {
        char *help = help_of(k ? "plot" : "table"), value[VALUE];

        for (const Param *p = case_params; p->name; p++) {
            CHECK(shown(help, p->name, value));
            CHECK_MSG(!value[0], "--%s=%s", p->name, value);
        }
        free(help);
    }
}

TEST(help, defaults_are_those_that_are_used)
{
    static const Usage erf = { .name = "erf", .takes_case = CASE_SETTINGS };
    static const Usage why = { .name = "why", .takes_case = CASE_SETTINGS };
    char *graph[] = { "--module=se", "--graph", "as_written" };
    Paper paper;
    Flags f;
    Case c;

    REQUIRE(flags_parse(&f, &erf, NULL, 1, graph) == OK);
    flags_default(&f, &erf);
    CHECK(f.nflags == 2 && !strcmp(f.flag[1].name, "graph") &&
          !strcmp(f.flag[1].value, "folded"));
    REQUIRE(flags_parse(&f, &erf, NULL, 3, graph) == OK);
    flags_default(&f, &erf);
    CHECK(f.nflags == 2 && !strcmp(f.flag[1].value, "as_written"));
    REQUIRE(flags_parse(&f, &why, NULL, 1, graph) == OK);
    flags_default(&f, &why);
    CHECK(f.nflags == 2 && !strcmp(f.flag[1].value, "composed,fused"));
    REQUIRE(paper_read(&paper, PAPER_TABLE2) == OK);
    REQUIRE(reproduce_case(&c, &paper.at[0]) == OK);
    CHECK(c.batch == atoi(case_flag_find("reproduce", "batch")->initial));
}

TEST(help, of_every_command_says_when_it_exits_with_what)
{
    for (int i = 0; i < NCOMMANDS; i++) {
        char *help = help_of(commands[i].name), *same;

        check_holds(help, "\nExit status: 0");
        CHECK(program(&same, "help %s", commands[i].name) == 0);
        CHECK_MSG(!strcmp(help, same), "help %s", commands[i].name);
        free(same);
        free(help);
    }
}

TEST(help, is_there_without_a_command)
{
    char *said;

    CHECK(program(&said, "--help") == 0);
    for (int i = 0; i < NCOMMANDS; i++) {
        char line[32];

        snprintf(line, sizeof(line), "\n  %-9s  ", commands[i].name);
        check_holds(said, line);
    }
    check_holds(said, "Exit status: 0 if all went well; 1 if");
    free(said);
    CHECK(program(&said, "%s", "") == 2);
    free(said);
    CHECK(program(&said, "help") == 0);
    free(said);
    CHECK(program(&said, "help tabel") == 2);
    check_holds(said, "unknown command 'tabel'; did you mean 'table'?");
    free(said);
}

TEST(help, the_version_is_that_of_the_build)
{
    char *said;

    CHECK(program(&said, "--version") == 0);
    check_holds(said, "attnbench, commit ");
    check_holds(said, "\ncompiler:  ");
    CHECK_MSG(strstr(said, ":  gcc ") || strstr(said, ":  clang "), "%s", said);
    check_holds(said, "\nlibraries: oneDNN ");
    check_holds(said, "SQLite ");
    free(said);
}

/* ---- names that are not there --------------------------------------------- */

TEST(help, suggests_only_what_is_near)
{
    static const struct {
        const char *arguments, *says;
    } of[] = {
        { "run --resolution=56", "did you mean '--height=... --width=...'?" },
        { "run --res=56", "did you mean '--height=... --width=...'?" },
        { "run --batch-size 4", "did you mean '--batch=...'?" },
        { "run --model=resnet50", "did you mean '--backbone=...'?" },
        { "run --bach=4", "did you mean 'batch'?" },
        { "run --thread=4", "did you mean 'threads'?" },
        { "run --xyz=56", "'xyz'; '" },
        { "run --frame=56", "'frame'; '" },
        { "run --nothing=56", "'nothing'; '" },
        { "roofs --resolution=56", "'resolution'; '" },
        { "run --module=transformer", "unknown module 'transformer'; choose "
                                      "from none, se" },
        { "run --module=scas", "did you mean 'scsa'?" },
        { "run --backbone=mobilenet", "did you mean 'mobilenetv2_100'?" },
        { "juggle", "unknown command 'juggle'; '" },
        { "lst", "did you mean 'list'?" },
    };

    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        char *said;

        CHECK_MSG(program(&said, "%s", of[i].arguments) == 2, "%s",
                  of[i].arguments);
        check_holds(said, of[i].says);
        free(said);
    }
}

/* ---- values --------------------------------------------------------------- */

TEST(help, values_may_follow_a_blank)
{
    char *joined, *apart;

    CHECK(program(&joined, "count --module=se --channels=32 --by=op "
                           "--format=csv") == 0);
    CHECK(program(&apart, "count --format csv --channels 32 --by op "
                          "--module se") == 0);
    CHECK_MSG(!strcmp(joined, apart), "%s\nis not\n%s", joined, apart);
    free(joined);
    free(apart);
    CHECK(program(&apart, "run --module se --dry-run --channels 32") == 0);
    check_holds(apart, "\"channels\":32");
    free(apart);
    /* The next setting is no value, and a number below 0 is one. */
    CHECK(program(&apart, "run --module --dry_run") == 2);
    check_holds(apart, "--module needs a value: --module=...");
    free(apart);
    CHECK(program(&apart, "export --db=none.db --sweep -1") == 2);
    check_holds(apart, "no database none.db");
    free(apart);
}

TEST(help, count_takes_lists)
{
    static const char *const formats[] = { "text", "json", "csv" };
    char *said;

    for (int i = 0; i < 3; i++) {
        char *one;

        CHECK(program(&said, "count --module=se,eca --format=%s", formats[i]) ==
              0);
        CHECK(program(&one, "count --module=eca --format=%s", formats[i]) == 0);
        if (i < 2)
            check_holds(said, i ? "\"module\":\t\"eca\"" : one);
        else
            check_holds(said, "attnbench run --module=eca,none+eca,6,1,");
        CHECK(i != 1 || said[0] == '[');
        free(one);
        free(said);
    }
    CHECK(program(&said, "count --module=se --weights=/no/such/file") != 0);
    check_holds(said, "/no/such/file: No such file or directory");
    free(said);
}

TEST(help, reproduce_lists_its_rows_and_takes_each)
{
    for (PaperTable table = PAPER_TABLE1; table <= PAPER_TABLE2; table++) {
        char *said, row[PAPER_TEXT];
        Paper paper;

        CHECK(program(&said, "reproduce %s --rows", reproduce_name(table)) ==
              0);
        REQUIRE(paper_read(&paper, table) == OK);
        for (int i = 0; i < paper.n; i++) {
            bool wanted[PAPER_ROWS_MAX];

            check_holds(said, reproduce_row(&paper.at[i], row));
            CHECK_MSG(reproduce_rows(wanted, &paper, row) == OK, "%s: %s", row,
                      err_message());
            CHECK_MSG(wanted[i], "%s", row);
        }
        free(said);
    }
}

/* ---- what would be passed over -------------------------------------------- */

TEST(help, no_setting_is_passed_over)
{
    const char *db = temp_path("modules.db");
    char *said;

    REQUIRE(make_database(db, 1) == OK);
    CHECK(program(&said, "table e --db=%s", db) == 0);
    free(said);
    CHECK(program(&said, "table e --db=%s --focus=ca", db) == 2);
    check_holds(said, "--focus is for tables of networks");
    free(said);
    CHECK(program(&said, "table e --db=%s --sort throughput", db) == 2);
    check_holds(said, "--sort is for tables of networks");
    free(said);
    CHECK(program(&said, "plot erf --db=%s --experiment=e", db) == 2);
    check_holds(said, "--experiment: figure erf");
    free(said);
}

/* ---- what can be pasted --------------------------------------------------- */

TEST(help, what_to_run_next_can_be_pasted)
{
    char *said;

    CHECK(program(&said, "table --db=none.db") == 2);
    check_holds(said, "'");
    check_holds(said, test_beside("attnbench run'"));
    free(said);
    CHECK(program(&said, "run --module=se --qqqqqqqq") == 2);
    check_holds(said, test_beside("attnbench run --help'"));
    free(said);
    /* Found in PATH it has no path. */
    CHECK(program(&said,
                  "list >/dev/null; PATH=$(dirname %s):$PATH attnbench table "
                  "--db=none.db",
                  test_beside("attnbench")) == 2);
    check_holds(said, "'attnbench run' creates it");
    free(said);
}
