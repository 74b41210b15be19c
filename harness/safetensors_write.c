/*
 * safetensors_write.c - writes .safetensors: all F32, in the order given.
 */
#include "harness/safetensors.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/err.h"

enum { HEADER_ALIGN = 8 }; /* the header is padded so that values lie aligned */

struct StWriter {
    cJSON *header, *metadata;
    char *data;
    size_t bytes, room;
};

StWriter *st_writer_new(void)
{
    StWriter *w = calloc(1, sizeof(*w));

    BUG_IF(!w);
    w->header = cJSON_CreateObject();
    w->metadata = cJSON_AddObjectToObject(w->header, "__metadata__");
    BUG_IF(!w->metadata);
    return w;
}

void st_writer_metadata(StWriter *w, const char *key, const char *value)
{
    BUG_IF(!cJSON_AddStringToObject(w->metadata, key, value));
}

void st_writer_tensor(StWriter *w, const char *name, int rank, const int *dim,
                      const float *values)
{
    cJSON *entry = cJSON_AddObjectToObject(w->header, name);
    cJSON *shape, *offsets;
    size_t bytes = sizeof(float);

    BUG_IF(rank > ST_MAX_RANK);
    cJSON_AddStringToObject(entry, "dtype", "F32");
    shape = cJSON_AddArrayToObject(entry, "shape");
    for (int i = 0; i < rank; i++) {
        cJSON_AddItemToArray(shape, cJSON_CreateNumber(dim[i]));
        bytes *= (size_t)dim[i];
    }
    offsets = cJSON_AddArrayToObject(entry, "data_offsets");
    cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)w->bytes));
    cJSON_AddItemToArray(offsets,
                         cJSON_CreateNumber((double)(w->bytes + bytes)));

    while (w->room < w->bytes + bytes) {
        w->room = w->room ? 2 * w->room : 1 << 16;
        w->data = realloc(w->data, w->room);
        BUG_IF(!w->data);
    }
    memcpy(w->data + w->bytes, values, bytes);
    w->bytes += bytes;
}

static int write_to(const StWriter *w, FILE *file)
{
    static const char spaces[HEADER_ALIGN + 1] = "        ";
    char *text = cJSON_PrintUnformatted(w->header);
    unsigned char length[8];
    size_t n, pad;
    int ok;

    BUG_IF(!text);
    n = strlen(text);
    pad = (HEADER_ALIGN - n % HEADER_ALIGN) % HEADER_ALIGN;
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)(n + pad) >> 8 * i);
    ok = fwrite(length, 1, sizeof(length), file) == sizeof(length) &&
         fwrite(text, 1, n, file) == n && fwrite(spaces, 1, pad, file) == pad &&
         fwrite(w->data, 1, w->bytes, file) == w->bytes && fflush(file) == 0 &&
         fsync(fileno(file)) == 0;
    cJSON_free(text);
    return ok ? OK : fail(ERR_IO, "%m");
}

int st_writer_save(StWriter *w, const char *path)
{
    char temporary[4096];
    FILE *file = NULL;
    int err;

    if (snprintf(temporary, sizeof(temporary), "%s.part-%ld", path,
                 (long)getpid()) >= (int)sizeof(temporary))
        return fail(ERR_INPUT, "%.60s...: the path is too long", path);
    file = fopen(temporary, "wb");
    err = file ? write_to(w, file) : fail(ERR_IO, "%m");
    if (file && fclose(file) && !err)
        err = fail(ERR_IO, "%m");
    if (!err && rename(temporary, path))
        err = fail(ERR_IO, "%m");
    if (err) {
        err = fail_within(err, "%s cannot be written", path);
        if (file)
            unlink(temporary);
    }
    return err;
}

void st_writer_free(StWriter *w)
{
    if (!w)
        return;
    cJSON_Delete(w->header);
    free(w->data);
    free(w);
}
