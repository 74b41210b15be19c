#!/usr/bin/env python3
"""torch_peer.py - times the cases of an experiment in PyTorch, eagerly.

Turn by turn with attnbench, in one run, which is how to compare:

    attnbench run harness/experiments/vs_torch.json \\
        --peer="python3 harness/peers/torch_peer.py --serve"

By itself, writing a file for attnbench import:

    attnbench run harness/experiments/vs_torch.json --dry_run --format=json |
        python3 harness/peers/torch_peer.py >torch.json

PyTorch gets what suits it: backbones run channels-last, modules alone in
PyTorch's default layout; graph=folded has its batch norms folded into the
convolutions; as many threads as attnbench has; inference mode.
"""
import argparse
import gc
import json
import os
import random
import statistics
import sys
import time

import numpy as np
import torch

import torch_modules

SEED = 1                        # of weights and input: SEED in harness/arm.c


class Refusal(Exception):
    """A case that PyTorch, or this file, has no way to run."""


class Arm:
    """One case, built and ready to run."""

    def __init__(self, case):
        self.check(case)
        threads = case["threads"] or len(os.sched_getaffinity(0))
        torch.set_num_threads(threads)
        self.net = self.build(case)
        shape = [case[k] for k in ("batch", "channels", "height", "width")]
        self.x = torch.from_numpy(torch_modules.seeded_input(shape, SEED))
        if case["backbone"] != "none":
            self.net = self.net.to(memory_format=torch.channels_last)
            self.x = self.x.to(memory_format=torch.channels_last)

    @staticmethod
    def check(case):
        for key, known in (("backend", "cpu"), ("impl", "composed"),
                           ("dtype", "f32"), ("pass", "forward"),
                           ("state", "hot")):
            if case[key] != known:
                raise Refusal(f"{key}={case[key]} is not timed here")

    def build(self, case):
        name, settings = case["backbone"], dict(case["settings"])
        if case["module"] == "fca" and name != "none":
            settings = {k: v for k, v in settings.items()
                        if not k.startswith("dct_")}    # go by the stage
        if name == "none":
            net = torch_modules.make_module(case["module"], case["channels"],
                                            settings)
        else:
            net = torch_modules.make_backbone(name, case["module"], settings)
        torch_modules.seed_values(net, SEED)
        self.params = sum(p.numel() for p in net.parameters())
        net.eval()
        if name != "none" and case["graph"] == "folded":
            torch_modules.fold_batch_norms(net)
        return net

    def run(self, reps):
        """Nanoseconds of one run."""
        net, x = self.net, self.x
        start = time.perf_counter_ns()
        for _ in range(reps):
            net(x)
        return (time.perf_counter_ns() - start) / reps


def serve():
    """Answers attnbench, line by line (harness/peer.h)."""
    arms = {}

    def answer(words):
        if words[0] == "name":
            return f"pytorch {torch.__version__.split('+')[0]} eager"
        if words[0] == "case":
            number, path, text = words[1].split(" ", 2)
            arm = arms[number] = Arm(json.loads(text))
            arm.net(arm.x).contiguous().numpy().astype(np.float32).tofile(path)
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
            text = " ".join(str(e).split()) or type(e).__name__
            reply = "no " + text[:500]
        print(reply, flush=True)


def alone(lines, seconds, target):
    """Rounds over all cases, in random order, until each is settled."""
    arms, runs = [], []
    for line in lines:
        case = json.loads(line)
        run = {k: v for k, v in case.items()
               if k not in ("experiment", "question")}
        run.update(status="ok", reps=1, converged=0, ns=[], round=[])
        runs.append(run)
        try:
            arm = Arm(case)
            arm.run(2)
            run["reps"] = max(1, int(20e3 / arm.run(1)) + 1)
            arms.append((arm, run))
        except Exception as e:
            run.update(status="unsupported", message=str(e)[:500])
    number = 0
    gc.disable()
    while any(not r["converged"] for _, r in arms):
        random.shuffle(arms)
        for arm, run in arms:
            if arm.run(1) < 20e6 or number == 0:
                pass            # the run that brings the caches back
            run["ns"].append(arm.run(run["reps"]))
            run["round"].append(number)
            run["converged"] = int(converged(run["ns"], target))
        number += 1
        if all(sum(r["ns"]) * r["reps"] > seconds * 1e9 for _, r in arms):
            break
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
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_flush_denormal(True)          # as attnbench does
    with torch.inference_mode():
        if args.serve:
            serve()
            return
        lines = [line for line in sys.stdin if line.strip()]
        runs = alone(lines, args.limit, args.target / 100)
    json.dump({"source": f"pytorch {torch.__version__.split('+')[0]} eager",
               "experiment": json.loads(lines[0])["experiment"] if lines
               else "", "runs": runs}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
