#!/usr/bin/env python3
"""test_peer_program.py - what peers have in common, with an engine that only
pretends to run: no PyTorch is needed.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                     "harness", "peers")
CASE = {"experiment": "e", "impl": "composed", "threads": 1, "batch": 2}

# An engine whose every step prints, as libraries may, in C too.
PROGRAM = """
import argparse, array, os, sys
sys.path.insert(0, sys.argv.pop(1))
import peer_program

class Values:
    shape, nbytes = (2,), 8
    def tofile(self, file):
        array.array("f", [1, -2]).tofile(file)

class Arm:
    params = 7
    def __init__(self, case, others):
        peer_program.refuse_unless(case, batch=(2,))
        self.case, self.runs = case, 0
        self.twin = peer_program.find_twin(case, others)
    def outputs(self):
        return {"output": Values()}
    def run(self, reps):
        os.write(1, b"runs %d\\n" % reps)
        self.runs += reps
        return 1e9 if self.twin else 25e3

class Engine:
    def source(self):
        print("hello")
        return "fake 1.0"
    def arm(self, case, others):
        print("exporting")
        return Arm(case, others)

def open_engine():
    if os.environ.get("MISSING"):
        raise peer_program.Refusal("there is no engine")
    return Engine()

parser = argparse.ArgumentParser()
peer_program.add_flags(parser)
peer_program.run_program("fake", parser.parse_args(), open_engine)
"""


def talk(lines, *flags, **environ):
    return subprocess.run([sys.executable, "-c", PROGRAM, PEERS, *flags],
                          input="".join(line + "\n" for line in lines),
                          env={**os.environ, **environ}, text=True,
                          capture_output=True, check=False)


class Serving(unittest.TestCase):
    def answers(self, *lines, **environ):
        return talk(lines, "--serve", **environ).stdout.splitlines()

    def test_answers_are_all_that_stdout_gets(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "y.safetensors")
            said = self.answers("name", f"case 0 {path} {json.dumps(CASE)}",
                                "run 0 2 3", "drop 0", "run 0 0 1")
            self.assertEqual(said, ["ok fake 1.0", "ok 7", "ok 25000.0", "ok ",
                                    "no '0'"])
            with open(path, "rb") as file:
                text = file.read()
        size = int.from_bytes(text[:8], "little")
        self.assertEqual(json.loads(text[8:8 + size]), {"output": {
            "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})
        self.assertEqual(len(text), 8 + size + 8)

    def test_untimed_runs_come_right_before(self):
        said = talk([f"case 0 /dev/null {json.dumps(CASE)}", "run 0 2 3",
                     "run 0 0 4"], "--serve").stderr
        self.assertIn("runs 2\nruns 3\nruns 4\n", said)

    def test_a_case_that_differs_in_impl_alone_has_a_twin(self):
        def case(number, **changes):
            return f"case {number} /dev/null {json.dumps({**CASE, **changes})}"
        said = self.answers(case(0), case(1, impl="fused"),
                            case(2, impl="fused", threads=2),
                            "run 0 0 1", "run 1 0 1", "run 2 0 1")
        self.assertEqual(said[3:], ["ok 25000.0", "ok 1000000000.0",
                                    "ok 25000.0"])

    def test_refusals_are_answers(self):
        case = json.dumps({**CASE, "batch": 3})
        said = self.answers(f"case 0 /dev/null {case}", "sing")
        self.assertEqual(said, ["no batch=3 is not timed here",
                                "no there is no command 'sing'"])
        self.assertEqual(self.answers("name", MISSING="1"),
                         ["no there is no engine"])


class RunAlone(unittest.TestCase):
    def test_a_file_has_every_case(self):
        done = talk([json.dumps(CASE), json.dumps({**CASE, "batch": 3})])
        runs = json.loads(done.stdout)
        self.assertEqual(runs["source"], "fake 1.0")
        self.assertEqual(runs["experiment"], "e")
        good, bad = runs["runs"]
        self.assertEqual((good["status"], good["reps"], good["converged"]),
                         ("ok", 1, 1))
        self.assertEqual(good["ns"], [25e3] * 10)
        self.assertEqual((bad["status"], bad["message"]),
                         ("unsupported", "batch=3 is not timed here"))

    def test_without_an_engine_it_says_why(self):
        done = talk([], MISSING="1")
        self.assertEqual(done.stderr, "fake: there is no engine\n")
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
