/*
 * param.c - reads and writes settings by their table.
 */
#include "kernels/core/param.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

/* Format of a REAL: a printed line parses back to the same value. */
#define REAL_FORMAT "%.15g"

static void *field(const Param *p, const void *settings)
{
    return (char *)(size_t)settings + p->offset;
}

void param_defaults(const Param *table, void *settings)
{
    for (const Param *p = table; p && p->name; p++)
        BUG_IF(param_set(p, settings, p->initial) != OK);
}

const Param *param_find(const Param *table, const char *name)
{
    for (const Param *p = table; p && p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* Reads one integer that ends at end or at a comma. */
static int read_int(const Param *p, const char *text, const char **end,
                    int *value)
{
    char *stop;
    long v;

    errno = 0;
    v = strtol(text, &stop, 10);
    if (stop == text || (*stop && *stop != ','))
        return fail(ERR_INPUT, "%s: '%s' is not an integer", p->name, text);
    if (errno || v < INT_MIN || v > INT_MAX ||
        ((p->min || p->max) && (v < p->min || v > p->max)))
        return fail(ERR_INPUT, "%s=%.*s is out of range: %d to %d", p->name,
                    (int)(stop - text), text, p->min, p->max);
    *value = (int)v;
    *end = stop;
    return OK;
}

static int set_int(const Param *p, void *settings, const char *text)
{
    const char *end;
    int value;

    TRY(read_int(p, text, &end, &value));
    if (*end)
        return fail(ERR_INPUT, "%s: '%s' is a list; give one integer", p->name,
                    text);
    *(int *)field(p, settings) = value;
    return OK;
}

static int set_ints(const Param *p, void *settings, const char *text)
{
    ParamInts list = { 0 };
    const char *end = text;

    for (;;) {
        if (list.n == PARAM_INTS_MAX)
            return fail(ERR_INPUT, "%s: '%s' has more than %d values", p->name,
                        text, PARAM_INTS_MAX);
        TRY(read_int(p, end, &end, &list.at[list.n++]));
        if (!*end++)
            break;
    }
    *(ParamInts *)field(p, settings) = list;
    return OK;
}

static int set_long(const Param *p, void *settings, const char *text)
{
    char *end;
    long long v;

    errno = 0;
    v = *text == '-' ? strtoll(text, &end, 10)
                     : (long long)strtoull(text, &end, 10);
    if (end == text || *end || errno)
        return fail(ERR_INPUT, "%s: '%.40s' is not an integer of 64 bits",
                    p->name, text);
    *(int64_t *)field(p, settings) = v;
    return OK;
}

static int set_text(const Param *p, void *settings, const char *text)
{
    if (strlen(text) >= p->size)
        return fail(ERR_INPUT, "%s is longer than %zu bytes", p->name,
                    p->size - 1);
    memset(field(p, settings), 0, p->size);
    memcpy(field(p, settings), text, strlen(text));
    return OK;
}

/* One that is 0 or more, or any; or "": not known. */
static int set_amount(const Param *p, double *out, const char *text)
{
    char *end;
    const double v = strtod(text, &end);

    if (*text && (end == text || *end))
        return fail(ERR_INPUT, "%s: '%.40s' is not a number", p->name, text);
    if (*text && !((v >= 0 || p->min == INT_MIN) && isfinite(v)))
        return fail(ERR_INPUT, "%s=%.40s: it must be 0 or more", p->name, text);
    *out = *text ? v : NAN;
    return OK;
}

/* A number in decimal, which is kept as it prints: param_text gives back all
 * of it. */
static int set_real(const Param *p, void *settings, const char *text)
{
    char *stop, shown[PARAM_TEXT_MAX];
    const double v = strtod(text, &stop);

    if ((!p->min || p->min == INT_MIN) && !p->max)
        return set_amount(p, field(p, settings), text);
    if (stop == text || *stop || strspn(text, "+-.0123456789eE") < strlen(text))
        return fail(ERR_INPUT, "%s: '%.40s' is not a number", p->name, text);
    if (!(v >= p->min && v <= p->max))
        return fail(ERR_INPUT, "%s=%.40s is out of range: %d to %d", p->name,
                    text, p->min, p->max);
    snprintf(shown, sizeof(shown), REAL_FORMAT, v);
    *(double *)field(p, settings) = strtod(shown, NULL) + 0.0; /* no -0 */
    return OK;
}

static const char *choice_at(const void *arg, int i)
{
    const Param *p = arg;

    return p->choice(i);
}

/* The names there are: "; there is composed, fused". */
static void list_choices(const Param *p, char *text, size_t size)
{
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; p->choice(i) && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s",
                              i ? ", " : "; choose from ", p->choice(i));
}

/* Which of the names there are text is. */
static int find_choice(const Param *p, const char *text, int *at)
{
    const char *near, *known;
    char choices[256];

    for (*at = 0; (known = p->choice(*at)); ++*at)
        if (strcmp(known, text) == 0)
            return OK;
    near = name_nearest(text, choice_at, p);
    if (near)
        return fail(ERR_INPUT, "unknown %s '%s'; did you mean '%s'?", p->name,
                    text, near);
    list_choices(p, choices, sizeof(choices));
    return fail(ERR_INPUT, "unknown %s '%s'%s", p->name, text, choices);
}

static int set_name(const Param *p, void *settings, const char *text)
{
    ParamName *name = field(p, settings);
    int at;

    if (strlen(text) >= sizeof(name->text))
        return fail(ERR_INPUT, "%s: '%.20s...' is longer than %zu characters",
                    p->name, text, sizeof(name->text) - 1);
    if (p->choice)
        TRY(find_choice(p, text, &at));
    memset(name, 0, sizeof(*name));
    memcpy(name->text, text, strlen(text));
    return OK;
}

static int set_file(const Param *p, void *settings, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+@=%-:";
    ParamFile *file = field(p, settings);
    const size_t n = strlen(text);

    if (n >= sizeof(file->text))
        return fail(ERR_INPUT,
                    "%s: the path '%.20s...' is longer than %zu characters; "
                    "use a symlink",
                    p->name, text, sizeof(file->text) - 1);
    if (n == 0 || strspn(text, plain) < n)
        return fail(ERR_INPUT,
                    "%s: the path '%s' has a character other than letters, "
                    "digits and _ . / + @ = %% -; use a symlink",
                    p->name, text);
    memset(file, 0, sizeof(*file));
    memcpy(file->text, text, n);
    return OK;
}

static int set_choice(const Param *p, void *settings, const char *text)
{
    int at;

    TRY(find_choice(p, text, &at));
    *(int *)field(p, settings) = at;
    return OK;
}

int param_set(const Param *p, void *settings, const char *text)
{
    switch (p->kind) {
    case PARAM_KIND_INT:
        return set_int(p, settings, text);
    case PARAM_KIND_INTS:
        return set_ints(p, settings, text);
    case PARAM_KIND_REAL:
        return set_real(p, settings, text);
    case PARAM_KIND_NAME:
        return set_name(p, settings, text);
    case PARAM_KIND_CHOICE:
        return set_choice(p, settings, text);
    case PARAM_KIND_FILE:
        return set_file(p, settings, text);
    case PARAM_KIND_PATH:
        *(const char **)field(p, settings) = text;
        return OK;
    case PARAM_KIND_TEXT:
        return set_text(p, settings, text);
    case PARAM_KIND_LONG:
        return set_long(p, settings, text);
    }
    return OK;
}

char *param_text(const Param *p, const void *settings,
                 char text[PARAM_TEXT_MAX])
{
    const ParamInts *list = field(p, settings);
    int n = 0;

    switch (p->kind) {
    case PARAM_KIND_INT:
        snprintf(text, PARAM_TEXT_MAX, "%d", *(int *)field(p, settings));
        break;
    case PARAM_KIND_INTS:
        text[0] = '\0';
        for (int i = 0; i < list->n; i++)
            n += snprintf(text + n, (size_t)(PARAM_TEXT_MAX - n), "%s%d",
                          i ? "," : "", list->at[i]);
        break;
    case PARAM_KIND_REAL:
        snprintf(text, PARAM_TEXT_MAX, REAL_FORMAT,
                 *(double *)field(p, settings));
        break;
    case PARAM_KIND_NAME:
        snprintf(text, PARAM_TEXT_MAX, "%s",
                 ((ParamName *)field(p, settings))->text);
        break;
    case PARAM_KIND_CHOICE:
        snprintf(text, PARAM_TEXT_MAX, "%s",
                 p->choice(*(int *)field(p, settings)));
        break;
    case PARAM_KIND_FILE:
        snprintf(text, PARAM_TEXT_MAX, "%s",
                 ((ParamFile *)field(p, settings))->text);
        break;
    case PARAM_KIND_PATH:
        snprintf(text, PARAM_TEXT_MAX, "%s",
                 *(const char **)field(p, settings));
        break;
    case PARAM_KIND_TEXT:
        snprintf(text, PARAM_TEXT_MAX, "%s", (char *)field(p, settings));
        break;
    case PARAM_KIND_LONG:
        snprintf(text, PARAM_TEXT_MAX, "%lld",
                 (long long)*(int64_t *)field(p, settings));
        break;
    }
    return text;
}

bool param_equal(const Param *p, const void *a, const void *b)
{
    const void *x = field(p, a), *y = field(p, b);
    const double *real = x, *other = y;

    switch (p->kind) {
    case PARAM_KIND_INT:
    case PARAM_KIND_CHOICE:
        return *(const int *)x == *(const int *)y;
    case PARAM_KIND_INTS:
        return memcmp(x, y, sizeof(ParamInts)) == 0;
    case PARAM_KIND_REAL:
        return *real == *other || (isnan(*real) && isnan(*other));
    case PARAM_KIND_LONG:
        return *(const int64_t *)x == *(const int64_t *)y;
    case PARAM_KIND_PATH:
        return strcmp(*(const char *const *)x, *(const char *const *)y) == 0;
    case PARAM_KIND_NAME:
    case PARAM_KIND_FILE:
    case PARAM_KIND_TEXT:
        return strcmp(x, y) == 0;
    }
    return false;
}

bool param_is_default(const Param *p, const void *settings)
{
    char text[PARAM_TEXT_MAX];

    return strcmp(param_text(p, settings, text), p->initial) == 0;
}

size_t param_word(char *word, size_t size, const char *text)
{
    static const char special[] = " \t\n'\"\\$`*?[]{}()<>|&;#~!";
    const bool plain = *text && !strpbrk(text, special);
    size_t n = 0;

    if (plain)
        return (size_t)snprintf(word, size, "%s", text);
    for (const char *c = text; c == text || c[-1]; c++) {
        char part[8];

        snprintf(part, sizeof(part), "%s%.*s%s", c == text ? "'" : "",
                 *c != 0 && *c != '\'', c,
                 *c == '\'' ? "'\\''"
                 : *c       ? ""
                            : "'");
        n += (size_t)snprintf(n < size ? word + n : NULL,
                              n < size ? size - n : 0, "%s", part);
    }
    return n;
}

size_t param_flags(const Param *table, const void *settings, bool all,
                   char *text, size_t size)
{
    char value[PARAM_TEXT_MAX];
    size_t n = 0;

    if (size)
        text[0] = '\0';
    for (const Param *p = table; p && p->name; p++) {
        const bool path = p->kind == PARAM_KIND_PATH;

        if (!all && param_is_default(p, settings))
            continue;
        n += (size_t)snprintf(n < size ? text + n : NULL,
                              n < size ? size - n : 0, " --%s=%s", p->name,
                              path ? "" : param_text(p, settings, value));
        if (path) /* of any length, and with any characters */
            n += param_word(n < size ? text + n : NULL, n < size ? size - n : 0,
                            *(const char *const *)field(p, settings));
    }
    return n;
}

size_t param_json(const Param *table, const void *settings, char *text,
                  size_t size)
{
    char value[PARAM_TEXT_MAX];
    size_t n = (size_t)snprintf(text, size, "{");

    for (const Param *p = table; p && p->name; p++) {
        const char *open = p->kind == PARAM_KIND_INTS   ? "["
                           : p->kind >= PARAM_KIND_NAME ? "\""
                                                        : "";
        const char *close = p->kind == PARAM_KIND_INTS   ? "]"
                            : p->kind >= PARAM_KIND_NAME ? "\""
                                                         : "";

        n += (size_t)snprintf(n < size ? text + n : NULL,
                              n < size ? size - n : 0, "%s\"%s\":%s%s%s",
                              p == table ? "" : ",", p->name, open,
                              param_text(p, settings, value), close);
    }
    n += (size_t)snprintf(n < size ? text + n : NULL, n < size ? size - n : 0,
                          "}");
    return n;
}

static int min3(int a, int b, int c)
{
    const int m = a < b ? a : b;

    return m < c ? m : c;
}

/* Letters are the same in upper and in lower case. */
static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Levenshtein's recurrence, where two neighbours that changed places are one
 * edit too; three rows at a time. */
int name_distance(const char *a, const char *b)
{
    int rows[3][PARAM_NAME_MAX + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    const int n = (int)strlen(b);

    if (n > PARAM_NAME_MAX || strlen(a) > PARAM_NAME_MAX)
        return INT_MAX;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int *const oldest = before;

        before = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            row[j] = min3(last[j] + 1, row[j - 1] + 1,
                          last[j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
                same(a[i - 2], b[j - 1]))
                row[j] = min3(row[j], row[j], before[j - 2] + 1);
        }
    }
    return row[n];
}

const char *name_nearest(const char *text,
                         const char *(*name)(const void *arg, int i),
                         const void *arg)
{
    const char *best = NULL, *known;
    const size_t length = strlen(text);
    int least = 1 + (int)length / 5; /* one edit, and one in five letters */

    for (int i = 0; (known = name(arg, i)); i++) {
        const size_t n = strlen(known), longest = n > length ? n : length;
        const int d = name_distance(text, known);

        if (3 * (size_t)d > longest) /* half of a short word is another word */
            continue;

        if (d <= least && (!best || d < least)) {
            best = known;
            least = d;
        }
    }
    for (int i = 0; !best && length > 3 && (known = name(arg, i)); i++)
        if (strncmp(known, text, length) == 0)
            best = known;
    return best;
}
