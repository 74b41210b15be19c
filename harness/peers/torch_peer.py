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
import gc
import json
import math
import random
import statistics
import subprocess
import sys

import torch

import torch_backbones
import torch_device
import torch_modules
from torch_device import Refusal
from torch_passes import PASSES, SEED

SAMPLE_NS = 20e3        # what a sample takes at least, as in attnbench
REWARM_NS = 20e6        # what is run before a sample, as harness/measure/trial.c does


def version():
    """Debian's package knows its version better than the library does."""
    if "/dist-packages/" in torch.__file__:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}",
                               "python3-torch"], capture_output=True,
                              text=True, check=False)
        if done.returncode == 0:
            return done.stdout.partition("+")[0]
    return torch.__version__.partition("+")[0]


def first_words(error):
    return (" ".join(str(error).split()) or type(error).__name__)[:400]


def write_safetensors(path, arrays):
    """float32 arrays by name, for harness/files/safetensors.c."""
    header, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": "F32", "shape": array.shape,
                        "data_offsets": (begin, end)}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            array.tofile(file)


class Arm:
    """One case, built and ready to run."""

    def __init__(self, case, device, others=()):
        device.check(case)
        for key, known in (("pass", tuple(PASSES)), ("state", ("hot",)),
                           ("weights", ("seeded",))):
            if case[key] not in known:
                raise Refusal(f"{key}={case[key]} is not timed here")
        if case["pass"] != "forward" and case["dtype"] not in ("f32", "tf32"):
            raise Refusal(f"pass={case['pass']} is not timed here in "
                          f"dtype={case['dtype']}")
        self.case, self.device = case, device
        device.use(case)
        pass_ = PASSES[case["pass"]]
        for other in others:    # of another impl: compiled once is enough
            if pass_.shared and all(case[k] == other.case[k] for k in case
                                    if k != "impl"):
                self.work, self.params = other.work, other.params
                return
        shape = [case[k] for k in ("batch", "channels", "height", "width")]
        x = torch.from_numpy(torch_modules.seeded_structured(shape, SEED))
        with pass_.mode():
            net = device.place(self.build(case), case)
            self.work = pass_(net, device.place(x, case), case, device)

    def build(self, case):
        name, settings = case["backbone"], dict(case["settings"])
        for side, key in (("dct_h", "height"), ("dct_w", "width")):
            if settings.get(side) == 0:         # the stage's, or the map's
                del settings[side]
                if name == "none":
                    settings[side] = case[key]
        if name == "none":
            net = torch_modules.make_module(case["module"], case["channels"],
                                            settings)
        else:
            net = torch_backbones.make_backbone(name, case["module"], settings,
                                                case["position"])
        torch_modules.seed_values(net, SEED,
                                  norm_gain=case["norm_gain"] or 1)
        if case["form"] == "deploy":
            torch_backbones.deploy(net)
        self.params = sum(p.numel() for p in net.parameters())
        net.eval()
        if name != "none" and case["graph"] == "folded":
            torch_backbones.fold_batch_norms(net)
        return net

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


def serve(open_device):
    """Answers attnbench, line by line (harness/measure/peer.h).  Without a device the
    answer to everything is why."""
    arms, opened = {}, []

    def answer(words):
        if not opened:
            opened.append(open_device())
        device = opened[0]
        if words[0] == "name":
            return device.source(version())
        if words[0] == "case":
            number, path, text = words[1].split(" ", 2)
            arm = Arm(json.loads(text), device, arms.values())
            arms[number] = arm
            write_safetensors(path, arm.outputs())
            return str(arm.params)
        if words[0] == "run":
            number, reps = words[1].split()
            return f"{arms[number].run(int(reps)):.1f}"
        if words[0] == "drop":
            arms.pop(words[1], None)
            gc.collect()
            return ""
        raise Refusal(f"there is no command '{words[0]}'")

    gc.disable()                # so that no sample holds a collection
    for line in sys.stdin:
        try:
            reply = "ok " + answer(line.strip().split(" ", 1))
        except Exception as e:  # a case that fails is a row that says why
            reply = "no " + first_words(e)
        print(reply, flush=True)


class Alone(Arm):
    """An arm with its samples, for a run without attnbench."""

    def __init__(self, case, device):
        super().__init__(case, device)
        self.run(2)
        once = self.run(1)
        self.reps = max(1, math.ceil(SAMPLE_NS / once))
        self.rewarm = min(max(4, self.reps), math.ceil(REWARM_NS / once))
        self.ns, self.round, self.spent = [], [], 0

    def sample(self, number):
        self.run(self.rewarm)
        ns = self.run(self.reps)
        self.ns.append(ns)
        self.round.append(number)
        self.spent += ns * self.reps


def alone(cases, device, seconds, target):
    """Rounds over all cases, in random order, until each is settled."""
    arms, runs = {}, []
    for i, case in enumerate(cases):
        run = {k: v for k, v in case.items() if k != "experiment"}
        try:
            arms[i] = Alone(case, device)
            run["status"] = "ok"
        except Exception as e:  # a case that fails is a row that says why
            run.update(status="unsupported", message=first_words(e))
        runs.append(run)
    gc.disable()                # so that no sample holds a collection
    number, left = 0, list(arms.values())
    while left:
        random.shuffle(left)
        for arm in left:
            arm.sample(number)
        number += 1
        if all(converged(a.ns, target) for a in left):
            break
        left = [a for a in left if a.spent < seconds * 1e9]
    for i, a in arms.items():
        runs[i].update(reps=a.reps, ns=a.ns, round=a.round,
                       converged=int(converged(a.ns, target)))
    return runs


def converged(ns, target):
    """Whether the 95 % interval of the median, from order statistics, is
    within the target."""
    n = len(ns)
    if n < 10:
        return False
    ordered = sorted(ns)
    k = max(0, int(n / 2 - 0.98 * n ** 0.5))
    half = (ordered[n - 1 - k] - ordered[k]) / 2
    return half <= target * statistics.median(ordered)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--serve", action="store_true",
                        help="answer attnbench run --peer")
    parser.add_argument("--limit", type=float, default=10,
                        help="seconds of samples a case may take")
    parser.add_argument("--target", type=float, default=1,
                        help="percent: half width of the interval")
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

    def open_device():
        return torch_device.open_device(torch, args.device, layout=args.layout,
                                        compiled=args.compile,
                                        launches=args.launches)

    torch.set_grad_enabled(False)           # until a pass wants gradients
    torch.set_flush_denormal(True)          # as attnbench does
    if args.serve:
        serve(open_device)
        return
    try:
        device = open_device()
    except Refusal as e:
        sys.exit(f"torch_peer: {e}")
    cases = [json.loads(line) for line in sys.stdin if line.strip()]
    runs = alone(cases, device, args.limit, args.target / 100)
    json.dump({"source": device.source(version()), "runs": runs,
               "experiment": cases[0]["experiment"] if cases else ""},
              sys.stdout)


if __name__ == "__main__":
    main()
