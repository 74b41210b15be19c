#!/usr/bin/env python3
"""test_torch_device.py - how the peer uses PyTorch, without PyTorch.

A torch that is made of a few recorded calls is enough to see the order of
what is done on a GPU, and what is refused and why.
"""
import os
import sys
import types
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness",
                                "peers"))
import torch_device  # noqa: E402

CASE = {"backend": "cuda", "backbone": "none", "dtype": "f16", "threads": 0}


class Net:
    """A network, or its input: remembers what it was turned into."""

    def __init__(self, log):
        self.log, self.like = log, None

    def to(self, **like):
        self.like = like
        return self

    def step(self):
        self.log.append("run")


def fake_torch(log, gpu=True, compiles=True, sleeps=True):
    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            log.append("record")

        def synchronize(self):
            log.append("wait")

        def elapsed_time(self, other):
            assert other is not self
            return 0.25     # ms

    cuda = types.SimpleNamespace(
        Event=Event, is_available=lambda: gpu,
        synchronize=lambda: log.append("synchronize"),
        matmul=types.SimpleNamespace(allow_tf32=None))
    if sleeps:
        cuda._sleep = lambda cycles: log.append(("sleep", cycles))
    torch = types.SimpleNamespace(
        __version__="9.9", cuda=cuda, float16="half", bfloat16="bfloat16",
        float32="float", channels_last="NHWC",
        set_num_threads=lambda n: log.append(("threads", n)),
        _dynamo=types.SimpleNamespace(
            config=types.SimpleNamespace(cache_size_limit=8)),
        backends=types.SimpleNamespace(
            cuda=types.SimpleNamespace(
                matmul=types.SimpleNamespace(allow_tf32=None)),
            cudnn=types.SimpleNamespace(allow_tf32=None, benchmark=False)))
    if compiles:
        def compile_(net, **how):
            log.append(("compile", how))
            return net
        torch.compile = compile_
    return torch


class OnAGpu(unittest.TestCase):
    def setUp(self):
        self.log = []

    def open(self, **wishes):
        torch = fake_torch(self.log)
        return torch, torch_device.open_device(torch, "cuda", **wishes)

    def test_the_stream_is_held_back_until_all_runs_are_queued(self):
        _, device = self.open()
        ns = device.time(Net(self.log), 3)
        self.assertEqual([e if isinstance(e, str) else e[0]
                          for e in self.log],
                         ["sleep", "record", "run", "run", "run", "record",
                          "wait", "synchronize"])
        self.assertAlmostEqual(ns, 0.25e6 / 3)

    def test_what_it_is_held_back_for_grows_with_the_launches(self):
        _, device = self.open()
        net = Net(self.log)
        net.launch_ns = 1e5
        device.hold(net, 10)
        device.hold(net, 10000)
        self.assertEqual(self.log, [("sleep", 2 * 1520000),
                                    ("sleep", 2 * 100000000)])

    def test_launches_can_be_left_in(self):
        _, device = self.open(launches=True)
        device.time(Net(self.log), 1)
        self.assertEqual(self.log, ["record", "run", "record", "wait",
                                    "synchronize"])
        self.assertEqual(device.source("9.9"),
                         "pytorch 9.9 eager cuda, launches included")

    def test_dtype_layout_and_device_are_those_of_the_case(self):
        _, device = self.open()
        for dtype, kind in (("f32", "float"), ("tf32", "float"),
                            ("f16", "half"), ("bf16", "bfloat16")):
            net = device.place(Net(self.log), dict(CASE, dtype=dtype))
            self.assertEqual(net.like, {"device": "cuda", "dtype": kind,
                                        "memory_format": "NHWC"})

    def test_what_is_no_map_has_no_layout(self):
        _, device = self.open()
        for ndim, has in ((2, False), (4, True)):
            x = Net(self.log)
            x.ndim = ndim
            device.place(x, CASE)
            self.assertIs("memory_format" in x.like, has)

    def test_tf32_is_on_for_tf32_alone(self):
        torch, device = self.open()
        for dtype in torch_device.DTYPES:
            device.use(dict(CASE, dtype=dtype))
            for flag in torch.backends.cuda.matmul, torch.backends.cudnn:
                self.assertIs(flag.allow_tf32, dtype == "tf32")

    def test_a_layout_can_be_chosen_and_is_in_the_name(self):
        _, device = self.open(layout="contiguous")
        net = device.place(Net(self.log), CASE)
        self.assertNotIn("memory_format", net.like)
        self.assertEqual(device.source("9.9"),
                         "pytorch 9.9 eager cuda contiguous")

    def test_compiling_is_whole_or_refused_and_never_gives_up(self):
        torch, device = self.open(compiled="default")
        device.compile(Net(self.log))
        self.assertEqual(self.log, [("compile", {"mode": "default",
                                                 "fullgraph": True,
                                                 "dynamic": False})])
        self.assertGreater(torch._dynamo.config.cache_size_limit, 1000)
        self.assertFalse(hasattr(torch._dynamo.config, "recompile_limit"))
        self.assertEqual(device.source("9.9"), "pytorch 9.9 compiled cuda")
        _, device = self.open(compiled="reduce-overhead")
        self.assertEqual(device.source("9.9"),
                         "pytorch 9.9 compiled(reduce-overhead) cuda")


class Refused(unittest.TestCase):
    def check(self, sentence, torch, name, case=None, **wishes):
        with self.assertRaises(torch_device.Refusal) as refusal:
            device = torch_device.open_device(torch, name, **wishes)
            device.check(case)
        self.assertIn(sentence, str(refusal.exception))

    def test_what_cannot_be_is_said(self):
        gpu, none = fake_torch([]), fake_torch([], gpu=False)
        self.check("sees no GPU", none, "cuda")
        self.check("has no torch.compile", fake_torch([], compiles=False),
                   "cpu", compiled="default")
        self.check("cannot hold its stream back",
                   fake_torch([], sleeps=False), "cuda")
        self.check("backend=cpu is not timed here", gpu, "cuda",
                   dict(CASE, backend="cpu"))
        self.check("backend=cuda is not timed here", none, "cpu", CASE)
        self.check("dtype=f16 is not timed here on cpu", none, "cpu",
                   dict(CASE, backend="cpu"))


class OnACpu(unittest.TestCase):
    def test_modules_keep_the_default_layout_and_backbones_do_not(self):
        log = []
        device = torch_device.open_device(fake_torch(log, gpu=False), "cpu",
                                          launches=False)
        case = dict(CASE, backend="cpu", dtype="f32", threads=3)
        net = device.place(Net(log), case)
        self.assertEqual(net.like, {"device": "cpu", "dtype": "float"})
        net = device.place(Net(log), dict(case, backbone="resnet50"))
        self.assertEqual(net.like["memory_format"], "NHWC")
        device.use(case)
        self.assertEqual(log, [("threads", 3)])
        self.assertGreater(device.time(net, 5), 0)
        self.assertEqual(log[1:], ["run"] * 5)
        self.assertEqual(device.source("1.13.1"), "pytorch 1.13.1 eager")


if __name__ == "__main__":
    unittest.main()
