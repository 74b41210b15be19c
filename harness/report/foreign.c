/*
 * foreign.c - knows other programs' files by their first bytes, or their keys.
 */
#include "harness/report/foreign.h"

#include <stdio.h>
#include <string.h>

#include "harness/files/file.h"
#include "kernels/core/err.h"
#include "kernels/core/param.h"
#include "results/store.h"

#define START(text) text, sizeof(text) - 1
#define THEN_TEXT   "convert it to JSON"

static const struct {
    const char *start;
    size_t n;
    const char *is, *todo;
} starts[] = {
    { START("\x1F\x8B"), "compressed by gzip", "unpack it first" },
    { START("\x28\xB5\x2F\xFD"), "compressed by zstd", "unpack it first" },
    { START("\xFD"
            "7zXZ"),
      "compressed by xz", "unpack it first" },
    { START("PK\x03\x04"),
      "a zip archive, such as a spreadsheet, .npz or PyTorch file", THEN_TEXT },
    { START("\x93NUMPY"), "a NumPy array", THEN_TEXT },
    { START("\x89HDF"), "an HDF5 file", THEN_TEXT },
    { START("PAR1"), "a Parquet file", THEN_TEXT },
    { START("ARROW1"), "an Arrow file", THEN_TEXT },
    { START("\x80\x02"), "a Python pickle", THEN_TEXT },
    { START("\x80\x04"), "a Python pickle", THEN_TEXT },
    { START("\x80\x05"), "a Python pickle", THEN_TEXT },
    { START("%PDF"), "a PDF", THEN_TEXT },
    { START("\x89PNG"), "a PNG picture", "import takes JSON" },
    { START("\xFF\xD8\xFF"), "a JPEG picture", "import takes JSON" },
    { START("\x7F"
            "ELF"),
      "a program", "run it" },
    { START("<"), "XML or HTML", THEN_TEXT },
    { START("\xFF\xFE"), "text in UTF-16", "save it as UTF-8" },
    { START("\xFE\xFF"), "text in UTF-16", "save it as UTF-8" },
};

/* Says whether the database is ours: then it can be exported. */
static int refuse_database(const char *path)
{
    char word[512]; /* a sentence has room for no more */
    Store *s;
    const int err = store_open(&s, path, STORE_READ);

    if (err == ERR_IO) /* as where it is locked: nothing is known of it */
        return err;
    if (err)
        return fail(ERR_INPUT,
                    "%s is an SQLite database that attnbench cannot read; "
                    "import takes JSON",
                    path);
    store_close(s);
    if (param_word(word, sizeof(word), path) >= sizeof(word))
        strcpy(word, "...");
    return fail(
        ERR_INPUT,
        "%s is a database, not JSON; to add what it holds: attnbench merge %s",
        path, word);
}

int foreign_file(const char *path)
{
    static const char sqlite[] = "SQLite format 3";
    char first[sizeof(sqlite)];
    size_t n;
    FILE *f;
    int err = file_open(&f, NULL, path);

    if (err)
        return fail_within(err, "%s", path);
    n = fread(first, 1, sizeof(first), f);
    fclose(f);
    if (n == sizeof(sqlite) && !memcmp(first, sqlite, n))
        return refuse_database(path);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (n >= starts[i].n && !memcmp(first, starts[i].start, starts[i].n))
            return fail(ERR_INPUT, "%s is %s; %s", path, starts[i].is,
                        starts[i].todo);
    return OK;
}

int foreign_json(const Json *j)
{
    static const struct {
        const char *has, *and, *program;
    } programs[] = {
        { "context", "benchmarks", "Google Benchmark" },
        { "machine_info", "benchmarks", "pytest-benchmark" },
        { "benchmarks", "metadata", "pyperf" },
        { "results", "results", "hyperfine" },
        { "traceEvents", "traceEvents", "a profiler (Chrome's trace format)" },
    };
    const cJSON *root = j->root;

    if (cJSON_GetObjectItemCaseSensitive(root, "runs"))
        return OK;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        if (cJSON_GetObjectItemCaseSensitive(root, programs[i].has) &&
            cJSON_GetObjectItemCaseSensitive(root, programs[i].and))
            return fail(ERR_INPUT,
                        "%s looks like the output of %s, which attnbench "
                        "does not read; 'attnbench import --help' shows the "
                        "format for its times",
                        j->path, programs[i].program);
    return OK;
}
