/*
 * test_safetensors.c - what is written is read back, and nothing that a file
 * says is believed: malformed files, truncated ones, flipped bytes.
 */
#include "harness/files/safetensors.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

static const char *path_of(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
    return path;
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
        test_skip("the temporary directory cannot be written");
}

/* A file with this header, as long as it says, and n bytes of data. */
static void write_file(const char *path, const char *header, const void *data,
                       size_t n)
{
    const size_t length = strlen(header);
    unsigned char *bytes = calloc(8 + length + n + 1, 1);

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(bytes + 8, header, length);
    if (data)
        memcpy(bytes + 8 + length, data, n);
    write_bytes(path, bytes, 8 + length + n);
    free(bytes);
}

TEST(safetensors, what_is_written_is_read_back)
{
    const float a[6] = { 1, -2.5f, 0, INFINITY, 1e-40f, 3 }, b[1] = { 7 };
    const char *path = path_of("two.safetensors");
    StWriter *w = st_writer_new();
    Safetensors *st;
    float back[6];

    st_writer_metadata(w, "kind", "module");
    st_writer_metadata(w, "config", "{\"reduction\": 4}");
    st_writer_tensor(w, "param/fc.weight", 2, (int[]){ 2, 3 }, a);
    st_writer_tensor(w, "scalar", 0, NULL, b);
    REQUIRE(st_writer_save(w, path) == OK);
    st_writer_free(w);

    REQUIRE(st_open(&st, path) == OK);
    CHECK(st_tensors(st) == 2);
    CHECK(strcmp(st_metadata(st, "config"), "{\"reduction\": 4}") == 0);
    CHECK(st_metadata(st, "absent") == NULL);
    CHECK(st_find(st, "absent") == NULL);
    REQUIRE(st_find(st, "param/fc.weight"));
    CHECK(st_find(st, "param/fc.weight")->rank == 2);
    CHECK(st_find(st, "param/fc.weight")->dim[1] == 3);
    CHECK(st_read(st, st_find(st, "param/fc.weight"), back) == OK);
    CHECK(memcmp(a, back, sizeof(a)) == 0);
    CHECK(st_read(st, st_find(st, "scalar"), back) == OK);
    CHECK(back[0] == 7);
    st_close(st);
}

TEST(safetensors, halves_are_widened_exactly)
{
    /* 1, -2, 65504, smallest subnormal, -0, inf; as f16, then as bf16. */
    static const uint16_t raw[12] = { 0x3C00, 0xC000, 0x7BFF, 0x0001,
                                      0x8000, 0x7C00, 0x3F80, 0xC000,
                                      0x4780, 0x0001, 0x8000, 0x7F80 };
    static const float f16[6] = { 1, -2, 65504, 0x1p-24f, -0.0f, INFINITY };
    static const float bf16[6] = { 1, -2, 65536, 0x1p-133f, -0.0f, INFINITY };
    const char *path = path_of("halves.safetensors");
    Safetensors *st;
    float got[6];

    write_file(path,
               "{\"f\":{\"dtype\":\"F16\",\"shape\":[6],"
               "\"data_offsets\":[0,12]},"
               "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],"
               "\"data_offsets\":[12,24]}}",
               raw, sizeof(raw));
    REQUIRE(st_open(&st, path) == OK);
    CHECK(st_read(st, st_find(st, "f"), got) == OK);
    CHECK(memcmp(got, f16, sizeof(got)) == 0);
    CHECK(st_read(st, st_find(st, "b"), got) == OK);
    CHECK(memcmp(got, bf16, sizeof(got)) == 0);
    st_close(st);
}

TEST(safetensors, doubles_are_rounded_to_floats)
{
    enum { N = 1300 }; /* more than are read at once */
    const char *path = path_of("doubles.safetensors");
    static double values[N];
    static float got[N];
    char header[128];
    Safetensors *st;

    for (int i = 0; i < N; i++)
        values[i] = (i - 600) * 1.000000001;
    snprintf(header, sizeof(header),
             "{\"d\":{\"dtype\":\"F64\",\"shape\":[%d],"
             "\"data_offsets\":[0,%d]}}",
             N, 8 * N);
    write_file(path, header, (const unsigned char *)values, sizeof(values));
    REQUIRE(st_open(&st, path) == OK);
    REQUIRE(st_read(st, st_find(st, "d"), got) == OK);
    for (int i = 0; i < N; i++)
        CHECK(got[i] == (float)values[i]);
    st_close(st);
}

/* The first bytes say it, whatever the name. */
TEST(safetensors, other_files_of_weights_are_named)
{
    static const struct {
        const char *bytes, *says;
    } files[] = {
        { "PK\3\4 and so on", "a zip file, as torch.save writes them; "
                              "convert it: python3 -c" },
        { "\x80\2}q\1X rest", "a Python pickle, as torch.save wrote them; "
                              "convert it: python3 -c" },
        { "version https://git-lfs", "a Git LFS pointer; run 'git lfs pull'" },
        { "<!DOCTYPE html>", "but a web page" },
    };
    Safetensors *st;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        write_bytes(path_of("f.pth"), files[i].bytes, strlen(files[i].bytes));
        CHECK(st_open(&st, path_of("f.pth")) == ERR_INPUT);
        CHECK_MSG(strstr(err_message(), files[i].says), "%s", err_message());
    }
}

TEST(safetensors, other_dtypes_are_listed_but_not_read)
{
    const char *path = path_of("ints.safetensors");
    Safetensors *st;
    float got[2];

    write_file(path,
               "{\"i\":{\"dtype\":\"I64\",\"shape\":[2],"
               "\"data_offsets\":[0,16]}}",
               NULL, 16);
    REQUIRE(st_open(&st, path) == OK);
    CHECK(st_tensor(st, 0)->count == 2);
    CHECK(st_read(st, st_tensor(st, 0), got) == ERR_INPUT);
    CHECK(strstr(err_message(), "has dtype I64"));
    st_close(st);
}

/* In every type of number, the number that is there. */
TEST(safetensors, what_is_no_float_is_named_as_the_file_has_it)
{
    static const struct {
        const char *dtype;
        size_t bytes;
        uint64_t bits; /* of the second number, of two */
        const char *says;
    } files[] = {
        { "F32", 4, 0x7FC00000, "number 1 of tensor 't' is nan" },
        { "F32", 4, 0x7F800000, "number 1 of tensor 't' is inf" },
        { "F16", 2, 0x7E00, "number 1 of tensor 't' is nan" },
        { "F16", 2, 0xFC00, "number 1 of tensor 't' is -inf" },
        { "BF16", 2, 0x7FC0, "number 1 of tensor 't' is nan" },
        { "BF16", 2, 0x7F80, "number 1 of tensor 't' is inf" },
        { "F64", 8, 0x7FF8000000000000, "number 1 of tensor 't' is nan" },
        { "F64", 8, 0xFFF0000000000000, "number 1 of tensor 't' is -inf" },
        { "F64", 8, 0x7E37E43C8800759C, "number 1 of tensor 't' is 1e+300, " },
        { "F64", 8, 0xFE37E43C8800759C, "number 1 of tensor 't' is -1e+300, " },
        { "I64", 8, 1, "tensor 't' has dtype I64; F32, " },
        { "F8_E4M3", 1, 1, "tensor 't' has dtype F8_E4M3; F32, " },
        { "F4", 1, 1, "unknown dtype 'F4'" },
    };
    const char *path = path_of("odd.safetensors");

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        unsigned char data[16] = { 0 };
        Safetensors *st;
        char header[128];
        float got[2];

        memcpy(data + files[i].bytes, &files[i].bits, files[i].bytes);
        snprintf(header, sizeof(header),
                 "{\"t\":{\"dtype\":\"%s\",\"shape\":[2],"
                 "\"data_offsets\":[0,%zu]}}",
                 files[i].dtype, 2 * files[i].bytes);
        write_file(path, header, data, 2 * files[i].bytes);
        if (st_open(&st, path) == OK)
            CHECK_MSG(st_read_finite(st, st_tensor(st, 0), got) == ERR_INPUT,
                      "%zu was read", i);
        CHECK_MSG(strstr(err_message(), path) == err_message() &&
                      strstr(err_message(), files[i].says),
                  "'%s' does not say '%s'", err_message(), files[i].says);
        st_close(st);
    }
}

/* A tensor of two floats, except for what is wrong with it. */
#define TENSOR(name, dtype, shape, offsets)              \
    "\"" name "\":{\"dtype\":" dtype ",\"shape\":" shape \
    ",\"data_offsets\":" offsets "}"

typedef struct Malformed {
    const char *header;
    size_t data; /* bytes after it */
    const char *says;
} Malformed;

/* clang-format off */
static const Malformed malformed[] = {
    { "[1]", 0, "not a JSON object" },
    { " {}", 0, "not a JSON object" },
    { "{\"a\":", 0, "not JSON" },
    { "{} x", 0, "not JSON" },
    { "{\"a\":1}", 0, "'a' is not a JSON object" },
    { "{\"__metadata__\":[]}", 0, "__metadata__ is not a JSON object" },
    { "{\"__metadata__\":{\"k\":1}}", 0, "value that is not a string: 'k'" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "appears twice" },
    { "{" TENSOR("a", "4", "[2]", "[0,8]") "}", 8, "'a' has no dtype" },
    { "{" TENSOR("a", "\"F31\"", "[2]", "[0,8]") "}", 8, "unknown dtype 'F31'" },
    { "{" TENSOR("a", "\"F32\"", "2", "[0,8]") "}", 8, "has no shape" },
    { "{" TENSOR("a", "\"F32\"", "[-2]", "[0,8]") "}", 8, "not a whole number" },
    { "{" TENSOR("a", "\"F32\"", "[2.5]", "[0,8]") "}", 8, "not a whole number" },
    { "{" TENSOR("a", "\"F32\"", "[\"2\"]", "[0,8]") "}", 8, "not a whole number" },
    { "{" TENSOR("a", "\"F32\"", "[1e300]", "[0,8]") "}", 8, "not a whole number" },
    { "{" TENSOR("a", "\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8,
      "more than 8 dims" },
    { "{" TENSOR("a", "\"F32\"", "[4294967296,4294967297]", "[0,8]") "}", 8,
      "more numbers than fit" },
    { "{" TENSOR("a", "\"F64\"", "[2147483648,2147483648]", "[0,8]") "}", 8,
      "more bytes than fit" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[0,8,8]") "}", 8, "no data_offsets" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[0,\"8\"]") "}", 8, "no data_offsets" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[-8,0]") "}", 8, "no data_offsets" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[8,0]") "}", 8, "ends before it begins" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[0,8]") "}", 7, "truncated" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[0,9007199254740992]") "}", 8, "truncated" },
    { "{" TENSOR("a", "\"F32\"", "[3]", "[0,8]") "}", 8, "12 bytes by its shape" },
    { "{" TENSOR("a", "\"F16\"", "[2]", "[0,8]") "}", 8, "4 bytes by its shape" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[0,8]") "}", 12, "4 bytes after the last" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[4,12]") "}", 12, "leaves a gap" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[0,8]") ","
          TENSOR("b", "\"F32\"", "[2]", "[4,12]") "}", 12, "'b' overlaps" },
    { "{" TENSOR("a", "\"F32\"", "[2]", "[0,8]") ","
          TENSOR("a", "\"F32\"", "[2]", "[8,16]") "}", 16, "'a' appears twice" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}",
      8, "a key other than" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],"
      "\"shape\":[1]}}", 8, "a key twice" },
};
/* clang-format on */
enum { NMALFORMED = sizeof(malformed) / sizeof(malformed[0]) };

TEST(safetensors, malformed_headers_are_refused_with_a_sentence)
{
    for (int i = 0; i < NMALFORMED; i++) {
        const Malformed *m = &malformed[i];
        const char *path = path_of("bad.safetensors");
        Safetensors *st = NULL;

        write_file(path, m->header, NULL, m->data);
        CHECK_MSG(st_open(&st, path) == ERR_INPUT, "opened: %s", m->header);
        CHECK_MSG(strstr(err_message(), m->says), "%s: said '%s', not '%s'",
                  m->header, err_message(), m->says);
        CHECK(strncmp(err_message(), path, strlen(path)) == 0);
        CHECK(st == NULL);
        st_close(st);
    }
}

TEST(safetensors, what_is_no_such_file_is_refused)
{
    static const unsigned char huge[16] = { 255, 255, 255, 255, 255,
                                            255, 255, 127, '{', '}' };
    static const unsigned char text[] = "#!/bin/sh\necho this is a script\n";
    Safetensors *st;

    CHECK(st_open(&st, path_of("absent")) == ERR_IO);
    CHECK(strstr(err_message(), "No such file"));
    CHECK(st_open(&st, test_tmpdir()) == ERR_INPUT);
    CHECK(strstr(err_message(), "a directory, not a file"));
    write_bytes(path_of("f"), "", 0);
    CHECK(st_open(&st, path_of("f")) == ERR_INPUT);
    CHECK(strstr(err_message(), "0 bytes are too few"));
    write_bytes(path_of("f"), huge, sizeof(huge));
    CHECK(st_open(&st, path_of("f")) == ERR_INPUT);
    CHECK(strstr(err_message(), "its header claims"));
    write_bytes(path_of("f"), text, sizeof(text));
    CHECK(st_open(&st, path_of("f")) == ERR_INPUT);
    CHECK(strstr(err_message(), "not a .safetensors file"));
}

static const char good[] = "{\"__metadata__\":{\"k\":\"v\"}," TENSOR(
    "a", "\"F32\"", "[2,1]", "[0,8]") "," TENSOR("b", "\"F16\"", "[3]",
                                                 "[8,14]") "}";

/* Opens a file that may be anything, and reads what it then says it has. */
static int open_and_read(const char *path)
{
    Safetensors *st;
    const int err = st_open(&st, path);

    for (int i = 0; !err && i < st_tensors(st); i++) {
        const StTensor *t = st_tensor(st, i);
        float *values = malloc((t->count + 1) * sizeof(*values));

        CHECK(t->count <= 14);
        st_read(st, t, values);
        free(values);
    }
    st_close(err ? NULL : st);
    return err;
}

TEST(safetensors, every_truncation_is_refused)
{
    const char *path = path_of("cut.safetensors");
    unsigned char bytes[8 + sizeof(good) + 14] = { sizeof(good) - 1 };

    memcpy(bytes + 8, good, sizeof(good) - 1);
    write_bytes(path, bytes, 8 + sizeof(good) - 1 + 14);
    REQUIRE(open_and_read(path) == OK);
    for (size_t n = 0; n < 8 + sizeof(good) - 1 + 14; n++) {
        write_bytes(path, bytes, n);
        CHECK_MSG(open_and_read(path) == ERR_INPUT, "%zu bytes opened", n);
    }
}

/* Any byte of the header may be anything: an error or a file, no crash. */
TEST(safetensors, no_changed_byte_makes_it_read_beyond)
{
    static const unsigned char other[] = { 0, '"', '9', '{', ']', ',', 255 };
    const char *path = path_of("flip.safetensors");
    unsigned char bytes[8 + sizeof(good) + 14] = { sizeof(good) - 1 };
    int refused = 0;

    memcpy(bytes + 8, good, sizeof(good) - 1);
    for (size_t i = 0; i < 8 + sizeof(good) - 1; i++)
        for (size_t k = 0; k < sizeof(other); k++) {
            const unsigned char was = bytes[i];

            bytes[i] = other[k];
            write_bytes(path, bytes, 8 + sizeof(good) - 1 + 14);
            refused += open_and_read(path) != OK;
            bytes[i] = was;
        }
    CHECK_MSG(refused > 700, "only %d refused", refused);
}

TEST(safetensors, a_failed_write_leaves_what_was_there)
{
    const float one = 1;
    StWriter *w = st_writer_new();

    st_writer_tensor(w, "a", 1, (int[]){ 1 }, &one);
    CHECK(st_writer_save(w, "/proc/none/a.safetensors") == ERR_IO);
    CHECK(strstr(err_message(), "/proc/none/a.safetensors cannot be written"));
    st_writer_free(w);
}
