#!/usr/bin/env python3
"""An operator that throws, wherever it does: restarts with growing waits, then a failed job that
names the operator, the cause and the position of the input.

Usage: operator_throws_test.py WEIR LIBRARY
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from weir_cli import Case  # noqa: E402

JOB = """name: throws
tables:
  t:
    columns: {k: text, v: int}
    with: {connector: file, path: in.csv, format: csv, header: true}
steps:
  - name: boom
    from: t
    operator: {library: "${LIBRARY}", class: thrower, parameters: {where: "${WHERE}"}}
sinks:
  - {from: boom, into: stdout}
"""


def main() -> None:
    c = Case(sys.argv[1])
    library = str(pathlib.Path(sys.argv[2]).resolve())
    try:
        c.write("throws.yaml", JOB)
        c.write("in.csv", "k,v\na,1\nb,2\n")
        for where in ("process", "watermark", "snapshot", "open"):
            done = c.expect(1, "run", "throws.yaml", "-p", "1", "--set", f"LIBRARY={library}",
                            "--set", f"WHERE={where}")
            waits = [int(n) for n in re.findall(r"restart \d of 5 from epoch 0 in (\d+) ms", done.err)]
            assert waits == [100, 200, 400, 800, 1600], (where, done.err)
            last = done.err.splitlines()[-1]
            assert last.startswith("weir: job throws failed: "), last
            assert "boom" in last and f"thrown in {where}" in last, last
            assert "given up after 5 restarts" in last, last
            if where == "process":
                assert "in.csv" in last, last
            print(f"ok   {last}")
    finally:
        c.close()


if __name__ == "__main__":
    main()
