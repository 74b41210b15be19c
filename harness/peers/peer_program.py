"""peer_program.py - what every peer does: answers attnbench, or runs alone.

A peer brings an engine, which has

    source()            its name and version, as stored with its times
    arm(case, others)   the case, built; others were built before

and an arm has

    params              how many its network has
    outputs()           by attnbench's names, as NumPy arrays of float32, from
                        seeded values; asked for before anything else has run
    run(reps)           nanoseconds of one run, timed around the runs alone

An exception is a case that fails; its words are the reason in the row.  A
Refusal has words of ours.
"""
import gc
import json
import math
import os
import random
import statistics
import sys

SAMPLE_NS = 20e3        # what a sample takes at least, as in attnbench
REWARM_NS = 20e6        # what is run before one, as in harness/measure/trial.c


class Refusal(Exception):
    """A case, or a wish, that an engine or these files have no way to meet."""


def refuse_unless(case, **known):
    """Refuses a case with a setting that is none of those known."""
    for key, values in known.items():
        if case[key] not in values:
            raise Refusal(f"{key}={case[key]} is not timed here")


def count_threads(case):
    """As many as attnbench would use."""
    return case["threads"] or len(os.sched_getaffinity(0))


def find_twin(case, others):
    """The arm of others that differs in impl alone, or None: impl says what
    attnbench does with a case, so that one of them is enough here."""
    for other in others:
        if all(case[k] == other.case[k] for k in case if k != "impl"):
            return other
    return None


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


def serve(open_engine, out):
    """Answers attnbench, line by line (harness/measure/peer.h).  Without an
    engine the answer to everything is why."""
    arms, opened = {}, []

    def answer(words):
        if not opened:
            opened.append(open_engine())
        engine = opened[0]
        if words[0] == "name":
            return engine.source()
        if words[0] == "case":
            number, path, text = words[1].split(" ", 2)
            arm = engine.arm(json.loads(text), arms.values())
            arms[number] = arm
            write_safetensors(path, arm.outputs())
            return str(arm.params)
        if words[0] == "run":
            number, warm, reps = words[1].split()
            if int(warm):
                arms[number].run(int(warm))
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
        print(reply, file=out, flush=True)


class Alone:
    """An arm with its samples, for a run without attnbench."""

    def __init__(self, arm):
        self.arm = arm
        arm.run(2)
        once = arm.run(1)
        self.reps = max(1, math.ceil(SAMPLE_NS / once))
        self.rewarm = min(max(4, self.reps), math.ceil(REWARM_NS / once))
        self.ns, self.round, self.spent = [], [], 0

    def sample(self, number):
        self.arm.run(self.rewarm)
        ns = self.arm.run(self.reps)
        self.ns.append(ns)
        self.round.append(number)
        self.spent += ns * self.reps


def alone(engine, cases, seconds, target):
    """Rounds over all cases, in random order, until each is settled."""
    arms, runs = {}, []
    for i, case in enumerate(cases):
        run = {k: v for k, v in case.items() if k != "experiment"}
        try:
            arms[i] = Alone(engine.arm(case, ()))
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


def add_flags(parser):
    """The flags that every peer has."""
    parser.add_argument("--serve", action="store_true",
                        help="answer attnbench run --peer")
    parser.add_argument("--limit", type=float, default=10,
                        help="seconds of samples a case may take")
    parser.add_argument("--target", type=float, default=1,
                        help="percent: half width of the interval")


def take_stdout():
    """What was stdout, for answers alone: whatever else is printed, by
    libraries too, goes to stderr from here on."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


def run_program(name, args, open_engine):
    """Serves, or times the cases on stdin and writes a file for attnbench
    import."""
    out = take_stdout()
    if args.serve:
        serve(open_engine, out)
        return
    try:
        engine = open_engine()
    except Refusal as e:
        sys.exit(f"{name}: {e}")
    cases = [json.loads(line) for line in sys.stdin if line.strip()]
    runs = alone(engine, cases, args.limit, args.target / 100)
    json.dump({"source": engine.source(), "runs": runs,
               "experiment": cases[0]["experiment"] if cases else ""}, out)
    out.close()
