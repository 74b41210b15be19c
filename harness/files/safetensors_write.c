/*
 * safetensors_write.c - writes .safetensors: all F32, in the order given.
 */
#include "harness/files/safetensors.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/outfile.h"

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

/* An error stays with the file until it is closed. */
static void write_to(const StWriter *w, FILE *file)
{
    static const char spaces[HEADER_ALIGN + 1] = "        ";
    char *text = cJSON_PrintUnformatted(w->header);
    unsigned char length[8];
    size_t n, pad;

    BUG_IF(!text);
    n = strlen(text);
    pad = (HEADER_ALIGN - n % HEADER_ALIGN) % HEADER_ALIGN;
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)(n + pad) >> 8 * i);
    fwrite(length, 1, sizeof(length), file);
    fwrite(text, 1, n, file);
    fwrite(spaces, 1, pad, file);
    fwrite(w->data, 1, w->bytes, file);
    cJSON_free(text);
}

int st_writer_save(StWriter *w, const char *path)
{
    Outfile out;
    int err = outfile_open(&out, path);

    if (!err) {
        write_to(w, out.file);
        err = outfile_close(&out, OK);
    }
    return err ? fail_within(err, "%s cannot be written", path) : OK;
}

void st_writer_free(StWriter *w)
{
    if (!w)
        return;
    cJSON_Delete(w->header);
    free(w->data);
    free(w);
}
