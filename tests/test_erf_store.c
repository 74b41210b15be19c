/*
 * test_erf_store.c - attnbench erf, and what it leaves in the database.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/attribution/erf_images.h"
#include "harness/cli/cmd.h"
#include "results/erf.h"
#include "tests/databases.h"
#include "tests/pictures.h"
#include "tests/stored.h"
#include "tests/test.h"

/* A row with a map of 2x3 and two numbers a part. */
static ErfRow a_row(float map[6])
{
    ErfRow row = {
        .c = stored_case("backbone=resnet50 module=scsa graph=folded"),
        .o = an_outcome("attnbench erf"),
        .tap = "stage4",
        .layer = "layer4.2.act3",
        .protocol = "attnbench",
        .described = "in full",
        .draws = 50,
        .observations = 10,
        .seed = 7,
        .y = 0.5,
        .x = 1,
        .field_height = NAN,
        .field_width = NAN,
        .past_height = 427,
        .past_width = 427,
        .peak = 0.25,
        .parts = 2,
    };

    row.c.height = 2;
    row.c.width = 3;
    for (int i = 0; i < 6; i++)
        map[i] = (float)i / 3;
    snprintf(row.part[0].part, 16, "whole");
    snprintf(row.part[1].part, 16, "gates");
    for (int p = 0; p < 2; p++) {
        row.part[p].map = map;
        row.part[p].numbers = 2;
        row.part[p].number[0] = (ErfRowNumber){ "area_50", 0.5, 0.4, 0.7 };
        row.part[p].number[1] = (ErfRowNumber){ "radius", 10 + p, NAN, NAN };
    }
    return row;
}

TEST(erf_store, gives_back_what_was_kept)
{
    const char *db = temp_path("a.db");
    float map[6];
    ErfRow row = a_row(map);
    const ErfRowPart *gates;
    ErfRows rows;
    Store *s;

    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    REQUIRE(store_erf_alone(s, &row) == OK);
    REQUIRE(store_erf_read(&rows, s, true) == OK);
    store_close(s);
    REQUIRE(rows.n == 1);
    CHECK(!strcmp(rows.at[0].layer, "layer4.2.act3"));
    CHECK(rows.at[0].draws == 50 && rows.at[0].seed == 7);
    CHECK(isnan(rows.at[0].field_height) && rows.at[0].past_width == 427);
    CHECK(!strcmp(rows.at[0].cpu, a_machine.cpu));
    CHECK(strlen(rows.at[0].o.stored_at) == 24);
    CHECK(rows.at[0].parts == 2 && !erf_row_part(rows.at, "past_gates"));
    gates = erf_row_part(rows.at, "gates");
    REQUIRE(gates != NULL);
    CHECK(!memcmp(gates->map, map, sizeof(map)));
    CHECK(erf_row_number(gates, "area_50").hi == 0.7);
    CHECK(erf_row_number(gates, "radius").value == 11);
    CHECK(isnan(erf_row_number(gates, "radius").lo));
    CHECK(isnan(erf_row_number(gates, "nothing").value));
    erf_rows_free(&rows);
    CHECK_ASK(db, "SELECT length(map) FROM erf_map", "24");
    CHECK(!alter(db, "UPDATE erf SET draws = 51"));
}

TEST(erf_store, of_the_same_command_the_latest_counts)
{
    const char *db = temp_path("a.db");
    float map[6];
    ErfRow row = a_row(map);
    ErfRows rows;
    Store *s;

    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    REQUIRE(store_erf_read(&rows, s, true) == OK && rows.n == 0);
    REQUIRE(store_erf_alone(s, &row) == OK);
    row.peak = 0.5;
    REQUIRE(store_erf_alone(s, &row) == OK);
    snprintf(row.tap, sizeof(row.tap), "stage3");
    REQUIRE(store_erf_alone(s, &row) == OK);
    row.observations = 0; /* which is nonsense */
    CHECK(store_erf_alone(s, &row) == ERR_INPUT);
    REQUIRE(store_erf_read(&rows, s, false) == OK);
    store_close(s);
    CHECK(rows.n == 2 && rows.at[0].peak == 0.5 && !rows.at[0].part[0].map);
    CHECK(rows.at[0].part[0].numbers == 2);
    erf_rows_free(&rows);
    CHECK_ASK(db, "SELECT count(*) FROM erf_map", "6");
}

TEST(erf_store, a_map_of_another_size_is_refused)
{
    const char *db = temp_path("a.db");
    float map[6];
    ErfRow row = a_row(map);
    ErfRows rows;
    Store *s;

    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    REQUIRE(store_erf_alone(s, &row) == OK);
    store_close(s);
    REQUIRE(alter(db, "UPDATE erf_map SET map = x'0000'"));
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    CHECK(store_erf_read(&rows, s, true) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "not of 2x3 numbers"), "%s", err_message());
    CHECK(!rows.at);
    store_close(s);
}

TEST(erf_store, a_field_without_maps_is_refused)
{
    const char *db = temp_path("a.db");
    float map[6];
    ErfRow row = a_row(map);
    ErfRows rows;
    Store *s;

    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    REQUIRE(store_erf_alone(s, &row) == OK);
    store_close(s);
    REQUIRE(alter(db, "DELETE FROM erf_map"));
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    CHECK(store_erf_read(&rows, s, true) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "has no map"), "%s", err_message());
    store_close(s);
}

TEST(erf_store, a_place_outside_of_the_map_is_refused)
{
    static const char *const places[] = { "y = 9e999", "y = 2", "x = -1",
                                          "x = 3", "height = 0" };
    float map[6];
    ErfRow row = a_row(map);
    ErfRows rows;
    Store *s;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const char *db = temp_path("place.db");
        char sql[160];

        remove(db);
        REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
        REQUIRE(store_erf_alone(s, &row) == OK);
        store_close(s);
        snprintf(sql, sizeof(sql),
                 "DROP TRIGGER erf_final; DROP TRIGGER run_final; "
                 "PRAGMA ignore_check_constraints = 1; UPDATE %s SET %s",
                 *places[i] == 'h' ? "run" : "erf", places[i]);
        REQUIRE(alter(db, sql));
        REQUIRE(store_open(&s, db, STORE_READ) == OK);
        CHECK_MSG(store_erf_read(&rows, s, false) == ERR_INPUT, "%s",
                  places[i]);
        CHECK_MSG(strstr(err_message(), "outside its map"), "%s",
                  err_message());
        store_close(s);
    }
}

/* ---- the command ----------------------------------------------------------- */

static char db_flag[600], out_flag[600];

/* attnbench erf on the definitions, into the test's own folder. */
static int run_erf(int argc, char **argv)
{
    const int quiet = open("/dev/null", O_WRONLY), loud = dup(STDOUT_FILENO),
              errors = dup(STDERR_FILENO);
    char *args[16];
    int n = 0, err;

    for (; n < argc; n++)
        args[n] = argv[n];
    snprintf(db_flag, sizeof(db_flag), "--db=%s", temp_path("erf.db"));
    snprintf(out_flag, sizeof(out_flag), "--out=%s", temp_path("maps"));
    args[n++] = db_flag;
    args[n++] = out_flag;
    args[n++] = "--format=csv";
    fflush(stdout);
    BUG_IF(dup2(quiet, STDOUT_FILENO) < 0 || dup2(quiet, STDERR_FILENO) < 0);
    err = cmd_erf(n, args);
    fflush(stdout);
    dup2(loud, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    close(quiet);
    close(loud);
    close(errors);
    return err;
}
#define ERF(...)                                                \
    run_erf(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *), \
            (char *[]){ __VA_ARGS__ })

TEST(erf_store, the_command_keeps_maps_and_numbers)
{
    const char *db = temp_path("erf.db"), *of = "maps/none_ca_output_9x9_%s";
    ErfRows rows;
    char path[64];
    size_t n;
    Store *s;

    REQUIRE(ERF("--module=ca,se", "--channels=32", "--height=9", "--width=9",
                "--draws=4", "--sets=2", "--backend=ref") == OK);
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    REQUIRE(store_erf_read(&rows, s, true) == OK);
    store_close(s);
    REQUIRE(rows.n == 2 && rows.at[1].parts == 3);
    CHECK(!strcmp(rows.at[1].c.module.text, "se") &&
          rows.at[1].observations == 2);
    CHECK_MSG(!strcmp(rows.at[0].o.repeat,
                      "attnbench erf --module=ca --graph=folded --backend=ref "
                      "--channels=32 --height=9 --width=9 --draws=4 --sets=2"),
              "%s", rows.at[0].o.repeat);
    CHECK(rows.at[0].part[0].numbers == 15);
    CHECK(rows.at[0].part[0].map[0] == 0 && rows.at[1].part[0].map[0] > 0);
    for (int p = 0; p < 3; p++) {
        char *bytes;

        snprintf(path, sizeof(path), of, rows.at[0].part[p].part);
        strcat(path, ".npy");
        bytes = read_bytes(temp_path(path), &n);
        REQUIRE(bytes && n == 128 + 81 * 4);
        CHECK(!memcmp(bytes + 128, rows.at[0].part[p].map, 81 * 4));
        free(bytes);
    }
    erf_rows_free(&rows);
}

static int slope(int x, int y, int c)
{
    return (7 * x + 3 * y + 50 * c) % 256;
}

static int other_slope(int x, int y, int c)
{
    return slope(y, x, c);
}

/* The same command, one picture changed: the first row still counts, and what
 * is under another name is the same. */
static void other_picture_is_another_case(char *flag)
{
    Image image = picture_make(52, 40, other_slope);
    ErfRows rows;
    Store *s;

    for (int i = 0; i < 2; i++) { /* all three without being told */
        REQUIRE(image_write_png(&image, picture_path("photos/c.png")) == OK);
        CHECK(ERF("--backbone=resnet18", "--height=32", "--width=32",
                  "--sets=1", "--tap=stage1", flag) == OK);
    }
    image_free(&image);
    REQUIRE(store_open(&s, temp_path("erf.db"), STORE_READ) == OK);
    REQUIRE(store_erf_read(&rows, s, false) == OK);
    store_close(s);
    CHECK(rows.n == 2 && !strcmp(rows.at[0].o.repeat, rows.at[1].o.repeat));
    CHECK(strcmp(rows.at[0].images_hash, rows.at[1].images_hash) != 0);
    CHECK(strlen(rows.at[1].images_hash) == 16 &&
          !rows.at[1].o.weights_hash[0]);
    CHECK(strstr(rows.at[1].described, rows.at[1].images_hash));
    erf_rows_free(&rows);
    CHECK_ASK(temp_path("erf.db"), "SELECT count(*) FROM erf", "3");
}

/* The repeat line and the protocol say which images they were. */
TEST(erf_store, the_command_takes_images)
{
    char flag[600];
    ErfRows rows;
    Store *s;

    snprintf(flag, sizeof(flag), "--images=%s/photos", test_tmpdir());
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = { "photos/b.png", "photos/a.png",
                                             "photos/c.png" };
        Image image = picture_make(50 + i, 40, slope);

        REQUIRE(image_write_png(&image, picture_path(names[i])) == OK);
        image_free(&image);
    }
    CHECK(ERF("--backbone=resnet18", "--height=32", "--width=32", "--draws=3",
              "--sets=1", "--tap=stage1", flag) == OK);
    REQUIRE(store_open(&s, temp_path("erf.db"), STORE_READ) == OK);
    REQUIRE(store_erf_read(&rows, s, true) == OK);
    store_close(s);
    REQUIRE(rows.n == 1);
    CHECK_MSG(strstr(rows.at[0].o.repeat, flag), "%s", rows.at[0].o.repeat);
    CHECK_MSG(strstr(rows.at[0].described, "photos (3 of 3, evenly, FNV-1a "),
              "%s", rows.at[0].described);
    erf_rows_free(&rows);
    other_picture_is_another_case(flag);
    CHECK(ERF("--backbone=resnet18", "--draws=4", flag) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "has 3 images, too few for 4 draws"), "%s",
              err_message());
    CHECK(ERF("--module=ca", "--draws=3", flag) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "the input has 64"), "%s", err_message());
}

/* Evenly over the sorted folder: of five images, the first and the third. */
TEST(erf_store, draws_are_images_of_all_the_folder)
{
    Case c = stored_case("backbone=resnet18 height=32 width=32");
    static float chw[3 * 32 * 32];
    ErfImages images;
    ErfInput input;

    for (int i = 0; i < 5; i++) {
        char name[32];
        Image image = picture_make(40, 40, slope);

        memset(image.rgb, 51 * i, 3 * 40 * 40);
        snprintf(name, sizeof(name), "greys/%d.png", i);
        REQUIRE(image_write_png(&image, picture_path(name)) == OK);
        image_free(&image);
    }
    REQUIRE(erf_images_open(&images, picture_path("greys"), 2) == OK);
    input = erf_images_input(&images);
    for (int draw = 0; draw < 2; draw++) {
        const double grey = draw ? 0.4 : 0;

        REQUIRE(input.fill(input.arg, draw, chw, &c) == OK);
        CHECK(fabs(chw[77] - (grey - 0.485) / 0.229) < 1e-6);
        CHECK(fabs(chw[2 * 1024 + 5] - (grey - 0.406) / 0.225) < 1e-6);
    }
    erf_images_close(&images);
    picture_write(picture_path("greys/2.png"), "nothing", 7);
    CHECK(erf_images_open(&images, picture_path("greys"), 2) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "greys/2.png: neither JPEG nor PNG"), "%s",
              err_message());
}

/* Behind a module is nothing in the plain network; the other one continues. */
TEST(erf_store, the_command_goes_on_where_one_network_lacks_a_tap)
{
    CHECK(ERF("--backbone=resnet18", "--module=none,se", "--height=32",
              "--width=32", "--draws=2", "--sets=2",
              "--tap=layer1.0.attn") == OK);
    CHECK_ASK(temp_path("erf.db"), "SELECT group_concat(module) FROM run",
              "se");
    CHECK(ERF("--backbone=resnet18", "--module=none,se", "--tap=layer9") ==
          CMD_BAD);
}

/* One would take the place of the other. */
TEST(erf_store, the_command_refuses_two_maps_of_one_name)
{
    const char *folder[2] = { "one", "two" };
    char flag[1200], path[2][512];

    for (int i = 0; i < 2; i++) {
        char name[64];

        mkdir(picture_path(folder[i]), 0777);
        snprintf(name, sizeof(name), "%s/r.1.safetensors", folder[i]);
        snprintf(path[i], sizeof(path[i]), "%s", picture_path(name));
        picture_write(path[i], "", 0);
    }
    snprintf(flag, sizeof(flag), "--weights=%s,%s", path[0], path[1]);
    CHECK(ERF("--backbone=resnet18", flag) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "would give maps of the same name"), "%s",
              err_message());
}

TEST(erf_store, the_command_refuses_what_it_cannot_do)
{
    CHECK(ERF("--images=photos", "--module=ca") == ERR_IO);
    CHECK_MSG(strstr(err_message(), "photos: No such file"), "%s",
              err_message());
    CHECK(ERF("--images=Makefile", "--module=ca") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "Makefile is a file, not a folder"), "%s",
              err_message());
    CHECK(ERF("--module=ca", "--tap=output,output") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "'output' twice"), "%s", err_message());
    CHECK(ERF("--module=ca", "--tap=nowhere") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "unknown tap 'nowhere'"), "%s",
              err_message());
    CHECK(ERF("--module=ca", "--dtype=bf16") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "its own gradients, in f32"), "%s",
              err_message());
    CHECK(ERF("--backbone=resnet18", "--protocol=scsa") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "choose one for resnet18 with --tap="),
              "%s", err_message());
    CHECK(ERF("--draws=3") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "no network given"), "%s", err_message());
}

/* As an interruption leaves it: a sweep without an end, and one case less. */
TEST(erf_store, the_command_resumes_where_it_was_interrupted)
{
    REQUIRE(ERF("--backbone=resnet18", "--module=none,se", "--height=32",
                "--width=32", "--draws=1", "--tap=stage4") == OK);
    REQUIRE(alter(temp_path("erf.db"),
                  "DROP TRIGGER sweep_final; UPDATE sweep SET ended_at = "
                  "NULL; PRAGMA foreign_keys = ON; DELETE FROM run WHERE "
                  "module = 'se'"));
    REQUIRE(ERF("--backbone=resnet18", "--module=none,se", "--height=32",
                "--width=32", "--draws=1", "--tap=stage4") == OK);
    CHECK_ASK(temp_path("erf.db"),
              "SELECT group_concat(module || start) FROM run", "none0,se1");
    CHECK_ASK(temp_path("erf.db"), "SELECT count(*) FROM erf", "2");
    CHECK_ASK(temp_path("erf.db"),
              "SELECT count(*) FROM sweep WHERE ended_at IS NOT NULL", "1");
}

/* One grey image of that value in a folder, in place of any before. */
static void write_grey(const char *name, int value)
{
    Image image = picture_make(40, 40, slope);

    memset(image.rgb, value, 3 * 40 * 40);
    CHECK(image_write_png(&image, picture_path(name)) == OK);
    image_free(&image);
}

/* Maps of two sets of images would be mixed in one sweep. */
TEST(erf_store, an_unfinished_sweep_of_other_images_is_not_resumed)
{
    const char *const unfinished = "DROP TRIGGER IF EXISTS sweep_final; "
                                   "UPDATE sweep SET ended_at = NULL";
    static const int grey[] = { 50, 200, 200 };
    char flag[600], *db = strdup(temp_path("erf.db"));

    snprintf(flag, sizeof(flag), "--images=%s", picture_path("one"));
    for (int i = 0; i < 3; i++) {
        write_grey("one/a.png", grey[i]);
        REQUIRE(ERF("--backbone=resnet18", "--height=32", "--width=32",
                    "--tap=stage1", flag) == OK);
        REQUIRE(alter(db, unfinished));
        CHECK_ASK(db, "SELECT count(*) FROM sweep", i ? "2" : "1");
        CHECK_ASK(db, "SELECT count(*) FROM run", i ? "2" : "1");
    }
    CHECK_ASK(db, "SELECT count(DISTINCT images_hash) FROM erf", "2");
    CHECK_ASK(db, "SELECT count(DISTINCT repeat) FROM run", "1");
    free(db);
}
