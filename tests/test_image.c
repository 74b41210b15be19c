/*
 * test_image.c - pictures: read, refused, resized, written.
 */
#include <math.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>

#include "harness/attribution/erf_images.h"
#include "harness/files/resize.h"
#include "tests/pictures.h"
#include "tests/resized.h"
#include "tests/test.h"

/* The formula of tests/make_resized.py. */
static int pattern(int x, int y, int c)
{
    return (x * x * 7 + y * 13 + x * y * 5 + c * 83) % 256;
}

static int black(int x, int y, int c)
{
    return 0 * (x + y + c);
}

/* ---- reading ------------------------------------------------------------- */

TEST(image, png_is_written_and_read_back)
{
    Image a = picture_make(37, 21, pattern), b;
    const char *path = picture_path("new/folder/a.png");

    REQUIRE(image_write_png(&a, path) == OK);
    REQUIRE(image_read(&b, path) == OK);
    CHECK(b.width == 37 && b.height == 21);
    CHECK(memcmp(a.rgb, b.rgb, 3 * 37 * 21) == 0);
    image_free(&a);
    image_free(&b);
    CHECK(!b.rgb && !b.width);
}

/* A row of four pixels, and what becomes of it. */
TEST(image, png_of_every_kind_becomes_rgb)
{
    static const unsigned char grey8[] = { 0, 1, 200, 255 };
    static const unsigned char grey2[] = { 0x1B };
    static const unsigned char grey16[] = { 0, 255, 1, 0, 200, 1, 255, 255 };
    static const unsigned char rgb[] = {
        1, 2, 3, 4, 5, 6, 7, 80, 90, 10, 11, 12
    };
    static const unsigned char rgba[] = { 1, 2,  3,  0,   4,  5,  6,  128,
                                          7, 80, 90, 255, 10, 11, 12, 1 };
    static const unsigned char greyalpha[] = { 0, 0, 1, 9, 200, 99, 255, 255 };
    static const unsigned char repeated[] = { 0,   0,   0,   1,   1,   1,
                                              200, 200, 200, 255, 255, 255 };
    static const unsigned char thirds[] = { 0,   0,   0,   85,  85,  85,
                                            170, 170, 170, 255, 255, 255 };
    static const unsigned char looked_up[] = { 10, 20, 30, 40,  50,  60,
                                               70, 80, 90, 250, 240, 230 };
    static const struct {
        PngKind kind;
        const unsigned char *rgb;
    } cases[] = {
        { { PNG_COLOR_TYPE_GRAY, 8, false, grey8 }, repeated },
        { { PNG_COLOR_TYPE_GRAY, 8, true, grey8 }, repeated },
        { { PNG_COLOR_TYPE_GRAY, 2, false, grey2 }, thirds },
        { { PNG_COLOR_TYPE_GRAY, 16, false, grey16 }, repeated },
        { { PNG_COLOR_TYPE_GRAY_ALPHA, 8, false, greyalpha }, repeated },
        { { PNG_COLOR_TYPE_RGB, 8, false, rgb }, rgb },
        { { PNG_COLOR_TYPE_RGB, 8, true, rgb }, rgb },
        { { PNG_COLOR_TYPE_RGB_ALPHA, 8, false, rgba }, rgb },
        { { PNG_COLOR_TYPE_PALETTE, 2, false, grey2 }, looked_up },
    };
    const char *path = picture_path("kind.png");

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        Image image;

        picture_png(path, 4, 9, &cases[i].kind);
        REQUIRE(image_read(&image, path) == OK);
        CHECK(image.width == 4 && image.height == 9);
        for (int y = 0; y < 9; y++)
            CHECK_MSG(memcmp(image_at(&image, 0, y), cases[i].rgb, 12) == 0,
                      "kind %zu, row %d", i, y);
        image_free(&image);
    }
}

/* Colours that YCbCr holds exactly; ink that Adobe inverts. */
TEST(image, jpeg_of_every_kind_becomes_rgb)
{
    static const struct {
        int components, space;
        unsigned char colour[4], rgb[3];
    } cases[] = {
        { 1, JCS_GRAYSCALE, { 77 }, { 77, 77, 77 } },
        { 3, JCS_RGB, { 140, 140, 140 }, { 140, 140, 140 } },
        { 3, JCS_RGB, { 254, 0, 0 }, { 254, 0, 0 } },
        { 4, JCS_CMYK, { 255, 128, 0, 255 }, { 255, 128, 0 } },
        { 4, JCS_CMYK, { 255, 128, 0, 51 }, { 51, 26, 0 } },
    };
    const char *path = picture_path("kind.jpg");

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        Image image;

        picture_jpeg(path, 19, 11, cases[i].components, cases[i].space,
                     cases[i].colour);
        REQUIRE(image_read(&image, path) == OK);
        CHECK(image.width == 19 && image.height == 11);
        for (int p = 0; p < 19 * 11; p++)
            CHECK_MSG(memcmp(image.rgb + 3 * p, cases[i].rgb, 3) == 0,
                      "kind %zu: %d %d %d", i, image.rgb[3 * p],
                      image.rgb[3 * p + 1], image.rgb[3 * p + 2]);
        image_free(&image);
    }
}

/* ---- refusing ------------------------------------------------------------ */

static void refused(const char *path, int code, const char *why)
{
    Image image;

    CHECK_MSG(image_read(&image, path) == code, "%s was read", path);
    CHECK(!image.rgb);
    CHECK_MSG(strstr(err_message(), path) && strstr(err_message(), why),
              "'%s' has no '%s'", err_message(), why);
}

static const char *with(const char *name, const void *bytes, size_t n)
{
    const char *path = picture_path(name);

    picture_write(path, bytes, n);
    return path;
}

TEST(image, what_is_none_is_refused)
{
    refused(picture_path("absent.png"), ERR_IO, "No such file");
    refused(with("empty.png", "", 0), ERR_INPUT, "empty");
    refused(with("text.jpg", "GIF89a, and so on", 17), ERR_INPUT,
            "neither JPEG nor PNG: it begins with 47 49 46 38");
    refused(with("short", "\x89PNG", 4), ERR_INPUT, "neither JPEG nor PNG");
    refused(with("only", "\xFF\xD8\xFF", 3), ERR_INPUT, "a damaged JPEG");
    refused(test_tmpdir(), ERR_INPUT, "a directory, not");
}

/* Bytes of a JPEG with others put in at a place, to be freed. */
static unsigned char *put(const unsigned char *bytes, size_t *n, size_t at,
                          const void *more, size_t m)
{
    unsigned char *all = malloc(*n + m);

    BUG_IF(!all);
    memcpy(all, bytes, at);
    memcpy(all + at, more, m);
    memcpy(all + at + m, bytes + at, *n - at);
    *n += m;
    return all;
}

static size_t find_marker(const unsigned char *bytes, size_t n, int marker)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (bytes[i] == 0xFF && bytes[i + 1] == marker)
            return i;
    BUG_IF(true);
}

static void reads_as(const Image *want, const char *path)
{
    Image got;

    CHECK_MSG(image_read(&got, path) == OK, "%s", err_message());
    CHECK(got.rgb && memcmp(got.rgb, want->rgb, 3 * 64 * 48) == 0);
    image_free(&got);
}

/* Cameras write a wrong end of the spectrum, an unknown version, bytes too
 * many, and no end: libjpeg warns, and all pixels are there. */
TEST(image, jpeg_with_odd_headers_is_read)
{
    static const unsigned char colour[] = { 254, 0, 0 };
    unsigned char *bytes, *odd;
    size_t n, m, at;
    Image want;

    picture_jpeg(picture_path("a.jpg"), 64, 48, 3, JCS_RGB, colour);
    bytes = picture_bytes(picture_path("a.jpg"), &n);
    REQUIRE(image_read(&want, picture_path("a.jpg")) == OK);

    at = find_marker(bytes, n, 0xDA); /* start of scan: Ss, Se, AhAl last */
    bytes[at + 2 + bytes[at + 3] - 2] = 0; /* Se = 0, as Samsung's phones */
    reads_as(&want, with("se.jpg", bytes, n));
    bytes[at + 2 + bytes[at + 3] - 2] = 63;

    at = find_marker(bytes, n, 0xE0);
    bytes[at + 9] = 7; /* JFIF 7.01 */
    reads_as(&want, with("version.jpg", bytes, n));
    bytes[at + 9] = 1;

    m = n;
    odd = put(bytes, &m, find_marker(bytes, n, 0xC0), "\0\0\0", 3);
    reads_as(&want, with("extra.jpg", odd, m));
    free(odd);
    m = n;
    odd = put(bytes, &m, n, "after the end", 13);
    reads_as(&want, with("after.jpg", odd, m));
    free(odd);
    free(bytes);
    image_free(&want);
}

/* Its rows are all there: what comes after them says nothing of the picture. */
TEST(image, png_without_its_end_is_read)
{
    Image image = picture_make(64, 48, pattern);
    unsigned char *bytes;
    size_t n;

    REQUIRE(image_write_png(&image, picture_path("a.png")) == OK);
    bytes = picture_bytes(picture_path("a.png"), &n);
    reads_as(&image, with("end.png", bytes, n - 12)); /* IEND */
    bytes[n - 1] ^= 1;
    reads_as(&image, with("crc.png", bytes, n));
    bytes[n - 1] ^= 1;
    bytes[n - 13] ^= 1; /* the checksum of IDAT */
    refused(with("idat.png", bytes, n), ERR_INPUT, "a damaged PNG: IDAT");
    free(bytes);
    image_free(&image);
}

TEST(image, what_is_cut_short_or_damaged_is_refused)
{
    static const unsigned char colour[] = { 254, 0, 0 };
    Image image = picture_make(64, 48, pattern);
    unsigned char *bytes;
    size_t n;

    picture_jpeg(picture_path("a.jpg"), 64, 48, 3, JCS_RGB, colour);
    bytes = picture_bytes(picture_path("a.jpg"), &n);
    for (size_t part = 3; part < n - 2; part += 7)
        refused(with("cut.jpg", bytes, part), ERR_INPUT, "a damaged JPEG");
    free(bytes);

    REQUIRE(image_write_png(&image, picture_path("a.png")) == OK);
    bytes = picture_bytes(picture_path("a.png"), &n);
    for (size_t part = 8; part < n; part += 97)
        refused(with("cut.png", bytes, part), ERR_INPUT, "a damaged PNG");
    bytes[n / 2] ^= 1;
    refused(with("crc.png", bytes, n), ERR_INPUT, "a damaged PNG");
    free(bytes);
    image_free(&image);
}

/* Whatever the bytes are, an answer comes: a picture or a sentence. */
TEST(image, noise_in_a_file_does_no_harm)
{
    static const unsigned char colour[] = { 254, 0, 0 };
    Image image = picture_make(20, 20, pattern);
    uint32_t random = 1;

    picture_jpeg(picture_path("a.jpg"), 20, 20, 3, JCS_RGB, colour);
    REQUIRE(image_write_png(&image, picture_path("a.png")) == OK);
    image_free(&image);
    for (int round = 0; round < 600; round++) {
        const char *name = round % 2 ? "a.jpg" : "a.png";
        size_t n;
        unsigned char *bytes = picture_bytes(picture_path(name), &n);

        for (int k = 0; k < 3; k++) {
            random = random * 1664525 + 1013904223;
            bytes[3 + (random >> 8) % (n - 3)] = (unsigned char)(random >> 3);
        }
        if (image_read(&image, with("noise", bytes, n)))
            CHECK(strstr(err_message(), "noise: "));
        image_free(&image);
        free(bytes);
    }
}

TEST(image, one_that_claims_to_be_huge_is_refused)
{
    static const unsigned char colour[] = { 1 };
    unsigned char *bytes;
    size_t n, sof = 0;

    picture_png_head(picture_path("huge.png"), 100000, 100000);
    refused(picture_path("huge.png"), ERR_INPUT,
            "100000 x 100000 pixels; at most 67 million can be read");
    picture_png_head(picture_path("long.png"), 0x7FFFFFFF, 1);
    refused(picture_path("long.png"), ERR_INPUT, "2147483647 x 1 pixels");

    picture_jpeg(picture_path("a.jpg"), 8, 8, 1, JCS_GRAYSCALE, colour);
    bytes = picture_bytes(picture_path("a.jpg"), &n);
    for (size_t i = 0; i + 1 < n && !sof; i++)
        if (bytes[i] == 0xFF && bytes[i + 1] == 0xC0)
            sof = i;
    REQUIRE(sof > 0);
    memcpy(bytes + sof + 5, "\xFF\x00\xFF\x00", 4); /* height, width */
    refused(with("huge.jpg", bytes, n), ERR_INPUT, "65280 x 65280 pixels");
    free(bytes);
}

/* ---- resizing ------------------------------------------------------------ */

TEST(image, is_resized_and_cropped_as_pil_and_torchvision_do)
{
    for (size_t i = 0; i < sizeof(resized) / sizeof(*resized); i++) {
        const Resized *r = &resized[i];
        Image file = picture_make(r->width, r->height, pattern), view;

        REQUIRE(image_view(&view, &file, RESIZED_SIZE, RESIZED_SIZE) == OK);
        CHECK(view.width == RESIZED_SIZE && view.height == RESIZED_SIZE);
        CHECK_MSG(memcmp(view.rgb, r->rgb, sizeof(r->rgb)) == 0,
                  "%d x %d pixels", r->width, r->height);
        image_free(&file);
        image_free(&view);
    }
}

/* A picture with two halves: the edge stays in the middle, and what is far
 * from it stays as it was. */
static int halves(int x, int y, int c)
{
    return (x >= 128) * 200 + 0 * (y + c);
}

TEST(image, stays_where_it_is_when_resized)
{
    Image file = picture_make(256, 100, halves), wide, view;

    REQUIRE(image_resize(&wide, &file, 512, 50) == OK);
    for (int x = 0; x < 512; x++) {
        const int want = x < 255 ? 0 : x == 255 ? 50 : x == 256 ? 150 : 200;

        CHECK_MSG(image_at(&wide, x, 20)[1] == want, "%d: %d", x,
                  image_at(&wide, x, 20)[1]);
    }
    image_free(&wide);
    REQUIRE(image_view(&view, &file, 112, 224) == OK);
    CHECK(view.width == 224 && view.height == 112);
    CHECK(image_at(&view, 0, 0)[0] == 0 && image_at(&view, 223, 111)[2] == 200);
    image_free(&view);
    image_free(&file);
}

TEST(image, that_is_a_line_is_refused)
{
    Image line = picture_make(1, 5000000, black), view;

    CHECK(image_view(&view, &line, 224, 224) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "too narrow"), "%s", err_message());
    CHECK(!view.rgb);
    image_free(&line);
}

TEST(image, is_normalised_by_imagenets_mean_and_deviation)
{
    static const double dark[] = { -0.485 / 0.229, -0.456 / 0.224,
                                   -0.406 / 0.225 };
    static const double light[] = { 0.515 / 0.229, 0.544 / 0.224,
                                    0.594 / 0.225 };
    Image file = picture_make(300, 300, black), view;
    const char *path = picture_path("black.png");
    float *chw = malloc(3 * 224 * 224 * sizeof(*chw));

    REQUIRE(chw && image_write_png(&file, path) == OK);
    REQUIRE(image_input(chw, &view, path, 224, 224) == OK);
    for (int c = 0; c < 3; c++)
        CHECK(fabs(chw[c * 224 * 224 + 999] - dark[c]) < 1e-6);
    memset(image_at(&view, 5, 7), 255, 3);
    image_normalise(chw, &view);
    for (int c = 0; c < 3; c++) {
        CHECK(fabs(chw[(c * 224 + 7) * 224 + 5] - light[c]) < 1e-6);
        CHECK(fabs(chw[(c * 224 + 5) * 224 + 7] - dark[c]) < 1e-6);
    }
    CHECK(image_input(chw, NULL, picture_path("none.png"), 224, 224) == ERR_IO);
    image_free(&file);
    image_free(&view);
    free(chw);
}

TEST(image, maps_are_upsampled_between_middles)
{
    static const float two[] = { 0, 4, 8, 12 }, one[] = { 3 };
    static const float want[] = { 0, 1, 3, 4,  2, 3, 5,  6,
                                  6, 7, 9, 10, 8, 9, 11, 12 };
    float map[16];

    map_upsample(map, 4, 4, two, 2, 2);
    for (int i = 0; i < 16; i++)
        CHECK(map[i] == want[i]);
    map_upsample(map, 2, 2, two, 2, 2);
    CHECK(memcmp(map, two, sizeof(two)) == 0);
    map_upsample(map, 2, 5, one, 1, 1);
    for (int i = 0; i < 10; i++)
        CHECK(map[i] == 3);
}

/* ---- folders ------------------------------------------------------------- */

TEST(image, lists_are_sorted_and_of_images_alone)
{
    static const char *const there[] = { "f/b.PNG",       "f/a/z.jpeg",
                                         "f/a.jpg",       "f/notes.txt",
                                         "f/.hidden.png", "f/a/x.png/in.jpg",
                                         "f/jpg" };
    static const char *const want[] = { "a.jpg", "a/x.png/in.jpg", "a/z.jpeg",
                                        "b.PNG" };
    ImageList list;

    mkdir(picture_path("f"), 0777);
    mkdir(picture_path("f/a"), 0777);
    mkdir(picture_path("f/a/x.png"), 0777);
    mkdir(picture_path("g"), 0777);
    for (size_t i = 0; i < sizeof(there) / sizeof(*there); i++)
        picture_write(picture_path(there[i]), "", 0);
    REQUIRE(image_list(&list, picture_path("f")) == OK);
    CHECK(list.n == 4);
    for (int i = 0; i < list.n && i < 4; i++) {
        const char *found = list.path[i] + strlen(picture_path("f")) + 1;

        CHECK_MSG(strcmp(found, want[i]) == 0, "%s for %s", found, want[i]);
    }
    image_list_free(&list);
    CHECK(image_list(&list, picture_path("g")) == ERR_INPUT);
    CHECK(strstr(err_message(), "has no images"));
    CHECK(strstr(err_message(), "in 1 folder there are no other files"));
    picture_write(picture_path("g/a.webp"), "", 0);
    picture_write(picture_path("g/b.txt"), "", 0);
    CHECK(image_list(&list, picture_path("g")) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "there are 2 other files, as a.webp"), "%s",
              err_message());
    CHECK(image_list(&list, picture_path("g/a.webp")) == ERR_INPUT);
    CHECK(strstr(err_message(), "is a file, not a folder"));
    CHECK(image_list(&list, picture_path("h")) == ERR_IO);
}

/* A class folder may be a link, or a link may lead back up: each folder is
 * read once. */
TEST(image, lists_follow_links_and_end)
{
    static const char *const want[] = { "n01/a.JPEG", "n02.png" };
    char real[512], folder[512];
    ImageList list;

    snprintf(real, sizeof(real), "%s", picture_path("real"));
    mkdir(real, 0777);
    mkdir(picture_path("val"), 0777);
    picture_write(picture_path("real/a.JPEG"), "", 0);
    CHECK(symlink("../val", picture_path("real/back")) == 0);
    CHECK(symlink(real, picture_path("val/n01")) == 0);
    CHECK(symlink(".", picture_path("val/self")) == 0);
    CHECK(symlink("n01/a.JPEG", picture_path("val/n02.png")) == 0);
    CHECK(symlink("nowhere.png", picture_path("val/n03.png")) == 0);
    CHECK(symlink(real, picture_path("val/twice")) == 0);
    snprintf(folder, sizeof(folder), "%s", picture_path("val"));
    REQUIRE(image_list(&list, folder) == OK);
    CHECK(list.n == 2);
    for (int i = 0; i < list.n && i < 2; i++)
        CHECK_MSG(strcmp(list.path[i] + strlen(folder) + 1, want[i]) == 0,
                  "%s for %s", list.path[i], want[i]);
    image_list_free(&list);
}

/* Each cause has its words: what is there, and what could not be seen. */
TEST(image, a_folder_without_images_says_what_it_holds)
{
    static const struct {
        const char *file, *link, *to, *says;
    } of[] = {
        { NULL, NULL, NULL, "in 1 folder there are no other files" },
        { "a.txt", NULL, NULL, "there is 1 other file, as a.txt" },
        { NULL, "a.png", "nowhere.png",
          "no other files, and 1 broken link, as a.png" },
        { "a.txt", "b", "nowhere",
          "1 other file, as a.txt, and 1 broken link, as b" },
        { "a.txt", "b.png", "a.txt/c", "and 1 broken link, as b.png" },
        { NULL, "a.png", "a.png", "and 1 broken link, as a.png" },
        { NULL, "a.png", ".", "in 1 folder there are no other files" },
        { NULL, "a.png", "/dev/null", "there is 1 other file, as a.png" },
    };
    ImageList list;

    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
        char folder[512], path[600];

        snprintf(path, sizeof(path), "links%zu", i);
        snprintf(folder, sizeof(folder), "%s", picture_path(path));
        mkdir(folder, 0777);
        snprintf(path, sizeof(path), "%s/%s", folder, of[i].file);
        if (of[i].file)
            picture_write(path, "", 0);
        snprintf(path, sizeof(path), "%s/%s", folder, of[i].link);
        CHECK(!of[i].link || symlink(of[i].to, path) == 0);
        CHECK(image_list(&list, folder) == ERR_INPUT);
        CHECK_MSG(strstr(err_message(), of[i].says), "%zu: '%s' has no '%s'", i,
                  err_message(), of[i].says);
    }
}

/* Not as one without images: nobody has seen what is in it. */
TEST(image, a_folder_that_cannot_be_read_is_named)
{
    static const struct {
        mode_t outer, inner;
        const char *names;
    } of[] = {
        { 0, 0755, "/shut: Permission denied" },
        { 0755, 0, "/shut/in: Permission denied" },
        { 0444, 0755, "/shut/in: Permission denied" }, /* names alone */
    };
    char shut[512], in[512], file[512];
    ImageList list;

    snprintf(shut, sizeof(shut), "%s", picture_path("shut"));
    snprintf(in, sizeof(in), "%s", picture_path("shut/in"));
    snprintf(file, sizeof(file), "%s", picture_path("shut/in/a.png"));
    REQUIRE(mkdir(shut, 0755) == 0 && mkdir(in, 0755) == 0);
    picture_write(file, "", 0);
    if (geteuid() == 0)
        REQUIRE(chmod(test_tmpdir(), 0755) == 0 && !chown(in, 65534, 65534) &&
                !chown(shut, 65534, 65534) && seteuid(65534) == 0);
    REQUIRE(image_list(&list, shut) == OK);
    image_list_free(&list);
    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
        CHECK(chmod(in, of[i].inner) == 0 && chmod(shut, of[i].outer) == 0);
        CHECK_MSG(image_list(&list, shut) == ERR_IO, "%zu", i);
        CHECK_MSG(strstr(err_message(), of[i].names), "%zu: %s", i,
                  err_message());
        CHECK(chmod(shut, 0755) == 0 && chmod(in, 0755) == 0);
    }
    CHECK(seteuid(getuid()) == 0);
}

/* One odd image is named before the first of many draws. */
TEST(image, one_broken_in_a_folder_is_named_at_once)
{
    Image image = picture_make(20, 20, pattern);
    ErfImages images;

    mkdir(picture_path("mixed"), 0777);
    REQUIRE(image_write_png(&image, picture_path("mixed/a.png")) == OK);
    picture_write(picture_path("mixed/b.png"), "GIF89a", 6);
    image_free(&image);
    CHECK(erf_images_open(&images, picture_path("mixed"), 2) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "mixed/b.png: neither JPEG nor PNG"), "%s",
              err_message());
    CHECK(erf_images_open(&images, picture_path("mixed"), 1) == OK);
    erf_images_close(&images);
}
