#!/usr/bin/env python3
"""make_losses.py - trains the digits' network in PyTorch, and writes down the
losses of the first steps.

    python3 tests/make_losses.py [MODULE...] > tests/digits/losses.csv

One row per step: module, learning rate, step, the loss in float32, and the loss of
the same training in float64, which tells how far float32 is off and, where two
losses in float32 disagree, which of them is right.

The network, its settings, the order of the images and the step are those of
tests/digits_net.c and tests/digits_data.c; the modules are those of
harness/peers/torch_modules.py.  Weights are seeded (harness/network/seed.c).

Needs PyTorch 1.13 or newer and NumPy; nothing else of attnbench does.
"""
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "harness", "peers"))
import torch_modules as peer  # noqa: E402

DATA = os.path.join(ROOT, "tests", "digits", "digits.bin")
IMAGES, TRAINING, STRIDE = 1797, 1437, 1111
SEED, BATCH, STEPS = 1, 64, 50
MOMENTUM, DECAY = 0.9, 5e-4

# What 50 steps do not make of roundings: tests/digits/README.md.
RATE, RATES = 0.005, {"cpca": 0.001}

# Where the defaults do not fit 16 channels, or 8x8 positions.
SETTINGS = {
    "se": {"reduction": 4}, "se_conv": {"reduction": 4},
    "eca": {"kernel_size": 3},
    "fca": {"reduction": 4, "dct_h": 7, "dct_w": 7},
    "cpca": {"reduction": 4}, "cbam": {"reduction": 4},
    "sa": {"group_num": 8}, "ela": {"groups": 8}, "ema": {"factor": 8},
}


class Net(nn.Module):
    """Three basic blocks; the module stands after the second norm."""

    def __init__(self, module):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inputs = 16
        for i, (width, stride) in enumerate(((16, 1), (32, 2), (64, 1)), 1):
            block = peer.Block(inputs, width, stride, False, "none", None)
            if module != "none":
                block.attn = peer.make_module(module, width,
                                              SETTINGS.get(module))
                block.attn_after = 2
            setattr(self, f"block{i}", block)
            inputs = width
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.block3(self.block2(self.block1(x)))
        return self.fc(x.mean((2, 3)))


def load():
    """Images (1797,1,16,16) of 0 to 1, and digits."""
    rows = np.fromfile(DATA, np.uint8).reshape(IMAGES, 65)
    x = rows[:, :64].reshape(-1, 1, 8, 8).astype(np.float32) / 16
    x = x.repeat(2, 2).repeat(2, 3)
    return torch.from_numpy(x), torch.from_numpy(rows[:, 64].astype(np.int64))


def batch_of(step):
    """The images of a step, from 0."""
    place = np.arange(step * BATCH, (step + 1) * BATCH) % TRAINING
    return torch.from_numpy(place * STRIDE % IMAGES)


def losses(module, dtype):
    torch.set_default_dtype(dtype)
    x, digit = load()
    net = Net(module)
    peer.seed_values(net, SEED)
    net.to(dtype).train()
    sgd = torch.optim.SGD(net.parameters(), RATES.get(module, RATE), MOMENTUM,
                          weight_decay=DECAY)
    for step in range(STEPS):
        at = batch_of(step)
        loss = F.cross_entropy(net(x[at].to(dtype)), digit[at])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        yield loss.item()


def main(modules):
    print("module,rate,step,loss,loss_in_float64")
    for module in modules or ["none"] + list(peer.MODULES):
        rate = RATES.get(module, RATE)
        both = zip(list(losses(module, torch.float32)),
                   losses(module, torch.float64))
        for step, (single, double) in enumerate(both, 1):
            print(f"{module},{rate},{step},{single:.9g},{double:.9g}",
                  flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
