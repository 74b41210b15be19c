/*
 * test_peer.c - the peer that times PyTorch: tests/test_torch_device.py.
 */
#include <stdlib.h>

#include "tests/test.h"

TEST(peer, uses_pytorch_as_its_devices_want)
{
    if (system("python3 -c 'import unittest' 2>/dev/null"))
        SKIP("there is no python3");
    CHECK(system("python3 tests/test_torch_device.py 2>/dev/null") == 0);
}
