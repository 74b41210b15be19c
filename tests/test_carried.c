/*
 * test_carried.c - experiments that the program has in any folder.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/experiments/carried.h"
#include "tests/pictures.h"
#include "tests/program.h"
#include "tests/test.h"

TEST(carried, is_every_experiment_as_its_file_has_it)
{
    glob_t found;
    int n = 0;

    REQUIRE(glob("harness/experiments/*.json", 0, NULL, &found) == 0);
    while (carried_name(n))
        n++;
    CHECK(n == (int)found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *text = carried_text(found.gl_pathv[i]);
        size_t size;
        unsigned char *bytes = picture_bytes(found.gl_pathv[i], &size);

        CHECK_MSG(text && strlen(text) == size && !memcmp(text, bytes, size),
                  "%s", found.gl_pathv[i]);
        free(bytes);
    }
    globfree(&found);
    CHECK(!carried_text("chan") && !carried_text("nothing.json"));
}

TEST(carried, experiments_run_from_any_folder)
{
    char *said;

    REQUIRE(chdir(test_tmpdir()) == 0);
    CHECK(program(&said, "run channels --dry_run") == 0);
    CHECK_MSG(strstr(said, "\"experiment\":\"channels\""), "%s", said);
    free(said);
    CHECK(program(&said, "list experiments") == 0);
    CHECK_MSG(strstr(said, "channels ") && strstr(said, "bench "), "%s", said);
    free(said);
    CHECK(program(&said, "run chanels --dry_run") == 2);
    CHECK_MSG(strstr(said, "did you mean 'channels'?"), "%s", said);
    free(said);
}

/* A folder of one's own may hold another of the same name. */
TEST(carried, a_file_of_that_name_comes_first)
{
    static const char own[] = "{\"experiment\":\"mine\",\"question\":\"\","
                              "\"module\":\"se\"}";
    char *said;

    REQUIRE(chdir(test_tmpdir()) == 0);
    CHECK(system("mkdir -p harness/experiments") == 0);
    picture_write("harness/experiments/channels.json", own, sizeof(own) - 1);
    CHECK(program(&said, "run channels --dry_run") == 0);
    CHECK_MSG(strstr(said, "\"experiment\":\"mine\""), "%s", said);
    free(said);
}

/* Where results went is said from the root. */
TEST(carried, paths_of_results_are_absolute)
{
    char *said, want[256];

    REQUIRE(chdir(test_tmpdir()) == 0);
    CHECK(program(&said, "run --module=se --channels=16 --height=7 --width=7 "
                         "--limit=1 --threads=1 --force --db=in/x.db") < 126);
    snprintf(want, sizeof(want), "stored in %s/in/x.db", test_tmpdir());
    CHECK_MSG(strstr(said, want), "%s", said);
    free(said);
}
