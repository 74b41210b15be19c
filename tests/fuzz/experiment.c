/*
 * experiment.c - an experiment from a file, and what its cases print.
 */
#include "harness/experiments/experiment.h"

#include "kernels/core/err.h"
#include "tests/fuzz/fuzz.h"

enum { PRINTED = 3 };

void fuzz_experiment(const uint8_t *data, size_t n)
{
    const char *path = fuzz_file("experiment.json", data, n);
    char text[CASE_TEXT];
    Experiment e = { 0 };

    if (experiment_read(&e, path, NULL, 0) != OK)
        return;
    for (int i = 0; i < e.ncases && i < PRINTED; i++) {
        case_print(&e.cases[i], text);
        case_where(&e.cases[i]);
    }
    experiment_free(&e);
}
