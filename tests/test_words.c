/*
 * test_words.c - what the program says: on screens of any width, of files that
 * are not what they should be, and by its exit status.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness/files/image.h"
#include "harness/files/json.h"
#include "harness/files/safetensors.h"
#include "harness/files/wrap.h"
#include "harness/measure/progress.h"
#include "harness/network/case.h"
#include "harness/report/foreign.h"
#include "harness/report/table.h"
#include "results/outfile.h"
#include "results/store.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* ---- screens -------------------------------------------------------------- */

enum { NARROW = 60 };

static void check_fits(const char *what, char *said, int columns)
{
    for (char *rest, *line = strtok_r(said, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        int width = 0;

        for (const char *p = line; *p; p++)
            width += ((unsigned char)*p & 0xC0) != 0x80;
        CHECK_MSG(width <= columns, "%s: %d columns: %s", what, width, line);
    }
}

TEST(words, help_fits_a_narrow_screen)
{
    static const char *const commands[] = { "--help",     "run --help",
                                            "cam --help", "reproduce --help",
                                            "erf --help", "import --help" };

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        char *said;

        CHECK(program_on_terminal(&said, NARROW, "%s", commands[i]) == 0);
        CHECK(strlen(said) > 400);
        check_fits(commands[i], said, NARROW);
        free(said);
    }
}

/* Nothing is dropped: every column is there, in blocks below each other. */
TEST(words, tables_are_broken_into_blocks_on_a_narrow_screen)
{
    const char *db = temp_path("wide.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    static const char *const columns[] = { "params", "images/s", "to plain",
                                           "top-1" };
    Case c;
    char *wide, *narrow;

    c = stored_case("backbone=resnet50 batch=4");
    stored_add(&s, &c, 1e8, "ok");
    c = stored_case("backbone=resnet50 module=scsa batch=4");
    stored_add(&s, &c, 1.1e8, "ok");
    stored_end(&s);
    CHECK(program(&wide, "table bench --db=%s", db) == 0);
    CHECK(program_on_terminal(&narrow, NARROW, "table bench --db=%s", db) == 0);
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        check_holds(wide, columns[i]);
        check_holds(narrow, columns[i]);
    }
    check_fits("table", narrow, NARROW);
    free(narrow);
    /* COLUMNS is obeyed where there is no terminal, too. */
    CHECK(program(&narrow, "list >/dev/null; COLUMNS=%d %s table bench --db=%s",
                  NARROW, test_beside("attnbench"), db) == 0);
    check_fits("table", narrow, NARROW);
    free(narrow);
    free(wide);
}

TEST(words, why_fits_a_narrow_screen)
{
    char *said;

    CHECK(program_on_terminal(&said, NARROW,
                              "why --module=se --channels=16 --height=8 "
                              "--width=8 --seconds=0 --threads=1 --db=%s",
                              temp_path("why.db")) == 0);
    check_holds(said, "se composed 1x16x8x8:");
    check_fits("why", said, NARROW);
    free(said);
}

TEST(words, what_commands_print_fits_a_narrow_screen)
{
    static const struct {
        const char *arguments, *holds[4];
    } of[] = {
        { "profile --module=scsa --channels=16 --height=8 --width=8 "
          "--seconds=0 --threads=1 --db=%s/narrow.db",
          { "sum of the steps", "where", "GFLOP/s", "GB/s" } },
        { "count --module=scsa --channels=16 --height=8 --width=8 --by=op # %s",
          { "nodes", "transcendentals", "kB", "learned numbers" } },
        { "count --backbone=swin_t --module=se --by=module # %s",
          { "layers.", "paper_flops", "bytes", "total" } },
        { "count --module=se # %s", { "params", "macs", "bytes", "MB" } },
        { "list ops # %s",
          { "tolerance", "panels, tiles, winograd", "one_channel", "scsa" } },
        { "cam --backbone=resnet18 --height=32 --width=32 --tap=stage2 "
          "--out=%s/cam",
          { "prob.", "peak", "resnet18", "cam.csv" } },
    };

    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
        char line[512], *wide, *narrow;

        snprintf(line, sizeof(line), of[i].arguments, test_tmpdir());
        CHECK(program(&wide, "%s", line) == 0);
        CHECK(program_on_terminal(&narrow, NARROW, "%s", line) == 0);
        for (int k = 0; k < 4; k++) {
            check_holds(wide, of[i].holds[k]);
            check_holds(narrow, of[i].holds[k]);
        }
        check_fits(of[i].arguments, narrow, NARROW);
        free(narrow);
        free(wide);
    }
}

/* Every word is written, none is cut. */
TEST(words, commands_that_do_not_fit_are_continued)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    wrap_command(f, 40, "  attnbench run --backbone=resnet50 --module=scsa");
    fclose(f);
    check_text(text, "  attnbench run --backbone=resnet50 \\\n"
                     "      --module=scsa\n");
}

/* ---- command lines -------------------------------------------------------- */

#define SMALL                                                           \
    "run --module=se --channels=16 --height=4 --width=4 --backend=ref " \
    "--min_samples=6 --max_samples=6 "

/* A path of 4000 characters that leads to the folder of the test. */
TEST(words, a_long_command_line_is_stored_whole)
{
    char *said;

    CHECK(program(&said,
                  SMALL "--db=%s$(printf '/.%%.0s' $(seq 1900))/l.db "
                        "--block=17",
                  temp_path("")) == 0);
    free(said);
    CHECK(program(&said, "export --format=json --db=%s", temp_path("l.db")) ==
          0);
    check_holds(said, "/././l.db --block=17\"");
    free(said);
}

TEST(words, a_command_line_that_cannot_be_stored_is_refused)
{
    char *said;

    CHECK(program(&said, SMALL "--db=%s$(printf '/.%%.0s' $(seq 9000))/m.db",
                  temp_path("")) == 2);
    check_holds(said, "attnbench run: the command line has 18");
    check_holds(said, "a sweep stores 16383: write its cases into a JSON file");
    free(said);
}

/* ---- progress ------------------------------------------------------------- */

/* 64 is the default, and stands between 32 and 128 all the same. */
TEST(words, lines_of_progress_say_what_varies)
{
    char *said;

    CHECK(program(&said,
                  "run --module=eca --backend=ref --channels=32,64,128 "
                  "--height=4 --width=4 --min_samples=6 --max_samples=6 "
                  "--db=%s",
                  temp_path("varies.db")) == 0);
    check_holds(said, "--channels=32");
    check_holds(said, "--height=4 --width=4 --channels=64  ");
    check_holds(said, "--channels=128");
    CHECK_MSG(!strstr(said, "--batch=1"), "%s", said);
    free(said);
}

/* ---- files that are not JSON ---------------------------------------------- */

TEST(words, what_is_wrong_with_json_is_named)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "{\"module\":\"se\",\"batch\":8,}", ":1:25: a comma before '}'" },
        { "{\n  \"height\": 14,\n}\n", ":2:15: a comma before '}'" },
        { "{\"cases\":[{\"module\":\"se\",},{\"module\":\"ca\"}]}",
          ":1:25: a comma before '}'" },
        { "{\"a\": [1, 2, ]}", ":1:12: a comma before ']'" },
        { "{\"a\": \",}\", \"b\": 1", "unexpected end of file" },
        { "{\"a\": \"x\\\",}\", \"b\": }", "did not expect '}'" },
        { "", ":1:1: unexpected end of file" },
        { "[1", "unexpected end of file" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        Json j;

        CHECK(json_parse(&j, "f", bad[i].text) == ERR_INPUT);
        CHECK_MSG(strstr(err_message(), bad[i].says), "%s: %s", bad[i].text,
                  err_message());
    }
}

TEST(words, a_database_in_place_of_json_is_named)
{
    const char *db = temp_path("a.db"), *to = temp_path("to.db");
    char *said;

    REQUIRE(make_database(db, 1) == OK);
    CHECK(program(&said, "import --db=%s %s", to, db) != 0);
    check_holds(said, "a.db is a database");
    free(said);
    CHECK(program(&said, "run %s --db=%s", db, to) == 2);
    check_holds(said, "a.db: an SQLite database, not JSON; '");
    check_holds(said, "attnbench export --format=json --db=...'");
    free(said);
}

/* The command that is suggested can be pasted, whatever the path. */
TEST(words, a_database_with_a_space_in_its_name_is_merged_by_the_command)
{
    const char *to = temp_path("to.db");
    char want[512], *said;

    REQUIRE(make_database(temp_path("a b.db"), 1) == OK);
    CHECK(program(&said, "import --db=%s '%s'", to, temp_path("a b.db")) == 2);
    snprintf(want, sizeof(want), "attnbench merge '%s'", temp_path("a b.db"));
    check_holds(said, want);
    free(said);
}

TEST(words, a_picture_in_place_of_runs_is_named)
{
    const char *png = temp_path("runs.csv"), *jpeg = temp_path("runs.json");

    write_text(png, "\x89PNG\r\n\x1A\n");
    CHECK(foreign_file(png) == ERR_INPUT);
    check_holds(err_message(), "runs.csv is a PNG picture; ");
    write_text(jpeg, "\xFF\xD8\xFF\xE0");
    CHECK(foreign_file(jpeg) == ERR_INPUT);
    check_holds(err_message(), "runs.json is a JPEG picture; ");
}

/* ---- files that cannot be opened ------------------------------------------ */

static int open_weights(const char *path)
{
    Safetensors *st;

    return st_open(&st, path);
}

static int open_image(const char *path)
{
    Image image;

    return image_read(&image, path);
}

static int open_images(const char *path)
{
    ImageList list;

    (void)path;
    return image_list(&list, test_tmpdir());
}

static int open_json(const char *path)
{
    Json j;

    return json_read(&j, path);
}

static int open_to_read(const char *path)
{
    Store *s;

    return store_open(&s, path, STORE_READ);
}

static int open_to_write(const char *path)
{
    Store *s;

    return store_open(&s, path, STORE_WRITE);
}

static int write_out(const char *path)
{
    return outfile_write(path, "a", 1);
}

/* Nothing is said of folders, or of what the file is, where there are no
 * descriptors left. */
TEST(words, too_many_open_files_are_named_as_such)
{
    static const struct {
        const char *name;
        int (*open)(const char *path);
        rlim_t spare; /* descriptors that there are: SQLite wants three */
    } of[] = {
        { "a.safetensors", open_weights },
        { "a.png", open_image },
        { "", open_images },
        { "a.json", open_json },
        { "a.json", foreign_file }, /* as import begins */
        { "full.db", foreign_file },
        { "full.db", open_to_read },
        { "changed.db", open_to_read },
        { "changed.db", open_to_read, 1 },
        { "changed.db", open_to_read, 2 },
        { "full.db", open_to_write },
        { "full.db", open_to_write, 1 },
        { "full.db", open_to_write, 2 },
        { "new.db", open_to_write },
        { "new.csv", write_out },
        { "a.json", write_out },
    };
    struct rlimit was, few;
    int next;

    write_text(temp_path("a.safetensors"), "x");
    write_text(temp_path("a.png"), "x");
    write_text(temp_path("a.json"), "{}");
    REQUIRE(make_database(temp_path("full.db"), 1) == OK);
    REQUIRE(make_database(temp_path("changed.db"), 1) == OK);
    write_text(temp_path("changed.db-wal"), "x"); /* as a kill leaves it */
    REQUIRE(getrlimit(RLIMIT_NOFILE, &was) == 0);
    next = dup(0);
    close(next);
    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
        few = (struct rlimit){ (rlim_t)next + of[i].spare, was.rlim_max };
        REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
        CHECK_MSG(of[i].open(temp_path(of[i].name)) == ERR_IO, "%zu: %s", i,
                  of[i].name);
        CHECK_MSG(strstr(err_message(), "Too many open files"), "%zu: %s", i,
                  err_message());
    }
    setrlimit(RLIMIT_NOFILE, &was);
}

/* ---- exit status ---------------------------------------------------------- */

/* 0 needs something that was measured, compared, or written. */
TEST(words, the_exit_status_is_not_0_if_nothing_was_done)
{
    static const struct {
        const char *arguments;
        int status;
    } of[] = {
        { "run --module=se --backend=cuda --db=%s", 1 },
        { "run --module=eca,se --backend=cuda --db=%s", 1 },
        { "profile --module=se --backend=cuda --seconds=0 --db=%s", 1 },
        { "why --module=se --impl=composed --backend=cuda --db=%s", 1 },
        { "erf --module=se --backend=cuda --db=%s", 1 },
        { "roofs --backend=cuda --db=%s", 1 },
        { "verify --backend=cuda tests/cases/se_c64_14x14.safetensors", 1 },
        { "table --db=%s.none", 2 },
        { "plot --db=%s.none", 2 },
        { "export --db=%s.none", 2 },
        { "export --experiment=none --db=%s", 2 },
        { "reproduce table2 --stored --db=%s", 2 },
        { "run --module=eca --backend=ref --channels=8 --height=4 --width=4 "
          "--max_samples=6 --min_samples=6 --db=%s",
          0 },
        { "count --module=se", 0 },
    };
    const char *db = temp_path("status.db");

    setenv("ATTNBENCH_CUDA", "/nowhere/attnbench_cuda.so", 1);
    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
        char line[512], *said;
        int status;

        snprintf(line, sizeof(line), of[i].arguments, db);
        status = program(&said, "%s", line);
        CHECK_MSG(status == of[i].status, "%s: %d, not %d\n%s", line, status,
                  of[i].status, said);
        free(said);
    }
}
