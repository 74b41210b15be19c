/*
 * flags.c - arguments as cases, their networks and what these cost.
 */
#include "harness/cli/flags.h"

#include <stdlib.h>
#include <string.h>

#include "harness/experiments/experiment.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "tests/fuzz/fuzz.h"

enum { BUILT = 2, WORDS = 68 };

typedef struct Settings {
    const char *db;
    ParamName name;
    int number;
} Settings;

static const Param params[] = {
    PARAM_PATH(Settings, db, "x", "a path"),
    PARAM_NAME(Settings, name, "", NULL, "a name"),
    PARAM_INT(Settings, number, 0, 0, 9, "a number"),
    PARAM_END,
};

static const Usage usage = {
    .name = "count",
    .args = "WORD...",
    .max_args = 4,
    .what = "Takes everything.",
    .params = params,
    .takes_case = true,
};

static void build(const Case *c)
{
    char text[CASE_TEXT];
    Graph *g;

    case_print(c, text);
    if (network_build(&g, c, NULL, TAPS_NONE) != OK)
        return;
    network_cost(g, c);
    graph_free(g);
}

static void parse(char **argv, int argc)
{
    static Flags flags; /* too large for the stack of some */
    Settings settings;
    Experiment e = { 0 };

    if (flags_parse(&flags, &usage, &settings, argc, argv) != OK)
        return;
    if (flags.help) {
        flags_help(&flags, &usage, stdout);
        return;
    }
    if (experiment_read(&e, NULL, flags.flag, flags.nflags) != OK)
        return;
    for (int i = 0; i < e.ncases && i < BUILT; i++)
        build(&e.cases[i]);
    experiment_free(&e);
}

void fuzz_flags(const uint8_t *data, size_t n)
{
    char *argv[WORDS + 1], *text = malloc(n + 1), *rest = text, *word;
    int argc = 0;

    BUG_IF(!text);
    memcpy(text, data, n);
    text[n] = '\0';
    while (argc < WORDS && (word = strsep(&rest, "\n")))
        argv[argc++] = word;
    argv[argc] = NULL;
    parse(argv, argc);
    free(text);
}
