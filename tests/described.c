/*
 * described.c - reads a card's description for cuDNN.
 */
#ifdef WITH_CUDNN

#include "tests/described.h"

#include <cudnn.h>
#include <stdio.h>

#include "tests/test.h"

void described_open(Described *d, const char *name)
{
    char path[64], json[2048];
    size_t n;
    FILE *f;

    *d = (Described){ .name = name };
    snprintf(path, sizeof(path), "tests/gpus/%s.json", name);
    f = fopen(path, "r");
    if (!f)
        test_skip("run me in the project's root folder");
    n = fread(json, 1, sizeof(json) - 1, f);
    fclose(f);
    while (n && json[n - 1] == '\n')
        n--;
    json[n] = '\0';
    d->device = desc_new(&d->made, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    desc_set(&d->made, d->device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
             CUDNN_TYPE_CHAR, (int64_t)n + 1, json);
    desc_finish(&d->made, d->device);
    CHECK_MSG(d->made.err == OK, "%s: %s", path, err_message());
}

void described_close(Described *d)
{
    desc_free_all(&d->made);
}

#endif
