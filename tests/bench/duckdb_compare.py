#!/usr/bin/env python3
"""The carriers job against DuckDB's Python package on the same file and query.

    tests/bench/duckdb_compare.py [--weir build/release/weir] [--runs 11] FILE.csv

FILE.csv: flights of a year with the columns of jobs/examples/flights (plain CSV, NA for NULL). Needs
a Python that has the duckdb package: run it with that Python. Both write their table to a CSV file.
Runs alternate, so that both see the same machine; before them each runs once uncounted. Prints the
medians in milliseconds as CSV, and the ratio of Weir's process time to each of DuckDB's times; ends
with 1 when the two tables differ.
"""

import argparse
import csv
import glob
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JOB = os.path.join(ROOT, "jobs/examples/flights/carriers.yaml")

# Prints how long the query itself took, without the start of Python and the import.
PROGRAM = """
import sys, time
import duckdb
began = time.perf_counter()
duckdb.sql('''
copy (
  select carrier, count(*) as flights, count(*) filter (where dep_time is null) as cancelled,
         count(*) filter (where dep_delay > 15) as delayed, avg(dep_delay) as avg_dep_delay,
         max(dep_delay) as max_dep_delay, sum(distance) as miles
  from read_csv('{file}', nullstr='NA', header=true)
  group by carrier
) to '{out}' (header false)
''')
print(time.perf_counter() - began)
"""


def run_weir(weir, file, folder):
    out = os.path.join(folder, "weir")
    began = time.perf_counter()
    subprocess.run(
        [weir, "run", JOB, "--quiet", "--fresh", "--data-dir", os.path.join(folder, "data"),
         "--set", f"FLIGHTS={file}", "--set", f"OUT={out}"],
        check=True,
    )
    took = time.perf_counter() - began
    parts = sorted(glob.glob(os.path.join(out, "carriers*")) + glob.glob(out + "/carriers/*"))
    return took, [p for p in parts if os.path.isfile(p)]


def run_duckdb(file, folder):
    out = os.path.join(folder, "duckdb.csv")
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(file=file, out=out)],
        check=True, stdout=subprocess.PIPE, text=True,
    )
    return time.perf_counter() - began, float(done.stdout), [out]


def table(paths):
    """Rows by carrier; the header of a part is left out."""
    rows = {}
    for path in paths:
        with open(path, newline="") as f:
            for row in csv.reader(f):
                if row and row[0] != "carrier":
                    rows[row[0]] = [float(v) for v in row[1:]]
    return rows


def same(a, b):
    return a.keys() == b.keys() and all(
        len(a[k]) == len(b[k])
        and all(math.isclose(x, y, rel_tol=1e-12) for x, y in zip(a[k], b[k])) for k in a)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("file")
    p.add_argument("--weir", default=os.path.join(ROOT, "build/release/weir"))
    p.add_argument("--runs", type=int, default=11)
    args = p.parse_args()
    weir, file = os.path.abspath(args.weir), os.path.abspath(args.file)
    try:
        import duckdb
    except ImportError:
        sys.exit("this Python has no duckdb package: python3 -m venv DIR && "
                 "DIR/bin/pip install duckdb, then run this script with DIR/bin/python")
    ours, process, query = [], [], []
    for i in range(args.runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            took, parts = run_weir(weir, file, folder)
            took_process, took_query, out = run_duckdb(file, folder)
            if not same(table(parts), table(out)):
                print("the two tables differ", file=sys.stderr)
                return 1
        if i > 0:
            ours.append(took)
            process.append(took_process)
            query.append(took_query)
    print(f"duckdb {duckdb.__version__}, {os.path.getsize(file)} bytes, {args.runs} runs",
          file=sys.stderr)
    print("what,median_ms,min_ms,weir_ratio")
    median = statistics.median(ours)
    for what, times in (("weir process", ours), ("duckdb process", process),
                        ("duckdb query", query)):
        m = statistics.median(times)
        print(f"{what},{m * 1e3:.1f},{min(times) * 1e3:.1f},{median / m:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
