/*
 * json.h - a JSON file, and the lines and columns of its items.
 *
 * cJSON parses, but forgets positions and lets bad text through; here a file
 * is checked before it is parsed, and an item's line and column are found
 * again when a sentence about it is wanted.
 */
#ifndef HARNESS_JSON_H
#define HARNESS_JSON_H

#include <cjson/cJSON.h>

typedef struct Json {
    const char *path; /* borrowed from the caller of json_read */
    char *text;       /* ends with a zero byte                 */
    cJSON *root;
} Json;

/* Reads and parses path.  ERR_IO if it cannot be read; ERR_INPUT with
 * "PATH:LINE:COLUMN: ..." if it is not JSON in UTF-8, if it is nested deeply,
 * or if an object has a key twice. */
int json_read(Json *out, const char *path);
void json_free(Json *j);

/* The same from text that is already there; path is what messages call it. */
int json_parse(Json *out, const char *path, const char *text);

/* fail(ERR_INPUT, "PATH:LINE:COLUMN: ...") at item: at its key, if it is a
 * member of an object. */
int json_fail(const Json *j, const cJSON *item, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A value as the text of a flag: 16, "3,5,7,9", "name".  ERR_INPUT where it is
 * no number, list of numbers or string, or longer than size. */
int json_setting(const cJSON *item, char *text, size_t size);

/* "a number", "a string", ...: what a sentence calls an item. */
const char *json_kind(const cJSON *item);

#endif
