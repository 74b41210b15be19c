#!/usr/bin/env python3
"""onnx_peer.py - times the cases of an experiment in ONNX Runtime or OpenVINO.

    pip install torch numpy onnxruntime openvino
    attnbench run vs_torch --graph=folded \\
        --peer="python3 harness/peers/onnx_peer.py --serve --engine=openvino"

By itself, writing a file for attnbench import:

    attnbench run vs_torch --graph=folded --dry_run |
        python3 harness/peers/onnx_peer.py --engine=onnxruntime >ort.json

The networks are those of torch_modules.py and torch_backbones.py, exported by
PyTorch (1.13 or later) in eval mode; onnx_engines.py says how engines run them.
Forward only, f32, and bf16 in OpenVINO on processors that have it.  A backbone
is timed as graph=folded alone, because engines fold batch norms whether or not
they are asked to; they do so in modules, too.
"""
import argparse
import inspect
import io
import time
import warnings

import torch

import onnx_engines
import peer_program
import torch_case
from peer_program import Refusal

QUIET_NS = 1.2e3 * onnx_engines.SPIN_US     # after which no thread spins


def export(net, x):
    """The network as ONNX, in memory.  By the exporter that traces: all
    versions have it, it needs no further package, and the engines run its
    graphs as fast as those of the newer one.  GELU is one op from opset 20."""
    how = {"opset_version": 17}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        how = {"opset_version": 20, "dynamo": False}
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # it is deprecated, traces, ...
        torch.onnx.export(net, (x,), file, input_names=["input"],
                          output_names=["output"], **how)
    return file.getvalue()


class Arm:
    """One case, built and ready to run."""

    def __init__(self, case, engine, others, queue):
        peer_program.refuse_unless(case, **{
            "backend": ("cpu",), "pass": ("forward",), "state": ("hot",),
            "weights": ("seeded",)})
        engine.check(case["dtype"])
        if case["backbone"] != "none" and case["graph"] != "folded":
            raise Refusal(f"graph={case['graph']} is not timed here: "
                          f"{engine.name} folds batch norms by itself; "
                          "compare with --graph=folded")
        self.case, self.queue = case, queue
        twin = peer_program.find_twin(case, others)
        if twin:
            self.session, self.params = twin.session, twin.params
            return
        threads = peer_program.count_threads(case)
        torch.set_num_threads(threads)
        net, self.params = torch_case.make_network(case)
        x = torch_case.make_input(case)
        self.session = engine.open(export(net, x), x.numpy(), threads,
                                   case["dtype"])

    def outputs(self):
        self.run(1)
        return {"output": self.session.output()}

    def run(self, reps):
        """Nanoseconds of one run."""
        self.queue.wait_for_turn(self.session)
        ns = self.session.run(reps)
        self.queue.note_end()
        return ns


class Queue:
    """Each session has threads of its own.  Those of the last one may still
    spin when another's turn comes, which then waits until they sleep."""

    def __init__(self):
        self.last, self.ended_ns = None, 0

    def wait_for_turn(self, session):
        quiet_at = self.ended_ns + QUIET_NS
        if self.last is not session:
            time.sleep(max(0, quiet_at - time.perf_counter_ns()) * 1e-9)
        self.last = session

    def note_end(self):
        self.ended_ns = time.perf_counter_ns()


class Engine:
    """What peer_program.py asks for."""

    def __init__(self, name):
        self.engine, self.queue = onnx_engines.ENGINES[name](), Queue()

    def source(self):
        return f"{self.engine.name} {self.engine.version()}"

    def arm(self, case, others):
        return Arm(case, self.engine, others, self.queue)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    peer_program.add_flags(parser)
    parser.add_argument("--engine", choices=tuple(onnx_engines.ENGINES),
                        required=True, help="which of them runs the cases")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_flush_denormal(True)          # as attnbench does
    peer_program.run_program("onnx_peer", args, lambda: Engine(args.engine))


if __name__ == "__main__":
    main()
