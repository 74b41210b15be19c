#!/usr/bin/env python3
"""summary.py - the numbers of a GPU check, as short tables.

    python3 summary.py gpu.db copy.csv constants.csv

SCSA and SE against the copy of a map of the same size in the same state first,
then the other modules, networks, PyTorch next to us, and kernels.  Medians;
attnbench table has the intervals.  Needs nothing but Python.
"""
import csv
import math
import sqlite3
import sys

STAGES = """
SELECT module, dtype, state, batch, channels, height, impl, median_ns,
       converged
FROM run JOIN run_time ON run_id = run.id JOIN sweep ON sweep.id = sweep_id
WHERE backbone = 'none' AND experiment = 'module_stages' AND pass = 'forward'
AND source = 'attnbench'"""

NETWORKS = """
SELECT module, impl, state, copy, dtype, batch, 1e9 * batch / median_ns,
       converged
FROM run JOIN run_time ON run_id = run.id JOIN sweep ON sweep.id = sweep_id
WHERE experiment = 'gpu_networks' ORDER BY state, run.id"""

PEERS = """
SELECT theirs.source, ours.module, ours.impl, ours.channels,
       ours.ns, theirs.ns
FROM (SELECT sweep.experiment, repeat, module, impl, channels, median_ns AS ns,
             source
      FROM run JOIN run_time ON run_id = run.id
      JOIN sweep ON sweep.id = sweep_id) AS ours
JOIN (SELECT sweep.experiment, repeat, median_ns AS ns, source
      FROM run JOIN run_time ON run_id = run.id
      JOIN sweep ON sweep.id = sweep_id) AS theirs USING (experiment, repeat)
WHERE ours.source = 'attnbench' AND theirs.source <> 'attnbench'
ORDER BY theirs.source, ours.module, ours.impl, ours.channels"""

# Of each profiled run: launches; us that the steps took by our clock, that the
# kernels took by their records, and that the counters took for time; and the
# least and most that a step's records were of its counted time.
LAUNCHES = """
WITH by_step AS (
    SELECT run_id, step,
           sum(value) FILTER (WHERE launch = '' AND name = 'launches') AS n,
           sum(value) FILTER (WHERE launch = '' AND name = 'time_ns') AS ours,
           sum(value) FILTER (WHERE launch <> '' AND name = 'time_ns') AS traced,
           sum(value) FILTER (WHERE name = 'gpu__time_duration.sum') AS counted
    FROM quantity WHERE step >= 0 GROUP BY run_id, step)
SELECT repeat, sum(n), sum(ours) / 1e3, sum(traced) / 1e3, sum(counted) / 1e3,
       min(traced / counted), max(traced / counted)
FROM by_step JOIN run ON run.id = run_id
WHERE backend = 'cuda' GROUP BY run_id ORDER BY run_id"""

TWICE = """
SELECT before.repeat, first.median_ns / 1e3, second.median_ns / 1e3
FROM run AS before JOIN sweep ON sweep.id = before.sweep_id
JOIN run AS after ON after.sweep_id = before.sweep_id
                 AND after.repeat = before.repeat || ' --copy=1'
JOIN run_time AS first ON first.run_id = before.id
JOIN run_time AS second ON second.run_id = after.id
WHERE experiment = 'profile'"""

REFUSED = """
SELECT DISTINCT reason FROM quantity
WHERE step = -1 AND name = 'launches' AND value IS NULL"""

KERNELS = """
SELECT launch, sum(value) FILTER (WHERE name = 'launches'),
       sum(value) FILTER (WHERE name = 'time_ns') / 1e3 AS us
FROM quantity JOIN run ON run.id = run_id
WHERE launch <> '' AND backend = 'cuda'
GROUP BY launch ORDER BY us DESC LIMIT 10"""

OUTCOMES = """
SELECT experiment, source, status, count(*),
       min(CASE WHEN status <> 'ok' THEN repeat || ': ' || message END)
FROM run JOIN sweep ON sweep.id = sweep_id
GROUP BY experiment, source, status ORDER BY 1, 2, 3"""

SIZE = {"f32": 4, "tf32": 4, "f16": 2, "bf16": 2}


def read_copies(path):
    """GB/s by bytes and state."""
    try:
        with open(path, encoding="utf-8") as f:
            return {(int(row["bytes"]), row["state"]): float(row["gb_per_s"])
                    for row in csv.DictReader(f)}
    except OSError:
        return {}


def title(text):
    print(f"\n{text}")


def read_constants(path):
    try:
        with open(path, encoding="utf-8") as f:
            return {row["key"]: float(row["value"])
                    for row in csv.DictReader(f)}
    except OSError:
        return {}


def print_constants(known):
    model = ["launch_ns", "node_ns", "dram_bytes_per_ns", "l2_bytes_per_ns",
             "round_trip_ns", "cluster_barrier_ns"]
    if known:
        print("constants: " + ", ".join(f"{key} {known[key]:.5g}"
                                        for key in model if key in known))
        print("clusters that fit, and were seen: " + ", ".join(
            f"{key[9:].replace('_', 'x')} {known[key]:.0f}"
            f" {known.get(key + '_seen', math.nan):.0f}"
            for key in known
            if key.startswith("clusters_") and not key.endswith("seen")))
        print("SMs of its groups: " + " ".join(
            f"{known[key]:.0f}" for key in known if key.startswith("gpc_")))


def print_copies(copies):
    """GB/s, read and written, by MiB."""
    if copies:
        print("copy, GB/s hot and cold: " + ", ".join(
            f"{bytes / 2 ** 20:.4g} MiB {copies.get((bytes, 'hot'), 0):.0f}"
            f" {copies.get((bytes, 'cold'), 0):.0f}"
            for bytes in sorted({bytes for bytes, _ in copies})))


def read_stages(db):
    """us and whether it converged, by what was measured."""
    return {row[:7]: (row[7] / 1e3, row[8]) for row in db.execute(STAGES)}


def of_copy(copies, us, dtype, state, batch, c, h):
    """Share of the speed at which a copy reads and writes such a map."""
    size = batch * c * h * h * SIZE[dtype]
    # a recording runs on what the last one left, as hot does
    copy = copies.get((size, "cold" if state == "cold" else "hot"))
    return f"{100 * 2e-3 * size / us / copy:.0f}%" if copy else "-"


def print_module(module, runs, copies):
    keys = sorted({k[1:6] for k in runs if k[0] == module},
                  key=lambda k: (-k[2], k[0], k[1], k[3]))
    if not keys:
        return
    title(f"{module}: us composed and fused, their ratio, and the share of a "
          "copy's speed (same map, same state)")
    for dtype, state, batch, c, h in keys:
        us = [runs.get((module, dtype, state, batch, c, h, impl))
              for impl in ("composed", "fused")]
        text = [f"{r[0]:.2f}{'' if r[1] else '~'}" if r else "-" for r in us]
        ratio = f"{us[1][0] / us[0][0]:.3f}" if all(us) else "-"
        best = us[1] or us[0]
        print(f"{dtype:4} {state:5} {batch}x{c}x{h}x{h}".ljust(25),
              f"{text[0]:>9} {text[1]:>9} {ratio:>6}",
              f"{of_copy(copies, best[0], dtype, state, batch, c, h):>5}")


def print_others(runs, copies):
    """A line for each module, type, state and batch: the four stages."""
    lines = {}
    for (module, dtype, state, batch, c, h, impl), (us, ok) in runs.items():
        if module not in ("scsa", "se"):
            lines.setdefault((dtype, state, batch, module, impl), {})[c] = (
                f"{us:.1f}{'' if ok else '~'} "
                f"({of_copy(copies, us, dtype, state, batch, c, h)})")
    if lines:
        title("the other modules: us (share of a copy's speed) at 64x56x56, "
              "128x28x28, 256x14x14, 512x7x7")
    for key in sorted(lines, key=lambda k: (-k[2],) + k):
        dtype, state, batch, module, impl = key
        print(f"{dtype:4} {state:5} {batch:2} {module:7} {impl[0]}",
              " ".join(f"{lines[key].get(c, '-'):>13}"
                       for c in (64, 128, 256, 512)))


def print_networks(db):
    rows = list(db.execute(NETWORKS))
    if not rows:
        return
    title(f"ResNet-50 folded, {rows[0][4]}, batch {rows[0][5]}: images/s "
          "(and to plain)")
    plain = {state: rate for module, _, state, copy, _, _, rate, _ in rows
             if module == "none" and copy == 0}
    for module, impl, state, copy, _, _, rate, ok in rows:
        name = "plain" if module == "none" else f"{module} {impl}"
        if copy:
            name += " again"
        share = rate / plain[state] if state in plain else math.nan
        print(f"{state:5}  {name:16} {rate:10.0f}{'' if ok else '~'}  "
              f"{share:.3f}")


def print_peers(db):
    rows = list(db.execute(PEERS))
    if not rows:
        return
    title("modules alone, hot, f16, batch 32: us here, there, and there over "
          "here")
    for source, module, impl, c, ours, theirs in rows:
        print(f"{source:32} {module:5} {impl:9} {c:4} {ours / 1e3:9.2f} "
              f"{theirs / 1e3:9.2f} {theirs / ours:7.2f}")


def number(value, form):
    return "-" if value is None else format(value, form)


def print_launches(db):
    runs = list(db.execute(LAUNCHES))
    if not runs:
        return
    title("launches of profiled runs: us by our clock, by the GPU's records, "
          "by its counters; records over counters, step by step")
    for (reason,) in db.execute(REFUSED):
        print(f"not recorded: {reason}")
    for repeat, n, ours, traced, counted, least, most in runs:
        print(f"{number(n, '.0f'):>5} {number(ours, '10.1f'):>10} "
              f"{number(traced, '10.1f'):>10} {number(counted, '10.1f'):>10}  "
              f"{number(least, '.2f'):>5} to {number(most, '.2f'):<5}  "
              f"{repeat}")
    title("GPU kernels of all these runs: launches, us")
    for kernel, n, us in db.execute(KERNELS):
        print(f"{number(n, '.0f'):>6} {number(us, '.1f'):>10}  {kernel}")


def print_twice(db):
    for repeat, first, second in db.execute(TWICE):
        title(f"before and after CUPTI traced and counted in the process: "
              f"{first:.2f} us, {second:.2f} us, {second / first:.3f}")
        print(repeat)


def print_outcomes(db):
    title("runs")
    for experiment, source, status, n, example in db.execute(OUTCOMES):
        print(f"{experiment:15} {source:32} {status:14} {n:4}  "
              f"{(example or '')[:150]}")


def main():
    db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
    copies = read_copies(sys.argv[2])
    runs = read_stages(db)
    print_constants(read_constants(sys.argv[3]))
    print_copies(copies)
    for module in ("scsa", "se"):
        print_module(module, runs, copies)
    print_others(runs, copies)
    print_networks(db)
    print_peers(db)
    print_launches(db)
    print_twice(db)
    print_outcomes(db)


if __name__ == "__main__":
    main()
