/*
 * program.c - how this program was started.
 */
#include "harness/devices/program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/core/param.h"
#include "results/store.h"

static const char name[] = "attnbench";

const char *program_path(char text[PROGRAM_TEXT])
{
    FILE *out = fmemopen(text, PROGRAM_TEXT, "w");
    const char *path = program_invocation_name;
    bool cut = true;

    if (out) {
        put_argument(out, path);
        cut = ftell(out) >= PROGRAM_TEXT - 1;
        fclose(out);
    }
    if (cut || !strchr(path, '/'))
        snprintf(text, PROGRAM_TEXT, "%s", name);
    return text;
}

void put_argument(FILE *out, const char *text)
{
    const size_t size = param_word(NULL, 0, text) + 1;
    char *word = malloc(size);

    BUG_IF(!word); /* an argument's length */
    param_word(word, size, text);
    fputs(word, out);
    free(word);
}

void put_db(FILE *out, const char *db)
{
    if (strcmp(db, STORE_PATH) == 0)
        return;
    fputs(" --db=", out);
    put_argument(out, db);
}
