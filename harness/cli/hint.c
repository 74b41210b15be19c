/*
 * hint.c - sentences with commands that can be pasted.
 */
#include "harness/cli/hint.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "harness/cli/cmd.h"
#include "harness/devices/program.h"

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

void hint_write(FILE *out, const char *text)
{
    static const char name[] = "attnbench";
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
