#!/usr/bin/env python3
"""mutate.py - how many planted errors the tests of the CUDA kernels catch.

For each file with device code: deletes each barrier, relaxes each bound, makes
each atomic plain, one at a time; builds that one file (of a header: the files
that include it), links it with the rest, and runs the tests of its ops, first
plain, then checked.  A mutant is caught if a test fails; or else if gcc warns,
even without -Wall, that it is undefined, as make test then does not build it.
Those that no test can catch are listed with the reason in
tests/mutants_equivalent.txt.

    make mutants                           all files
    tests/mutate.py softmax.cu linear.cu   these
    tests/mutate.py --list                 the mutants, without running them

What was caught stays caught as long as the file is the same (build/mutants);
what was missed is tried again, unless it is listed.  The last lines are the
score as a table.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

OUT = "build/mutants"
FOLDER = "kernels/cuda/kernels"
EQUIVALENT = "tests/mutants_equivalent.txt"
BUILDS = ["plain", "checked"]  # the quicker first
LIMIT_S = 300  # a mutant that runs for longer is caught: it never ends

# Of the tests' names.
PARTS = ["simt_kernels.agree_with_definitions_in_f16",
         "simt_kernels.agree_with_definitions_in_f32",
         "simt_kernels.agree_with_definitions_in_bf16",
         "simt_kernels.pass_nan_and_infinity_on"]

PLAIN_ATOMICS = """
template <typename T> static __device__ T mutant_Add(T *p, T v)
{ T old = *p; *p = old + v; return old; }
template <typename T> static __device__ T mutant_Max(T *p, T v)
{ T old = *p; *p = v > old ? v : old; return old; }
template <typename T> static __device__ T mutant_Min(T *p, T v)
{ T old = *p; *p = v < old ? v : old; return old; }
template <typename T> static __device__ T mutant_Exch(T *p, T v)
{ T old = *p; *p = v; return old; }
"""

# Name, what is looked for, what stands there instead.  A comparison with 0 is
# a bound where it is >=; < 0 asks for a sign.  Another >= is one where a thread
# leaves by it.
KINDS = [
    ("barrier", r"__syncthreads\(\);|__syncwarp\([^;]*\);|\b\w+\.sync\(\);"
                r"|\bcluster_sync\(\);|cp_async_wait<[^>]*>\(\);", r";"),
    ("bound", r" < (?!0\b)", " <= "),
    ("bound", r" >= 0\b", " >= -1"),
    ("bound", r"(?<=if \()([^()]*) >= (?!0\b)(?=[^()]*\)\s*(return|continue|"
              r"break|$))", r"\1 > "),
    ("atomic", r"\batomic(Add|Max|Min|Exch)\(", r"mutant_\1("),
]


def device_lines(lines):
    """Which lines are in the body of a function for the device."""
    inside, device, head = [False] * len(lines), False, ""
    for i, line in enumerate(lines):
        if line.startswith("{"):
            device = "__global__" in head or "__device__" in head
        elif line.startswith("}"):
            device, head = False, ""
        elif not line.strip():
            head = head if device else ""
        if device:
            inside[i] = True
        else:
            head += line
            # a functor: struct X { __device__ float operator()...
            if "__device__" in line and line.startswith(" "):
                device = True
    return inside


def without_comments(lines):
    """The lines with comments blanked, so that columns stay."""
    text = "".join(lines)
    blank = lambda m: re.sub(r"[^\n]", " ", m.group())
    return re.sub(r"/\*.*?\*/", blank, text, flags=re.S).splitlines(True)


def mutants_of(path):
    with open(path) as f:
        lines = f.readlines()
    code, inside, seen = without_comments(lines), device_lines(lines), {}
    for i, line in enumerate(code):
        if (not inside[i] or line.lstrip().startswith("#") or
                "constexpr" in line):
            continue
        for kind, pattern, instead in KINDS:
            for m in re.finditer(pattern, line):
                new = list(lines)
                new[i] = (line[:m.start()] + m.expand(instead) +
                          line[m.end():])
                text = "".join(new)
                if kind == "atomic":
                    at = text.index("\n", text.rindex('#include "')) + 1
                    text = (text[:at] + PLAIN_ATOMICS +
                            '#line %d "%s"\n' % (text[:at].count("\n") + 1,
                                                 path) + text[at:])
                source = " ".join(line.split())
                nth = seen[(kind, source)] = seen.get((kind, source), 0) + 1
                yield {"file": os.path.basename(path), "path": path,
                       "line": i + 1,
                       "kind": kind, "source": source, "nth": nth,
                       "becomes": " ".join(new[i].split()), "text": text}


def users_of(path):
    """The .cu files that are made of the file."""
    if path.endswith(".cu"):
        return [path]
    users = []
    for name in sorted(os.listdir(FOLDER)):
        made_of = "build/plain/%s/%s.d" % (FOLDER, name)
        if name.endswith(".cu") and os.path.exists(made_of):
            with open(made_of) as f:
                if path in f.read().split():
                    users.append("%s/%s" % (FOLDER, name))
    return users


def commands(path, build):
    """make's own commands that compile the file and link the program."""
    program = "run_tests" if build == "plain" else "run_tests_checked"
    target = "build/%s" % program
    said = subprocess.run(["make", "-n", "V=1", "-W", path, target],
                          capture_output=True, text=True, check=True).stdout
    obj = "build/%s/%s.o" % (build, path)
    wanted = {}
    for line in said.replace("\\\n", " ").splitlines():
        words = shlex.split(line) if " -o " in line else []
        if "-o" in words and words[words.index("-o") + 1] in (obj, target):
            wanted[words[words.index("-o") + 1]] = words
    return wanted[obj], wanted[target], obj


def ops_of(path):
    """The ops whose kernels are in the file, as its object refers to them."""
    said = subprocess.run(["nm", "build/plain/%s.o" % path],
                          capture_output=True, text=True, check=True).stdout
    if not re.search(r" R cuda_", said):
        return []
    return sorted(set(re.findall(r" U (\w+)_def$", said, re.M)))


def run_tests(program, user, ops, log):
    """Whether a test fails; the quickest to tell come first.  A file of no op
    has a suite of its name."""
    env = dict(os.environ, OP=",".join(ops))
    parts = PARTS + (["simt_scsa"] if "scsa" in ops else [])
    if not ops:
        parts = ["simt_" + os.path.basename(user)[:-len(".cu")]]
    for part in parts:
        try:
            done = subprocess.run([program, part], env=env, timeout=LIMIT_S,
                                  stdout=log, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return True
        if done.returncode:
            return True
    return False


def compile_mutant(mutant, user, how, name, log, without):
    """make's command with the mutant in place of its file; whether it works."""
    compile_, _, old = how
    words = [name + ".o" if w == old else w for w in compile_
             if w not in ("-MMD", "-MP", *without)]
    if user == mutant["path"]:
        words[-1] = "%s/%s" % (name, user)
    words.insert(words.index("-I."), "-I" + name)
    return subprocess.run(words, stdout=log, stderr=log).returncode == 0


def build_mutant(mutant, user, how, name, log):
    """The program's path, or None."""
    _, link, old = how
    obj, program = name + ".o", name + ".run"
    if not compile_mutant(mutant, user, how, name, log,
                          ["-Wall", "-Wextra", "-Werror"]):
        return None
    words = [obj if w == old else w for w in link]
    words[words.index("-o") + 1] = program
    subprocess.run(words, stdout=log, stderr=log, check=True)
    return program


def try_mutant(mutant, built, ops):
    """Who caught it: the tests of a build, or "gcc"; "missed", or "does not
    compile"."""
    name = "%s/%s-%s" % (OUT, mutant["file"], mutant["key"][:12])
    source = "%s/%s" % (name, mutant["path"])
    os.makedirs(os.path.dirname(source), exist_ok=True)
    with open(source, "w") as f:
        f.write(mutant["text"])
    outcome = "missed"
    with open(name + ".log", "w") as log:
        for build in BUILDS:
            for user in mutant["users"]:
                program = build_mutant(mutant, user, built[user][build], name,
                                       log)
                if not program:
                    outcome = "does not compile"
                elif run_tests(program, user, ops[user], log):
                    outcome = build
                if outcome != "missed":
                    break
            if outcome != "missed":
                break
        for user in mutant["users"]:
            if outcome == "missed" and not compile_mutant(
                    mutant, user, built[user]["plain"], name, log,
                    ["-Wall", "-Wextra"]):
                outcome = "gcc"
    shutil.rmtree(name)
    for end in (".o", ".run"):
        if os.path.exists(name + end):
            os.remove(name + end)
    return outcome


def equivalent_list():
    """file, kind, line of source, its number among equal ones -> reason."""
    table = {}
    if not os.path.exists(EQUIVALENT):
        return table
    with open(EQUIVALENT) as f:
        entry = None
        for line in f:
            if line.startswith("#") or not line.strip():
                continue
            if not line.startswith(" "):
                file, kind, nth, source = line.split(None, 3)
                entry = (file, kind, int(nth), " ".join(source.split()))
                table[entry] = ""
            else:
                table[entry] += line.strip() + " "
    return table


def is_listed(mutant, equivalent):
    return (mutant["file"], mutant["kind"], mutant["nth"],
            mutant["source"]) in equivalent


def report(mutants, outcomes, files):
    equivalent = equivalent_list()
    counts = {f: {} for f in files}
    there = {(m["file"], m["kind"], m["nth"], m["source"])
             for f in files for m in mutants_of("%s/%s" % (FOLDER, f))}
    for entry in equivalent:
        if entry[0] in files and entry not in there:
            print("%s: no mutant is %s %s %d: %s" % (EQUIVALENT, *entry))
    for m in mutants:
        outcome = outcomes.get(m["key"], "not run")
        if outcome == "missed" and is_listed(m, equivalent):
            outcome = "equivalent"
        if outcome == "missed":
            print("%s:%d: missed: %s #%d: %s" % (m["file"], m["line"],
                                                m["kind"], m["nth"],
                                                m["source"]))
        row = counts[m["file"]]
        row[outcome] = row.get(outcome, 0) + 1
    columns = ["plain", "checked", "gcc", "missed", "equivalent"]
    print("\n| file | mutants | caught | by the checker alone | by gcc alone "
          "| missed | equivalent |\n|---|---|---|---|---|---|---|")
    total = [0] * 6
    for f in files:
        row = [counts[f].get(c, 0) for c in columns]
        if not sum(row):
            continue
        cells = [sum(row), sum(row[:3]), *row[1:]]
        total = [a + b for a, b in zip(total, cells)]
        print("| %s | %s |" % (f, " | ".join(map(str, cells))))
    print("| all | %s |" % " | ".join(map(str, total)))
    tried = total[1] + total[4]
    if tried:
        print("\n%d of %d that are not equivalent: %.0f %%" %
              (total[1], tried, 100 * total[1] / tried))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", help="of kernels/cuda/kernels")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--sample", type=int, default=1,
                        help="only each so manieth mutant")
    parser.add_argument("-j", type=int, default=os.cpu_count())
    args = parser.parse_args()
    files = [os.path.basename(f) for f in args.files] or sorted(
        f for f in os.listdir(FOLDER) if f.endswith((".cu", ".h")))
    os.makedirs(OUT, exist_ok=True)
    store = OUT + "/outcomes.json"
    outcomes = json.load(open(store)) if os.path.exists(store) else {}
    mutants = []
    for f in files:
        mutants += list(mutants_of("%s/%s" % (FOLDER, f)))[::args.sample]
    for m in mutants:
        m["key"] = hashlib.sha256((m["file"] + m["text"]).encode()).hexdigest()
    if args.list:
        for m in mutants:
            print("%(file)s:%(line)d: %(kind)s #%(nth)d: %(becomes)s" % m)
        print(len(mutants))
        return

    built, ops = {}, {}
    for m in mutants:
        m["users"] = users_of(m["path"])
        for user in m["users"]:
            if user not in built:
                built[user] = {b: commands(user, b) for b in BUILDS}
                ops[user] = ops_of(user)
    equivalent = equivalent_list()
    todo = [m for m in mutants if m["key"] not in outcomes or
            outcomes[m["key"]] == "missed" and not is_listed(m, equivalent)]
    start = time.time()
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        jobs = {pool.submit(try_mutant, m, built, ops): m
                for m in todo}
        for n, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            m = jobs[job]
            outcomes[m["key"]] = job.result()
            print("%4d/%d %6.0f s  %s:%d %s: %s" %
                  (n, len(todo), time.time() - start, m["file"], m["line"],
                   m["kind"], outcomes[m["key"]]), flush=True)
            with open(store, "w") as out:
                json.dump(outcomes, out)
    report(mutants, outcomes, files)


if __name__ == "__main__":
    sys.exit(main())
