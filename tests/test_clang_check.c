/*
 * test_clang_check.c - which files tests/clang_check.sh has clang read.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"
#include "tests/texts.h"

static void write_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
    f = fopen(path, "w");
    BUG_IF(!f);
    fputs(text, f);
    fclose(f);
}

/* Runs it on all files of the test's folder; returns its exit status. */
static int check_folder(char *text, size_t size)
{
    char command[3 * PATH_MAX], here[PATH_MAX];
    size_t n;
    FILE *f;

    BUG_IF(!getcwd(here, sizeof(here)));
    snprintf(command, sizeof(command),
             "cd '%s' && git init -q . && git add . && mkdir -p b && "
             "CFLAGS='-Wall -nostdlibinc' sh '%s/tests/clang_check.sh' b clang "
             "2>&1",
             test_tmpdir(), here);
    f = popen(command, "r");
    BUG_IF(!f);
    n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    return WEXITSTATUS(pclose(f));
}

TEST(clang_check, only_what_lacks_a_header_of_cuda_is_passed_over)
{
    char text[8192];
    int status;

    write_file("good.c", "int good(void)\n{\n    return 1;\n}\n");
    write_file("of_cuda.c", "#include \"by.h\"\nint y;\n");
    write_file("by.h", "#include <cuda_of_tomorrow.h>\n");
    status = check_folder(text, sizeof(text));
    if (strstr(text, "skipped"))
        SKIP("there is no clang with OpenMP");
    CHECK_MSG(status == 0, "%s", text);
    check_holds(text, "clang_check: 1 files, no warnings\n");
    check_holds(text, "    of_cuda.c: cuda_of_tomorrow.h\n");

    write_file("unused.c", "int f(void)\n{\n    int i;\n    return 1;\n}\n");
    CHECK(check_folder(text, sizeof(text)) != 0);
    check_holds(text, "unused variable 'i'");

    write_file("unused.c", "#include \"no_such.h\"\n");
    CHECK(check_folder(text, sizeof(text)) != 0);
    check_holds(text, "no_such.h");
}
