/*
 * fuzz.h - what is fuzzed: functions that take any bytes and must return.
 *
 * A target hands bytes to a part of the program that reads what others wrote.
 * It must not crash, hang or leak, whatever they are; what it says of them is
 * not looked at.  clang's libFuzzer calls targets millions of times (make
 * fuzz); test_fuzz.c calls each with every file of tests/fuzz/corpus/<target>.
 *
 * To add one: a file <target>.c here with its fuzz_<target>(), a line below,
 * a few small files in corpus/<target>.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/*  name         what its bytes are                                          */
#define FUZZ_TARGETS(X)                                                   \
    X(experiment, "an experiment: JSON")                                  \
    X(safetensors, "a .safetensors file")                                 \
    X(image, "a JPEG or PNG file, which is then resized")                 \
    X(database, "changes of the bytes of a database, which is then read") \
    X(values, "changes of the values in a database without constraints")  \
    X(import, "a letter, c or j, then the CSV or JSON to import")         \
    X(peer, "a peer's answers, a zero byte, its file of outputs")         \
    X(flags, "arguments of a command, one a line")                        \
    X(verify, "a case file")                                              \
    X(weights, "a letter, then a small file of weights, or changes of a " \
               "network's")

#define X(id, help) void fuzz_##id(const uint8_t *data, size_t n);
FUZZ_TARGETS(X)
#undef X

typedef struct FuzzTarget {
    const char *name, *help;
    void (*run)(const uint8_t *data, size_t n);
} FuzzTarget;

/* The i-th target, NULL past the end. */
const FuzzTarget *fuzz_target(int i);

/* Runs it on a copy that ends where the bytes end; its standard output goes
 * nowhere. */
void fuzz_run(const FuzzTarget *target, const uint8_t *data, size_t n);

/* ---- for targets ---- */

/* Writes the bytes to a file of that name in the folder for temporary files.
 * Returns its path, good until the fourth call after it. */
const char *fuzz_file(const char *name, const void *data, size_t n);

/* The rest of the bytes to decide by. */
typedef struct Choices {
    const uint8_t *at;
    size_t left;
} Choices;

/* The next of them as a number below n (at most 65536); 0 when all are used. */
unsigned fuzz_choose(Choices *c, unsigned n);

/* Commands that only read a database. */
enum {
    READ_TABLES = 1,
    READ_EXPORTS = 2,
    READ_PAPER = 4,   /* what reproduce prints of stored runs         */
    READ_FIGURES = 8, /* composed, up to where gnuplot would draw them */
    READ_ALL = 15,
};
void fuzz_read_database(const char *path, unsigned what);

#endif
