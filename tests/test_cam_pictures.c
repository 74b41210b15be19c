/*
 * test_cam_pictures.c - colours and files of class activation maps; attnbench
 * cam as users start it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/csv.h"
#include "harness/attribution/class_names.h"
#include "harness/attribution/overlay.h"
#include "harness/files/npy.h"
#include "harness/files/resize.h"
#include "tests/databases.h"
#include "tests/pictures.h"
#include "tests/program.h"
#include "tests/test.h"

/* ---- colours ------------------------------------------------------------- */

/* From a screen's bytes to OKLab, by the inverse of what overlay.c has. */
static void oklab(double lab[3], const unsigned char rgb[3])
{
    static const double to_waves[3][3] = {
        { 0.4122214708, 0.5363325363, 0.0514459929 },
        { 0.2119034982, 0.6806995451, 0.1073969566 },
        { 0.0883024619, 0.2817188376, 0.6299787005 },
    };
    static const double to_lab[3][3] = {
        { 0.2104542553, 0.7936177850, -0.0040720468 },
        { 1.9779984951, -2.4285922050, 0.4505937099 },
        { 0.0259040371, 0.7827717662, -0.8086757660 },
    };
    double light[3], wave[3];

    for (int i = 0; i < 3; i++) {
        const double v = rgb[i] / 255.0;

        light[i] = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
    }
    for (int i = 0; i < 3; i++)
        wave[i] = cbrt(to_waves[i][0] * light[0] + to_waves[i][1] * light[1] +
                       to_waves[i][2] * light[2]);
    for (int i = 0; i < 3; i++)
        lab[i] = to_lab[i][0] * wave[0] + to_lab[i][1] * wave[1] +
                 to_lab[i][2] * wave[2];
}

/* 16 steps of a helix 0.6 high, by 200 degrees at a radius of 0.095: each as
 * long as it must be within 4 %, because bytes are coarse. */
TEST(cam_pictures, colours_are_evenly_apart_and_lighter_is_more)
{
    enum { STEPS = 16 };
    const double turn = 200 * 3.14159265358979 / 180 / STEPS;
    const double length = hypot(0.6 / STEPS, 2 * 0.095 * sin(turn / 2));
    double before[3] = { 0 };

    for (int i = 0; i <= STEPS; i++) {
        unsigned char rgb[3];
        double lab[3], step;

        colour_at(rgb, (double)i / STEPS);
        oklab(lab, rgb);
        step = sqrt(pow(lab[0] - before[0], 2) + pow(lab[1] - before[1], 2) +
                    pow(lab[2] - before[2], 2));
        if (i > 0)
            CHECK_MSG(fabs(step / length - 1) < 0.04, "step %d: %g for %g", i,
                      step, length);
        if (i > 0)
            CHECK(fabs(lab[0] - before[0] - 0.6 / STEPS) < 0.004);
        memcpy(before, lab, sizeof(lab));
    }
}

TEST(cam_pictures, colours_end_where_the_scale_does)
{
    unsigned char a[3], b[3];

    colour_at(a, 1);
    colour_at(b, 1.5);
    CHECK(memcmp(a, b, 3) == 0);
    colour_at(a, 0);
    colour_at(b, -2);
    CHECK(memcmp(a, b, 3) == 0);
    colour_at(b, NAN);
    CHECK(memcmp(a, b, 3) == 0);
}

static int ramp(int x, int y, int c)
{
    return 10 * x + 3 * y + c;
}

TEST(cam_pictures, overlays_are_half_picture_half_colour)
{
    static const float map[] = { 0, 1, 2, 4 };
    Image view = picture_make(2, 2, ramp), over;
    unsigned char colour[3];

    REQUIRE(image_overlay(&over, &view, map, 4) == OK);
    for (int i = 0; i < 4; i++) {
        colour_at(colour, map[i] / 4);
        for (int c = 0; c < 3; c++)
            CHECK(fabs(over.rgb[3 * i + c] -
                       (view.rgb[3 * i + c] + colour[c]) / 2.0) <= 0.5);
    }
    image_free(&over);
    REQUIRE(image_overlay(&over, &view, map, 0) == OK);
    colour_at(colour, 0);
    CHECK(fabs(over.rgb[9] - (view.rgb[9] + colour[0]) / 2.0) <= 0.5);
    image_free(&over);
    image_free(&view);
}

/* ---- files --------------------------------------------------------------- */

/* The floats of an .npy of these dims; NULL with a failure else. */
static const float *read_npy(const char *path, const char *shape)
{
    static unsigned char all[1 << 20];
    size_t n;
    unsigned char *bytes = picture_bytes(path, &n);

    memcpy(all, bytes, n);
    free(bytes);
    CHECK(n > 128 && memcmp(all, "\x93NUMPY\x01\0", 8) == 0);
    CHECK(all[8] + 256 * all[9] + 10 == 128 && all[127] == '\n');
    all[127] = '\0';
    CHECK_MSG(strstr((char *)all + 10, shape), "%s", all + 10);
    CHECK(strstr((char *)all + 10, "{'descr': '<f4', 'fortran_order': False"));
    return (const float *)(const void *)(all + 128);
}

TEST(cam_pictures, npy_is_as_numpy_wants_it)
{
    static const float values[] = { 1, 2, 3, 4, 5, 6.5f };
    const char *path = picture_path("new/a.npy");

    REQUIRE(npy_write(path, values, 2, (int[]){ 2, 3 }) == OK);
    CHECK(memcmp(read_npy(path, "'shape': (2, 3, ), }"), values,
                 sizeof(values)) == 0);
    REQUIRE(npy_write(path, values, 1, (int[]){ 6 }) == OK);
    CHECK(memcmp(read_npy(path, "'shape': (6, ), }"), values, 24) == 0);
    CHECK(npy_write("/dev/full", values, 1, (int[]){ 6 }) == ERR_IO);
}

/* ---- the command --------------------------------------------------------- */

enum { SIDE = 64 };

/* True if the overlay is the picture's and the map's, at this scale. */
static void check_overlay(const char *folder, const char *name,
                          const Image *view, double scale)
{
    char path[256];
    Image over, want;

    snprintf(path, sizeof(path), "%s/%s.png", folder, name);
    REQUIRE(image_read(&over, path) == OK);
    snprintf(path, sizeof(path), "%s/%s_input.npy", folder, name);
    REQUIRE(image_overlay(&want, view, read_npy(path, "(64, 64, )"), scale) ==
            OK);
    CHECK(over.width == SIDE && over.height == SIDE);
    CHECK_MSG(memcmp(over.rgb, want.rgb, 3 * SIDE * SIDE) == 0, "%s", name);
    image_free(&over);
    image_free(&want);
}

static float highest(const char *folder, const char *name)
{
    char path[256];
    const float *map;
    float found = 0;

    snprintf(path, sizeof(path), "%s/%s.npy", folder, name);
    map = read_npy(path, "(4, 4, )");
    for (int i = 0; i < 16; i++)
        found = fmaxf(found, map[i]);
    return found;
}

/* Titles, the class, and whose the scale is. */
static void check_figure(const char *folder)
{
    char path[300], *text;
    size_t n;

    snprintf(path, sizeof(path), "%s/cam.gp", folder);
    text = (char *)picture_bytes(path, &n);
    REQUIRE(text != NULL);
    text[n - 1] = '\0';
    CHECK(strstr(text, "Title[1] = 'input'\n"));
    CHECK(strstr(text, "Title[2] = 'plain'\n"));
    CHECK(strstr(text, "Title[3] = 'SE'\n"));
    CHECK(strstr(text, "File[3] = 'resnet18_se.png'\n"));
    CHECK(strstr(text, "Said[2] = 'class 3: score "));
    CHECK(strstr(text, "Which image regions drive a class score (Grad-CAM), "
                       "at layer3 (layer3.1.act2, 256x4x4). "));
    CHECK(strstr(text, "ResNet-18, input 3x64x64 of a.png; weights seeded; "));
    free(text);
}

/* Two networks on one scale: the higher map's peak. */
TEST(cam_pictures, of_several_modules_share_one_scale)
{
    Image file = picture_make(90, 80, ramp), view, panel;
    char flags[768], folder[256], *text;
    float plain, se;

    REQUIRE(image_write_png(&file, picture_path("a.png")) == OK);
    REQUIRE(image_view(&view, &file, SIDE, SIDE) == OK);
    snprintf(folder, sizeof(folder), "%s", picture_path("out"));
    snprintf(flags, sizeof(flags),
             "--backbone=resnet18 --module=none,se --height=64 --width=64 "
             "--tap=layer3 --class=3 --image=%s/a.png --out=%s",
             test_tmpdir(), folder);
    CHECK_MSG(program(&text, "cam %s", flags) == 0, "%s", text);
    CHECK_MSG(strstr(text, "layer3 (layer3.1.act2, 256x4x4)"), "%s", text);
    CHECK(strstr(text, "mean nothing"));
    CHECK(!strstr(text, "not the same"));
    free(text);
    plain = highest(folder, "resnet18_none");
    se = highest(folder, "resnet18_se");
    CHECK_MSG(plain != se && plain > 0 && se > 0, "%g %g", plain, se);
    check_overlay(folder, "resnet18_none", &view, fmaxf(plain, se));
    check_overlay(folder, "resnet18_se", &view, fmaxf(plain, se));
    snprintf(flags, sizeof(flags), "%s/cam.png", folder);
    REQUIRE(image_read(&panel, flags) == OK);
    CHECK(panel.width > 3 * 2 * 170); /* three, at two pixels a point */
    image_free(&panel);
    check_figure(folder);
    image_free(&file);
    image_free(&view);
}

/* A plain network lacks taps inside a module: one map, and a message. */
TEST(cam_pictures, of_those_that_have_the_tap_are_drawn)
{
    char flags[512], *text;

    snprintf(flags, sizeof(flags),
             "--backbone=resnet18 --module=none,se --height=32 --width=32 "
             "--tap=layer4.1.attn --out=%s/some",
             test_tmpdir());
    CHECK(program(&text, "cam %s", flags) == 1);
    CHECK_MSG(strstr(text, "unknown tap 'layer4.1.attn'"), "%s", text);
    free(text);
    CHECK(access(picture_path("some/resnet18_se.png"), F_OK) == 0);
    CHECK(access(picture_path("some/resnet18_none.png"), F_OK) != 0);
}

/* The same command, the same bytes; and nothing but the seed is needed. */
TEST(cam_pictures, need_no_picture_and_repeat)
{
    char flags[512], *text[2];
    size_t n[2];
    unsigned char *bytes[2];

    for (int i = 0; i < 2; i++) {
        snprintf(flags, sizeof(flags),
                 "--backbone=resnet18 --height=32 --width=32 --out=%s/out",
                 test_tmpdir());
        CHECK_MSG(program(&text[i], "cam %s", flags) == 0, "%s", text[i]);
        bytes[i] = picture_bytes(picture_path("out/resnet18_none.png"), &n[i]);
    }
    CHECK(strstr(text[0], "of seeded input, 32x32"));
    CHECK(strcmp(text[0], text[1]) == 0);
    free(text[0]);
    free(text[1]);
    CHECK(n[0] == n[1] && memcmp(bytes[0], bytes[1], n[0]) == 0);
    free(bytes[0]);
    free(bytes[1]);
    bytes[0] = picture_bytes(picture_path("out/cam.csv"), &n[0]);
    CHECK(n[0] > 5 && memcmp(bytes[0], "map,layer,rows,", 15) == 0);
    free(bytes[0]);
}

/* Longer than any buffer: every file is there under its whole name. */
TEST(cam_pictures, go_to_a_folder_of_any_length)
{
    static const char *const names[] = {
        "input.png",         "resnet18_none.png",
        "resnet18_none.npy", "resnet18_none_input.npy",
        "cam.csv",           "cam.svg"
    };
    char deep[1024], flags[2048], *text;

    snprintf(deep, sizeof(deep), "%s/%0200d/%0200d/%0200d", test_tmpdir(), 1, 2,
             3);
    snprintf(flags, sizeof(flags),
             "--backbone=resnet18 --height=32 --width=32 --out=%s", deep);
    CHECK_MSG(program(&text, "cam %s", flags) == 0, "%s", text);
    free(text);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(flags, sizeof(flags), "%s/%s", deep, names[i]);
        CHECK_MSG(access(flags, F_OK) == 0, "%s is not there", names[i]);
    }
}

TEST(cam_pictures, csv_quotes_the_pictures_name)
{
    Image file = picture_make(40, 40, ramp);
    char image[256], flags[1024], *text, *table;
    bool more = false;
    size_t n;
    Csv csv;

    snprintf(image, sizeof(image), "%s", picture_path("a\"b,c.png"));
    REQUIRE(image_write_png(&file, image) == OK);
    image_free(&file);
    snprintf(flags, sizeof(flags),
             "--backbone=resnet18 --height=32 --width=32 '--image=%s' "
             "--out=%s/quoted",
             image, test_tmpdir());
    CHECK_MSG(program(&text, "cam %s", flags) == 0, "%s", text);
    free(text);
    table = read_bytes(picture_path("quoted/cam.csv"), &n);
    REQUIRE(table && csv_open(&csv, "cam.csv", table) == OK);
    REQUIRE(csv_next(&csv, &more) == OK && more);
    CHECK_MSG(strcmp(csv.cell[csv_column(&csv, "image")], image) == 0, "%s",
              csv.cell[csv_column(&csv, "image")]);
    CHECK(!strcmp(csv.cell[csv_column(&csv, "norm_gain")], "1"));
    free(table);
}

/* A file with that many names, the i-th "animal i". */
static const char *names_file(const char *name, int n)
{
    const char *path = picture_path(name);
    FILE *f = fopen(path, "w");

    BUG_IF(!f);
    for (int i = 0; i < n; i++)
        fprintf(f, "animal, %d%s", i, i + 1 < n ? "\r\n" : "");
    fclose(f);
    return path;
}

TEST(cam_pictures, classes_have_the_names_of_a_file)
{
    char flags[512], *text, *table;
    bool more = false;
    size_t n;
    Csv csv;

    names_file("names.txt", 1000);
    snprintf(flags, sizeof(flags),
             "--backbone=resnet18 --height=32 --width=32 --class=207 "
             "--class_names=%s/names.txt --out=%s/named",
             test_tmpdir(), test_tmpdir());
    CHECK_MSG(program(&text, "cam %s", flags) == 0, "%s", text);
    CHECK_MSG(strstr(text, "animal, 207 (207)"), "%s", text);
    free(text);
    table = read_bytes(picture_path("named/cam.csv"), &n);
    REQUIRE(table && csv_open(&csv, "cam.csv", table) == OK);
    REQUIRE(csv_next(&csv, &more) == OK && more);
    CHECK(!strcmp(csv.cell[csv_column(&csv, "class_name")], "animal, 207"));
    free(table);
    text = read_bytes(picture_path("named/cam.dat"), &n);
    CHECK(text && strstr(text, "animal, 207 (207): score "));
    free(text);
}

TEST(cam_pictures, long_names_are_cut_at_whole_letters)
{
    char *name[] = { "W\u00f6lfe und andere Hunde", "cat", "" };
    const ClassNames names = { .name = name, .n = 2 };
    char text[CLASS_TEXT];

    CHECK(!strcmp(class_text(text, &names, 0, 5), "W\u00f6lfe... (0)"));
    CHECK(!strcmp(class_text(text, &names, 0, CLASS_LONG),
                  "W\u00f6lfe und andere Hunde (0)"));
    CHECK(!strcmp(class_text(text, &names, 1, 3), "cat (1)"));
    CHECK(!strcmp(class_text(text, &names, 2, 3), "class 2"));
}

TEST(cam_pictures, names_are_as_many_as_classes)
{
    char flags[512], *text;

    names_file("few.txt", 999);
    snprintf(flags, sizeof(flags),
             "--backbone=resnet18 --height=32 --width=32 "
             "--class_names=%s/few.txt --out=%s/few",
             test_tmpdir(), test_tmpdir());
    CHECK(program(&text, "cam %s", flags) == 2);
    CHECK_MSG(strstr(text, "few.txt: 999 names for a network of 1000 classes"),
              "%s", text);
    free(text);
}

TEST(cam_pictures, refusals_name_what_is_wrong)
{
    static const struct {
        const char *flags;
        int code;
        const char *why;
    } cases[] = {
        { "", 2, "give --backbone" },
        { "--module=se", 2, "give a backbone" },
        { "--backbone=resnet18 --tap=layer9", 2, "unknown tap 'layer9'" },
        { "--backbone=resnet18 --class=1000", 2, "unknown class 1000" },
        { "--backbone=resnet18 --image=none.png", 1, "none.png: No such" },
        { "--backbone=resnet18 --image=Makefile", 2, "neither JPEG nor PNG" },
        { "--backbone=resnet18 --image=tests", 2, "tests: a directory, not" },
        { "--backbone=resnet18 --tap=fc", 2,
          "before the pooling, such as "
          "stage4" },
        { "--backbone=resnet18 --tap=layer4.1.attn", 2, "same --module" },
        { "--backbone=resnet18 --batch=4", 2,
          "no setting 'batch': a map is made from one image" },
        { "--backbone=resnet18 --height=32,64", 2, "at one input size" },
        { "--backbone=resnet18 --channels=1", 2, "images of 3 channels" },
        { "--backbone=resnet18 --dtype=bf16", 2, "pass, in f32" },
        { "--backbone=resnet18 --clas=3", 2, "did you mean 'class'?" },
        { "--backbone=resnet18 --class_names=none.txt", 2,
          "none.txt: No such" },
    };
    char flags[512], *text;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int code;

        snprintf(flags, sizeof(flags), "%s --out=%s/none", cases[i].flags,
                 test_tmpdir());
        code = program(&text, "cam %s", flags);
        CHECK_MSG(code == cases[i].code, "%s: exit %d", cases[i].flags, code);
        CHECK_MSG(strstr(text, cases[i].why), "%s: %s", cases[i].flags, text);
        free(text);
        CHECK(access(picture_path("none"), F_OK) != 0);
    }
}
