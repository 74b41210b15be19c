"""torch_passes.py - what of a case is computed: its pass, in PyTorch.

harness/network/passes.h has the definitions: which mode norms are in, of what
there are gradients, the step of training.  Each is written as a user who cares
for time would write it, and does no work that attnbench does not do.  A pass
has

    mode()          where its network is made and runs
    step()          one run, whose time is taken
    outputs()       by attnbench's names, what it comes to from seeded values;
                    asked for before anything else has run
"""
import functools
import inspect

import torch
from torch import nn
from torch.nn import functional as F

from torch_case import SEED
from torch_modules import seeded_input

CLASSES = 1000                          # of every backbone
RATE, MOMENTUM, DECAY = 1e-5, 0.9, 1e-4     # those of passes.h
STEPS = 3                               # of a module: harness/network/network.c


def grad_output(x, case, device):
    """The gradient of the output: of logits, or of a map like x."""
    backbone = case["backbone"] != "none"
    shape = (case["batch"], CLASSES) if backbone else tuple(x.shape)
    return device.place(
        torch.from_numpy(seeded_input(shape, SEED, "grad_output")), case)


class Forward:
    mode = staticmethod(torch.inference_mode)
    shared = True           # by cases that PyTorch computes alike

    def __init__(self, net, x, case, device):
        self.step = functools.partial(device.compile(net), x)

    def outputs(self):
        return {"output": self.step()}


class InputGrad:
    """The parameters are frozen, so that nothing is done for theirs."""
    mode = staticmethod(torch.enable_grad)
    shared = True
    params = False

    def __init__(self, net, x, case, device):
        net.requires_grad_(self.params)
        named = list(net.named_parameters()) if self.params else []
        self.names = ["grad_input"] + [f"grad/{name}" for name, _ in named]
        self.x = x.requires_grad_()
        self.of = [self.x] + [p for _, p in named]
        self.dy = grad_output(x, case, device)
        self.net = device.compile(net)

    def step(self):
        y = self.net(self.x)
        return y, torch.autograd.grad(y, self.of, self.dy)

    def outputs(self):
        y, grads = self.step()
        return {"output": y, **dict(zip(self.names, grads))}


class Backward(InputGrad):
    params = True


class Training:
    """Statistics of the batch; running ones are not kept, as in attnbench."""
    mode = staticmethod(torch.enable_grad)
    shared = False          # each starts from the seeded values

    def __init__(self, net, x, case, device):
        net.train().requires_grad_(True)
        for part in net.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.track_running_stats = False
                part.running_mean = part.running_var = None
                part.num_batches_tracked = None
        self.x, self.named = x, list(net.named_parameters())
        self.sgd = make_sgd([p for _, p in self.named], x.is_cuda)
        self.classes = case["backbone"] != "none"
        if self.classes:
            images = torch.arange(case["batch"], device=x.device)
            self.target = images * 7919 % CLASSES
            self.forward = device.compile(self.with_loss(net))
        else:
            self.dy = grad_output(x, case, device)
            self.forward = device.compile(net)

    @staticmethod
    def with_loss(net):
        def forward(x, target):
            y = net(x)
            return y, F.cross_entropy(y, target)
        return forward

    def step(self):
        self.sgd.zero_grad(set_to_none=True)
        if self.classes:
            y, loss = self.forward(self.x, self.target)
            loss.backward()
        else:
            y, loss = self.forward(self.x), None
            y.backward(self.dy)
        self.sgd.step()
        return y, loss

    def outputs(self):
        """Of a network after one step, of a module after three, with what
        moved its parameters."""
        if self.classes:
            return dict(zip(("output", "loss"), self.step()))
        for _ in range(STEPS):
            y, _ = self.step()
        state = self.sgd.state
        return {"output": y, **{f"velocity/{name}":
                                state[p]["momentum_buffer"]
                                for name, p in self.named if p in state}}


def make_sgd(params, on_gpu):
    """The fastest that this PyTorch has.  Lists of parameters (foreach) are
    for a GPU: on a CPU, ResNet-50's take more than twice as long as one by
    one, because all sums with the decay are held at once."""
    def make(**how):
        return torch.optim.SGD(params, RATE, MOMENTUM, weight_decay=DECAY,
                               **how)

    if "fused" in inspect.signature(torch.optim.SGD).parameters:
        try:
            return make(fused=True)
        except RuntimeError:    # 2.3 has it on a GPU alone
            pass
    return make(foreach=True) if on_gpu else make()


PASSES = {"forward": Forward, "input_grad": InputGrad, "backward": Backward,
          "train": Training}
