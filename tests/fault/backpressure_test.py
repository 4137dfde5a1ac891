#!/usr/bin/env python3
"""An endless source behind a consumer that does not read: memory stays under the budget, the CPU
near idle, and SIGTERM still stops the job. So does a consumer that takes a row a second, and
finds them whole. Usage: backpressure_test.py WEIR [SECONDS]
"""
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from weir_cli import Case  # noqa: E402

JOB = """name: endless
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1}}
steps:
  - {name: doubled, from: numbers, select: [n, {m: n * 2}]}
sinks:
  - {from: doubled, into: stdout}
"""
# Program, libraries and threads need some 40 MB before the first row.
BUDGET_MIB, PROGRAM_MIB = 64, 64
# A snapshot each second writes the 4 MB that wait in front of the consumer, in memory that is new each time: 1.2 to 3% of a
# core, and up to 20% where the system takes 0.1 ms to clear a page, as virtual machines can. A thread that asks again and again,
# or a source that goes on, takes all of one.
CPU_MAX = 0.5


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_rows(process, seconds: int, per_second: int) -> None:
    """Takes so many rows a second, or only waits."""
    for _ in range(seconds):
        for _ in range(per_second):
            row = process.stdout.raw.readline()  # byte by byte: nothing is read ahead
            n, m = row.decode().strip().split(",")
            assert int(m) == 2 * int(n), f"not a row of the job: {row!r}"
        time.sleep(1)


def measure(c: Case, seconds: int, per_second: int) -> None:
    process = c.start("run", "endless.yaml", "--quiet", "-o", "csv", "--memory",
                      f"{BUDGET_MIB}MiB")
    if per_second:
        assert process.stdout.raw.readline().strip() == b"n,m"
    time.sleep(2)
    before = cpu_seconds(process.pid)
    read_rows(process, seconds, per_second)
    share = (cpu_seconds(process.pid) - before) / seconds
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    peak = int(next(l for l in status.splitlines() if l.startswith("VmHWM")).split()[1]) / 1024
    what = f"{per_second} rows a second are read" if per_second else "nobody reads"
    assert process.poll() is None
    assert share < CPU_MAX, f"{share:.1%} of a core while {what}"
    assert peak < BUDGET_MIB + PROGRAM_MIB, f"peak of {peak:.0f} MiB while {what}"
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # the consumer never reads what is left: at once
    process.communicate(timeout=20)
    print(f"ok   {seconds} s, {what}: {share:.2%} of a core, peak of {peak:.0f} MiB")


def main() -> None:
    c = Case(sys.argv[1])
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    try:
        c.write("endless.yaml", JOB)
        measure(c, seconds, 0)
        measure(c, seconds, 1)
    finally:
        c.close()


if __name__ == "__main__":
    main()
