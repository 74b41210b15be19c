/*
 * test_visible.c - text of files on its way to a terminal, LaTeX and a page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/table.h"
#include "kernels/core/visible.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/test.h"
#include "tests/texts.h"

static const struct {
    const char *text, *shown;
} bytes[] = {
    { "resnet50, 64x56x56 \\ ~", "resnet50, 64x56x56 \\ ~" },
    { "\x1b]0;owned\x07", "\\x1b]0;owned\\x07" },
    { "a\nb\tc\rd\x7f", "a\\x0ab\\x09c\\x0dd\\x7f" },
    { "Gr\xc3\xb6\xc3\x9f"
      "e \xe2\x82\xac \xf0\x9f\x90\xb6",
      "Gr\xc3\xb6\xc3\x9f"
      "e \xe2\x82\xac \xf0\x9f\x90\xb6" },
    { "\xc2\x9b"
      "31m",
      "\\xc2\\x9b"
      "31m" },                                     /* C1: a CSI of one byte */
    { "\xc2\xa0", "\xc2\xa0" },                    /* the first after C1    */
    { "\x9b", "\\x9b" },                           /* a byte of no UTF-8    */
    { "\xc0\x9b", "\\xc0\\x9b" },                  /* overlong ESC          */
    { "\xed\xa0\x80", "\\xed\\xa0\\x80" },         /* a surrogate           */
    { "\xe2\x82", "\\xe2\\x82" },                  /* cut off               */
    { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" } /* past U+10FFFF      */
};
enum { NBYTES = sizeof(bytes) / sizeof(bytes[0]) };

TEST(visible, shows_what_a_terminal_would_obey)
{
    for (int i = 0; i < NBYTES; i++) {
        char out[128], *written = NULL;
        size_t size;
        FILE *f = open_memstream(&written, &size);

        visible(out, sizeof(out), bytes[i].text);
        CHECK_MSG(!strcmp(out, bytes[i].shown), "%d: %s, not %s", i, out,
                  bytes[i].shown);
        CHECK(is_visible(bytes[i].text) ==
              !strcmp(bytes[i].text, bytes[i].shown));
        CHECK(is_visible(out));
        visible_write(f, bytes[i].text);
        fclose(f);
        check_text(written, bytes[i].shown);
    }
}

TEST(visible, cuts_at_whole_characters)
{
    char out[6];

    CHECK(!strcmp(visible(out, sizeof(out), "abcd\xe2\x82\xac"), "abcd"));
    CHECK(
        !strcmp(visible(out, sizeof(out), "ab\xe2\x82\xac"), "ab\xe2\x82\xac"));
    CHECK(!strcmp(visible(out, sizeof(out), "ab\x1b"), "ab"));
    CHECK(!strcmp(visible(out, sizeof(out), "a\x1b"), "a\\x1b"));
}

TEST(visible, every_error_is)
{
    fail(ERR_INPUT, "%s: no such thing", "a\x1b[2Jb\nc");
    check_holds(err_message(), "a\\x1b[2Jb\\x0ac: no such thing");
    fail_within(ERR_INPUT, "%s", "\x1b]0;x\x07");
    check_holds(err_message(), "\\x1b]0;x\\x07: a\\x1b[2Jb\\x0ac: no such");
}

TEST(visible, tables_show_no_control_character_in_any_format)
{
    static const TableColumn columns[] = {
        { .key = "name", .name = "name", .unit = "", .group = "", .left = 1 },
        { .key = "n", .name = "n", .unit = "", .group = "" },
    };

    for (int i = 0; table_format_name(i); i++) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int lines = 0;
        Table t;

        table_init(&t, columns, 2);
        table_set(&t, table_row(&t), "name", "%s", "se\x1b[31m\n\\input{x}");
        table_set(&t, 0, "n", "%d", 1);
        table_print(&t, (TableFormat)i, f);
        table_line((TableFormat)i, f, "why: %s", "\n\\immediate\\write18{x}");
        fclose(f);
        for (const char *p = text; *p; p++) {
            CHECK((unsigned char)*p >= 0x20 || *p == '\n');
            lines += *p == '\n' && (p[1] == '\\' && (p[2] == 'i'));
        }
        CHECK_MSG(lines == 0, "a newline broke out: %s", text);
        check_holds(text, "x1b[31m");
        table_free(&t);
        free(text);
    }
}

/* ---- the program ---------------------------------------------------------- */

/* Newlines are the program's own, and all that it writes of their kind. */
static void check_clean(const char *what, const char *said)
{
    for (const char *p = said; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7F) {
            test_failed(__FILE__, __LINE__, "%s: byte 0x%02x after '%.*s'",
                        what, (unsigned char)*p,
                        (int)(p - said > 60 ? 60 : p - said),
                        p - said > 60 ? p - 60 : said);
            return;
        }
}

#define ESCAPE \
    "CAST(x'1b5d303b78071b5b33316d' AS TEXT)" /* ESC ] 0 ; x BEL ESC [ 3 1 m */

/* Every text of a database that is shown, and names no setting. */
static const char fouled[] =
    "DROP TRIGGER IF EXISTS sweep_final;"
    "UPDATE machine SET cpu = cpu || " ESCAPE ", os = os || " ESCAPE ";"
    "UPDATE build SET compiler = compiler || " ESCAPE ";"
    "UPDATE sweep SET question = question || " ESCAPE
    ", experiment = experiment || " ESCAPE ";"
    "UPDATE start SET argv = argv || " ESCAPE ";"
    "CREATE TEMP TABLE one AS SELECT * FROM run LIMIT 1;"
    "UPDATE one SET id = NULL, batch = 64, status = 'failed', message = " ESCAPE
    ", repeat = repeat || " ESCAPE ";"
    "INSERT INTO run SELECT * FROM one;";

TEST(visible, no_command_shows_a_database_s_control_characters)
{
    static const char *const commands[] = { "table --format=text",
                                            "table --format=markdown",
                                            "table --format=latex",
                                            "table --format=csv",
                                            "table none",
                                            "plot --out=%s",
                                            "export",
                                            "export --format=json" };
    const char *db = temp_path("fouled.db");

    REQUIRE(make_database(db, 2) == OK);
    CHECK_MSG(alter(db, fouled), "%s", ask(db, fouled));
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        char line[512], *said;

        snprintf(line, sizeof(line), commands[i], test_tmpdir());
        program_on_terminal(&said, 80, "%s --db=%s", line, db);
        check_clean(line, said);
        free(said);
    }
}

TEST(visible, no_file_s_name_or_text_reaches_the_terminal_raw)
{
    static const char *const commands[] = {
        "verify ",
        "run ",
        "import ",
        "run --module=se --weights=",
        "table --db=",
        "cam --backbone=resnet18 --image=",
        "'li\x1bst'",
        "run '--mod\x1bule=se' ",
        "run '--module=s\x1b' ",
        "list 'mod\x1b[31mules'",
        "plot --db=none.db '\x07'",
    };

    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
            const char *path =
                temp_path(k ? "a\x1b[31mb\n.csv" : "\x07\x1b.csv");
            char *said;

            if (k)
                write_text(path, "{ \"experiment\": \"\x1b\" }");
            CHECK(program(&said, "%s'%s'", commands[i], path) != 0);
            check_clean(commands[i], said);
            free(said);
        }
}

TEST(visible, import_refuses_names_that_a_terminal_would_obey)
{
    const char *path = temp_path("evil.json"), *db = temp_path("evil.db");
    char *said;

    write_text(path, "{\"source\": \"a\\u001b[31m\", \"experiment\": \"e\","
                     " \"runs\": [{\"module\": \"se\", \"ns\": [1]}]}");
    CHECK(program(&said, "import --db=%s %s", db, path) == 2);
    check_holds(said, "source: 'a\\x1b[31m' has a control character in it");
    free(said);
    /* Prose may have them, and is shown without. */
    write_text(path, "{\"source\": \"a\", \"experiment\": \"e\", \"question\":"
                     " \"why\\u001b?\", \"runs\": [{\"module\": \"se\","
                     " \"status\": \"failed\", \"message\": \"a\\nb\"}]}");
    CHECK(program(&said, "import --db=%s %s", db, path) == 0);
    free(said);
    program(&said, "table --db=%s", db);
    check_clean("table", said);
    check_holds(said, "a\\x0ab");
    free(said);
}
