/*
 * test_fuzz.c - what fuzzing has found worth keeping, through the targets that
 * found it, by the ordinary compiler.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/databases.h"
#include "tests/fuzz/fuzz.h"
#include "tests/test.h"

#define CORPUS "tests/fuzz/corpus"

static char at[600]; /* the file at hand */

/* A crash says which file it is of. */
static void say_file(int sig)
{
    const char *parts[] = { "    at ", at, "\n" };

    for (int i = 0; i < 3; i++)
        if (write(STDOUT_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Runs a target on the file at hand. */
static void replay_one(const FuzzTarget *target)
{
    size_t size;
    char *bytes = read_bytes(at, &size);

    REQUIRE(bytes != NULL);
    fuzz_run(target, (const uint8_t *)bytes, size);
    free(bytes);
}

static void replay(const FuzzTarget *target)
{
    char folder[256];
    struct dirent *entry;
    DIR *dir;
    int n = 0;

    snprintf(folder, sizeof(folder), CORPUS "/%s", target->name);
    dir = opendir(folder);
    if (!dir)
        SKIP("run me in the project's root folder");
    signal(SIGSEGV, say_file);
    signal(SIGABRT, say_file);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(at, sizeof(at), "%s/%s", folder, entry->d_name);
        replay_one(target);
        n++;
    }
    closedir(dir);
    CHECK_MSG(n > 0, "%s has no files", folder);
}

static void replay_named(const char *name)
{
    for (int i = 0; fuzz_target(i); i++)
        if (strcmp(fuzz_target(i)->name, name) == 0)
            replay(fuzz_target(i));
}

#define X(id, help)                          \
    TEST(fuzz, the_corpus_of_##id##_is_read) \
    {                                        \
        replay_named(#id);                   \
    }
FUZZ_TARGETS(X)
#undef X
