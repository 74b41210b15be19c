/*
 * json.c - reads JSON files, and finds the line of an item.
 */
#include "harness/files/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/files/file.h"
#include "kernels/core/err.h"
#include "kernels/core/visible.h"

/* Nothing that is read here needs more. */
enum { MAX_DEPTH = 16 };

/* fail() with the line and column of a byte in text; columns count bytes. */
static int fail_at(const Json *j, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int vfail_at(const Json *j, const char *at, const char *fmt,
                    va_list args)
{
    char what[512];
    int line = 1, column = 1;

    for (const char *p = j->text; p < at; p++) {
        column++;
        if (*p == '\n') {
            line++;
            column = 1;
        }
    }
    vsnprintf(what, sizeof(what), fmt, args);
    return fail(ERR_INPUT, "%s:%d:%d: %s", j->path, line, column, what);
}

static int fail_at(const Json *j, const char *at, const char *fmt, ...)
{
    va_list args;
    int err;

    va_start(args, fmt);
    err = vfail_at(j, at, fmt, args);
    va_end(args);
    return err;
}

/* Checks what cJSON would let through: encoding, control characters, depth. */
static int check_text(const Json *j)
{
    bool in_string = false;
    int depth = 0;

    if (strncmp(j->text, "\xEF\xBB\xBF", 3) == 0)
        return fail_at(j, j->text,
                       "the file starts with a byte order mark; "
                       "save it as UTF-8 without one");
    for (const char *p = j->text; *p;) {
        const int n = utf8_length(p);

        if (n == 0)
            return fail_at(j, p, "byte 0x%02x is not UTF-8", (unsigned char)*p);
        if (in_string && (unsigned char)*p < 0x20)
            return fail_at(j, p,
                           "a string runs past the end of its line, or "
                           "contains a control character");
        if (in_string && *p == '\\' && p[1]) {
            p += 2;
            continue;
        }
        if (*p == '"')
            in_string = !in_string;
        else if (!in_string && (*p == '{' || *p == '['))
            depth++;
        else if (!in_string && (*p == '}' || *p == ']'))
            depth--;
        if (depth > MAX_DEPTH)
            return fail_at(j, p, "nested deeper than %d", MAX_DEPTH);
        p += n;
    }
    return OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The first comma before a closing bracket, outside of strings; NULL: none.
 * cJSON gives up behind it, where that is an object's. */
static const char *trailing_comma(const char *text)
{
    const char *comma = NULL;
    bool in_string = false;

    for (const char *p = text; *p; p++) {
        if (in_string) {
            if (*p == '\\' && p[1])
                p++;
            else if (*p == '"')
                in_string = false;
            continue;
        }
        if ((*p == '}' || *p == ']') && comma)
            return comma;
        if (!is_space(*p))
            comma = *p == ',' ? p : NULL;
        in_string = *p == '"';
    }
    return NULL;
}

/* The sentence for text that is not JSON, at the byte where cJSON gave up. */
static int refuse_syntax(const Json *j, const char *at)
{
    const char *before = at, *end = j->text + strlen(j->text);
    const char *comma = trailing_comma(j->text);
    int n = (int)strcspn(at, " \t\r\n,:{}[]\"");

    while (at < end && is_space(*at))
        at++;
    if (comma && comma <= at)
        return fail_at(j, comma, "a comma before '%c': remove it",
                       comma[1 + strspn(comma + 1, " \t\r\n")]);
    if (at >= end || (at == end - 1 && is_space(*at)))
        return fail_at(j, end, "unexpected end of file");
    while (before > j->text && is_space(before[-1]))
        before--;
    if (*at == '/' || *at == '#')
        return fail_at(j, at, "JSON has no comments");
    if (*at == '\'' || (at > j->text && at[-1] == '\''))
        return fail_at(j, at, "strings take double quotes");
    if (*at == '"' && before > j->text && !strchr(",:{[", before[-1]))
        return fail_at(j, at, "a comma is missing before this");
    n = n < 1 ? 1 : n > 20 ? 20 : n;
    return fail_at(j, at, "did not expect '%.*s' here", n, at);
}

typedef struct Key {
    const cJSON *item;
    int at; /* its place in the object */
} Key;

static int by_name(const void *a, const void *b)
{
    const Key *x = a, *y = b;
    const int d = strcmp(x->item->string, y->item->string);

    return d ? d : x->at - y->at;
}

/* The first member of an object that repeats a key; NULL if none does. */
static const cJSON *repeated(const cJSON *object, Key *keys, int n)
{
    const Key *first = NULL;
    int i = 0;

    for (const cJSON *a = object->child; a; a = a->next, i++)
        keys[i] = (Key){ a, i };
    qsort(keys, (size_t)n, sizeof(*keys), by_name);
    for (i = 1; i < n; i++)
        if (!strcmp(keys[i].item->string, keys[i - 1].item->string) &&
            (!first || keys[i].at < first->at))
            first = &keys[i];
    return first ? first->item : NULL;
}

/* An object's keys are read by name, so a second one would be ignored. */
static int check_keys(const Json *j, const cJSON *item)
{
    const int n = cJSON_IsObject(item) ? cJSON_GetArraySize(item) : 0;
    Key *keys = n > 1 ? malloc((size_t)n * sizeof(*keys)) : NULL;
    const cJSON *twice = keys ? repeated(item, keys, n) : NULL;

    free(keys);
    if (n > 1 && !keys)
        return fail(ERR_MEMORY, "%s: no memory for %d keys", j->path, n);
    if (twice)
        return json_fail(j, twice, "duplicate key '%s'", twice->string);
    for (const cJSON *a = item->child; a; a = a->next)
        TRY(check_keys(j, a));
    return OK;
}

/* Takes over text, which json_free then frees. */
static int parse(Json *j)
{
    const char *end = NULL;

    TRY(check_text(j));
    j->root = cJSON_ParseWithOpts(j->text, &end, 1);
    if (!j->root)
        return refuse_syntax(j, end ? end : j->text);
    return check_keys(j, j->root);
}

int json_parse(Json *j, const char *path, const char *text)
{
    int err;

    *j = (Json){ .path = path, .text = strdup(text) };
    BUG_IF(!j->text);
    err = parse(j);
    if (err)
        json_free(j);
    return err;
}

static int read_text(Json *j)
{
    size_t size;
    FILE *f;
    int err = file_open(&f, &size, j->path);

    if (err)
        return fail_within(err, "%s", j->path);
    j->text = calloc(1, size + 1);
    if (!j->text)
        err = fail(ERR_MEMORY, "%s: no memory for %zu bytes", j->path, size);
    else if (fread(j->text, 1, size, f) != size)
        err = fail(ERR_IO, "%s: %s", j->path, strerror(errno));
    else if (strcmp(j->text, "SQLite format 3") == 0)
        err = fail(ERR_INPUT,
                   "%s: an SQLite database, not JSON; 'attnbench export "
                   "--format=json --db=...' writes it as JSON",
                   j->path);
    else if (strlen(j->text) != size)
        err = fail_at(j, j->text + strlen(j->text), "a zero byte");
    fclose(f);
    return err;
}

int json_read(Json *j, const char *path)
{
    int err;

    *j = (Json){ .path = path };
    err = read_text(j);
    if (!err)
        err = parse(j);
    if (err)
        json_free(j);
    return err;
}

void json_free(Json *j)
{
    cJSON_Delete(j->root);
    free(j->text);
    j->root = NULL;
    j->text = NULL;
}

/* Counts values in the order written until item; true when it is found. */
static bool ordinal(const cJSON *root, const cJSON *item, int *count)
{
    if (root == item)
        return true;
    ++*count;
    for (const cJSON *c = root->child; c; c = c->next)
        if (ordinal(c, item, count))
            return true;
    return false;
}

static const char *string_end(const char *p)
{
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : p;
}

/* The byte where the value of that ordinal starts, or its key does. */
static const char *position(const char *p, int wanted)
{
    const char *key = NULL;

    for (int seen = 0; *p; seen++) {
        const char *end;

        p += strspn(p, " \t\r\n,]}");
        if (*p == '"') {
            end = string_end(p);
            if (end[strspn(end, " \t\r\n")] == ':') {
                key = p;
                p = end + strspn(end, " \t\r\n:");
            }
        }
        if (seen == wanted)
            return key ? key : p;
        key = NULL;
        p = *p == '"'                ? string_end(p)
            : *p == '{' || *p == '[' ? p + 1
                                     : p + strcspn(p, " \t\r\n,]}");
    }
    return p;
}

int json_fail(const Json *j, const cJSON *item, const char *fmt, ...)
{
    va_list args;
    int count = 0, err;

    BUG_IF(!ordinal(j->root, item, &count));
    va_start(args, fmt);
    err = vfail_at(j, position(j->text, count), fmt, args);
    va_end(args);
    return err;
}

const char *json_kind(const cJSON *item)
{
    return cJSON_IsNumber(item)   ? "a number"
           : cJSON_IsString(item) ? "a string"
           : cJSON_IsArray(item)  ? "a list"
           : cJSON_IsObject(item) ? "an object"
           : cJSON_IsBool(item)   ? "true or false"
                                  : "null";
}

int json_setting(const cJSON *item, char *text, size_t size)
{
    const bool list = cJSON_IsArray(item);
    size_t n = 0;

    text[0] = '\0';
    if (cJSON_IsString(item)) {
        n = (size_t)snprintf(text, size, "%s", item->valuestring);
        return n < size ? OK : fail(ERR_INPUT, "%s is too long", item->string);
    }
    for (const cJSON *i = list ? item->child : item; i;
         i = list ? i->next : NULL) {
        if (!cJSON_IsNumber(i))
            return fail(ERR_INPUT, "%s is not a number, a list or a name",
                        item->string);
        n += (size_t)snprintf(text + n, size - n, "%s%.15g", n ? "," : "",
                              i->valuedouble);
        if (n >= size)
            return fail(ERR_INPUT, "%s is too long", item->string);
    }
    return OK;
}
