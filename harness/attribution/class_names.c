/*
 * class_names.c - reads the names of classes, one per line.
 */
#include "harness/attribution/class_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/files/file.h"
#include "kernels/core/err.h"
#include "kernels/core/visible.h"

enum { NAMES_BYTES = 1 << 20 };

static int read_text(ClassNames *out)
{
    size_t size;
    FILE *f;

    if (file_open(&f, &size, out->path))
        return fail_within(ERR_INPUT, "%s", out->path);
    if (size > NAMES_BYTES) {
        fclose(f);
        return fail(ERR_INPUT,
                    "%s: %zu bytes are too many for names of classes, one a "
                    "line",
                    out->path, size);
    }
    out->text = calloc(size + 2, 1);
    if (out->text)
        size = fread(out->text, 1, size, f);
    fclose(f);
    if (!out->text)
        return fail(ERR_MEMORY, "%s: no memory for it", out->path);
    if (size && out->text[size - 1] != '\n')
        out->text[size] = '\n';
    return OK;
}

/* Cuts the text at the ends of its lines. */
static int cut(ClassNames *out)
{
    char *line = out->text;
    int lines = 0;

    for (const char *at = line; *at; at++)
        lines += *at == '\n';
    out->name = calloc((size_t)lines + 1, sizeof(*out->name));
    if (!out->name)
        return fail(ERR_MEMORY, "%s: no memory for it", out->path);
    while (out->n < lines) {
        char *end = strchr(line, '\n');

        if (!end)
            return fail(ERR_INPUT, "%s:%d: a zero byte", out->path, out->n + 1);
        *end = '\0';
        if (end > line && end[-1] == '\r')
            end[-1] = '\0';
        if (!line[strspn(line, " \t")])
            return fail(
                ERR_INPUT,
                "%s:%d: this line is empty; write the name of class %d there",
                out->path, out->n + 1, out->n);
        out->name[out->n++] = line;
        line = end + 1;
    }
    return OK;
}

int class_names_read(ClassNames *out, const char *path)
{
    int err;

    *out = (ClassNames){ .path = path };
    err = read_text(out);
    if (!err)
        err = cut(out);
    if (err)
        class_names_free(out);
    return err;
}

void class_names_free(ClassNames *names)
{
    free(names->text);
    free(names->name);
    *names = (ClassNames){ 0 };
}

int class_names_check(const ClassNames *names, int classes)
{
    if (!names->name || names->n == classes)
        return OK;
    return fail(ERR_INPUT,
                "%s: %d names for a network of %d classes; write one name per "
                "line, in the order of the classes",
                names->path, names->n, classes);
}

const char *class_name(const ClassNames *names, int class)
{
    return class >= 0 && class < names->n ? names->name[class] : "";
}

char *class_text(char text[CLASS_TEXT], const ClassNames *names, int class,
                 int letters)
{
    const char *name = class_name(names, class);
    int bytes = 0;

    for (int i = 0; name[bytes] && i < letters; i++) {
        const int one = utf8_length(name + bytes);

        if (bytes + one > CLASS_LONG)
            break;
        bytes += one ? one : 1;
    }
    if (name[0])
        snprintf(text, CLASS_TEXT, "%.*s%s (%d)", bytes, name,
                 name[bytes] ? "..." : "", class);
    else
        snprintf(text, CLASS_TEXT, "class %d", class);
    return text;
}
