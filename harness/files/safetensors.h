/*
 * safetensors.h - reads and writes .safetensors: 8 bytes of header length,
 * a JSON header, raw tensors.  F32, F16, BF16 and F64 are read (as float), F32
 * is written.  Every offset is checked before anything is used.
 */
#ifndef HARNESS_SAFETENSORS_H
#define HARNESS_SAFETENSORS_H

#include <stddef.h>

enum { ST_MAX_RANK = 8 };

typedef struct Safetensors Safetensors;

typedef struct StTensor {
    const char *name;
    const char *dtype; /* "F32", "F16", "BF16", "F64" or another */
    int rank;
    long long dim[ST_MAX_RANK];
    size_t count;
} StTensor;

/* ERR_IO if it cannot be read, ERR_INPUT if it is not what it should be; the
 * sentence names the file and the fault. */
int st_open(Safetensors **out, const char *path);
void st_close(Safetensors *st);

/* As it was opened. */
const char *st_path(const Safetensors *st);

/* A metadata string, or NULL. */
const char *st_metadata(const Safetensors *st, const char *key);

/* The i-th metadata string, and its key; NULL past the end. */
const char *st_metadata_at(const Safetensors *st, int i, const char **key);

int st_tensors(const Safetensors *st);
const StTensor *st_tensor(const Safetensors *st, int i);
const StTensor *st_find(const Safetensors *st, const char *name); /* or NULL */
int st_index(const Safetensors *st, const StTensor *t);

/* The values as floats, row-major; count of them. */
int st_read(const Safetensors *st, const StTensor *t, float *values);

/* The same, but refuses a NaN or an infinity; names file, tensor, element. */
int st_read_finite(const Safetensors *st, const StTensor *t, float *values);

/* Writing: tensors and metadata are gathered, then written at once to a
 * temporary file that replaces path. */
typedef struct StWriter StWriter;
StWriter *st_writer_new(void);
void st_writer_metadata(StWriter *w, const char *key, const char *value);
void st_writer_tensor(StWriter *w, const char *name, int rank, const int *dim,
                      const float *values);
int st_writer_save(StWriter *w, const char *path);
void st_writer_free(StWriter *w);

#endif
