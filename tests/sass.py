#!/usr/bin/env python3
"""sass.py - counts of the machine code of the CUDA kernels, and rules for it.

Disassembles objects of nvcc for sm_90 (cuobjdump of the toolkit, or of the
wheels nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm), counts per kernel, that
is per instance of a template, and checks RULES.  A kernel that may break one
stands in tests/sass_exceptions.txt with the reason.  The counts are compared
with kernels/cuda/SASS.csv if the same nvcc made them: a change of more than
5 % must come with that file.

    make sass                           all kernels, for each architecture
    make sass ONLY=softmax.cu           these alone
    make sass CUDA_ARCHS=90 UPDATE=1    writes the counts to SASS.csv
"""
import argparse
import csv
import fnmatch
import os
import re
import subprocess
import sys

ARCH = "sm_90"
BASELINE = "kernels/cuda/SASS.csv"
EXCEPTIONS = "tests/sass_exceptions.txt"
TOLERANCE = 0.05
REGISTERS = 65536  # of a multiprocessor
REGISTER_UNIT = 8  # a thread gets a multiple of this
CODE_BYTES = 48 << 10
FUSED_CODE_BYTES = 72 << 10  # of modules, which run all steps in one kernel

# Of each instruction's name, the counts that it adds to.
COUNTS = [
    ("ldg128", r"LDG\b.*\.128"),
    ("ldg64", r"LDG\b.*\.64"),
    ("ldg_narrow", r"LDG\b(?!.*\.(128|64))"),
    ("stg128", r"STG.*\.128"),
    ("stg_narrow", r"STG(?!.*\.128)"),
    ("lds", r"LDS\b"),
    ("sts", r"STS"),
    ("local", r"LDL|STL"),
    ("i2f", r"I2F"),
    ("mufu", r"MUFU"),
    ("shfl", r"SHFL"),
    ("fp64", r"DADD|DMUL|DFMA|F2F\.F64|F2F\.F32\.F64"),
]
COLUMNS = (["file", "kernel", "instructions"] + [name for name, _ in COUNTS] +
           ["calls_in_loops", "registers", "stack", "bytes"])

# Threads of a block and blocks that a multiprocessor is meant to hold, by file
# and kernel; the first line that fits.  Kernels of no line: one block.
RESIDENT = [
    ("scsa_cluster.cu", "cluster<*", 256, 2),
    ("scsa_passes.cu", "*", 256, 2),
    ("gate_*.cu", "*", 256, 2),
    ("group_norm.cu", "*", 256, 3),
    ("group_norm_grad.cu", "*", 256, 2),
    ("unary.cu", "*", 256, 8),
    ("binary.cu", "*", 256, 8),
    ("softmax.cu", "*", 128, 10),
    ("matmul.cu", "each<*", 128, 8),
    ("conv2d.cu", "packs_of_groups<*", 128, 8),
    ("depthwise.cu", "*", 128, 4),
    ("window_mma.cu", "*", 128, 4),
    ("dct_pool.cu", "columns<*", 256, 3),
    ("*", "columns<*", 256, 4),
    ("*", "rows<*", 256, 4),
    ("*", "gather<*", 256, 6),
    ("*", "*", 256, 1),
]

# Kernels bound by bytes: their instances for packs read and write 16 bytes.
PACKS = [
    ("unary.cu", "packs<*"),
    ("binary.cu", "packs<*"),
    ("softmax.cu", "*"),
    ("group_norm.cu", "slabs<*"),
    ("group_norm.cu", "write_chunks<*"),
    ("group_norm_grad.cu", "slabs<*"),
    ("layer_norm.cu", "*"),
    ("layer_norm_grad.cu", "*"),
    ("depthwise.cu", "*"),
]
# The same of kernels that write sums, and read only.
READS_PACKS = [
    ("global_pool.cu", "columns<*"),
    ("over_channels.cu", "rows<*"),
    ("dct_pool.cu", "columns<*"),
    ("group_norm.cu", "measure_chunks<*"),
]
OF_PACKS = r"<(__half, 8|__nv_bfloat16, 8|float, 4)\b"
ALWAYS_PACKS = ["unary.cu", "binary.cu"]  # of any type: no N among arguments


class Kernel:
    """One function: its instructions as (address, predicated, name, target),
    what was counted, and its name and file."""

    def __init__(self, name):
        self.name = name
        self.file = ""
        self.code = []
        self.counts = {"registers": 0, "stack": 0}

    def __getitem__(self, name):
        return self.counts[name]


# ---- reading ----------------------------------------------------------------

FUNCTION = re.compile(r"^\s+Function : (\S+)")
INSTRUCTION = re.compile(r"^\s+/\*([0-9a-f]{4,6})\*/\s+(@!?U?P\w+\s+)?"
                         r"([A-Z][A-Z0-9_.]*)([^;]*);")
TARGET = re.compile(r"0x([0-9a-f]+)\s*$")
CONDITION = re.compile(r"\bU?P[0-9]\b|\bB[0-9]+\b|\bUR[0-9]+\b")


def parse(text):
    """Kernels of the text of cuobjdump -sass, by their mangled names."""
    kernels, kernel = {}, None
    for line in text.split("\n"):
        found = FUNCTION.match(line)
        if found:
            kernel = kernels[found[1]] = Kernel(found[1])
            continue
        found = INSTRUCTION.match(line)
        if found and kernel:
            target = TARGET.search(found[4])
            conditional = bool(found[2]) or bool(CONDITION.search(found[4]))
            kernel.code.append((int(found[1], 16), conditional, found[3],
                                int(target[1], 16) if target else None))
    return kernels


def parse_usage(text, kernels):
    """Registers and stack, of the text of cuobjdump -res-usage."""
    for name, usage in re.findall(r"Function (\S+):\s*\n([^\n]*)", text):
        if name in kernels:
            for key, count in (("registers", "REG"), ("stack", "STACK")):
                found = re.search(r"\b%s:(\d+)" % count, usage)
                kernels[name].counts[key] = int(found[1]) if found else 0


def short_name(name):
    """A demangled name without its type and arguments."""
    depth = 0
    name = re.sub(r"^void ", "", name)
    for i, c in enumerate(name):
        depth += (c == "<") - (c == ">")
        if c == "(" and depth == 0:
            return name[:i]
    return name


# ---- counting ---------------------------------------------------------------

def successors(code, i, index):
    """Where instruction i may lead; a call leads to the next one."""
    _, conditional, name, target = code[i]
    op = name.split(".")[0]
    after = [i + 1] if i + 1 < len(code) else []
    if op == "BRA":
        jump = [index[target]] if target in index else []
        return jump + after if conditional else jump
    if op in ("EXIT", "RET", "BRX", "JMX", "KILL"):
        return after if conditional else []
    return after


def loops(code):
    """The instructions that can be reached from themselves (Tarjan's strongly
    connected components, without recursion)."""
    index = {line[0]: i for i, line in enumerate(code)}
    order, low, on_stack, stack, found = {}, {}, set(), [], set()
    for root in range(len(code)):
        if root in order:
            continue
        work = [(root, iter(successors(code, root, index)))]
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        while work:
            i, rest = work[-1]
            for j in rest:
                if j == i:
                    found.add(i)
                if j not in order:
                    order[j] = low[j] = len(order)
                    stack.append(j)
                    on_stack.add(j)
                    work.append((j, iter(successors(code, j, index))))
                    break
                if j in on_stack:
                    low[i] = min(low[i], order[j])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[i])
                if low[i] == order[i]:
                    part = []
                    while not part or part[-1] != i:
                        part.append(stack.pop())
                        on_stack.discard(part[-1])
                    # The closing branch of an endless loop to itself ends a
                    # kernel's text and is no loop of it.
                    if len(part) > 1:
                        found.update(part)
    return found


def count(kernel):
    """Fills in the counts of a kernel's instructions."""
    # An endless branch to itself and its padding end every function.
    code = [line for line in kernel.code
            if line[2] != "NOP" and not (line[2] == "BRA" and
                                         line[3] == line[0])]
    counts = kernel.counts
    counts["instructions"] = len(code)
    for name, pattern in COUNTS:
        match = re.compile(pattern).match
        counts[name] = sum(1 for line in code if match(line[2]))
    calls = [i for i, line in enumerate(code) if line[2].startswith("CALL")]
    within = loops(code) if calls else set()
    counts["calls_in_loops"] = sum(1 for i in calls if i in within)
    counts["bytes"] = 16 * len(code)


# ---- rules ------------------------------------------------------------------

def fits(kernel, file, name):
    return (fnmatch.fnmatchcase(kernel.file, file) and
            fnmatch.fnmatchcase(kernel.name, name))


def no_local_memory(kernel):
    """Nothing spills: no local memory, no stack."""
    if kernel["local"] or kernel["stack"]:
        return "%d accesses to local memory, %d bytes of stack" % (
            kernel["local"], kernel["stack"])


def no_call_in_a_loop(kernel):
    """No division by a subroutine, nor any other, in a loop."""
    if kernel["calls_in_loops"]:
        return "%d calls in loops" % kernel["calls_in_loops"]


def whole_packs(kernel):
    """A kernel bound by bytes moves 16 bytes at a time."""
    if (kernel.file not in ALWAYS_PACKS and
            not re.search(OF_PACKS, kernel.name)):
        return None
    both = any(fits(kernel, *line) for line in PACKS)
    if not both and not any(fits(kernel, *line) for line in READS_PACKS):
        return None
    if not kernel["ldg128"]:
        return "no load of 16 bytes"
    if both and not kernel["stg128"]:
        return "no store of 16 bytes"


def blocks_fit(kernel):
    """The registers of the blocks that are meant to share a multiprocessor."""
    threads, blocks = next(line[2:] for line in RESIDENT
                           if fits(kernel, *line[:2]))
    each = -(-kernel["registers"] // REGISTER_UNIT) * REGISTER_UNIT
    if each * threads * blocks > REGISTERS:
        return "%d registers, %d blocks of %d threads" % (
            kernel["registers"], blocks, threads)


def short_code(kernel):
    """A kernel's code, which each launch reads from memory at first."""
    fused = kernel.file.startswith(("scsa_cluster.", "gate_"))
    most = FUSED_CODE_BYTES if fused else CODE_BYTES
    if kernel["bytes"] > most:
        return "%d KiB of code, more than %d" % (kernel["bytes"] >> 10,
                                                 most >> 10)


RULES = [no_local_memory, no_call_in_a_loop, whole_packs, blocks_fit,
         short_code]


def read_exceptions(text):
    """Lines of rule, file, pattern of kernels: reason."""
    lines = []
    for line in text.split("\n"):
        if line.strip() and not line.startswith("#"):
            where, reason = line.split(": ", 1)
            rule, file, name = where.split(None, 2)
            lines.append((rule, file, name, reason))
    return lines


def judge(kernels, exceptions):
    """Sentences on what is broken, and the lines of exceptions with the
    kernels that each excuses."""
    broken, excused = [], {line: [] for line in exceptions}
    for kernel in kernels:
        for rule in RULES:
            why = rule(kernel)
            if not why:
                continue
            for line in exceptions:
                if line[0] == rule.__name__ and fits(kernel, *line[1:3]):
                    excused[line].append(kernel)
                    break
            else:
                broken.append("%s %s: %s: %s" % (kernel.file, kernel.name,
                                                 rule.__name__, why))
    return broken, excused


# ---- the baseline ----------------------------------------------------------

def read_baseline(path):
    """The version of nvcc, and rows by file and kernel."""
    if not os.path.exists(path):
        return "", {}
    with open(path) as f:
        version = f.readline()[len("# nvcc "):].strip()
        return version, {(row["file"], row["kernel"]): row
                         for row in csv.DictReader(f)}


def row_of(kernel):
    return {"file": kernel.file, "kernel": kernel.name,
            **{name: kernel[name] for name in COLUMNS[2:]}}


def write_baseline(path, version, rows):
    with open(path, "w", newline="") as f:
        f.write("# nvcc %s\n" % version)
        out = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        out.writeheader()
        for key in sorted(rows):
            out.writerow(rows[key])


def compare(kernels, rows):
    """Sentences on counts that are off by more than TOLERANCE; of the files of
    these kernels alone."""
    files = {kernel.file for kernel in kernels}
    gone = {key for key in rows if key[0] in files}
    changes = []
    for kernel in kernels:
        key = (kernel.file, kernel.name)
        if key not in rows:
            changes.append("%s %s: is new" % key)
            continue
        gone.discard(key)
        for name in COLUMNS[2:]:
            now, then = kernel[name], int(rows[key][name])
            if abs(now - then) > TOLERANCE * then:
                changes.append("%s %s: %s %d, was %d" % (*key, name, now,
                                                         then))
    return changes + ["%s %s: is gone" % key for key in sorted(gone)]


# ---- the program -----------------------------------------------------------

def output_of(command, **more):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE, **more).stdout


def kernels_of(cuobjdump, path):
    """The kernels of an object, counted, sorted by name."""
    there = dict(os.environ)
    folder = os.path.dirname(cuobjdump)  # where nvdisasm is as well
    there["PATH"] = folder + os.pathsep + there.get("PATH", "")
    kernels = parse(output_of([cuobjdump, "-sass", "-arch", ARCH, path],
                              env=there))
    parse_usage(output_of([cuobjdump, "-res-usage", "-arch", ARCH, path],
                          env=there, stderr=subprocess.STDOUT), kernels)
    names = output_of(["c++filt"], input="\n".join(kernels)).split("\n")
    for kernel, name in zip(kernels.values(), names):
        kernel.name = short_name(name)
        kernel.file = os.path.basename(path)[:-len(".o")]
        count(kernel)
    return sorted(kernels.values(), key=lambda kernel: kernel.name)


def nvcc_version(nvcc):
    return re.search(r"V(\d+\.\d+\.\d+)", output_of([nvcc, "--version"]))[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cuobjdump", required=True)
    parser.add_argument("--nvcc", required=True)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("objects", nargs="+")
    args = parser.parse_args()

    kernels = [kernel for path in sorted(args.objects)
               for kernel in kernels_of(args.cuobjdump, path)]
    files = {kernel.file for kernel in kernels}
    with open(EXCEPTIONS) as f:
        exceptions = [line for line in read_exceptions(f.read())
                      if any(fnmatch.fnmatchcase(file, line[1])
                             for file in files)]
    broken, excused = judge(kernels, exceptions)
    for line, names in excused.items():
        if names:
            print("  excepted: %s %s %s, %d kernels: %s" % (
                *line[:3], len(names), line[3]))
        else:
            broken.append("%s: %s %s %s excepts nothing: take it out" % (
                EXCEPTIONS, *line[:3]))

    version = nvcc_version(args.nvcc)
    then, rows = read_baseline(BASELINE)
    if args.update:
        rows = {key: row for key, row in rows.items() if key[0] not in files}
        rows.update({(k.file, k.name): row_of(k) for k in kernels})
        write_baseline(BASELINE, version, rows)
    elif then != version:
        print("  %s is of nvcc %s: not compared with %s" % (BASELINE, then,
                                                            version))
    else:
        broken += ["%s; if it is meant: make sass UPDATE=1" % change
                   for change in compare(kernels, rows)]
    for line in broken:
        print("sass: " + line)
    print("sass: %d kernels of %d files, nvcc %s; %d rules, %d exceptions; "
          "%d broken" % (len(kernels), len(files), version, len(RULES),
                         len(exceptions), len(broken)))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
