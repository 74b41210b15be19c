#!/usr/bin/env python3
"""torch_peer.py - times the cases of an experiment in PyTorch.

Interleaved with attnbench, in one run, which is how to compare:

    attnbench run harness/experiments/vs_torch.json \\
        --peer="python3 harness/peers/torch_peer.py --serve"

By itself, writing a file for attnbench import:

    attnbench run harness/experiments/vs_torch.json --dry_run |
        python3 harness/peers/torch_peer.py >torch.json

On a GPU, eager or compiled, in the dtype of the case:

    attnbench run module_stages --backend=cuda --dtype=f16 \\
        --peer="python3 harness/peers/torch_peer.py --serve --device=cuda"

PyTorch gets what suits it: backbones run channels-last, modules alone too on
a GPU, and in PyTorch's default layout on a CPU (--layout chooses); graph=folded
has its batch norms folded into the convolutions; as many threads as attnbench
has; inference mode where nothing goes backwards (torch_passes.py); on a GPU
cuDNN may choose by timing.  impl says what attnbench does with a case: whether
PyTorch fuses it is --compile's to say.
"""
import argparse
import subprocess

import torch

import peer_program
import torch_case
import torch_device
from peer_program import Refusal
from torch_passes import PASSES


def version():
    """Debian's package knows its version better than the library does."""
    if "/dist-packages/" in torch.__file__:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}",
                               "python3-torch"], capture_output=True,
                              text=True, check=False)
        if done.returncode == 0:
            return done.stdout.partition("+")[0]
    return torch.__version__.partition("+")[0]


class Arm:
    """One case, built and ready to run."""

    def __init__(self, case, device, others=()):
        device.check(case)
        peer_program.refuse_unless(case, **{
            "pass": tuple(PASSES), "state": ("hot",), "weights": ("seeded",)})
        if case["pass"] != "forward" and case["dtype"] not in ("f32", "tf32"):
            raise Refusal(f"pass={case['pass']} is not timed here in "
                          f"dtype={case['dtype']}")
        self.case, self.device = case, device
        device.use(case)
        pass_ = PASSES[case["pass"]]
        twin = peer_program.find_twin(case, others) if pass_.shared else None
        if twin:                # compiled once is enough
            self.work, self.params = twin.work, twin.params
            return
        with pass_.mode():
            net, self.params = torch_case.make_network(case)
            self.work = pass_(device.place(net, case),
                              device.place(torch_case.make_input(case), case),
                              case, device)

    def run(self, reps):
        """Nanoseconds of one run."""
        self.device.use(self.case)
        with self.work.mode():
            return self.device.time(self.work, reps)

    def outputs(self):
        """By name, as NumPy arrays.  Asked for first: timing trains further."""
        self.device.use(self.case)
        with self.work.mode():
            return {name: self.device.output(y)
                    for name, y in self.work.outputs().items()}


class PyTorch:
    """What peer_program.py asks for: this PyTorch on a device."""

    def __init__(self, device):
        self.device = device

    def source(self):
        return self.device.source(version())

    def arm(self, case, others):
        return Arm(case, self.device, others)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    peer_program.add_flags(parser)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu",
                        help="where it runs: the cases' backend")
    parser.add_argument("--compile", nargs="?", const="default", metavar="MODE",
                        help="by torch.compile, in this mode of it")
    parser.add_argument("--layout", choices=torch_device.LAYOUTS,
                        default="auto",
                        help="auto: as suits the device and the case")
    parser.add_argument("--launches", action="store_true",
                        help="cuda: time the launches, too")
    args = parser.parse_args()

    def open_engine():
        return PyTorch(torch_device.open_device(
            torch, args.device, layout=args.layout, compiled=args.compile,
            launches=args.launches))

    torch.set_grad_enabled(False)           # until a pass wants gradients
    torch.set_flush_denormal(True)          # as attnbench does
    peer_program.run_program("torch_peer", args, open_engine)


if __name__ == "__main__":
    main()
