/*
 * safetensors.c - a file of tensors: all of it that can be asked for.
 */
#include "harness/files/safetensors.h"

#include <stdlib.h>

#include "kernels/core/err.h"
#include "tests/fuzz/fuzz.h"

enum { READ_MAX = 1 << 20 }; /* of a tensor's values */

void fuzz_safetensors(const uint8_t *data, size_t n)
{
    const char *path = fuzz_file("any.safetensors", data, n), *key;
    Safetensors *st;

    if (st_open(&st, path) != OK)
        return;
    st_metadata(st, "kind");
    for (int i = 0; st_metadata_at(st, i, &key); i++)
        BUG_IF(!st_metadata(st, key));
    for (int i = 0; i < st_tensors(st); i++) {
        const StTensor *t = st_tensor(st, i);
        float *values = t->count < READ_MAX ? malloc(t->count * 4 + 1) : NULL;

        if (values)
            st_read(st, t, values);
        BUG_IF(!st_find(st, t->name));
        free(values);
    }
    st_close(st);
}
