/*
 * test_sass.c - the rules for the kernels' machine code, on texts that stand
 * in tests/test_sass.py.
 */
#include <stdlib.h>

#include "tests/test.h"

TEST(sass, counts_what_is_there_and_finds_what_is_broken)
{
    if (system("python3 -c 'import unittest' 2>/dev/null"))
        SKIP("there is no python3");
    CHECK(system("python3 tests/test_sass.py 2>/dev/null") == 0);
}
