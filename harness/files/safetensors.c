/*
 * safetensors.c - reads .safetensors, trusting nothing that the file says.
 *
 * The header is read and checked when a file is opened: every name, dtype,
 * shape and offset, and that the tensors lie one after the other and fill the
 * rest of the file.  Values are read when they are asked for.  Writing is in
 * safetensors_write.c.
 *
 * Source: the format's description at github.com/huggingface/safetensors.
 */
#include "harness/files/safetensors.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/files/file.h"
#include "kernels/core/err.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100 << 20, NAME_SHOWN = 60 };

/* Offsets are JSON numbers, which cJSON has as doubles: exact up to here. */
static const double MAX_EXACT = 9007199254740992.0;

typedef struct Entry {
    StTensor t;
    size_t begin, bytes; /* in the file */
} Entry;

struct Safetensors {
    char *path;
    FILE *file;
    cJSON *header;            /* owns the names and the metadata */
    Entry *entries, **sorted; /* as in the file; by name */
    int n;
    size_t data, size; /* where tensors begin, and where the file ends */
};

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    { "F32", 4 },  { "F16", 2 },     { "BF16", 2 },    { "F64", 8 },
    { "I64", 8 },  { "U64", 8 },     { "I32", 4 },     { "U32", 4 },
    { "I16", 2 },  { "U16", 2 },     { "I8", 1 },      { "U8", 1 },
    { "BOOL", 1 }, { "F8_E4M3", 1 }, { "F8_E5M2", 1 },
};
enum { NDTYPES_KNOWN = sizeof(dtypes) / sizeof(dtypes[0]) };

/* A whole number of 0 or more that a double holds exactly. */
static bool whole(const cJSON *item, double *value)
{
    if (!cJSON_IsNumber(item))
        return false;
    *value = item->valuedouble;
    return *value >= 0 && *value <= MAX_EXACT && floor(*value) == *value;
}

static int refuse(const Entry *e, const char *what)
{
    return fail(ERR_INPUT, "tensor '%.*s' %s", NAME_SHOWN, e->t.name, what);
}

static int read_dtype(Entry *e, const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);

    if (!text)
        return refuse(e, "has no dtype");
    for (int i = 0; i < NDTYPES_KNOWN; i++)
        if (strcmp(dtypes[i].name, text) == 0) {
            e->t.dtype = dtypes[i].name;
            e->bytes = dtypes[i].bytes;
            return OK;
        }
    return fail(ERR_INPUT, "tensor '%.*s' has an unknown dtype '%.16s'",
                NAME_SHOWN, e->t.name, text);
}

/* e->bytes is that of one number before, of all of them after. */
static int read_shape(Entry *e, const cJSON *shape)
{
    if (!cJSON_IsArray(shape))
        return refuse(e, "has no shape");
    e->t.count = 1;
    for (const cJSON *i = shape->child; i; i = i->next) {
        double dim;

        if (e->t.rank == ST_MAX_RANK)
            return refuse(e, "has more than 8 dims");
        if (!whole(i, &dim))
            return refuse(e, "has a dim that is not a whole number");
        e->t.dim[e->t.rank++] = (long long)dim;
        if (__builtin_mul_overflow(e->t.count, (size_t)dim, &e->t.count))
            return refuse(e, "has more numbers than fit into memory");
    }
    if (__builtin_mul_overflow(e->t.count, e->bytes, &e->bytes))
        return refuse(e, "has more bytes than fit into memory");
    return OK;
}

static int read_offsets(const Safetensors *st, Entry *e, const cJSON *offsets)
{
    const size_t room = st->size - st->data;
    double begin, end;

    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !whole(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !whole(cJSON_GetArrayItem(offsets, 1), &end))
        return refuse(e, "has no data_offsets of two whole numbers");
    if (begin > end)
        return refuse(e, "ends before it begins");
    if (end > (double)room)
        return fail(ERR_INPUT,
                    "tensor '%.*s' ends at byte %.0f of the data, of which "
                    "there are %zu: the file is truncated",
                    NAME_SHOWN, e->t.name, end, room);
    if ((size_t)end - (size_t)begin != e->bytes)
        return fail(ERR_INPUT,
                    "tensor '%.*s' has %zu bytes by its shape, %zu by its "
                    "offsets",
                    NAME_SHOWN, e->t.name, e->bytes,
                    (size_t)end - (size_t)begin);
    e->begin = st->data + (size_t)begin;
    return OK;
}

static bool known_key(const char *key)
{
    return !strcmp(key, "dtype") || !strcmp(key, "shape") ||
           !strcmp(key, "data_offsets");
}

static int read_entry(const Safetensors *st, Entry *e, const cJSON *item)
{
    e->t.name = item->string;
    if (!cJSON_IsObject(item))
        return refuse(e, "is not a JSON object");
    for (const cJSON *i = item->child; i; i = i->next)
        if (!known_key(i->string))
            return refuse(e, "has a key other than dtype, shape, data_offsets");
    if (cJSON_GetArraySize(item) > 3)
        return refuse(e, "has a key twice");
    TRY(read_dtype(e, cJSON_GetObjectItemCaseSensitive(item, "dtype")));
    TRY(read_shape(e, cJSON_GetObjectItemCaseSensitive(item, "shape")));
    return read_offsets(st, e,
                        cJSON_GetObjectItemCaseSensitive(item, "data_offsets"));
}

static int read_metadata(const cJSON *metadata)
{
    if (!cJSON_IsObject(metadata))
        return fail(ERR_INPUT, "__metadata__ is not a JSON object");
    for (const cJSON *i = metadata->child; i; i = i->next)
        if (!cJSON_IsString(i))
            return fail(ERR_INPUT,
                        "__metadata__ has a value that is not a "
                        "string: '%.*s'",
                        NAME_SHOWN, i->string);
    return OK;
}

static int by_offset(const void *a, const void *b)
{
    const Entry *x = *(Entry *const *)a, *y = *(Entry *const *)b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_name(const void *a, const void *b)
{
    const Entry *x = *(Entry *const *)a, *y = *(Entry *const *)b;

    return strcmp(x->t.name, y->t.name);
}

/* No name twice; no byte in two tensors, none in no tensor. */
static int check_together(Safetensors *st)
{
    const size_t bytes = ((size_t)st->n + 1) * sizeof(Entry *);
    Entry **name = st->sorted = malloc(bytes), **e = malloc(bytes);
    size_t end = st->data;
    int err = OK;

    if (!name || !e) {
        free(e);
        return fail(ERR_MEMORY, "no memory for %d tensors", st->n);
    }
    for (int i = 0; i < st->n; i++)
        e[i] = name[i] = &st->entries[i];
    qsort(name, (size_t)st->n, sizeof(*name), by_name);
    for (int i = 1; !err && i < st->n; i++)
        if (strcmp(name[i - 1]->t.name, name[i]->t.name) == 0)
            err = refuse(name[i], "appears twice");
    qsort(e, (size_t)st->n, sizeof(*e), by_offset);
    for (int i = 0; !err && i < st->n; i++) {
        if (e[i]->begin < end)
            err = refuse(e[i], "overlaps the one before it");
        else if (e[i]->begin > end)
            err = refuse(e[i], "leaves a gap before it");
        end = e[i]->begin + e[i]->bytes;
    }
    if (!err && end != st->size)
        err =
            fail(ERR_INPUT, "%zu bytes after the last tensor", st->size - end);
    free(e);
    return err;
}

static int read_entries(Safetensors *st)
{
    const int most = cJSON_GetArraySize(st->header);
    int metadata = 0;

    st->entries = calloc((size_t)most + 1, sizeof(*st->entries));
    if (!st->entries)
        return fail(ERR_MEMORY, "no memory for %d tensors", most);
    for (const cJSON *i = st->header->child; i; i = i->next) {
        if (strcmp(i->string, "__metadata__")) {
            TRY(read_entry(st, &st->entries[st->n], i));
            st->n++;
            continue;
        }
        if (metadata++)
            return fail(ERR_INPUT, "__metadata__ appears twice");
        TRY(read_metadata(i));
    }
    return check_together(st);
}

static int parse_header(Safetensors *st, const char *text, size_t n)
{
    const char *stop = NULL;

    if (text[0] != '{')
        return fail(ERR_INPUT, "the header is not a JSON object");
    st->header = cJSON_ParseWithLengthOpts(text, n + 1, &stop, true);
    if (!st->header)
        return fail(ERR_INPUT, "the header is not JSON (byte %td of %zu)",
                    stop ? stop - text : 0, n);
    return read_entries(st);
}

/* Other files that weights come in, by their first bytes. */
static const struct {
    const char *bytes;
    size_t n;
    bool torch;
    const char *is;
} others[] = {
    { "PK\3\4", 4, true, "a zip file, as torch.save writes them" },
    { "\x80\2", 2, true, "a Python pickle, as torch.save wrote them" },
    { "\x89HDF", 4, false, "an HDF5 file" },
    { "GGUF", 4, false, "a GGUF file" },
    { "version ", 8, false, "a Git LFS pointer; run 'git lfs pull'" },
    { "<!DOCTYP", 8, false, "a web page" },
    { "SQLite f", 8, false, "a database" },
};

static int refuse_torch(const char *path, const char *is)
{
    return fail(ERR_INPUT,
                "not a .safetensors file but %s; convert it: python3 -c "
                "\"import torch; from safetensors.torch import save_file; "
                "d = torch.load('%.200s', map_location='cpu'); "
                "d = d.get('state_dict', d.get('model', d)); "
                "save_file({k: v.contiguous() for k, v in d.items()}, "
                "'out.safetensors')\"",
                is, path);
}

static int refuse_other(const Safetensors *st, const unsigned char *first)
{
    unsigned long long n = 0;

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (memcmp(first, others[i].bytes, others[i].n))
            continue;
        return others[i].torch
                   ? refuse_torch(st->path, others[i].is)
                   : fail(ERR_INPUT, "not a .safetensors file but %s",
                          others[i].is);
    }
    for (int i = 0; i < LENGTH_BYTES; i++)
        n |= (unsigned long long)first[i] << 8 * i;
    return fail(ERR_INPUT,
                "not a .safetensors file, or a truncated one: its header "
                "claims %llu bytes, but the file has %zu",
                n, st->size);
}

static int read_header(Safetensors *st)
{
    unsigned char length[LENGTH_BYTES];
    uint64_t n = 0;
    char *text;
    int err;

    if (st->size < LENGTH_BYTES ||
        fread(length, 1, sizeof(length), st->file) != sizeof(length))
        return fail(ERR_INPUT, "%zu bytes are too few for a .safetensors file",
                    st->size);
    for (int i = 0; i < LENGTH_BYTES; i++)
        n |= (uint64_t)length[i] << 8 * i;
    if (n < 2 || n > MAX_HEADER || n > st->size - LENGTH_BYTES)
        return refuse_other(st, length);
    st->data = LENGTH_BYTES + (size_t)n;
    text = calloc(n + 1, 1);
    if (!text)
        return fail(ERR_MEMORY, "no memory for a header of %llu bytes",
                    (unsigned long long)n);
    if (fread(text, 1, n, st->file) != n)
        err = fail(ERR_IO, "its header cannot be read");
    else
        err = parse_header(st, text, n);
    free(text);
    return err;
}

int st_open(Safetensors **out, const char *path)
{
    Safetensors *st = calloc(1, sizeof(*st));
    int err;

    BUG_IF(!st);
    *out = NULL;
    st->path = strdup(path);
    BUG_IF(!st->path);
    err = file_open(&st->file, &st->size, path);
    if (!err)
        err = read_header(st);
    if (err) {
        st_close(st);
        return fail_within(err, "%s", path);
    }
    *out = st;
    return OK;
}

void st_close(Safetensors *st)
{
    if (!st)
        return;
    if (st->file)
        fclose(st->file);
    cJSON_Delete(st->header);
    free(st->sorted);
    free(st->entries);
    free(st->path);
    free(st);
}

const char *st_path(const Safetensors *st)
{
    return st->path;
}

const char *st_metadata(const Safetensors *st, const char *key)
{
    const cJSON *all =
        cJSON_GetObjectItemCaseSensitive(st->header, "__metadata__");

    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(all, key));
}

const char *st_metadata_at(const Safetensors *st, int i, const char **key)
{
    const cJSON *item = cJSON_GetArrayItem(
        cJSON_GetObjectItemCaseSensitive(st->header, "__metadata__"), i);

    if (item)
        *key = item->string;
    return cJSON_GetStringValue(item);
}

int st_tensors(const Safetensors *st)
{
    return st->n;
}

const StTensor *st_tensor(const Safetensors *st, int i)
{
    return &st->entries[i].t;
}

const StTensor *st_find(const Safetensors *st, const char *name)
{
    const Entry key = { .t.name = name }, *at = &key;
    Entry **found =
        bsearch(&at, st->sorted, (size_t)st->n, sizeof(*st->sorted), by_name);

    return found ? &(*found)->t : NULL;
}

int st_index(const Safetensors *st, const StTensor *t)
{
    return (int)((const Entry *)t - st->entries); /* t is its first member */
}

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static float from_bf16(uint16_t bits)
{
    return from_bits((uint32_t)bits << 16);
}

/* Sign, 5 bits of exponent, 10 of fraction. */
static float from_f16(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const float tiny = (float)fraction * 0x1p-24f;

    if (exponent == 0)
        return sign ? -tiny : tiny;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000 | (uint32_t)fraction << 13);
    return from_bits(sign | (uint32_t)(exponent + 112) << 23 |
                     (uint32_t)fraction << 13);
}

/* Fills values, whose last bytes hold the raw halves, from the front. */
static void widen(float *values, size_t n, bool bf16)
{
    const char *raw = (const char *)values + n * sizeof(uint16_t);

    for (size_t i = 0; i < n; i++) {
        uint16_t bits;

        memcpy(&bits, raw + i * sizeof(bits), sizeof(bits));
        values[i] = bf16 ? from_bf16(bits) : from_f16(bits);
    }
}

static int fail_read(const Safetensors *st, const StTensor *t)
{
    return fail(ERR_IO, "%s: tensor '%.*s' cannot be read", st->path,
                NAME_SHOWN, t->name);
}

/* A large double would become an infinity, which the file has not. */
static int read_doubles(const Safetensors *st, const StTensor *t, float *values)
{
    double part[512];

    for (size_t i = 0; i < t->count; i++) {
        const size_t at = i % 512, left = t->count - i;
        const size_t now = left < 512 ? left : 512;

        if (!at && fread(part, sizeof(*part), now, st->file) != now)
            return fail_read(st, t);
        if (isfinite(part[at]) && fabs(part[at]) > (double)FLT_MAX)
            return fail(ERR_INPUT,
                        "%s: number %zu of tensor '%.*s' is %g, beyond the "
                        "range of F32 (%g); scale it, or give another file",
                        st->path, i, NAME_SHOWN, t->name, part[at],
                        (double)FLT_MAX);
        values[i] = (float)part[at];
    }
    return OK;
}

/* Half of values' bytes are enough for halves, which are read to its end. */
static bool read_floats(const Safetensors *st, const Entry *e, float *values)
{
    const bool f32 = !strcmp(e->t.dtype, "F32");
    char *at = (char *)values + e->t.count * sizeof(float) - e->bytes;

    if (fread(at, 1, e->bytes, st->file) != e->bytes)
        return false;
    if (!f32)
        widen(values, e->t.count, !strcmp(e->t.dtype, "BF16"));
    return true;
}

int st_read(const Safetensors *st, const StTensor *t, float *values)
{
    const Entry *e = (const Entry *)t; /* t is its first member */
    const bool f64 = !strcmp(t->dtype, "F64");

    if (!f64 && strcmp(t->dtype, "F32") && strcmp(t->dtype, "F16") &&
        strcmp(t->dtype, "BF16"))
        return fail(ERR_INPUT,
                    "%s: tensor '%.*s' has dtype %s; F32, F16, BF16 and F64 "
                    "can be read",
                    st->path, NAME_SHOWN, t->name, t->dtype);
    if (fseeko(st->file, (off_t)e->begin, SEEK_SET))
        return fail_read(st, t);
    if (f64)
        return read_doubles(st, t, values);
    return read_floats(st, e, values) ? OK : fail_read(st, t);
}

int st_read_finite(const Safetensors *st, const StTensor *t, float *values)
{
    TRY(st_read(st, t, values));
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(values[i]))
            return fail(ERR_INPUT,
                        "%s: number %zu of tensor '%.*s' is %g, not finite; "
                        "repair the file, or give another",
                        st->path, i, NAME_SHOWN, t->name, (double)values[i]);
    return OK;
}
