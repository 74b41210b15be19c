/*
 * test_nvcc.c - nvcc takes every kernel without a warning, for sm_80 and sm_90.
 *
 * make compiles what has changed since the last time; here its verdict is
 * read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/test.h"

enum { FIRST_TIME_S = 1800 }; /* a compiler run a file and architecture */

TEST(nvcc, every_kernel_compiles_for_sm_80_and_sm_90)
{
    char line[512], missing[512] = "";
    FILE *make;
    int status;

    alarm(FIRST_TIME_S);
    make = popen("make --no-print-directory -k cuda_check 2>&1", "r");
    REQUIRE(make != NULL);
    while (fgets(line, sizeof(line), make)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "cuda: no: ", 10) == 0)
            snprintf(missing, sizeof(missing), "%s", line + 10);
        if (strstr(line, "error") || strstr(line, "***"))
            test_failed(__FILE__, __LINE__, "%s", line);
    }
    status = pclose(make);
    if (missing[0])
        SKIP(missing);
    CHECK_MSG(status == 0, "make cuda_check ended with %d", status);
}
