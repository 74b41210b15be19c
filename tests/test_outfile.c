/*
 * test_outfile.c - a file is written whole or stays as it was.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/files/image.h"
#include "harness/files/npy.h"
#include "harness/files/safetensors.h"
#include "results/outfile.h"
#include "tests/databases.h"
#include "tests/stored.h"
#include "tests/test.h"

/* Lets no file become larger than that: as on a disk that is full. */
static void fill_disk(size_t bytes)
{
    const struct rlimit limit = { bytes, RLIM_INFINITY };

    signal(SIGXFSZ, SIG_IGN);
    BUG_IF(setrlimit(RLIMIT_FSIZE, &limit));
}

/* The file is as it was, and nothing lies next to it. */
static void check_old(const char *path)
{
    size_t n;
    char *text = read_bytes(path, &n);
    DIR *dir = opendir(test_tmpdir());
    struct dirent *e;

    CHECK_MSG(text && !strcmp(text, "old"), "%s holds '%s'", path, text);
    free(text);
    while ((e = readdir(dir)))
        CHECK_MSG(!strstr(e->d_name, ".part"), "%s was left", e->d_name);
    closedir(dir);
}

TEST(outfile, takes_the_place_of_what_was_there)
{
    const char *path = temp_path("a.txt");
    struct stat info;
    size_t n;
    char *text;

    write_text(path, "old");
    CHECK(chmod(path, 0640) == 0);
    CHECK_MSG(outfile_write(path, "new text", 8) == OK, "%s", err_message());
    text = read_bytes(path, &n);
    CHECK(text && !strcmp(text, "new text"));
    free(text);
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0640);
}

TEST(outfile, an_error_leaves_what_was_there)
{
    const char *path = temp_path("a.txt");
    Outfile out;

    write_text(path, "old");
    REQUIRE(outfile_open(&out, path) == OK);
    fputs("half", out.file);
    CHECK(outfile_close(&out, fail(ERR_INPUT, "no more")) == ERR_INPUT);
    CHECK(!strcmp(err_message(), "no more"));
    check_old(path);
}

TEST(outfile, follows_a_link_and_writes_to_a_device)
{
    const char *path = temp_path("a.txt"), *link = temp_path("link");
    struct stat info;
    size_t n;
    char *text;

    write_text(path, "old");
    REQUIRE(symlink(path, link) == 0);
    CHECK(outfile_write(link, "new", 3) == OK);
    CHECK(lstat(link, &info) == 0 && S_ISLNK(info.st_mode));
    text = read_bytes(path, &n);
    CHECK(text && !strcmp(text, "new"));
    free(text);
    CHECK(outfile_write("/dev/null", "new", 3) == OK);
    CHECK(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    if (access("/dev/full", W_OK) == 0)
        CHECK(outfile_write("/dev/full", "new", 3) == ERR_IO);
    CHECK(outfile_write("/no/such/folder/a", "new", 3) == ERR_IO);
}

/* As in a folder that may not be written: here the name is as long as one may
 * be, so that none is left for a file next to it. */
TEST(outfile, is_written_in_place_where_there_is_no_room_beside_it)
{
    char name[256], path[600];
    size_t n;
    char *text;

    memset(name, 'a', 255);
    name[255] = '\0';
    snprintf(path, sizeof(path), "%s", temp_path(name));
    write_text(path, "old text");
    CHECK_MSG(outfile_write(path, "new", 3) == OK, "%s", err_message());
    text = read_bytes(path, &n);
    CHECK(text && !strcmp(text, "new"));
    free(text);
}

/* Everything that writes files, one after the other. */

static int export_into(const char *path)
{
    char flag[600];

    snprintf(flag, sizeof(flag), "--db=%s", temp_path("full.db"));
    return cmd_export(3, (char *[]){ flag, "--format=json", (char *)path });
}

static int npy_into(const char *path)
{
    static const float values[1000] = { 1 };

    return npy_write(path, values, 1, (int[]){ 1000 });
}

static int png_into(const char *path)
{
    Image image = { .width = 64, .height = 64, .rgb = malloc(64 * 64 * 3) };
    int err;

    BUG_IF(!image.rgb);
    for (int i = 0; i < 64 * 64 * 3; i++)
        image.rgb[i] = (unsigned char)(i * 2654435761u >> 13);
    err = image_write_png(&image, path);
    free(image.rgb);
    return err;
}

static int safetensors_into(const char *path)
{
    static const float values[1000] = { 1 };
    StWriter *w = st_writer_new();
    int err;

    st_writer_tensor(w, "x", 1, (int[]){ 1000 }, values);
    err = st_writer_save(w, path);
    st_writer_free(w);
    return err;
}

TEST(outfile, a_full_disk_leaves_the_old_file)
{
    static const struct {
        const char *name;
        int (*write)(const char *path);
    } all[] = { { "export", export_into },
                { "npy", npy_into },
                { "png", png_into },
                { "safetensors", safetensors_into } };
    const char *path = temp_path("a.out");

    REQUIRE(make_database(temp_path("full.db"), 8) == OK);
    fill_disk(500);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        write_text(path, "old");
        CHECK_MSG(all[i].write(path) == ERR_IO, "%s", all[i].name);
        CHECK_MSG(strstr(err_message(), path), "%s: '%s' names no file",
                  all[i].name, err_message());
        check_old(path);
    }
}

/* The script and the data of a figure. */
TEST(outfile, a_full_disk_leaves_the_old_figure)
{
    const char *db = temp_path("plot.db"), *gp = temp_path("channels.gp");
    char flag[600], out[600];

    stored_channels(db);
    write_text(gp, "old");
    snprintf(flag, sizeof(flag), "--db=%s", db);
    snprintf(out, sizeof(out), "--out=%s", test_tmpdir());
    fill_disk(1000);
    CHECK(cmd_plot(3, (char *[]){ "channels", flag, out }) != OK);
    CHECK_MSG(strstr(err_message(), "channels."), "%s", err_message());
    check_old(gp);
}
