#!/usr/bin/env python3
"""test_torch_networks.py - every network and module of the peers is moved to
another dtype or device as a whole.  Needs PyTorch.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness",
                                "peers"))
import torch  # noqa: E402

import torch_backbones  # noqa: E402
import torch_modules  # noqa: E402


def left_behind(net):
    """The tensors that are neither parameters nor buffers of their layer."""
    return [f"{name}.{key}" for name, part in net.named_modules()
            for key, value in vars(part).items()
            if isinstance(value, torch.Tensor)]


class Moved(unittest.TestCase):
    def test_backbones(self):
        for name in (*torch_modules.BACKBONES, *torch_backbones.NETS):
            with self.subTest(name):
                net = torch_backbones.make_backbone(name, "none", {})
                self.assertEqual(left_behind(net), [])

    def test_modules(self):
        for name in torch_modules.MODULES:
            with self.subTest(name):
                net = torch_modules.make_module(name, 128, {})
                self.assertEqual(left_behind(net), [])


if __name__ == "__main__":
    unittest.main()
