/*
 * program.c - how this program was started.
 */
#include "harness/program.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "harness/cmd.h"
#include "harness/flags.h"

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

/* True if a command's name, and no other word, begins at text. */
static bool is_command(const char *text)
{
    static const char *const commands[] = {
#define X(id, help) #id,
        COMMANDS(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const size_t n = strlen(commands[i]);

        if (!strncmp(text, commands[i], n) && !isalnum((unsigned char)text[n]))
            return true;
    }
    return false;
}

void program_write(FILE *out, const char *text)
{
    const size_t n = strlen(name);
    char path[PROGRAM_TEXT];
    bool begins = true; /* a word */

    program_path(path);
    for (; *text; text++) {
        if (begins && !strncmp(text, name, n) && text[n] == ' ' &&
            is_command(text + n + 1)) {
            fputs(path, out);
            text += n;
        }
        begins = *text == ' ' || *text == '\'' || *text == '\n' || *text == '(';
        fputc(*text, out);
    }
}
