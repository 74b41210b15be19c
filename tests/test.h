/*
 * test.h - the test runner: TEST declares, CHECK judges, SKIP says why not.
 *
 * Every test runs in a process of its own, so that a crash is one failure.
 * build/run_tests [PART]... runs those whose "suite.name" contains a PART.
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Test {
    const char *suite, *name, *file;
    int line;
    void (*run)(void);
    struct Test *next;
} Test;

void test_register(Test *t);

/* The failing line, the expression, and what the format says. */
void test_failed(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void test_skip(const char *why) __attribute__((noreturn));

/* A folder that is made for this test and removed after it. */
const char *test_tmpdir(void);

/* The path of a file in the folder of this program, until the next call. */
const char *test_beside(const char *name);

#ifdef __cplusplus
}
#endif

#define TEST(suite_, name_)                                                    \
    static void suite_##_##name_(void);                                        \
    __attribute__((constructor)) static void suite_##_##name_##_register(void) \
    {                                                                          \
        static Test t = { #suite_,  #name_,           __FILE__,                \
                          __LINE__, suite_##_##name_, 0 };                     \
        test_register(&t);                                                     \
    }                                                                          \
    static void suite_##_##name_(void)

/* CHECK continues after a failure, REQUIRE leaves the test. */
#define CHECK(cond)                                       \
    do {                                                  \
        if (!(cond))                                      \
            test_failed(__FILE__, __LINE__, "%s", #cond); \
    } while (0)
#define CHECK_MSG(cond, ...)                              \
    do {                                                  \
        if (!(cond))                                      \
            test_failed(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)
#define REQUIRE(cond)                                                        \
    do {                                                                     \
        if (!(cond)) {                                                       \
            test_failed(__FILE__, __LINE__, "%s: %s", #cond, err_message()); \
            return;                                                          \
        }                                                                    \
    } while (0)
#define SKIP(why) test_skip(why)

#include "kernels/core/err.h"

#endif
