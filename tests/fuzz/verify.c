/*
 * verify.c - a case file against the CPU's own kernels.
 */
#include "harness/check/verify.h"

#include <stdlib.h>

#include "harness/devices/backends.h"
#include "kernels/core/err.h"
#include "tests/fuzz/fuzz.h"

void fuzz_verify(const uint8_t *data, size_t n)
{
    const char *path = fuzz_file("case.safetensors", data, n);
    const DeviceSettings settings = { .threads = 1, .isa = "" };
    Verified *v = malloc(sizeof(*v));
    static Device *dev;
    Case how;

    BUG_IF(!v);
    case_defaults(&how);
    how.threads = 1;
    if (n && data[n - 1] & 1) /* where gradients are looked at */
        BUG_IF(case_set(&how, "pass", "backward") != OK);
    if (!dev)
        BUG_IF(backend_open(&dev, "cpu", &settings) != OK);
    verify_file(v, path, &how, dev, NULL);
    free(v);
}
