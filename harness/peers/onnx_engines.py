"""onnx_engines.py - programs that run ONNX graphs on a CPU: ONNX Runtime and
OpenVINO, each set up as its user would who cares for time.

An engine opens an exported graph and gives a session, which has

    run(reps)       nanoseconds of one run, inputs and outputs bound before
    output()        of the last run, as a NumPy array of float32

Denormals are flushed, as attnbench flushes them.  Neither engine imports
PyTorch, and each is imported only if it was asked for.
"""
import time

import numpy as np

from peer_program import Refusal

# Threads that wait for work spin, which the next case would pay for.  libgomp's
# do for some 10 ms, after which harness/measure/rounds.c and onnx_peer.py rely
# on quiet; ONNX Runtime's, if they may choose, for 3 ms to half a second.
SPIN_US = 10000
SPIN_SINCE = (1, 26)    # the first ONNX Runtime that can be told for how long


def short_version(text):
    """"2026.4.1" of "2026.4.1-22982-e213a147257-releases/2026/4"."""
    return text.partition("-")[0].partition("+")[0]


def numbers(version):
    """(1, 26) of "1.26.0"."""
    return tuple(int(part) for part in version.split(".")[:2])


def to_bf16(x):
    """float32 rounded to nearest, ties to even, as the upper halves of their
    bits.  NumPy has no such type."""
    bits = x.view(np.uint32)
    return (bits + (0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bf16(halves):
    return (halves.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


class OnnxRuntime:
    """Its own kernels for CPUs, with all that it does to a graph."""

    name = "onnxruntime"

    def __init__(self):
        try:
            import onnxruntime
        except ImportError as e:
            raise Refusal("there is no onnxruntime in this Python; "
                          "pip install onnxruntime") from e
        self.lib = onnxruntime

    def version(self):
        return short_version(self.lib.__version__)

    def check(self, dtype):
        """Its kernels for CPUs have no bf16: a graph of it does not load
        ("Could not find an implementation for Conv(22)")."""
        if dtype != "f32":
            raise Refusal(f"dtype={dtype} is not timed here: onnxruntime has "
                          f"no convolutions or means of {dtype} on a CPU")

    def spinning(self):
        if numbers(self.version()) >= SPIN_SINCE:
            return "session.intra_op.spin_duration_us", str(SPIN_US)
        return "session.force_spinning_stop", "1"       # at the end of a run

    def open(self, model, x, threads, dtype):
        options = self.lib.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3                  # errors
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        options.add_session_config_entry(*self.spinning())
        return OnnxRuntimeSession(self.lib, self.lib.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]), x)


class OnnxRuntimeSession:
    def __init__(self, lib, session, x):
        place = lib.OrtValue.ortvalue_from_numpy
        (y,) = session.get_outputs()
        self.session, self.binding = session, session.io_binding()
        self.x, self.y = place(x), place(np.empty(y.shape, np.float32))
        self.binding.bind_ortvalue_input("input", self.x)
        self.binding.bind_ortvalue_output("output", self.y)

    def run(self, reps):
        run, binding = self.session.run_with_iobinding, self.binding
        start = time.perf_counter_ns()
        for _ in range(reps):
            run(binding)
        return (time.perf_counter_ns() - start) / reps

    def output(self):
        return self.y.numpy()


class OpenVino:
    """Its plugin for CPUs, one run at a time.  In bf16 its input and its output
    are bf16 too, as attnbench's are: with float32 there, a module alone takes
    twice as long."""

    name = "openvino"

    def __init__(self):
        try:
            import openvino
        except ImportError as e:
            raise Refusal("there is no openvino in this Python; "
                          "pip install openvino") from e
        self.lib, self.core = openvino, openvino.Core()

    def version(self):
        return short_version(self.lib.__version__)

    def check(self, dtype):
        able = self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if dtype not in ("f32", "bf16"):
            raise Refusal(f"dtype={dtype} is not timed here by openvino")
        if dtype == "bf16" and "BF16" not in able:
            raise Refusal("dtype=bf16: openvino says that this processor has "
                          "none")

    def open(self, model, x, threads, dtype):
        graph = self.core.read_model(model)
        if dtype == "bf16":
            graph, x = self.with_bf16_ends(graph), to_bf16(x)
        compiled = self.core.compile_model(graph, "CPU", {
            "INFERENCE_PRECISION_HINT": dtype,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_HYPER_THREADING": True,     # where that many threads are
            "CPU_DENORMALS_OPTIMIZATION": True})
        given = compiled.get_property("INFERENCE_NUM_THREADS")
        if given != threads:
            raise Refusal(f"openvino takes {given} threads where {threads} "
                          "are wanted")
        return OpenVinoSession(self.lib, compiled.create_infer_request(), x)

    def with_bf16_ends(self, graph):
        ends = self.lib.preprocess.PrePostProcessor(graph)
        for end in ends.input(), ends.output():
            end.tensor().set_element_type(self.lib.Type.bf16)
        return ends.build()


class OpenVinoSession:
    def __init__(self, lib, request, x):
        self.lib, self.request, self.x = lib, request, x
        if x.dtype == np.uint16:
            tensor = lib.Tensor(x, lib.Shape(x.shape), lib.Type.bf16)
        else:
            tensor = lib.Tensor(x, shared_memory=True)
        request.set_input_tensor(tensor)

    def run(self, reps):
        """By its own clock, around a run and inside of what Python adds to a
        call: 3 us of one that takes 20."""
        request, ms = self.request, 0.0
        for _ in range(reps):
            request.infer(share_outputs=True)
            ms += request.latency
        return ms * 1e6 / reps

    def output(self):
        y = self.request.get_output_tensor()
        if y.element_type == self.lib.Type.bf16:
            return from_bf16(y.data)
        return y.data


ENGINES = {engine.name: engine for engine in (OnnxRuntime, OpenVino)}
