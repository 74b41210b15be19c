/*
 * param.h - settings as a plain struct and a table that describes it.
 *
 * JSON keys, flags, help, the repeat line and SQL columns all read the table,
 * so a setting is spelled once: PARAM_INT(SeSettings, reduction, ...).
 */
#ifndef CORE_PARAM_H
#define CORE_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PARAM_INTS_MAX = 8,
    PARAM_NAME_MAX = 64,
    PARAM_FILE_MAX = 240,
    PARAM_TEXT_MAX = 2048, /* of any value */
};

typedef enum ParamKind {
    PARAM_KIND_INT,
    PARAM_KIND_INTS,
    PARAM_KIND_REAL,
    PARAM_KIND_NAME,
    PARAM_KIND_CHOICE,
    PARAM_KIND_FILE,
    PARAM_KIND_PATH,
    PARAM_KIND_TEXT,
    PARAM_KIND_LONG,
} ParamKind;

/* A short list of integers as a value: 3,5,7,9. */
typedef struct ParamInts {
    int n, at[PARAM_INTS_MAX];
} ParamInts;

/* A name as a value: one of a list, or free text where there is none.  (A
 * CHOICE is an int: which name of its list.) */
typedef struct ParamName {
    char text[PARAM_NAME_MAX];
} ParamName;

/* A file as a value, by a path that neither a shell nor JSON has to quote.
 * (A PATH is a const char *: any text, borrowed from whoever set it; a TEXT is
 * a char[size], a LONG an int64_t.) */
typedef struct ParamFile {
    char text[PARAM_FILE_MAX];
} ParamFile;

/* A field of a struct, as whoever reads or writes it must know it. */
typedef struct Param {
    const char *name; /* NULL ends a table */
    ParamKind kind;
    size_t offset;
    const char *initial; /* the default, as text                    */
    int min, max;        /* of an INT, a REAL, and of each of INTS; both 0:
                          * any, a REAL 0 or more, or NAN: not known; of a
                          * REAL INT_MIN and 0: any, or NAN            */
    /* The i-th name allowed, NULL at the end; no function: any text. */
    const char *(*choice)(int i);
    const char *help;
    size_t size; /* of a TEXT */

    /* For fields that are stored (results/record.h): their role in a case,
     * how a caption has a value ("batch %s"; NULL: as it is), and the value
     * that needs no words. */
    int role;
    const char *caption, *usual;
} Param;

/* clang-format off */
#define PARAM_INT(type, field, initial, min, max, help) \
    { #field, PARAM_KIND_INT, offsetof(type, field), #initial, min, max, \
      NULL, help }
#define PARAM_INTS(type, field, initial, min, max, help) \
    { #field, PARAM_KIND_INTS, offsetof(type, field), initial, min, max, \
      NULL, help }
#define PARAM_REAL(type, field, initial, min, max, help) \
    { #field, PARAM_KIND_REAL, offsetof(type, field), #initial, min, max, \
      NULL, help }
#define PARAM_NAME(type, field, initial, choice, help) \
    { #field, PARAM_KIND_NAME, offsetof(type, field), initial, 0, 0, \
      choice, help }
#define PARAM_CHOICE(type, field, initial, choice, help) \
    { #field, PARAM_KIND_CHOICE, offsetof(type, field), initial, 0, 0, \
      choice, help }
#define PARAM_FILE(type, field, initial, help)                                 \
    { #field, PARAM_KIND_FILE, offsetof(type, field), initial, 0, 0, NULL,     \
      help }
#define PARAM_PATH(type, field, initial, help)                                 \
    { #field, PARAM_KIND_PATH, offsetof(type, field), initial, 0, 0, NULL,     \
      help }
/* One by its members' names: FIELD(Case, batch, INT, .min = 1). */
#define FIELD(type, field, its_kind, ...)                          \
    { .name = #field, .kind = PARAM_KIND_##its_kind,               \
      .offset = offsetof(type, field),                             \
      .size = sizeof(((type *)0)->field), __VA_ARGS__ }
/* The same of a member within a member, which is named like the inner one. */
#define FIELD_OF(type, outer, field, its_kind)     \
    { .name = #field, .kind = PARAM_KIND_##its_kind, \
      .offset = offsetof(type, outer.field),         \
      .size = sizeof(((type *)0)->outer.field) }
#define PARAM_END \
    { NULL, PARAM_KIND_INT, 0, NULL, 0, 0, NULL, NULL }
/* clang-format on */

/* A choice function over names that are written here and nowhere else. */
#define CHOICES(id, ...)                                          \
    static const char *id##_choice(int i)                         \
    {                                                             \
        static const char *const names[] = { __VA_ARGS__, NULL }; \
        return names[i];                                          \
    }

/* Fills a struct with the defaults of its table (which may be NULL). */
void param_defaults(const Param *table, void *settings);

/* The entry of that name, or NULL. */
const Param *param_find(const Param *table, const char *name);

/* Sets a field from text: "16", "3,5,7,9", "resnet50".  ERR_INPUT with a
 * sentence that names the setting, the value, and the range or near names. */
int param_set(const Param *p, void *settings, const char *text);

/* A field as text that param_set takes back; returns text. */
char *param_text(const Param *p, const void *settings,
                 char text[PARAM_TEXT_MAX]);

/* True if a and b, of the table's struct, have the same value there. */
bool param_equal(const Param *p, const void *a, const void *b);

/* True if a field holds its default. */
bool param_is_default(const Param *p, const void *settings);

/* text as one word of a shell, in quotes where it needs them; returns what
 * snprintf does. */
size_t param_word(char *word, size_t size, const char *text);

/* Writes " --name=value" for every field, or only for those that are not
 * default; returns the length. */
size_t param_flags(const Param *table, const void *settings, bool all,
                   char *text, size_t size);

/* Writes the fields as a JSON object: {"reduction":16}. */
size_t param_json(const Param *table, const void *settings, char *text,
                  size_t size);

/* How many edits make a into b (a character more, less, or other, or two that
 * change places); for near-miss names. */
int name_distance(const char *a, const char *b);

/* The nearest of the names to text, if near enough to suggest, or the first
 * that begins with it; else NULL.
 * name(arg, i) gives the i-th name, NULL at the end. */
const char *name_nearest(const char *text,
                         const char *(*name)(const void *arg, int i),
                         const void *arg);

#ifdef __cplusplus
}
#endif

#endif
