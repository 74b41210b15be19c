"""torch_device.py - where PyTorch runs a case, in what, and who keeps time.

A device places a network and its inputs, compiles, times runs, and brings
outputs back.  Each is given the module torch, so that tests can give another.
"""
import time

from peer_program import Refusal, count_threads

DTYPES = {"f32": "float32", "tf32": "float32", "f16": "float16",
          "bf16": "bfloat16"}
LAYOUTS = ("auto", "channels_last", "contiguous")
HOLD_LIMIT_NS = 100e6   # what the stream is held back at most


class Device:
    """What both have in common: dtype, layout, compiling."""

    name = None             # of attnbench's backend, and in the source's name

    def __init__(self, torch, layout="auto", compiled=None):
        self.torch, self.layout, self.compiled = torch, layout, compiled
        if compiled:
            self.prepare_compiler()

    def prepare_compiler(self):
        """A case that would fall back to eager is refused, not timed: the
        compiler's limits, beyond which it gives up in silence, are lifted."""
        if not hasattr(self.torch, "compile"):
            raise Refusal(f"this PyTorch ({self.torch.__version__}) has no "
                          "torch.compile; it came with 2.0")
        config = self.torch._dynamo.config
        for limit in ("recompile_limit", "cache_size_limit",
                      "accumulated_recompile_limit",
                      "accumulated_cache_size_limit"):
            if hasattr(config, limit):
                setattr(config, limit, 1 << 20)

    def source(self, version):
        words = ["pytorch", version]
        if not self.compiled:
            words.append("eager")
        elif self.compiled == "default":
            words.append("compiled")
        else:
            words.append(f"compiled({self.compiled})")
        if self.name != "cpu":
            words.append(self.name)
        if self.layout != "auto":
            words.append(self.layout.replace("_", "-"))
        return " ".join(words)

    def check(self, case):
        if case["backend"] != self.name:
            raise Refusal(f"backend={case['backend']} is not timed here; this "
                          f"peer was started with --device={self.name}")
        if case["dtype"] not in self.dtypes():
            raise Refusal(f"dtype={case['dtype']} is not timed here on "
                          f"{self.name}")

    def dtypes(self):
        return DTYPES

    def channels_last(self, case):
        """Backbones always, modules alone where it is faster: on a GPU."""
        if self.layout != "auto":
            return self.layout == "channels_last"
        return case["backbone"] != "none" or self.name != "cpu"

    def place(self, thing, case):
        """A network, or an input of one, as the case wants it."""
        like = {"device": self.name,
                "dtype": getattr(self.torch, DTYPES[case["dtype"]])}
        if self.channels_last(case) and getattr(thing, "ndim", 4) == 4:
            like["memory_format"] = self.torch.channels_last
        return thing.to(**like)

    def compile(self, net):
        """What runs in its place."""
        if not self.compiled:
            return net
        return self.torch.compile(net, mode=self.compiled, fullgraph=True,
                                  dynamic=False)

    @staticmethod
    def output(y):
        """As attnbench compares it: f32, in PyTorch's order, on the host."""
        return y.detach().float().contiguous().cpu().numpy()


class Host(Device):
    """The processor, by its own clock."""

    name = "cpu"

    def dtypes(self):
        return ("f32", "bf16")

    def use(self, case):
        self.torch.set_num_threads(count_threads(case))

    def time(self, work, reps):
        """Nanoseconds of one run: of work.step()."""
        step = work.step
        start = time.perf_counter_ns()
        for _ in range(reps):
            step()
        return (time.perf_counter_ns() - start) / reps


class Cuda(Device):
    """The first GPU, by its own clock: events on the stream.

    The stream is held back until all runs are queued, so that what is timed
    is the GPU's work and not Python's, as attnbench does; `launches=True`
    leaves that out, and small modules then take as long as their launches.
    """

    name = "cuda"

    def __init__(self, torch, layout="auto", compiled=None, launches=False):
        super().__init__(torch, layout, compiled)
        if not torch.cuda.is_available():
            raise Refusal(f"this PyTorch ({torch.__version__}) sees no GPU")
        self.launches = launches
        if not launches and not hasattr(torch.cuda, "_sleep"):
            raise Refusal(f"this PyTorch ({torch.__version__}) cannot hold its "
                          "stream back; time with --launches")
        torch.backends.cudnn.benchmark = True   # it may choose, as we do
        self.start = torch.cuda.Event(enable_timing=True)
        self.stop = torch.cuda.Event(enable_timing=True)

    def source(self, version):
        return super().source(version) + (
            ", launches included" if self.launches else "")

    def use(self, case):
        """What is global in PyTorch and differs among cases."""
        tf32 = case["dtype"] == "tf32"
        self.torch.backends.cuda.matmul.allow_tf32 = tf32
        self.torch.backends.cudnn.allow_tf32 = tf32

    def hold(self, work, reps):
        """Keeps the stream busy for longer than reps launches take: half as
        long again, and 20 us.  Cycles are of a clock of 2 GHz; a slower one
        holds it for longer."""
        ns = min(1.5 * getattr(work, "launch_ns", 0) * reps + 20e3,
                 HOLD_LIMIT_NS)
        self.torch.cuda._sleep(int(2 * ns))

    def time(self, work, reps):
        """Nanoseconds of one run: of work.step()."""
        step = work.step
        if not self.launches:
            self.hold(work, reps)
        before = time.perf_counter_ns()
        self.start.record()
        for _ in range(reps):
            step()
        self.stop.record()
        work.launch_ns = (time.perf_counter_ns() - before) / reps
        self.stop.synchronize()
        self.torch.cuda.synchronize()
        return self.start.elapsed_time(self.stop) * 1e6 / reps


def open_device(torch, name, **wishes):
    """The device of that name, or a Refusal."""
    if name == "cpu":
        wishes.pop("launches", None)
        return Host(torch, **wishes)
    return Cuda(torch, **wishes)
