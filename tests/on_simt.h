/*
 * on_simt.h - the CUDA kernels on the host, for tests: a test is skipped where
 * they cannot run there, and fails by what was reported.
 */
#ifndef TESTS_ON_SIMT_H
#define TESTS_ON_SIMT_H

#include "kernels/simt/host.h"
#include "tests/test.h"

static inline Device *simt_device(void)
{
    Device *dev = NULL;
    const int err = simt_backend.open(&dev, NULL);

    if (err == ERR_UNSUPPORTED)
        SKIP(err_message());
    BUG_IF(err);
    return dev;
}

static inline void simt_device_close(Device *dev)
{
    char reports[4096];

    CHECK_MSG(simt_take_errors(reports, sizeof(reports)) == 0, "reported:\n%s",
              reports);
    simt_backend.close(dev);
}

#endif
